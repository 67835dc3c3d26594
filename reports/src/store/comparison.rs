//! The directory of a comparison: `compare.json`, from whose pairs all that it claims follows again.

use super::kept::{Kept, changed, fields};
use crate::analyse::compare::conclude;
use crate::comparison::{COMPARE_SCHEMA, Comparison, Pair};

/// The record, as `loadgen.compare/1`.
pub const COMPARE_FILE: &str = "compare.json";

impl Kept for Comparison {
    const FILES: &'static [(&'static str, &'static str)] = &[(COMPARE_SCHEMA, COMPARE_FILE)];

    fields!(whole);

    fn check(&self) -> Result<(), String> {
        let sound = |value: f64| value.is_finite() && value > 0.0;
        let wrong = |pair: &&Pair| !sound(pair.base) || !sound(pair.candidate);
        let metrics = || self.metrics.iter().chain(self.checks.iter().flat_map(|check| &check.metrics));
        let pairs = metrics().flat_map(|metric| metric.pairs.iter().chain(&metric.control));
        let mut deltas = metrics().filter_map(|metric| metric.delta);
        let what = if self.alpha <= 0.0 || self.alpha >= 1.0 || self.least_pairs == 0 {
            Some(String::from("its terms cannot be"))
        } else if deltas.any(|delta| !sound(delta)) {
            Some(String::from("a delta is no share"))
        } else {
            let first = pairs.into_iter().find(wrong);
            first.map(|pair| format!("pair {} has a value that cannot be", pair.name))
        };
        changed(what)
    }

    fn conclude(&mut self) -> Result<(), String> {
        conclude(self);
        Ok(())
    }

    fn hush(&mut self) {
        self.verdict.reasons.clear();
        self.attribution.clear();
        let checked = self.checks.iter_mut().flat_map(|check| &mut check.metrics);
        self.metrics.iter_mut().chain(checked).for_each(|metric| metric.doubt = None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep, kept};
    use super::*;
    use crate::comparison::Call;
    use crate::fixture::comparison::{Made, made};

    #[test]
    fn a_comparison_is_read_as_it_was_written_and_not_if_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        for which in Made::ALL {
            let found = made(which);
            keep(dir.path(), &found).unwrap();
            assert_eq!(kept::<Comparison>(dir.path(), COMPARE_FILE).unwrap(), found, "{which:?}");
        }
        let mut better = made(Made::Slower);
        better.call = Call::Pass;
        keep(dir.path(), &better).unwrap();
        assert!(kept::<Comparison>(dir.path(), COMPARE_FILE).unwrap_err().contains("do not follow"));
        for spoil in [
            (|found| found.metrics[0].pairs[0].base = 0.0) as fn(&mut Comparison),
            |found| found.metrics[0].control[0].candidate = -1.0,
            |found| found.metrics[0].delta = Some(-0.5),
            |found| found.alpha = 2.0,
        ] {
            let mut found = made(Made::Same);
            spoil(&mut found);
            keep(dir.path(), &found).unwrap();
            assert!(kept::<Comparison>(dir.path(), COMPARE_FILE).unwrap_err().contains("changed"));
        }
    }
}
