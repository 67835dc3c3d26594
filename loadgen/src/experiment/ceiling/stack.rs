//! A search at a reference target of its own, which is started for it and taken down again: one of several that an experiment
//! compares. From what is to be found to the record with its conclusions. It keeps nothing on disk.

use super::course::Wanted;
use super::hunt::Hunt;
use super::sender::Sender;
use crate::cli::{LoadArgs, Sizes};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::plan::Plan;
use crate::run::{self, Aim};
use crate::signals::Signals;
use crate::target::{Descriptor, Reference};
use crate::units::Rate;
use crate::{aim, limits, pace, record};
use reports::analyse::conclude::conclude;
use reports::ceiling::{CEILING_SCHEMA, Ceiling, SelfCheck};
use reports::record::{Target, Wire};
use std::time::{Duration, Instant};

/// What is to be searched, and where.
pub(crate) struct Order<'a> {
    /// What is sent.
    pub(crate) load: &'a LoadArgs,
    /// How large the target is.
    pub(crate) sizes: &'a Sizes,
    /// The generator's CPUs.
    pub(crate) cpus: &'a [usize],
    /// The target's.
    pub(crate) target_cpus: &'a [usize],
    /// What is to be found. Its budget begins before the target is started.
    pub(crate) wanted: Wanted,
    /// The first rate, as a share of what the target answers when it is asked for all that it can do; `None`: the one that is wanted.
    pub(crate) ask: Option<f64>,
    /// What the generator can do.
    pub(crate) self_check: Option<SelfCheck>,
    /// Whether each load is said.
    pub(crate) says: bool,
}

/// A search that has come to an end.
pub(crate) struct Ended {
    /// Its record.
    pub(crate) found: Ceiling,
    /// What a target that died said or did.
    pub(crate) died: Option<String>,
}

/// A target that answers.
pub(crate) struct There {
    /// Where loads go.
    pub(crate) open: Aim,
    /// The same in a closed loop, where it is to be asked what it can do.
    pub(crate) closed: Option<Aim>,
    /// How requests go out.
    pub(crate) wire: Wire,
    /// What of it stands in for something else, in words.
    pub(crate) emulated: Vec<String>,
}

/// Carries the search out; `None` when it was asked to end before its first load.
///
/// # Errors
/// The target's fault: it does not start; the host's fault: threads that cannot be started.
pub(crate) async fn search(
    order: &Order<'_>,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Option<Ended>> {
    let begun = (pace::now(), pace::wall_clock());
    let at = |rate| Plan::at(order.load, rate, Duration::ZERO, Duration::from_secs(1));
    let plan = at(Some(Rate { micro: 1_000_000 }))?;
    let closed = at(None).ok().filter(|_| order.ask.is_some());
    let mut target = Reference::start(order.target_cpus, plan.target_proxy, &order.sizes.arguments())?;
    let there = async { there(order, &plan, closed.as_ref(), target.ready().await?).await };
    let there = tokio::select! {
        there = there => Some(there),
        () = signals.asked() => None,
    };
    let hunted = match there {
        Some(Ok(there)) => hunt(order, there, begun, output, signals).await.map(Some),
        Some(Err(failure)) => Err(failure),
        None => Ok(None),
    };
    let said = target.died().await;
    target.stop().await;
    let Some(mut ended) = hunted? else { return Ok(None) };
    ended.died = ended.died.map(|silent| said.unwrap_or(silent));
    ended.found.partial |= ended.died.is_some();
    ended.found.duration_s = (pace::now() - begun.0).as_secs_f64();
    conclude(&mut ended.found).map_err(Failure::host)?;
    Ok(Some(ended))
}

/// The same at a target that runs already, and goes on.
///
/// # Errors
/// The target's fault: it cannot be reached; the host's fault: threads that cannot be started.
pub(crate) async fn search_at(
    order: &Order<'_>,
    descriptor: Descriptor,
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Ended> {
    let begun = (pace::now(), pace::wall_clock());
    let at = |rate| Plan::at(order.load, rate, Duration::ZERO, Duration::from_secs(1));
    let plan = at(Some(Rate { micro: 1_000_000 }))?;
    let closed = at(None).ok().filter(|_| order.ask.is_some());
    let there = there(order, &plan, closed.as_ref(), descriptor).await?;
    search_there(order, there, begun, output, signals).await
}

/// The same at any target; the search has begun at `begun`, on the monotonic clock and since 1970.
///
/// # Errors
/// The host's fault: threads that cannot be started.
pub(crate) async fn search_there(
    order: &Order<'_>,
    there: There,
    begun: (Instant, Duration),
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Ended> {
    let mut ended = hunt(order, there, begun, output, signals).await?;
    ended.found.partial |= ended.died.is_some();
    ended.found.duration_s = (pace::now() - begun.0).as_secs_f64();
    conclude(&mut ended.found).map_err(Failure::host)?;
    Ok(ended)
}

async fn there(
    order: &Order<'_>,
    plan: &Plan,
    closed: Option<&Plan>,
    descriptor: Descriptor,
) -> Outcome<There> {
    let open = aim::reference(plan, &descriptor, order.cpus.to_vec()).await?;
    let closed = match closed {
        Some(closed) => Some(aim::reference(closed, &descriptor, order.cpus.to_vec()).await?),
        None => None,
    };
    let wire = run::reach(plan, &open).await?;
    Ok(There { open, closed, wire, emulated: descriptor.emulated })
}

async fn hunt(
    order: &Order<'_>,
    there: There,
    begun: (Instant, Duration),
    output: &Output,
    signals: &mut Signals,
) -> Outcome<Ended> {
    let (target, cpus) = (target(&there.open), &there.open.cpus);
    let mut found = blank(order.load, &order.wanted, (target, cpus), there.emulated, begun.1);
    found.self_check = order.self_check.clone();
    limits::pin(order.cpus)?;
    let mut hunt = Hunt {
        load: order.load,
        sender: Sender::Here { open: &there.open, closed: there.closed.as_ref(), wire: there.wire },
        output,
        signals,
        found: &mut found,
        begun,
        spent_s: 0.0,
        log: None,
        says: order.says,
        died: None,
    };
    let mut wanted = order.wanted.clone();
    if let Some(share) = order.ask {
        let rps = hunt.first_rps(share).await?;
        wanted.first_rps = rps.clamp(wanted.min_rps, wanted.max_rps);
    }
    hunt.found.first_rps = Some(wanted.first_rps).filter(|_| !hunt.found.partial);
    hunt.follow(&wanted).await?;
    let died = hunt.died;
    Ok(Ended { found, died })
}

/// What an aim goes to.
pub(super) fn target(aim: &Aim) -> Target {
    Target {
        url: aim.url.to_string(),
        kind: aim.kind,
        what: aim.what.clone(),
        cpus: aim.target_cpus.clone(),
        ..Target::default()
    }
}

/// The record of a search that has not begun, of a target and from these CPUs.
pub(super) fn blank(
    load: &LoadArgs,
    wanted: &Wanted,
    (target, cpus): (Target, &[usize]),
    emulated: Vec<String>,
    started_at: Duration,
) -> Ceiling {
    Ceiling {
        schema: CEILING_SCHEMA.to_owned(),
        head: record::head(load.seed, started_at, cpus),
        target,
        emulated,
        arrivals: format!("{:?}", load.arrivals).to_lowercase(),
        slo: wanted.objective.to_string(),
        precision: wanted.precision,
        budget_s: wanted.budget_s,
        ..Ceiling::default()
    }
}
