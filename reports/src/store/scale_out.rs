//! The directory of an experiment on scaling out: `scale-out.json`, from which all that it claims follows again.

use super::kept::{Kept, fields, of_search};
use crate::analyse::scale_out::conclude;
use crate::scale_out::{SCALE_OUT_SCHEMA, ScaleOut};

/// The record, as `loadgen.scale-out/1`.
pub const SCALE_OUT_FILE: &str = "scale-out.json";

impl Kept for ScaleOut {
    const FILES: &'static [(&'static str, &'static str)] = &[(SCALE_OUT_SCHEMA, SCALE_OUT_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        for point in self.mixes.iter().flat_map(|mix| &mix.points) {
            of_search(&point.search, &self.slo, &self.head)
                .map_err(|what| format!("with {} servers: {what}", point.servers))?;
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<(), String> {
        conclude(self)
    }

    fn hush(&mut self) {
        self.verdict.reasons.clear();
        for mix in &mut self.mixes {
            mix.no_law.clear();
            mix.wall.iter_mut().for_each(|wall| wall.what.clear());
            mix.points.iter_mut().for_each(|point| point.search.hush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep, kept};
    use super::*;
    use crate::ceiling::SelfCheck;
    use crate::fixture::scale_out::{Made, made};

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        for scene in [Made::Both, Made::Spoilt, Made::Partial, Made::Empty] {
            let found = made(scene);
            keep(dir.path(), &found).unwrap();
            assert_eq!(kept::<ScaleOut>(dir.path(), SCALE_OUT_FILE).unwrap(), found, "{scene:?}");
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |change: fn(&mut ScaleOut), part: &str| {
            let mut found = made(Made::AppBound);
            change(&mut found);
            keep(dir.path(), &found).unwrap();
            let error = kept::<ScaleOut>(dir.path(), SCALE_OUT_FILE).unwrap_err();
            assert!(error.contains(part) && error.contains("scale-out.json"), "{error}");
        };
        refused(|found| found.schema = "loadgen.scale-out/2".into(), "is not loadgen.scale-out/1");
        refused(|found| found.slo = "p95<1s".into(), "with 1 servers: it has another objective");
        refused(|found| found.head.seed = 2, "with 1 servers: it has another objective or seed");
        refused(
            |found| found.mixes[0].gain.as_mut().unwrap().ratio = 4.0,
            "its conclusions do not follow from its loads",
        );
        refused(|found| found.mixes[0].points[1].search.ceiling_rps = Some(2e3), "with 2 servers: its concl");
        refused(|found| found.mixes[0].points[3].search.steps[0].windows[0].ok = 1, "with 4 servers: load 1");
        refused(|found| found.mixes[0].points[3].search.steps.truncate(3), "with 4 servers: its concl");
        refused(
            |found| found.self_check = Some(SelfCheck { closed_rps: 2e3, ..SelfCheck::default() }),
            "do not follow",
        );
    }

    #[test]
    fn one_that_was_killed_is_concluded_from_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let whole = made(Made::Partial);
        let mut found = whole.clone();
        found.verdict = crate::record::Verdict::default();
        found.mixes[0].gain = None;
        keep(dir.path(), &found).unwrap();
        assert_eq!(kept::<ScaleOut>(dir.path(), SCALE_OUT_FILE).unwrap(), whole);
    }
}
