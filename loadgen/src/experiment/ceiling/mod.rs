//! `loadgen ceiling`: the highest rate at which an objective holds, and what the limit is made of. It sees whether the generator can
//! be believed on this machine, has the search carried out against the user's target or the reference one, and has the record
//! analysed. It measures nothing that an ordinary run does not.

pub(super) mod alone;
mod cause;
pub(super) mod course;
mod hunt;
mod jobs;
mod records;
mod replay;
mod resume;
mod sender;
pub(super) mod stack;
mod windows;

use super::carry_out::carry_out;
use crate::cli::CeilingArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::load::unless_asked;
use crate::output::Output;
use crate::plan::Plan;
use crate::run::{self, Aim};
use crate::signals::Signals;
use crate::target::Reference;
use crate::units::Rate;
use crate::{aim, limits, observe, pace};
use course::{PAUSE_S, Wanted};
use hunt::Hunt;
use jobs::Jobs;
use reports::analyse::conclude::conclude;
use reports::ceiling::{Bound, Ceiling};
use reports::record::{Target, TargetKind, Verdict};
use reports::store::CEILING_FILE;
use sender::Sender;
use stack::{Ended, Order};
use std::fs::File;
use std::time::{Duration, Instant};

/// A search with less than this has no time for three loads and a sweep.
const LEAST_BUDGET: Duration = Duration::from_secs(20);
/// The lowest rate that is tried unless it is said.
const LOWEST_RPS: f64 = 1.0;
/// Confirming the cause takes so long, or so much of a small budget, and begins with a load at this share of the ceiling.
const CAUSE_S: f64 = 40.0;
const CAUSE_SHARE: f64 = 0.4;
/// It is not begun where it would end later than this after the budget.
const OVERRUN_S: f64 = 3.0;
/// With so much time a window takes 2 s in place of 1.
const LONG_BUDGET_S: f64 = 240.0;
const NEAR: f64 = 0.9;
/// Of a load while rates grow, and of one between a rate that holds and one that fails.
const WINDOWS: [(usize, usize); 2] = [(2, 5), (6, 11)];
/// A job is paid for as a whole.
const JOB_WINDOWS: [(usize, usize); 2] = [(5, 5), (11, 11)];
/// The first load, of what the target answers when it is asked what it can do.
const FIRST: f64 = 0.7;

/// Searches; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that cannot be reached, a host that does not let us.
pub(crate) fn run(args: CeilingArgs, begun: Instant) -> Outcome<Exit> {
    let (args, before) = match args.resume {
        None => (args, None),
        Some(dir) => resume::resumed(&dir)?,
    };
    let args = match args.runner {
        None => args,
        Some(_) => CeilingArgs { load: jobs::elsewhere(args.load), ..args },
    };
    check(&args)?;
    let output = Output::of_experiment("ceiling", CEILING_FILE, &args.result, begun);
    let ((found, died), output) = carry_out(output, async |output| search(&args, before, output).await)?;
    output.finish_ceiling(&found, died.as_deref())?;
    Ok(exit(&found, died.is_some()))
}

/// A dead target before an answer that is none, before an objective that holds at no rate.
fn exit(found: &Ceiling, died: bool) -> Exit {
    match found.bound {
        _ if died => Exit::Target,
        _ if !found.verdict.valid => Exit::Invalid,
        Bound::Below => Exit::Failed,
        Bound::Exact | Bound::AtLeast => Exit::Passed,
    }
}

/// Errors of use, before anything is made or started.
fn check(args: &CeilingArgs) -> Outcome {
    if args.budget < LEAST_BUDGET {
        return Err(Failure::usage(format!("--budget: a search needs at least {LEAST_BUDGET:?}")));
    }
    let min_rps = args.min_rps.map_or(LOWEST_RPS, |rate| rate.rps());
    if args.max_rps.is_some_and(|max| min_rps >= max.rps()) {
        return Err(Failure::usage(format!("--min-rps, which is {min_rps}, has to be less than --max-rps")));
    }
    let plan = open(args)?;
    // Without a URL the target is ours, and so is what it has.
    if plan.url.is_none() { args.sizes.fit(&aim::shares(&plan).1) } else { Ok(()) }
}

/// A load at some rate, as all of the search have it but for the rate.
fn open(args: &CeilingArgs) -> Outcome<Plan> {
    let rate = args.min_rps.unwrap_or(Rate { micro: 1_000_000 });
    Plan::at(&args.load, Some(rate), Duration::ZERO, Duration::from_secs(1))
}

/// The same in a closed loop; users who arrive at a rate cannot be had without one.
fn closed(args: &CeilingArgs) -> Option<Plan> {
    Plan::at(&args.load, None, Duration::ZERO, Duration::from_secs(1)).ok()
}

async fn search(
    args: &CeilingArgs,
    before: Option<Ceiling>,
    output: &Output,
) -> Outcome<(Ceiling, Option<String>)> {
    let mut signals = Signals::listen()?;
    let (plan, closed) = (open(args)?, closed(args));
    if let Some(command) = &args.runner {
        return by_jobs(args, command, before, output, &mut signals).await;
    }
    if let Some(url) = &plan.url {
        let aims = async {
            let closed = match &closed {
                Some(closed) => Some(aim::given(closed, url).await?),
                None => None,
            };
            Ok(Aims { open: aim::given(&plan, url).await?, closed, emulated: Vec::new() })
        };
        let aims = unless_asked(&mut signals, aims).await?;
        return at(args, &aims, before, output, &mut signals).await;
    }
    let (cpus, target_cpus) = aim::shares(&plan);
    output.say(&format!("starting {}", Reference::in_words(plan.target_proxy)));
    output.status.does("starting the target");
    let mut target = Reference::start(&target_cpus, plan.target_proxy, &args.sizes.arguments())?;
    let aims = async {
        let descriptor = target.ready().await?;
        let closed = match &closed {
            Some(closed) => Some(aim::reference(closed, &descriptor, cpus.clone()).await?),
            None => None,
        };
        let open = aim::reference(&plan, &descriptor, cpus.clone()).await?;
        Ok(Aims { open, closed, emulated: descriptor.emulated })
    };
    let found = match unless_asked(&mut signals, aims).await {
        Ok(aims) => at(args, &aims, before, output, &mut signals).await,
        Err(failure) => Err(failure),
    };
    let died = target.died().await;
    target.stop().await;
    let (mut found, silent) = found?;
    if args.confirm_cause && silent.is_none() && !found.partial {
        // What the search itself has found stands, whatever becomes of this.
        let tried = confirm_cause(args, &mut found, (&cpus, &target_cpus), output, &mut signals).await;
        if let Err(failure) = tried {
            found.cut.push(format!("the cause was not confirmed: {}", failure.message));
            conclude(&mut found).map_err(Failure::host)?;
        }
    }
    Ok((found, silent.map(|silent| died.unwrap_or(silent))))
}

/// The search again, for a short time, with one unit more at the suspect.
async fn confirm_cause(
    args: &CeilingArgs,
    found: &mut Ceiling,
    (cpus, target_cpus): (&[usize], &[usize]),
    output: &Output,
    signals: &mut Signals,
) -> Outcome {
    let change = cause::change(found, &args.sizes).map_err(Failure::host)?;
    output.say(&format!("confirming the cause: {}", change.words));
    output.status.does("starting the target anew");
    if found.duration_s + cause_s(args) > args.budget.as_secs_f64() + OVERRUN_S {
        return Err(Failure::host("there was no time for it"));
    }
    let first_rps = found.ceiling_rps.unwrap_or(LOWEST_RPS) * NEAR;
    let wanted = Wanted { budget_s: cause_s(args), whole: false, ..wanted(args, first_rps, f64::INFINITY) };
    let (load, sizes) = (&args.load, &change.sizes);
    let order = Order { load, sizes, cpus, target_cpus, wanted, ask: None, self_check: None, says: true };
    let ended = stack::search(&order, output, signals).await?;
    let Ended { found: after, .. } =
        ended.ok_or_else(|| Failure::host("stopped before the load had begun"))?;
    found.cause = Some(cause::judge(found, change, after));
    Ok(())
}

/// How long confirming the cause may take, in seconds.
fn cause_s(args: &CeilingArgs) -> f64 {
    CAUSE_S.min(args.budget.as_secs_f64() * CAUSE_SHARE)
}

/// What a search is to find that begins with `first_rps`, by a generator that can do `able_rps`.
fn wanted(args: &CeilingArgs, first_rps: f64, able_rps: f64) -> Wanted {
    let min_rps = args.min_rps.map_or(LOWEST_RPS, |rate| rate.rps());
    let max_rps = args.max_rps.map_or(able_rps.max(2.0 * min_rps), |rate| rate.rps());
    let budget_s = args.budget.as_secs_f64();
    let kept_s = if args.confirm_cause { cause_s(args) } else { 0.0 };
    Wanted {
        objective: args.slo.clone(),
        first_rps: first_rps.clamp(min_rps, max_rps),
        min_rps,
        max_rps,
        precision: args.precision,
        budget_s: budget_s - kept_s,
        window_s: if budget_s >= LONG_BUDGET_S { 2.0 } else { 1.0 },
        pause_s: PAUSE_S,
        windows: if args.runner.is_some() { JOB_WINDOWS } else { WINDOWS },
        whole: true,
        resolution: None,
        seed: args.load.seed,
    }
}

/// A target that is there.
struct Aims {
    open: Aim,
    closed: Option<Aim>,
    /// What of it stands in for something else.
    emulated: Vec<String>,
}

/// The search at a target that is there.
async fn at(
    args: &CeilingArgs,
    aims: &Aims,
    before: Option<Ceiling>,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<(Ceiling, Option<String>)> {
    let (plan, aim) = (open(args)?, &aims.open);
    let wire = unless_asked(signals, run::reach(&plan, aim)).await?;
    for silent in observe::unreadable(&aim.observe).await {
        output.say(&silent);
    }
    let mut search = Search::begin(args, (stack::target(aim), &aim.cpus), &aims.emulated, before, output)?;
    let found = &mut search.found;
    if search.resumes && aim.kind == TargetKind::Reference {
        resume::started_anew(&mut found.target, &aim.url);
    }
    if found.self_check.is_none() {
        output.say("checking the generator against a target that does nothing");
        output.status.does("checking the generator");
        let target_cpus =
            if aim.target_cpus.is_empty() { aim::others(&aim.cpus) } else { aim.target_cpus.clone() };
        found.self_check = alone::self_check(&aim.cpus, &target_cpus, signals).await?;
        found.partial = found.self_check.is_none();
    }
    limits::pin(&aim.cpus)?;
    output.say(&format!("loading {}: {}, until {} fails", aim.url, aim.what, args.slo));
    let sender = Sender::Here { open: aim, closed: aims.closed.as_ref(), wire };
    search.go_on(args, sender, output, signals).await
}

/// The search by jobs of a user's command. This machine sends nothing, and may not even reach the target.
async fn by_jobs(
    args: &CeilingArgs,
    command: &str,
    before: Option<Ceiling>,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<(Ceiling, Option<String>)> {
    let url = open(args)?.url.map(|url| url.to_string()).unwrap_or_default();
    let target = Target { url: url.clone(), ..Target::default() };
    let dir = output.dir();
    // One that is empty was made just now, to see that it can be.
    let is_there = std::fs::metadata(dir.join(CEILING_FILE)).is_ok_and(|file| file.len() > 0);
    if before.is_none() && is_there {
        return Err(Failure::usage(format!(
            "--out: {0} has an earlier search with its jobs: name another directory, or go on with --resume {0}",
            dir.display()
        )));
    }
    let mut search = Search::begin(args, (target, &[]), &[], before, output)?;
    output.say(&format!("loading {url}, each load a job of `{command}`, until {} fails", args.slo));
    let jobs = Jobs::of(command, &search.found.head.command, dir, search.found.runner.take())?;
    search.found.runner = Some(jobs.runner.clone());
    search.go_on(args, Sender::Jobs(jobs), output, signals).await
}

/// A search that has begun, or begins again.
struct Search {
    found: Ceiling,
    /// On this clock and since 1970; before this process, of one that is resumed.
    begun: (Instant, Duration),
    spent_s: f64,
    resumes: bool,
    log: Option<File>,
}

impl Search {
    fn begin(
        args: &CeilingArgs,
        aimed: (Target, &[usize]),
        emulated: &[String],
        before: Option<Ceiling>,
        output: &Output,
    ) -> Outcome<Self> {
        let (begun, spent_s, resumes) = resume::beginning(before.as_ref());
        before.iter().for_each(|before| output.say(&resume::taken_over(before)));
        let mut found = before.unwrap_or_else(|| blank(args, aimed, emulated.to_vec(), begun.1));
        output.status.counts(begun.0, spent_s, found.budget_s);
        // What an interrupted search concluded is not what the loads to come will say.
        (found.partial, found.verdict) = (false, Verdict::default());
        let log = output.log(resumes, begun.1)?;
        Ok(Self { found, begun, spent_s, resumes, log })
    }

    /// From the first load, or the next one, to the conclusions; and what a target said that died.
    async fn go_on(
        self,
        args: &CeilingArgs,
        sender: Sender<'_>,
        output: &Output,
        signals: &mut Signals,
    ) -> Outcome<(Ceiling, Option<String>)> {
        let Self { mut found, begun, spent_s, log, .. } = self;
        let first_rps = found.first_rps;
        let found_so_far = &mut found;
        let (load, says, died) = (&args.load, true, None);
        let mut hunt =
            Hunt { load, sender, output, signals, found: found_so_far, begun, spent_s, log, says, died };
        let able_rps = hunt.found.self_check.as_ref().map_or(f64::INFINITY, |check| check.closed_rps);
        let first_rps = match first_rps {
            Some(rps) => rps,
            None => hunt.first_rps(FIRST).await?,
        };
        // A search that was cut short before its first load asks again.
        hunt.found.first_rps = Some(first_rps).filter(|_| !hunt.found.partial);
        let wanted = wanted(args, first_rps, able_rps);
        hunt.follow(&wanted).await?;
        conclude(hunt.found).map_err(Failure::host)?;
        if args.confirm_cause && hunt.died.is_none() && cause::change(hunt.found, &args.sizes).is_err() {
            // What was kept for confirming the cause is not needed.
            let budget_s = args.budget.as_secs_f64();
            hunt.follow(&Wanted { budget_s, ..wanted }).await?;
        }
        let died = hunt.died;
        found.duration_s = spent_s + (pace::now() - begun.0).as_secs_f64();
        found.partial |= died.is_some();
        conclude(&mut found).map_err(Failure::host)?;
        Ok((found, died))
    }
}

fn blank(
    args: &CeilingArgs,
    aimed: (Target, &[usize]),
    emulated: Vec<String>,
    started_at: Duration,
) -> Ceiling {
    let all = Wanted { budget_s: args.budget.as_secs_f64(), ..wanted(args, LOWEST_RPS, f64::INFINITY) };
    let wanted_rps = args.forecast.map(|rate| rate.rps());
    Ceiling { wanted_rps, ..stack::blank(&args.load, &all, aimed, emulated, started_at) }
}
