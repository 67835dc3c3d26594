//! The Universal Scalability Law, `X(N) = λ N / (1 + σ (N - 1) + κ N (N - 1))` with σ, κ >= 0 (Gunther, "Guerrilla Capacity
//! Planning", 2007, chapter 4), fitted to the steady loads of a search: N is the mean number in flight, X the correct answers
//! per second. It gives the fit with intervals by the bootstrap, or a sentence that says why there is none; it never fits
//! loads in which a queue grows, nor fewer than six.

mod fit;
pub mod servers;

use crate::ceiling::{Step, Usl};
use crate::number::{counted, rate};
use crate::random::SplitMix;
use fit::Law;
use std::collections::BTreeMap;

/// Loads with distinct numbers in flight that it takes.
pub const POINTS_LEAST: usize = 6;
/// Two numbers in flight that differ by less are the same.
const DISTINCT: f64 = 1.01;
/// With fewer requests than this in flight there is nothing to contend with.
const IN_FLIGHT_LEAST: f64 = 2.0;
/// Samples of the bootstrap.
const SAMPLES: usize = 500;
/// The curve has this many steps, and goes to this multiple of what was measured.
const CURVE: usize = 60;
const CURVE_TO: f64 = 2.0;

/// The law as it fits the steady loads of `steps`, with 95 % intervals from `seed`.
///
/// # Errors
///
/// In words, what the loads lack for a fit.
pub fn usl(steps: &[Step], seed: u64) -> Result<Usl, String> {
    let points = points(steps);
    let distinct = distinct(&points);
    if distinct < POINTS_LEAST {
        let there = counted(distinct as u64, "steady load");
        return Err(format!(
            "the scalability law needs {POINTS_LEAST} steady loads of different concurrency: there {} {there}",
            if distinct == 1 { "is" } else { "are" }
        ));
    }
    let most = points.last().map_or(0.0, |[n, _]| *n);
    if most < IN_FLIGHT_LEAST {
        return Err(format!(
            "the scalability law needs requests that meet: at most {} were in flight on average in a steady load",
            rate(most)
        ));
    }
    let law = fit::fit(&points).ok_or("the scalability law fits no such loads")?;
    let resampled = bootstrap(&law, &points, seed);
    Ok(Usl {
        lambda: law.lambda(),
        sigma: law.sigma(),
        kappa: law.kappa(),
        peak_n: law.peak_n(),
        peak_rps: law.peak_rps(),
        ci95: intervals(&resampled),
        curve: curve(&law, &resampled, most * CURVE_TO),
        r2: explained(&law, &points),
        points,
    })
}

/// Whether a load that can be judged is one for the law: no queue grew in it, and nothing was in its way. What is said of a load
/// that held is that generator or host were.
pub(crate) fn is_steady(step: &Step) -> bool {
    step.stationary && (!step.passed || step.reasons.is_empty())
}

/// Requests in flight and correct answers per second, by the former.
fn points(steps: &[Step]) -> Vec<[f64; 2]> {
    let usable = |value: f64| value.is_finite() && value > 0.0;
    let steady = steps.iter().filter(|step| step.valid && is_steady(step));
    let mut points: Vec<[f64; 2]> = steady.map(|step| [step.in_flight, step.ok_rps]).collect();
    points.retain(|[n, x]| usable(*n) && usable(*x));
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    points
}

fn distinct(points: &[[f64; 2]]) -> usize {
    let mut last = 0.0;
    let news = points.iter().filter(|[n, _]| {
        let new = *n > last * DISTINCT;
        if new {
            last = *n;
        }
        new
    });
    news.count()
}

/// Fits to the law with its own residuals in another order: relative ones, which have much the same size at each load,
/// centred, and enlarged for the three parameters that they were made small by (Davison and Hinkley, "Bootstrap Methods and
/// their Application", 1997, section 6.2).
fn bootstrap(law: &Law, points: &[[f64; 2]], seed: u64) -> Vec<Law> {
    let count = points.len() as f64;
    let residuals: Vec<f64> = points.iter().map(|[n, x]| x / law.rate(*n) - 1.0).collect();
    let mean = residuals.iter().sum::<f64>() / count;
    let enlarge = (count / (count - 3.0)).sqrt();
    let residuals: Vec<f64> = residuals.into_iter().map(|residual| (residual - mean) * enlarge).collect();
    let mut random = SplitMix::new(seed);
    let mut resample = || {
        let another = |[n, _]: &[f64; 2]| {
            let index = ((random.bits() >> 32) as usize * residuals.len()) >> 32;
            // A rate stays one.
            [*n, law.rate(*n) * (1.0 + residuals[index]).max(0.01)]
        };
        fit::fit(&points.iter().map(another).collect::<Vec<_>>())
    };
    (0..SAMPLES).filter_map(|_| resample()).collect()
}

/// The 95 % intervals of what is finite in both ends: a law whose rate grows without end has no peak.
fn intervals(resampled: &[Law]) -> BTreeMap<String, [f64; 2]> {
    type Read = fn(&Law) -> f64;
    let all: [(&str, Read); 5] = [
        ("lambda", Law::lambda),
        ("sigma", Law::sigma),
        ("kappa", Law::kappa),
        ("peak_n", |law| law.peak_n().unwrap_or(f64::INFINITY)),
        ("peak_rps", |law| law.peak_rps().unwrap_or(f64::INFINITY)),
    ];
    all.into_iter()
        .filter_map(|(name, read)| Some((name.to_owned(), interval(resampled.iter().map(read).collect())?)))
        .collect()
}

/// The 2.5th and the 97.5th percentile.
fn interval(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)? as f64;
    let ends = [0.025, 0.975].map(|q| values[(q * last).round() as usize]);
    ends.iter().all(|end| end.is_finite()).then_some(ends)
}

fn curve(law: &Law, resampled: &[Law], to: f64) -> Vec<[f64; 4]> {
    let point = |i: usize| {
        // Closer together where there is little in flight: the axis is a logarithm's.
        let n = to * (i as f64 / CURVE as f64).powi(3);
        let expected = law.rate(n);
        let [low, high] =
            interval(resampled.iter().map(|law| law.rate(n)).collect()).unwrap_or([expected; 2]);
        [n, expected, low.min(expected), high.max(expected)]
    };
    (0..=CURVE).map(point).collect()
}

/// The share of the variance that the law explains: 1 - squared residuals / squared deviations from the mean.
fn explained(law: &Law, points: &[[f64; 2]]) -> f64 {
    let mean = points.iter().map(|[_, x]| x).sum::<f64>() / points.len() as f64;
    let total: f64 = points.iter().map(|[_, x]| (x - mean).powi(2)).sum();
    let left: f64 = points.iter().map(|[n, x]| (x - law.rate(*n)).powi(2)).sum();
    if total > 0.0 { 1.0 - left / total } else { 0.0 }
}

#[cfg(test)]
#[path = "usl_tests.rs"]
mod tests;
