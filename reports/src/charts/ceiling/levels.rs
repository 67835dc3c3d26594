//! What was measured at each rate: the loads of all phases, those of about the same rate pooled. From the loads of a search to
//! the points of a line; which load was judged, and how, it takes from the record.

use super::judged;
use crate::ceiling::{Ceiling, Step};
use crate::number::percent;

/// Loads whose rates differ by no more than this are about the same rate.
const ALIKE: f64 = 0.02;
/// Loads within this share of a rate are near it.
const NEAR: f64 = 0.1;
/// Those within this share of the ceiling are at it.
const AT: f64 = 0.03;
/// Where none is near the ceiling, the nearest one counts if the two differ by no more than this factor.
const NEAREST_MOST: f64 = 1.5;

/// Loads of about the same rate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level<'a> {
    /// The median of their rates.
    pub(super) rps: f64,
    /// One or more.
    loads: Vec<&'a Step>,
}

impl Level<'_> {
    /// The median of `of` over those loads in which it is known.
    pub(super) fn median(&self, of: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
        median(self.loads.iter().filter_map(|step| of(step)).collect())
    }
}

/// The loads that can be judged, pooled by their rates, which ascend. The first load of all is left out where another one is
/// near it: it is short, and what it meets may have to warm up yet.
pub(super) fn levels(found: &Ceiling) -> Vec<Level<'_>> {
    let judged = judged(found);
    let first = found.steps.iter().min_by(|a, b| a.start_s.total_cmp(&b.start_s));
    let cold = |step: &Step| first.is_some_and(|first| std::ptr::eq(first, step));
    let alone = |step: &Step| {
        !judged.iter().any(|other| !cold(other) && is_near(other.offered_rps, step.offered_rps))
    };
    let counted: Vec<&Step> = judged.iter().copied().filter(|step| !cold(step) || alone(step)).collect();
    let mut pools: Vec<Vec<&Step>> = Vec::new();
    for step in counted {
        match pools.last_mut() {
            Some(pool) if step.offered_rps <= pool[0].offered_rps * (1.0 + ALIKE) => pool.push(step),
            _ => pools.push(vec![step]),
        }
    }
    pools.into_iter().filter_map(pooled).collect()
}

fn pooled(loads: Vec<&Step>) -> Option<Level<'_>> {
    let rps = median(loads.iter().map(|step| step.offered_rps).collect())?;
    Some(Level { rps, loads })
}

/// A line through the medians of `of`.
pub(super) fn line(levels: &[Level], of: impl Fn(&Step) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    levels.iter().map(|level| (level.rps, level.median(&of))).collect()
}

/// How such a line is to be read, for the title of its panel.
pub(super) fn line_words() -> String {
    format!("lines: medians of loads within {}", percent(ALIKE))
}

/// The judged loads from which the use of a resource at the ceiling was taken: near it those that held, where there are any,
/// since what a backlog fills is not what the ceiling is made of; or else the nearest one.
pub(super) fn at_ceiling(found: &Ceiling) -> Vec<&Step> {
    let judged = judged(found);
    let Some(ceiling) = found.ceiling_rps.filter(|at| at.is_finite() && *at > 0.0) else {
        return judged.into_iter().take(1).collect();
    };
    let near: Vec<_> = judged.iter().copied().filter(|step| is_near(step.offered_rps, ceiling)).collect();
    let held: Vec<_> = near.iter().copied().filter(|step| step.passed).collect();
    let off = |step: &Step| (step.offered_rps / ceiling).ln().abs();
    match (held.is_empty(), near.is_empty()) {
        (false, _) => held,
        (true, false) => near,
        (true, true) => {
            let nearest = judged.into_iter().filter(|step| off(step) <= NEAREST_MOST.ln());
            nearest.min_by(|a, b| off(a).total_cmp(&off(b))).into_iter().collect()
        }
    }
}

/// Whether `rate` differs from `from` by no more than a tenth of that.
pub(super) fn is_near(rate: f64, from: f64) -> bool {
    (rate / from - 1.0).abs() <= NEAR
}

/// Whether a load of `rate` tells what happens at `ceiling`.
pub(super) fn is_at(rate: f64, ceiling: f64) -> bool {
    (rate / ceiling - 1.0).abs() <= AT
}

/// The median; of an even number, between the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied()?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}
