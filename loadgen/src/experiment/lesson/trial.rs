//! One trial: a load at a constant rate, and what is done to the target meanwhile. From what is to be done to what came of it; a
//! reference target is started for it and taken down again.

use super::deed::{self, Deed, Done, Happened, Progress};
use super::probe::{self, Seen};
use crate::cli::{LoadArgs, TargetProxy};
use crate::crew::LEAD;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::plan::Plan;
use crate::run::{self, Aim, Manner};
use crate::signals::Signals;
use crate::status::Onlooker;
use crate::target::{self, Death, Descriptor, Reference};
use crate::units::Rate;
use crate::{aim, limits, pace};
use http::Uri;
use jiff::Timestamp;
use reports::lesson::{self, Event, Moment, Orders, Trial};
use reports::record::{Run, Target, TargetKind, Wire};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The kind of request that is a purchase.
const ORDER: &str = "order";

/// What is to be tried.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// See [`Trial::name`].
    pub(super) name: String,
    /// See [`Trial::tier`].
    pub(super) tier: &'static str,
    /// See [`Trial::servers`].
    pub(super) servers: u32,
    /// See [`Trial::cure`].
    pub(super) cure: bool,
    /// Of a reference target: further options of `target-stack up`.
    pub(super) options: Vec<String>,
    /// What is done; of a reference target, without its directory.
    pub(super) deeds: Vec<Task>,
}

/// A deed before there is a target to do it to.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// When, after the load has begun.
    pub(super) at: Duration,
    /// What has `target-stack` do it, such as `kill app`; or a line for the shell.
    pub(super) command: Command,
    /// See [`Deed::what`].
    pub(super) what: String,
    /// See [`Deed::begins`].
    pub(super) begins: bool,
    /// See [`Deed::ends`].
    pub(super) ends: bool,
    /// See [`Deed::refused`].
    pub(super) refused: bool,
}

/// See [`Task::command`].
#[derive(Clone, Debug)]
pub(super) enum Command {
    Stack(String),
    Shell(String),
}

/// What all trials of an experiment have in common.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) load: LoadArgs,
    pub(super) rps: Rate,
    pub(super) length: Duration,
    /// The 99th percentile of response times that is good enough.
    pub(super) limit: Duration,
    pub(super) proxy: Option<TargetProxy>,
    /// The generator's CPUs, and the target's.
    pub(super) cpus: Vec<usize>,
    pub(super) target_cpus: Vec<usize>,
}

/// What came of one.
pub(super) struct Ended {
    pub(super) trial: Trial,
    pub(super) target: Target,
    pub(super) emulated: Vec<String>,
    /// The processes that were killed for it.
    killed: Vec<u32>,
    /// It was cut short.
    pub(super) partial: bool,
}

/// A target that answers.
struct There {
    aim: Aim,
    wire: Wire,
    /// Where it can be operated on.
    dir: Option<PathBuf>,
    /// Where a version can be asked for.
    address: Option<SocketAddr>,
    resolver: Option<SocketAddr>,
    emulated: Vec<String>,
    /// Orders that there are before the load.
    orders: Option<u64>,
}

/// Makes the trial; `None` when it was asked to end before its load had begun.
///
/// # Errors
/// The target's fault: it does not start; the host's: threads that cannot be started.
pub(super) async fn make(
    setup: &Setup,
    terms: &Terms,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Option<Ended>> {
    let plan = Plan::at(&terms.load, Some(terms.rps), Duration::ZERO, terms.length)?;
    // How late the generator may be depends on what is judged by it.
    let plan = Plan { resolution: Some(terms.limit), ..plan };
    if let Some(url) = plan.url.clone() {
        let there = async { given(&plan, &url).await };
        let there = tokio::select! { there = there => there?, () = signals.asked() => return Ok(None) };
        return under_load(setup, &plan, there, output, signals).await.map(Some);
    }
    output.status.does(&format!("{}: starting the target", setup.name));
    let mut target = Reference::start(&terms.target_cpus, terms.proxy, &setup.options)?;
    let there = async { reference(&plan, target.ready().await?, &terms.cpus).await };
    let there = tokio::select! { there = there => Some(there), () = signals.asked() => None };
    let ended = match there {
        Some(Ok(there)) => under_load(setup, &plan, there, output, signals).await.map(Some),
        Some(Err(failure)) => Err(failure),
        None => Ok(None),
    };
    let died = target.died().await;
    let deaths = target.stop().await;
    match (ended, died) {
        // It goes on whatever is killed of it, so this was nobody's wish.
        (Ok(Some(_)), Some(said)) => Err(Failure::target(format!("the reference target ended: {said}"))),
        (Ok(Some(ended)), None) => Ok(Some(ended.spoilt(&deaths))),
        (ended, _) => ended,
    }
}

async fn given(plan: &Plan, url: &Uri) -> Outcome<There> {
    let aim = aim::given(plan, url).await.map_err(|failure| {
        // These experiments have no such option.
        let message = failure.message.replace(" (another: --resolver IP:PORT)", "");
        Failure { message, ..failure }
    })?;
    let wire = run::reach(plan, &aim).await?;
    Ok(There { aim, wire, dir: None, address: None, resolver: None, emulated: Vec::new(), orders: None })
}

async fn reference(plan: &Plan, descriptor: Descriptor, cpus: &[usize]) -> Outcome<There> {
    let aim = aim::reference(plan, &descriptor, cpus.to_vec()).await?;
    let wire = run::reach(plan, &aim).await?;
    let (address, resolver) = (descriptor.proxy_address(), descriptor.resolver);
    let orders = match (&plan.scenario, &descriptor.dir) {
        (Some(_), Some(dir)) => Some(orders(dir).await?),
        _ => None,
    };
    Ok(There { aim, wire, dir: descriptor.dir, address, resolver, emulated: descriptor.emulated, orders })
}

/// How many orders the database of the stack in `dir` has.
async fn orders(dir: &std::path::Path) -> Outcome<u64> {
    let said = target::operate(dir, &["orders"]).await?;
    said.trim().parse().map_err(|_| Failure::target(format!("target-stack orders said `{}`", said.trim())))
}

async fn under_load(
    setup: &Setup,
    plan: &Plan,
    there: There,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Ended> {
    let dir = there.dir.clone().unwrap_or_default();
    let deeds: Vec<Deed> = setup.deeds.iter().map(|task| task.deed(&dir)).collect();
    let seen = Seen::default();
    limits::pin(&there.aim.cpus)?;
    output.status.follows(
        &setup.name,
        plan.steps.first().map_or(0.0, |step| step.from.rps()),
        plan.window().length_s(),
    );
    let mut onlooker = Onlooker(&output.status);
    let manner = Manner {
        log: None,
        referee: Some(&mut onlooker),
        wire: there.wire.clone(),
        visible: false,
        exporter: None,
        command: Vec::new(),
        begun: pace::now(),
        deadline: None,
    };
    // The only look at the wall clock, which somebody may set: the record has the load's beginning by it.
    let clocks = (pace::wall_clock(), pace::now());
    let origin = clocks.1 + LEAD;
    let both = beside(&deeds, origin, signals, async |signals| {
        run::carry_out(plan, &there.aim, signals, manner).await
    });
    let (run, partial, done) = tokio::select! {
        both = both => both?,
        failed = looking(&there, &seen) => return Err(failed),
    };
    let killed = done.killed.clone();
    let mut trial = of(setup, &run, done, seen, clocks);
    if let (Some(before), Some(dir), false) = (there.orders, &there.dir, partial) {
        let stored = orders(dir).await.map(|after| after.saturating_sub(before));
        match stored {
            Ok(stored) => trial.orders = Some(purchases(&run, stored)),
            Err(failure) => {
                trial.valid = false;
                trial.reasons.push(format!("the orders could not be counted: {}", failure.message));
            }
        }
    }
    let target = Target {
        url: there.aim.url.to_string(),
        kind: there.aim.kind,
        what: there.aim.what.clone(),
        cpus: there.aim.target_cpus.clone(),
        ..Target::default()
    };
    Ok(Ended { trial, target, emulated: there.emulated, killed, partial })
}

/// Carries out `deeds` beside a load that begins at `origin`: gives what came of both, and whether somebody thought better of it, who
/// waits for neither; but what was broken of a website of the user's is put right first.
async fn beside(
    deeds: &[Deed],
    origin: Instant,
    signals: &mut Signals,
    load: impl AsyncFnOnce(&mut Signals) -> Outcome<Run>,
) -> Outcome<(Run, bool, Done)> {
    let (cut, through) = (Notify::new(), Notify::new());
    let load = async {
        let run = load(signals).await;
        // What is being done may take longer than the load.
        let ends = async {
            tokio::select! { biased; () = through.notified() => false, () = signals.asked() => true }
        };
        let partial = run.as_ref().map_or(true, |run| run.partial) || ends.await;
        if partial {
            cut.notify_one();
        }
        run.map(|run| (run, partial))
    };
    let progress = Progress::default();
    let doing = async {
        tokio::select! {
            done = deed::all(deeds, origin, &progress) => {
                through.notify_one();
                return done;
            }
            () = cut.notified() => {}
        }
        deed::put_right(deeds, &progress).await;
        Done::default()
    };
    let (run, done) = tokio::join!(load, doing);
    run.map(|(run, partial)| (run, partial, done))
}

/// What is looked at beside the load, for ever; gives why it cannot be.
async fn looking(there: &There, seen: &Seen) -> Failure {
    let versions = async {
        match there.address {
            Some(address) => probe::versions(&format!("http://{address}/plaintext"), seen).await,
            None => std::future::pending().await,
        }
    };
    let names = async {
        match (there.aim.kind, there.resolver) {
            (TargetKind::Reference, Some(resolver)) => probe::names(&there.aim.url, resolver, seen).await,
            _ => std::future::pending().await,
        }
    };
    let versions = async { versions.await.err() };
    let (failed, ()) = tokio::join!(versions, names);
    failed.unwrap_or_else(|| Failure::host("nothing is looked at any more"))
}

impl Ended {
    /// As it is to be judged when these have died.
    fn spoilt(mut self, deaths: &[Death]) -> Self {
        let unmeant = deaths.iter().find(|death| !self.killed.contains(&death.pid));
        if let Some(death) = unmeant {
            self.trial.valid = false;
            // The others may come of it.
            let why = format!("a process died that was not to: {}", death.reason);
            self.trial.reasons.insert(0, why);
        }
        self
    }
}

impl Task {
    fn deed(&self, dir: &std::path::Path) -> Deed {
        let command = match &self.command {
            Command::Stack(words) => deed::of_stack(&target::program(), &dir.display().to_string(), words),
            Command::Shell(line) => deed::of_shell(line),
        };
        let hook = matches!(self.command, Command::Shell(_));
        let Self { at, what, begins, ends, refused, .. } = self.clone();
        Deed { at, command, what, begins, ends, refused, hook }
    }
}

/// The trial by what its load, its deeds and its onlookers gave. `clocks`: what both showed just before the load.
fn of(setup: &Setup, run: &Run, done: Done, seen: Seen, (wall, now): (Duration, Instant)) -> Trial {
    let began: Option<Duration> = run
        .started_at
        .parse::<Timestamp>()
        .ok()
        .and_then(|at| u64::try_from(at.as_millisecond()).ok())
        .map(Duration::from_millis);
    let began = now + began.unwrap_or(wall).saturating_sub(wall);
    let after_s = |at: Instant| match at.checked_duration_since(began) {
        Some(after) => after.as_secs_f64(),
        None => -(began - at).as_secs_f64(),
    };
    let event = |Happened { at, kind, what }: Happened| Event { at_s: after_s(at), kind, what };
    let moment = |bin: &reports::record::Bin| Moment {
        planned: bin.planned,
        ok: bin.ok,
        failed: bin.errors + bin.dropped,
        p99_ms: bin.p99_ms,
    };
    let seen_at = |(at, version): (Instant, Option<String>)| lesson::Seen {
        at_ms: (after_s(at) * 1e3).round() as i64,
        version,
    };
    let mut reasons = done.failed;
    let valid = run.verdict.valid && reasons.is_empty();
    reasons.extend(run.verdict.reasons.iter().cloned());
    Trial {
        name: setup.name.clone(),
        tier: setup.tier.to_owned(),
        servers: setup.servers,
        cure: setup.cure,
        events: done.happened.into_iter().map(event).collect(),
        interval_s: run.timeline.interval_s,
        duration_s: run.duration_s,
        bins: run.timeline.bins.iter().map(moment).collect(),
        planned: run.planned,
        ok: run.ok,
        errors: run.errors,
        dropped: run.dropped,
        unfinished: run.unfinished,
        status: run.status.clone(),
        p99_ms: run.response_ms.p99,
        versions: seen.versions.into_inner().into_iter().map(seen_at).collect(),
        dns_failures: seen.dns_failures.get(),
        valid,
        reasons,
        ..Trial::default()
    }
}

/// What became of the purchases, of which the database has `stored`.
fn purchases(run: &Run, stored: u64) -> Orders {
    let bought = run.interactions.iter().filter(|one| one.name == ORDER);
    let (planned, ok) = bought.fold((0, 0), |(planned, ok), one| (planned + one.planned, ok + one.ok));
    Orders { acknowledged: ok, unanswered: planned - ok, stored }
}
