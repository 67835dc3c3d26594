//! One run, from a plan and an aim to its record. It has the crew send, merges what the threads hand over into the
//! interval log and the live view, stops them when it is asked to, and has the result judged. It sends nothing itself.

use crate::aggregate::Aggregate;
use crate::client;
use crate::crew::{Crew, LEAD};
use crate::failure::{Failure, Outcome};
use crate::interval::Interval;
use crate::limits::HostTicks;
use crate::observe::Observer;
use crate::pace;
use crate::plan::{Observe, Plan};
use crate::progress::Progress;
use crate::record::{self, Facts};
use crate::request::Requests;
use crate::signals::Signals;
use crate::transport::raw::{self, Address};
use http::Uri;
use reports::log::IntervalLog;
use reports::record::{Run, TargetKind, Wire};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a target may take to accept the connection that shows that it is there.
const REACH_LIMIT: Duration = Duration::from_secs(5);

/// What a plan is carried out on.
#[derive(Debug)]
pub(crate) struct Aim {
    /// The URL, or what several have in common.
    pub(crate) url: Uri,
    /// Reference or given.
    pub(crate) kind: TargetKind,
    /// In words, what is being loaded.
    pub(crate) what: String,
    /// Where connections go.
    pub(crate) address: Address,
    /// What is sent.
    pub(crate) requests: Arc<Requests>,
    /// Endpoints to sample.
    pub(crate) observe: Vec<Observe>,
    /// The CPUs of the target, where they are known.
    pub(crate) target_cpus: Vec<usize>,
    /// The CPUs of the sending threads.
    pub(crate) cpus: Vec<usize>,
    /// How many sending threads.
    pub(crate) threads: usize,
}

/// How a run is to be shown and kept.
#[derive(Debug)]
pub(crate) struct Manner {
    /// Where the interval log goes.
    pub(crate) log: Option<File>,
    /// How requests go out.
    pub(crate) wire: Wire,
    /// Whether somebody watches.
    pub(crate) visible: bool,
    /// The command line.
    pub(crate) command: Vec<String>,
    /// When the program was started.
    pub(crate) begun: Instant,
}

/// Whether every address of the target refuses a connection. One that does not answer, or that this machine has no port
/// or descriptor for, refuses nothing.
async fn refuses(aim: &Aim) -> bool {
    let answer = pace::within(REACH_LIMIT, raw::connect(&aim.address, 0)).await;
    let Some(Err(e)) = answer else { return false };
    matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::NotFound)
}

/// Makes sure that the target is there.
///
/// # Errors
/// The target's fault: nothing accepts a connection, or not one of the kind that was asked for.
pub(crate) async fn reach(plan: &Plan, aim: &Aim) -> Outcome<Wire> {
    let reached = async {
        match &plan.client {
            Some(client) => client::reach(client, &aim.address).await,
            None => raw::connect(&aim.address, 0).await.map(|_| Wire::default()).map_err(|e| e.to_string()),
        }
    };
    let why = match pace::within(REACH_LIMIT, reached).await {
        Some(Ok(wire)) => return Ok(wire),
        Some(Err(why)) => why,
        None => format!("no connection within {REACH_LIMIT:?}"),
    };
    let address = match &aim.address {
        Address::Tcp(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Address::Unix(path) => path.display().to_string(),
    };
    Err(Failure::target(format!("cannot reach {} at {address}: {why}", aim.url)))
}

/// Carries out the plan; must be called within a `LocalSet`.
///
/// # Errors
/// The host's fault: threads that cannot be started.
pub(crate) async fn carry_out(plan: &Plan, aim: &Aim, signals: &mut Signals, manner: Manner) -> Outcome<Run> {
    let window = plan.window();
    let observer = Observer::start(aim.observe.clone());
    let mut crew = Crew::start(plan, aim)?;
    let started_at = pace::wall_clock() + LEAD + plan.warmup();
    let log = manner.log.map(|file| IntervalLog::create(file, started_at.as_secs_f64()));
    let mut watch = Watch {
        meter: Meter::new(aim, observer),
        aggregate: Aggregate::new(aim.threads, window.length_s()),
        progress: Progress::new(manner.visible, window),
        log: Log { open: log, length_s: window.length_s(), error: None },
        partial_ns: None,
    };
    watch.until_all_have_ended(&mut crew, plan, signals).await;
    watch.progress.finish();
    let tally = crew.join()?;
    let died = match tally.silent_since {
        Some(since) if refuses(aim).await => Some(tally.last_answer.unwrap_or(0).max(since)),
        _ => None,
    };
    let (totals, timeline) = watch.aggregate.finish(window.intervals());
    let facts = Facts {
        started_at,
        startup: crew.clock.instant(0).saturating_duration_since(manner.begun),
        partial_ns: watch.partial_ns,
        process_cpu: watch.meter.process_cpu,
        steal_share: watch.meter.steal_share,
        connections_max: crew.most_open(),
        died_ns: died,
        log_error: watch.log.error.map(|e| e.to_string()),
        observed: watch.meter.observer.finish().await,
        command: manner.command,
        wire: manner.wire,
    };
    Ok(record::of(plan, aim, facts, tally, &totals, timeline))
}

/// What is done with a run's intervals while it goes on.
struct Watch<'a> {
    meter: Meter<'a>,
    aggregate: Aggregate,
    progress: Progress,
    log: Log,
    /// When it was cut short.
    partial_ns: Option<u64>,
}

impl Watch<'_> {
    async fn until_all_have_ended(&mut self, crew: &mut Crew, plan: &Plan, signals: &mut Signals) {
        let window = plan.window();
        let (origin, end) = (crew.clock.instant(window.origin), crew.clock.instant(window.end));
        loop {
            tokio::select! {
                interval = crew.past.recv() => {
                    let Some(interval) = interval else { break };
                    for interval in self.aggregate.add(interval, &crew.spares) {
                        self.log.keep(&interval);
                        self.progress.show(&interval);
                        crew.spares.give(interval.times);
                    }
                }
                () = until(origin), if self.meter.stage == Stage::Before => self.meter.begin(),
                () = until(end), if self.meter.stage == Stage::During => self.meter.end(),
                () = signals.asked(), if self.partial_ns.is_none() => {
                    self.partial_ns = Some(crew.clock.ns());
                    crew.stop();
                }
            }
        }
        if self.meter.stage == Stage::During {
            self.meter.end();
        }
        self.aggregate.rest().iter().for_each(|interval| self.log.keep(interval));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    During,
    After,
}

/// What is measured beside the threads, over the measured part alone.
struct Meter<'a> {
    aim: &'a Aim,
    observer: Observer,
    stage: Stage,
    ticks: HostTicks,
    process_cpu: Duration,
    steal_share: f64,
}

impl<'a> Meter<'a> {
    fn new(aim: &'a Aim, observer: Observer) -> Self {
        let (ticks, process_cpu) = (HostTicks::default(), Duration::ZERO);
        Self { aim, observer, stage: Stage::Before, ticks, process_cpu, steal_share: 0.0 }
    }

    fn begin(&mut self) {
        self.stage = Stage::During;
        self.process_cpu = pace::process_cpu();
        self.ticks = HostTicks::of(&self.aim.cpus);
        self.observer.begin();
    }

    fn end(&mut self) {
        self.stage = Stage::After;
        self.process_cpu = pace::process_cpu().saturating_sub(self.process_cpu);
        self.steal_share = HostTicks::of(&self.aim.cpus).stolen_since(&self.ticks);
        self.observer.end();
    }
}

/// The interval log. The first failure ends it, not the run.
struct Log {
    open: Option<io::Result<IntervalLog<File>>>,
    length_s: f64,
    error: Option<io::Error>,
}

impl Log {
    /// Writes a measured interval.
    fn keep(&mut self, interval: &Interval) {
        if interval.number < 0 {
            return;
        }
        let written = match self.open.take() {
            None => return,
            Some(Err(e)) => Err(e),
            Some(Ok(mut open)) => {
                let start_s = interval.number as f64 * self.length_s;
                open.append(start_s, self.length_s, &interval.times).map(|()| open)
            }
        };
        match written {
            Ok(open) => self.open = Some(Ok(open)),
            Err(e) => self.error = Some(e),
        }
    }
}

async fn until(instant: Instant) {
    pace::pause(instant.saturating_duration_since(pace::now())).await;
}
