//! The directory of an experiment on caching: `cache.json`, from which all that it claims follows again.

use super::{again, numbers, otherwise, read_with, replace};
use crate::analyse::caching::{caching, contradiction};
use crate::cache::{CACHE_SCHEMA, Caching};
use crate::record::Verdict;
use std::io;
use std::path::Path;

/// The record, as `loadgen.cache/1`.
pub const CACHE_FILE: &str = "cache.json";

/// Writes `found` into `dir`, which is made where it is missing. An older record is replaced in one step.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save_caching(dir: &Path, found: &Caching) -> io::Result<()> {
    replace(dir, CACHE_FILE, found)
}

/// Reads the record in `dir`, and concludes from its measurements again: the numbers that are in it have to come out.
///
/// # Errors
/// When the file is missing, is not what it should be, or its conclusions do not follow from what was measured.
pub fn load_caching(dir: &Path) -> Result<Caching, String> {
    read_with(&dir.join(CACHE_FILE), |json| {
        let found: Caching = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if found.schema != CACHE_SCHEMA {
            return Err(format!("\"{}\" is not {CACHE_SCHEMA}", found.schema));
        }
        for (name, way) in [("without", &found.uncached), ("with", &found.cached)] {
            way.as_ref()
                .map_or(Ok(()), |way| again(&way.search).map(drop))
                .map_err(|what| format!("the search {name} a cache: {what}"))?;
        }
        if let Some(what) = contradiction(&found) {
            return Err(format!("{what}: it was changed"));
        }
        let mut concluded = found.clone();
        caching(&mut concluded)?;
        // An experiment that was killed has not come to its conclusions.
        if found.partial && found.verdict == Verdict::default() || bare(&concluded) == bare(&found) {
            Ok(concluded)
        } else {
            Err(otherwise(&found.host))
        }
    })
}

/// What was concluded but for the sentences.
fn bare(found: &Caching) -> Caching {
    let mut found = found.clone();
    found.verdict.reasons.clear();
    for way in [&mut found.uncached, &mut found.cached].into_iter().flatten() {
        way.search = numbers(&way.search);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::caching::{Made, made};

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        for scene in Made::ALL {
            let found = made(scene);
            save_caching(dir.path(), &found).unwrap();
            assert_eq!(load_caching(dir.path()).unwrap(), found, "{scene:?}");
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |change: fn(&mut Caching), part: &str| {
            let mut found = made(Made::Whole);
            change(&mut found);
            save_caching(dir.path(), &found).unwrap();
            let error = load_caching(dir.path()).unwrap_err();
            assert!(error.contains(part) && error.contains("cache.json"), "{error}");
        };
        refused(|found| found.schema = "loadgen.cache/2".into(), "is not loadgen.cache/1");
        refused(|found| found.gain.as_mut().unwrap().ratio = 90.0, "do not follow");
        refused(|found| found.stampedes[0].expiries[0].requests = 1, "do not follow");
        refused(|found| found.outages[1].dead.as_mut().unwrap().failed = 0, "do not follow");
        refused(|found| found.outages[0].intervals[3].0 += 1, "the intervals of an outage");
        refused(|found| found.stampedes[0].ledger.ok -= 1, "not the sum of their outcomes");
        refused(|found| found.stampedes[2].reached[2].1 = 9_999, "a counter goes back");
        refused(
            |found| found.cached.as_mut().unwrap().busy.as_mut().unwrap().db_queries = 0,
            "do not follow",
        );
        refused(
            |found| found.cached.as_mut().unwrap().search.ceiling_rps = Some(2e5),
            "the search with a cache: its concl",
        );
    }

    #[test]
    fn one_that_was_killed_is_concluded_from_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let whole = made(Made::Partial);
        let found = Caching { verdict: Verdict::default(), gain: None, ..whole.clone() };
        save_caching(dir.path(), &found).unwrap();
        assert_eq!(load_caching(dir.path()).unwrap(), whole);
    }
}
