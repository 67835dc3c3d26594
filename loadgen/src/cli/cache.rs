//! The options of an experiment on caching.

use super::{ResultArgs, Sizes, TargetProxy};
use crate::units::{self, Rate};
use clap::Args;
use reports::analyse::objective::Objective;
use reports::cache::Part;
use std::time::Duration;

/// The options.
#[derive(Clone, Debug, Args)]
pub(crate) struct CacheArgs {
    /// Nothing: the cache of somebody else's proxy cannot be turned on and off
    #[arg(value_name = "URL", hide = true)]
    pub(crate) url: Option<String>,

    /// What is measured: ceiling, stampede, outage, with commas between them
    #[arg(long, value_name = "LIST", default_value = "ceiling,stampede,outage", value_parser = parts, help_heading = "Experiment")]
    pub(crate) parts: Parts,
    /// What has to hold at the ceiling: rules with commas between them
    #[arg(long, value_name = "RULES", default_value = "p99<50ms,errors<0.1%", value_parser = Objective::parse, help_heading = "Experiment")]
    pub(crate) slo: Objective,
    /// Time for all of it, at least 20s
    #[arg(long, value_name = "TIME", default_value = "150s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) budget: Duration,
    /// How long a page is fresh while the ceiling is searched
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = whole_seconds, help_heading = "Experiment")]
    pub(crate) valid: Duration,
    /// And while a popular page expires again and again, and while the app is dead
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = whole_seconds, help_heading = "Experiment")]
    pub(crate) short_valid: Duration,
    /// How long the app takes over the popular page
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = units::longer, help_heading = "Experiment")]
    pub(crate) slow: Duration,
    /// Requests per second for the popular page, and while the app is dead
    #[arg(long, value_name = "N", default_value = "200", value_parser = units::rate, help_heading = "Experiment")]
    pub(crate) rps: Rate,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Experiment")]
    pub(crate) seed: u64,

    /// The reference target's proxy [default: builtin]
    #[arg(long, value_enum, help_heading = "Reference target")]
    pub(crate) target_proxy: Option<TargetProxy>,
    /// The reference target's sizes
    #[command(flatten)]
    pub(crate) sizes: Sizes,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// See [`CacheArgs::parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts(pub(crate) Vec<Part>);

/// Reads `--parts`.
fn parts(text: &str) -> Result<Parts, String> {
    let part = |word: &str| match word.trim() {
        "ceiling" => Ok(Part::Ceiling),
        "stampede" => Ok(Part::Stampede),
        "outage" => Ok(Part::Outage),
        other => Err(format!("`{other}` is no part: write some of ceiling,stampede,outage")),
    };
    text.split(',').map(part).collect::<Result<_, _>>().map(Parts)
}

/// Reads a time in whole seconds, as caches count.
fn whole_seconds(text: &str) -> Result<Duration, String> {
    let time = units::positive_duration(text)?;
    let whole = time.subsec_nanos() == 0 && time <= Duration::from_secs(86_400);
    if whole { Ok(time) } else { Err(format!("`{text}`: a cache counts in whole seconds, a day at most")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named() {
        assert_eq!(parts("outage, ceiling"), Ok(Parts(vec![Part::Outage, Part::Ceiling])));
        for text in ["", "ceilings", "ceiling,", "ceiling outage"] {
            assert!(parts(text).is_err_and(|why| why.contains("some of ceiling,stampede,outage")), "{text}");
        }
    }

    #[test]
    fn a_validity_is_of_whole_seconds() {
        for (text, want) in [
            ("1s", Some(1)),
            ("2000ms", Some(2)),
            ("2m", Some(120)),
            ("1500ms", None),
            ("0s", None),
            ("25h", None),
        ] {
            assert_eq!(whole_seconds(text).ok(), want.map(Duration::from_secs), "{text}");
        }
    }
}
