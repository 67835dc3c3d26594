//! What is known around the ceiling: which loads are near it and at the peak, how much of each resource and of the machine
//! was in use there. From a search and its resources; it concludes nothing but whether a resource fits the figures.

use super::demand::Basis;
use super::meter::{Meter, machine, metric};
use super::{
    CUT_LEAST, EXPLAINED_LEAST, FULL_LEAST, SATURATED_LEAST, THROTTLED_LEAST, THROTTLED_SATURATED_LEAST,
};
use crate::ceiling::{Bound, Ceiling, Resource, Step};

/// Loads within this share of the ceiling are near it.
const NEAR: f64 = 0.1;
/// Where none is, the nearest one counts if the two differ by no more than this factor.
const NEAREST_MOST: f64 = 1.5;
/// Loads with this share of the peak goodput are at the peak.
const AT_PEAK_LEAST: f64 = 0.95;
/// A request's own demand grows by no more than this from the lower to the upper half of the low loads.
const GROWTH_MOST: f64 = 1.2;
/// More than this of a capacity is no utilisation: one of the two numbers is wrong.
const UTILISATION_MOST: f64 = 1.15;

/// A search with what follows from it at once.
pub(super) struct Facts<'a> {
    pub(super) found: &'a Ceiling,
    pub(super) resources: &'a [Resource],
    /// The loads near the ceiling; those that can be judged, where there are any.
    pub(super) near: Vec<&'a Step>,
    /// The loads with about as many correct answers as ever.
    pub(super) peak: Vec<&'a Step>,
    /// The most correct answers per second, or the ceiling where that is higher.
    pub(super) reached: f64,
}

impl<'a> Facts<'a> {
    /// Of `found` and its `resources`.
    pub(super) fn of(found: &'a Ceiling, resources: &'a [Resource]) -> Self {
        let peak = peak_goodput(found);
        let reached = peak.max(usable(found.ceiling_rps).unwrap_or(0.0));
        Self { found, resources, near: near(found), peak: at_peak(found), reached }
    }

    /// The highest utilisation of `resource`: at the ceiling, or at the peak.
    pub(super) fn level(&self, resource: &Resource) -> f64 {
        let at_peak = Meter::of(resource).and_then(|meter| utilisation(&meter, &self.peak));
        resource.utilisation.unwrap_or(0.0).max(at_peak.unwrap_or(0.0))
    }

    /// Busy seconds per correct answer at the peak.
    pub(super) fn demand_at_peak(&self, resource: &Resource) -> Option<f64> {
        let meter = Meter::of(resource)?;
        let rate = mean(&self.peak, |step| meter.busy(step).map(|_| step.ok_rps))?;
        let busy = mean(&self.peak, |step| meter.busy(step))?;
        Some(busy / rate).filter(|demand| demand.is_finite())
    }

    /// The loads that the demand of `resource` comes from.
    pub(super) fn basis(&self, resource: &Resource) -> Option<Basis> {
        let meter = Meter::of(resource)?;
        Basis::of(self.found, |step| meter.busy(step))
    }

    /// The share of a quota's periods in which it cut `resource`'s tier short; 0 of anything but a quota.
    pub(super) fn throttled(&self, resource: &Resource) -> f64 {
        let own = resource.resource == "cpu" && resource.shared.is_empty();
        let share = |steps| mean(steps, |step| metric(step, &resource.tier, "throttled_share"));
        let throttled = share(&self.near).unwrap_or(0.0).max(share(&self.peak).unwrap_or(0.0));
        if own { throttled.min(1.0) } else { 0.0 }
    }

    /// Whether `resource` explains what was measured.
    pub(super) fn explains(&self, resource: &Resource) -> bool {
        if self.found.bound == Bound::Below {
            return self.full_at_the_lowest(resource);
        }
        let Some(ceiling) = usable(self.found.ceiling_rps) else { return false };
        let level = self.level(resource);
        let bursts = self.throttled(resource) >= THROTTLED_LEAST && level >= THROTTLED_SATURATED_LEAST;
        let known = is_cpu(resource) || self.is_held_alike(resource);
        let ratio = self.reached / resource.predicted_rps;
        let close = (EXPLAINED_LEAST..=1.0 / EXPLAINED_LEAST).contains(&ratio);
        let fits = close && (level >= SATURATED_LEAST || bursts)
            || is_cpu(resource) && ratio > 1.0 && level >= FULL_LEAST;
        known && fits && ceiling >= CUT_LEAST * resource.predicted_rps
    }

    /// Whether the demand of slots is a request's own: they are held for longer where requests queue behind them. So it has to
    /// come from loads that are low, and to be the same at all of them.
    pub(super) fn is_held_alike(&self, resource: &Resource) -> bool {
        self.basis(resource).is_some_and(|basis| basis.low && basis.growth() <= GROWTH_MOST)
    }

    /// Of a ceiling below all loads there is no prediction; a CPU without idle time is the limit all the same. Workers and
    /// connections are not: whatever requests wait for, they fill.
    fn full_at_the_lowest(&self, resource: &Resource) -> bool {
        let Some(lowest) = lowest(self.found) else { return false };
        let Some(meter) = Meter::of(resource) else { return false };
        is_cpu(resource) && utilisation(&meter, &[lowest]).is_some_and(|share| share >= FULL_LEAST)
    }

    /// What the kernel said of `name`: near the ceiling, or else at the peak.
    pub(super) fn machine(&self, name: &str) -> Option<f64> {
        mean(&self.near, |step| machine(step, name)).or_else(|| mean(&self.peak, |step| machine(step, name)))
    }

    /// What `tier` said of `name`, the same.
    pub(super) fn metric(&self, tier: &str, name: &str) -> Option<f64> {
        let said = |steps| mean(steps, |step| metric(step, tier, name));
        said(&self.near).or_else(|| said(&self.peak))
    }

    /// The CPUs that all observed tiers use near the ceiling.
    pub(super) fn tiers_cpu(&self) -> Option<f64> {
        let tiers = self.tiers();
        let used: Vec<f64> = tiers.iter().filter_map(|tier| self.metric(tier, "cpu_share")).collect();
        (!used.is_empty()).then(|| used.iter().sum())
    }

    /// The names of all tiers that anything is known of.
    pub(super) fn tiers(&self) -> Vec<&'a str> {
        let named = |step: &'a Step| step.observed.iter().filter(|(_, metrics)| !metrics.is_empty());
        let mut tiers: Vec<&str> =
            self.found.steps.iter().flat_map(named).map(|(tier, _)| tier.as_str()).collect();
        tiers.sort_unstable();
        tiers.dedup();
        tiers
    }
}

/// Whether `resource` is a CPU.
pub(super) fn is_cpu(resource: &Resource) -> bool {
    resource.resource == "cpu"
}

/// A rate that is one.
pub(super) fn usable(rate: Option<f64>) -> Option<f64> {
    rate.filter(|rate| rate.is_finite() && *rate > 0.0)
}

/// The most correct answers per second; 0 of none.
pub(super) fn peak_goodput(found: &Ceiling) -> f64 {
    let measured = || found.steps.iter().filter(|step| step.valid).map(|step| step.ok_rps);
    usable(found.peak_goodput_rps)
        .unwrap_or_else(|| measured().filter(|rate| rate.is_finite()).fold(0.0, f64::max))
}

/// The loads with about as many correct answers as ever.
pub(crate) fn at_peak(found: &Ceiling) -> Vec<&Step> {
    let peak = peak_goodput(found);
    let is_there = |step: &&Step| step.valid && step.ok_rps >= AT_PEAK_LEAST * peak && step.ok_rps > 0.0;
    found.steps.iter().filter(is_there).collect()
}

/// A share of a capacity as it is said: at most all of it, and nothing where one of the two numbers must be wrong.
pub(crate) fn sensible(share: f64) -> Option<f64> {
    (share <= UTILISATION_MOST).then(|| share.min(1.0))
}

/// The load with the lowest rate.
pub(super) fn lowest(found: &Ceiling) -> Option<&Step> {
    let rated = found.steps.iter().filter(|step| step.offered_rps.is_finite() && step.offered_rps > 0.0);
    rated.min_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps))
}

/// The loads within [`NEAR`] of the ceiling, or else the nearest one; those that held, where there are any, since what a backlog
/// fills is not what the ceiling is made of; invalid ones only where there are no others.
pub(crate) fn near(found: &Ceiling) -> Vec<&Step> {
    let Some(ceiling) = usable(found.ceiling_rps) else { return lowest(found).into_iter().collect() };
    let off = |step: &Step| (step.offered_rps / ceiling).ln().abs();
    let within = |step: &&Step| (step.offered_rps / ceiling - 1.0).abs() <= NEAR;
    let among = |valid: bool| {
        let all: Vec<&Step> = found.steps.iter().filter(|step| step.valid || !valid).collect();
        let close: Vec<&Step> = all.iter().copied().filter(within).collect();
        let held: Vec<&Step> = close.iter().copied().filter(|step| step.passed).collect();
        if !close.is_empty() {
            return if held.is_empty() { close } else { held };
        }
        let nearest = all.into_iter().filter(|step| off(step) <= NEAREST_MOST.ln());
        nearest.min_by(|a, b| off(a).total_cmp(&off(b))).into_iter().collect()
    };
    Some(among(true)).filter(|steps| !steps.is_empty()).unwrap_or_else(|| among(false))
}

/// The share of `meter`'s capacity that was busy in `steps`.
pub(super) fn utilisation(meter: &Meter, steps: &[&Step]) -> Option<f64> {
    sensible(mean(steps, |step| meter.busy(step))? / meter.capacity)
}

/// The mean of `of` over those `steps` in which it is known, weighted by their lengths.
pub(crate) fn mean(steps: &[&Step], of: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for step in steps {
        if let Some(value) = of(step).filter(|_| step.duration_s.is_finite() && step.duration_s > 0.0) {
            sum += value * step.duration_s;
            weight += step.duration_s;
        }
    }
    (weight > 0.0).then(|| sum / weight)
}
