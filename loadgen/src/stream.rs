//! The gaps between the requests that a thread sends, in units of the plan's. Given the instants of sending in the order of
//! the schedule, it keeps a running spread, and of Poisson arrivals a bounded sample; it judges nothing.
//!
//! A thread has every n-th arrival, and knows nothing of the others'. Through Λ, the expected number of arrivals up to a
//! time, any plan becomes one of a single arrival per unit of time (time change, as in `schedule`), and then:
//! - even: its own gaps are n each as planned. Their deviation is that of the whole stream's gaps of 1, as far as the
//!   threads are late independently of each other; so it is taken as a share of 1, not of n.
//! - Poisson: its own gaps are sums of n unit exponentials (Erlang). Those of two threads overlap and are no independent
//!   sample; so each thread keeps only its gaps in every n-th round, another round for each, and these do not overlap.
//!
//! Where a request was dropped there is no gap; where one was sent after a later one, as a dependent step of a session is,
//! it is no arrival of the schedule and passes unseen.

use crate::recorder::Due;
use crate::schedule::{Arrivals, Step};
use reports::analyse::stream::{self, GAPS_TESTED, Gap, Spread};
use reports::random::SplitMix;
use reports::record::ArrivalStream;

/// The plan's arrivals, as far as they have to be known to test a stream.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Even or Poisson.
    pub(crate) arrivals: Arrivals,
    /// The parts of the plan.
    pub(crate) steps: Vec<Step>,
    /// How many threads share them.
    pub(crate) threads: u32,
}

/// What one thread, or all of them, have kept of the gaps.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    arrivals: Option<Arrivals>,
    threads: u32,
    spread: Spread,
    /// Of Poisson arrivals: a sample of those that do not overlap, each as likely to be in it.
    sample: Vec<Gap>,
    /// So many it was drawn from.
    drawn_from: u64,
}

/// Watches the stream of one thread.
#[derive(Debug)]
pub(crate) struct Stream {
    planned: Option<Planned>,
    last: Option<Last>,
    random: SplitMix,
    gaps: Gaps,
}

/// The last arrival, in numbers of expected arrivals.
#[derive(Clone, Copy, Debug)]
struct Last {
    index: u64,
    sent: f64,
    planned: f64,
}

impl Gaps {
    /// Takes in what another thread has kept.
    pub(crate) fn merge(&mut self, other: &Self) {
        (self.arrivals, self.threads) = (other.arrivals, other.threads);
        self.spread.merge(&other.spread);
        self.sample.extend(&other.sample);
        self.drawn_from += other.drawn_from;
    }

    /// The test of the whole stream; `None` of a closed loop, or of too few gaps.
    pub(crate) fn test(&self) -> Option<ArrivalStream> {
        match self.arrivals? {
            Arrivals::Even => stream::even(&self.spread),
            Arrivals::Poisson => stream::poisson(&self.sample, self.threads),
        }
    }
}

impl Stream {
    /// For one thread of a plan; `None` is a closed loop, which has no stream of its own.
    pub(crate) fn new(planned: Option<Planned>) -> Self {
        let gaps = planned.as_ref().map_or_else(Gaps::default, |planned| Gaps {
            arrivals: Some(planned.arrivals),
            threads: planned.threads,
            sample: Vec::with_capacity(GAPS_TESTED),
            ..Gaps::default()
        });
        Self { planned, last: None, random: SplitMix::new(1), gaps }
    }

    /// A counted request was sent at `at_ns`.
    pub(crate) fn sent(&mut self, due: &Due, at_ns: u64) {
        let Some(planned) = &self.planned else { return };
        if self.last.is_some_and(|last| due.index <= last.index) {
            return;
        }
        let at = |ns| expected(&planned.steps, ns);
        let poisson = planned.arrivals == Arrivals::Poisson;
        // Even gaps are as they are planned by definition.
        let intended = if poisson { at(due.intended) } else { 0.0 };
        let this = Last { index: due.index, sent: at(at_ns), planned: intended };
        let n = u64::from(planned.threads);
        if let Some(last) = self.last.replace(this)
            && this.index == last.index + n
        {
            let gap = Gap { sent: this.sent - last.sent, planned: this.planned - last.planned };
            self.gaps.spread.add(gap.sent);
            if poisson && (due.index / n) % n == due.index % n {
                self.keep(gap);
            }
        }
    }

    /// What was kept.
    pub(crate) fn finish(&mut self) -> Gaps {
        std::mem::take(&mut self.gaps)
    }

    /// A reservoir: each of the gaps so far is in it with the same probability (Vitter, "Random sampling with a reservoir",
    /// ACM TOMS 11, 1985, algorithm R).
    fn keep(&mut self, gap: Gap) {
        self.gaps.drawn_from += 1;
        if self.gaps.sample.len() < GAPS_TESTED {
            self.gaps.sample.push(gap);
        } else if let Some(place) = usize::try_from(self.random.bits() % self.gaps.drawn_from)
            .ok()
            .and_then(|at| self.gaps.sample.get_mut(at))
        {
            *place = gap;
        }
    }
}

/// Λ, the number of arrivals that the plan expects up to `at`, in nanoseconds after the start; past the plan's end the last
/// rate goes on.
fn expected(steps: &[Step], at: u64) -> f64 {
    let (mut left, mut sum, mut rate) = (at as f64 / 1e9, 0.0, 0.0);
    for step in steps {
        let (a, b, length) = (step.from.rps(), step.to.rps(), step.length.as_secs_f64());
        let t = left.min(length);
        if length > 0.0 {
            sum += a * t + (b - a) * t * t / (2.0 * length);
        }
        left -= t;
        rate = b;
        if left <= 0.0 {
            return sum;
        }
    }
    sum + rate * left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;
    use crate::units::Rate;
    use std::time::Duration;

    const S: f64 = 1e9;
    /// What it takes to send one.
    const WRITE_NS: u64 = 5_000;

    fn step(seconds: u64, from: u64, to: u64) -> Step {
        let rate = |rps: u64| Rate { micro: rps * 1_000_000 };
        Step { length: Duration::from_secs(seconds), from: rate(from), to: rate(to), counted: true }
    }

    #[test]
    fn what_is_expected_is_the_integral_of_the_rate() {
        let steps = [step(10, 0, 100), step(10, 100, 100), step(10, 100, 50)];
        for (at, arrivals) in
            [(0.0, 0.0), (5.0, 125.0), (10.0, 500.0), (15.0, 1000.0), (30.0, 2250.0), (31.0, 2300.0)]
        {
            assert!((expected(&steps, (at * S) as u64) - arrivals).abs() < 1e-6, "{at}");
        }
        assert_eq!(expected(&[], 5), 0.0);
    }

    /// What `threads` threads keep that send the plan's arrivals, each as late as `late` says, and one after the other.
    fn played(
        steps: &[Step],
        arrivals: Arrivals,
        threads: u32,
        late: impl Fn(u64) -> u64,
    ) -> Option<ArrivalStream> {
        let mut all = Gaps::default();
        for share in 0..threads {
            let planned = Planned { arrivals, steps: steps.to_vec(), threads };
            let mut stream = Stream::new(Some(planned));
            let mut free = 0;
            for arrival in Schedule::new(steps, arrivals, 7, share as usize, threads as usize) {
                let due = Due::plain(arrival.index, arrival.offset_ns, arrival.step);
                let at = free.max(arrival.offset_ns + late(arrival.index));
                free = at + WRITE_NS;
                stream.sent(&due, at);
            }
            all.merge(&stream.finish());
        }
        all.test()
    }

    #[test]
    fn as_planned_is_as_planned_for_any_plan_and_any_number_of_threads() {
        for steps in [vec![step(10, 2000, 2000)], vec![step(5, 200, 3000), step(5, 3000, 3000)]] {
            for threads in [1, 2, 3, 16] {
                let even = played(&steps, Arrivals::Even, threads, |_| 0).unwrap();
                assert!(even.passed && even.value < 0.01, "{threads}: {even:?}");
                let poisson = played(&steps, Arrivals::Poisson, threads, |_| 0).unwrap();
                assert!(poisson.passed && poisson.p_value.unwrap() > 0.01, "{threads}: {poisson:?}");
                // Some microseconds are nothing to gaps of hundreds.
                assert!(played(&steps, Arrivals::Poisson, threads, |i| i % 7 * 5_000).unwrap().passed);
            }
        }
    }

    #[test]
    fn bursts_are_neither_even_nor_poisson() {
        let steps = [step(10, 2000, 2000)];
        let until_the_next_ten_ms = |i: u64| (20 - i % 20) * 500_000;
        for threads in [1, 2] {
            let even = played(&steps, Arrivals::Even, threads, until_the_next_ten_ms).unwrap();
            assert!(!even.passed && even.value > 1.0, "{even:?}");
            let late = |i: u64| if i % 40 < 20 { 0 } else { 10_000_000 };
            assert!(!played(&steps, Arrivals::Poisson, threads, late).unwrap().passed);
        }
    }

    #[test]
    fn a_gap_over_a_dropped_request_is_none_and_a_closed_loop_has_no_stream() {
        let planned = Planned { arrivals: Arrivals::Even, steps: vec![step(10, 10, 10)], threads: 1 };
        let mut stream = Stream::new(Some(planned));
        let mut send = |index, at_ms: u64| {
            stream.sent(&Due::plain(index, 0, 0), at_ms * 1_000_000);
        };
        send(0, 0);
        send(1, 100);
        // Two is dropped, and a step of the first session comes in between.
        send(3, 300);
        send(0, 350);
        send(4, 400);
        let gaps = stream.finish();
        assert_eq!((gaps.spread.count(), gaps.spread.deviation() < 1e-9), (2, true));
        let mut closed = Stream::new(None);
        closed.sent(&Due::plain(0, 0, 0), 5);
        assert!(closed.finish().test().is_none());
    }
}
