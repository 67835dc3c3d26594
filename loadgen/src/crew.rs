//! The sending threads of a run. Given a plan and an aim, it starts one worker a thread, each pinned to its CPU, all of
//! them beginning at the same instant, and gives their intervals as they pass and their tallies at the end.

use crate::client;
use crate::failure::{Failure, Outcome};
use crate::interval::{Interval, Spares};
use crate::job::{Common, Job, Source};
use crate::limits;
use crate::pace::{self, Clock};
use crate::plan::{Plan, ns};
use crate::recorder::Recorder;
use crate::run::Aim;
use crate::schedule::Schedule;
use crate::stream::Planned;
use crate::tally::Tally;
use crate::worker;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// The first intended instant is this long after all threads are ready.
pub(crate) const LEAD: Duration = Duration::from_millis(5);

/// Within this a sending thread has looked whether it is to do something else: its longest sleep, and some.
const NOTICE_NS: u64 = 125_000_000;

/// See the module.
pub(crate) struct Crew {
    threads: Vec<JoinHandle<io::Result<Tally>>>,
    common: Arc<Common>,
    /// The intervals that are past, of all threads; closed when all have ended.
    pub(crate) past: UnboundedReceiver<Interval>,
    /// Reads zero at the first intended instant.
    pub(crate) clock: Clock,
    /// Where histograms go that are no longer needed.
    pub(crate) spares: Spares,
}

/// One thread, before it runs.
struct Hand {
    job: Job,
    recorder: Recorder,
    cpu: Option<usize>,
    ready: Arc<Barrier>,
    start: mpsc::Receiver<Clock>,
    common: Arc<Common>,
    past: UnboundedSender<Interval>,
}

impl Crew {
    /// Starts the threads, which begin at `begin`, or as soon as they can.
    ///
    /// # Errors
    /// The host's fault: a thread cannot be started.
    pub(crate) fn start(plan: &Plan, aim: &Aim, begin: Option<Instant>) -> Outcome<Self> {
        let (sender, past) = tokio::sync::mpsc::unbounded_channel();
        let (common, spares) = (Arc::new(Common::default()), Spares::default());
        let ready = Arc::new(Barrier::new(aim.threads + 1));
        let counted: Vec<bool> = plan.steps.iter().map(|step| step.counted).collect();
        let mut starts = Vec::new();
        let mut threads = Vec::new();
        for n in 0..aim.threads {
            let (start, started) = mpsc::channel();
            let entries = plan.scenario.as_ref().map_or(1, |scenario| scenario.entries().len());
            let recorder = Recorder::new(counted.clone(), entries, plan.window(), spares.clone());
            let hand = Hand {
                job: job(plan, aim, n),
                recorder: if plan.open { recorder.testing(planned(plan, aim)) } else { recorder },
                cpu: aim.cpus.get(n % aim.cpus.len().max(1)).copied(),
                ready: Arc::clone(&ready),
                start: started,
                common: Arc::clone(&common),
                past: sender.clone(),
            };
            let thread = std::thread::Builder::new().name(format!("send-{n}")).spawn(|| hand.work());
            threads.push(
                thread.map_err(|e| Failure::host(format!("cannot start {} threads: {e}", aim.threads)))?,
            );
            starts.push(start);
        }
        ready.wait();
        let soonest = pace::now() + LEAD;
        let clock = Clock::starting_at(begin.map_or(soonest, |begin| begin.max(soonest)));
        // A thread that could not be pinned has hung up; it says so when it is joined.
        starts.iter().for_each(|start| start.send(clock).unwrap_or_default());
        Ok(Self { threads, common, past, clock, spares })
    }

    /// Ends the run early: the threads notice within a tenth of a second.
    pub(crate) fn stop(&self) {
        self.common.stop.store(true, Ordering::Relaxed);
    }

    /// Ends the load early, but for the answers to what was sent: gives when nothing is due any more, which is as soon as all
    /// threads can know.
    pub(crate) fn cut(&self) -> u64 {
        let at = self.clock.ns() + NOTICE_NS;
        self.common.cut(at);
        at
    }

    /// The most connections that were open at once.
    pub(crate) fn most_open(&self) -> u64 {
        self.common.most_open.load(Ordering::Relaxed)
    }

    /// Waits for the threads, which have all said that they are done.
    ///
    /// # Errors
    /// The host's fault: one of them could not do its work.
    pub(crate) fn join(&mut self) -> Outcome<Tally> {
        let mut all = Tally::default();
        for thread in self.threads.drain(..) {
            let tally =
                thread.join().map_err(|_| Failure::host("a sending thread failed: its results are lost"))?;
            all.merge(&tally.map_err(|e| Failure::host(format!("a sending thread could not run: {e}")))?);
        }
        Ok(all)
    }
}

impl Hand {
    fn work(self) -> io::Result<Tally> {
        let pinned = self.cpu.map_or(Ok(()), |cpu| limits::pin(&[cpu]));
        self.ready.wait();
        pinned.map_err(|e| io::Error::other(e.message))?;
        let clock = self.start.recv().map_err(io::Error::other)?;
        let run = if self.job.client.is_some() { client::run } else { worker::run };
        run(self.job, self.recorder, clock, self.common, self.past)
    }
}

/// What the stream of requests is to be.
fn planned(plan: &Plan, aim: &Aim) -> Planned {
    let threads = u32::try_from(aim.threads).unwrap_or(u32::MAX).saturating_mul(plan.share().of);
    Planned { arrivals: plan.arrivals, steps: plan.arrival_steps(), threads }
}

/// The job of the `n`-th thread: its share of the schedule, of the connections and of the backlog.
fn job(plan: &Plan, aim: &Aim, n: usize) -> Job {
    let of = aim.threads;
    let share = |whole: usize| whole / of + usize::from(n < whole % of);
    let ends = plan.steps.iter().scan(0, |end, step| {
        *end += ns(step.length);
        Some(*end)
    });
    let (place, places) = plan.share().of_thread(n, of);
    Job {
        share: (place, places),
        source: match plan.users() {
            Some(users) => Source::Users(users),
            None if plan.open => {
                Source::Open(Schedule::new(&plan.arrival_steps(), plan.arrivals, plan.seed, place, places))
            }
            None => Source::Closed,
        },
        ends: ends.collect(),
        end_ns: plan.window().end,
        what: aim.load.clone(),
        address: aim.address.clone(),
        connections: share(plan.connections),
        backlog: share(plan.backlog),
        timeout_ns: ns(plan.timeout),
        expected: Arc::clone(&plan.expected),
        sources: plan.source_ips.clone(),
        requests_per_connection: plan.max_requests_per_connection.unwrap_or(u64::MAX),
        client: plan.client.clone(),
    }
}
