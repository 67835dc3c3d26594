//! `loadgen pairs`: two or more targets side by side, for a comparison. In each pair every one of them, started afresh, gets the same
//! arrivals of the same requests, in an order that no drift prefers. It arranges runs and searches, keeps their records, and
//! compares nothing.

mod arms;
mod before;
mod layout;
mod measure;
mod order;
mod quiet;
mod rate;
mod search;
mod there;

use super::carry_out::carry_out;
use super::ceiling::alone::self_check;
use crate::cli::{LoadArgs, PairsArgs, ResultArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{self, Output};
use crate::plan::Plan;
use crate::signals::Signals;
use crate::units::Rate;
use crate::{pace, record};
use arms::{Arm, Target};
use layout::Layout;
use measure::{ATTEMPTS, Place, Terms};
use quiet::Patience;
use reports::analyse::pairs::{conclude, few_pairs, pair_in_words};
use reports::ceiling::SelfCheck;
use reports::pairs::{Load, PAIRS_SCHEMA, Pairs};
use reports::record::Verdict;
use reports::store::PAIRS_FILE;
use std::cell::Cell;
use std::time::{Duration, Instant};
use there::Room;

/// A search with less than this has no time for a rate that holds and one that fails.
const LEAST_SEARCH: Duration = Duration::from_secs(8);
/// The seconds that starting a target, waiting for its last answers and ending it are taken to need, before it is known.
const AROUND_S: f64 = 3.0;

/// For waiting for a quiet machine where no time was given, and no more than a tenth of the budget.
const PATIENCE: Duration = Duration::from_secs(120);

/// What stands for the URLs of targets that have not been started.
const SOME: [&str; 2] = ["http://127.0.0.1/", "https://127.0.0.1/"];

/// What all parts are given.
pub(super) struct Bench<'a> {
    args: &'a PairsArgs,
    arms: Vec<Arm>,
    room: Room,
    layout: Layout,
    output: &'a Output,
    /// What the generator can do, where there are searches.
    self_check: Option<SelfCheck>,
    /// Whether somebody wanted it to end during a search.
    asked: Cell<bool>,
    /// Whether a target that is judged has died.
    died: Cell<bool>,
    /// Whether it is known that all targets are there.
    tried: Cell<bool>,
    patience: Patience,
    begun: Instant,
}

/// Carries it out; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that does not start, a host that does not let us.
pub(crate) fn run(args: &PairsArgs, begun: Instant) -> Outcome<Exit> {
    let arms = check(args)?;
    let room = Room::of(&args.load)?;
    let dir = args.result.out.clone().unwrap_or_else(|| output::default_dir("pairs"));
    let layout = Layout::new(&dir, args.pairs);
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    layout.is_free(&names)?;
    let result = ResultArgs { out: Some(dir), ..args.result.clone() };
    let output = Output::of_experiment("pairs", PAIRS_FILE, &result, begun);
    let ((found, stopped), output) = carry_out(output, async |output| {
        few_pairs(args.pairs).iter().for_each(|need| output.say(&format!("few pairs: {need}")));
        let (self_check, begun) = (None, pace::now());
        let [asked, died, tried] = [false; 3].map(Cell::new);
        let patience = Patience::new(patience(args), room.all());
        Bench { args, arms, room, layout, output, self_check, asked, died, tried, patience, begun }
            .all()
            .await
    })?;
    output.finish_pairs(&found, stopped.as_ref().map(|failure| failure.message.as_str()))?;
    Ok(match stopped {
        Some(failure) => failure.exit,
        None if found.verdict.valid => Exit::Passed,
        None => Exit::Invalid,
    })
}

/// How long all waiting for a quiet machine may take.
fn patience(args: &PairsArgs) -> Duration {
    args.patience.unwrap_or_else(|| args.budget.map_or(PATIENCE, |budget| PATIENCE.min(budget / 10)))
}

/// Errors of use, before anything is made or started.
fn check(args: &PairsArgs) -> Outcome<Vec<Arm>> {
    if let Some(url) = &args.load.url {
        return Err(Failure::usage(format!(
            "`{url}` is one too many: targets are given with --base and --candidate"
        )));
    }
    if args.load.target_proxy.is_some() {
        return Err(Failure::usage(
            "--target-proxy: say it in the command that starts the target, such as --base 'target-stack up --proxy nginx'",
        ));
    }
    if args.ceilings && args.ceiling_budget < LEAST_SEARCH {
        return Err(Failure::usage(format!("--ceiling-budget: a search needs at least {LEAST_SEARCH:?}")));
    }
    let arms = Arm::all(args)?;
    let rate = args.rps.unwrap_or(Rate { micro: 1_000_000 });
    let plan = |url: &str| {
        let load = LoadArgs { url: Some(url.to_owned()), ..args.load.clone() };
        Plan::at(&load, Some(rate), args.warmup, args.duration).map(drop)
    };
    for arm in &arms {
        match &arm.target {
            Target::Url(url) => plan(url)?,
            // Which of the two it is going to be is known when it says where it is.
            Target::Command(_) => plan(SOME[0]).or_else(|why| plan(SOME[1]).map_err(|_| why))?,
        }
    }
    Ok(arms)
}

impl Bench<'_> {
    /// All pairs, and beside them what stopped it early.
    async fn all(mut self) -> Outcome<(Pairs, Option<Failure>)> {
        let mut signals = Signals::listen()?;
        let mut found = self.blank();
        let total_s = self.args.budget.map_or_else(|| self.expected_s(), |budget| budget.as_secs_f64());
        self.output.status.counts(self.begun, 0.0, total_s);
        let ended = self.pairs(&mut found, &mut signals).await;
        found.duration_s = self.spent_s();
        let stopped = match ended {
            Ok(through) => {
                found.partial = through.is_none();
                None
            }
            // Which of several targets is not there, and which of them comes first, makes no difference.
            Err(failure) if !self.died.get() && !self.has_a_pair(&found) => return Err(failure),
            Err(failure) => {
                found.partial = true;
                Some(failure)
            }
        };
        conclude(&mut found);
        Ok((found, stopped))
    }

    /// `None` where it was asked to end, or there is no time left.
    async fn pairs(&mut self, found: &mut Pairs, signals: &mut Signals) -> Outcome<Option<()>> {
        if self.args.ceilings || self.args.rps.is_none() {
            self.output.say("checking the generator against a target that does nothing");
            self.output.status.does("checking the generator");
            self.self_check = self_check(&self.room.cpus, &self.room.target_cpus, signals).await?;
            if self.self_check.is_none() {
                return Ok(None);
            }
        }
        let Some((rate, ceiling_rps)) = self.rate(signals).await? else { return Ok(None) };
        (found.load.rps, found.load.ceiling_rps) = (rate.rps(), ceiling_rps);
        if ceiling_rps.is_some() {
            self.keep(found)?;
        }
        let mut terms = Terms { rate, ceiling_rps };
        let orders = order::orders(self.arms.len(), self.args.pairs as usize, self.args.load.seed);
        let (mut longest_s, all_begun_s) = (0.0_f64, self.spent_s());
        for (pair, order) in (1..).zip(orders) {
            let begun_s = self.spent_s();
            if pair > 1 && !self.has_time_for(longest_s) {
                self.output.say(&format!("there is no time for pair {pair} of {}", self.args.pairs));
                return Ok(None);
            }
            for arm in order.into_iter().filter_map(|n| self.arms.get(n)) {
                if self.measure((arm, pair), terms, found, signals).await?.is_none() {
                    return Ok(None);
                }
            }
            self.tried.set(true);
            longest_s = longest_s.max(self.spent_s() - begun_s);
            if self.args.budget.is_none() {
                // How long it will take is best known from what it took, without what was waited.
                let waited_s: f64 = found.runs.iter().map(|made| made.waited_s).sum();
                let each_s = (self.spent_s() - all_begun_s - waited_s) / f64::from(pair);
                let total_s = self.spent_s() + each_s * f64::from(self.args.pairs - pair);
                self.output.status.counts(self.begun, 0.0, total_s);
            }
            self.output.say(&pair_in_words(found, pair));
            if terms.ceiling_rps.is_none() {
                // All arms of a pair are searched alike: from the second one on near what the first has shown.
                terms.ceiling_rps = found.ceiling_of(reports::pairs::BASE, pair);
            }
        }
        Ok(Some(()))
    }

    /// An arm in a pair, as often as it takes; `None` where it was asked to end.
    async fn measure(
        &self,
        (arm, pair): (&Arm, u32),
        terms: Terms,
        found: &mut Pairs,
        signals: &mut Signals,
    ) -> Outcome<Option<()>> {
        let mut took_s = 0.0;
        for attempt in 1..=ATTEMPTS {
            let last = attempt == ATTEMPTS
                || self.args.budget.is_some() && attempt > 1 && !self.has_time_for(2.0 * took_s);
            let begun_s = self.spent_s();
            let Some(made) = self.attempt(Place { arm, pair, attempt, last }, terms, signals).await? else {
                return Ok(None);
            };
            took_s = self.spent_s() - begun_s;
            if let Some(entry) = found.arms.iter_mut().find(|entry| entry.name == arm.name) {
                entry.emulated = made.emulated;
            }
            let (valid, reason) = (made.run.valid, made.run.reason.clone());
            found.runs.push(made.run);
            found.runs.extend(made.search);
            self.keep(found)?;
            if self.asked.get() {
                return Ok(None);
            }
            if let Some(died) = made.died {
                // That is an answer, and none to ask for once more; of an arm beside those that are judged it ends nothing else.
                let dead = measure::dead(arm, &died);
                if arm.searched {
                    self.died.set(true);
                    return Err(dead);
                }
                self.output.say(&format!("pair {pair} of {}: {}", self.args.pairs, dead.message));
                break;
            }
            if valid || last || !self.has_time_for(took_s) {
                break;
            }
            let why = reason.unwrap_or_default();
            self.output.say(&format!("pair {pair} of {}: {} once more: {why}", self.args.pairs, arm.name));
        }
        Ok(Some(()))
    }

    /// Whether there is a run of each arm in a pair.
    fn has_a_pair(&self, found: &Pairs) -> bool {
        self.arms.iter().all(|arm| found.run_of(&arm.name, 1).is_some())
    }

    fn spent_s(&self) -> f64 {
        (pace::now() - self.begun).as_secs_f64()
    }

    /// Whether something that takes so long ends within the budget, if there is one.
    fn has_time_for(&self, seconds: f64) -> bool {
        self.args.budget.is_none_or(|budget| self.spent_s() + seconds <= budget.as_secs_f64())
    }

    /// What all of it takes, as far as that can be known.
    fn expected_s(&self) -> f64 {
        let run_s = (self.args.warmup + self.args.duration).as_secs_f64() + AROUND_S;
        let search_s = if self.args.ceilings { self.args.ceiling_budget.as_secs_f64() } else { 0.0 };
        let arm_s = |arm: &Arm| run_s + if arm.searched { search_s } else { 0.0 };
        f64::from(self.args.pairs) * self.arms.iter().map(arm_s).sum::<f64>()
    }

    /// Writes what there is, marked as partial: one that is killed shows what it has.
    fn keep(&self, found: &mut Pairs) -> Outcome {
        found.duration_s = self.spent_s();
        conclude(found);
        // What was concluded of fewer pairs is no verdict.
        let so_far = Pairs { partial: true, verdict: Verdict::default(), ..found.clone() };
        self.output.keep_pairs(&so_far)
    }

    /// The record of an experiment that has not begun.
    fn blank(&self) -> Pairs {
        let args = self.args;
        let search_s = args.ceilings.then_some(args.ceiling_budget.as_secs_f64());
        Pairs {
            schema: PAIRS_SCHEMA.to_owned(),
            head: record::head(args.load.seed, pace::wall_clock(), &self.room.cpus),
            pairs: args.pairs,
            load: Load {
                rps: 0.0,
                share: args.rps.is_none().then_some(args.share),
                ceiling_rps: None,
                arrivals: format!("{:?}", args.load.arrivals).to_lowercase(),
                duration_s: args.duration.as_secs_f64(),
                warmup_s: args.warmup.as_secs_f64(),
                slo: args.slo.to_string(),
                search_s,
            },
            arms: self.arms.iter().map(Arm::entry).collect(),
            ..Pairs::default()
        }
    }
}
