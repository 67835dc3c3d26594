//! From all valid loads to the rate at which the objective ceases to hold. A target whose service times vary has a curve there, on
//! which the loads are points; one whose service times are fixed has a cliff, between the highest load that held and the lowest
//! that did not.

use super::curve::curve;
use super::load::{answered, rises, settled};
use super::saturation::{Saturation, saturation};
use crate::analyse::objective::Objective;
use crate::ceiling::{Bound, Step};

/// Loads further below the bracket than this ratio say nothing about the curve there.
const NEAR: f64 = 1.3;
/// Loads below this share of the saturation show what breaks the objective without any queue.
const QUIET: f64 = 0.7;
/// And loads this close to it are on no curve.
const SATURATED: f64 = 0.999;
/// Half the width of a normal distribution's 95 % interval.
pub(super) const NORMAL: f64 = 1.96;
/// A curve that passes what is allowed further outside of the two loads than this ratio is none: a hiccup far below made it.
const OUTSIDE: f64 = 1.04;
/// A load holds of which this share is answered.
const ANSWERED: f64 = 0.9;
/// A cliff is not known more closely than this.
const RESOLUTION: f64 = 0.002;

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

/// One load as a point of a rule's curve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Its rate, in requests per second.
    pub(super) rps: f64,
    /// How long it was looked at, in seconds.
    pub(super) time_s: f64,
    /// Requests that ended.
    pub(super) ended: f64,
    /// Those of them that broke the rule.
    pub(super) broke: f64,
    /// How often it was broken, windows on end counted once.
    pub(super) bursts: f64,
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
            let answered = answered(settled(&low.windows));
            // At a low rate a target may fall behind for long before it shows.
            let rps = if answered < ANSWERED * low.offered_rps { answered } else { low.offered_rps };
            Estimate { bound: Bound::AtLeast, rps: Some(rps), ..Estimate::default() }
        }
        (Some(low), Some(high)) => {
            let saturation = saturation(&valid, low, high).filter(|saturation| saturation.is_above(low));
            let curves = saturation.and_then(|saturation| curves(&valid, low, saturation, objective));
            let within = |curve: &Estimate| {
                curve
                    .rps
                    .is_some_and(|rps| low.offered_rps < rps * OUTSIDE && rps < high.offered_rps * OUTSIDE)
            };
            curves.filter(within).unwrap_or_else(|| cliff(low, high, &valid[split..], saturation))
        }
    }
}

/// How many of the loads, which are in the order of their rates, are below the ceiling: where passing and failing ones overlap,
/// the number that contradicts the fewest, and the highest of several: a hiccup makes a load fail, but none makes it hold.
fn split(valid: &[&Step]) -> usize {
    let contradictions = |split: usize| {
        let failed_below = valid[..split].iter().filter(|step| !step.passed).count();
        failed_below + valid[split..].iter().filter(|step| step.passed).count()
    };
    (0..=valid.len()).rev().min_by_key(|split| contradictions(*split)).unwrap_or(0)
}

/// Half-way between the two. That `low` held may be because an overload needs longer to show than it was offered, so what counts is
/// what was answered, less what the windows of saturated loads scatter; and no target serves for long what is more than it
/// answers when it is offered too much, unless it collapses then. A load among those `above` that held all the same is
/// inside the interval; and where the loads differ by more than their windows scatter, the target was not the same all the time, so
/// that no single load bounds what it can do.
fn cliff(low: &Step, high: &Step, above: &[&Step], saturation: Option<Saturation>) -> Estimate {
    let from = low.offered_rps.min(answered(settled(&low.windows)));
    let most = saturation.map_or(f64::INFINITY, |saturation| saturation.rps.max(from));
    let to = high.offered_rps.min(most);
    let error = NORMAL * saturation.map_or(0.0, |saturation| saturation.within);
    let most = saturation.map_or(f64::INFINITY, |saturation| saturation.most_rps * (1.0 + error)).max(to);
    let held = above.iter().filter(|step| step.passed).map(|step| step.offered_rps).fold(0.0, f64::max);
    let lower = from * (1.0 - RESOLUTION - error).max(0.0);
    let upper = high.offered_rps.min(most).max(held) * (1.0 + RESOLUTION);
    let [least, most] = saturation.and_then(|saturation| saturation.wander).unwrap_or([lower, upper]);
    let ci95 = Some([lower.min(least.max(0.0)), upper.max(most)]);
    Estimate { bound: Bound::Exact, rps: Some((from * to).sqrt()), ci95, fitted: false }
}

/// The lowest ceiling by the curve of any rule; `None` where no rule has one.
fn curves(valid: &[&Step], low: &Step, saturation: Saturation, objective: &Objective) -> Option<Estimate> {
    let near = |step: &&Step| {
        step.offered_rps > low.offered_rps / NEAR
            && step.offered_rps < saturation.rps * SATURATED
            && step.windows.len() > 2
            && !rises(&step.windows, step.offered_rps)
    };
    let quiet = |step: &&Step| step.offered_rps < QUIET * saturation.rps && step.windows.len() > 1;
    let fits = objective.allowed().enumerate().filter_map(|(rule, allowed)| {
        let points = |of: &dyn Fn(&&Step) -> bool| -> Vec<Point> {
            valid.iter().copied().filter(of).map(|step| point(step, rule)).collect()
        };
        curve(&points(&near), &points(&quiet), allowed, saturation)
    });
    let [at, from, to] = fits.reduce(|a, b| if b[0] < a[0] { b } else { a })?;
    Some(Estimate { bound: Bound::Exact, rps: Some(at), ci95: Some([from, to]), fitted: true })
}

fn point(step: &Step, rule: usize) -> Point {
    let windows = settled(&step.windows);
    let broke = windows.iter().filter_map(|window| window.broke.get(rule));
    Point {
        rps: step.offered_rps,
        time_s: windows.iter().map(|window| window.length_s).sum(),
        ended: windows.iter().map(|window| window.ended).sum::<u64>() as f64,
        broke: broke.clone().sum::<u64>() as f64,
        bursts: bursts(broke.copied()) as f64,
    }
}

/// How many times there is anything after nothing.
fn bursts(counts: impl Iterator<Item = u64>) -> usize {
    let (mut bursts, mut within) = (0, false);
    for count in counts {
        bursts += usize::from(count > 0 && !within);
        within = count > 0;
    }
    bursts
}
