//! The run in time: its equal intervals, from when on it was steady, and whether requests went out as planned.

use serde::{Deserialize, Serialize};

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

/// From when on a run was steady. It changes none of the run's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Steady {
    /// Seconds after the beginning of the measured part; `None` where it never was, or where that cannot be said.
    pub from_s: Option<f64>,
    /// How finely that is known, in seconds.
    pub grain_s: f64,
    /// Why there is no answer, or none but "never".
    pub reason: Option<String>,
}

/// The instants at which requests were sent, held against the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrivalStream {
    /// `cv`, the coefficient of variation of the gaps, for even arrivals; `anderson-darling` for Poisson ones.
    pub test: String,
    /// The statistic.
    pub value: f64,
    /// How likely a stream that is as planned has a larger one; of a test that knows.
    pub p_value: Option<f64>,
    /// Whether the stream is as planned.
    pub passed: bool,
    /// The gaps between requests that were tested.
    pub gaps: u64,
}
