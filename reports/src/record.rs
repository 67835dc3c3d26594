//! What a run leaves behind: `loadgen.run/1` as a value, and the directory that holds it. The record is complete:
//! every number that is printed or drawn is in it, or follows from it and the histograms beside it.

use crate::outcome::{Counts, Errors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of [`Run`]'s JSON.
pub const RUN_SCHEMA: &str = "loadgen.run/1";

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
    /// The machine, and the tool's version.
    pub host: Host,
    /// How requests went out.
    #[serde(default)]
    pub wire: Wire,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The URL; of several, the one that they have in common.
    pub url: String,
    /// Whether it is this project's reference target.
    pub kind: TargetKind,
    /// In words, what is being loaded.
    pub what: String,
    /// The CPUs that the target is pinned to, where that is known.
    pub cpus: Vec<usize>,
}

/// See [`Target::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// `target-stack up`, started for this run.
    Reference,
    /// A URL of the user's.
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
    /// 95 % confidence intervals by order statistics: `p50`, `p99`.
    pub ci95: BTreeMap<String, [f64; 2]>,
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

/// The run in equal intervals from the beginning of the measured part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The length of an interval in seconds.
    pub interval_s: f64,
    /// The intervals in order; the last ones hold what ended after the last request was due.
    pub bins: Vec<Bin>,
}

/// One interval. A request is counted as planned, sent and ended in the intervals in which it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Requests whose intended instant fell into it.
    pub planned: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Correct answers that ended in it.
    pub ok: u64,
    /// Failures that ended in it.
    pub errors: u64,
    /// Requests dropped in it.
    pub dropped: u64,
    /// Median response time of what ended in it, in milliseconds; `None` where nothing did.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the same (of a few requests: the largest).
    pub p99_ms: Option<f64>,
    /// The largest of the same.
    pub max_ms: Option<f64>,
    /// 99th percentile of the send lag of what was sent in it, in milliseconds.
    pub send_lag_p99_ms: Option<f64>,
    /// Requests sent and not yet ended, at its end.
    pub in_flight: u64,
    /// Requests waiting for a connection, at its end.
    pub backlog: u64,
    /// Open connections, at its end.
    pub connections: u64,
    /// The busiest sending thread's share of a CPU, 0 to 1.
    pub generator_cpu: f64,
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

#[cfg(test)]
mod tests {
    use crate::fixture;
    use serde_json::Value;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// The names that `loadgen.run/1` promises, and the ones that were added to it: none may go or change.
    #[test]
    fn the_names_in_the_json_are_a_promise() {
        let record = fixture::healthy();
        let json = serde_json::to_value(&record.run).unwrap();
        let has = |value: &Value, names: &str| {
            let mut names: Vec<_> = names.split_whitespace().collect();
            names.sort_unstable();
            assert_eq!(keys(value), names);
        };
        has(
            &json,
            "schema partial seed command started_at target loop arrivals duration_s connections_max planned sent ok \
             dropped unfinished errors status rps response_ms service_ms send_lag_ms ok_response_ms bytes generator \
             observed thresholds verdict died_at_s steps timeline host wire",
        );
        has(&json["target"], "url kind what cpus");
        has(&json["errors"], "connect timeout reset protocol tls dns status check");
        has(&json["rps"], "planned sent ok");
        for times in ["response_ms", "service_ms", "send_lag_ms", "ok_response_ms"] {
            has(&json[times], "count mean p50 p90 p95 p99 p999 p9999 max ci95");
            has(&json[times]["ci95"], "p50 p99");
        }
        has(&json["bytes"], "sent received");
        has(
            &json["generator"],
            "cpu_s cpu_us_per_request cpu_share_max threads max_rss_bytes startup_s cpus",
        );
        has(&json["thresholds"][0], "rule actual passed");
        has(&json["verdict"], "valid reasons");
        has(&json["steps"][0], "duration_s from_rps to_rps counted counts");
        has(&json["timeline"], "interval_s bins");
        has(&json["wire"], "transport protocol tls streams_per_connection");
        has(&json["host"], "cpu cpus kernel version commit");
        assert_eq!(json["schema"], "loadgen.run/1");
        assert_eq!((&json["loop"], &json["target"]["kind"]), (&"open".into(), &"reference".into()));
        assert_eq!(json["status"]["200"], 50_000);
    }

    #[test]
    fn what_is_not_known_is_null() {
        let json = serde_json::to_value(fixture::tiny().run).unwrap();
        assert!(json["response_ms"]["p99"].is_null() && json["died_at_s"].is_null());
        assert!(json["response_ms"]["max"].is_number());
    }
}
