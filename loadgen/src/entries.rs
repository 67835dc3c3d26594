//! What became of each kind of request of a scenario. Given the events of counted requests with the number of their
//! entry, it keeps a ledger and a distribution of response times for each; of a plain run, which has one kind only, it
//! keeps nothing and costs nothing. It takes its memory before the first request.

use crate::recorder::{Due, Ending};
use crate::scenario::sessions::Failed;
use reports::histogram::Histogram;
use reports::outcome::Counts;
use std::collections::BTreeMap;

/// Up to so many entries have histograms as fine as the run's own, of a quarter of a megabyte. With more of them the
/// times are kept to two digits, in an eighth of that.
const FINE: usize = 60;

/// What became of the requests of one entry.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The ledger; without the status codes, which are in that of the run.
    pub(crate) counts: Counts,
    /// Done minus intended, in nanoseconds.
    pub(crate) response: Histogram,
    /// How often each of its checks failed.
    pub(crate) failed_checks: BTreeMap<Failed, u64>,
}

/// One [`Entry`] for each kind of request; none where there is but one kind.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    entries: Vec<Entry>,
}

impl Entries {
    /// For `count` kinds of requests.
    pub(crate) fn new(count: usize) -> Self {
        let count = if count > 1 { count } else { 0 };
        let entry = |_| {
            let mut response = if count > FINE { Histogram::coarse() } else { Histogram::default() };
            // Written to once, its memory is in place before the first request.
            response.clear();
            Entry { counts: Counts::default(), response, failed_checks: BTreeMap::new() }
        };
        Self { entries: (0..count).map(entry).collect() }
    }

    /// All of them, by number.
    pub(crate) fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes in what another thread has to say.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.entries.is_empty() {
            *self = Self::new(other.entries.len());
        }
        for (mine, theirs) in self.entries.iter_mut().zip(&other.entries) {
            mine.counts += &theirs.counts;
            mine.response.add(&theirs.response);
            for (check, n) in &theirs.failed_checks {
                *mine.failed_checks.entry(*check).or_default() += n;
            }
        }
    }

    /// Counts something of the request's entry.
    pub(crate) fn count(&mut self, due: &Due, of: impl FnOnce(&mut Counts)) {
        if let Some(entry) = self.entries.get_mut(usize::from(due.entry)) {
            of(&mut entry.counts);
        }
    }

    /// A request ended after `response` nanoseconds.
    pub(crate) fn done(&mut self, due: &Due, response: u64, ending: Ending) {
        let Some(entry) = self.entries.get_mut(usize::from(due.entry)) else { return };
        entry.response.record(response);
        match ending.error() {
            None => entry.counts.ok += 1,
            Some(kind) => entry.counts.errors.add(kind),
        }
    }

    /// An answer did not pass a check.
    pub(crate) fn check_failed(&mut self, due: &Due, check: Failed) {
        if let Some(entry) = self.entries.get_mut(usize::from(due.entry)) {
            *entry.failed_checks.entry(check).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::answer::Why;
    use reports::outcome::ErrorKind;

    const FAILED: Failed = Failed { entry: 2, place: 1, why: Why::Missing };

    fn due(entry: u16) -> Due {
        Due { entry, ..Due::plain(0, 0, 0) }
    }

    #[test]
    fn each_entry_has_a_ledger_of_its_own_and_threads_add_up() {
        let mut all = Entries::default();
        for _ in 0..2 {
            let mut entries = Entries::new(3);
            for (entry, ending) in
                [(0, Ending::Ok(200)), (2, Ending::Status(500)), (2, Ending::Error(ErrorKind::Check))]
            {
                entries.count(&due(entry), |counts| counts.planned += 1);
                entries.done(&due(entry), 1_000, ending);
            }
            entries.check_failed(&due(2), FAILED);
            all.merge(&entries);
        }
        let ledger: Vec<_> =
            all.all().iter().map(|e| (e.counts.planned, e.counts.ok, e.response.count())).collect();
        assert_eq!(ledger, [(2, 2, 2), (0, 0, 0), (4, 0, 4)]);
        assert!(all.all().iter().all(|entry| entry.counts.conserved()));
        assert_eq!((all.all()[2].counts.errors.status, all.all()[2].counts.errors.check), (2, 2));
        assert_eq!(all.all()[2].failed_checks, [(FAILED, 2)].into());
    }

    #[test]
    fn a_plain_run_keeps_nothing_and_many_entries_keep_less() {
        for plain in [0, 1] {
            let mut entries = Entries::new(plain);
            entries.done(&due(0), 1, Ending::Ok(200));
            assert!(entries.all().is_empty());
        }
        let mut many = Entries::new(FINE + 1);
        many.done(&due(60), 123_456_789, Ending::Ok(200));
        let kept = many.all()[60].response.max();
        assert!(kept != 123_456_789 && kept.abs_diff(123_456_789) < 1_234_567, "{kept}");
    }
}
