//! The course of a search: which load comes next. A pure function of what is wanted, of the loads so far and of the time that is
//! left, so that a search that was interrupted goes on from its record as if nothing had happened. First rates that grow until
//! one fails; then rates between one that held and one that failed, until they are close; then a sweep in random order, for the
//! picture and the laws; then loads around the ceiling again, which make its interval.

use reports::analyse::capacity::{Patience, answered, estimate, excess, rises};
use reports::analyse::objective::Objective;
use reports::ceiling::{Phase, Step};
use reports::number::rate;
use reports::random::SplitMix;
use std::time::Duration;

/// Rates grow by this until one fails, and fall by its square until one holds.
const GROWTH: f64 = 1.5;
/// A rate that was tried before: rates within this ratio of each other are the same.
const SAME: f64 = 1.0005;
/// The rates of the sweep relative to the ceiling. The ones that matter most are first, in case there is no time for all.
const SWEEP: [f64; 6] = [0.2, 0.6, 1.5, 0.8, 1.2, 0.4];
/// Windows of a load of the sweep.
const SWEEP_WINDOWS: usize = 2;
/// Starting a load, the part of it that is not looked at, and having it drain.
pub(crate) const PAUSE_S: f64 = 0.8;
/// The first rate between the ends of the bracket, of what the target answers when it is offered too much.
const KNEE: f64 = 0.97;
/// A load that breaks the objective by this factor has not done so by chance.
const CLEARLY: f64 = 3.0;
/// A budget of no more than this is all for the search; of what is beyond, this share is for the sweep and the confirming loads.
const SMALL_BUDGET_S: f64 = 30.0;
const RESERVED: f64 = 0.75;
/// At least and at most so many loads confirm.
const CONFIRM: (usize, usize) = (3, 5);

/// What a search is to find.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The objective.
    pub(crate) objective: Objective,
    /// The first rate, in requests per second.
    pub(crate) first_rps: f64,
    /// The lowest that is tried.
    pub(crate) min_rps: f64,
    /// The highest.
    pub(crate) max_rps: f64,
    /// How close the rates that enclose the ceiling have to be, as a share.
    pub(crate) precision: f64,
    /// The time for all of it, in seconds.
    pub(crate) budget_s: f64,
    /// The length of a window, in seconds.
    pub(crate) window_s: f64,
    /// What a load takes beside its windows, in seconds: [`PAUSE_S`], unless it is known better.
    pub(crate) pause_s: f64,
    /// At least and at most so many windows of a load while rates grow, and of one between the ends of the bracket.
    pub(crate) windows: [(usize, usize); 2],
    /// Whether there is a sweep, and loads that confirm; else the search ends when the ceiling is enclosed.
    pub(crate) whole: bool,
    /// See [`Plan::resolution`](crate::plan::Plan::resolution): of one of many searches whose scatter is known; `None`: it stands alone.
    pub(crate) resolution: Option<Duration>,
    /// Everything random comes from it.
    pub(crate) seed: u64,
}

/// A load to offer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// What for.
    pub(crate) phase: Phase,
    /// Requests per second.
    pub(crate) rps: f64,
    /// How many windows it may take.
    pub(crate) patience: Patience,
    /// The length of a window in seconds.
    pub(crate) window_s: f64,
}

/// The highest rate that held and the lowest that did not, of the loads that were offered to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bracket {
    low: Option<f64>,
    high: Option<f64>,
}

impl Wanted {
    /// The load that comes next when `spent_s` seconds of the budget are; `None` when the search has ended.
    pub(crate) fn next(&self, steps: &[Step], spent_s: f64) -> Option<Load> {
        let left_s = self.budget_s - spent_s;
        let of_later = |step: &Step| matches!(step.phase, Phase::Sweep | Phase::Confirm);
        if !steps.iter().any(of_later)
            && let Some(load) = self.seek(steps, left_s)
        {
            return Some(load);
        }
        let found = self.found(steps).filter(|_| self.whole)?;
        self.sweep(steps, found, left_s).or_else(|| self.confirm(steps, found, left_s))
    }

    /// What of the search that has ended there was no time for, in words.
    pub(crate) fn cut(&self, steps: &[Step]) -> Vec<String> {
        let mut cut = Vec::new();
        let sought = |step: &&Step| matches!(step.phase, Phase::Bracket | Phase::Search);
        let sought: Vec<Step> = steps.iter().take_while(sought).cloned().collect();
        let lowest = sought.iter().map(|step| step.offered_rps).reduce(f64::min);
        if !sought.iter().any(|step| step.passed) {
            let above = lowest.filter(|rps| *rps > self.min_rps * SAME);
            return above
                .map(|rps| format!("there was no time for rates below {}/s", rate(rps)))
                .into_iter()
                .collect();
        }
        match bracket(&sought, &self.objective) {
            Bracket { low: Some(low), high: None } if low * SAME < self.max_rps => {
                cut.push(format!("there was no time for rates above {}/s", rate(low)));
            }
            Bracket { low: Some(low), high: Some(high) } if self.between(&sought, low, high).is_some() => {
                let (low, high) = (rate(low), rate(high));
                cut.push(format!("there was no time for further rates between {low}/s and {high}/s"));
            }
            _ => {}
        }
        let Some(found) = self.found(steps).filter(|_| self.whole) else { return cut };
        let done = |phase: Phase| steps.iter().filter(|step| step.phase == phase).count();
        let planned = SWEEP.iter().filter(|factor| found * **factor <= self.max_rps).count();
        if done(Phase::Sweep) < planned {
            cut.push(format!("there was time for {} of the sweep's {planned} loads", done(Phase::Sweep)));
        }
        let (least, bounded) = (CONFIRM.0, estimate(steps, &self.objective).ci95.is_some());
        if bounded && done(Phase::Confirm) < least {
            cut.push(format!("there was time for {} of {least} loads that confirm", done(Phase::Confirm)));
        }
        cut
    }

    fn load(&self, phase: Phase, rps: f64, least: usize, most: usize) -> Load {
        // A whole rate, or one of three digits after the point, can be asked for again.
        let rps = if rps >= 100.0 { rps.round() } else { (rps * 1e3).round() / 1e3 };
        Load { phase, rps, patience: Patience { least, most }, window_s: self.window_s }
    }

    /// What the sweep and the confirming loads take at least.
    fn reserve_s(&self) -> f64 {
        if !self.whole {
            return 0.0;
        }
        let sweep = SWEEP.len() as f64 * (SWEEP_WINDOWS as f64 * self.window_s + self.pause_s);
        let both = sweep + CONFIRM.0 as f64 * (9.0 * self.window_s + self.pause_s);
        // A small budget is for the ceiling first.
        both.min((RESERVED * (self.budget_s - SMALL_BUDGET_S)).max(0.0))
    }

    /// The next load of the bracket or of the search between its ends.
    fn seek(&self, steps: &[Step], left_s: f64) -> Option<Load> {
        let bracket = bracket(steps, &self.objective);
        let again = self.again(steps);
        let (phase, rps) = match (bracket.low, bracket.high) {
            _ if again.is_some() && self.is_highest(steps) => (Phase::Bracket, self.max_rps),
            (None, None) => (Phase::Bracket, self.first_rps),
            (None, Some(high)) if high > self.min_rps * SAME => (Phase::Bracket, high / (GROWTH * GROWTH)),
            (Some(low), None) if low * SAME < self.max_rps => (Phase::Bracket, low * GROWTH),
            (Some(low), Some(high)) => (Phase::Search, self.between(steps, low, high)?),
            _ => return None,
        };
        let phase = steps.last().filter(|_| again.is_some()).map_or(phase, |step| step.phase);
        let rps = again.unwrap_or(rps.clamp(self.min_rps, self.max_rps));
        let (least, most) = self.windows[usize::from(phase != Phase::Bracket)];
        let load = self.load(phase, rps, least, most);
        let longest_s = most as f64 * load.window_s + self.pause_s;
        (steps.is_empty()
            || left_s - longest_s > self.reserve_s()
            || bracket.low.is_none() && left_s > longest_s)
            .then_some(load)
    }

    /// Whether the last rate is the highest that may be tried.
    fn is_highest(&self, steps: &[Step]) -> bool {
        steps.last().is_some_and(|step| step.offered_rps * SAME >= self.max_rps)
    }

    /// A rate that failed while growing rates were tried, or while generator or host were at fault, is tried once more: a machine
    /// hiccups, and a target that is cold is slow.
    fn again(&self, steps: &[Step]) -> Option<f64> {
        let last = steps.last()?;
        let doubted = !last.passed && (last.phase == Phase::Bracket || !last.valid);
        (doubted && times(steps, last.offered_rps) < 2).then_some(last.offered_rps)
    }

    /// A rate between one that held and one that failed; `None` when the ceiling is known as closely as was asked. First just
    /// below what the target answers when it is offered too much, then where the curve through the loads passes what is allowed,
    /// a little above and below it in turn; where there is no curve, half-way.
    fn between(&self, steps: &[Step], low: f64, high: f64) -> Option<f64> {
        let sought = steps.iter().filter(|step| step.phase == Phase::Search).count();
        let saturated = steps.iter().filter(|step| !step.passed && step.offered_rps >= high / SAME);
        let saturated =
            saturated.map(|step| answered(step.windows.get(1..).unwrap_or_default())).fold(0.0, f64::max);
        if sought == 0 && saturated * KNEE > low * SAME && saturated < high {
            return Some(saturated * KNEE);
        }
        let known = estimate(steps, &self.objective);
        let middle = (low * high).sqrt();
        let (Some(rps), Some([from, to])) = (known.rps, known.ci95) else { return Some(middle) };
        // What widens the interval of a cliff for good is that a load far above held by chance, or a target that wanders.
        let half = (if known.fitted { to / from } else { to.min(high) / from.max(low) }).ln() / 2.0;
        if half <= self.precision / 2.0 || known.fitted && sought >= 3 {
            return None;
        }
        let side = if sought % 2 == 0 { -1.0 } else { 1.0 };
        let cliff = if low * SAME < rps && rps * SAME < high { rps } else { middle };
        Some(if known.fitted { rps * (side * half.min(self.precision)).exp() } else { cliff })
    }

    /// The rate that the sweep is relative to: half-way between the two that enclose the ceiling.
    fn found(&self, steps: &[Step]) -> Option<f64> {
        let sought = steps.iter().take_while(|step| matches!(step.phase, Phase::Bracket | Phase::Search));
        if !sought.clone().any(|step| step.passed) {
            return None;
        }
        let Bracket { low, high } = bracket(&sought.cloned().collect::<Vec<_>>(), &self.objective);
        low.map(|low| high.map_or(low, |high| (low * high).sqrt()))
    }

    fn sweep(&self, steps: &[Step], found: f64, left_s: f64) -> Option<Load> {
        let takes_s = SWEEP_WINDOWS as f64 * self.window_s + 1.5 * self.pause_s;
        let done = steps.iter().filter(|step| step.phase == Phase::Sweep).count();
        // How many there is time for was decided at the beginning of the sweep.
        let confirm_s = CONFIRM.0 as f64 * (9.0 * self.window_s + self.pause_s);
        let whole_s = left_s + done as f64 * takes_s;
        let most = (((whole_s - confirm_s) / takes_s) as usize).clamp(3, SWEEP.len());
        let mut factors: Vec<f64> =
            SWEEP[..most].iter().copied().filter(|factor| found * factor <= self.max_rps).collect();
        shuffle(&mut factors, self.seed);
        let next = factors
            .iter()
            .map(|factor| self.load(Phase::Sweep, found * factor, SWEEP_WINDOWS, SWEEP_WINDOWS));
        let next = next.into_iter().find(|load| {
            !steps.iter().any(|step| step.phase == Phase::Sweep && same(step.offered_rps, load.rps))
        });
        next.filter(|_| left_s > takes_s)
    }

    /// Around the ceiling as it is known by now, above it and below it in turn.
    fn confirm(&self, steps: &[Step], found: f64, left_s: f64) -> Option<Load> {
        let done = steps.iter().filter(|step| step.phase == Phase::Confirm).count();
        let known = estimate(steps, &self.objective);
        let [from, to] = known.ci95?;
        let rps = known.rps.unwrap_or(found);
        let half = ((to / from).ln() / 2.0).clamp(self.precision / 4.0, self.precision);
        let half = if known.fitted { half } else { half / 3.0 };
        let rps = if done % 2 == 0 { rps * (-half).exp() } else { rps * half.exp() };
        let load = self.load(Phase::Confirm, rps.clamp(self.min_rps, self.max_rps), 11, 11);
        let fits = ((left_s - self.pause_s) / load.window_s) as usize;
        let most = load.patience.most.min(fits);
        (most >= 5 && done < CONFIRM.1)
            .then_some(Load { patience: Patience { most, ..load.patience }, ..load })
    }
}

fn same(a: f64, b: f64) -> bool {
    a < b * SAME && b < a * SAME
}

/// How often a rate was tried.
fn times(steps: &[Step], rps: f64) -> usize {
    steps.iter().filter(|step| same(step.offered_rps, rps)).count()
}

/// What the loads enclose. One that failed while rates grew, or while generator or host were at fault, counts when it
/// did so twice; one that failed by a little may have done so by chance, and goes for one that held until a higher one fails.
fn bracket(steps: &[Step], objective: &Objective) -> Bracket {
    let clearly = |step: &&Step| {
        step.windows.iter().all(|window| window.bad)
            || excess(&step.windows, objective) > CLEARLY
            || rises(&step.windows, step.offered_rps)
    };
    let failed = |step: &&Step| {
        let sure = step.valid && step.phase != Phase::Bracket;
        let again = steps.iter().filter(|other| !other.passed && same(other.offered_rps, step.offered_rps));
        !step.passed && clearly(step) && (sure || again.count() > 1)
    };
    let high = steps.iter().filter(failed).map(|step| step.offered_rps).reduce(f64::min);
    let held = steps.iter().filter(|step| !failed(step)).map(|step| step.offered_rps);
    let low = held.filter(|rps| high.is_none_or(|high| *rps < high)).reduce(f64::max);
    Bracket { low, high }
}

/// Fisher and Yates.
fn shuffle(values: &mut [f64], seed: u64) {
    let mut random = SplitMix::new(seed ^ 0x5eed);
    for n in (1..values.len()).rev() {
        let other = (random.bits() % (n as u64 + 1)) as usize;
        values.swap(n, other);
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
