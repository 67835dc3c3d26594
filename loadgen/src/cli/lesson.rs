//! The options of the experiments with failures and with changes.

use super::{ResultArgs, TargetProxy};
use crate::limits::{self, Cpus};
use crate::units::{self, Rate};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What both have in common.
#[derive(Clone, Debug, Args)]
pub(crate) struct LessonArgs {
    /// A website of yours, for which hooks have to say what is done to it; without it, the reference target
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,

    /// The 99th percentile of response times that is good enough
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) limit: Duration,
    /// Time to the whole answer, from the intended instant
    #[arg(short, long, value_name = "TIME", default_value = "2s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) timeout: Duration,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Experiment")]
    pub(crate) seed: u64,
    /// CPUs that the generator is pinned to, such as 1,3 [default: those that the target does not have]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus, help_heading = "Experiment")]
    pub(crate) cpus: Option<Cpus>,

    /// Size of the catalogue
    #[arg(long, value_name = "SCALE", default_value = "small", value_parser = ["small", "default", "large"], conflicts_with = "url", help_heading = "Reference target")]
    pub(crate) scale: String,
    /// The reference target's proxy [default: builtin]
    #[arg(long, value_enum, conflicts_with = "url", help_heading = "Reference target")]
    pub(crate) target_proxy: Option<TargetProxy>,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// A tier that can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// App servers: one, then one of several
    App,
    /// Proxies: one, then one of several behind as many A records
    Proxy,
    /// The database, of which there is one
    Db,
    /// The zone's name server
    Dns,
}

/// The options of all lessons.
#[derive(Clone, Debug, Args)]
pub(crate) struct LessonsArgs {
    /// Nothing: all lessons together need the reference target
    #[arg(value_name = "URL", hide = true)]
    pub(crate) url: Option<String>,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>)]
    pub(crate) seed: u64,
    /// Where the records and the report go [default: reports/runs/<utc>-lessons]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// The options of killing parts.
#[derive(Clone, Debug, Args)]
pub(crate) struct SpofArgs {
    /// Requests per second, one in ten of which is a purchase
    #[arg(long, value_name = "N", default_value = "200", value_parser = units::rate, help_heading = "Experiment")]
    pub(crate) rps: Rate,
    /// Length of each trial
    #[arg(short, long, value_name = "TIME", default_value = "12s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) duration: Duration,
    /// When the part is killed
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) kill_after: Duration,
    /// How long after that somebody starts it again
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) repair_after: Duration,
    /// Tiers to kill a part of
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "app,proxy,db,dns",
        conflicts_with = "url",
        help_heading = "Experiment"
    )]
    pub(crate) tiers: Vec<Tier>,
    /// How many servers are several
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = units::whole::<u32, 2, 16>, conflicts_with = "url", help_heading = "Experiment")]
    pub(crate) servers: u32,
    /// With a URL: the command of the shell that kills a part of it
    #[arg(long, value_name = "CMD", value_parser = hook, requires = "url", help_heading = "Hooks")]
    pub(crate) kill_cmd: Option<String>,
    /// With a URL: the one that starts it again
    #[arg(long, value_name = "CMD", value_parser = hook, requires = "kill_cmd", help_heading = "Hooks")]
    pub(crate) repair_cmd: Option<String>,
    /// What both experiments have in common
    #[command(flatten)]
    pub(crate) common: LessonArgs,
}

/// A way of bringing out a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The only app server is stopped, then started anew
    StopAndStart,
    /// One server after the other
    Rolling,
    /// One after the other, of a version that fails its health check
    Sick,
    /// The proxy reads its configuration again
    Reload,
}

/// The options of changing a website under load.
#[derive(Clone, Debug, Args)]
pub(crate) struct MaintenanceArgs {
    /// Requests per second
    #[arg(long, value_name = "N", default_value = "1000", value_parser = units::rate, help_heading = "Experiment")]
    pub(crate) rps: Rate,
    /// Length of each trial
    #[arg(short, long, value_name = "TIME", default_value = "20s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) duration: Duration,
    /// When the change begins
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) deploy_after: Duration,
    /// Ways of bringing it out
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "stop-and-start,rolling,sick,reload",
        conflicts_with = "url",
        help_heading = "Experiment"
    )]
    pub(crate) ways: Vec<Way>,
    /// App servers, of which a rolling deployment takes one at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = units::whole::<u32, 1, 16>, conflicts_with = "url", help_heading = "Experiment")]
    pub(crate) servers: u32,
    /// How much longer an app server of the reference target takes to start, which is emulated: its own takes some milliseconds, and most
    /// applications take seconds
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::duration, conflicts_with = "url", help_heading = "Reference target")]
    pub(crate) start_up: Duration,
    /// With a URL: the command of the shell that brings out a change
    #[arg(long, value_name = "CMD", value_parser = hook, requires = "url", help_heading = "Hooks")]
    pub(crate) deploy_cmd: Option<String>,
    /// What both experiments have in common
    #[command(flatten)]
    pub(crate) common: LessonArgs,
}

/// A command of the shell that does something.
fn hook(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(String::from("there is no command in it"));
    }
    Ok(text.to_owned())
}
