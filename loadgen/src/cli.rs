//! The command line's syntax: options, their types and their help. What they mean together is `plan`'s business.

mod cache;
mod compare;
mod experiments;
mod lesson;
mod merge;
mod pairs;
mod scale_out;
mod trace;
mod trend;
mod wrong;

use crate::client::settings;
use crate::limits::{self, Cpus};
use crate::schedule::Arrivals;
use crate::shard::{self, Share};
use crate::units::{self, Rate};
use crate::{plan, request};
pub(crate) use cache::CacheArgs;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
pub(crate) use compare::{CompareArgs, Slowed};
pub(crate) use experiments::{CalibrateArgs, CeilingArgs, ResultArgs, Sizes};
use http::{HeaderName, HeaderValue, Method, Uri};
use jiff::Timestamp;
pub(crate) use lesson::{LessonArgs, LessonsArgs, MaintenanceArgs, SpofArgs, Tier, Way};
pub(crate) use merge::MergeArgs;
pub(crate) use pairs::PairsArgs;
use reports::analyse::threshold::Threshold;
pub(crate) use scale_out::{MixOption, ScaleOutArgs};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
pub(crate) use trace::TraceArgs;
pub(crate) use trend::TrendArgs;
pub(crate) use wrong::{no_subcommand, one_line};

/// An open-loop HTTP load generator that tells the truth.
///
/// Without URL it starts the reference target, loads its product pages, and takes it down again.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do instead of running one load
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// One load
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draw again what a run or an experiment has left in DIR
    Report {
        /// The directory of a run or of an experiment
        dir: PathBuf,
        /// Write the summary as JSON (- for standard output)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Find the highest rate at which an objective holds, and what the limit is made of
    Ceiling(Box<CeilingArgs>),
    /// See what a cache in the proxy buys: the moved ceiling, stampedes, and pages while the app is dead
    Cache(Box<CacheArgs>),
    /// Say whether one set of records is worse than another, and by what
    Compare(Box<CompareArgs>),
    /// See how the ceiling moves with more app servers, and what ends that
    ScaleOut(Box<ScaleOutArgs>),
    /// Kill parts of the website under load: one alone, and one of several
    Spof(Box<SpofArgs>),
    /// Bring out a change under load: all at once, and one server at a time
    Maintenance(Box<MaintenanceArgs>),
    /// All of spof, maintenance, scale-out and cache, told as one story
    Lessons(LessonsArgs),
    /// Measure what the generator can do on this machine, and how far from the truth it is
    Calibrate(CalibrateArgs),
    /// Make one record of those of machines that sent a load together
    Merge(MergeArgs),
    /// Measure two or more targets in pairs, for a comparison
    Pairs(Box<PairsArgs>),
    /// Follow one request from name to page: what each tier took of its time
    Trace(Box<TraceArgs>),
    /// See what the nightly gate's history says: where a metric changed, and how often the gate was right
    Trend(TrendArgs),
    /// Print a completion script for SHELL
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, such as for `man -l -`
    Man,
}

/// The ways of sending requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Transport {
    /// HTTP/1.1 on plain sockets, requests encoded before the run; the default for http://.
    Raw,
    /// hyper: HTTP/1.1 or HTTP/2, TLS; the default for https:// and --http2.
    Hyper,
    /// reqwest, as applications use it: redirects, cookies, proxies, gzip, HTTP/2 where the server offers it.
    Reqwest,
}

/// What serves as the reference target's proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TargetProxy {
    /// The one of target-stack.
    Builtin,
    /// The installed nginx.
    Nginx,
}

/// The options of one load.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Offered rate in requests per second, fractions allowed; without it, a closed loop
    #[arg(long, value_name = "N", value_parser = units::rate, allow_hyphen_values = true, help_heading = "Load")]
    pub(crate) rps: Option<Rate>,
    /// Length of the measured part
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = units::positive_duration, help_heading = "Load")]
    pub(crate) duration: Duration,
    /// Sent before it, not counted
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = units::duration, help_heading = "Load")]
    pub(crate) warmup: Duration,
    /// Steps and ramps instead of a rate and a duration, such as 10s:1000,20s:1000-5000
    #[arg(long, value_name = "LIST", value_parser = plan::stages, conflicts_with_all = ["rps", "duration"], help_heading = "Load")]
    pub(crate) stages: Option<plan::Stages>,

    /// What is sent, how and where to
    #[command(flatten)]
    pub(crate) load: LoadArgs,

    /// This machine's share, the I-th of N: `loadgen merge` makes one record of those of all [default: 1/1]
    #[arg(long, value_name = "I/N", value_parser = Share::parse, help_heading = "Several machines")]
    pub(crate) shard: Option<Share>,
    /// When all of them begin, RFC 3339, by the clock of each
    #[arg(long, value_name = "TIME", value_parser = shard::instant, help_heading = "Several machines")]
    pub(crate) start_at: Option<Timestamp>,

    /// Fails the run when it does not hold, such as 'p99<50ms', 'errors<0.1%' or 'rps>4900'; repeatable
    #[arg(long = "threshold", value_name = "RULE", value_parser = Threshold::parse, help_heading = "Result")]
    pub(crate) thresholds: Vec<Threshold>,
    /// Where the record and the pictures go [default: reports/runs/<utc>-run]
    #[arg(short, long, value_name = "DIR", help_heading = "Result")]
    pub(crate) out: Option<PathBuf>,
    /// Write the summary as JSON (- for standard output)
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(crate) json: Option<PathBuf>,
    /// Write the thresholds and the verdict as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(crate) junit: Option<PathBuf>,
    /// Serve the run's metrics while it goes on, at http://ADDR/metrics, such as 127.0.0.1:9090; port 0: any
    #[arg(long, value_name = "ADDR", value_parser = plan::address, help_heading = "Result")]
    pub(crate) prometheus: Option<SocketAddr>,
    /// Draw no pictures, and keep no record unless --out says where
    #[arg(long, help_heading = "Result")]
    pub(crate) no_report: bool,
    /// Print nothing but errors
    #[arg(short, long, help_heading = "Result")]
    pub(crate) quiet: bool,
    /// Show no live progress (it is only shown on a terminal)
    #[arg(long, help_heading = "Result")]
    pub(crate) no_progress: bool,
}

/// What is sent, how and where to, whatever the rate.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    /// What to load; without it, the reference target
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Gaps between the intended instants
    #[arg(long, value_enum, default_value_t = Arrivals::Even, help_heading = "Load")]
    pub(crate) arrivals: Arrivals,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Load")]
    pub(crate) seed: u64,
    /// At most so many connections, opened as needed [default: 1024; 64 in a closed loop]
    #[arg(short, long, value_name = "N", value_parser = plan::count, help_heading = "Load")]
    pub(crate) connections: Option<usize>,
    /// What an experiment has in place of that
    #[arg(skip)]
    pub(crate) own_connections: Option<usize>,
    /// Requests that may wait for a connection before further ones are dropped [default: 2 x rate, at least 1000]
    #[arg(long, value_name = "N", value_parser = units::whole::<usize, 0, { u64::MAX }>, help_heading = "Load")]
    pub(crate) max_backlog: Option<usize>,
    /// Time to the whole answer, from the intended instant
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = units::positive_duration, help_heading = "Load")]
    pub(crate) timeout: Duration,

    /// Method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET", help_heading = "Request")]
    pub(crate) method: Method,
    /// Header field; repeatable
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = request::header, help_heading = "Request")]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Body
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file", help_heading = "Request")]
    pub(crate) body: Option<String>,
    /// Body from a file
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    pub(crate) body_file: Option<PathBuf>,
    /// What users do, from a TOML file: weighted interactions of one or more requests, fed with data
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "body", "body_file"], help_heading = "Request")]
    pub(crate) scenario: Option<PathBuf>,
    /// A scenario of the program's own, in place of a file
    #[arg(skip)]
    pub(crate) own_scenario: Option<&'static str>,
    /// Credentials of HTTP basic authentication
    #[arg(long, value_name = "USER:PASSWORD", value_parser = request::basic_auth, help_heading = "Request")]
    pub(crate) basic_auth: Option<(HeaderName, HeaderValue)>,
    /// Status codes that count as ok: codes and ranges
    #[arg(long, value_name = "LIST", default_value = "200-399", value_parser = plan::statuses, help_heading = "Request")]
    pub(crate) expect_status: plan::Statuses,

    /// How requests are sent [default: raw for http://, hyper for https:// and --http2]
    #[arg(long, value_enum, help_heading = "Connection")]
    pub(crate) transport: Option<Transport>,
    /// HTTP/2 and nothing else; without it, hyper speaks HTTP/1.1
    #[arg(long, help_heading = "Connection")]
    pub(crate) http2: bool,
    /// Requests at once on an HTTP/2 connection [default: 100]
    #[arg(long, value_name = "N", value_parser = plan::streams, help_heading = "Connection")]
    pub(crate) streams: Option<usize>,
    /// Close a connection after so many requests
    #[arg(long, value_name = "N", value_parser = units::whole::<u64, 1, { u64::MAX }>, conflicts_with = "no_keepalive", help_heading = "Connection")]
    pub(crate) max_requests_per_connection: Option<u64>,
    /// Open a connection for every request
    #[arg(long, help_heading = "Connection")]
    pub(crate) no_keepalive: bool,
    /// Local address to connect from; repeatable, used in turn
    #[arg(long = "source-ip", value_name = "IP", help_heading = "Connection")]
    pub(crate) source_ips: Vec<IpAddr>,
    /// Redirects that reqwest follows in one request [default: 10]
    #[arg(long, value_name = "N", value_parser = units::whole::<usize, 0, { u64::MAX }>, help_heading = "Connection")]
    pub(crate) max_redirects: Option<usize>,
    /// Proxy that reqwest goes through
    #[arg(long, value_name = "URL", value_parser = settings::proxy, help_heading = "Connection")]
    pub(crate) proxy: Option<Uri>,
    /// Certificates to trust instead of the system's (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = "Connection")]
    pub(crate) cacert: Option<PathBuf>,
    /// The client's own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Connection")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of the client's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "Connection")]
    pub(crate) key: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, help_heading = "Connection")]
    pub(crate) insecure: bool,
    /// Name server that resolves the URL's host
    #[arg(long, value_name = "IP:PORT", value_parser = plan::address, help_heading = "Connection")]
    pub(crate) resolver: Option<SocketAddr>,
    /// Connect to ADDR:PORT for HOST:PORT
    #[arg(long, value_name = "HOST:PORT:ADDR:PORT", value_parser = plan::connect_to, help_heading = "Connection")]
    pub(crate) connect_to: Vec<plan::ConnectTo>,
    /// Connect to this unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["resolver", "connect_to"], help_heading = "Connection")]
    pub(crate) unix_socket: Option<PathBuf>,

    /// Sending threads [default: one for each CPU of the generator's]
    #[arg(long, value_name = "N", value_parser = plan::threads, help_heading = "Generator")]
    pub(crate) threads: Option<usize>,
    /// CPUs that the generator is pinned to, such as 1,3 [default: those that the target does not have]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus, help_heading = "Generator")]
    pub(crate) cpus: Option<Cpus>,

    /// Prometheus endpoint to sample during the run, of which #LABEL=VALUE behind the URL selects samples; repeatable [default: the reference target's]
    #[arg(long, value_name = "NAME=URL", value_parser = plan::observe, help_heading = "Result")]
    pub(crate) observe: Vec<plan::Observe>,

    /// The reference target's proxy [default: builtin]
    #[arg(long, value_enum, conflicts_with = "url", help_heading = "Reference target")]
    pub(crate) target_proxy: Option<TargetProxy>,
}

impl LoadArgs {
    /// Requests after which a connection is closed.
    pub(crate) fn requests_per_connection(&self) -> Option<u64> {
        if self.no_keepalive { Some(1) } else { self.max_requests_per_connection }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_syntax_is_sound() {
        Cli::command().debug_assert();
    }
}
