//! What an experiment on caching leaves behind: `loadgen.cache/1` as a value. The searches for the ceiling are in it whole, the
//! requests that reached the app in time, and each interval of an outage; what is concluded from them (how far the ceiling moved,
//! what a request costs behind the proxy, the size of a stampede, who was served while the app was dead) can be computed again.

use crate::ceiling::{Bound, Ceiling};
use crate::record::{Head, Target, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of [`Caching`]'s JSON.
pub const CACHE_SCHEMA: &str = "loadgen.cache/1";

/// What a cache in the proxy buys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caching {
    /// [`CACHE_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short.
    pub partial: bool,
    /// By what, when and where it was made.
    #[serde(flatten)]
    pub head: Head,
    /// The time that all of it was given, in seconds.
    pub budget_s: f64,
    /// The time that all of it took, in seconds.
    pub duration_s: f64,
    /// What was loaded.
    pub target: Target,
    /// What of the target is emulated, in words.
    pub emulated: Vec<String>,
    /// The objective of both searches: rules with commas between them.
    pub slo: String,
    /// What was asked for, and how the target was set up.
    pub setting: Setting,
    /// The catalogue without a cache.
    pub uncached: Option<Way>,
    /// And with one.
    pub cached: Option<Way>,
    /// One popular page that is asked for by many, without a cure, with a lock, and with all that there is.
    pub stampedes: Vec<Stampede>,
    /// The app is dead for a while, without what is stale and with it.
    pub outages: Vec<Outage>,
    /// How far the cache moves the ceiling; `None` where one of the two is not known.
    pub gain: Option<Gain>,
    /// Whether the figures can be trusted.
    pub verdict: Verdict,
}

/// What was asked for, and how the target was set up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// What was asked to be measured.
    pub parts: Vec<Part>,
    /// `builtin` or `nginx`.
    pub proxy: String,
    /// Products of the catalogue.
    pub items: u64,
    /// Of the Zipf distribution by which they are asked for.
    pub exponent: f64,
    /// How long a page is fresh in the searches, in seconds.
    pub valid_s: u64,
    /// How long one is fresh in the stampedes and the outages, in seconds.
    pub short_valid_s: u64,
    /// How long the app takes over the popular page beyond its work, in milliseconds.
    pub service_ms: f64,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The moved ceiling, and what a request costs behind the proxy.
    Ceiling,
    /// Who reaches the app when a popular page is not there, or no longer fresh.
    Stampede,
    /// Who is served while the app is dead.
    Outage,
}

/// How the proxy deals with many who want a page that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cure {
    /// All of them go to the app.
    #[default]
    None,
    /// One fetches the first copy, and the others wait (`proxy_cache_lock`).
    Lock,
    /// And one fetches a copy anew while the others are sent the old one (`proxy_cache_use_stale updating`).
    Full,
}

impl Cure {
    /// In the order of the experiment.
    pub const ALL: [Self; 3] = [Self::None, Self::Lock, Self::Full];

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "no lock",
            Self::Lock => "lock",
            Self::Full => "lock and updating",
        }
    }
}

/// The catalogue in one way: its ceiling, and what a request costs behind the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// The search for the ceiling.
    pub search: Ceiling,
    /// A load somewhat below it.
    pub busy: Option<Busy>,
}

/// A load of which is known what went on to the app and to the database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Busy {
    /// Requests per second.
    pub offered_rps: f64,
    /// What became of its requests.
    pub ledger: Ledger,
    /// Requests that the app got meanwhile.
    pub app_requests: u64,
    /// Statements that the database got meanwhile, those of its exporter included.
    pub db_queries: u64,
    /// Requests by how they fared in the cache (`HIT`, `MISS`, ...), where the proxy says so.
    pub fared: BTreeMap<String, u64>,
    /// Whether the generator and the host let it be judged.
    pub valid: bool,
    /// Why not, in words.
    pub reasons: Vec<String>,
    /// The share of requests that was answered from the cache, 0 to 1: as the proxy counts, else those that the app did not get.
    pub hit_ratio: Option<f64>,
    /// Requests to the app for each request.
    pub app_per_request: Option<f64>,
    /// Statements to the database for each request.
    pub queries_per_request: Option<f64>,
}

/// What became of requests: `planned = ok + errors + dropped + unfinished`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Correct answers.
    pub ok: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Requests given up because too many were waiting.
    pub dropped: u64,
    /// Requests without an outcome when the load was cut short.
    pub unfinished: u64,
}

/// A popular page under a steady load, its stored copy fresh for a short time, and an app that takes long over it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stampede {
    /// What there is against it.
    pub cure: Cure,
    /// Requests per second.
    pub offered_rps: f64,
    /// How long it was offered, in seconds.
    pub duration_s: f64,
    /// What became of its requests.
    pub ledger: Ledger,
    /// Median response time, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Seconds after the load began, and how many requests had reached the app by then.
    pub reached: Vec<(f64, u64)>,
    /// Requests by how they fared in the cache, where the proxy says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fared: BTreeMap<String, u64>,
    /// Whether the generator and the host let it be judged.
    pub valid: bool,
    /// Why not, in words.
    pub reasons: Vec<String>,
    /// Requests that reached the app before there was a first copy.
    pub cold: Option<u64>,
    /// The expiries that were seen after that.
    pub expiries: Vec<Expiry>,
}

/// A stored copy has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expiry {
    /// When the first request reached the app, in seconds after the load began.
    pub at_s: f64,
    /// How many requests did before there was a new copy.
    pub requests: u64,
}

/// A steady load on the catalogue, in the course of which the app is killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// Whether a page that is no longer fresh is sent while the app fails.
    pub stale: bool,
    /// Requests per second.
    pub offered_rps: f64,
    /// How long it was offered, in seconds.
    pub duration_s: f64,
    /// What became of its requests.
    pub ledger: Ledger,
    /// When the app was killed, in seconds after the load began; `None`: it did not come to that.
    pub killed_at_s: Option<f64>,
    /// When it answered again; `None`: not before the end.
    pub back_at_s: Option<f64>,
    /// The length of an interval, in seconds.
    pub interval_s: f64,
    /// By interval, correct answers and failures that ended in it.
    pub intervals: Vec<(u64, u64)>,
    /// Seconds after the load began, and how many stale pages the proxy had sent by then, where it says so.
    pub stale_sent: Vec<(f64, u64)>,
    /// Whether the generator and the host let it be judged.
    pub valid: bool,
    /// Why not, in words.
    pub reasons: Vec<String>,
    /// What became of the requests that ended while the app was dead.
    pub dead: Option<Dead>,
}

/// See [`Outage::dead`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// Correct answers, stale ones included.
    pub ok: u64,
    /// Failures.
    pub failed: u64,
    /// Stale pages among the correct answers, where the proxy says so.
    pub stale: Option<u64>,
}

/// See [`Caching::gain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The ceiling with a cache over that without.
    pub ratio: f64,
    /// Its 95 % interval, by the intervals of the two.
    pub ci95: Option<[f64; 2]>,
    /// `at_least` where the search with the cache met the generator's limit or its own.
    pub bound: Bound,
}

impl Ledger {
    /// Whether each request has one outcome.
    pub fn adds_up(&self) -> bool {
        let Self { planned, ok, errors, dropped, unfinished } = *self;
        [errors, dropped, unfinished].iter().try_fold(ok, |sum, n| sum.checked_add(*n)) == Some(planned)
    }

    /// Requests that were not served.
    pub fn failed(&self) -> u64 {
        self.errors.saturating_add(self.dropped)
    }
}

impl Dead {
    /// The share that was served, 0 to 1.
    pub fn served(&self) -> f64 {
        self.ok as f64 / (self.ok as f64 + self.failed as f64).max(1.0)
    }
}

impl Stampede {
    /// Requests that reached the app at an expiry: in the mean, and at most. `None` where none was seen.
    pub fn sizes(&self) -> Option<(f64, u64)> {
        let most = self.expiries.iter().map(|expiry| expiry.requests).max()?;
        let sum: f64 = self.expiries.iter().map(|expiry| expiry.requests as f64).sum();
        Some((sum / self.expiries.len() as f64, most))
    }
}

impl Caching {
    /// Whether nothing was measured before it was cut short.
    pub fn is_empty(&self) -> bool {
        self.uncached.is_none()
            && self.cached.is_none()
            && self.stampedes.is_empty()
            && self.outages.is_empty()
    }

    /// The stampede with this cure.
    pub fn stampede(&self, cure: Cure) -> Option<&Stampede> {
        self.stampedes.iter().find(|stampede| stampede.cure == cure)
    }

    /// Whether this was to be measured.
    pub fn wants(&self, part: Part) -> bool {
        self.setting.parts.contains(&part)
    }

    /// The outage without what is stale, or with it.
    pub fn outage(&self, stale: bool) -> Option<&Outage> {
        self.outages.iter().find(|outage| outage.stale == stale)
    }
}
