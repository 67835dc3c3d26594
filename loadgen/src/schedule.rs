//! When each request is due. Given the steps of a plan, it gives the offsets of all intended instants from the start,
//! in nanoseconds and in order. It knows no clock, no socket and no thread, and computes each offset from the request's
//! index in integers, so that it never drifts and is the same for any number of threads.
//!
//! The steps define the expected number of arrivals up to a time, Λ(t), piecewise linear or (in a ramp) quadratic.
//! Even arrivals are where Λ passes the integers; a Poisson process is where it passes the sums of unit exponentials
//! (time change: Çinlar, "Introduction to Stochastic Processes", 1975, section 4.7).

use crate::units::Rate;
use reports::random::SplitMix;
use std::time::Duration;

/// Λ is counted in units of 2⁻³² arrivals.
const ONE: u128 = 1 << 32;
/// Nanoseconds in a second times millionths of a request.
const SCALE: u128 = 1_000_000_000_000_000;

/// A part of the plan: a constant rate, or a linear ramp between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// How long it takes.
    pub(crate) length: Duration,
    /// The rate at its beginning.
    pub(crate) from: Rate,
    /// The rate at its end.
    pub(crate) to: Rate,
    /// Whether its requests count: those of a warm-up do not.
    pub(crate) counted: bool,
}

/// The gaps between intended instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Arrivals {
    /// Equal gaps.
    Even,
    /// Exponential gaps: independent users.
    Poisson,
}

/// One intended request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Its number in the whole schedule, from 0.
    pub(crate) index: u64,
    /// Its intended instant, in nanoseconds after the start.
    pub(crate) offset_ns: u64,
    /// The step that it belongs to.
    pub(crate) step: usize,
}

/// One share of a schedule: every `of`-th arrival, in order.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    steps: Vec<Span>,
    step: usize,
    position: Position,
    index: u64,
    share: u64,
    of: u64,
}

/// A step with its place on both axes.
#[derive(Clone, Copy, Debug)]
struct Span {
    start_ns: u128,
    length_ns: u128,
    from: u128,
    to: u128,
    first: u128,
    end: u128,
}

/// Where in Λ the next arrival is.
#[derive(Clone, Debug)]
enum Position {
    Even(u128),
    Poisson { at: u128, random: SplitMix },
}

impl Schedule {
    /// The `share`-th of `of` equal shares of the schedule of `steps`; `seed` only matters to Poisson arrivals.
    pub(crate) fn new(steps: &[Step], arrivals: Arrivals, seed: u64, share: usize, of: usize) -> Self {
        let (mut start_ns, mut first) = (0, 0);
        let steps = steps
            .iter()
            .map(|step| {
                let span = Span::new(step, start_ns, first);
                (start_ns, first) = (span.start_ns + span.length_ns, span.end);
                span
            })
            .collect();
        let position = match arrivals {
            Arrivals::Even => Position::Even(0),
            Arrivals::Poisson => Position::poisson(seed),
        };
        Self { steps, step: 0, position, index: 0, share: share as u64, of: of as u64 }
    }

    /// The next arrival of the whole schedule, whoever's share it is.
    fn next_of_all(&mut self) -> Option<Arrival> {
        let at = self.position.get();
        while at >= self.steps.get(self.step)?.end {
            self.step += 1;
        }
        let offset_ns = self.steps.get(self.step)?.offset_ns(at);
        let arrival = Arrival { index: self.index, offset_ns, step: self.step };
        self.index += 1;
        self.position.advance(1);
        Some(arrival)
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let skip = (self.share + self.of - self.index % self.of) % self.of;
        self.index += skip;
        self.position.advance(skip);
        self.next_of_all()
    }
}

impl Span {
    fn new(step: &Step, start_ns: u128, first: u128) -> Self {
        let (from, to) = (u128::from(step.from.micro), u128::from(step.to.micro));
        let length_ns = step.length.as_nanos();
        // (from + to) / 2 · length / 10¹⁵ · 2³², with the powers of two taken out of 10¹⁵ so that it fits 128 bits.
        let arrivals = (from + to) * length_ns * (ONE >> 9) / (SCALE >> 8);
        Self { start_ns, length_ns, from, to, first, end: first + arrivals }
    }

    /// The time at which Λ reaches `at`, which lies in this span.
    ///
    /// In a ramp, Λ(t) = a·t + (b − a)·t²/2T = x, solved in the form t = 2x / (a + √(a² + 2(b − a)·x/T)), which is
    /// stable for b near a and for a = 0.
    fn offset_ns(&self, at: u128) -> u64 {
        let x = at - self.first;
        let t = if self.from == self.to {
            mul_div(x, SCALE, self.from * ONE)
        } else {
            // Rates with 16 more binary digits.
            let (a, b) = (self.from << 16, self.to << 16);
            let mean = mul_div(x, SCALE << 16, self.length_ns * ONE);
            let square =
                if b > a { a * a + 2 * (b - a) * mean } else { (a * a).saturating_sub(2 * (a - b) * mean) };
            mul_div(x, SCALE << 17, (a + square.isqrt()).max(1) * ONE)
        };
        // Rounding must not carry the last arrival of a step into the next one.
        u64::try_from(self.start_ns + t.min(self.length_ns.saturating_sub(1))).unwrap_or(u64::MAX)
    }
}

/// `a · b / c` where the product may need more than 128 bits: the fraction is carried on in pieces of 2³².
fn mul_div(a: u128, b: u128, c: u128) -> u128 {
    match a.checked_mul(b) {
        Some(product) => product / c,
        None => {
            let (high, low) = (a / ONE, a % ONE);
            let (q, r) = (high * b / c, high * b % c);
            match (r.checked_mul(ONE), q.checked_mul(ONE)) {
                (Some(rest), Some(whole)) => whole + (rest + low * b) / c,
                _ => u128::MAX,
            }
        }
    }
}

impl Position {
    fn poisson(seed: u64) -> Self {
        let mut random = SplitMix::new(seed);
        Self::Poisson { at: gap(&mut random), random }
    }

    fn get(&self) -> u128 {
        match self {
            Self::Even(at) | Self::Poisson { at, .. } => *at,
        }
    }

    fn advance(&mut self, arrivals: u64) {
        match self {
            Self::Even(at) => *at += u128::from(arrivals) * ONE,
            Self::Poisson { at, random } => (0..arrivals).for_each(|_| *at += gap(random)),
        }
    }
}

/// A gap of mean 1 in units of Λ.
fn gap(random: &mut SplitMix) -> u128 {
    (random.exponential() * ONE as f64) as u128
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(seconds: f64, from: f64, to: f64) -> Step {
        let rate = |rps: f64| Rate { micro: (rps * 1e6) as u64 };
        Step { length: Duration::from_secs_f64(seconds), from: rate(from), to: rate(to), counted: true }
    }

    fn offsets(steps: &[Step], arrivals: Arrivals) -> Vec<u64> {
        Schedule::new(steps, arrivals, 1, 0, 1).map(|a| a.offset_ns).collect()
    }

    #[test]
    fn even_arrivals_are_the_multiples_of_the_gap_and_as_many_as_asked() {
        let all = offsets(&[step(10.0, 5000.0, 5000.0)], Arrivals::Even);
        assert_eq!(all.len(), 50_000);
        assert!(all.iter().enumerate().all(|(i, &ns)| ns == i as u64 * 200_000));
        let thirds = offsets(&[step(3.0, 3.0, 3.0)], Arrivals::Even);
        assert_eq!(
            thirds,
            [
                0,
                333_333_333,
                666_666_666,
                1_000_000_000,
                1_333_333_333,
                1_666_666_666,
                2_000_000_000,
                2_333_333_333,
                2_666_666_666
            ]
        );
        assert_eq!(offsets(&[step(10.0, 0.25, 0.25)], Arrivals::Even), [0, 4_000_000_000, 8_000_000_000]);
    }

    #[test]
    fn an_hour_long_schedule_has_not_drifted() {
        let mut late = Schedule::new(&[step(3600.0, 7.0, 7.0)], Arrivals::Even, 1, 0, 1);
        assert_eq!(late.nth(7 * 3599).map(|a| a.offset_ns), Some(3_599_000_000_000));
    }

    #[test]
    fn a_ramp_sends_the_mean_of_its_rates_and_is_quadratic() {
        let up = offsets(&[step(10.0, 0.0, 100.0)], Arrivals::Even);
        assert_eq!(up.len(), 500);
        // Λ(t) = 5 t², so the 80th arrival after the first is at 4 s.
        assert_eq!(up[80], 4_000_000_000);
        let down = offsets(&[step(10.0, 100.0, 0.0)], Arrivals::Even);
        assert_eq!(down.len(), 500);
        // 100 t - 5 t² = 420 at 6 s.
        assert!(down[420].abs_diff(6_000_000_000) <= 1, "{}", down[420]);
    }

    #[test]
    fn steps_follow_each_other_and_name_their_arrivals() {
        let steps = [step(1.0, 10.0, 10.0), step(1.0, 10.0, 30.0), step(1.0, 5.0, 5.0)];
        let mut counts = [0; 3];
        for arrival in Schedule::new(&steps, Arrivals::Even, 1, 0, 1) {
            counts[arrival.step] += 1;
            assert_eq!(arrival.offset_ns / 1_000_000_000, arrival.step as u64);
        }
        assert_eq!(counts, [10, 20, 5]);
    }

    #[test]
    fn poisson_arrivals_come_from_their_seed_and_have_exponential_gaps() {
        let steps = [step(100.0, 1000.0, 1000.0)];
        let all = offsets(&steps, Arrivals::Poisson);
        assert_eq!(all, offsets(&steps, Arrivals::Poisson));
        assert_ne!(
            all,
            Schedule::new(&steps, Arrivals::Poisson, 2, 0, 1).map(|a| a.offset_ns).collect::<Vec<_>>()
        );
        // 100,000 expected, standard deviation 316.
        assert!(all.len().abs_diff(100_000) < 1500, "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let cv = variance.sqrt() / mean;
        assert!((cv - 1.0).abs() < 0.02, "coefficient of variation {cv}");
    }

    proptest! {
        #[test]
        fn shares_make_up_the_whole_in_order_and_within_their_steps(
            spec in proptest::collection::vec((1u32..3000, 0u32..2000, 0u32..2000), 1..5),
            of in 1usize..40, poisson: bool, seed: u64,
        ) {
            let steps: Vec<_> = spec.iter().map(|&(ms, a, b)| step(f64::from(ms) / 1e3, a.into(), b.into())).collect();
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Even };
            let whole: Vec<_> = Schedule::new(&steps, arrivals, seed, 0, 1).collect();
            prop_assert!(whole.windows(2).all(|w| w[0].offset_ns <= w[1].offset_ns && w[0].index + 1 == w[1].index));
            let mut parts: Vec<_> = (0..of).flat_map(|k| Schedule::new(&steps, arrivals, seed, k, of)).collect();
            parts.sort_by_key(|a| a.index);
            prop_assert_eq!(&parts, &whole);
            let mut end = 0;
            for (i, s) in steps.iter().enumerate() {
                let start = end;
                end += s.length.as_nanos() as u64;
                prop_assert!(whole.iter().filter(|a| a.step == i).all(|a| (start..end).contains(&a.offset_ns)));
            }
        }

        #[test]
        fn even_arrivals_are_where_the_expected_number_passes_the_integers_and_exactly_as_many(
            spec in proptest::collection::vec((1u32..3000, 0u32..2000, 0u32..2000), 1..5),
        ) {
            let steps: Vec<_> = spec.iter().map(|&(ms, a, b)| step(f64::from(ms) / 1e3, a.into(), b.into())).collect();
            let whole: Vec<_> = Schedule::new(&steps, Arrivals::Even, 1, 0, 1).collect();
            // Twice Λ at the end, in millionths times nanoseconds: exact. The first arrival is at Λ = 0.
            let twice: u128 = steps.iter().map(|s| u128::from(s.from.micro + s.to.micro) * s.length.as_nanos()).sum();
            let expected = twice.div_ceil(2 * SCALE);
            // Each step is rounded down by less than 2⁻³² arrivals, which may take one that was due at the very end.
            let past_the_integer = twice % (2 * SCALE);
            let borderline = past_the_integer > 0 && past_the_integer <= 2 * SCALE * steps.len() as u128 / ONE + 1;
            let count = whole.len() as u128;
            prop_assert!(count == expected || borderline && count + 1 == expected, "{} for {}", count, expected);
            let (mut start_s, mut before) = (0.0, 0.0);
            for (n, s) in steps.iter().enumerate() {
                let (a, b, length) = (s.from.rps(), s.to.rps(), s.length.as_secs_f64());
                for arrival in whole.iter().filter(|arrival| arrival.step == n) {
                    let t = arrival.offset_ns as f64 / 1e9 - start_s;
                    let passed = before + a * t + (b - a) * t * t / (2.0 * length);
                    // A nanosecond at 2,000/s, and what the floats of this test lose.
                    prop_assert!((passed - arrival.index as f64).abs() < 1e-4, "{:?}: {}", arrival, passed);
                }
                start_s += length;
                before += (a + b) / 2.0 * length;
            }
        }

        #[test]
        fn extreme_rates_and_lengths_neither_overflow_nor_go_back(
            from in 1u64..100_000_000_000_000, to in 1u64..100_000_000_000_000, hours in 1u64..720, at in 0.0..1.0f64,
        ) {
            let step = Step {
                length: Duration::from_secs(hours * 3600), from: Rate { micro: from }, to: Rate { micro: to }, counted: true,
            };
            let span = Span::new(&step, 0, 0);
            let x = (span.end as f64 * at) as u128;
            let (a, b) = (span.offset_ns(x), span.offset_ns(x + ONE));
            prop_assert!(a <= b && u128::from(b) < span.length_ns.max(1));
        }
    }
}
