//! The resources of a target as they are drawn: what each is called, how much of it a load used, and how much was in use at the
//! ceiling. From a record to what the pictures say of its resources, so that all of them say the same.

use super::super::tier_colour;
use super::levels::{at_ceiling, is_near};
use crate::analyse::bottleneck::{SATURATED_LEAST, THROTTLED_LEAST, at_peak, mean, noun, sensible};
use crate::ceiling::{Ceiling, Limit, Step};
use crate::chart::{Colour, Marker};
use crate::number::percent;
use std::collections::BTreeSet;

/// Kinds of resources, with the metric of what is in use of them and of how much there is.
const KINDS: [(&str, &str, &str); 3] = [
    ("cpu", "cpu_share", "cpu_limit"),
    ("workers", "workers_busy", "workers"),
    ("pool", "pool_busy", "pool"),
];

/// A resource as it is drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) name: String,
    /// The same beside its line, where there is less room.
    pub(super) label: String,
    /// Whose it is; where several share it, the one that uses most of it.
    tier: String,
    /// Whose use is added up.
    tiers: Vec<String>,
    /// Whether it is the CPUs that several tiers share.
    shared: bool,
    /// See [`KINDS`].
    pub(super) kind: String,
    /// How much there is, where that does not change from load to load.
    capacity: Option<f64>,
    /// When it is full, in requests per second.
    pub(super) predicted_rps: Option<f64>,
    /// The share of it in use at the ceiling, 0 to 1: the record's, or that of the same loads.
    pub(super) at_ceiling: Option<f64>,
    pub(super) colour: Colour,
}

impl Drawn {
    /// What marks its points: no two resources of one tier have the same.
    pub(super) fn marker(&self) -> Marker {
        match self.kind.as_str() {
            "cpu" => Marker::Dot,
            "workers" => Marker::Square,
            "pool" => Marker::Triangle,
            _ => Marker::Cross,
        }
    }

    /// The share of it in use under `step`, 0 to 1; `None` where a tier does not say.
    pub(super) fn share(&self, step: &Step) -> Option<f64> {
        let (_, used, limit) = *KINDS.iter().find(|(kind, ..)| *kind == self.kind)?;
        let of = |tier: &String, metric: &str| step.observed.get(tier)?.get(metric).copied();
        let capacity = self.capacity.or_else(|| of(self.tiers.first()?, limit))?;
        // Without one of its tiers the sum would be too small, not unknown.
        let sum: f64 = self.tiers.iter().map(|tier| of(tier, used)).sum::<Option<f64>>()?;
        // The kernel's own work for them is in nobody's account.
        let all = step.machine.get("target_cpu_busy").filter(|_| self.shared).copied().unwrap_or(0.0);
        let share = (sum / capacity).max(all);
        (capacity > 0.0 && share.is_finite() && share >= 0.0).then_some(share)
    }

    /// The share of a quota's periods in which it stopped its tier; `None` of anything but a quota.
    fn throttled(&self, steps: &[&Step]) -> Option<f64> {
        let of = |step: &Step| step.observed.get(&self.tier)?.get("throttled_share").copied();
        mean(steps, of).filter(|_| self.kind == "cpu" && !self.shared)
    }
}

/// The resources of the record, or where it has none, those of which the tiers themselves say how much there is.
pub(super) fn drawn(found: &Ceiling) -> Vec<Drawn> {
    let of_record = found.resources.iter().map(|resource| {
        let shared = !resource.shared.is_empty();
        let tiers: Vec<_> = resource.shared.keys().cloned().collect();
        Drawn {
            name: noun(resource),
            label: match (shared, resource.capacity > 1.0) {
                (true, true) => "shared CPUs".to_owned(),
                (true, false) => "shared CPU".to_owned(),
                _ => named(&resource.tier, &resource.resource),
            },
            tier: resource.tier.clone(),
            tiers: if shared { tiers } else { vec![resource.tier.clone()] },
            shared,
            kind: resource.resource.clone(),
            capacity: Some(resource.capacity).filter(|capacity| *capacity > 0.0),
            predicted_rps: Some(resource.predicted_rps).filter(|rate| *rate > 0.0),
            at_ceiling: resource.utilisation,
            colour: if shared { Colour::Shared } else { tier_colour(&resource.tier) },
        }
    });
    let mut all: Vec<_> = of_record.collect();
    if all.is_empty() {
        let tiers: BTreeSet<_> = found.steps.iter().flat_map(|step| step.observed.keys()).collect();
        all = tiers.into_iter().flat_map(|tier| KINDS.map(|(kind, ..)| unlisted(tier, kind))).collect();
    }
    let near = at_ceiling(found);
    for resource in &mut all {
        resource.at_ceiling =
            resource.at_ceiling.or_else(|| mean(&near, |step| resource.share(step)).and_then(sensible));
    }
    all
}

fn unlisted(tier: &str, kind: &str) -> Drawn {
    Drawn {
        name: named(tier, kind),
        label: named(tier, kind),
        tier: tier.to_owned(),
        tiers: vec![tier.to_owned()],
        shared: false,
        kind: kind.to_owned(),
        capacity: None,
        predicted_rps: None,
        at_ceiling: None,
        colour: tier_colour(tier),
    }
}

fn named(tier: &str, kind: &str) -> String {
    format!("{tier} {}", if kind == "cpu" { "CPU" } else { kind })
}

/// The one of `resources` that the record names as the limit.
pub(super) fn limit<'a>(found: &Ceiling, resources: &'a [Drawn]) -> Option<&'a Drawn> {
    let by = &found.limited_by;
    let is_it = |one: &&Drawn| by.tier.as_ref() == Some(&one.tier) && by.resource.as_ref() == Some(&one.kind);
    resources.iter().find(is_it).filter(|_| by.what == Limit::Target)
}

/// Why the limit is the limit although it is not full at the ceiling; `None` where it is full, or nothing says why.
pub(super) fn why_not_full(found: &Ceiling, limit: &Drawn) -> Option<String> {
    if limit.at_ceiling? >= SATURATED_LEAST {
        return None;
    }
    let peak = at_peak(found);
    let throttled = [limit.throttled(&at_ceiling(found)), limit.throttled(&peak)];
    let throttled = throttled.into_iter().flatten().fold(0.0, f64::max).min(1.0);
    if throttled >= THROTTLED_LEAST {
        return Some(format!("its quota stopped it in {} of the periods", percent(throttled)));
    }
    let share = mean(&peak, |step| limit.share(step))?.min(1.0);
    (share >= SATURATED_LEAST).then(|| format!("{} at the peak goodput", percent(share)))
}

/// The rate at which `resource` was in use as is said, in requests per second: the ceiling, where loads are near it.
pub(super) fn used_at(found: &Ceiling) -> Option<f64> {
    let nearest = at_ceiling(found).first().map(|step| step.offered_rps);
    match (found.ceiling_rps, nearest) {
        (Some(ceiling), Some(rate)) if !is_near(rate, ceiling) => Some(rate),
        (ceiling, nearest) => ceiling.or(nearest),
    }
}
