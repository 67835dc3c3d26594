//! One run, from a plan and an aim to its record. It starts the sending threads, merges what they hand over into the
//! interval log and the live view, stops them when it is asked to, and judges the result. It sends nothing itself.

use crate::aggregate::Aggregate;
use crate::failure::{Failure, Outcome};
use crate::limits::{self, HostTicks};
use crate::observe::Observer;
use crate::pace::{self, Clock};
use crate::plan::{Observe, Plan};
use crate::progress::Progress;
use crate::record::{self, Facts};
use crate::recorder::{Interval, Recorder, Spares, Tally};
use crate::request::Requests;
use crate::schedule::Schedule;
use crate::transport::raw::{self, Address};
use crate::worker::{self, Common, Job, Source};
use http::Uri;
use reports::log::IntervalLog;
use reports::record::{Run, TargetKind};
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

/// The first intended instant is this long after all threads are ready.
const LEAD: Duration = Duration::from_millis(5);
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

/// The sending threads of a run, and what comes from them.
struct Crew {
    threads: Vec<JoinHandle<io::Result<Tally>>>,
    past: UnboundedReceiver<Interval>,
    common: Arc<Common>,
    clock: Clock,
    spares: Spares,
}

/// What happened to the run as a whole.
struct Course {
    partial_ns: Option<u64>,
    process_cpu: Duration,
    ticks: HostTicks,
    log_error: Option<io::Error>,
}

/// Makes sure that the target is there: at one of its addresses, if it has several.
///
/// # Errors
/// The target's fault: nothing accepts a connection.
pub(crate) async fn reach(aim: &Aim) -> Outcome {
    let mut why = String::new();
    for turn in 0..aim.address.count() {
        match pace::within(REACH_LIMIT, raw::connect(&aim.address, turn)).await {
            Some(Ok(_)) => return Ok(()),
            Some(Err(e)) => why = e.to_string(),
            None => why = format!("no connection within {REACH_LIMIT:?}"),
        }
    }
    let address = match &aim.address {
        Address::Tcp(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Address::Unix(path) => path.display().to_string(),
    };
    Err(Failure::target(format!("cannot reach {} at {address}: {why}", aim.url)))
}

/// Carries out the plan; must be called within a `LocalSet`. The interval log goes to `log` as the run goes on.
///
/// # Errors
/// The host's fault: threads that cannot be started.
pub(crate) async fn carry_out(
    plan: &Plan,
    aim: &Aim,
    log: Option<File>,
    visible: bool,
    command: Vec<String>,
    begun: Instant,
) -> Outcome<Run> {
    let interval = interval(plan.measured());
    let observer = Observer::start(aim.observe.clone());
    let mut crew = Crew::start(plan, aim, interval)?;
    let started_at = pace::wall_clock() + LEAD + plan.warmup();
    let mut progress =
        Progress::new(visible, plan.warmup().as_secs_f64(), plan.measured().as_secs_f64(), interval);
    let mut aggregate = Aggregate::new(aim.threads, interval.as_secs_f64());
    let course = crew.watch(plan, aim, log, started_at, &observer, &mut aggregate, &mut progress).await;
    progress.finish();
    let tally = crew.join()?;
    let died = match tally.silent_since {
        Some(since) if reach(aim).await.is_err() => Some(since),
        _ => None,
    };
    let measured = plan.measured().as_secs_f64();
    let (totals, timeline) = aggregate.finish((measured / interval.as_secs_f64()).ceil() as usize);
    let facts = Facts {
        started_at,
        startup: crew.clock.instant(0).saturating_duration_since(begun),
        partial_ns: course.partial_ns,
        process_cpu: course.process_cpu,
        steal_share: HostTicks::of(&aim.cpus).stolen_since(&course.ticks),
        connections_max: crew.common.most_open.load(Ordering::Relaxed),
        died_ns: died,
        log_error: course.log_error.map(|e| e.to_string()),
        observed: observer.finish(),
        command,
    };
    Ok(record::of(plan, aim, facts, tally, &totals, timeline))
}

/// The length of the record's intervals: fine enough to see what happens, and never more than 600 of them.
fn interval(measured: Duration) -> Duration {
    const LENGTHS_MS: [u64; 9] = [200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 600_000];
    let fits = |ms: &&u64| measured <= Duration::from_millis(**ms) * 600;
    Duration::from_millis(*LENGTHS_MS.iter().find(fits).unwrap_or(&3_600_000))
}

impl Crew {
    /// Starts the threads; all of them begin at the same instant, a moment from now.
    fn start(plan: &Plan, aim: &Aim, interval: Duration) -> Outcome<Self> {
        let (sender, past) = tokio::sync::mpsc::unbounded_channel();
        let common = Arc::new(Common::default());
        let spares = Spares::default();
        let ready = Arc::new(Barrier::new(aim.threads + 1));
        let (starts, threads): (Vec<mpsc::Sender<Clock>>, Vec<_>) = (0..aim.threads)
            .map(|n| {
                let (start, started) = mpsc::channel();
                let job = job(plan, aim, n);
                let cpu = aim.cpus.get(n % aim.cpus.len().max(1)).copied();
                let (counted, origin) = (plan.steps.iter().map(|s| s.counted).collect(), ns(plan.warmup()));
                let (end, length) = (origin + ns(plan.measured()), ns(interval));
                let (common, sender, ready) = (Arc::clone(&common), sender.clone(), Arc::clone(&ready));
                let spares = spares.clone();
                let body = move || {
                    let pinned = cpu.map_or(Ok(()), |cpu| limits::pin(&[cpu]));
                    let recorder = Recorder::new(counted, origin, end, length, spares);
                    ready.wait();
                    pinned.map_err(|e| io::Error::other(e.message))?;
                    let clock = started.recv().map_err(io::Error::other)?;
                    worker::run(job, recorder, clock, common, sender)
                };
                std::thread::Builder::new()
                    .name(format!("send-{n}"))
                    .spawn(body)
                    .map(|thread| (start, thread))
            })
            .collect::<io::Result<Vec<_>>>()
            .map_err(|e| Failure::host(format!("cannot start {} threads: {e}", aim.threads)))?
            .into_iter()
            .unzip();
        ready.wait();
        let clock = Clock::starting_at(pace::now() + LEAD);
        // A thread that could not be pinned has hung up; it says so when it is joined.
        starts.iter().for_each(|start| start.send(clock).unwrap_or_default());
        Ok(Self { threads, past, common, clock, spares })
    }

    /// Merges what the threads hand over until all of them have ended.
    #[expect(clippy::too_many_arguments, reason = "the parts of one run, each used once, here")]
    async fn watch(
        &mut self,
        plan: &Plan,
        aim: &Aim,
        log: Option<File>,
        started_at: Duration,
        observer: &Observer,
        aggregate: &mut Aggregate,
        progress: &mut Progress,
    ) -> Course {
        let mut log = log.map(|file| IntervalLog::create(file, started_at.as_secs_f64()));
        let origin = self.clock.instant(ns(plan.warmup()));
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let mut course = Course {
            partial_ns: None,
            process_cpu: pace::process_cpu(),
            ticks: HostTicks::of(&aim.cpus),
            log_error: None,
        };
        let mut begun = false;
        let length_s = interval(plan.measured()).as_secs_f64();
        loop {
            tokio::select! {
                interval = self.past.recv() => {
                    let Some(interval) = interval else { break };
                    for interval in aggregate.add(interval, &self.spares) {
                        keep(&mut log, &interval, length_s, &mut course.log_error);
                        progress.show(&interval);
                        self.spares.give(interval.times);
                    }
                }
                () = until(origin), if !begun => {
                    begun = true;
                    course.process_cpu = pace::process_cpu();
                    course.ticks = HostTicks::of(&aim.cpus);
                    observer.begin();
                }
                () = asked(&mut interrupt), if course.partial_ns.is_none() => self.stop(&mut course),
                () = asked(&mut terminate), if course.partial_ns.is_none() => self.stop(&mut course),
            }
        }
        course.process_cpu = pace::process_cpu().saturating_sub(course.process_cpu);
        aggregate
            .rest()
            .iter()
            .for_each(|interval| keep(&mut log, interval, length_s, &mut course.log_error));
        course
    }

    /// Ends the run early: the threads notice within a tenth of a second.
    fn stop(&self, course: &mut Course) {
        course.partial_ns = Some(self.clock.ns());
        self.common.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the threads, which have all said that they are done.
    fn join(&mut self) -> Outcome<Tally> {
        let mut all = Tally::default();
        for thread in self.threads.drain(..) {
            let tally =
                thread.join().map_err(|_| Failure::host("a sending thread failed: its results are lost"))?;
            all.merge(&tally.map_err(|e| Failure::host(format!("a sending thread could not run: {e}")))?);
        }
        Ok(all)
    }
}

/// Writes a measured interval to the log. The first failure ends the log, not the run.
fn keep(
    log: &mut Option<io::Result<IntervalLog<File>>>,
    interval: &Interval,
    length_s: f64,
    error: &mut Option<io::Error>,
) {
    if interval.number < 0 {
        return;
    }
    let written = match log.take() {
        None => return,
        Some(Err(e)) => Err(e),
        Some(Ok(mut open)) => {
            let start_s = interval.number as f64 * length_s;
            open.append(start_s, length_s, &interval.times).map(|()| open)
        }
    };
    match written {
        Ok(open) => *log = Some(Ok(open)),
        Err(e) => *error = Some(e),
    }
}

async fn until(instant: Instant) {
    pace::pause(instant.saturating_duration_since(pace::now())).await;
}

async fn asked(signal: &mut io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// The job of the `n`-th thread: its share of the schedule, of the connections and of the backlog.
fn job(plan: &Plan, aim: &Aim, n: usize) -> Job {
    let of = aim.threads;
    let share = |whole: usize| whole / of + usize::from(n < whole % of);
    let ends = plan.steps.iter().scan(0, |end, step| {
        *end += ns(step.length);
        Some(*end)
    });
    Job {
        share: (n, of),
        source: if plan.open {
            Source::Open(Schedule::new(&plan.steps, plan.arrivals, plan.seed, n, of))
        } else {
            Source::Closed(ends.collect())
        },
        end_ns: ns(plan.warmup()) + ns(plan.measured()),
        requests: Arc::clone(&aim.requests),
        address: aim.address.clone(),
        connections: share(plan.connections),
        backlog: share(plan.backlog),
        timeout_ns: ns(plan.timeout),
        expected: Arc::clone(&plan.expected),
    }
}

/// A time of the plan in nanoseconds; the plan's times are below 30 days each.
fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_fine_and_few() {
        for (measured, want) in [(1, 200), (10, 200), (120, 200), (121, 500), (600, 1_000), (3600, 10_000)] {
            assert_eq!(interval(Duration::from_secs(measured)), Duration::from_millis(want), "{measured} s");
        }
        assert!(interval(Duration::from_secs(30 * 24 * 3600)) >= Duration::from_secs(3600));
    }
}
