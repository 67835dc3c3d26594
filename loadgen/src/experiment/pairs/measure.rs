//! One arm in one pair: a run at a fresh target, and a search after it where there is one; repeated with another fresh target where the
//! run was spoilt. From an arm to the entries of what was made.

use super::arms::Arm;
use super::there::There;
use super::{Bench, layout};
use crate::cli::LoadArgs;
use crate::experiment::ceiling::stack::Ended;
use crate::failure::{Failure, Outcome};
use crate::plan::Plan;
use crate::run::{self, Manner};
use crate::signals::Signals;
use crate::status::Onlooker;
use crate::units::Rate;
use crate::{limits, observe, pace, record};
use reports::analyse::objective::Objective;
use reports::pairs::{Kind, Made};
use reports::record::Run;
use std::path::Path;
use std::time::{Duration, Instant};

/// A run that is spoilt is repeated until there were so many.
pub(super) const ATTEMPTS: u32 = 3;

/// The resolution of a run beside others is so many times that of one that is read by itself: only lateness as long as what has to
/// hold is more than scatter. Whether one arm had more of it than another is for the comparison to see.
const COARSER: u32 = 10;

/// What all runs and searches have in common, once it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) rate: Rate,
    /// What is known of the base's ceiling, near which searches begin.
    pub(super) ceiling_rps: Option<f64>,
}

/// Where one run belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) arm: &'a Arm,
    pub(super) pair: u32,
    pub(super) attempt: u32,
    /// Whether there is none after it, however it ends.
    pub(super) last: bool,
}

/// What came of an attempt.
pub(super) struct Attempt {
    pub(super) run: Made,
    pub(super) search: Option<Made>,
    /// What of the target stands in for something else.
    pub(super) emulated: Vec<String>,
    /// What a target said or did that stopped answering for good in the run.
    pub(super) died: Option<String>,
}

impl Bench<'_> {
    /// Makes the attempt; `None` when it was asked to end before the run was through.
    ///
    /// # Errors
    /// The target's fault: it does not start, or cannot be reached; the host's: threads that cannot be started, a record that
    /// cannot be written.
    pub(super) async fn attempt(
        &self,
        place: Place<'_>,
        terms: Terms,
        signals: &mut Signals,
    ) -> Outcome<Option<Attempt>> {
        let Some(waited) = self.quiet(signals).await? else { return Ok(None) };
        let begun = (pace::now(), pace::wall_clock());
        self.output.status.does(&format!("{}: starting the target", self.where_it_is(place)));
        let Some(there) = There::start(place.arm, &self.room, signals).await? else { return Ok(None) };
        let done = self.at(&there, place, (terms, begun), signals).await;
        let emulated = there.emulated().to_vec();
        let said = there.stop().await;
        let Some((run, entry, search)) = done? else { return Ok(None) };
        let silent =
            run.died_at_s.map(|at| format!("the target stopped answering for good {at:.1} s into the run"));
        // One that has ended by itself has died, in the run or in the search after it.
        let died = match (silent, said) {
            (Some(silent), Some(said)) => Some(format!("{silent}: {said}")),
            (silent, said) => silent.or(said),
        };
        let (reason, waited_s) = (died.clone().or(entry.reason), waited.as_secs_f64());
        let entry = Made { reason, waited_s, ..entry };
        Ok(Some(Attempt { run: entry, search, emulated, died }))
    }

    /// The run, and the search where there is one, at a target that is there.
    async fn at(
        &self,
        there: &There,
        place: Place<'_>,
        (terms, begun): (Terms, (Instant, Duration)),
        signals: &mut Signals,
    ) -> Outcome<Option<(Run, Made, Option<Made>)>> {
        // The same arrivals and requests for all arms of a pair.
        let seed = self.args.load.seed.wrapping_add(place.pair.into());
        let load = LoadArgs { seed, ..there.load(&self.args.load) };
        let dir = self.layout.run(&place.arm.name, place.pair);
        let Some(run) = self.run(there, &load, (place, terms), &dir, signals).await? else { return Ok(None) };
        let valid = run.verdict.valid && run.died_at_s.is_none();
        let entry = Made {
            valid,
            reason: run.verdict.reasons.first().cloned(),
            p50_ms: run.response_ms.p50,
            ..made(place, Kind::Run, begun)
        };
        let searched = self.args.ceilings && place.arm.searched && run.died_at_s.is_none();
        if !searched || !(valid || place.last) {
            return Ok(Some((run, entry, None)));
        }
        let begun = (pace::now(), pace::wall_clock());
        let dir = self.layout.search(&place.arm.name, place.pair);
        let budget_s = self.args.ceiling_budget.as_secs_f64();
        let found = self.search(there, &load, (&dir, budget_s), terms.ceiling_rps, signals).await?;
        // A run stands that is through, whatever becomes of the search; somebody who wants it to end is heard before the next one.
        let search = found.map(|Ended { found, died }| Made {
            valid: found.verdict.valid,
            reason: died.or(found.verdict.reasons.first().cloned()),
            ceiling_rps: found.ceiling_rps,
            ..made(place, Kind::Ceiling, begun)
        });
        self.asked.set(search.is_none());
        Ok(Some((run, entry, search)))
    }

    /// The run, whose record goes into `dir`; `None` where it was cut short.
    async fn run(
        &self,
        there: &There,
        load: &LoadArgs,
        (place, terms): (Place<'_>, Terms),
        dir: &Path,
        signals: &mut Signals,
    ) -> Outcome<Option<Run>> {
        let begun = pace::now();
        let plan = Plan::at(load, Some(terms.rate), self.args.warmup, self.args.duration)?;
        // No run is read by itself: what disturbs all arms alike is in the pairs' scatter, and in the control's.
        let plan = Plan { resolution: resolution(&self.args.slo).map(|time| time * COARSER), ..plan };
        let (aim, wire) = there.reach(&plan, &self.room).await?;
        if place.pair == 1 && place.attempt == 1 {
            for silent in observe::unreadable(&aim.observe).await {
                self.output.say(&format!("{}: {silent}", place.arm.name));
            }
        }
        limits::pin(&aim.cpus)?;
        self.output.status.follows(&self.where_it_is(place), terms.rate.rps(), plan.window().length_s());
        let mut onlooker = Onlooker(&self.output.status);
        let manner = Manner {
            log: Some(layout::begin(dir)?),
            referee: Some(&mut onlooker),
            wire,
            visible: false,
            exporter: None,
            command: record::command(),
            begun,
            deadline: None,
        };
        let run = run::carry_out(&plan, &aim, signals, manner).await;
        match run {
            Ok(run) if !run.partial => layout::keep(dir, &run).map(|()| Some(run)),
            Ok(_) => layout::discard(dir).map(|()| None),
            Err(failure) => layout::discard(dir).and(Err(failure)),
        }
    }

    fn where_it_is(&self, place: Place<'_>) -> String {
        format!("pair {} of {}: {}", place.pair, self.args.pairs, place.arm.name)
    }
}

/// How coarse it is what is looked at: the tightest time that has to hold.
pub(super) fn resolution(slo: &Objective) -> Option<Duration> {
    let tightest = slo.limits_ms().map(|(_, ms)| ms).fold(f64::INFINITY, f64::min);
    tightest.is_finite().then(|| Duration::from_secs_f64(tightest / 1e3))
}

/// The entry of what was begun then, and has ended now.
fn made(place: Place<'_>, kind: Kind, begun: (Instant, Duration)) -> Made {
    Made {
        arm: place.arm.name.clone(),
        pair: place.pair,
        attempt: place.attempt,
        kind,
        started_at: record::timestamp(begun.1).to_string(),
        seconds: (pace::now() - begun.0).as_secs_f64(),
        ..Made::default()
    }
}

/// What a target did that died in the last attempt, with its arm.
pub(super) fn dead(arm: &Arm, died: &str) -> Failure {
    Failure::target(format!("{} died: {died}", arm.name))
}
