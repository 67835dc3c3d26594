//! The directory of a search for the ceiling: `ceiling.json`, from whose loads all that it claims follows again.

use super::kept::{Kept, changed, fields};
use crate::analyse::conclude::conclude;
use crate::analyse::objective::Objective;
use crate::analyse::plausible::contradiction;
use crate::ceiling::{CEILING_SCHEMA, Ceiling};

/// The record of a search for the ceiling, as `loadgen.ceiling/1`.
pub const CEILING_FILE: &str = "ceiling.json";

impl Kept for Ceiling {
    const FILES: &'static [(&'static str, &'static str)] = &[(CEILING_SCHEMA, CEILING_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        changed(contradiction(self, &Objective::parse(&self.slo)?))
    }

    fn conclude(&mut self) -> Result<(), String> {
        conclude(self)
    }

    fn hush(&mut self) {
        self.limited_by.evidence.clear();
        self.verdict.reasons.clear();
        self.forecast.iter_mut().for_each(|forecast| forecast.wall.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::super::kept;
    use super::*;
    use std::path::Path;

    #[test]
    fn the_recorded_searches_follow_from_their_loads() {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/ceiling");
        for name in ["database", "workers"] {
            let found = kept::<Ceiling>(&recorded.join(name), CEILING_FILE).unwrap();
            assert!(found.verdict.valid && !found.steps.is_empty(), "{name}");
        }
    }
}
