//! Whether a record of trials, of caching or of traced requests can have come from an experiment: its numbers are such as clocks and
//! counters give, and there is no more of anything than a load makes. It names what cannot be, before anything is concluded from it; it
//! mends nothing. For searches [`super::plausible`] does the same.

use super::plausible::{is_amount, is_count};
use crate::cache::{Busy, Caching, Cure, Ledger, Outage, Stampede};
use crate::lesson::{Lesson, Moment, Orders, Trial};
use crate::number::{count, counted};
use crate::trace::{Asked, Trace};

/// No experiment has more trials.
const MOST_TRIALS: usize = 64;
/// No load is told in more intervals, events or samples.
const MOST_MOMENTS: usize = 100_000;
/// The name server is asked so often in a second at most, and for so many seconds before and after a load.
const QUESTIONS: f64 = 100.0;
const AROUND_S: f64 = 60.0;
/// No target is asked so often in a second.
const MOST_RPS: f64 = 1e7;
/// So many more or fewer requests than its rate and its length make may a load have, as a share of them, and beside that.
const OFF: f64 = 0.05;
const FEW: f64 = 10.0;

/// What in `found` cannot be, if anything.
pub fn of_lesson(found: &Lesson) -> Option<String> {
    if found.trials.len() > MOST_TRIALS {
        let trials = counted(found.trials.len() as u64, "trial");
        return Some(format!("{trials}: no experiment has more than {MOST_TRIALS}"));
    }
    let whole = [("rps", found.rps), ("limit_ms", found.limit_ms), ("duration_s", found.duration_s)];
    let of_trials =
        || found.trials.iter().find_map(|trial| Some(format!("{}: {}", trial.name, of_trial(trial)?)));
    not_an_amount(&whole).or_else(of_trials)
}

fn not_an_amount(named: &[(&str, f64)]) -> Option<String> {
    named.iter().find(|(_, value)| !is_amount(*value)).map(|(name, _)| format!("its {name} cannot be"))
}

fn of_trial(trial: &Trial) -> Option<&'static str> {
    let errors = trial.errors.named().map(|(_, n)| n);
    let mut counts = [trial.planned, trial.ok, trial.dropped, trial.unfinished]
        .into_iter()
        .chain(errors)
        .chain(trial.status.values().copied())
        .chain(trial.bins.iter().flat_map(|bin: &Moment| [bin.planned, bin.ok, bin.failed]));
    if !counts.all(is_count) {
        return Some("a count that no load has");
    }
    if trial.servers == 0 {
        return Some("a tier has no server");
    }
    if [trial.bins.len(), trial.events.len(), trial.versions.len()].into_iter().any(|n| n > MOST_MOMENTS) {
        return Some("it is told in more moments than a load has");
    }
    let times = [trial.duration_s, trial.interval_s].into_iter().chain(trial.p99_ms);
    let times = times.chain(trial.bins.iter().filter_map(|bin| bin.p99_ms));
    // What was done before the load began is told with a time below zero.
    let mut times = times.chain(trial.events.iter().map(|event| event.at_s.abs()));
    if !times.all(is_amount) || trial.interval_s == 0.0 && !trial.bins.is_empty() {
        return Some("a time that no load has");
    }
    if trial.status.values().sum::<u64>() > trial.planned {
        return Some("more answers than requests");
    }
    if trial.dns_failures as f64 > QUESTIONS * (trial.duration_s + AROUND_S) {
        return Some("more failures of the name server than questions");
    }
    trial.orders.and_then(|orders| of_orders(&orders, trial.planned))
}

/// A purchase is a request at least.
fn of_orders(orders: &Orders, planned: u64) -> Option<&'static str> {
    let Orders { acknowledged, unanswered, stored } = *orders;
    let all = acknowledged.saturating_add(unanswered);
    (all > planned || !is_count(stored)).then_some("more purchases than requests")
}

/// What in `found` cannot be, if anything.
pub fn of_caching(found: &Caching) -> Option<String> {
    let times = [("duration_s", found.duration_s), ("budget_s", found.budget_s)];
    let service = [("service_ms", found.setting.service_ms), ("exponent", found.setting.exponent)];
    let ways = [("without", &found.uncached), ("with", &found.cached)];
    let of_way = || {
        ways.iter().find_map(|(name, way)| {
            let wrong = of_busy(way.as_ref()?.busy.as_ref()?)?;
            Some(format!("the load {name} a cache: {wrong}"))
        })
    };
    let of_page = || {
        found.stampedes.iter().find_map(|one| {
            let wrong = of_stampede(one)?;
            Some(format!("the popular page ({}): {wrong}", one.cure.words()))
        })
    };
    let of_death = || found.outages.iter().find_map(|one| Some(format!("an outage: {}", of_outage(one)?)));
    not_an_amount(&times)
        .or_else(|| not_an_amount(&service))
        .or_else(|| twice(found).map(String::from))
        .or_else(of_way)
        .or_else(of_page)
        .or_else(of_death)
}

fn twice(found: &Caching) -> Option<&'static str> {
    let pages = |cure: Cure| found.stampedes.iter().filter(|one| one.cure == cure).count();
    let outages = |stale: bool| found.outages.iter().filter(|one| one.stale == stale).count();
    let twice =
        Cure::ALL.iter().any(|cure| pages(*cure) > 1) || [false, true].into_iter().any(|of| outages(of) > 1);
    twice.then_some("the same was measured twice")
}

fn of_busy(busy: &Busy) -> Option<String> {
    if let Some(wrong) = of_ledger(&busy.ledger).or_else(|| not_a_load(&[busy.offered_rps], &[])) {
        return Some(wrong.into());
    }
    let length_s = busy.ledger.planned as f64 / busy.offered_rps.max(f64::MIN_POSITIVE);
    let most = MOST_RPS * (length_s + 1.0);
    if [busy.app_requests, busy.db_queries]
        .into_iter()
        .chain(busy.fared.values().copied())
        .any(|n| n as f64 > most)
    {
        return Some("a count that no target has".into());
    }
    // Whatever was answered came through the proxy, which counts all or nothing.
    let fared: u64 = busy.fared.values().sum();
    let fewest = busy.ledger.ok as f64 * (1.0 - OFF) - FEW;
    (!busy.fared.is_empty() && (fared as f64) < fewest).then(|| {
        format!(
            "the proxy counted {}, and {} were answered",
            counted(fared, "request"),
            count(busy.ledger.ok)
        )
    })
}

fn of_stampede(one: &Stampede) -> Option<&'static str> {
    let times = [one.p50_ms, one.p99_ms, one.max_ms];
    let samples = one.reached.iter().map(|sample| sample.1);
    not_a_load(&[one.offered_rps, one.duration_s], &times)
        .or_else(|| (!times.into_iter().flatten().is_sorted()).then_some("its percentiles are not in order"))
        .or_else(|| of_ledger(&one.ledger))
        .or_else(|| other_load(&one.ledger, one.offered_rps, one.duration_s))
        .or_else(|| {
            not_counted(samples.chain(one.fared.values().copied()), one.reached.iter().map(|sample| sample.0))
        })
}

fn of_outage(one: &Outage) -> Option<&'static str> {
    let instants = [one.killed_at_s, one.back_at_s];
    let counts = one.intervals.iter().flat_map(|(ok, failed)| [*ok, *failed]);
    let samples = one.stale_sent.iter().map(|sample| sample.1);
    not_a_load(&[one.offered_rps, one.duration_s, one.interval_s], &instants)
        .or_else(|| of_ledger(&one.ledger))
        .or_else(|| other_load(&one.ledger, one.offered_rps, one.duration_s))
        .or_else(|| not_counted(counts.chain(samples), one.stale_sent.iter().map(|sample| sample.0)))
}

fn not_a_load(amounts: &[f64], known: &[Option<f64>]) -> Option<&'static str> {
    let positive = amounts.iter().all(|amount| *amount > 0.0);
    let all = amounts.iter().copied().chain(known.iter().copied().flatten()).all(is_amount);
    (!positive || !all).then_some("a number that no load has")
}

fn of_ledger(ledger: &Ledger) -> Option<&'static str> {
    let Ledger { planned, ok, errors, dropped, unfinished } = *ledger;
    let all = [planned, ok, errors, dropped, unfinished].into_iter().all(is_count);
    (!all).then_some("a count that no load has")
}

/// A load has as many requests as its rate and its length make.
fn other_load(ledger: &Ledger, rps: f64, duration_s: f64) -> Option<&'static str> {
    let expected = rps * duration_s;
    let off = (ledger.planned as f64 - expected).abs();
    (off > OFF * expected + FEW).then_some("its requests are not those of its rate and its length")
}

fn not_counted(
    mut counts: impl Iterator<Item = u64>,
    mut instants: impl ExactSizeIterator<Item = f64>,
) -> Option<&'static str> {
    let wrong = instants.len() > MOST_MOMENTS || !instants.all(is_amount) || !counts.all(is_count);
    wrong.then_some("a sample that no counter gives")
}

/// What in `trace` cannot be, if anything.
pub fn of_trace(trace: &Trace) -> Option<String> {
    let named = |asked: &Asked| {
        let whole =
            asked.failed.is_some() || asked.status.is_some_and(|status| (100..1000).contains(&status));
        (!whole).then(|| format!("request {} was answered with no status", asked.id))
    };
    trace.requests.iter().find_map(named)
}

#[cfg(test)]
#[path = "credible_tests.rs"]
mod tests;
