//! The directory of an experiment on scaling out: `scale-out.json`, from which all that it claims follows again.

use super::{again, numbers, otherwise, read_with, replace};
use crate::analyse::scale_out::conclude;
use crate::record::Verdict;
use crate::scale_out::{SCALE_OUT_SCHEMA, ScaleOut};
use std::io;
use std::path::Path;

/// The record, as `loadgen.scale-out/1`.
pub const SCALE_OUT_FILE: &str = "scale-out.json";

/// Writes `found` into `dir`, which is made where it is missing. An older record is replaced in one step.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save_scale_out(dir: &Path, found: &ScaleOut) -> io::Result<()> {
    replace(dir, SCALE_OUT_FILE, found)
}

/// Reads the record in `dir`, and concludes from its searches again: the numbers that are in it have to come out.
///
/// # Errors
/// When the file is missing, is not what it should be, or its conclusions do not follow from its loads.
pub fn load_scale_out(dir: &Path) -> Result<ScaleOut, String> {
    read_with(&dir.join(SCALE_OUT_FILE), |json| {
        let found: ScaleOut = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if found.schema != SCALE_OUT_SCHEMA {
            return Err(format!("\"{}\" is not {SCALE_OUT_SCHEMA}", found.schema));
        }
        for point in found.mixes.iter().flat_map(|mix| &mix.points) {
            again(&point.search).map_err(|what| format!("with {} servers: {what}", point.servers))?;
        }
        let mut concluded = found.clone();
        conclude(&mut concluded)?;
        // An experiment that was killed has not come to its conclusions.
        if found.partial && found.verdict == Verdict::default() || bare(&concluded) == bare(&found) {
            Ok(concluded)
        } else {
            Err(otherwise(&found.host))
        }
    })
}

/// What was concluded but for the sentences.
fn bare(found: &ScaleOut) -> ScaleOut {
    let mut found = found.clone();
    found.verdict.reasons.clear();
    for mix in &mut found.mixes {
        mix.no_law.clear();
        mix.wall.iter_mut().for_each(|wall| wall.what.clear());
        mix.points.iter_mut().for_each(|point| point.search = numbers(&point.search));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::SelfCheck;
    use crate::fixture::scale_out::{Made, made};

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        for scene in [Made::Both, Made::Spoilt, Made::Partial, Made::Empty] {
            let found = made(scene);
            save_scale_out(dir.path(), &found).unwrap();
            assert_eq!(load_scale_out(dir.path()).unwrap(), found, "{scene:?}");
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |change: fn(&mut ScaleOut), part: &str| {
            let mut found = made(Made::AppBound);
            change(&mut found);
            save_scale_out(dir.path(), &found).unwrap();
            let error = load_scale_out(dir.path()).unwrap_err();
            assert!(error.contains(part) && error.contains("scale-out.json"), "{error}");
        };
        refused(|found| found.schema = "loadgen.scale-out/2".into(), "is not loadgen.scale-out/1");
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
        found.verdict = Verdict::default();
        found.mixes[0].gain = None;
        save_scale_out(dir.path(), &found).unwrap();
        assert_eq!(load_scale_out(dir.path()).unwrap(), whole);
    }
}
