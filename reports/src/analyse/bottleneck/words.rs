//! The evidence in words: from a verdict and the facts to its sentences, the verdict itself first. It judges nothing.

use super::facts::Facts;
use super::facts::usable;
use super::{EXPLAINED_LEAST, THROTTLED_LEAST};
use crate::ceiling::{Bound, Cause, Ceiling, Resource};
use crate::number::{counted, exact_rate, percent, rate};

/// A tier with a smaller part of what is shared is left out.
const NAMED_LEAST: f64 = 0.01;
/// What no tier accounts for is said from this part on.
const REST_LEAST: f64 = 0.05;

/// A ceiling at more than so many times the expected one is not explained by the change alone.
const FURTHER: f64 = 1.25;

/// Where the ceiling is, in words.
pub(super) fn headline(found: &Ceiling) -> String {
    let figure = |rps: f64| format!("{} requests/s", rate(rps));
    if let Some([from, to]) = found.between() {
        return format!("between {} and {}", rate(from), figure(to));
    }
    match (found.bound, usable(found.ceiling_rps)) {
        (Bound::Exact, Some(rps)) => figure(rps),
        (Bound::AtLeast, Some(rps)) => format!("at least {}", figure(rps)),
        (Bound::Below, _) => match super::facts::lowest(found) {
            Some(step) => format!("below {}", figure(step.offered_rps)),
            None => "no load".to_owned(),
        },
        (_, None) => "no ceiling".to_owned(),
    }
}

/// A tier by its role.
pub(crate) fn tier(name: &str) -> String {
    match name {
        "db" => "the database".to_owned(),
        "app" => "the app server".to_owned(),
        "proxy" => "the proxy".to_owned(),
        "dns" => "the name server".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A resource with its size: `the app server's 4 workers`.
pub(crate) fn noun(resource: &Resource) -> String {
    let size = resource.capacity;
    let many = if size > 1.0 { "s" } else { "" };
    let whose = format!("{}'s", tier(&resource.tier));
    match resource.resource.as_str() {
        "cpu" if resource.shared.is_empty() && size == 1.0 => format!("{whose} CPU"),
        "cpu" if resource.shared.is_empty() => format!("{whose} {} CPU{many}", rate(size)),
        "cpu" if size == 1.0 => "the CPU that the tiers share".to_owned(),
        "cpu" => format!("the {} CPUs that the tiers share", rate(size)),
        "workers" => format!("{whose} {} worker{many}", rate(size)),
        "pool" => format!("{whose} pool of {}", counted(size.round().max(0.0) as u64, "connection")),
        other => format!("{whose} {} {other}", rate(size)),
    }
}

/// What a request takes of a resource: in microseconds up to a millisecond, of which two digits would be too few to compare.
pub(crate) fn takes(demand_s: f64) -> String {
    match demand_s * 1e3 {
        short if short < 1.0 => format!("{} us", rate(short * 1e3)),
        long => crate::number::ms(long),
    }
}

/// What became of the ceiling when there was more of what is said to be the limit.
pub(crate) fn tried(cause: &Cause) -> String {
    let moved = match (cause.ceiling_rps, cause.ci95) {
        (None, _) => "no ceiling was found".to_owned(),
        (Some(at), None) => format!("the ceiling is {}", exact_rate(at)),
        (Some(at), Some([from, to])) => {
            format!("the ceiling is {} ({} to {})", exact_rate(at), exact_rate(from), exact_rate(to))
        }
    };
    let so = match cause.confirmed {
        Some(true) => "so it was the limit",
        Some(false) => "so something else is the limit",
        None => "which does not tell whether it was the limit",
    };
    let expected = rate(cause.expected_ratio);
    let further = cause.moved_ratio.filter(|ratio| *ratio > FURTHER * cause.expected_ratio);
    let further = further.map(|ratio| {
        format!(
            ", and it is {} times: more than one unit explains, so something else moved it too",
            rate(ratio)
        )
    });
    format!(
        "with {}, {moved}: {so}; {expected} times as much was to be expected{}",
        cause.change,
        further.unwrap_or_default()
    )
}

/// `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The evidence against `cause`, with `others` whose predictions are as close.
pub(super) fn target(facts: &Facts, cause: &Resource, others: &[&Resource]) -> Vec<String> {
    let level = cause.utilisation.unwrap_or_else(|| facts.level(cause));
    let mut evidence = vec![format!(
        "{}: {}{}, {} busy, {} per request; predicted {}",
        headline(facts.found),
        noun(cause),
        largest(cause),
        percent(level),
        takes(cause.demand_s),
        rate(cause.predicted_rps)
    )];
    evidence.extend(parts(cause));
    evidence.extend(others.iter().map(|other| {
        let busy = percent(facts.level(other));
        format!("{} would be full at {} too, and is {busy} busy", noun(other), rate(other.predicted_rps))
    }));
    evidence.extend(throttling(facts, cause));
    evidence.extend(where_the_objective_cuts(facts, cause));
    evidence.extend(more_than_predicted(facts, cause));
    evidence.extend(source(facts, cause));
    let next = facts.resources.iter().find(|other| *other != cause && !others.contains(other));
    evidence.extend(next.map(|next| format!("next: {}, predicted {}", noun(next), rate(next.predicted_rps))));
    evidence
}

/// Which loads a demand comes from.
pub(super) fn source(facts: &Facts, resource: &Resource) -> Option<String> {
    let basis = facts.basis(resource)?;
    let (count, from, to) = basis.loads();
    let [low, high] = resource.predicted_range;
    let loads = match count {
        1 => format!("one load of {} requests/s", rate(to)),
        n => format!(
            "{n} loads of {} to {} requests/s, which alone give {} to {}",
            rate(from),
            rate(to),
            rate(low),
            rate(high)
        ),
    };
    let caution =
        if basis.low { "" } else { "; there are no lower ones, and these are too near the ceiling" };
    Some(format!("the prediction rests on {loads}{caution}"))
}

/// Who uses most of what is shared.
fn largest(resource: &Resource) -> String {
    let part = resource.shared.get(&resource.tier).filter(|_| resource.shared.len() > 1);
    part.map_or_else(String::new, |part| format!(" ({} of it for {})", percent(*part), tier(&resource.tier)))
}

fn parts(resource: &Resource) -> Option<String> {
    if resource.shared.is_empty() {
        return None;
    }
    let mut parts: Vec<(&String, f64)> = resource.shared.iter().map(|(tier, part)| (tier, *part)).collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let worth_a_word = parts.iter().filter(|(_, part)| *part >= NAMED_LEAST);
    let mut named: Vec<String> =
        worth_a_word.map(|(name, part)| format!("{} ({})", tier(name), percent(*part))).collect();
    let rest = 1.0 - parts.iter().map(|(_, part)| part).sum::<f64>();
    if rest >= REST_LEAST {
        named.push(format!("what is none of theirs ({})", percent(rest)));
    }
    (!named.is_empty()).then(|| format!("its time per request goes to {}", list(&named)))
}

fn throttling(facts: &Facts, cause: &Resource) -> Option<String> {
    let throttled = facts.throttled(cause);
    let often = throttled >= THROTTLED_LEAST;
    often.then(|| format!("its quota stopped it in {} of the periods", percent(throttled)))
}

/// Where queueing breaks the objective well before the resource is in use all the time.
fn where_the_objective_cuts(facts: &Facts, cause: &Resource) -> Option<String> {
    let ceiling = usable(facts.found.ceiling_rps)?;
    (ceiling < EXPLAINED_LEAST * cause.predicted_rps).then(|| {
        format!(
            "the objective ends at {} of that: requests queue before it is busy all the time; peak goodput {}",
            percent(ceiling / cause.predicted_rps),
            rate(facts.reached)
        )
    })
}

fn more_than_predicted(facts: &Facts, cause: &Resource) -> Option<String> {
    let demand = facts.demand_at_peak(cause)?;
    (facts.reached > cause.predicted_rps / EXPLAINED_LEAST && demand < cause.demand_s).then(|| {
        let (there, low) = (takes(demand), takes(cause.demand_s));
        format!("it gives more than predicted: a request takes {there} of it at the peak, {low} at low load")
    })
}
