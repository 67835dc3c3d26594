//! What a generator can do on one machine, and how far from the truth it is: `loadgen.calibrate/1` as a value, and its
//! judgement. From runs against targets whose behaviour is known; it measures nothing itself.

mod table;

pub use table::summary;

use crate::analyse::queueing::{self, Queue};
use crate::number::exact_rate;
use crate::record::{Head, Run, Verdict};
use serde::{Deserialize, Serialize};

/// The name and version of [`Calibration`]'s JSON.
pub const CALIBRATE_SCHEMA: &str = "loadgen.calibrate/1";
/// The percentiles that are held against the truth.
pub const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];

/// One calibration. What there was no time for is `None` or not in its list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`CALIBRATE_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short.
    pub partial: bool,
    /// By what, when and where it was made.
    #[serde(flatten)]
    pub head: Head,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// How long it was allowed to take, in seconds.
    pub budget_s: f64,
    /// Sending threads.
    pub threads: usize,
    /// The CPUs of the targets.
    pub target_cpus: Vec<usize>,
    /// As fast as it goes, against a target that does nothing.
    pub closed: Option<Closed>,
    /// The highest rate that can be offered and believed, against the same.
    pub ceiling: Ceiling,
    /// The least latency that can be measured, against the same.
    pub floor: Option<Floor>,
    /// Lateness and cost at rates up to the ceiling.
    pub lag: Vec<Lag>,
    /// The evenness of the stream, as a target saw it.
    pub gaps: Vec<Gaps>,
    /// Percentiles against queues whose truth is known.
    pub queues: Vec<QueueCheck>,
    /// Whether the machine is quiet enough to be calibrated.
    pub verdict: Verdict,
}

/// A closed loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// Correct answers per second.
    pub rps: f64,
    /// CPU time per request, in microseconds.
    pub cpu_us_per_request: f64,
    /// The busiest sending thread's share of a CPU: well below 1, and the target or the kernel was the limit.
    pub cpu_share_max: f64,
    /// Its connections.
    pub connections: u64,
}

/// The highest rate of an open loop whose verdict is valid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// The highest that was; `None` where not even the lowest was.
    pub rps: Option<f64>,
    /// `exact` (the next step up was invalid twice), `at_least` (none was) or `below` (all were).
    pub bound: String,
    /// What spoke against the lowest rate that was invalid.
    pub limited_by: Vec<String>,
    /// Every run of the search, in order.
    pub steps: Vec<Attempt>,
}

/// One run of the search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Requests per second.
    pub offered_rps: f64,
    /// Whether the verdict was valid.
    pub valid: bool,
}

/// The floor of latency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// At this rate.
    pub offered_rps: f64,
    /// The size of the sample.
    pub count: u64,
    /// Median response time in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the same.
    pub p99_ms: Option<f64>,
    /// Whether the verdict was valid.
    pub valid: bool,
}

/// Lateness and cost at one rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// Asked for, per second.
    pub offered_rps: f64,
    /// Sent, per second.
    pub sent_rps: f64,
    /// Send lag in milliseconds.
    pub p50_ms: Option<f64>,
    /// The same.
    pub p99_ms: Option<f64>,
    /// The same.
    pub p999_ms: Option<f64>,
    /// The busiest sending thread's share of a CPU.
    pub cpu_share_max: f64,
    /// CPU time per request, in microseconds.
    pub cpu_us_per_request: f64,
    /// Whether the verdict was valid.
    pub valid: bool,
}

/// The arrival stream of one run, as the target saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// `even` or `poisson`.
    pub arrivals: String,
    /// Requests per second.
    pub offered_rps: f64,
    /// How many arrivals it saw.
    pub count: u64,
    /// The coefficient of variation of the gaps between them.
    pub cv: f64,
    /// What it would be if each came at its intended instant: 0 or 1.
    pub cv_intended: f64,
    /// Whether the verdict was valid.
    pub valid: bool,
}

/// One run against `target-stack queue`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueCheck {
    /// In Kendall's notation.
    pub model: String,
    /// Servers.
    pub workers: u32,
    /// Mean service time in milliseconds.
    pub service_ms: f64,
    /// The share of time in which a server is busy.
    pub utilisation: f64,
    /// Requests per second.
    pub offered_rps: f64,
    /// Requests that ended.
    pub count: u64,
    /// Its percentiles against the truth.
    pub percentiles: Vec<Percentile>,
    /// Whether the verdict was valid.
    pub valid: bool,
}

/// A percentile of the response time in milliseconds, measured and true.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// One of [`PERCENTILES`].
    pub name: String,
    /// As the generator measured it; `None` where the sample is too small, as are the errors then.
    pub measured_ms: Option<f64>,
    /// The interval of that by order statistics, as in the run's own record: of p50 and p99, and too narrow by as much as
    /// the response times depend on each other.
    pub measured_ci95_ms: Option<[f64; 2]>,
    /// As the target logged it: without the way there and back, but with its own lateness.
    pub logged_ms: Option<f64>,
    /// Of these very arrivals and services in a perfect queue: no chance is left in it.
    pub perfect_ms: Option<f64>,
    /// Of the closed form.
    pub theory_ms: f64,
    /// Where a perfect run of as many requests has it, in 95 % of all cases.
    pub theory_ci95_ms: Option<[f64; 2]>,
    /// Measured minus logged.
    pub error_to_logged_ms: Option<f64>,
    /// Measured minus perfect.
    pub error_to_perfect_ms: Option<f64>,
    /// Measured minus theory.
    pub error_to_theory_ms: Option<f64>,
}

/// What a check is held against beside its own run.
#[derive(Clone, Debug)]
pub struct Truth<'a> {
    /// The queue.
    pub queue: &'a Queue,
    /// Requests per second that it was meant to get.
    pub offered_rps: f64,
    /// Response times of the run's arrivals and services in a perfect queue, in milliseconds.
    pub perfect: Vec<f64>,
    /// What the target logged of each of [`PERCENTILES`], in milliseconds.
    pub logged: [Option<f64>; 3],
}

impl Lag {
    /// From a run at a rate.
    pub fn of(run: &Run) -> Self {
        let lag = &run.send_lag_ms;
        Self {
            offered_rps: run.rps.planned,
            sent_rps: run.rps.sent,
            p50_ms: lag.p50,
            p99_ms: lag.p99,
            p999_ms: lag.p999,
            cpu_share_max: run.generator.cpu_share_max,
            cpu_us_per_request: run.generator.cpu_us_per_request,
            valid: run.verdict.valid,
        }
    }
}

impl QueueCheck {
    /// Holds a run against the truth; what is random in the intervals comes from `seed`.
    pub fn of(run: &Run, workers: u32, service_ms: f64, mut truth: Truth<'_>, seed: u64) -> Self {
        truth.perfect.sort_unstable_by(f64::total_cmp);
        let requests = usize::try_from(run.response_ms.count).unwrap_or(usize::MAX);
        let intervals = truth.queue.sampling_intervals(requests, &PERCENTILES.map(|(_, q)| q), seed);
        let measured = [run.response_ms.p50, run.response_ms.p99, run.response_ms.p999];
        let percentiles = PERCENTILES.iter().enumerate().map(|(n, &(name, q))| {
            let perfect = (!truth.perfect.is_empty()).then(|| queueing::at(&truth.perfect, q));
            let theory_ms = truth.queue.quantile(q).unwrap_or(f64::NAN);
            let off = |from: Option<f64>| Some(measured[n]? - from?);
            Percentile {
                name: name.to_owned(),
                measured_ms: measured[n],
                measured_ci95_ms: run.response_ms.ci95.get(name).copied(),
                logged_ms: truth.logged[n],
                perfect_ms: perfect,
                theory_ms,
                theory_ci95_ms: intervals.get(n).copied(),
                error_to_logged_ms: off(truth.logged[n]),
                error_to_perfect_ms: off(perfect),
                error_to_theory_ms: off(Some(theory_ms)),
            }
        });
        Self {
            model: truth.queue.name(),
            workers,
            service_ms,
            utilisation: truth.queue.utilisation(),
            offered_rps: truth.offered_rps,
            count: run.response_ms.count,
            percentiles: percentiles.collect(),
            valid: run.verdict.valid,
        }
    }
}

impl Calibration {
    /// Judges it: a machine on which not even the lowest rate of the search was valid is too noisy to be calibrated. What
    /// was not measured, or was measured in a run that is not valid, is a note.
    pub fn judge(&mut self) {
        let mut reasons = Vec::new();
        let lowest = self.ceiling.steps.first().map(|step| exact_rate(step.offered_rps));
        let valid = self.ceiling.rps.is_some();
        if !valid {
            let lowest = lowest.map_or_else(
                || String::from("no rate was tried"),
                |rate| format!("no run at {rate} requests/s was valid"),
            );
            let why = self.ceiling.limited_by.first().map_or_else(String::new, |why| format!(": {why}"));
            reasons.push(format!("this machine is too noisy to be calibrated: {lowest}{why}"));
        }
        if self.partial {
            reasons.push(String::from("cut short: the rest was not measured"));
        } else if self.closed.is_none() || self.floor.is_none() || self.gaps.len() + self.queues.len() < 4 {
            reasons.push(String::from("the budget was too small for everything; more: --budget 60s"));
        }
        let noisy: Vec<&str> = [
            ("the floor", self.floor.iter().all(|floor| floor.valid)),
            ("send lag", self.lag.iter().all(|lag| lag.valid)),
            ("arrivals", self.gaps.iter().all(|gaps| gaps.valid)),
            ("queues", self.queues.iter().all(|queue| queue.valid)),
        ]
        .into_iter()
        .filter(|(_, valid)| !valid)
        .map(|(what, _)| what)
        .collect();
        if !noisy.is_empty() {
            reasons.push(format!("among the runs for {} are invalid ones, marked `!`", noisy.join(", ")));
        }
        self.verdict = Verdict { valid, reasons };
    }
}

#[cfg(test)]
mod tests;
