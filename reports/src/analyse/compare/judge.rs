//! One metric: from its pairs to the ratio with its interval and p-values, and to what they say. A ratio is judged by its logarithm,
//! with the sign that makes more of it worse.

use super::NOISE_MOST;
use crate::analyse::statistics::bootstrap::{median, median_interval};
use crate::analyse::statistics::wilcoxon::signed_rank;
use crate::comparison::{Better, Call, Found, Metric, Pair};

/// The logarithms of the pairs' ratios: more is worse.
pub(super) fn signed(better: Better, pairs: &[Pair]) -> Vec<f64> {
    let sign = if better == Better::Lower { 1.0 } else { -1.0 };
    pairs.iter().map(|pair| sign * (pair.candidate / pair.base).ln()).collect()
}

/// What follows from the pairs of `metric`, with p-values that are not adjusted; `None` for fewer than `least`.
pub(super) fn found(metric: &Metric, least: usize) -> Option<Found> {
    let pairs = &metric.pairs;
    if pairs.len() < least.max(1) {
        return None;
    }
    let signed = signed(metric.better, pairs);
    let of = |value: fn(&Pair) -> f64| median(&pairs.iter().map(value).collect::<Vec<_>>());
    // Where no pair differs there is nothing to rank, and nothing that speaks for a change.
    let (p_worse, p_better) = signed_rank(&signed).map_or((1.0, 1.0), |test| (test.p_greater, test.p_less));
    let ratio = |worse: f64| (if metric.better == Better::Lower { worse } else { -worse }).exp();
    let [low, high] = median_interval(&signed)?;
    let (one, other) = (ratio(low), ratio(high));
    let floor = floor(metric, least);
    Some(Found {
        base: of(|pair| pair.base)?,
        candidate: of(|pair| pair.candidate)?,
        ratio: ratio(median(&signed)?),
        ci95: [one.min(other), one.max(other)],
        p_worse,
        p_better,
        adjusted: [p_worse, p_better],
        floor,
        delta: metric.delta.unwrap_or(0.0).max(floor.unwrap_or(0.0)),
        detectable: None,
    })
}

/// How far from 1 the ratio of base to base may lie, as a share: the further end of its interval.
fn floor(metric: &Metric, least: usize) -> Option<f64> {
    if metric.control.len() < least.max(1) {
        return None;
    }
    let [low, high] = median_interval(&signed(metric.better, &metric.control))?;
    Some(low.abs().max(high.abs()).exp() - 1.0)
}

/// Whether all of the interval is worse than may be, whatever chance has to do with it.
pub(super) fn is_worse_for_all(metric: &Metric, found: &Found) -> bool {
    let [one, other] =
        found.ci95.map(|ratio| if metric.better == Better::Lower { ratio.ln() } else { -ratio.ln() });
    one.min(other) > (1.0 + found.delta).ln()
}

/// What `found` says of `metric`: a change that is larger than may be, that the interval is clear of, and that chance does not explain;
/// or that none for the worse can be as large.
pub(super) fn call(metric: &Metric, found: &Found, alpha: f64) -> Call {
    let Some(asked) = metric.delta else { return Call::Inconclusive };
    let worse = |ratio: f64| if metric.better == Better::Lower { ratio.ln() } else { -ratio.ln() };
    let ends = found.ci95.map(worse);
    let (least, most) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let (middle, margin) = (worse(found.ratio), (1.0 + found.delta).ln());
    if middle > margin && least > 0.0 && found.adjusted[0] < alpha {
        Call::Regression
    } else if found.delta > asked * NOISE_MOST || least > (1.0 + asked).ln() {
        // All of it is worse than was asked for, and less than base and base differ by.
        Call::Inconclusive
    } else if middle < -margin && most < 0.0 && found.adjusted[1] < alpha {
        Call::Improvement
    } else if most < margin {
        Call::Pass
    } else {
        Call::Inconclusive
    }
}
