//! What measuring in pairs leaves behind beside the records of its runs: `loadgen.pairs/1` as a value. It says what was measured in
//! which order, what was repeated and why; the figures are in the runs' own records, each in a directory of its arm's.

use crate::record::{Head, Verdict};
use serde::{Deserialize, Serialize};

/// The name and version of [`Pairs`]'s JSON.
pub const PAIRS_SCHEMA: &str = "loadgen.pairs/1";

/// The arm that others are held against,
pub const BASE: &str = "base";
/// the one that is judged,
pub const CANDIDATE: &str = "candidate";
/// and the base once more, by which it is known how far two runs of the same differ.
pub const CONTROL: &str = "control";

/// Targets that were measured side by side: in each pair all of them, with the same arrivals and the same requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// [`PAIRS_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short.
    pub partial: bool,
    /// By what, when and where it was made. Pair k has the seed of this plus k.
    #[serde(flatten)]
    pub head: Head,
    /// How many pairs there were to be.
    pub pairs: u32,
    /// What was offered.
    pub load: Load,
    /// What was measured, in the order of the command line.
    pub arms: Vec<Arm>,
    /// The runs and the searches, in the order in which they were made.
    pub runs: Vec<Made>,
    /// The time that it took, in seconds.
    pub duration_s: f64,
    /// Pairs in which base and candidate both have a valid run in the end.
    pub valid_pairs: u32,
    /// Whether there is something to compare.
    pub verdict: Verdict,
}

/// The load of each run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Requests per second.
    pub rps: f64,
    /// The share of the base's ceiling that this was to be, 0 to 1; `None` where the rate was given. An earlier night's rate that is
    /// near it is kept (`--history`), and then it is that.
    pub share: Option<f64>,
    /// That ceiling, in requests per second.
    pub ceiling_rps: Option<f64>,
    /// The gaps between intended instants: `even` or `poisson`.
    pub arrivals: String,
    /// The length of the measured part in seconds.
    pub duration_s: f64,
    /// What was sent before it, in seconds.
    pub warmup_s: f64,
    /// The objective of the searches, as it was asked for.
    pub slo: String,
    /// The time that each search after a run was given, in seconds; `None` where there were none.
    pub search_s: Option<f64>,
}

/// One of the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Its name, which is that of the directory with its records.
    pub name: String,
    /// The URL, or the command that starts it.
    pub target: String,
    /// What it is, as whoever measured it calls it, such as a commit; empty where that was not said.
    pub revision: String,
    /// What of it is emulated, in words.
    pub emulated: Vec<String>,
}

/// One run, or one search for the ceiling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The arm's name.
    pub arm: String,
    /// The pair's number, from 1.
    pub pair: u32,
    /// Its number among those of this arm and pair, from 1: the last one is the one that is kept.
    pub attempt: u32,
    /// Which of the two.
    pub kind: Kind,
    /// When it began, with the start of its target if it had one, RFC 3339.
    pub started_at: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long it was waited before it for a machine that nobody else used, in seconds.
    #[serde(default)]
    pub waited_s: f64,
    /// Whether its own verdict is that it is valid.
    pub valid: bool,
    /// The first of that verdict's reasons.
    pub reason: Option<String>,
    /// The median response time of a run, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The ceiling that a search has found, in requests per second.
    pub ceiling_rps: Option<f64>,
}

/// See [`Made::kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A run at the rate.
    #[default]
    Run,
    /// A search for the ceiling.
    Ceiling,
}

impl Pairs {
    /// The ceiling that was found of an arm in a pair.
    pub fn ceiling_of(&self, arm: &str, pair: u32) -> Option<f64> {
        let of = |made: &&Made| made.kind == Kind::Ceiling && made.arm == arm && made.pair == pair;
        self.runs.iter().rev().find(of)?.ceiling_rps
    }

    /// The run that is kept of an arm in a pair.
    pub fn run_of(&self, arm: &str, pair: u32) -> Option<&Made> {
        self.runs.iter().rev().find(|made| made.kind == Kind::Run && made.arm == arm && made.pair == pair)
    }
}
