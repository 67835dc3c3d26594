//! The searches for ceilings: one at the beginning, that the rate is a share of, and one in each pair after the run of an arm, on the
//! same target. They begin near the ceiling that is known, since they have little time.

use super::measure::resolution;
use super::there::There;
use super::{Bench, layout, rate};
use crate::cli::{LoadArgs, Sizes};
use crate::experiment::ceiling::course::Wanted;
use crate::experiment::ceiling::stack::{self, Ended, Order};
use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::schedule::Arrivals;
use crate::signals::Signals;
use crate::units::Rate;
use reports::ceiling::Bound;
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
        if self.patience.wait(&self.output.status, signals).await.is_none() {
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
            let why = found.verdict.reasons.first().cloned();
            let why = why.unwrap_or_else(|| format!("{} holds at no rate", found.slo));
            return Err(Failure::host(format!(
                "the base's ceiling was not found: {why}; say the rate with --rps"
            )));
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
