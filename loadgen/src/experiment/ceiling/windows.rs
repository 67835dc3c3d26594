//! A load's referee: it makes windows of the intervals that pass, and ends the load as soon as they settle whether the objective
//! holds.

use super::course::Load;
use crate::interval::Interval;
use crate::run::Referee;
use reports::analyse::capacity::{self, Settled};
use reports::analyse::objective::Objective;
use reports::ceiling::Window;
use reports::histogram::Histogram;

/// See the module.
#[derive(Debug)]
pub(super) struct Windows<'a> {
    objective: &'a Objective,
    load: Load,
    /// The length of an interval in seconds.
    interval_s: f64,
    /// The windows that are complete.
    pub(super) windows: Vec<Window>,
    /// What they say.
    pub(super) settled: Settled,
    /// Response times of what ended in them.
    pub(super) times: Times,
    current: Window,
    current_times: Histogram,
    /// Intervals in the current window.
    intervals: u32,
    in_flight: i64,
}

/// The response times of a load's windows: those in which the target may be filling still apart from the others.
#[derive(Debug, Default)]
pub(super) struct Times {
    first: [Histogram; 2],
    later: Histogram,
    windows: usize,
}

impl Times {
    fn add(&mut self, times: &Histogram, window: usize) {
        self.first.get_mut(window).unwrap_or(&mut self.later).add(times);
        self.windows = window + 1;
    }

    /// The times of the windows that a load is judged by.
    pub(super) fn judged(&self) -> Histogram {
        let mut judged = self.later.clone();
        self.first[capacity::filling(self.windows).min(2)..].iter().for_each(|times| judged.add(times));
        judged
    }
}

impl<'a> Windows<'a> {
    /// The windows of a load that has not begun, whose intervals are so long.
    pub(super) fn new(load: Load, interval_s: f64, objective: &'a Objective) -> Self {
        Self {
            objective,
            load,
            interval_s,
            windows: Vec::new(),
            settled: Settled::Open,
            times: Times::default(),
            current: Window::default(),
            current_times: Histogram::default(),
            intervals: 0,
            in_flight: 0,
        }
    }

    fn close(&mut self) {
        let mut window = std::mem::take(&mut self.current);
        let before = self.in_flight.max(0).unsigned_abs();
        self.in_flight += window.planned.cast_signed() - window.ended.cast_signed();
        window.length_s = f64::from(self.intervals) * self.interval_s;
        window.in_flight = self.in_flight.max(0).unsigned_abs();
        window.broke = self.objective.broke(&self.current_times, window.ended - window.ok);
        let ms =
            |q: f64| (!self.current_times.is_empty()).then(|| self.current_times.quantile(q) as f64 / 1e6);
        (window.p50_ms, window.p99_ms) = (ms(0.5), ms(0.99));
        window.bad = capacity::is_bad(&window, before, self.load.rps, self.objective);
        self.times.add(&self.current_times, self.windows.len());
        self.windows.push(window);
        self.current_times.clear();
        self.intervals = 0;
        self.settled = capacity::settle(&self.windows, self.load.rps, self.objective, self.load.patience);
    }
}

impl Referee for Windows<'_> {
    fn see(&mut self, interval: &Interval) -> bool {
        if self.settled != Settled::Open {
            return false;
        }
        let planned = interval.planned + interval.planned_before.values().sum::<u64>();
        let ended = interval.ok + interval.errors + interval.dropped + interval.left_over;
        if interval.number < 0 {
            // What the part that is not looked at leaves in the target is in the way of the first window.
            self.in_flight += planned.cast_signed() - ended.cast_signed();
            return false;
        }
        self.current.planned += planned;
        self.current.ok += interval.ok + interval.left_over_ok;
        self.current.ended += ended;
        self.current_times.add(&interval.times.response);
        self.intervals += 1;
        if f64::from(self.intervals) * self.interval_s >= self.load.window_s - 1e-6 {
            self.close();
        }
        self.settled != Settled::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::analyse::capacity::Patience;
    use reports::ceiling::Phase;

    fn interval(planned: u64, ok: u64, ns: u64) -> Interval {
        let mut interval = Interval { planned, ok, ..Interval::default() };
        (0..ok).for_each(|_| interval.times.response.record(ns));
        interval
    }

    #[test]
    fn what_was_in_flight_before_the_first_window_is_neither_a_climb_nor_lost() {
        let objective = Objective::parse("p99<500ms").unwrap();
        let load = Load {
            phase: Phase::Sweep,
            rps: 1000.0,
            patience: Patience { least: 1, most: 2 },
            window_s: 1.0,
        };
        let mut steady = Windows::new(load, 0.2, &objective);
        // 100 ms in the target: 100 requests in flight at any time.
        assert!(!steady.see(&Interval { number: -1, ..interval(200, 100, 100_000_000) }));
        let first = Interval { left_over: 100, left_over_ok: 100, ..interval(200, 100, 100_000_000) };
        steady.see(&first);
        let ends: Vec<bool> = (0..4).map(|_| steady.see(&interval(200, 200, 100_000_000))).collect();
        let window = &steady.windows[0];
        assert_eq!((window.planned, window.ok, window.in_flight, window.bad), (1000, 1000, 100, false));
        assert_eq!(ends, [false, false, false, true]);
    }

    #[test]
    fn times_are_those_of_the_windows_that_are_judged() {
        let slow = |windows: u64| {
            let mut times = Times::default();
            for window in 0..windows {
                let mut one = Histogram::default();
                one.record(1_000_000 * (window + 1) + 500_000);
                times.add(&one, window as usize);
            }
            let judged = times.judged();
            (judged.count(), judged.quantile(0.0) / 1_000_000)
        };
        assert_eq!(
            [slow(1), slow(2), slow(3), slow(5), slow(6), slow(11)],
            [(1, 1), (2, 1), (2, 2), (4, 2), (4, 3), (9, 3)]
        );
    }

    #[test]
    fn a_load_ends_when_its_windows_settle_it() {
        let objective = Objective::parse("p99<50ms").unwrap();
        let patience = Patience { least: 2, most: 5 };
        let load = Load { phase: Phase::Bracket, rps: 1000.0, patience, window_s: 1.0 };
        let mut fine = Windows::new(load, 0.2, &objective);
        let ends: Vec<bool> = (0..10).map(|_| fine.see(&interval(200, 200, 1_000_000))).collect();
        assert_eq!(ends.iter().position(|end| *end), Some(9));
        assert_eq!((fine.settled, fine.windows.len()), (Settled::Passed, 2));
        assert!(!fine.see(&interval(200, 0, 1)), "what comes later is not looked at");
        let mut slow = Windows::new(load, 0.2, &objective);
        let ended = (1..50).find(|_| slow.see(&interval(200, 150, 60_000_000)));
        assert_eq!((ended, slow.settled), (Some(15), Settled::Failed));
        assert_eq!(slow.windows.iter().map(|w| w.in_flight).collect::<Vec<_>>(), [250, 500, 750]);
    }
}
