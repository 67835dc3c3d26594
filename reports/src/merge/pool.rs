//! The histograms of all shards, interval by interval. Several threads read logs and count into one pool, which keeps of each interval
//! only what occurred in it: its memory grows with the length of the run, and not with the number of shards.

use super::Piece;
use crate::analyse::interval::distribution;
use crate::histogram::{Distributions, Histogram, Sparse};
use crate::log::{self, Entry};
use crate::record::{Distribution, Run};
use crate::store::LOG_FILE;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The tags of a run's log, in its order.
pub(super) const TAGS: [&str; 4] = ["response", "service", "send_lag", "ok_response"];
/// More intervals than a run has are no run's.
const MOST_INTERVALS: usize = 1_000_000;

/// What the logs of all shards come to.
#[derive(Default)]
pub(super) struct Pool {
    /// By interval and tag.
    pub(super) intervals: Vec<[Tally; 4]>,
    /// What could not be read, with its path.
    pub(super) broken: Vec<String>,
    /// The directories of those.
    pub(super) left_out: BTreeSet<PathBuf>,
}

/// Values with their counts: a page for each power of two in which there is one.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pages: Vec<Option<Box<[u64; PAGE]>>>,
}

/// The parts that a power of two is divided into, of a histogram with three digits.
const PAGE: usize = 1024;
const PAGE_BITS: u32 = PAGE.trailing_zeros();

impl Tally {
    fn add(&mut self, other: &Sparse) {
        for &(value, n) in other.recorded() {
            let (page, place) = place(value);
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            if let Some(slot) = self.pages.get_mut(page) {
                let counts = slot.get_or_insert_with(|| Box::new([0; PAGE]));
                counts[place] = counts[place].saturating_add(n);
            }
        }
    }

    /// As a histogram at rest.
    pub(super) fn sparse(&self) -> Sparse {
        let pages = self.pages.iter().enumerate().filter_map(|(page, counts)| Some((page, counts.as_ref()?)));
        let recorded = pages.flat_map(|(page, counts)| {
            counts.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(at, n)| (value(page, at), *n))
        });
        recorded.collect()
    }
}

/// Where a value is counted: values that a histogram with three digits does not tell apart are in one place.
fn place(value: u64) -> (usize, usize) {
    let power = (u64::BITS - value.leading_zeros()).saturating_sub(PAGE_BITS + 1);
    let within = value >> power;
    let page = if within < PAGE as u64 { 0 } else { power as usize + 1 };
    (page, (within as usize) & (PAGE - 1))
}

/// The largest value that is counted there.
fn value(page: usize, at: usize) -> u64 {
    match page.checked_sub(1) {
        None => at as u64,
        Some(power) => (((at + PAGE) as u64) << power) + ((1u64 << power) - 1),
    }
}

/// Reads the logs of the pieces. One that is broken, or is not what its record says, is left out as a whole.
pub(super) fn read(pieces: &[Piece]) -> Pool {
    let pool = Mutex::new(Pool::default());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(pieces.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let entries = entries(piece);
                    let mut pool = pool.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match entries {
                        Ok(entries) => {
                            entries.iter().for_each(|(number, tag, entry)| pool.count(*number, *tag, entry))
                        }
                        Err(why) => {
                            pool.broken.push(why);
                            pool.left_out.insert(piece.dir.clone());
                        }
                    }
                }
            });
        }
    });
    let mut pool = pool.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // In whatever order they were come across.
    pool.broken.sort();
    pool
}

impl Pool {
    fn count(&mut self, number: usize, tag: usize, histogram: &Sparse) {
        if self.intervals.len() <= number {
            self.intervals.resize(number + 1, Default::default());
        }
        self.intervals[number][tag].add(histogram);
    }
}

/// What is in a piece's log, by interval and tag; it has to be what its record says.
fn entries(piece: &Piece) -> Result<Vec<(usize, usize, Sparse)>, String> {
    let path = piece.dir.join(LOG_FILE);
    let named = |what: String| format!("{}: {what}", path.display());
    let text = std::fs::read(&path).map_err(|e| named(e.to_string()))?;
    let entries = log::read(&text).map_err(named)?;
    agree(&piece.run, &log::total(&entries))
        .map_err(|what| named(format!("{what} is not what the record has")))?;
    let interval_s = piece.run.timeline.interval_s;
    let placed = |entry: Entry| -> Option<Result<_, String>> {
        let tag = TAGS.iter().position(|tag| *tag == entry.tag)?;
        let number = (entry.start_s / interval_s).round();
        let fits = number >= 0.0 && number < MOST_INTERVALS as f64;
        Some(if fits {
            Ok((number as usize, tag, entry.histogram))
        } else {
            Err(named(format!("{} s is in no run", entry.start_s)))
        })
    };
    entries.into_iter().filter_map(placed).collect()
}

/// Which distribution of a record is not that of its log.
fn agree(run: &Run, totals: &Distributions) -> Result<(), &'static str> {
    // What blocks of time say of it needs the intervals, and changes none of these.
    let plain =
        |of: &Distribution| Distribution { ci95_blocks: Default::default(), blocks: None, ..of.clone() };
    let pairs: [(&str, &Distribution, &Histogram); 4] = [
        ("response_ms", &run.response_ms, &totals.response),
        ("service_ms", &run.service_ms, &totals.service),
        ("send_lag_ms", &run.send_lag_ms, &totals.send_lag),
        ("ok_response_ms", &run.ok_response_ms, &totals.ok_response),
    ];
    match pairs.into_iter().find(|(_, said, logged)| plain(said) != distribution(logged)) {
        Some((name, ..)) => Err(name),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tally_keeps_what_a_histogram_does(
            parts in prop::collection::vec(prop::collection::vec(0..2 * crate::histogram::MAX_NS, 0..60), 1..5),
        ) {
            let (mut all, mut tally) = (Histogram::default(), Tally::default());
            for part in &parts {
                let mut one = Histogram::default();
                for ns in part {
                    one.record(*ns);
                    all.record(*ns);
                }
                tally.add(&Sparse::from(&one));
            }
            prop_assert_eq!(tally.sparse(), Sparse::from(&all));
        }
    }
}
