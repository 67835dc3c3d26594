//! From what an experiment on caching measured to what its record concludes: hit ratios, costs, stampedes, outages, the moved
//! ceiling, and whether to believe it. The same measurements give the same conclusions, now and when the record is read again.

use super::{conclude, others};
use crate::cache::{Busy, Caching, Cure, Dead, Expiry, Gain, Outage, Part, Stampede, Way};
use crate::ceiling::{Bound, Limit};
use crate::number::{counted, exact_rate, percent, rate, round_to_digits, seconds};

/// How requests fare that are answered from the cache, as the proxy names it.
const ANSWERED: [&str; 4] = ["HIT", "STALE", "UPDATING", "REVALIDATED"];
/// Requests to the app belong to one expiry when they are apart by less than this share of the time that a copy is fresh.
const TOGETHER: f64 = 0.5;

/// Concludes from what is in `found`, in place of whatever was concluded before.
///
/// # Errors
/// When an objective is none.
pub fn caching(found: &mut Caching) -> Result<(), String> {
    for way in [&mut found.uncached, &mut found.cached].into_iter().flatten() {
        conclude::conclude(&mut way.search)?;
        way.busy.iter_mut().for_each(cost);
    }
    let valid_s = found.setting.short_valid_s as f64;
    for stampede in &mut found.stampedes {
        (stampede.cold, stampede.expiries) = bursts(&stampede.reached, valid_s);
    }
    found.outages.iter_mut().for_each(|outage| outage.dead = dead(outage));
    found.gain = found.uncached.as_ref().zip(found.cached.as_ref()).and_then(|(a, b)| gain(a, b));
    let faults = faults(found);
    found.verdict.valid = faults.is_empty();
    found.verdict.reasons = faults;
    Ok(())
}

fn cost(busy: &mut Busy) {
    let per = |n: u64, of: u64| (of > 0).then(|| n as f64 / of as f64);
    // One that failed on its way may have cost less than an answer does.
    let requests = busy.ledger.ok;
    busy.app_per_request = per(busy.app_requests, requests);
    busy.queries_per_request = per(busy.db_queries, requests);
    let all = busy.fared.values().copied().fold(0, u64::saturating_add);
    let answered = ANSWERED.iter().filter_map(|name| busy.fared.get(*name));
    let answered = answered.copied().fold(0, u64::saturating_add);
    busy.hit_ratio = per(answered, all).or(busy.app_per_request.map(|share| (1.0 - share).clamp(0.0, 1.0)));
}

/// Requests to the app before there was a first copy, and at each expiry after that.
fn bursts(reached: &[(f64, u64)], valid_s: f64) -> (Option<u64>, Vec<Expiry>) {
    let mut all = expiries(reached, valid_s);
    let first = all.first().filter(|first| first.at_s < TOGETHER * valid_s).map(|first| first.requests);
    if first.is_some() {
        all.remove(0);
    }
    (first, all)
}

/// Requests to the app in groups: in between is nothing for so long that a fresh copy must have been there.
fn expiries(reached: &[(f64, u64)], valid_s: f64) -> Vec<Expiry> {
    let mut expiries: Vec<Expiry> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for pair in reached.windows(2) {
        let (at_s, requests) = (pair[1].0, pair[1].1.saturating_sub(pair[0].1));
        if requests == 0 {
            continue;
        }
        match expiries.last_mut().filter(|_| at_s - last < TOGETHER * valid_s) {
            Some(expiry) => expiry.requests += requests,
            None => expiries.push(Expiry { at_s, requests }),
        }
        last = at_s;
    }
    expiries
}

/// What ended between the app's death and its return. An interval counts where its middle lies in it.
fn dead(outage: &Outage) -> Option<Dead> {
    let from = outage.killed_at_s?;
    let to = outage.back_at_s.unwrap_or(f64::INFINITY);
    let middle = |number: usize| (number as f64 + 0.5) * outage.interval_s;
    let within = outage.intervals.iter().enumerate().filter(|(n, _)| (from..to).contains(&middle(*n)));
    let (ok, failed) = within.fold((0u64, 0u64), |(ok, failed), (_, one)| {
        (ok.saturating_add(one.0), failed.saturating_add(one.1))
    });
    let sent_by = |at: f64| outage.stale_sent.iter().take_while(|sample| sample.0 <= at).last().map(|s| s.1);
    let first = outage.stale_sent.first().map(|sample| sample.1);
    let stale = sent_by(to).zip(sent_by(from).or(first)).map(|(to, from)| to.saturating_sub(from).min(ok));
    Some(Dead { ok, failed, stale })
}

fn gain(uncached: &Way, cached: &Way) -> Option<Gain> {
    let (before, after) = (&uncached.search, &cached.search);
    // A ceiling that is higher than was found would make the ratio a lower one.
    let known = before.bound == Bound::Exact && !is_at_least(uncached) && after.bound != Bound::Below;
    let ratio = after.ceiling_rps? / before.ceiling_rps.filter(|rps| known && *rps > 0.0)?;
    let bound = if is_at_least(cached) { Bound::AtLeast } else { Bound::Exact };
    let ends = before.ci95.zip(after.ci95).filter(|([from, _], _)| *from > 0.0 && bound == Bound::Exact);
    let ci95 = ends.map(|(before, after)| [after[0] / before[1], after[1] / before[0]]);
    ratio.is_finite().then_some(Gain { ratio, ci95, bound })
}

/// Whether a ceiling is not the target's own, but that of who looked for it.
pub fn is_at_least(way: &Way) -> bool {
    let outside = matches!(way.search.limited_by.what, Limit::Generator | Limit::Host);
    way.search.bound == Bound::AtLeast || way.search.bound == Bound::Exact && outside
}

/// Why there is no answer that can be relied on; none where there is.
fn faults(found: &Caching) -> Vec<String> {
    let mut faults = Vec::new();
    if found.wants(Part::Ceiling) {
        faults.extend(of_ceilings(found));
    }
    if found.wants(Part::Stampede) {
        faults.extend(Cure::ALL.iter().filter_map(|cure| of_stampede(found, *cure)));
    }
    if found.wants(Part::Outage) {
        faults.extend([false, true].iter().filter_map(|stale| of_outage(found, *stale)));
    }
    faults.extend(found.partial.then(|| String::from("the experiment was cut short")));
    faults
}

fn of_ceilings(found: &Caching) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, way) in [("without a cache", &found.uncached), ("with a cache", &found.cached)] {
        let Some(way) = way else {
            faults.push(format!("the ceiling {name} was not searched"));
            continue;
        };
        faults.extend(unreliable(way).map(|why| format!("the ceiling {name}: {why}")));
        match &way.busy {
            None => faults.push(format!("the costs of a request {name} were not measured")),
            Some(busy) if !busy.valid => faults.push(invalid(&format!("the load {name}"), &busy.reasons)),
            Some(busy) => faults.extend(others::beside(busy).map(|why| format!("the load {name}: {why}"))),
        }
    }
    faults.extend(found.uncached.as_ref().filter(|way| is_at_least(way)).map(|way| {
        let why = way.search.limited_by.evidence.first().map_or("", String::as_str);
        format!("the ceiling without a cache is not the target's: {why}")
    }));
    faults
}

fn of_stampede(found: &Caching, cure: Cure) -> Option<String> {
    let name = format!("the popular page ({})", cure.words());
    match found.stampede(cure) {
        None => Some(format!("{name} was not measured")),
        Some(one) if !one.valid => Some(invalid(&name, &one.reasons)),
        Some(one) if one.expiries.is_empty() => Some(format!("{name} was not seen to expire")),
        Some(one) => others::beside_page(one).map(|why| format!("{name}: {why}")),
    }
}

fn of_outage(found: &Caching, stale: bool) -> Option<String> {
    let name = if stale { "the outage with stale pages" } else { "the outage without stale pages" };
    match found.outage(stale) {
        None => Some(format!("{name} was not measured")),
        Some(one) if !one.valid => Some(invalid(name, &one.reasons)),
        Some(one) if one.dead.is_none() => Some(format!("{name}: the app was not killed")),
        Some(_) => None,
    }
}

/// Why a search's ceiling cannot be used. That the generator or the machine ended a search makes it a bound, which is said, and
/// no fault, as long as some load held.
fn unreliable(way: &Way) -> Option<String> {
    let search = &way.search;
    let held = search.steps.iter().any(|step| step.valid && step.passed);
    let fault = || search.verdict.reasons.first().cloned().unwrap_or_default();
    match search.bound {
        Bound::Below => Some(format!("not even {} held", lowest(way))),
        Bound::AtLeast if held && !search.partial => None,
        _ => (!search.verdict.valid).then(fault),
    }
}

fn lowest(way: &Way) -> String {
    let lowest = way.search.steps.iter().map(|step| step.offered_rps).reduce(f64::min);
    lowest.map_or_else(|| String::from("one load"), |rps| format!("{}/s", rate(rps)))
}

fn invalid(what: &str, reasons: &[String]) -> String {
    let why = reasons.first().map_or_else(String::new, |why| format!(": {why}"));
    format!("{what} is invalid{why}")
}

/// What in a record cannot be, whatever was measured.
pub fn contradiction(found: &Caching) -> Option<String> {
    let busy = [&found.uncached, &found.cached].into_iter().flatten().filter_map(|way| way.busy.as_ref());
    let ledgers = busy.map(|busy| &busy.ledger);
    let ledgers = ledgers.chain(found.stampedes.iter().map(|one| &one.ledger));
    let mut ledgers = ledgers.chain(found.outages.iter().map(|one| &one.ledger));
    if !ledgers.all(|ledger| ledger.adds_up()) {
        return Some(String::from("a load's requests are not the sum of their outcomes"));
    }
    let ended = |outage: &Outage| {
        let sums = outage
            .intervals
            .iter()
            .fold((0u64, 0u64), |sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1)));
        sums == (outage.ledger.ok, outage.ledger.failed())
    };
    if !found.outages.iter().all(ended) {
        return Some(String::from("the intervals of an outage are not its outcomes"));
    }
    let grows = |samples: &[(f64, u64)]| {
        samples.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1)
    };
    let counts = found.stampedes.iter().map(|one| &one.reached[..]);
    let mut counts = counts.chain(found.outages.iter().map(|one| &one.stale_sent[..]));
    (!counts.all(grows)).then(|| String::from("a counter goes back"))
}

/// `15.3`
pub fn times(ratio: f64) -> String {
    rate(round_to_digits(ratio, if ratio < 100.0 { 3 } else { 2 }))
}

/// A ceiling, such as `at least 1,840`.
pub fn ceiling(way: &Way) -> Option<String> {
    let sign = if is_at_least(way) { "at least " } else { "" };
    way.search.ceiling_rps.map(|rps| format!("{sign}{}", exact_rate(rps)))
}

/// Statements per request, such as `0.021`.
pub fn per_request(value: f64) -> String {
    if value >= 0.0005 || value == 0.0 { rate(round_to_digits(value, 2)) } else { String::from("< 0.0005") }
}

/// All of it in a sentence.
pub fn finding(found: &Caching) -> String {
    if found.is_empty() {
        return String::from("Nothing was measured: no part of it has ended");
    }
    if !found.wants(Part::Ceiling) {
        return beside(found);
    }
    let of = |way: &Option<Way>| way.as_ref().and_then(ceiling);
    let moved = match (found.gain, of(&found.uncached), of(&found.cached)) {
        (Some(gain), Some(before), Some(after)) => {
            let least = if gain.bound == Bound::AtLeast { "at least " } else { "" };
            format!(
                "A cache moves the ceiling from {before} to {after} requests/s, {least}{} times",
                times(gain.ratio)
            )
        }
        (None, Some(before), Some(after)) => {
            format!("The ceiling is {before} requests/s without a cache, and {after} with one")
        }
        (_, Some(before), None) => format!("Without a cache the ceiling is {before} requests/s"),
        _ => String::from("How far a cache moves the ceiling is not known"),
    };
    let queries = |way: &Option<Way>| way.as_ref()?.busy.as_ref()?.queries_per_request;
    let cost = queries(&found.uncached).zip(queries(&found.cached)).map(|(before, after)| {
        format!("; {} database queries per request in place of {}", per_request(after), per_request(before))
    });
    moved + &cost.unwrap_or_default()
}

/// What is found where no ceiling was to be.
fn beside(found: &Caching) -> String {
    let reached = |cure: Cure| found.stampede(cure)?.sizes().map(|(mean, _)| requests(mean));
    let stampede = reached(Cure::None).zip(reached(Cure::Full)).map(|(without, with)| {
        format!(
            "When a popular page expires, {without} requests reach the app, and {with} with lock and updating"
        )
    });
    let share = |stale: bool| Some(percent(found.outage(stale)?.dead?.served()));
    let outage = share(false).zip(share(true)).map(|(without, with)| {
        format!("While the app is dead {without} are served without stale pages, and {with} with them")
    });
    let both: Vec<String> = stampede.into_iter().chain(outage).collect();
    if both.is_empty() { String::from("Nothing was measured to its end") } else { both.join(". ") }
}

/// A number of requests, such as `40` or `40.7`.
pub fn requests(mean: f64) -> String {
    rate(round_to_digits(mean, 3))
}

/// What a stampede came to, in words.
pub fn stampede_in_words(stampede: &Stampede) -> String {
    let reach = |n: f64| if requests(n) == "1" { "1 request reaches" } else { "requests reach" };
    let many = |n: f64| {
        if requests(n) == "1" { reach(n).to_owned() } else { format!("{} {}", requests(n), reach(n)) }
    };
    let cold = stampede.cold.map(|n| format!("{} the app before there is a copy", many(n as f64)));
    let expired = stampede.sizes().map(|(mean, most)| {
        let of = match stampede.expiries.len() {
            1 => String::from("seen once"),
            n => format!("in the mean of {n} times, {most} at most"),
        };
        let subject = if cold.is_some() { requests(mean) } else { format!("{} the app", many(mean)) };
        format!("{subject} when it expires, {of}")
    });
    let said: Vec<String> = cold.into_iter().chain(expired).collect();
    if said.is_empty() { String::from("no request was seen to reach the app") } else { said.join("; ") }
}

/// What an outage came to, in words.
pub fn outage_in_words(outage: &Outage) -> String {
    let Some(dead) = outage.dead else { return String::from("the app was not killed") };
    let stale = dead.stale.filter(|_| outage.stale);
    let stale = stale.map_or_else(String::new, |n| format!(", {} of them stale", counted(n, "page")));
    let spell = outage.back_at_s.zip(outage.killed_at_s).map(|(to, from)| seconds(to - from));
    let spell = spell.map_or_else(String::new, |spell| format!(" in {spell} without the app"));
    format!(
        "{} served{spell}: {}{stale}; {}",
        percent(dead.served()),
        counted(dead.ok, "request"),
        counted(dead.failed, "failure")
    )
}

#[cfg(test)]
#[path = "caching_tests.rs"]
mod tests;
