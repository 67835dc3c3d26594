//! What a run leaves behind: `loadgen.run/1` as a value, and the directory that holds it. The record is complete:
//! every number that is printed or drawn is in it, or follows from it and the histograms beside it.

mod interaction;
mod shard;
mod telemetry;
mod timeline;

use crate::outcome::{Counts, Errors};
pub use interaction::{Interaction, Sessions};
use serde::{Deserialize, Serialize};
pub use shard::{Clock, Shard, ShardResult};
use std::collections::BTreeMap;
pub use telemetry::{Points, Telemetry};
pub use timeline::{ArrivalStream, Bin, Steady, Timeline};

/// The name and version of [`Run`]'s JSON.
pub const RUN_SCHEMA: &str = "loadgen.run/1";

/// By what, when and where the record of an experiment was made: fields of it, like all others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// What everything random came from.
    pub seed: u64,
    /// The command line.
    pub command: Vec<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// The CPUs that the sending threads are pinned to.
    pub cpus: Vec<usize>,
    /// The machine, and the tool's version.
    pub host: Host,
}

/// One run: what was asked, what was sent, what came back, and whether to believe it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// Whether the run was cut short.
    pub partial: bool,
    /// What everything random came from.
    pub seed: u64,
    /// The command line.
    pub command: Vec<String>,
    /// When the measured part began, RFC 3339.
    pub started_at: String,
    /// What was loaded.
    pub target: Target,
    /// Open (a rate was asked for) or closed (as fast as the connections go).
    #[serde(rename = "loop")]
    pub load_loop: Loop,
    /// The gaps between intended instants: `even` or `poisson`.
    pub arrivals: String,
    /// The length of the measured part in seconds; of a partial run: up to where it was cut.
    pub duration_s: f64,
    /// The most connections that were open at once.
    pub connections_max: u64,
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Requests of which the first byte was written.
    pub sent: u64,
    /// Requests answered in full, as expected.
    pub ok: u64,
    /// Requests given up because too many were waiting for a connection.
    pub dropped: u64,
    /// Requests without an outcome when the run was cut short.
    pub unfinished: u64,
    /// Requests that failed, by kind.
    pub errors: Errors,
    /// Whole answers by status code.
    pub status: BTreeMap<u16, u64>,
    /// Rates over the measured part.
    pub rps: Rates,
    /// Done minus intended, of all planned requests that ended.
    pub response_ms: Distribution,
    /// Done minus sent, of all requests that were sent and ended.
    pub service_ms: Distribution,
    /// Sent minus intended, of all requests that were sent.
    pub send_lag_ms: Distribution,
    /// Done minus intended, of the correct answers.
    pub ok_response_ms: Distribution,
    /// Bytes of HTTP, heads and bodies.
    pub bytes: Bytes,
    /// What the generator itself used.
    pub generator: Generator,
    /// What each observed tier said of itself, by tier and metric.
    pub observed: BTreeMap<String, BTreeMap<String, f64>>,
    /// The asked thresholds and what became of them.
    pub thresholds: Vec<ThresholdResult>,
    /// Whether the figures can be trusted.
    pub verdict: Verdict,
    /// When the target stopped answering for good, seconds after the measured part began.
    pub died_at_s: Option<f64>,
    /// The parts of the plan, warm-up included.
    pub steps: Vec<Step>,
    /// The run in equal intervals.
    pub timeline: Timeline,
    /// From when on the target was in its steady state; `None` in records that are older than the question.
    #[serde(default)]
    pub steady: Option<Steady>,
    /// Whether the requests went out as planned; `None` where there was no plan, or too few of them.
    #[serde(default)]
    pub arrival_stream: Option<ArrivalStream>,
    /// What became of each kind of request of a scenario; empty for a plain run.
    #[serde(default)]
    pub interactions: Vec<Interaction>,
    /// The sessions of a scenario that has any.
    #[serde(default)]
    pub sessions: Option<Sessions>,
    /// The machine, and the tool's version.
    pub host: Host,
    /// The questions to name servers; `None` where the target was given by address.
    #[serde(default)]
    pub dns: Option<Dns>,
    /// How requests went out.
    #[serde(default)]
    pub wire: Wire,
    /// What was asked for, as a digest that is equal where the same was; empty in records that are older than it.
    #[serde(default)]
    pub load_digest: String,
    /// Which share of the load it is, where several machines sent it; `None` of a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// What it was merged from; empty of a run that one machine sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardResult>,
    /// What the kernel said of the generator's machine over the measured part, by metric.
    #[serde(default)]
    pub machine: BTreeMap<String, f64>,
    /// What tiers and machine said, in time.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// How requests went out: by what, and what was agreed on with the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// `raw`, `hyper` or `reqwest`.
    pub transport: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: String,
    /// The version of TLS, where there was any.
    pub tls: Option<String>,
    /// The most requests that are under way on one connection.
    pub streams_per_connection: usize,
}

impl Default for Wire {
    fn default() -> Self {
        Self { transport: "raw".into(), protocol: "HTTP/1.1".into(), tls: None, streams_per_connection: 1 }
    }
}

/// What a run was aimed at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The URL; of several, the one that they have in common.
    pub url: String,
    /// Whether it is this project's reference target.
    pub kind: TargetKind,
    /// In words, what is being loaded.
    pub what: String,
    /// The CPUs that the target is pinned to, where that is known.
    pub cpus: Vec<usize>,
    /// What of it is emulated, in words; empty for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emulated: Vec<String>,
    /// The versions of what it uses, such as `mariadb`, as it says; empty where it does not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
}

/// See [`Target::kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// `target-stack up`, started for this run.
    Reference,
    /// A URL of the user's.
    #[default]
    Given,
}

/// See [`Run::load_loop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loop {
    /// Requests are sent at their instants, whatever the target does.
    Open,
    /// Each connection sends its next request when the last is answered.
    Closed,
}

/// Requests per second over the measured part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Planned.
    pub planned: f64,
    /// Sent within the measured part.
    pub sent: f64,
    /// Goodput: correct answers that came within the measured part.
    pub ok: f64,
}

/// A distribution in milliseconds. What the sample is too small for is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The size of the sample.
    pub count: u64,
    /// The mean.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The 99.9th percentile.
    pub p999: Option<f64>,
    /// The 99.99th percentile.
    pub p9999: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// 95 % confidence intervals by order statistics: `p50`, `p99`. They take each request for independent.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// The same from the percentiles of blocks of time, which allow for requests that depend on their neighbours; only
    /// of the response time, and only where there are enough blocks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ci95_blocks: BTreeMap<String, [f64; 2]>,
    /// What the blocks say about dependence; where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Blocks>,
}

/// A run's blocks of time, as far as they tell whether requests depend on their neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    /// The length of a block in seconds.
    pub length_s: f64,
    /// How many there are.
    pub count: usize,
    /// The autocorrelation of their medians from one to the next, -1 to 1.
    pub lag1: f64,
    /// Whether requests depend on their neighbours, so that the intervals by blocks are the ones to go by.
    pub dependent: bool,
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Written.
    pub sent: u64,
    /// Read.
    pub received: u64,
}

/// The generator's own cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// CPU time of the whole process over the measured part, in seconds.
    pub cpu_s: f64,
    /// The same per request sent in it, in microseconds.
    pub cpu_us_per_request: f64,
    /// The busiest sending thread's share of a CPU over the measured part, 0 to 1.
    pub cpu_share_max: f64,
    /// Sending threads.
    pub threads: usize,
    /// The most resident memory of the whole process, in bytes.
    pub max_rss_bytes: u64,
    /// From the program's start to the first intended instant, in seconds: resolving, and starting the target.
    pub startup_s: f64,
    /// The CPUs that the sending threads are pinned to.
    pub cpus: Vec<usize>,
    /// Whose clock says when an answer came: the `kernel`'s, when it reached the socket, or the `process`'s, when it was
    /// read.
    #[serde(default = "process_clock")]
    pub receive_clock: String,
    /// How late a sending thread came to a request that was due and that nothing else held back, in milliseconds: the median. Whatever
    /// the target does, it is not in it. `None` of a closed loop, and in records that are older.
    #[serde(default)]
    pub late_p50_ms: Option<f64>,
    /// Its 99th percentile.
    #[serde(default)]
    pub late_p99_ms: Option<f64>,
}

fn process_clock() -> String {
    String::from("process")
}

/// One threshold, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// As it was asked for.
    pub rule: String,
    /// What was measured, in the rule's own unit; `None` where the sample is too small.
    pub actual: Option<f64>,
    /// Whether it holds.
    pub passed: bool,
}

/// Whether a run's figures can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether they can.
    pub valid: bool,
    /// Why not, and what else has to be known to read the figures.
    pub reasons: Vec<String>,
}

/// One part of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its length in seconds.
    pub duration_s: f64,
    /// The rate at its beginning, requests per second; 0 in a closed loop.
    pub from_rps: f64,
    /// The rate at its end.
    pub to_rps: f64,
    /// Whether it counts: warm-up does not.
    pub counted: bool,
    /// What became of its requests.
    pub counts: Counts,
}

/// Where a run was made, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The CPU's model.
    pub cpu: String,
    /// How many CPUs the machine has.
    pub cpus: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The generator's version.
    pub version: String,
    /// The commit that the generator was built from, where that is known.
    pub commit: String,
}

/// The questions for the target's name: one before the run, and one whenever the last answer had run out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// The name server's address, or `system`, which is asked once.
    pub server: String,
    /// How often it was asked.
    pub lookups: u64,
    /// How often it gave no address; the last ones that it gave then still held.
    pub failures: u64,
    /// How long the first answer took, in milliseconds.
    pub first_ms: f64,
    /// How long the slowest took, failures included, in milliseconds.
    pub max_ms: f64,
    /// Every address that it gave, in the order in which they came.
    pub addresses: Vec<String>,
    /// For how many seconds the last answer held, where it said so.
    pub ttl_s: Option<u32>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
