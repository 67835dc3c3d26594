//! The catalogue without a cache, or with one: its ceiling, and what a request costs behind the proxy somewhat below it.

use super::offer::{Offer, ledger};
use super::stack::{Meters, Stack, WENT_BACK};
use super::{BUSY, Bench, SEARCH, catalogue};
use crate::cli::LoadArgs;
use crate::experiment::ceiling::course::{PAUSE_S, Wanted};
use crate::experiment::ceiling::stack::{Order, search_at};
use crate::failure::{Failure, Outcome};
use crate::signals::Signals;
use crate::target::Descriptor;
use crate::units::Rate;
use reports::cache::{Busy, Way};
use reports::ceiling::SelfCheck;
use reports::number::percent;
use std::time::Duration;

/// The cache is filled in loads of this length, until no more than such a share of them goes to the app, or for so many loads.
const FILLING: Duration = Duration::from_secs(1);
const FILLED: f64 = 0.02;
const MOST_FILLING: u64 = 16;
/// Connections of the closed loop that fills it.
const CONNECTIONS: usize = 32;
/// The load somewhat below the ceiling, as a share of it; a second one, where the generator did not manage the first.
const NEAR: [f64; 2] = [0.8, 0.5];
/// A window of a search, in seconds; how many a load has at least and at most, while rates grow and between those that enclose the ceiling; how close its rates come to each other; and its first load, of what the target can do.
const WINDOW_S: f64 = 0.5;
const WINDOWS: [(usize, usize); 2] = [(2, 5), (5, 9)];
const PRECISION: f64 = 0.02;
const FIRST: f64 = 0.4;
/// No rate below this is tried.
const LOWEST_RPS: f64 = 1.0;
/// Loads that are counted draw other products than those before.
const OTHER_SEED: u64 = 1_000_003;

impl Bench<'_> {
    /// One way, and where it was; `None` when it was asked to end.
    ///
    /// # Errors
    /// The target's fault: it does not start, or dies; the host's fault: threads that cannot be started.
    pub(super) async fn way(
        &self,
        cached: bool,
        alone: &SelfCheck,
        signals: &mut Signals,
    ) -> Outcome<Option<(Way, Descriptor)>> {
        let (how, words) = if cached { ("full", "with a cache") } else { ("off", "without a cache") };
        self.say(&format!("the catalogue {words}: until {} fails", self.args.slo));
        let cache = (how, self.args.valid);
        let Some(stack) = Stack::start(self, cache, &[], &self.sizes, signals).await? else {
            return Ok(None);
        };
        let done = self.measure(&stack, cached, alone, signals).await;
        let descriptor = stack.descriptor.clone();
        Ok(stack.end(done).await?.map(|way| (way, descriptor)))
    }

    async fn measure(
        &self,
        stack: &Stack,
        cached: bool,
        alone: &SelfCheck,
        signals: &mut Signals,
    ) -> Outcome<Option<Way>> {
        let meters = stack.meters()?;
        let load = catalogue::all(stack.descriptor.items, self.args.seed, self.args.target_proxy)?;
        if cached && self.fill(stack, &load, &meters, MOST_FILLING, signals).await?.is_none() {
            return Ok(None);
        }
        let able_rps = alone.closed_rps.max(2.0 * LOWEST_RPS);
        let wanted = Wanted {
            objective: self.args.slo.clone(),
            first_rps: LOWEST_RPS,
            min_rps: LOWEST_RPS,
            max_rps: able_rps,
            precision: PRECISION,
            budget_s: self.share_s(SEARCH),
            window_s: WINDOW_S,
            pause_s: PAUSE_S,
            windows: WINDOWS,
            whole: true,
            resolution: None,
            seed: self.args.seed,
        };
        let order = Order {
            load: &load,
            sizes: &self.sizes,
            cpus: &self.cpus,
            target_cpus: &self.target_cpus,
            wanted,
            ask: Some(FIRST),
            self_check: Some(alone.clone()),
            says: true,
        };
        let ended = search_at(&order, stack.descriptor.clone(), self.output, signals).await?;
        if let Some(died) = ended.died {
            return Err(Failure::target(died));
        }
        if ended.found.partial {
            return Ok(None);
        }
        let Some(ceiling_rps) = ended.found.ceiling_rps else {
            return Ok(Some(Way { search: ended.found, busy: None }));
        };
        let load = LoadArgs { seed: self.args.seed.wrapping_add(OTHER_SEED), ..load };
        let busy = self.busy(stack, &load, &meters, ceiling_rps, signals).await?;
        Ok(busy.map(|busy| Way { search: ended.found, busy: Some(busy) }))
    }

    /// Has the cache filled: as long as more than a little goes to the app, in so many loads at most. `None` when it was asked to end.
    pub(super) async fn fill(
        &self,
        stack: &Stack,
        load: &LoadArgs,
        meters: &Meters,
        most: u64,
        signals: &mut Signals,
    ) -> Outcome<Option<()>> {
        for n in 1..=most {
            self.output.status.does("filling the cache");
            let load =
                LoadArgs { seed: load.seed.wrapping_add(n), connections: Some(CONNECTIONS), ..load.clone() };
            let before = meters.reached().await?;
            let offer = Offer { load: &load, rate: None, length: FILLING, resolution: FILLING };
            let run = offer.carry_out(&stack.descriptor, &self.cpus, signals, async {}).await?;
            if run.partial {
                return Ok(None);
            }
            let share = meters.reached().await?.saturating_sub(before) as f64 / (run.planned as f64).max(1.0);
            if share <= FILLED || n == most {
                self.say(&format!(
                    "filled the cache: {} of the requests go to the app by now",
                    percent(share.min(1.0))
                ));
                break;
            }
        }
        Ok(Some(()))
    }

    /// A load somewhat below the ceiling, and what went on to the app and to the database.
    async fn busy(
        &self,
        stack: &Stack,
        load: &LoadArgs,
        meters: &Meters,
        ceiling_rps: f64,
        signals: &mut Signals,
    ) -> Outcome<Option<Busy>> {
        let mut last = None;
        for (n, share) in (0u64..).zip(NEAR) {
            let load = &LoadArgs { seed: load.seed.wrapping_add(n), ..load.clone() };
            let rps = (share * ceiling_rps).max(LOWEST_RPS).round();
            self.output.status.does("counting what goes on to the app and the database");
            let rate = Rate { micro: (rps * 1e6) as u64 };
            let length = Duration::from_secs_f64(self.share_s(BUSY));
            let before = meters.read().await?;
            // Nothing but sums is read off it.
            let offer = Offer { load, rate: Some(rate), length, resolution: length };
            let run = offer.carry_out(&stack.descriptor, &self.cpus, signals, async {}).await?;
            if run.partial {
                return Ok(None);
            }
            let ledger = ledger(&run);
            let counted = meters.read().await?.since(&before);
            let valid = run.verdict.valid && counted.is_some();
            let mut reasons = if run.verdict.valid { Vec::new() } else { run.verdict.reasons };
            reasons.extend(counted.is_none().then(|| WENT_BACK.to_owned()));
            let (app_requests, db_queries, fared) = counted.unwrap_or_default();
            last = Some(Busy {
                offered_rps: rps,
                ledger,
                app_requests,
                db_queries,
                fared,
                valid,
                reasons,
                ..Busy::default()
            });
            if valid {
                break;
            }
        }
        Ok(last)
    }
}
