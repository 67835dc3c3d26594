//! The options of the experiments.

use super::LoadArgs;
use crate::failure::{Failure, Outcome};
use crate::limits::{self, Cpus};
use crate::units::{self, Rate};
use clap::Args;
use clap::builder::ArgPredicate;
use reports::analyse::objective::Objective;
use reports::number::counted;
use std::path::PathBuf;
use std::time::Duration;

/// The options of a search for the ceiling.
#[derive(Debug, Args)]
pub(crate) struct CeilingArgs {
    /// What is sent, how and where to
    #[command(flatten)]
    pub(crate) load: LoadArgs,

    /// What has to hold: rules with commas between them
    #[arg(long, value_name = "RULES", default_value = "p99<50ms,errors<0.1%", value_parser = Objective::parse, help_heading = "Search")]
    pub(crate) slo: Objective,
    /// The lowest rate to try, in requests per second [default: 1]
    #[arg(long, value_name = "N", value_parser = units::rate, help_heading = "Search")]
    pub(crate) min_rps: Option<Rate>,
    /// The highest rate to try [default: what the generator can do]
    #[arg(long, value_name = "N", value_parser = units::rate, help_heading = "Search")]
    pub(crate) max_rps: Option<Rate>,
    /// How close a rate that holds and one that does not have to be
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = precision, help_heading = "Search")]
    pub(crate) precision: f64,
    /// Time for all of it, at least 20s; with --runner 30m unless it is said
    #[arg(long, value_name = "TIME", default_value = "90s", default_value_if("runner", ArgPredicate::IsPresent, "30m"), value_parser = units::positive_duration, help_heading = "Search")]
    pub(crate) budget: Duration,
    /// Give the suspect one unit more and see whether the ceiling moves (reference target only)
    #[arg(long, conflicts_with = "url", help_heading = "Search")]
    pub(crate) confirm_cause: bool,
    /// Say what it takes to serve this rate [default: twice the ceiling]
    #[arg(long, value_name = "N", value_parser = units::rate, help_heading = "Search")]
    pub(crate) forecast: Option<Rate>,
    /// Have other machines send each load: a line for the shell in which "$@" are a load's options and URL for `loadgen`, and
    /// which leaves the records of its shards in the new directory $OUT
    #[arg(
        long,
        value_name = "CMD",
        requires = "url",
        conflicts_with = "confirm_cause",
        help_heading = "Search"
    )]
    pub(crate) runner: Option<String>,
    /// Go on with a search that was interrupted, from its record in DIR
    #[arg(long, value_name = "DIR", exclusive = true, help_heading = "Search")]
    pub(crate) resume: Option<PathBuf>,

    /// The reference target's sizes
    #[command(flatten)]
    pub(crate) sizes: Sizes,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// Where the result of an experiment goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct ResultArgs {
    /// Where the record and the pictures go [default: reports/runs/<utc>-<experiment>]
    #[arg(short, long, value_name = "DIR", help_heading = "Result")]
    pub(crate) out: Option<PathBuf>,
    /// Write the result as JSON (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(crate) json: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long, help_heading = "Result")]
    pub(crate) quiet: bool,
}

/// How large the reference target is to be; what is not given is as `target-stack up` has it.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub(crate) struct Sizes {
    /// App servers behind the proxy
    #[arg(long, value_name = "N", conflicts_with = "url", value_parser = units::whole::<u32, 1, 64>, help_heading = "Reference target")]
    pub(crate) servers: Option<u32>,
    /// CPUs that each app server may use, such as 0.25
    #[arg(long, value_name = "CPUS", conflicts_with = "url", value_parser = units::cpus, help_heading = "Reference target")]
    pub(crate) server_cpu: Option<f64>,
    /// CPUs that the proxy may use
    #[arg(long, value_name = "CPUS", conflicts_with = "url", value_parser = units::cpus, help_heading = "Reference target")]
    pub(crate) proxy_cpu: Option<f64>,
    /// CPUs that the database may use
    #[arg(long, value_name = "CPUS", conflicts_with = "url", value_parser = units::cpus, help_heading = "Reference target")]
    pub(crate) db_cpu: Option<f64>,
    /// Requests that an app server works on at once
    #[arg(long, value_name = "K", conflicts_with = "url", value_parser = units::whole::<u32, 1, 4096>, help_heading = "Reference target")]
    pub(crate) workers: Option<u32>,
    /// Connections of an app server to the database
    #[arg(long, value_name = "P", conflicts_with = "url", value_parser = units::whole::<u32, 1, 4096>, help_heading = "Reference target")]
    pub(crate) pool: Option<u32>,
    /// Time for which each request holds a worker beyond its work: a slower application, emulated
    #[arg(long, value_name = "TIME", conflicts_with = "url", value_parser = units::longer, help_heading = "Reference target")]
    pub(crate) service: Option<Duration>,
    /// Time by which each use of a connection to the database takes longer: a database further away, emulated
    #[arg(long, value_name = "TIME", conflicts_with = "url", value_parser = units::longer, help_heading = "Reference target")]
    pub(crate) db_latency: Option<Duration>,
    /// Size of the catalogue
    #[arg(long, value_name = "SCALE", conflicts_with = "url", value_parser = ["small", "default", "large"], help_heading = "Reference target")]
    pub(crate) scale: Option<String>,
    /// A lock that no counter shows, held by each request for so long
    #[arg(long, value_name = "TIME", hide = true, conflicts_with = "url", value_parser = units::longer)]
    pub(crate) fault_lock: Option<Duration>,
}

impl Sizes {
    /// Whether no server is to have more CPUs than the whole target. Several may have as many each: they share them.
    ///
    /// # Errors
    /// Wrong use: one is.
    pub(crate) fn fit(&self, cpus: &[usize]) -> Outcome {
        let sizes = [("server", self.server_cpu), ("proxy", self.proxy_cpu), ("db", self.db_cpu)];
        let mut sizes = sizes.into_iter().filter_map(|(name, size)| Some((name, size?)));
        match sizes.find(|(_, asked)| *asked > cpus.len() as f64) {
            None => Ok(()),
            Some((name, asked)) => Err(Failure::usage(format!(
                "--{name}-cpu {asked}: the target has {} ({cpus:?}), the generator the others: ask for {} at most, or \
                 share them out with --cpus",
                counted(cpus.len() as u64, "CPU"),
                cpus.len()
            ))),
        }
    }

    /// As `target-stack up` has them.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let time = |time: Duration| format!("{}us", time.as_micros());
        let options = [
            ("--servers", self.servers.map(|n| n.to_string())),
            ("--server-cpu", self.server_cpu.map(|cpus| cpus.to_string())),
            ("--proxy-cpu", self.proxy_cpu.map(|cpus| cpus.to_string())),
            ("--db-cpu", self.db_cpu.map(|cpus| cpus.to_string())),
            ("--workers", self.workers.map(|n| n.to_string())),
            ("--pool", self.pool.map(|n| n.to_string())),
            ("--service", self.service.map(time)),
            ("--db-latency", self.db_latency.map(time)),
            ("--scale", self.scale.clone()),
            ("--fault-lock", self.fault_lock.map(time)),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().collect()
    }
}

/// Reads a precision.
fn precision(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').and_then(|text| text.trim().parse::<f64>().ok()).map(|n| n / 100.0);
    share
        .filter(|share| (0.001..=0.5).contains(share))
        .ok_or_else(|| format!("`{text}`: write a percentage from 0.1% to 50%, such as 2%"))
}

/// The options of a calibration.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Time for all of it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::positive_duration)]
    pub(crate) budget: Duration,
    /// CPUs that the generator is pinned to, such as 1,3 [default: those that a target on this machine would leave it]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus)]
    pub(crate) cpus: Option<Cpus>,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>)]
    pub(crate) seed: u64,
    /// Where the record goes [default: reports/runs/<utc>-calibrate]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write the result as JSON (- for standard output)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
