//! Whether requests went out as planned: the gaps between the instants of sending, held against the plan's. It is given
//! gaps in units of the plan's own (a gap times the planned rate at that time, so that a ramp is a plan like any other)
//! and gives a test with its result; it knows nothing of clocks or threads.
//!
//! Even arrivals: the coefficient of variation of the gaps, which is 0 as planned and 1 where arrivals are random.
//! Poisson arrivals: the test of Anderson and Darling against the distribution as planned, of which nothing is fitted
//! (T. W. Anderson, D. A. Darling, "A test of goodness of fit", JASA 49, 1954; case 0 of M. A. Stephens, "EDF statistics
//! for goodness of fit and some comparisons", JASA 69, 1974), with its probability by G. Marsaglia, J. Marsaglia,
//! "Evaluating the Anderson-Darling distribution", Journal of Statistical Software 9(2), 2004.

use crate::record::ArrivalStream;

/// The most that the coefficient of variation of even arrivals may be: past it, the target is offered bursts.
pub const CV_MOST: f64 = 0.25;
/// A stream as planned fails the test of Anderson and Darling this rarely.
pub const P_LEAST: f64 = 0.001;
/// So many gaps are tested at most. The test finds any deviation in a sample that is large enough, and sending takes time
/// and is never Poisson to the microsecond: of this many, it finds what moves some five hundredths of the distribution.
pub const GAPS_TESTED: usize = 1_000;
/// Fewer gaps say nothing.
pub const LEAST_GAPS: u64 = 50;

/// A running mean and variance (B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
/// Technometrics 4, 1962; merged as T. F. Chan, G. H. Golub, R. J. LeVeque, 1979).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Spread {
    /// Takes in one value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Takes in another's values.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.mean += apart * b / (a + b);
        self.squares += other.squares + apart * apart * a * b / (a + b);
        self.count += other.count;
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The standard deviation; 0 of fewer than two.
    pub fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / (self.count - 1) as f64).sqrt() }
    }
}

/// Even arrivals: `gaps` are in units of the plan's mean gap. `None` of too few.
pub fn even(gaps: &Spread) -> Option<ArrivalStream> {
    let value = gaps.deviation();
    (gaps.count() >= LEAST_GAPS && value.is_finite()).then(|| ArrivalStream {
        test: String::from("cv"),
        value,
        p_value: None,
        passed: value <= CV_MOST,
        gaps: gaps.count(),
    })
}

/// A gap as it was and as it was planned, both in units of the plan's mean gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// Between the instants of sending.
    pub sent: f64,
    /// Between the intended instants.
    pub planned: f64,
}

/// Poisson arrivals: each of `gaps` is from an arrival to the `shape`-th one after it, and none overlaps another. Of more
/// than [`GAPS_TESTED`], evenly many are passed over. `None` of too few. A seed may have drawn an unlikely plan; a stream
/// that fails only because its plan does is as planned.
pub fn poisson(gaps: &[Gap], shape: u32) -> Option<ArrivalStream> {
    let tested = gaps.len().min(GAPS_TESTED);
    let chosen: Vec<Gap> =
        (0..tested).filter_map(|i| gaps.get(i * gaps.len() / tested.max(1)).copied()).collect();
    if (chosen.len() as u64) < LEAST_GAPS {
        return None;
    }
    let (value, p) = test(chosen.iter().map(|gap| erlang(shape, gap.sent)).collect())?;
    let (_, of_the_plan) = test(chosen.iter().map(|gap| erlang(shape, gap.planned)).collect())?;
    Some(ArrivalStream {
        test: String::from("anderson-darling"),
        value,
        p_value: Some(p),
        passed: p >= P_LEAST || of_the_plan < P_LEAST,
        gaps: chosen.len() as u64,
    })
}

/// A² of a sample that ought to be uniform, and how likely a larger one is; `None` of what is no number.
fn test(mut uniform: Vec<f64>) -> Option<(f64, f64)> {
    uniform.sort_by(f64::total_cmp);
    let value = anderson_darling(&uniform);
    let p = (1.0 - probability(uniform.len(), value)).clamp(0.0, 1.0);
    (value.is_finite() && uniform.iter().all(|u| u.is_finite())).then_some((value, p))
}

/// P(X <= x) where X is the sum of `shape` unit exponentials (Erlang): 1 - exp(-x) (1 + x + x²/2! + ...).
fn erlang(shape: u32, x: f64) -> f64 {
    let mut term = (-x).exp();
    let mut tail = 0.0;
    for k in 0..shape {
        tail += term;
        term *= x / f64::from(k + 1);
    }
    // By hand where little is left of 1: a gap of nearly nothing.
    if shape == 1 { -(-x).exp_m1() } else { 1.0 - tail }
}

/// A² of an ordered sample that ought to be uniform (Anderson and Darling 1954).
fn anderson_darling(ordered: &[f64]) -> f64 {
    // A value at the very end is a finite number of digits away from it, not infinitely unlikely.
    let inside = |u: f64| u.clamp(f64::EPSILON / 2.0, 1.0 - f64::EPSILON / 2.0);
    let n = ordered.len() as f64;
    let pairs = ordered.iter().zip(ordered.iter().rev());
    let sum: f64 = (0u32..)
        .zip(pairs)
        .map(|(i, (low, high))| (2.0 * f64::from(i) + 1.0) * (inside(*low).ln() + (-inside(*high)).ln_1p()))
        .sum();
    -n - sum / n
}

/// P(A² < z) of n values (Marsaglia and Marsaglia 2004, the functions ADinf and errfix).
fn probability(n: usize, z: f64) -> f64 {
    let limit = if z <= 0.0 {
        0.0
    } else if z < 2.0 {
        let series = poly(z, &[2.00012, 0.247_105, -0.064_982_1, 0.034_796_2, -0.011_672_0, 0.001_686_91]);
        (-1.233_714_1 / z).exp() / z.sqrt() * series
    } else {
        (-poly(z, &[1.0776, -2.30695, 0.43424, -0.082_433, 0.008_056, -0.000_314_6]).exp()).exp()
    };
    limit + correction(n as f64, limit)
}

fn correction(n: f64, x: f64) -> f64 {
    if x > 0.8 {
        return poly(x, &[-130.2137, 745.2337, -1705.091, 1950.646, -1116.360, 255.7844]) / n;
    }
    let c = 0.01265 + 0.1757 / n;
    if x < c {
        let t = x / c;
        let g = t.sqrt() * (1.0 - t) * (49.0 * t - 102.0);
        return g * (0.0037 / (n * n) + 0.00078 / n + 0.00006) / n;
    }
    let t = (x - c) / (0.8 - c);
    let g = poly(t, &[-0.000_226_33, 6.54034, -14.6538, 14.458, -8.259, 1.91864]);
    g * (0.04213 + 0.01365 / n) / n
}

/// The polynomial with these coefficients, that of the constant first.
fn poly(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
