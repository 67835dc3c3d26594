//! What the user asked for, whole and valid. Given the command line, it gives a plan of which every part has been
//! checked, or one line that says what is wrong; all errors of use end here. It opens no connection.

mod read;

use crate::cli::{self, LoadArgs, RunArgs, TargetProxy};
use crate::client::Settings;
use crate::failure::{Failure, Outcome};
use crate::interval::Window;
use crate::limits::{self, Cpus};
use crate::request::Template;
use crate::scenario::{Scenario, SessionArrivals};
use crate::schedule::{Arrivals, Step};
use crate::shard::{self, Share};
use crate::units::Rate;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Uri};
use jiff::Timestamp;
pub(crate) use read::{address, connect_to, count, observe, stages, statuses, streams, threads};
use reports::analyse::threshold::Threshold;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A run, ready to be carried out.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What to load; `None`: the reference target.
    pub(crate) url: Option<Uri>,
    /// Its parts in time, warm-up included.
    pub(crate) steps: Vec<Step>,
    /// Whether a rate was asked for.
    pub(crate) open: bool,
    /// The gaps between intended instants.
    pub(crate) arrivals: Arrivals,
    /// Everything random comes from it.
    pub(crate) seed: u64,
    /// Which part of it all is sent from here, where that was said; see [`Plan::share`].
    pub(crate) shard: Option<Share>,
    /// When it begins, if that was agreed on.
    pub(crate) start_at: Option<Timestamp>,
    /// At most so many connections.
    pub(crate) connections: usize,
    /// At most so many requests wait for a connection.
    pub(crate) backlog: usize,
    /// From the intended instant.
    pub(crate) timeout: Duration,
    /// What all requests have in common.
    pub(crate) template: Template,
    /// What users do, in place of one request.
    pub(crate) scenario: Option<Arc<Scenario>>,
    /// Which status codes are expected, by code.
    pub(crate) expected: Arc<[bool; 1000]>,
    /// Where to connect.
    pub(crate) route: Route,
    /// Requests after which a connection is closed.
    pub(crate) max_requests_per_connection: Option<u64>,
    /// Local addresses to connect from, in turn.
    pub(crate) source_ips: Vec<IpAddr>,
    /// The client library that sends; `None`: the raw transport.
    pub(crate) client: Option<Arc<Settings>>,
    /// The sending threads, if it was said how many.
    pub(crate) threads: Option<usize>,
    /// The generator's CPUs, if it was said which.
    pub(crate) cpus: Option<Vec<usize>>,
    /// What decides whether the run passes.
    pub(crate) thresholds: Vec<Threshold>,
    /// What is read off the run is no finer than this; `None`: its percentiles are.
    pub(crate) resolution: Option<Duration>,
    /// Endpoints to sample.
    pub(crate) observe: Vec<Observe>,
    /// The reference target's proxy, if it was said which.
    pub(crate) target_proxy: Option<TargetProxy>,
}

/// How the URL's host becomes an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    /// A name server to ask.
    pub(crate) resolver: Option<SocketAddr>,
    /// Addresses that stand for names.
    pub(crate) connect_to: Vec<ConnectTo>,
    /// A unix socket instead.
    pub(crate) unix_socket: Option<PathBuf>,
}

/// `--stages`, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stages(Vec<(Duration, Rate, Rate)>);

/// `--expect-status`, read.
#[derive(Clone, Debug)]
pub(crate) struct Statuses(Arc<[bool; 1000]>);

impl Statuses {
    /// Whether this one is among them.
    pub(crate) fn have(&self, status: u16) -> bool {
        self.0.get(usize::from(status)).copied().unwrap_or(false)
    }
}

/// `--connect-to`, read: connections to the host and port go to the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectTo {
    /// The host of the URL.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// Where to go instead.
    pub(crate) address: SocketAddr,
}

/// `--observe`, read: a tier's name and its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observe {
    /// The tier.
    pub(crate) name: String,
    /// The URL of its Prometheus endpoint.
    pub(crate) url: String,
}

impl Plan {
    /// Checks what the options of one load mean together.
    ///
    /// # Errors
    /// Wrong use, in one line.
    pub(crate) fn new(args: RunArgs) -> Outcome<Self> {
        let steps = steps(&args);
        if args.load.arrivals != Arrivals::Even && steps.iter().all(|step| step.from.max(step.to).micro == 0)
        {
            return Err(Failure::usage(
                "--arrivals: in a closed loop requests leave when answers come; give --rps or --stages",
            ));
        }
        let of = args.shard.unwrap_or(Share::WHOLE).of;
        if of > 1 && args.load.url.is_none() {
            return Err(Failure::usage("--shard: machines that share a load need one target: give its URL"));
        }
        if of > 1 && !args.thresholds.is_empty() {
            return Err(Failure::usage(
                "--threshold: a shard is judged with all others: give it to loadgen merge",
            ));
        }
        args.start_at.map_or(Ok(()), |at| shard::until(at).map(drop))?;
        let (thresholds, shard, start_at) = (args.thresholds, args.shard, args.start_at);
        Ok(Self { thresholds, shard, start_at, ..Self::of(args.load, steps)? })
    }

    /// The same load at a constant rate for so long, and for `warmup` before that; without a rate, in a closed loop.
    pub(crate) fn at(
        load: &LoadArgs,
        rate: Option<Rate>,
        warmup: Duration,
        length: Duration,
    ) -> Outcome<Self> {
        let rate = rate.unwrap_or(Rate { micro: 0 });
        let step = |length, counted| Step { length, from: rate, to: rate, counted };
        let steps =
            [step(warmup, false), step(length, true)].into_iter().filter(|step| !step.length.is_zero());
        Self::of(load.clone(), steps.collect())
    }

    fn of(args: LoadArgs, steps: Vec<Step>) -> Outcome<Self> {
        let url = args.url.as_deref().map(url).transpose()?;
        if url.is_none()
            && (args.unix_socket.is_some() || !args.connect_to.is_empty() || args.resolver.is_some())
        {
            return Err(Failure::usage("--resolver, --connect-to and --unix-socket need a URL"));
        }
        let peak = steps.iter().map(|step| step.from.max(step.to).rps()).fold(0.0, f64::max);
        let open = peak > 0.0;
        if args.headers.iter().filter(|(name, _)| name == http::header::HOST).count() > 1 {
            return Err(Failure::usage("--header: a request has one Host"));
        }
        let scenario = match args.own_scenario {
            Some(text) => Some(Scenario::own(text)?),
            None => args.scenario.as_deref().map(Scenario::load).transpose()?,
        };
        if scenario.is_some() && url.as_ref().and_then(Uri::path_and_query).is_some_and(|path| path != "/") {
            return Err(Failure::usage("--scenario: its file has the paths; the URL gives only the host"));
        }
        let users = match scenario.as_ref().map(|scenario| scenario.arrivals) {
            Some(SessionArrivals::Closed { users }) => usize::try_from(users).ok(),
            _ => None,
        };
        // Of an experiment, that gives nobody the option.
        let fixed = args.own_connections.is_some() || args.own_scenario.is_some();
        let connections = args.own_connections.or(args.connections).or(users);
        let connections = connections.unwrap_or(if open { 1024 } else { 64 });
        let scenario = scenario.map(|scenario| looped(scenario, open, connections)).transpose()?;
        let client = Settings::of(&args, url.as_ref())?.map(Arc::new);
        let max_requests_per_connection = args.requests_per_connection();
        let mut template =
            Template {
                method: args.method,
                headers: args.basic_auth.into_iter().chain(args.headers).collect(),
                body: match args.body_file {
                    None => args.body.map(Bytes::from),
                    Some(file) => Some(Bytes::from(std::fs::read(&file).map_err(|e| {
                        Failure::usage(format!("cannot read the body {}: {e}", file.display()))
                    })?)),
                },
            };
        // RFC 9112, section 9.6: who does not want to keep a connection says so.
        if args.no_keepalive && !template.headers.iter().any(|(name, _)| name == CONNECTION) {
            template.headers.push((CONNECTION, HeaderValue::from_static("close")));
        }
        limits::check_own_addresses(&args.source_ips)?;
        args.cpus.as_ref().map_or(Ok(()), |Cpus(cpus)| limits::check_cpus(cpus))?;
        let plan = Self {
            url,
            steps,
            open,
            arrivals: args.arrivals,
            seed: args.seed,
            shard: None,
            start_at: None,
            connections,
            backlog: args.max_backlog.unwrap_or(((2.0 * peak) as usize).max(1000).max(users.unwrap_or(0))),
            timeout: args.timeout,
            template,
            scenario: scenario.map(Arc::new),
            expected: args.expect_status.0,
            route: Route {
                resolver: args.resolver,
                connect_to: args.connect_to,
                unix_socket: args.unix_socket,
            },
            max_requests_per_connection,
            source_ips: args.source_ips,
            client,
            threads: args.threads,
            cpus: args.cpus.map(|cpus| cpus.0),
            thresholds: Vec::new(),
            resolution: None,
            observe: args.observe,
            target_proxy: args.target_proxy,
        };
        plan.check_descriptors(fixed)?;
        Ok(plan)
    }

    /// How many users there are, where a scenario has them stay.
    pub(crate) fn users(&self) -> Option<u64> {
        match self.scenario.as_ref()?.arrivals {
            SessionArrivals::Closed { users } => Some(users),
            SessionArrivals::Open | SessionArrivals::PartlyOpen { .. } => None,
        }
    }

    /// The plan of arrivals: of requests, or of sessions, which have several each.
    pub(crate) fn arrival_steps(&self) -> Vec<Step> {
        let each = self.scenario.as_ref().map_or(1.0, |scenario| scenario.mean_steps());
        let of = |rate: Rate| Rate { micro: (rate.micro as f64 / each).round() as u64 };
        self.steps.iter().map(|step| Step { from: of(step.from), to: of(step.to), ..*step }).collect()
    }

    /// The length of the warm-up.
    pub(crate) fn warmup(&self) -> Duration {
        self.steps.iter().filter(|step| !step.counted).map(|step| step.length).sum()
    }

    /// The length of the measured part.
    pub(crate) fn measured(&self) -> Duration {
        self.steps.iter().filter(|step| step.counted).map(|step| step.length).sum()
    }

    /// The part of it all that is sent from here.
    pub(crate) fn share(&self) -> Share {
        self.shard.unwrap_or(Share::WHOLE)
    }

    /// The measured part in nanoseconds after the start.
    pub(crate) fn window(&self) -> Window {
        let origin = ns(self.warmup());
        Window::new(origin, origin + ns(self.measured()))
    }

    /// Every connection is a descriptor, and the rest of the process wants a few. `fixed`: nobody can ask for fewer.
    fn check_descriptors(&self, fixed: bool) -> Outcome {
        const OTHERS: u64 = 64;
        let needed = self.connections as u64 + OTHERS;
        let limit = limits::raise_descriptors(needed);
        if limit < needed {
            let fewer = limit.saturating_sub(OTHERS).max(1);
            let lower = if fixed { String::new() } else { format!("lower --connections to {fewer}, or ") };
            return Err(Failure::usage(format!(
                "{} connections need {needed} file descriptors, and the hard limit is {limit}: {lower}raise it (ulimit -Hn)",
                self.connections,
            )));
        }
        Ok(())
    }
}

/// A time of a plan in nanoseconds: a few hundred years fit.
pub(crate) fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How sessions begin and whether there is a rate have to agree. Without a rate, sessions that would arrive openly are as
/// many at a time as there are connections.
fn looped(mut scenario: Scenario, open: bool, connections: usize) -> Outcome<Scenario> {
    match scenario.arrivals {
        SessionArrivals::Closed { .. } if open => {
            return Err(Failure::usage(
                "--scenario: with arrivals = \"closed\" users come at their own pace; leave out --rps and --stages",
            ));
        }
        SessionArrivals::PartlyOpen { .. } if !open => {
            return Err(Failure::usage(
                "--scenario: with arrivals = \"partly-open\" users arrive at a rate; give --rps or --stages",
            ));
        }
        SessionArrivals::Open if !open => {
            scenario.arrivals = SessionArrivals::Closed { users: connections as u64 };
        }
        _ => {}
    }
    Ok(scenario)
}

/// The parts of the run in time. A closed loop has steps with the rate zero.
fn steps(args: &RunArgs) -> Vec<Step> {
    let none = Rate { micro: 0 };
    let rate = args.rps.unwrap_or(none);
    let stages =
        args.stages.as_ref().map_or_else(|| vec![(args.duration, rate, rate)], |stages| stages.0.clone());
    let first = stages.first().map_or(none, |&(_, from, to)| if from == none { to } else { from });
    let warmup = Step { length: args.warmup, from: first, to: first, counted: false };
    std::iter::once(warmup)
        .filter(|step| !step.length.is_zero())
        .chain(stages.into_iter().map(|(length, from, to)| Step { length, from, to, counted: true }))
        .collect()
}

/// Reads the URL to load.
///
/// # Errors
/// Wrong use: it is none, or not one of HTTP.
pub(crate) fn url(text: &str) -> Outcome<Uri> {
    let wrong = |why: &str| Failure::usage(format!("`{text}` is no URL that can be loaded: {why}"));
    let hint = || wrong("write it as http://host:port/path (or one of the subcommands, see loadgen --help)");
    if let Some(said) = cli::no_subcommand(text) {
        return Err(Failure::usage(format!("{said} (see loadgen --help)")));
    }
    let uri = text.parse::<Uri>().map_err(|_| hint())?;
    let authority = uri.authority().ok_or_else(hint)?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(hint()),
    }
    if authority.as_str().contains('@') {
        return Err(wrong("give the credentials with --basic-auth"));
    }
    // http's parser leaves a port that is none in the authority's text.
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if authority.host().is_empty() || !(port.is_empty() || authority.port_u16().is_some_and(|port| port > 0))
    {
        return Err(wrong("its port has to be from 1 to 65535"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests;
