//! What the ceiling is made of. Given the loads of a search with what the tiers said of themselves, it gives each resource
//! of the target with the ceiling that a request's demands at low load predict for it, and names the one that explains what
//! was measured. It blames no tier before the generator and the machine are ruled out, takes no symptom for a cause, and
//! where no counter shows the limit it says so.
//!
//! The operational laws (Denning and Buzen, "The operational analysis of queueing network models", 1978): a resource that is
//! busy for B of T seconds while C requests are completed has the demand D = B / C, and no more than capacity / D requests
//! per second pass through it.

mod blame;
mod demand;
mod facts;
mod meter;
mod unexplained;
mod words;

use crate::ceiling::{Bound, Ceiling, Limit, LimitedBy, Resource};
use demand::Basis;
use facts::Facts;
pub(crate) use facts::{at_peak, mean, near, sensible};
use meter::{Kind, Meter};
use std::collections::BTreeMap;
pub(crate) use words::{noun, takes, tier, tried};

/// A resource explains the ceiling if it, or the peak goodput, is at least this share of what the demands predict.
pub const EXPLAINED_LEAST: f64 = 0.9;
/// And if at least this share of it is in use there. Under random arrivals an objective on a percentile is broken before
/// a resource is in use all the time.
pub const SATURATED_LEAST: f64 = 0.85;
/// Two predictions that differ by less cannot be told apart by their height: the one that is used more decides.
const TIED_WITHIN: f64 = 1.1;
/// An objective that cuts below this share of the capacity is not broken by the queue in front of it.
const CUT_LEAST: f64 = 0.5;
/// From this utilisation on a CPU is the limit also where the demands at low load were higher than those at the
/// ceiling, and predicted less than it gave.
const FULL_LEAST: f64 = 0.95;
/// A quota is used in bursts: one that cut its tier short in at least [`THROTTLED_LEAST`] of its periods is saturated from
/// this utilisation on.
const THROTTLED_SATURATED_LEAST: f64 = 0.7;
pub(crate) const THROTTLED_LEAST: f64 = 0.25;

/// The resources of the target by `found`'s loads, the one with the lowest predicted ceiling first; of `found` only the
/// steps, the ceiling and the peak are read. `shared_cpus` is the number of CPUs that the tiers share, 0 where it is not known:
/// then the CPU of a tier without a limit of its own is no resource. Tiers with one take their part of what is shared too. A resource that is one tier's own has an
/// empty `shared`. What a tier's CPU uses without any load is taken off its capacity before it is divided by the demand.
pub fn resources(found: &Ceiling, shared_cpus: usize) -> Vec<Resource> {
    let mut resources: Vec<Resource> = Meter::all(&found.steps, shared_cpus)
        .into_iter()
        .filter_map(|meter| resource(found, &meter))
        .collect();
    resources.sort_by(|a, b| a.predicted_rps.total_cmp(&b.predicted_rps));
    resources
}

/// The system's ceiling as its resources predict it: the lowest of theirs, in requests per second.
pub fn predicted_rps(resources: &[Resource]) -> Option<f64> {
    resources.iter().map(|resource| resource.predicted_rps).min_by(f64::total_cmp)
}

/// What `found`'s ceiling is made of, with the evidence; its first sentence is the verdict. `resources` are those of
/// [`resources`].
///
/// The ceiling of an objective on a percentile lies below the saturation of the resource that causes it, since requests
/// queue before it is busy all the time. So a resource explains it if either the ceiling or the peak goodput is within 10 %
/// of the prediction while the resource is in use almost all the time; where the two differ the evidence says where the
/// objective cuts. Requests that pile up in a tier's workers or connections because of something behind them are no
/// evidence: then these are held for longer than at low load, and what was measured falls short of the prediction.
pub fn explain(found: &Ceiling, resources: &[Resource]) -> LimitedBy {
    let facts = Facts::of(found, resources);
    if let Some(generator) = blame::generator(&facts) {
        return generator;
    }
    if found.bound == Bound::AtLeast {
        return unexplained::own_limit(&facts);
    }
    blame::host(&facts).or_else(|| target(&facts)).unwrap_or_else(|| unexplained::unexplained(&facts))
}

fn resource(found: &Ceiling, meter: &Meter) -> Option<Resource> {
    let basis = Basis::of(found, |step| meter.busy(step))?;
    let demand = basis.demand(meter.idles());
    let predicted_rps = demand.ceiling(meter.capacity)?;
    let shared = match &meter.kind {
        Kind::SharedCpu(tiers) => parts(found, tiers, demand.seconds),
        _ => BTreeMap::new(),
    };
    let largest = shared.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(tier, _)| tier.clone());
    Some(Resource {
        tier: largest.unwrap_or_else(|| meter.tier.clone()),
        shared,
        resource: meter.kind.name().to_owned(),
        capacity: meter.capacity,
        demand_s: demand.seconds,
        predicted_rps,
        predicted_range: basis.range(&demand, meter.capacity),
        utilisation: facts::utilisation(meter, &near(found)),
    })
}

/// Each tier's part of a shared demand of `whole` seconds.
fn parts(found: &Ceiling, tiers: &[String], whole: f64) -> BTreeMap<String, f64> {
    let part = |tier: &String| {
        let basis = Basis::of(found, |step| meter::metric(step, tier, "cpu_share"))?;
        Some((basis.demand(true).seconds / whole).clamp(0.0, 1.0))
    };
    tiers.iter().map(|tier| (tier.clone(), part(tier).unwrap_or(0.0))).collect()
}

/// Busy seconds per correct answer at the loads with about as many of them as ever: often less than at low load, where each
/// request is woken up for alone.
pub(crate) fn demand_at_peak(found: &Ceiling, resource: &Resource) -> Option<f64> {
    Facts::of(found, &found.resources).demand_at_peak(resource).filter(|demand| *demand > 0.0)
}

fn target(facts: &Facts) -> Option<LimitedBy> {
    let mut explaining: Vec<&Resource> = facts.resources.iter().filter(|r| facts.explains(r)).collect();
    explaining.sort_by(|a, b| a.predicted_rps.total_cmp(&b.predicted_rps));
    let lowest = explaining.first()?.predicted_rps;
    explaining.retain(|resource| resource.predicted_rps <= lowest * TIED_WITHIN);
    // The sort is stable and reversed: among equals the lowest prediction stays first.
    explaining.sort_by(|a, b| facts.level(b).total_cmp(&facts.level(a)));
    let (cause, others) = explaining.split_first()?;
    Some(LimitedBy {
        what: Limit::Target,
        tier: Some(cause.tier.clone()),
        resource: Some(cause.resource.clone()),
        evidence: words::target(facts, cause, others),
    })
}

#[cfg(test)]
#[path = "bottleneck/explain_tests.rs"]
mod explain_tests;
#[cfg(test)]
#[path = "bottleneck/property_tests.rs"]
mod property_tests;
#[cfg(test)]
#[path = "bottleneck/tests.rs"]
mod tests;
