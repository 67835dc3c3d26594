//! What an experiment on scaling out leaves behind: `loadgen.scale-out/1` as a value. A search for the ceiling with each number
//! of app servers, for each mix of requests, is in it whole; what is concluded from them (which ceilings are the servers' own,
//! what more of them gain, the law, the next wall) can be computed from it again.

use crate::ceiling::{Ceiling, SelfCheck, Usl};
use crate::record::{Head, Verdict};
use serde::{Deserialize, Serialize};

/// The name and version of [`ScaleOut`]'s JSON.
pub const SCALE_OUT_SCHEMA: &str = "loadgen.scale-out/1";

/// How the ceiling moves with the number of app servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScaleOut {
    /// [`SCALE_OUT_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short.
    pub partial: bool,
    /// By what, when and where it was made.
    #[serde(flatten)]
    pub head: Head,
    /// The time that it was given, in seconds.
    pub budget_s: f64,
    /// The time that it took, in seconds.
    pub duration_s: f64,
    /// The objective of every search: rules with commas between them.
    pub slo: String,
    /// The numbers of app servers that were asked for, in ascending order.
    pub servers: Vec<u32>,
    /// How large the parts of the target are.
    pub sizes: Sizes,
    /// What of the target is emulated, in words.
    pub emulated: Vec<String>,
    /// The CPUs that the target is pinned to.
    pub target_cpus: Vec<usize>,
    /// The generator against a target that does nothing, before the first search.
    pub self_check: Option<SelfCheck>,
    /// One mix of requests after the other.
    pub mixes: Vec<Mix>,
    /// What was not done, in words.
    pub cut: Vec<String>,
    /// Whether the figures can be trusted.
    pub verdict: Verdict,
}

impl ScaleOut {
    /// Whether nothing was measured before it was cut short.
    pub fn is_empty(&self) -> bool {
        self.mixes.iter().all(|mix| mix.points.is_empty())
    }
}

/// In CPUs, as quotas of control groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// Of each app server.
    pub server_cpu: f64,
    /// Of the database.
    pub db_cpu: f64,
    /// Of the proxy.
    pub proxy_cpu: f64,
}

/// What was asked of the target, and how it scaled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// `app` or `database`: which tier it is made for.
    pub name: String,
    /// The requests, in words.
    pub what: String,
    /// One for each number of servers, in ascending order.
    pub points: Vec<Point>,
    /// What the largest number of servers serves, against the smallest; `None` without two ceilings of the target's own.
    pub gain: Option<Gain>,
    /// The Universal Scalability Law over the number of servers, where there are enough ceilings for it.
    pub law: Option<Usl>,
    /// Why there is no law, in words; empty where there is one.
    pub no_law: String,
    /// What ends the growth when the app servers do not; `None` where nothing of it was observed.
    pub wall: Option<Wall>,
}

/// The ceiling with so many servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// App servers behind the proxy.
    pub servers: u32,
    /// Whose ceiling it is.
    pub standing: Standing,
    /// What was left of generator and machine there.
    pub headroom: Headroom,
    /// The search that found it.
    pub search: Ceiling,
}

/// See [`Point::standing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The app servers'.
    App,
    /// Another tier's: more app servers do not move it.
    NextTier,
    /// The target's, and no counter shows what of it.
    Unexplained,
    /// The machine's, which all tiers share: on machines of their own they would serve more.
    Machine,
    /// The generator's.
    Generator,
    /// The search ended before anything failed: it is this or higher.
    AtLeast,
    /// There is no ceiling to rely on.
    #[default]
    Invalid,
}

impl Standing {
    /// Whether it says how the target scales.
    pub fn counts(self) -> bool {
        matches!(self, Self::App | Self::NextTier | Self::Unexplained)
    }
}

/// See [`Point::headroom`]: means of the loads that held near the ceiling, as shares from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Headroom {
    /// Of its CPU that the busiest sending thread used.
    pub generator_cpu: Option<f64>,
    /// The ceiling, of what the generator can do against a target that does nothing.
    pub generator_rate: Option<f64>,
    /// Of the target's CPUs that were in use, by whatever.
    pub target_cpu: Option<f64>,
    /// Of the machine's CPU time that the hypervisor took.
    pub steal: Option<f64>,
}

/// See [`Mix::gain`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The smallest and the largest number of servers with a ceiling of the target's own.
    pub servers: [u32; 2],
    /// The ceiling of the latter over that of the former.
    pub ratio: f64,
    /// Its 95 % interval, by the intervals of the two.
    pub ci95: Option<[f64; 2]>,
    /// The share of what perfect scaling would give.
    pub of_perfect: f64,
}

/// See [`Mix::wall`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wall {
    /// The tier; empty for the CPUs that all of them share.
    pub tier: String,
    /// What of it, in words.
    pub what: String,
    /// The requests per second at which it is full: the median of what the searches predict by its demands.
    pub rps: f64,
    /// The lowest and the highest that one of them predicts.
    pub range: [f64; 2],
    /// Whether it is the limit of a ceiling that was measured.
    pub reached: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_record() {
        let point = Point { servers: 2, standing: Standing::NextTier, ..Point::default() };
        let mix = Mix { points: vec![point], gain: Some(Gain::default()), ..Mix::default() };
        let found = ScaleOut { schema: SCALE_OUT_SCHEMA.to_owned(), mixes: vec![mix], ..ScaleOut::default() };
        let json = serde_json::to_value(&found).unwrap();
        for name in [
            "schema",
            "partial",
            "seed",
            "command",
            "started_at",
            "cpus",
            "host",
            "slo",
            "servers",
            "sizes",
            "emulated",
            "mixes",
            "verdict",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        for name in ["name", "what", "points", "gain", "law", "no_law", "wall"] {
            assert!(json["mixes"][0].get(name).is_some(), "{name}");
        }
        let point = &json["mixes"][0]["points"][0];
        assert_eq!((&point["servers"], &point["standing"]), (&2.into(), &"next_tier".into()));
        assert!(point["search"].get("ceiling_rps").is_some() && point.get("headroom").is_some());
        assert_eq!(serde_json::from_value::<ScaleOut>(json).unwrap(), found);
    }

    #[test]
    fn only_the_targets_own_ceilings_count() {
        let counted = [Standing::App, Standing::NextTier, Standing::Unexplained];
        let others = [Standing::Machine, Standing::Generator, Standing::AtLeast, Standing::Invalid];
        assert!(counted.iter().all(|one| one.counts()) && !others.iter().any(|one| one.counts()));
    }
}
