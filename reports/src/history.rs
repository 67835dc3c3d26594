//! What the nightly gate has found so far: `loadgen.history/1`, a line of JSON for each night in a file that only grows, so that a
//! branch of git can keep it. From a comparison to a [`Night`], from nights to a file and back, and to series that break off where
//! the machine was another one.

mod file;
mod segments;

use crate::comparison::{Better, Call, Comparison, Metric};
use crate::fnv::Fnv;
use crate::offered::Offered;
use crate::record::Host;
pub use file::{LONGEST_LINE, append, read};
pub use segments::{Point, Segment, loads, machines, segments};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The name and version of a line.
pub const HISTORY_SCHEMA: &str = "loadgen.history/1";

/// What one night has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Night {
    /// [`HISTORY_SCHEMA`].
    pub schema: String,
    /// When it was measured and what: no two nights have the same, and what was measured once is one night.
    pub id: String,
    /// When it was judged, RFC 3339.
    pub at: String,
    /// What the candidate was held against, such as a commit; empty where that is not known.
    pub base: String,
    /// What was judged, likewise.
    pub candidate: String,
    /// Where it was measured.
    pub host: Machine,
    /// What was offered, in words.
    pub load: String,
    /// The same with its rate; `None` where there is no one rate, and in lines that are older than the question.
    #[serde(default)]
    pub offered: Option<Offered>,
    /// What the comparison says.
    pub call: Call,
    /// Whether the base was called worse than itself; `None` where that was not tried.
    pub alarm: Option<bool>,
    /// Which slowdowns were put in, and whether they were found.
    pub self_test: Vec<SelfTest>,
    /// What was measured, by the metric's name.
    pub metrics: BTreeMap<String, Figure>,
}

/// A slowdown that was put in to see whether it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// By how much, as a share: 0.10.
    pub slowdown: f64,
    /// Whether it was called a regression.
    pub found: bool,
}

/// What of a machine decides whether its figures can stand beside others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The CPU's model.
    pub cpu: String,
    /// How many CPUs it has.
    pub cpus: usize,
    /// The kernel's release.
    pub kernel: String,
    /// What else matters: the versions of what the target uses, such as `mariadb 10.11.6`; empty where they are not known.
    #[serde(default)]
    pub extra: String,
}

/// A metric of a night. Ratios are those of candidate to base; what was not found is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is, in words.
    pub what: String,
    /// Of its values; empty for a share.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// How much worse the candidate may be, as a share; of a metric that only explains, none.
    pub delta: Option<f64>,
    /// The median of the base's values.
    pub base: Option<f64>,
    /// That of the candidate's.
    pub candidate: Option<f64>,
    /// The median of the pairs' ratios.
    pub ratio: Option<f64>,
    /// Its 95 % interval.
    pub ci95: Option<[f64; 2]>,
    /// What follows from it.
    pub call: Call,
}

impl Night {
    /// What is kept of `found`, with what the self-test found and whether the control of base against base raised an alarm.
    pub fn of(found: &Comparison, self_test: &[SelfTest], alarm: Option<bool>) -> Self {
        let (at, candidate) = (found.head.started_at.clone(), found.candidate.revision.clone());
        let measured_at = if found.measured_at.is_empty() { &at } else { &found.measured_at };
        Self {
            schema: HISTORY_SCHEMA.to_owned(),
            id: format!("{measured_at} {candidate}").trim_end().to_owned(),
            at,
            base: found.base.revision.clone(),
            candidate,
            host: Machine::of(&found.candidate.host, &found.candidate.versions),
            load: found.load.clone(),
            offered: found.offered.clone(),
            call: found.call,
            alarm,
            self_test: self_test.to_vec(),
            metrics: found.metrics.iter().map(|one| (one.name.clone(), Figure::of(one))).collect(),
        }
    }
}

impl Machine {
    /// The machine `host` with a target that uses these versions. What is offered there is not part of it.
    pub fn of(host: &Host, versions: &BTreeMap<String, String>) -> Self {
        let Host { cpu, cpus, kernel, .. } = host.clone();
        let extra: Vec<_> = versions.iter().map(|(what, version)| format!("{what} {version}")).collect();
        Self { cpu, cpus, kernel, extra: extra.join(", ") }
    }

    /// A short text that is the same for the same machine, and another for another.
    pub fn fingerprint(&self) -> String {
        let mut digest = Fnv::default();
        for part in [&self.cpu, &self.cpus.to_string(), &self.kernel, &self.extra] {
            // Each part ends, so that no two machines run together into one text; into a number everything can be written.
            let _ = write!(digest, "{part}\0");
        }
        digest.hex()
    }

    /// It in words.
    pub fn words(&self) -> String {
        let cpus = crate::number::counted(self.cpus as u64, "CPU");
        let parts = [self.cpu.as_str(), &cpus, &self.kernel, &self.extra];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

impl Figure {
    fn of(metric: &Metric) -> Self {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let found = metric.found.as_ref();
        Self {
            what: metric.what.clone(),
            unit: metric.unit.clone(),
            better: metric.better,
            delta: metric.delta,
            base: found.and_then(|found| finite(found.base)),
            candidate: found.and_then(|found| finite(found.candidate)),
            ratio: found.and_then(|found| finite(found.ratio)),
            ci95: found.map(|found| found.ci95).filter(|ends| ends.iter().all(|end| end.is_finite())),
            call: metric.call,
        }
    }
}

#[cfg(test)]
mod tests;
