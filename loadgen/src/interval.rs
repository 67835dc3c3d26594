//! Time in equal pieces: the measured part of a run, its intervals, and what happened in one of them. Given by each
//! thread, merged by the aggregate; it reads no clock and counts nothing itself.

use reports::histogram::Distributions;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The measured part of a run and its division, in nanoseconds after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its beginning: the end of the warm-up.
    pub(crate) origin: u64,
    /// Its end.
    pub(crate) end: u64,
    /// The length of an interval.
    pub(crate) length: u64,
}

impl Window {
    /// Fine enough to see what happens, and never more than this many intervals.
    const MOST: u64 = 600;
    /// The lengths that an interval may have, in milliseconds.
    const LENGTHS_MS: [u64; 10] = [200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 600_000, 3_600_000];

    /// A measured part from `origin` to `end`.
    pub(crate) fn new(origin: u64, end: u64) -> Self {
        let mut lengths = Self::LENGTHS_MS.iter().map(|ms| ms * 1_000_000);
        let length = lengths.find(|length| end - origin <= length * Self::MOST);
        Self { origin, end, length: length.unwrap_or(24 * 3_600_000_000_000) }
    }

    /// The length of an interval in seconds.
    pub(crate) fn length_s(&self) -> f64 {
        self.length as f64 / 1e9
    }

    /// How many intervals it has.
    pub(crate) fn intervals(&self) -> usize {
        usize::try_from((self.end - self.origin).div_ceil(self.length)).unwrap_or(usize::MAX)
    }
}

/// What the thread's connections look like at the end of an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    /// Requests sent and not yet ended.
    pub(crate) in_flight: u64,
    /// Requests waiting for a connection.
    pub(crate) backlog: u64,
    /// Open connections.
    pub(crate) connections: u64,
}

/// One interval of one thread, or of several merged.
#[derive(Debug, Default)]
pub(crate) struct Interval {
    /// Its number from the beginning of the measured part; negative in the warm-up.
    pub(crate) number: i64,
    /// Requests that came due in it and were come to in it.
    pub(crate) planned: u64,
    /// Requests that had come due in earlier intervals, by the number of these.
    pub(crate) planned_before: BTreeMap<i64, u64>,
    /// Requests sent.
    pub(crate) sent: u64,
    /// Correct answers.
    pub(crate) ok: u64,
    /// Failures.
    pub(crate) errors: u64,
    /// Requests dropped.
    pub(crate) dropped: u64,
    /// Of the warm-up's requests, in the measured part: those that ended in it, which are in none of the counts above, and how many
    /// of them were answered correctly.
    pub(crate) left_over: u64,
    pub(crate) left_over_ok: u64,
    /// Times of the requests that ended in it. In the measured part: of counted requests only.
    pub(crate) times: Distributions,
    /// At its end.
    pub(crate) gauges: Gauges,
    /// CPU time that the busiest thread used in it.
    pub(crate) cpu: Duration,
}

impl Interval {
    /// Takes in the same interval of another thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        for (number, n) in &other.planned_before {
            *self.planned_before.entry(*number).or_default() += n;
        }
        self.sent += other.sent;
        self.ok += other.ok;
        self.errors += other.errors;
        self.dropped += other.dropped;
        self.left_over += other.left_over;
        self.left_over_ok += other.left_over_ok;
        self.times.add(&other.times);
        self.gauges.in_flight += other.gauges.in_flight;
        self.gauges.backlog += other.gauges.backlog;
        self.gauges.connections += other.gauges.connections;
        self.cpu = self.cpu.max(other.cpu);
    }
}

/// Histograms to be used again. A fresh set is a megabyte of untouched memory: faulting it in, once an interval, would
/// be the largest disturbance of the stream by far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares {
    sets: Arc<Mutex<Vec<Distributions>>>,
}

impl Spares {
    /// An empty set of histograms.
    pub(crate) fn take(&self) -> Distributions {
        let spare = self.sets.lock().ok().and_then(|mut sets| sets.pop());
        spare.unwrap_or_default()
    }

    /// Gives a set back.
    pub(crate) fn give(&self, mut set: Distributions) {
        set.clear();
        if let Ok(mut sets) = self.sets.lock() {
            sets.push(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn intervals_are_fine_and_few() {
        for (seconds, ms) in [(1, 200), (10, 200), (120, 200), (121, 500), (600, 1_000), (3600, 10_000)] {
            assert_eq!(Window::new(5, 5 + seconds * 1_000 * MS).length, ms * MS, "{seconds} s");
        }
        let month = Window::new(0, 30 * 24 * 3_600_000 * MS);
        assert!(month.intervals() <= 600 && month.intervals() > 0);
        assert_eq!(Window::new(0, 0).intervals(), 0);
    }
}
