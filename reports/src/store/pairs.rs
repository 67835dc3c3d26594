//! The directory of what was measured in pairs: `pairs.json`, beside a directory for each arm, in which each run has one of its own.

use super::kept::{Kept, changed, fields};
use crate::analyse::pairs::conclude;
use crate::pairs::{PAIRS_SCHEMA, Pairs};

/// The record of measuring in pairs, as `loadgen.pairs/1`.
pub const PAIRS_FILE: &str = "pairs.json";

impl Kept for Pairs {
    const FILES: &'static [(&'static str, &'static str)] = &[(PAIRS_SCHEMA, PAIRS_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        let known = |name: &str| self.arms.iter().any(|arm| arm.name == name);
        let strange =
            self.runs.iter().find(|made| !known(&made.arm) || !(1..=self.pairs).contains(&made.pair));
        changed(strange.map(|made| format!("a run of `{}` in pair {}, which is none", made.arm, made.pair)))
    }

    fn conclude(&mut self) -> Result<(), String> {
        conclude(self);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep, kept};
    use super::*;
    use crate::pairs::{Arm, BASE, Made};

    #[test]
    fn what_is_saved_is_what_is_loaded_unless_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let arms = vec![Arm { name: BASE.into(), target: "http://h/".into(), ..Arm::default() }];
        let runs = vec![Made { arm: BASE.into(), pair: 1, attempt: 1, valid: true, ..Made::default() }];
        let mut found = Pairs { schema: PAIRS_SCHEMA.into(), pairs: 1, arms, runs, ..Pairs::default() };
        conclude(&mut found);
        let again = |found: &Pairs| {
            keep(dir.path(), found).unwrap();
            kept::<Pairs>(dir.path(), PAIRS_FILE)
        };
        assert_eq!(again(&found), Ok(found.clone()));
        let refused = |change: fn(&mut Pairs), part: &str| {
            let mut found = found.clone();
            change(&mut found);
            assert!(again(&found).is_err_and(|why| why.contains(part) && why.contains(PAIRS_FILE)), "{part}");
        };
        refused(|found| found.valid_pairs = 1, "do not follow");
        refused(|found| found.runs[0].arm = "other".into(), "a run of `other` in pair 1, which is none");
        refused(|found| found.runs[0].pair = 2, "in pair 2, which is none");
        refused(|found| found.schema.push('1'), "is not loadgen.pairs/1");
    }
}
