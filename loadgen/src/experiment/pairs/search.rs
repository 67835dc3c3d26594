//! The searches for ceilings: one at the beginning, that the rate is a share of, and one in each pair after the run of an arm, on the
//! same target. They begin near the ceiling that is known, since they have little time.

use super::measure::resolution;
use super::there::There;
use super::{Bench, layout, rate};
use crate::cli::{LoadArgs, Sizes};
use crate::experiment::ceiling::course::{PAUSE_S, Wanted};
use crate::experiment::ceiling::stack::{self, Ended, Order};
use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::schedule::Arrivals;
use crate::signals::Signals;
use crate::units::Rate;
use reports::ceiling::{Bound, Ceiling};
use reports::number::rate as per_second;
use reports::store;
use std::path::Path;

/// The time of the search at the beginning, in seconds, without the start of its target.
const FIRST_BUDGET_S: f64 = 22.0;
/// The first load, of what the target answers when it is asked what it can do, or of the ceiling that is known.
const ASKED: f64 = 0.7;
const EXPECTED: f64 = 0.85;
/// A window of a load, in seconds, and how many there are of a load while rates grow, and of one between a rate that holds and one
/// that fails: a search of a few seconds cannot have more.
const WINDOW_S: f64 = 0.4;
const WINDOWS: [(usize, usize); 2] = [(3, 5), (3, 5)];
/// How close a rate that holds and one that fails have to be.
const PRECISION: f64 = 0.02;
/// No rate below this is tried.
const LOWEST_RPS: f64 = 1.0;
/// Enough for what is in flight at a ceiling; more of them, opened at once by a load that is too much, cost a small target more than
/// the load.
const CONNECTIONS: usize = 256;

impl Bench<'_> {
    /// The rate to offer, and what is known of the base's ceiling; `None` when it was asked to end.
    ///
    /// # Errors
    /// The target's fault: the base does not start; the host's: its ceiling cannot be found.
    pub(super) async fn rate(&self, signals: &mut Signals) -> Outcome<Option<(Rate, Option<f64>)>> {
        if let Some(rate) = self.args.rps {
            return Ok(Some((rate, None)));
        }
        let Some(base) = self.arms.first() else { return Ok(None) };
        self.output.say("searching the base's ceiling, of which the load is a share");
        if self.quiet(signals).await?.is_none() {
            return Ok(None);
        }
        self.output.status.does("starting the base");
        let Some(there) = There::start(base, &self.room, signals).await? else { return Ok(None) };
        let load = there.load(&self.args.load);
        let dir = self.layout.ceiling();
        let found = self.search(&there, &load, (&dir, FIRST_BUDGET_S), None, signals).await;
        let earlier = self.earlier(&there).await;
        let said = there.stop().await;
        let Some(Ended { found, died }) = found? else { return Ok(None) };
        if let Some(silent) = died {
            return Err(Failure::target(format!("the base died: {}", said.unwrap_or(silent))));
        }
        let ceiling_rps = found.ceiling_rps.filter(|_| found.bound != Bound::Below);
        let Some(ceiling_rps) = ceiling_rps else {
            return Err(Failure::host(format!("the base's ceiling was not found: {}", no_ceiling(&found))));
        };
        let chosen = rate::choose(self.args.share, ceiling_rps, earlier?);
        self.output.say(&chosen.said);
        Ok(Some((chosen.rate(), Some(ceiling_rps))))
    }

    /// A search of so many seconds at a target that is there, whose record goes into `dir`; `None` where it was cut short.
    ///
    /// # Errors
    /// The target's fault: it cannot be reached; the host's: the record cannot be written.
    pub(super) async fn search(
        &self,
        there: &There,
        load: &LoadArgs,
        (dir, budget_s): (&Path, f64),
        known: Option<f64>,
        signals: &mut Signals,
    ) -> Outcome<Option<Ended>> {
        let begun = (pace::now(), pace::wall_clock());
        let connections = Some(load.connections.unwrap_or(CONNECTIONS));
        // Of Poisson arrivals so few come in a window that their number says more of chance than of the rate.
        let load = LoadArgs { connections, arrivals: Arrivals::Even, ..load.clone() };
        let able_rps = self.self_check.as_ref().map_or(f64::INFINITY, |check| check.closed_rps);
        let max_rps = able_rps.max(2.0 * LOWEST_RPS);
        let wanted = Wanted {
            objective: self.args.slo.clone(),
            first_rps: (known.unwrap_or(LOWEST_RPS) * EXPECTED).clamp(LOWEST_RPS, max_rps),
            min_rps: LOWEST_RPS,
            max_rps,
            precision: PRECISION,
            budget_s,
            window_s: WINDOW_S,
            pause_s: PAUSE_S,
            windows: WINDOWS,
            whole: false,
            resolution: resolution(&self.args.slo),
            seed: load.seed,
        };
        let there = there.searched(&load, &self.room, known.is_none()).await?;
        let cpus = there.open.cpus.clone();
        let order = Order {
            load: &load,
            sizes: &Sizes::default(),
            cpus: &cpus,
            target_cpus: &self.room.target_cpus,
            wanted,
            ask: known.is_none().then_some(ASKED),
            self_check: self.self_check.clone(),
            says: false,
        };
        let ended = stack::search_there(&order, there, begun, self.output, signals).await?;
        if ended.found.partial && ended.died.is_none() {
            return Ok(None);
        }
        store::keep(dir, &ended.found).map_err(|e| layout::lost(dir, &e))?;
        Ok(Some(ended))
    }
}

/// Why there is none, and what to do about it. A target that answers nothing as it should does so at no rate.
fn no_ceiling(found: &Ceiling) -> String {
    let wrong = found.steps.last().filter(|step| step.ok_rps == 0.0 && step.errors > 0);
    if let Some(step) = wrong {
        let why = step.reasons.last().map_or("all requests failed", String::as_str);
        return format!("at {}/s {why}", per_second(step.offered_rps));
    }
    let why = found.verdict.reasons.first().cloned();
    let why = why.unwrap_or_else(|| format!("{} holds at no rate", found.slo));
    format!("{why}; say the rate with --rps")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::ceiling::Step;
    use reports::record::Verdict;

    #[test]
    fn a_target_that_answers_nothing_as_it_should_has_no_ceiling_at_any_rate() {
        let reasons = vec![String::from("there was no time for rates below 1.95/s")];
        let verdict = Verdict { reasons, ..Verdict::default() };
        let slo = String::from("p99<1ms");
        let step = |ok_rps, errors| Step {
            offered_rps: 1.95,
            ok_rps,
            errors,
            reasons: vec!["it is late".into(), "no answer was as expected: 3 x status 503".into()],
            ..Step::default()
        };
        let why =
            |steps, verdict| no_ceiling(&Ceiling { steps, verdict, slo: slo.clone(), ..Ceiling::default() });
        let slow = "there was no time for rates below 1.95/s; say the rate with --rps";
        assert_eq!(why(vec![step(0.0, 3), step(1.0, 2)], verdict.clone()), slow);
        let wrong = "at 1.95/s no answer was as expected: 3 x status 503";
        assert_eq!(why(vec![step(1.0, 3), step(0.0, 3)], verdict), wrong);
        let none = "p99<1ms holds at no rate; say the rate with --rps";
        assert_eq!(why(Vec::new(), Verdict::default()), none);
    }
}
