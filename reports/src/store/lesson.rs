//! The directory of trials with failures or with changes: `spof.json` or `maintenance.json`, from whose intervals and events all that
//! it claims follows again.

use super::kept::{Kept, fields};
use crate::analyse::lesson::conclude;
use crate::lesson::{Lesson, MAINTENANCE_SCHEMA, SPOF_SCHEMA};

/// The record of trials with failures, as `loadgen.spof/1`.
pub const SPOF_FILE: &str = "spof.json";
/// The record of trials with changes, as `loadgen.maintenance/1`.
pub const MAINTENANCE_FILE: &str = "maintenance.json";

/// The file of a lesson of this schema.
pub fn lesson_file(schema: &str) -> &'static str {
    if schema == MAINTENANCE_SCHEMA { MAINTENANCE_FILE } else { SPOF_FILE }
}

impl Kept for Lesson {
    const FILES: &'static [(&'static str, &'static str)] =
        &[(SPOF_SCHEMA, SPOF_FILE), (MAINTENANCE_SCHEMA, MAINTENANCE_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn conclude(&mut self) -> Result<(), String> {
        conclude(self);
        Ok(())
    }

    fn numbers(&self) -> Self {
        let mut found = self.clone();
        found.verdict.reasons.clear();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep, kept};
    use super::*;
    use crate::fixture;
    use std::fs;

    #[test]
    fn a_lesson_is_read_as_it_was_written_and_not_if_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        for found in [fixture::lesson::spof(), fixture::lesson::maintenance()] {
            let file = lesson_file(&found.schema);
            keep(dir.path(), &found).unwrap();
            assert_eq!(kept::<Lesson>(dir.path(), file).unwrap(), found);
            let mut changed = found.clone();
            changed.trials[0].impact.outage_s = 0.0;
            keep(dir.path(), &changed).unwrap();
            assert!(kept::<Lesson>(dir.path(), file).unwrap_err().contains("it was changed"));
            changed = Lesson { schema: "loadgen.run/1".into(), ..found };
            fs::write(dir.path().join(file), serde_json::to_vec(&changed).unwrap()).unwrap();
            assert!(
                kept::<Lesson>(dir.path(), file).unwrap_err().contains("\"loadgen.run/1\" is not loadgen.")
            );
        }
    }
}
