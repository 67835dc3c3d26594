//! What a comparison of two sets of records leaves behind: `loadgen.compare/1` as a value. Each metric has its pairs of values, one
//! of the base and one of the candidate that was measured beside it, and those of a control in which both were the base; what is
//! concluded from them can be computed again.

use crate::offered::Offered;
use crate::record::{Head, Host, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of [`Comparison`]'s JSON.
pub const COMPARE_SCHEMA: &str = "loadgen.compare/1";

/// Whether a candidate is worse than its base.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARE_SCHEMA`].
    pub schema: String,
    /// By what, when and where it was compared.
    #[serde(flatten)]
    pub head: Head,
    /// What the candidate is held against.
    pub base: Side,
    /// What is judged.
    pub candidate: Side,
    /// What is the base once more, where there is a control.
    pub control: Option<Side>,
    /// What was offered to both, in words.
    pub load: String,
    /// The same with its rate; `None` where there is no one rate.
    #[serde(default)]
    pub offered: Option<Offered>,
    /// When the first of the candidate's records was begun, RFC 3339; empty where that is not known.
    #[serde(default)]
    pub measured_at: String,
    /// In what the two differ though they were compared, as was asked for.
    pub marks: Vec<String>,
    /// What else has to be known of what was measured, or was not.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Records that are in no pair, each with the reason.
    pub left_out: Vec<String>,
    /// What of the targets is emulated, in words.
    pub emulated: Vec<String>,
    /// An adjusted p-value has to be below it for a change to be one.
    pub alpha: f64,
    /// With fewer pairs nothing is concluded.
    pub least_pairs: usize,
    /// What was measured; those with a delta decide.
    pub metrics: Vec<Metric>,
    /// What follows from all of them.
    pub call: Call,
    /// What the same base gives where it is known what there is to find.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What explains the changes, a sentence each.
    pub attribution: Vec<String>,
    /// Whether there is an answer.
    pub verdict: Verdict,
}

impl Comparison {
    /// Whether nothing was measured that decides.
    pub fn is_empty(&self) -> bool {
        !self.metrics.iter().any(|metric| metric.delta.is_some() && !metric.pairs.is_empty())
    }
}

/// Candidates of which it is known by how much they are slower: whether the gate sees what there is, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// By how much they are slower, as a share; 0 for base against base.
    pub slowdown: f64,
    /// The directory, as it was given.
    pub dir: String,
    /// What was measured. Base against base has no control but itself, and is judged without one: by the deltas as they were asked for.
    pub metrics: Vec<Metric>,
    /// What follows from it.
    pub call: Call,
}

/// One of the sets of records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The directory, as it was given.
    pub dir: String,
    /// What was measured, as whoever measured it calls it, such as a commit; empty where that is not known.
    pub revision: String,
    /// The machine, and the generator's version, of its records.
    pub host: Host,
    /// The versions of what its target uses, such as `mariadb`, as the target said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
}

impl Side {
    /// What it is called: its revision, or the directory where that is not known.
    pub fn name(&self) -> &str {
        if self.revision.is_empty() { &self.dir } else { &self.revision }
    }
}

/// One figure of all pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Such as `p50_ms`; of a tier, `cpu_us.app`.
    pub name: String,
    /// What it is, in words, such as `median response time`.
    pub what: String,
    /// Of its values, such as `ms`; empty for a share.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// How much worse the candidate may be, as a share of the base, before it counts; of a metric that only explains, none.
    pub delta: Option<f64>,
    /// The values of base and candidate.
    pub pairs: Vec<Pair>,
    /// The values of base and base.
    pub control: Vec<Pair>,
    /// What follows from the pairs; `None` where there are too few.
    pub found: Option<Found>,
    /// See [`Call`].
    pub call: Call,
    /// What is said of it in place of its change, such as why that is not taken for the target's.
    #[serde(default)]
    pub doubt: Option<String>,
}

/// See [`Metric::better`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is good.
    Higher,
    /// Less is good.
    #[default]
    Lower,
}

/// Two values that were measured beside each other, both more than 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The name that both records have in their sets.
    pub name: String,
    /// The base's.
    pub base: f64,
    /// The candidate's.
    pub candidate: f64,
}

/// What follows from the pairs of a metric. Ratios are those of candidate to base.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The median of the base's values.
    pub base: f64,
    /// That of the candidate's.
    pub candidate: f64,
    /// The median of the pairs' ratios.
    pub ratio: f64,
    /// Its 95 % interval.
    pub ci95: [f64; 2],
    /// That there is no change for the worse, by the signed ranks of the pairs.
    pub p_worse: f64,
    /// That there is none for the better.
    pub p_better: f64,
    /// Both, adjusted for how many metrics decide; of a metric that only explains they are as they were.
    pub adjusted: [f64; 2],
    /// How far from 1 the ratio of base to base may lie, as a share; `None` without a control.
    pub floor: Option<f64>,
    /// How much worse it had to be to count, as a share: the delta, or the floor where that is higher.
    pub delta: f64,
    /// The smallest change for the worse that would have been called one in at least four of five such comparisons, as a share;
    /// `None` where even a doubling would not.
    pub detectable: Option<f64>,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    /// The candidate is no worse than it may be.
    Pass,
    /// It is worse.
    Regression,
    /// It is better.
    Improvement,
    /// The noise is too large to say.
    #[default]
    Inconclusive,
}
