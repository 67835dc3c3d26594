//! From all valid loads to the rate at which the objective ceases to hold.
//!
//! Near the ceiling of a target whose service times vary, the share of requests over a limit grows exponentially with the rate
//! (the tail of the wait in a GI/G/c queue in heavy traffic: Kingman, 1962) until it nears 1. That is a logistic curve, and the
//! ceiling is where it passes the share that is allowed. It is fitted to the counts by quasi-likelihood (Wedderburn, 1974): what
//! the loads scatter about the curve is the noise, whatever its source, and the interval follows from it by Fieller's theorem
//! (1954). A target whose service times are fixed has no such curve but a cliff: there the ceiling is between the highest load
//! that held and the lowest that did not.

use super::load::{rises, settled};
use crate::analyse::objective::Objective;
use crate::ceiling::{Bound, Step, Window};

/// Loads further from the bracket than this ratio say nothing about the curve there.
const NEAR: f64 = 1.3;
/// Loads below this share of the capacity show what breaks the objective without any queue.
const QUIET: f64 = 0.7;
/// Half the width of a normal distribution's 95 % interval.
const NORMAL: f64 = 1.96;
/// Loads are few and bursts come together: by this much the scatter that is seen falls short of what it is.
const INFLATION: f64 = 2.0;
/// A rate is not known more closely than this.
const RESOLUTION: f64 = 0.002;
/// A curve takes so many loads.
const LEAST_POINTS: usize = 2;
/// Quantiles (97.5 %) of Student's distribution for 1, 2, ... degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Where the ceiling is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// How the rate is to be read.
    pub bound: Bound,
    /// In requests per second.
    pub rps: Option<f64>,
    /// Its 95 % interval, where it has two ends.
    pub ci95: Option<[f64; 2]>,
    /// Whether the rate comes from a curve through several loads; else from the two that enclose it.
    pub fitted: bool,
}

/// The ceiling by all valid loads of `steps`.
pub fn estimate(steps: &[Step], objective: &Objective) -> Estimate {
    let mut valid: Vec<&Step> = steps.iter().filter(|step| step.valid).collect();
    valid.sort_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps));
    let split = split(&valid);
    let low = split.checked_sub(1).and_then(|n| valid.get(n));
    match (low, valid.get(split)) {
        (None, None) => Estimate::default(),
        (None, Some(high)) => Estimate { rps: Some(high.offered_rps), ..Estimate::default() },
        (Some(low), None) => {
            Estimate { bound: Bound::AtLeast, rps: Some(low.offered_rps), ..Estimate::default() }
        }
        (Some(low), Some(high)) => {
            curves(&valid, low, high, objective).unwrap_or_else(|| between(&valid, low, high))
        }
    }
}

/// How many of the loads, which are in the order of their rates, are below the ceiling: where passing and failing ones overlap,
/// the number that contradicts the fewest.
fn split(valid: &[&Step]) -> usize {
    let contradictions = |split: usize| {
        let failed_below = valid[..split].iter().filter(|step| !step.passed).count();
        failed_below + valid[split..].iter().filter(|step| step.passed).count()
    };
    (0..=valid.len()).min_by_key(|split| contradictions(*split)).unwrap_or(0)
}

/// The cliff: half-way between the two. That the lower one held may be because an overload needs longer to show than it was
/// offered, so what counts is what was answered; and no target serves for long what is more than it answers when it is offered too
/// much, but for one that collapses.
fn between(valid: &[&Step], low: &Step, high: &Step) -> Estimate {
    let answered = |step: &Step| {
        let windows = settled(&step.windows);
        let seconds: f64 = windows.iter().map(|window| window.length_s).sum();
        windows.iter().map(|window| window.ok).sum::<u64>() as f64 / seconds.max(1e-9)
    };
    let from = low.offered_rps.min(answered(low));
    let capacity = capacity(valid, low, high);
    let most = capacity.map_or(f64::INFINITY, |capacity| capacity.rps.max(from));
    let to = high.offered_rps.min(most);
    let margin = RESOLUTION + NORMAL * capacity.map_or(0.0, |capacity| capacity.error);
    let ci95 = Some([from * (1.0 - margin), to * (1.0 + margin)]);
    Estimate { bound: Bound::Exact, rps: Some((from * to).sqrt()), ci95, fitted: false }
}

/// One load as a point: its rate, seconds of it, and the share of its requests that broke the rule.
#[derive(Clone, Copy, Debug)]
struct Point {
    rps: f64,
    time_s: f64,
    n: f64,
    share: f64,
    /// Windows in which the rule was broken.
    bursts: f64,
}

/// The lowest ceiling by any rule; `None` where no rule's curve can be fitted.
fn curves(valid: &[&Step], low: &Step, high: &Step, objective: &Objective) -> Option<Estimate> {
    let capacity = capacity(valid, low, high)?;
    let near = |step: &&&Step| {
        step.offered_rps > low.offered_rps / NEAR
            && step.offered_rps < capacity.rps * 0.999
            && step.windows.len() > 2
            && !rises(&step.windows, step.offered_rps)
    };
    let chosen: Vec<&Step> = valid.iter().filter(near).copied().collect();
    let quiet = |step: &&&Step| step.offered_rps < QUIET * capacity.rps && step.windows.len() > 1;
    let quiet: Vec<&Step> = valid.iter().filter(quiet).copied().collect();
    let fits = objective.allowed().enumerate().filter_map(|(rule, allowed)| {
        let points: Vec<Point> = chosen.iter().map(|step| point(step, rule)).collect();
        let (broke, ended) = quiet
            .iter()
            .map(|step| point(step, rule))
            .fold((0.0, 0.0), |(b, n), p| (b + p.share * p.n, n + p.n));
        curve(&points, allowed, if ended > 0.0 { broke / ended } else { 0.0 }, capacity)
    });
    let [at, from, to] = fits.reduce(|a, b| if b[0] < a[0] { b } else { a })?;
    Some(Estimate { bound: Bound::Exact, rps: Some(at), ci95: Some([from, to]), fitted: true })
}

/// What a saturated target answers.
#[derive(Clone, Copy, Debug)]
struct Capacity {
    /// Correct answers per second.
    rps: f64,
    /// The standard error of that, relative to it.
    error: f64,
}

/// What the target answers when it is offered too much: the mean over the loads that it fell behind of, but for those so far
/// above that it may have collapsed.
fn capacity(valid: &[&Step], low: &Step, high: &Step) -> Option<Capacity> {
    let most = high.offered_rps.max(1.6 * low.offered_rps);
    let mut rates = Vec::new();
    for step in valid.iter().filter(|step| !step.passed && step.offered_rps <= most) {
        let windows = if step.windows.len() > 1 { &step.windows[1..] } else { &step.windows };
        let of = |windows: &[Window]| {
            let (n, s) = windows.iter().fold((0u64, 0.0), |(n, s), w| (n + w.ok, s + w.length_s));
            n as f64 / s.max(1e-9)
        };
        if of(windows) < 0.97 * step.offered_rps {
            rates.extend(windows.iter().map(|window| of(std::slice::from_ref(window))));
        }
    }
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let variance = rates.iter().map(|rate| (rate / mean - 1.0).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean > low.offered_rps * 0.9).then(|| Capacity { rps: mean, error: (variance / n).sqrt() })
}

fn point(step: &Step, rule: usize) -> Point {
    let windows = settled(&step.windows);
    let ended: u64 = windows.iter().map(|window| window.ended).sum();
    let broke: u64 = windows.iter().filter_map(|window| window.broke.get(rule)).sum();
    let time_s = windows.iter().map(|window| window.length_s).sum();
    Point {
        rps: step.offered_rps,
        time_s,
        n: ended as f64,
        share: broke as f64 / ended.max(1) as f64,
        bursts: windows.iter().filter(|w| w.broke.get(rule).is_some_and(|n| *n > 0)).count() as f64,
    }
}

/// Where `exp(-k (1 - rps / capacity))` passes `allowed`, for the k at which the loads scatter evenly about it; with its interval.
fn curve(points: &[Point], allowed: f64, floor: f64, capacity: Capacity) -> Option<[f64; 3]> {
    if points.len() < LEAST_POINTS || allowed <= 0.0 || points.iter().all(|p| p.share == 0.0) {
        return None;
    }
    let Capacity { rps: capacity, error } = capacity;
    let floor = floor.min(0.9 * allowed);
    let allowed = allowed - floor;
    let expected = |k: f64, p: &Point| (-k * (1.0 - p.rps / capacity)).exp();
    let weight = |k: f64, p: &Point| p.time_s * (expected(k, p) / allowed).min(1.0);
    let score = |k: f64| -> f64 {
        points.iter().map(|p| weight(k, p) * ((p.share - floor) / expected(k, p) - 1.0)).sum()
    };
    let (mut from, mut to) = (1.0f64, 1e6f64);
    for _ in 0..200 {
        let k = (from * to).sqrt();
        if score(k) > 0.0 { to = k } else { from = k }
    }
    let k = (from * to).sqrt();
    if !(2.0..1e5).contains(&k) {
        return None;
    }
    let total: f64 = points.iter().map(|p| weight(k, p)).sum();
    let scatter: f64 =
        points.iter().map(|p| (weight(k, p) * ((p.share - floor) / expected(k, p) - 1.0)).powi(2)).sum();
    let effective = total * total / points.iter().map(|p| weight(k, p).powi(2)).sum::<f64>();
    let freedom = (effective - 1.0).max(1.0);
    let bursts: f64 = points.iter().map(|p| p.bursts * (expected(k, p) / allowed).recip().min(1.0)).sum();
    let variance = (scatter / (total * total)).max(1.0 / (bursts + 0.5));
    let deviation = INFLATION * variance.sqrt();
    let t = STUDENT[(freedom as usize).clamp(1, STUDENT.len()) - 1].min(2.6);
    let shift = (variance / 2.0).min(0.5);
    let at = capacity * (1.0 + (allowed.ln() - shift) / k);
    let half = (t * deviation / k).hypot(NORMAL * error);
    Some([at, at * (1.0 - half), at * (1.0 + half)])
}
