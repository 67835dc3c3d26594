//! What an experiment with failures or changes leaves behind: `loadgen.spof/1` and `loadgen.maintenance/1` as values. The same load
//! is offered in several trials, in each of which something is done to the target; a trial has what was done and when, what came
//! of each tenth or fifth of a second, and what that means, which can be computed from it again.

use crate::outcome::Errors;
use crate::record::{Head, Target, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of a [`Lesson`] about parts that fail.
pub const SPOF_SCHEMA: &str = "loadgen.spof/1";
/// The same of one about changes.
pub const MAINTENANCE_SCHEMA: &str = "loadgen.maintenance/1";

/// Several trials that answer a question together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// [`SPOF_SCHEMA`] or [`MAINTENANCE_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short.
    pub partial: bool,
    /// By what, when and where it was made.
    #[serde(flatten)]
    pub head: Head,
    /// What was loaded.
    pub target: Target,
    /// What of the target is emulated, in words; empty for nothing.
    pub emulated: Vec<String>,
    /// The offered rate of each trial, in requests per second.
    pub rps: f64,
    /// The 99th percentile of response times that is good enough, in milliseconds.
    pub limit_ms: f64,
    /// In the order in which they were made.
    pub trials: Vec<Trial>,
    /// The time that it took, in seconds.
    pub duration_s: f64,
    /// Whether the figures can be trusted.
    pub verdict: Verdict,
}

impl Lesson {
    /// Whether nothing was measured before it was cut short.
    pub fn is_empty(&self) -> bool {
        self.trials.iter().all(|trial| trial.bins.is_empty())
    }
}

/// One load, and what was done to the target meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was done, in a few words that a sentence can begin with, such as `killing the only app server`.
    pub name: String,
    /// The tier that it was done to.
    pub tier: String,
    /// How many processes that tier had.
    pub servers: u32,
    /// Whether this is what helps against what the other trials of its tier suffer from.
    #[serde(default)]
    pub cure: bool,
    /// What happened when, by the clock of the load.
    pub events: Vec<Event>,
    /// The length of an interval in seconds.
    pub interval_s: f64,
    /// The length of the load in seconds.
    pub duration_s: f64,
    /// The load in equal intervals.
    pub bins: Vec<Moment>,
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Requests answered in full, as expected.
    pub ok: u64,
    /// Requests that failed, by kind.
    pub errors: Errors,
    /// Requests given up because too many were waiting for a connection.
    pub dropped: u64,
    /// Requests without an outcome when the trial was cut short.
    pub unfinished: u64,
    /// Whole answers by status code.
    pub status: BTreeMap<u16, u64>,
    /// The 99th percentile of the response times of the whole trial, in milliseconds.
    pub p99_ms: Option<f64>,
    /// What became of purchases, where the load had any.
    pub orders: Option<Orders>,
    /// Which version answered, asked of the website several times a second.
    pub versions: Vec<Seen>,
    /// Questions to the zone's name server that it did not answer.
    pub dns_failures: u64,
    /// What that means.
    pub impact: Impact,
    /// Whether generator and host let it be judged.
    pub valid: bool,
    /// Why not, and what else has to be known.
    pub reasons: Vec<String>,
}

/// Something that was done to the target, or that it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds after the load began.
    pub at_s: f64,
    /// What it was.
    pub kind: EventKind,
    /// In words, such as `app server 1 killed`.
    pub what: String,
}

/// See [`Event::kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// From here on something is wrong, or being changed.
    Begin,
    /// A step on the way.
    #[default]
    Step,
    /// What was wrong has been put right, or the change is through.
    End,
}

/// What happened in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Requests whose intended instant fell into it.
    pub planned: u64,
    /// Correct answers that ended in it.
    pub ok: u64,
    /// Failures that ended in it, and requests that were given up.
    pub failed: u64,
    /// 99th percentile of the response time of what ended in it, in milliseconds (of a few requests: the largest).
    pub p99_ms: Option<f64>,
}

/// Purchases as the buyers saw them, and as the database has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Purchases that were answered as placed.
    pub acknowledged: u64,
    /// Purchases without such an answer: those may have been stored all the same, or not.
    pub unanswered: u64,
    /// Orders that the database has more of than before.
    pub stored: u64,
}

/// A version of the website that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Milliseconds after the load began.
    pub at_ms: i64,
    /// Its name; `None`: there was no good answer.
    pub version: Option<String>,
}

/// What a failure or a change did to the visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// Requests that failed, were given up or never ended, from the beginning on.
    pub failed: u64,
    /// Correct answers that are missing, in requests: the goodput that was lost.
    pub lost: u64,
    /// Requests that failed before the beginning: nothing that was done is the cause.
    #[serde(default)]
    pub failed_before: u64,
    /// From the beginning to the first request that failed, in seconds; `None`: none did.
    pub noticed_s: Option<f64>,
    /// For how long fewer than half of the requests were answered well, in seconds.
    pub outage_s: f64,
    /// From the beginning until everything was well again for good, in seconds: nothing fails, and the 99th percentile is good
    /// enough. 0 where it never was otherwise; `None` where it did not come to that.
    pub recovered_s: Option<f64>,
    /// The same after the end of the cause.
    pub after_end_s: Option<f64>,
    /// When, in seconds after the first request was due, times were over the limit although all had been well for a second; `None` where
    /// they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_again_s: Option<f64>,
    /// The highest 99th percentile of an interval in the two seconds before, in milliseconds.
    pub p99_before_ms: Option<f64>,
    /// The same from the beginning on.
    pub p99_during_ms: Option<f64>,
}
