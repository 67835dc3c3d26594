//! One run, from a plan and an aim to its record. It has the crew send, merges what the threads hand over into the
//! interval log and the live view, stops them when it is asked to, and has the result judged. It sends nothing itself.

use crate::aggregate::Aggregate;
use crate::client;
use crate::crew::Crew;
use crate::entries::Entries;
use crate::exporter::Exporter;
use crate::failure::{Failure, Outcome};
use crate::interval::{Interval, Window};
use crate::limits::{self, HostTicks};
use crate::network::Counters;
use crate::observe::{self, Observer};
use crate::pace;
use crate::plan::{Observe, Plan};
use crate::progress::Progress;
use crate::record::{self, Facts};
use crate::shard;
use crate::signals::Signals;
use crate::transport::address::Address;
use crate::transport::reach;
use crate::work::What;
use http::Uri;
use reports::analyse::verdict::Network;
use reports::log::{IntervalLog, tag_of_interaction};
use reports::record::{Run, TargetKind, Wire};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

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
    pub(crate) load: What,
    /// Endpoints to sample.
    pub(crate) observe: Vec<Observe>,
    /// The CPUs of the target, where they are known.
    pub(crate) target_cpus: Vec<usize>,
    /// What of the target is emulated, in words.
    pub(crate) emulated: Vec<String>,
    /// The versions of what the target uses, where it says so.
    pub(crate) versions: BTreeMap<String, String>,
    /// The CPUs of the sending threads.
    pub(crate) cpus: Vec<usize>,
    /// How many sending threads.
    pub(crate) threads: usize,
    /// Threads of this process that are not the generator's: their CPU time is not counted as its own.
    pub(crate) not_ours: Vec<i32>,
}

impl Aim {
    /// Whether the target is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.address)
    }
}

/// Whether an address is one of this machine.
pub(crate) fn is_local(address: &Address) -> bool {
    match address {
        Address::Tcp(names) => names.addresses().iter().all(|address| address.ip().is_loopback()),
        Address::Unix(_) => true,
    }
}

/// Who watches a load and says when it has been long enough.
pub(crate) trait Referee {
    /// One interval has passed, of all threads, the warm-up's before the others. Whether the load is to end: nothing more comes due
    /// then, but what is under way is waited for.
    fn see(&mut self, interval: &Interval) -> bool;
}

/// A file for the interval log.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Written from its end on.
    pub(crate) file: File,
    /// When the log that is in it begins, since 1970; `None`: there is none yet, and it begins with the measured part.
    pub(crate) begun: Option<Duration>,
}

/// How a run is to be shown and kept.
pub(crate) struct Manner<'a> {
    /// Where the interval log goes.
    pub(crate) log: Option<LogFile>,
    /// May end it early.
    pub(crate) referee: Option<&'a mut dyn Referee>,
    /// How requests go out.
    pub(crate) wire: Wire,
    /// Whether somebody watches.
    pub(crate) visible: bool,
    /// Where its metrics are served.
    pub(crate) exporter: Option<Exporter>,
    /// The command line.
    pub(crate) command: Vec<String>,
    /// When the program was started.
    pub(crate) begun: Instant,
    /// When it is cut short at the latest, whatever is under way.
    pub(crate) deadline: Option<Instant>,
}

/// Makes sure that the target is there.
///
/// # Errors
/// The target's fault: nothing accepts a connection, or not one of the kind that was asked for.
pub(crate) async fn reach(plan: &Plan, aim: &Aim) -> Outcome<Wire> {
    let reached = match &plan.client {
        Some(client) => client::reach(client, &aim.address).await,
        None => reach::reach(&aim.address).await.map(|()| Wire::default()).map_err(|e| e.to_string()),
    };
    reached.map_err(|why| {
        Failure::target(format!("cannot reach {} at {}: {why}", aim.url, aim.address.describe()))
    })
}

/// Carries out the plan; must be called within a `LocalSet`.
///
/// # Errors
/// The host's fault: threads that cannot be started.
pub(crate) async fn carry_out(
    plan: &Plan,
    aim: &Aim,
    signals: &mut Signals,
    manner: Manner<'_>,
) -> Outcome<Run> {
    let window = plan.window();
    let cpus = observe::Cpus { target: aim.target_cpus.clone(), generator: aim.cpus.clone() };
    let observer = Observer::start(aim.observe.clone(), cpus);
    let begin = match plan.start_at {
        Some(at) => match shard::wait(at, signals).await? {
            Some(begin) => Some(begin),
            None => return Err(Failure::host("stopped before the load had begun")),
        },
        None => None,
    };
    let mut crew = Crew::start(plan, aim, begin)?;
    let began_at = pace::wall_clock() + crew.clock.instant(0).saturating_duration_since(pace::now());
    let started_at = began_at + plan.warmup();
    let mut watch = Watch {
        meter: Meter::new(aim, observer),
        aggregate: Aggregate::new(aim.threads, window.length_s()),
        progress: Progress::new(manner.visible, window),
        exporter: manner.exporter,
        log: Log::open(manner.log, started_at, window),
        referee: manner.referee,
        deadline: manner.deadline,
        cut_ns: None,
        partial_ns: None,
    };
    tokio::select! {
        () = watch.until_all_have_ended(&mut crew, plan, signals) => {}
        () = aim.address.keep_fresh() => {}
    }
    watch.progress.finish();
    let tally = crew.join()?;
    watch.log.keep_interactions(&tally.entries, plan.measured());
    let died = match tally.silent_since {
        Some(since) if reach::refuses(&aim.address).await => Some(tally.last_answer.unwrap_or(0).max(since)),
        _ => None,
    };
    let window = Window { end: watch.cut_ns.unwrap_or(window.end), ..window };
    let whole = watch.aggregate.finish(window.intervals());
    let facts = Facts {
        began_at,
        started_at,
        startup: crew.clock.instant(0).saturating_duration_since(manner.begun),
        partial_ns: watch.partial_ns,
        cut_ns: watch.cut_ns,
        process_cpu: watch.meter.process_cpu,
        steal_share: watch.meter.steal_share,
        network: watch.meter.network,
        connections_max: crew.most_open(),
        died_ns: died,
        dns: aim.address.dns(),
        log_error: watch.log.error.map(|e| e.to_string()),
        observed: watch.meter.observer.finish().await,
        command: manner.command,
        receive_clock: tally.receive_clock(),
        wire: manner.wire,
    };
    Ok(record::of(plan, aim, facts, tally, whole))
}

/// What is done with a run's intervals while it goes on.
struct Watch<'a, 'm> {
    meter: Meter<'a>,
    aggregate: Aggregate,
    progress: Progress,
    exporter: Option<Exporter>,
    log: Log,
    referee: Option<&'m mut dyn Referee>,
    deadline: Option<Instant>,
    /// When the referee had seen enough.
    cut_ns: Option<u64>,
    /// When it was cut short.
    partial_ns: Option<u64>,
}

impl Watch<'_, '_> {
    async fn until_all_have_ended(&mut self, crew: &mut Crew, plan: &Plan, signals: &mut Signals) {
        let window = plan.window();
        let (origin, mut end) = (crew.clock.instant(window.origin), crew.clock.instant(window.end));
        loop {
            tokio::select! {
                interval = crew.past.recv() => {
                    let Some(interval) = interval else { break };
                    for interval in self.aggregate.add(interval, &crew.spares) {
                        self.log.keep(&interval);
                        self.progress.show(&interval);
                        self.exporter.iter().for_each(|exporter| exporter.show(&interval));
                        if self.is_enough(&interval) {
                            let cut = crew.cut().min(window.end);
                            self.cut_ns = Some(cut);
                            end = crew.clock.instant(cut);
                        }
                        crew.spares.give(interval.times);
                    }
                }
                () = until(origin), if self.meter.stage == Stage::Before => {
                    self.meter.begin(origin, plan.measured());
                }
                () = until(end), if self.meter.stage == Stage::During => self.meter.end(),
                () = signals.asked(), if self.partial_ns.is_none() => self.stop(crew),
                () = until(self.deadline.unwrap_or(end)), if self.deadline.is_some() && self.partial_ns.is_none() => {
                    self.stop(crew);
                }
            }
        }
        if self.meter.stage == Stage::During {
            self.meter.end();
        }
        self.aggregate.rest().iter().for_each(|interval| self.log.keep(interval));
    }
}

impl Watch<'_, '_> {
    fn stop(&mut self, crew: &Crew) {
        self.partial_ns = Some(crew.clock.ns());
        crew.stop();
    }

    /// Whether the referee has seen enough of the load.
    fn is_enough(&mut self, interval: &Interval) -> bool {
        let in_time = self.cut_ns.is_none() && self.partial_ns.is_none();
        in_time && self.referee.as_mut().is_some_and(|referee| referee.see(interval))
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
    counters: Counters,
    network: Network,
}

impl<'a> Meter<'a> {
    fn new(aim: &'a Aim, observer: Observer) -> Self {
        Self {
            aim,
            observer,
            stage: Stage::Before,
            ticks: HostTicks::default(),
            process_cpu: Duration::ZERO,
            steal_share: 0.0,
            counters: Counters::default(),
            network: Network::default(),
        }
    }

    fn own_cpu(&self) -> Duration {
        pace::process_cpu().saturating_sub(limits::cpu_of_threads(&self.aim.not_ours))
    }

    fn begin(&mut self, origin: Instant, length: Duration) {
        self.stage = Stage::During;
        self.process_cpu = self.own_cpu();
        self.ticks = HostTicks::of(&self.aim.cpus);
        self.counters = Counters::read();
        self.observer.begin(origin, length);
    }

    fn end(&mut self) {
        self.stage = Stage::After;
        self.process_cpu = self.own_cpu().saturating_sub(self.process_cpu);
        self.steal_share = HostTicks::of(&self.aim.cpus).stolen_since(&self.ticks);
        self.network = Counters::read().since(&self.counters);
        self.observer.end();
    }
}

/// The interval log. The first failure ends it, not the run.
struct Log {
    open: Option<io::Result<IntervalLog<File>>>,
    /// When the measured part begins, in seconds after the log does.
    offset_s: f64,
    length_s: f64,
    /// Whether it is the log of this run alone.
    is_own: bool,
    error: Option<io::Error>,
}

impl Log {
    /// The log of a measured part that begins at `started_at`, since 1970.
    fn open(file: Option<LogFile>, started_at: Duration, window: Window) -> Self {
        let begun = file.as_ref().and_then(|file| file.begun);
        let offset_s = begun.map_or(0.0, |begun| started_at.saturating_sub(begun).as_secs_f64());
        let open = file.map(|LogFile { file, begun }| match begun {
            None => IntervalLog::create(file, started_at.as_secs_f64()),
            Some(_) => Ok(IntervalLog::resume(file)),
        });
        Self { open, offset_s, length_s: window.length_s(), is_own: begun.is_none(), error: None }
    }

    /// Writes the response times of each kind of request, behind all intervals, into the log of a run of its own.
    fn keep_interactions(&mut self, entries: &Entries, length: Duration) {
        let Some(Ok(open)) = self.open.as_mut().filter(|_| self.is_own) else { return };
        let written = entries.all().iter().enumerate().try_for_each(|(number, entry)| {
            open.append_one(&tag_of_interaction(number), 0.0, length.as_secs_f64(), &entry.response)
        });
        self.error = self.error.take().or(written.err());
    }

    /// Writes a measured interval.
    fn keep(&mut self, interval: &Interval) {
        if interval.number < 0 {
            return;
        }
        let written = match self.open.take() {
            None => return,
            Some(Err(e)) => Err(e),
            Some(Ok(mut open)) => {
                let start_s = self.offset_s + interval.number as f64 * self.length_s;
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
