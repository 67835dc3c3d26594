//! From the intervals of several threads to the run's. Given each thread's intervals as they pass, it gives every
//! merged interval once all threads have handed theirs over, in order; of past ones it keeps a few numbers each and
//! the distributions' totals, so its memory does not grow with the number of requests.

use crate::interval::{Interval, Spares};
use reports::analyse::blocks::Blocks;
use reports::histogram::{Distributions, Histogram};
use reports::record::{Bin, Timeline};
use std::collections::BTreeMap;

/// Merges the intervals of a run's threads.
#[derive(Debug)]
pub(crate) struct Aggregate {
    threads: usize,
    interval_s: f64,
    waiting: BTreeMap<i64, (usize, Interval)>,
    totals: Distributions,
    bins: Vec<Bin>,
    blocks: Blocks,
}

/// What the intervals of a run come to.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The distributions of the measured part.
    pub(crate) totals: Distributions,
    /// The same response times in blocks.
    pub(crate) blocks: Blocks,
    /// The intervals.
    pub(crate) timeline: Timeline,
}

impl Aggregate {
    /// For `threads` threads and intervals of `interval_s` seconds.
    pub(crate) fn new(threads: usize, interval_s: f64) -> Self {
        Self {
            threads,
            interval_s,
            waiting: BTreeMap::new(),
            totals: Distributions::default(),
            bins: Vec::new(),
            blocks: Blocks::new(interval_s),
        }
    }

    /// Takes in one thread's interval; gives the intervals that are complete by that, in order. Histograms that are no
    /// longer needed go to `spares`.
    pub(crate) fn add(&mut self, interval: Interval, spares: &Spares) -> Vec<Interval> {
        match self.waiting.entry(interval.number) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((1, interval));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let (threads, merged) = entry.get_mut();
                *threads += 1;
                merged.merge(&interval);
                spares.give(interval.times);
            }
        }
        let mut complete = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.get().0 < self.threads {
                break;
            }
            complete.push(entry.remove().1);
        }
        complete.iter().for_each(|interval| self.keep(interval));
        complete
    }

    /// The threads have ended: gives the intervals that not all of them have reached.
    pub(crate) fn rest(&mut self) -> Vec<Interval> {
        let rest: Vec<Interval> = std::mem::take(&mut self.waiting).into_values().map(|(_, i)| i).collect();
        rest.iter().for_each(|interval| self.keep(interval));
        rest
    }

    /// All of them together; in the timeline at least `planned` intervals, and further ones as long as something happened in
    /// them.
    pub(crate) fn finish(mut self, planned: usize) -> Whole {
        let idle = |bin: &Bin| bin.sent + bin.ok + bin.errors + bin.dropped + bin.planned == 0;
        while self.bins.len() > planned && self.bins.last().is_some_and(idle) {
            self.bins.pop();
        }
        let timeline = Timeline { interval_s: self.interval_s, bins: self.bins };
        Whole { totals: self.totals, blocks: self.blocks, timeline }
    }

    fn keep(&mut self, interval: &Interval) {
        if let Ok(number) = u64::try_from(interval.number) {
            self.totals.add(&interval.times);
            self.blocks.add(number, &interval.times.response);
            self.bins.push(bin(interval, self.interval_s));
            for (number, n) in &interval.planned_before {
                if let Some(bin) = usize::try_from(*number).ok().and_then(|number| self.bins.get_mut(number))
                {
                    bin.planned += n;
                }
            }
        }
    }
}

/// A percentile in milliseconds, of however small a sample; `None` of nothing.
fn quantile_ms(times: &Histogram, q: f64) -> Option<f64> {
    (!times.is_empty()).then(|| times.quantile(q) as f64 / 1e6)
}

fn bin(interval: &Interval, interval_s: f64) -> Bin {
    let times = &interval.times;
    Bin {
        planned: interval.planned,
        sent: interval.sent,
        ok: interval.ok,
        errors: interval.errors,
        dropped: interval.dropped,
        p50_ms: quantile_ms(&times.response, 0.5),
        p99_ms: quantile_ms(&times.response, 0.99),
        max_ms: quantile_ms(&times.response, 1.0),
        send_lag_p99_ms: quantile_ms(&times.send_lag, 0.99),
        in_flight: interval.gauges.in_flight,
        backlog: interval.gauges.backlog,
        connections: interval.gauges.connections,
        generator_cpu: interval.cpu.as_secs_f64() / interval_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(number: i64, ok: u64) -> Interval {
        let mut interval = Interval { number, planned: ok, ok, ..Interval::default() };
        (0..ok).for_each(|_| interval.times.response.record(1_000_000));
        interval
    }

    #[test]
    fn an_interval_is_given_once_all_threads_have_passed_it_in_order() {
        let spares = Spares::default();
        let mut aggregate = Aggregate::new(2, 0.2);
        assert!(aggregate.add(interval(-1, 5), &spares).is_empty());
        assert!(aggregate.add(interval(0, 1), &spares).is_empty());
        let complete = aggregate.add(interval(-1, 5), &spares);
        assert_eq!(complete.iter().map(|i| (i.number, i.ok)).collect::<Vec<_>>(), [(-1, 10)]);
        assert_eq!(aggregate.add(interval(0, 2), &spares).len(), 1);
        aggregate.add(interval(1, 4), &spares);
        assert_eq!(aggregate.rest().iter().map(|i| i.ok).collect::<Vec<_>>(), [4]);
        let Whole { totals, timeline, .. } = aggregate.finish(0);
        assert_eq!(timeline.bins.iter().map(|bin| bin.ok).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(totals.response.count(), 7, "the warm-up is not in the totals");
    }

    #[test]
    fn empty_intervals_at_the_end_are_not_kept() {
        let spares = Spares::default();
        let mut aggregate = Aggregate::new(1, 0.2);
        for (number, ok) in [(0, 1), (1, 0), (2, 1), (3, 0)] {
            aggregate.add(interval(number, ok), &spares);
        }
        assert_eq!(aggregate.finish(0).timeline.bins.len(), 3);
    }
}
