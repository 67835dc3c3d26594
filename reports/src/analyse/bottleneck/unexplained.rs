//! What is said where no counter shows the limit: how far off each resource is, which of them are symptoms, and the
//! candidates with what the counters say of them. It names no tier and no resource as the cause.

use super::facts::{Facts, is_cpu, usable};
use super::words::{headline, noun, source, takes, tier};
use super::{EXPLAINED_LEAST, SATURATED_LEAST};
use crate::ceiling::{Bound, Limit, LimitedBy, Resource};
use crate::number::{percent, rate, round_to_digits};

/// Where the peak goodput is so many times the ceiling, no capacity ended there.
const MORE_LEAST: f64 = 1.25;
/// Resources past these are left out.
const NAMED: usize = 6;
/// Held for so much longer than at low load, slots are waiting rooms.
const SYMPTOM_LEAST: f64 = 1.2;
/// Seconds of waiting for row locks per second that are worth a word.
const LOCK_LEAST: f64 = 0.05;
/// Threads of a database at work at once that are.
const THREADS_LEAST: f64 = 4.0;
/// The share of time in which some task waited for I/O that is.
const IO_LEAST: f64 = 0.05;
/// The share of time in which the target's CPUs are busy that is.
const CPU_LEAST: f64 = 0.85;

/// The search ended at its own limit: nothing of the target has been met.
pub(super) fn own_limit(facts: &Facts) -> LimitedBy {
    let mut evidence = vec![format!("{}: the search ended at its own limit", headline(facts.found))];
    if facts.tiers().is_empty() {
        evidence.push(unobserved());
    }
    evidence.extend(facts.resources.iter().take(1).map(|next| {
        let used = next.utilisation.map_or(String::new(), |share| format!(", {} busy", percent(share)));
        format!("next: {}{used}, predicted {}", noun(next), rate(next.predicted_rps))
    }));
    verdict(evidence)
}

/// No counter shows the limit.
pub(super) fn unexplained(facts: &Facts) -> LimitedBy {
    let headline = headline(facts.found);
    if facts.tiers().is_empty() {
        let mut evidence =
            vec![format!("{headline}: unexplained; nothing of the target was observed"), unobserved()];
        evidence.extend(busy_cpus(facts));
        return verdict(evidence);
    }
    if facts.resources.is_empty() {
        let mut evidence = vec![format!(
            "{headline}: unexplained; what was observed shows neither CPUs, workers nor connections in use"
        )];
        evidence.extend(busy_cpus(facts));
        evidence.extend(candidates(facts));
        return verdict(evidence);
    }
    let mut evidence = vec![format!("{headline}: unexplained; no observed resource is full there")];
    evidence.extend(facts.resources.iter().take(NAMED).map(|resource| distance(facts, resource)));
    evidence.extend(still_gives(facts));
    evidence.extend(facts.resources.iter().filter_map(|resource| symptom(facts, resource)));
    evidence.extend(facts.resources.first().and_then(|first| source(facts, first)));
    evidence.extend(candidates(facts));
    verdict(evidence)
}

fn verdict(evidence: Vec<String>) -> LimitedBy {
    LimitedBy { what: Limit::Unexplained, tier: None, resource: Some("unknown".to_owned()), evidence }
}

fn unobserved() -> String {
    "name the tiers' Prometheus endpoints to see what limits it (--observe NAME=URL)".to_owned()
}

fn busy_cpus(facts: &Facts) -> Option<String> {
    let busy = facts.machine("target_cpu_busy").filter(|share| *share >= CPU_LEAST)?;
    Some(format!("the target's CPUs are {} busy", percent(busy)))
}

/// How far what was measured is from what `resource` predicts.
fn distance(facts: &Facts, resource: &Resource) -> String {
    let used = match resource.utilisation {
        Some(share) => format!("{} busy", percent(share)),
        None => "its use unknown".to_owned(),
    };
    let ratio = resource.predicted_rps / facts.reached;
    let predicted = format!("predicted {}", rate(resource.predicted_rps));
    let compared = match ratio {
        // Nothing was answered, or a rate is none.
        ratio if !ratio.is_finite() => String::new(),
        _ if facts.found.bound == Bound::Below => " from loads that already failed".to_owned(),
        ratio if ratio >= 2.0 => format!(", {} times what was reached", round_to_digits(ratio, 2)),
        ratio if ratio > 1.0 / EXPLAINED_LEAST => format!(", {} over what was reached", percent(ratio - 1.0)),
        ratio if ratio < EXPLAINED_LEAST => format!(", {} under what was reached", percent(1.0 - ratio)),
        _ if facts.level(resource) < SATURATED_LEAST => {
            ", which fits, but it is not busy enough".to_owned()
        }
        _ if !is_cpu(resource) && !facts.is_held_alike(resource) => {
            ", which fits, but each is held for longer at higher loads: requests in it wait for something else".to_owned()
        }
        _ => ", which fits, but the objective fails far below it".to_owned(),
    };
    format!("{}: {used}, {predicted}{compared}", noun(resource))
}

/// Past the ceiling more is answered correctly: what the objective fails by is no capacity.
fn still_gives(facts: &Facts) -> Option<String> {
    let ceiling = usable(facts.found.ceiling_rps).filter(|ceiling| facts.reached >= MORE_LEAST * ceiling)?;
    Some(format!(
        "past the ceiling the target still gives {} requests/s, {} times as many: response times break the objective \
         before any capacity is used up",
        rate(facts.reached),
        round_to_digits(facts.reached / ceiling, 2)
    ))
}

/// Slots that are full because requests wait in them for something else.
fn symptom(facts: &Facts, resource: &Resource) -> Option<String> {
    let demand = facts.demand_at_peak(resource)?;
    let held_longer = demand >= SYMPTOM_LEAST * resource.demand_s;
    if is_cpu(resource) || !held_longer || facts.level(resource) < SATURATED_LEAST {
        return None;
    }
    Some(format!(
        "{}: full of requests that wait for something else; a request holds one for {} in place of {}",
        noun(resource),
        takes(demand),
        takes(resource.demand_s)
    ))
}

/// What is left, in the order of what is most often met, with what the counters say of it.
fn candidates(facts: &Facts) -> Vec<String> {
    let mut said = Vec::new();
    for name in facts.tiers() {
        let locks = facts.metric(name, "row_lock_wait_share").filter(|share| *share >= LOCK_LEAST);
        said.extend(locks.map(|seconds| {
            let whose = tier(name);
            format!("a lock: requests wait for {whose}'s row locks for {} s of each second", rate(seconds))
        }));
        let running = facts.metric(name, "threads_running").filter(|threads| *threads >= THREADS_LEAST);
        said.extend(running.map(|threads| {
            let whose = tier(name);
            format!(
                "perhaps a lock: {} of {whose}'s threads are at work at once, and may wait for each other",
                rate(threads)
            )
        }));
    }
    let waiting = facts.machine("psi_io").filter(|share| *share >= IO_LEAST);
    said.extend(waiting.map(|share| format!("I/O: some task waits for it {} of the time", percent(share))));
    if said.is_empty() {
        said.push(
            "candidates that no counter shows: a lock, I/O, a limit (of connections, of files, of the rate)"
                .to_owned(),
        );
    }
    said
}
