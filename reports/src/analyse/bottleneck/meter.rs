//! What can be read of a resource at a load: its capacity, and how much of it was busy. From the metrics by the names of
//! [`crate::ceiling::Step::observed`]; what a tier does not export, or exports as nonsense, is no reading.

use crate::ceiling::{Resource, Step};
use std::collections::BTreeSet;

/// A resource that can be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meter {
    /// Its tier; of a CPU that several share, none.
    pub(super) tier: String,
    /// What it is.
    pub(super) kind: Kind,
    /// CPUs, or slots.
    pub(super) capacity: f64,
}

/// See [`Meter::kind`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// CPUs that are one tier's own, by a quota or as a machine.
    Cpu,
    /// CPUs that these tiers share.
    SharedCpu(Vec<String>),
    /// Slots for requests.
    Workers,
    /// Connections to a database.
    Pool,
}

impl Kind {
    /// The name in the record.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Cpu | Self::SharedCpu(_) => "cpu",
            Self::Workers => "workers",
            Self::Pool => "pool",
        }
    }
}

impl Meter {
    /// All that `steps` have readings of; `shared_cpus` as in [`super::resources`].
    pub(super) fn all(steps: &[Step], shared_cpus: usize) -> Vec<Self> {
        let tiers: BTreeSet<&String> = steps.iter().flat_map(|step| step.observed.keys()).collect();
        let mut meters: Vec<Self> = Vec::new();
        for tier in &tiers {
            let mut own = |kind, capacity: &[&str]| {
                let capacity = capacity.iter().find_map(|name| typical(steps, tier, name));
                meters.extend(capacity.map(|capacity| Self { tier: (*tier).clone(), kind, capacity }));
            };
            own(Kind::Cpu, &["cpu_limit", "cpus"]);
            own(Kind::Workers, &["workers"]);
            own(Kind::Pool, &["pool"]);
        }
        let sharing: Vec<String> = tiers.into_iter().filter(|tier| shares(steps, tier)).cloned().collect();
        // Limits that add up to less than there is keep each tier from the others' CPUs.
        let limits: Option<f64> = sharing.iter().map(|tier| typical(steps, tier, "cpu_limit")).sum();
        let crowded = limits.is_none_or(|limits| limits > shared_cpus as f64);
        if shared_cpus > 0 && !sharing.is_empty() && crowded {
            let kind = Kind::SharedCpu(sharing);
            meters.push(Self { tier: String::new(), kind, capacity: shared_cpus as f64 });
        }
        meters
    }

    /// The meter that `resource` was computed from.
    pub(super) fn of(resource: &Resource) -> Option<Self> {
        let kind = match resource.resource.as_str() {
            "cpu" if resource.shared.is_empty() => Kind::Cpu,
            "cpu" => Kind::SharedCpu(resource.shared.keys().cloned().collect()),
            "workers" => Kind::Workers,
            "pool" => Kind::Pool,
            _ => return None,
        };
        Some(Self { tier: resource.tier.clone(), kind, capacity: resource.capacity })
    }

    /// How many of it were busy at `step`, on average.
    pub(super) fn busy(&self, step: &Step) -> Option<f64> {
        match &self.kind {
            Kind::Cpu => metric(step, &self.tier, "cpu_share"),
            Kind::SharedCpu(tiers) => {
                // Without one of its tiers the sum would be too small, not unknown.
                let tiers: Option<f64> = tiers.iter().map(|tier| metric(step, tier, "cpu_share")).sum();
                // The kernel's own work for them is in nobody's account.
                let all = machine(step, "target_cpu_busy").map_or(0.0, |share| share * self.capacity);
                tiers.map(|tiers| tiers.max(all))
            }
            Kind::Workers => metric(step, &self.tier, "workers_busy"),
            Kind::Pool => metric(step, &self.tier, "pool_busy"),
        }
    }

    /// Whether some of it is used at no load: who asks a tier for its metrics uses its CPU, and holds no worker.
    pub(super) fn idles(&self) -> bool {
        matches!(self.kind, Kind::Cpu | Kind::SharedCpu(_))
    }
}

/// What `tier` said of `name` at `step`; `None` for what cannot be: each of these metrics is zero or more.
pub(super) fn metric(step: &Step, tier: &str, name: &str) -> Option<f64> {
    step.observed.get(tier)?.get(name).copied().filter(|value| value.is_finite() && *value >= 0.0)
}

/// What the kernel said of `name` at `step`, 0 to 1.
pub(super) fn machine(step: &Step, name: &str) -> Option<f64> {
    step.machine.get(name).copied().filter(|value| (0.0..=1.5).contains(value))
}

/// The median of what `tier` said of `name`, more than zero.
fn typical(steps: &[Step], tier: &str, name: &str) -> Option<f64> {
    let said = steps.iter().filter_map(|step| metric(step, tier, name));
    let mut said: Vec<f64> = said.filter(|value| *value > 0.0).collect();
    said.sort_by(f64::total_cmp);
    said.get(said.len() / 2).copied()
}

/// Whether `tier` is one that can share CPUs: its use of them is known, for most of the time that anything is, and it is
/// no machine of its own.
fn shares(steps: &[Step], tier: &str) -> bool {
    let known = steps.iter().filter(|step| metric(step, tier, "cpu_share").is_some()).count();
    let observed = steps.iter().filter(|step| !step.observed.is_empty()).count();
    known > 0 && 2 * known >= observed && typical(steps, tier, "cpus").is_none()
}
