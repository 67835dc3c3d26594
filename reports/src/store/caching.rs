//! The directory of an experiment on caching: `cache.json`, from which all that it claims follows again.

use super::kept::{Kept, changed, fields, of_search};
use crate::analyse::caching::{caching, contradiction};
use crate::analyse::credible;
use crate::cache::{CACHE_SCHEMA, Caching};

/// The record, as `loadgen.cache/1`.
pub const CACHE_FILE: &str = "cache.json";

impl Kept for Caching {
    const FILES: &'static [(&'static str, &'static str)] = &[(CACHE_SCHEMA, CACHE_FILE)];

    fields!();

    fn check(&self) -> Result<(), String> {
        for (name, way) in [("without", &self.uncached), ("with", &self.cached)] {
            way.as_ref()
                .map_or(Ok(()), |way| of_search(&way.search, &self.slo, &self.head))
                .map_err(|what| format!("the search {name} a cache: {what}"))?;
        }
        changed(credible::of_caching(self).or_else(|| contradiction(self)))
    }

    fn conclude(&mut self) -> Result<(), String> {
        caching(self)
    }

    fn hush(&mut self) {
        self.verdict.reasons.clear();
        [&mut self.uncached, &mut self.cached].into_iter().flatten().for_each(|way| way.search.hush());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep, kept};
    use super::*;
    use crate::fixture::caching::{Made, made};

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        for scene in Made::ALL {
            let found = made(scene);
            keep(dir.path(), &found).unwrap();
            assert_eq!(kept::<Caching>(dir.path(), CACHE_FILE).unwrap(), found, "{scene:?}");
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |change: fn(&mut Caching), part: &str| {
            let mut found = made(Made::Whole);
            change(&mut found);
            keep(dir.path(), &found).unwrap();
            let error = kept::<Caching>(dir.path(), CACHE_FILE).unwrap_err();
            assert!(error.contains(part) && error.contains("cache.json"), "{error}");
        };
        refused(|found| found.schema = "loadgen.cache/2".into(), "is not loadgen.cache/1");
        refused(|found| found.slo = "p95<1s".into(), "the search without a cache: it has another objective");
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
            |found| found.stampedes[1].duration_s = -1.0,
            "the popular page (lock): a number that no load has",
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
        let found = Caching { verdict: crate::record::Verdict::default(), gain: None, ..whole.clone() };
        keep(dir.path(), &found).unwrap();
        assert_eq!(kept::<Caching>(dir.path(), CACHE_FILE).unwrap(), whole);
    }
}
