//! One machine's share of a load that several machines send together, and what is kept of each of them in a record that was merged.

use super::{Distribution, Host, Verdict};
use serde::{Deserialize, Serialize};

/// A machine's share: every `of`-th request of the plan, beginning with the `index`-th.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Which of them it is, from 1.
    pub index: u32,
    /// How many there are.
    pub of: u32,
    /// When all of them were to begin, RFC 3339; `None` where that was not said.
    pub start_at: Option<String>,
    /// When this one began, warm-up included, by its own clock: seconds since 1970.
    pub began_unix_s: f64,
    /// What is known of that clock.
    pub clock: Clock,
    /// The machine's own name.
    #[serde(default)]
    pub machine: String,
}

impl Shard {
    /// Such as `shard 1 of 3`.
    pub fn in_words(&self) -> String {
        format!("shard {} of {}", self.index, self.of)
    }
}

/// How far a machine's clock may be off, as whoever disciplines it says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Who was asked: `chrony`, `timedatectl` or the `kernel`; `unknown` where nobody could be.
    pub source: String,
    /// Whether it is held to be synchronised; `None` where that is not known.
    pub synchronised: Option<bool>,
    /// By how much it is ahead of the time that it is held to, in milliseconds.
    pub offset_ms: Option<f64>,
    /// How far from the true time it may be at most, in milliseconds: that offset, half of the root's delay, and its dispersion (RFC 5905).
    pub error_ms: Option<f64>,
}

/// What a merged record keeps of one of its shards: a slow one must not hide among the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardResult {
    /// Its share.
    #[serde(flatten)]
    pub shard: Shard,
    /// Its record's directory, as it was given.
    pub dir: String,
    /// Where it was sent from.
    pub host: Host,
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Requests of which the first byte was written.
    pub sent: u64,
    /// Correct answers.
    pub ok: u64,
    /// Failures of all kinds.
    pub errors: u64,
    /// Requests given up because too many were waiting for a connection.
    pub dropped: u64,
    /// Requests without an outcome.
    pub unfinished: u64,
    /// Done minus intended.
    pub response_ms: Distribution,
    /// Sent minus intended.
    pub send_lag_ms: Distribution,
    /// The busiest sending thread's share of a CPU, 0 to 1.
    pub cpu_share_max: f64,
    /// Its own verdict.
    pub verdict: Verdict,
}
