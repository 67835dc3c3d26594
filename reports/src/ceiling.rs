//! What a search for the ceiling leaves behind: `loadgen.ceiling/1` as a value. The record is complete: each load that was
//! offered is in it with its windows and with what the tiers said of themselves, and all that is concluded from them (the
//! ceiling, its interval, the limit and its evidence, the scalability law) can be computed from it again.

mod runner;

use crate::record::{Head, Target, Verdict};
pub use runner::Runner;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The name and version of [`Ceiling`]'s JSON.
pub const CEILING_SCHEMA: &str = "loadgen.ceiling/1";

/// A search for the highest rate at which an objective holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// [`CEILING_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short; it can be resumed then.
    pub partial: bool,
    /// By what, when and where it was made.
    #[serde(flatten)]
    pub head: Head,
    /// What was loaded.
    pub target: Target,
    /// What of the target is emulated, in words; empty for nothing.
    #[serde(default)]
    pub emulated: Vec<String>,
    /// The gaps between intended instants: `even` or `poisson`.
    pub arrivals: String,
    /// The objective, as it was asked for: rules with commas between them.
    pub slo: String,
    /// The asked precision of the ceiling, 0 to 1.
    pub precision: f64,
    /// The time that it was given, in seconds.
    pub budget_s: f64,
    /// The time that it took, in seconds.
    pub duration_s: f64,
    /// How [`Ceiling::ceiling_rps`] is to be read.
    pub bound: Bound,
    /// The highest offered rate at which the objective holds, in requests per second.
    pub ceiling_rps: Option<f64>,
    /// Its 95 % confidence interval.
    pub ci95: Option<[f64; 2]>,
    /// The most correct answers per second at any offered rate.
    pub peak_goodput_rps: Option<f64>,
    /// Correct answers per second at about 1.5 times the ceiling: of the load nearest to that, and in the worst of several.
    pub overload_goodput_rps: Option<f64>,
    /// The ceiling as predicted from the service demands at low load.
    pub predicted_rps: Option<f64>,
    /// What the ceiling is made of.
    pub limited_by: LimitedBy,
    /// The Universal Scalability Law, where there are enough steady loads for it.
    pub usl: Option<Usl>,
    /// Every load that was offered, in the order of time.
    pub steps: Vec<Step>,
    /// The resources of the target, the one with the lowest predicted ceiling first.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// Little's law, tier by tier.
    #[serde(default)]
    pub audits: Vec<Audit>,
    /// What other rates would take.
    #[serde(default)]
    pub forecast: Option<Forecast>,
    /// The generator against a target that does nothing, before the search.
    #[serde(default)]
    pub self_check: Option<SelfCheck>,
    /// Who had other machines send each load; `None` where this one sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// What one unit more at the suspect did, where that was asked for.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// The rate that the search began with.
    #[serde(default)]
    pub first_rps: Option<f64>,
    /// The rate that a forecast is wanted for; `None`: twice the ceiling.
    #[serde(default)]
    pub wanted_rps: Option<f64>,
    /// What was not done, in words: the budget left no time for it, or it could not be.
    #[serde(default)]
    pub cut: Vec<String>,
    /// Whether the figures can be trusted.
    pub verdict: Verdict,
}

/// See [`Ceiling::bound`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// It is the ceiling.
    Exact,
    /// The ceiling is this or higher: the search met its own limit.
    AtLeast,
    /// The ceiling lies below the lowest rate that was tried.
    #[default]
    Below,
}

/// What the ceiling is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedBy {
    /// Whose limit it is.
    pub what: Limit,
    /// The target's tier, where it is one's.
    pub tier: Option<String>,
    /// What of it: `cpu`, `pool`, `workers`, `connections` or `unknown`.
    pub resource: Option<String>,
    /// Why, a sentence each; the first one is the verdict.
    pub evidence: Vec<String>,
}

/// See [`LimitedBy::what`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// A tier of the target.
    Target,
    /// This generator.
    Generator,
    /// The machine that both are on.
    Host,
    /// No counter shows it.
    #[default]
    Unexplained,
}

/// One load: a constant rate, for as many windows as it took to judge it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it was offered for.
    pub phase: Phase,
    /// When its first request was due, in seconds after the search began.
    pub start_s: f64,
    /// How long it was offered, in seconds.
    pub duration_s: f64,
    /// Requests per second.
    pub offered_rps: f64,
    /// Correct answers per second, of those that came while it was offered.
    pub ok_rps: f64,
    /// Median response time, in milliseconds; times are of all requests of the load.
    pub p50_ms: Option<f64>,
    /// The 90th percentile.
    pub p90_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// The 99.9th percentile.
    pub p999_ms: Option<f64>,
    /// Mean response time in milliseconds.
    pub mean_ms: Option<f64>,
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Requests that failed or were dropped.
    pub errors: u64,
    /// Requests in the target on average, waiting for a connection included.
    pub in_flight: f64,
    /// Whether the objective held.
    pub passed: bool,
    /// Whether the generator and the host let it be judged.
    pub valid: bool,
    /// Whether the number in flight neither grew nor fell from its second window on.
    pub stationary: bool,
    /// Why it failed or is invalid, in words.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The load in time.
    pub windows: Vec<Window>,
    /// What each observed tier said of itself, by tier and metric: means over the load.
    pub observed: BTreeMap<String, BTreeMap<String, f64>>,
    /// What the kernel said of this machine over the load, by metric.
    #[serde(default)]
    pub machine: BTreeMap<String, f64>,
    /// What a reader has to know of the metrics, in words: when they were missing, and what was wrong with them.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// See [`Step::phase`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Growing rates until one fails.
    #[default]
    Bracket,
    /// Between one that holds and one that fails.
    Search,
    /// For the picture.
    Sweep,
    /// Again, around what was found.
    Confirm,
}

/// The ends of an interval that differ by more than this are what is known, and the rate between them is not.
const WIDE: f64 = 1.1;

impl Ceiling {
    /// The ends of an exact ceiling's interval, in requests per second, where they are all that is known.
    pub fn between(&self) -> Option<[f64; 2]> {
        self.ci95.filter(|[from, to]| self.bound == Bound::Exact && *to > WIDE * from)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bracket => "bracket",
            Self::Search => "search",
            Self::Sweep => "sweep",
            Self::Confirm => "confirm",
        })
    }
}

/// A part of a load's time. A request is counted as planned and as ended in the windows in which it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its length in seconds.
    pub length_s: f64,
    /// Requests that came due.
    pub planned: u64,
    /// Requests that ended, one way or another.
    pub ended: u64,
    /// Correct answers.
    pub ok: u64,
    /// Requests that broke a rule of the objective, rule by rule.
    pub broke: Vec<u64>,
    /// Requests that have come due and not ended at its end.
    pub in_flight: u64,
    /// Median response time in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// Whether the objective fails in it, or the target does not keep up.
    pub bad: bool,
}

/// A resource of the target by the operational laws (Denning and Buzen, 1978): its ceiling is its capacity over what a request
/// demands of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The tier, and where several share it, the one that uses most of it.
    pub tier: String,
    /// Where several tiers share it, each one's part of the demand, 0 to 1; else empty.
    pub shared: BTreeMap<String, f64>,
    /// `cpu`, `workers`, `pool` or `connections`.
    pub resource: String,
    /// CPUs, or slots.
    pub capacity: f64,
    /// Busy seconds per correct answer at low load.
    pub demand_s: f64,
    /// Capacity, less what a CPU is busy with at no load, over demand: in requests per second.
    pub predicted_rps: f64,
    /// Its range over the low loads.
    pub predicted_range: [f64; 2],
    /// The share of the capacity in use at the ceiling, 0 to 1, where that is known.
    pub utilisation: Option<f64>,
}

/// Little's law in one tier: the number of requests in it is their rate times their time in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// The tier.
    pub tier: String,
    /// Requests in it on average, as counted.
    pub in_flight: f64,
    /// Rate times mean time.
    pub expected: f64,
    /// Whether they agree within 5 %; `None` where there is too little to tell.
    pub agrees: Option<bool>,
}

/// The Universal Scalability Law (Gunther, 2007): `X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usl {
    /// Requests per second of one request at a time.
    pub lambda: f64,
    /// Contention, 0 or more.
    pub sigma: f64,
    /// Coherency, 0 or more.
    pub kappa: f64,
    /// Where the rate is highest: requests in flight; `None` where it grows without end.
    pub peak_n: Option<f64>,
    /// The rate there, or the rate that it approaches.
    pub peak_rps: Option<f64>,
    /// 95 % intervals by the bootstrap: `lambda`, `sigma`, `kappa`, `peak_n`, `peak_rps`.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// The steady loads that it was fitted to: requests in flight, correct answers per second.
    pub points: Vec<[f64; 2]>,
    /// The fit with its interval over requests in flight: `n`, rate, lower, upper end.
    pub curve: Vec<[f64; 4]>,
    /// The share of the variance that the fit explains.
    pub r2: f64,
}

/// What it takes to serve other rates, if the limiting tier can be had more than once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The rate that is wanted, in requests per second.
    pub wanted_rps: f64,
    /// The tier that is multiplied.
    pub tier: String,
    /// How many of it are needed, at least and at most; `None` where no number is enough.
    pub servers: Option<[u32; 2]>,
    /// The next wall, in words; empty where none is known.
    pub wall: String,
    /// The rate of the next wall, where it is known.
    pub wall_rps: Option<f64>,
    /// By number of servers, from 1: the expected ceiling with its interval: servers, rate, lower, upper end.
    pub band: Vec<[f64; 4]>,
}

/// The generator against a target that does nothing, on this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Requests per second in a closed loop: what the generator can do at most.
    pub closed_rps: f64,
    /// The median response time at a low rate, in milliseconds: the floor of every latency.
    pub floor_p50_ms: Option<f64>,
    /// The 99th percentile there.
    pub floor_p99_ms: Option<f64>,
    /// The 99th percentile of the send lag there.
    pub send_lag_p99_ms: Option<f64>,
}

/// The same target with one unit more at the suspect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// What was changed, in words.
    pub change: String,
    /// By how much the ceiling should move if the suspect is the cause, as a ratio.
    pub expected_ratio: f64,
    /// The ceiling with the change.
    pub ceiling_rps: Option<f64>,
    /// Its interval.
    pub ci95: Option<[f64; 2]>,
    /// Whether it moved as it should; `None` where it could not be told.
    pub confirmed: Option<bool>,
    /// The loads that it was found by.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// By how much it moved, as a ratio.
    #[serde(default)]
    pub moved_ratio: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let step = Step { offered_rps: 10.0, windows: vec![Window::default()], ..Step::default() };
        let found = Ceiling {
            schema: CEILING_SCHEMA.to_owned(),
            usl: Some(Usl::default()),
            steps: vec![step],
            ..Ceiling::default()
        };
        let json = serde_json::to_value(&found).unwrap();
        for name in [
            "schema",
            "slo",
            "bound",
            "ceiling_rps",
            "ci95",
            "peak_goodput_rps",
            "overload_goodput_rps",
            "predicted_rps",
            "limited_by",
            "usl",
            "steps",
            "verdict",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        for name in [
            "offered_rps",
            "ok_rps",
            "p50_ms",
            "p90_ms",
            "p99_ms",
            "p999_ms",
            "errors",
            "passed",
            "valid",
            "stationary",
            "observed",
        ] {
            assert!(json["steps"][0].get(name).is_some(), "{name}");
        }
        assert_eq!((&json["bound"], &json["limited_by"]["what"]), (&"below".into(), &"unexplained".into()));
        assert_eq!(serde_json::to_value(Bound::AtLeast).unwrap(), "at_least");
        assert_eq!(serde_json::from_value::<Ceiling>(json).unwrap(), found);
    }
}
