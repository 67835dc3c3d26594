//! The directory of trials with failures or with changes: `spof.json` or `maintenance.json`, from whose intervals and events all that
//! it claims follows again.

use super::kept::{Kept, changed, fields};
use crate::analyse::credible;
use crate::analyse::lesson::conclude;
use crate::lesson::{Lesson, MAINTENANCE_SCHEMA, Moment, SPOF_SCHEMA, Trial};
use crate::outcome::is_conserved;

/// The record of trials with failures, as `loadgen.spof/1`.
pub const SPOF_FILE: &str = "spof.json";
/// The record of trials with changes, as `loadgen.maintenance/1`.
pub const MAINTENANCE_FILE: &str = "maintenance.json";

/// The file of a lesson of this schema.
pub fn lesson_file(schema: &str) -> &'static str {
    if schema == MAINTENANCE_SCHEMA { MAINTENANCE_FILE } else { SPOF_FILE }
}

/// What in a trial cannot be, whatever was measured.
fn contradiction(trial: &Trial) -> Option<&'static str> {
    let sum = |of: fn(&Moment) -> u64| trial.bins.iter().map(of).fold(0, u64::saturating_add);
    if !is_conserved(trial.planned, [trial.ok, trial.dropped, trial.unfinished], &trial.errors) {
        return Some("the requests are not the sum of their outcomes");
    }
    let ended = (trial.ok, trial.errors.total().saturating_add(trial.dropped));
    let binned = (sum(|bin| bin.ok), sum(|bin| bin.failed));
    (binned != ended).then_some("the intervals are not the outcomes")
}

impl Kept for Lesson {
    const FILES: &'static [(&'static str, &'static str)] =
        &[(SPOF_SCHEMA, SPOF_FILE), (MAINTENANCE_SCHEMA, MAINTENANCE_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        let wrong = || self.trials.iter().find_map(|trial| Some((trial, contradiction(trial)?)));
        let contradictory = || wrong().map(|(trial, what)| format!("{}: {what}", trial.name));
        changed(credible::of_lesson(self).or_else(contradictory))
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

    #[test]
    fn outcomes_that_the_intervals_do_not_have_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |change: fn(&mut Trial), part: &str| {
            let mut found = fixture::lesson::spof();
            change(&mut found.trials[1]);
            conclude(&mut found);
            keep(dir.path(), &found).unwrap();
            let error = kept::<Lesson>(dir.path(), SPOF_FILE).unwrap_err();
            assert!(error.contains(part) && error.contains("killing one of 2 app servers"), "{error}");
        };
        refused(|trial| (trial.planned, trial.ok) = (24_000, 24_000), "the intervals are not the outcomes");
        refused(|trial| trial.bins[3].failed = 5, "the intervals are not the outcomes");
        refused(|trial| trial.planned += 1, "not the sum of their outcomes");
    }

    #[test]
    fn what_no_experiment_leaves_is_refused_before_anything_is_concluded_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut found = fixture::lesson::spof();
        let (alone, two) = (found.trials[0].clone(), found.trials[1].clone());
        // Sums that wrap around are right.
        found.trials[0] = Trial { ok: u64::MAX, planned: 900, ..alone };
        found.trials[0].errors.status = 901;
        keep(dir.path(), &found).unwrap();
        assert!(kept::<Lesson>(dir.path(), SPOF_FILE).unwrap_err().contains("a count that no load has"));
        found.trials = vec![two; 3_000];
        keep(dir.path(), &found).unwrap();
        let error = kept::<Lesson>(dir.path(), SPOF_FILE).unwrap_err();
        assert!(error.contains("3,000 trials: no experiment has more than 64"), "{error}");
    }
}
