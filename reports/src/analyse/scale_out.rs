//! From the searches with 1, 2, 3, ... app servers to what they say of scaling out: whose each ceiling is, what more servers gain,
//! the law over their number, the next tier's wall, and whether to believe it. Pure; the same searches give the same conclusions,
//! now and when the record is read again. A ceiling of the generator's or of the machine's is never taken for the servers'.

use super::bottleneck::{demand_at_peak, mean, near, noun, tier};
use super::conclude::conclude as conclude_search;
use super::usl::servers::{Measured, law};
use crate::ceiling::{Bound, Ceiling, Limit, Resource, SelfCheck};
use crate::number::{NONE, capital, counted, percent, rate};
use crate::scale_out::{Gain, Headroom, Mix, Point, ScaleOut, Standing, Wall};

/// The tier that is multiplied.
pub const TIER: &str = "app";
/// A ratio whose interval's ends differ by more than this factor is none.
const UNSURE: f64 = 2.0;

/// Concludes from the searches in `found`, in place of whatever was concluded before.
///
/// # Errors
/// When its objective is none.
pub fn conclude(found: &mut ScaleOut) -> Result<(), String> {
    let (seed, check) = (found.head.seed, found.self_check.clone());
    for mix in &mut found.mixes {
        for point in &mut mix.points {
            conclude_search(&mut point.search)?;
            point.standing = standing(&point.search);
            point.headroom = headroom(&point.search, check.as_ref());
        }
        mix.gain = gain(&mix.points);
        let known = mix.points.iter().filter_map(|point| measured(point, interval(point)?));
        let law = law(&known.collect::<Vec<_>>(), seed);
        (mix.law, mix.no_law) = match law {
            Ok(law) => (Some(law), String::new()),
            Err(why) => (None, why),
        };
        mix.wall = wall(&mix.points);
    }
    let faults = faults(found);
    found.verdict.valid = faults.is_empty();
    let notes = found.mixes.iter().flat_map(|mix| notes(found, mix));
    let reasons = faults.into_iter().chain(found.cut.iter().cloned()).chain(notes).collect();
    found.verdict.reasons = reasons;
    Ok(())
}

/// Whose the ceiling of `search` is.
fn standing(search: &Ceiling) -> Standing {
    let limit = &search.limited_by;
    match (limit.what, search.bound) {
        _ if search.steps.is_empty() => Standing::Invalid,
        (Limit::Generator, _) => Standing::Generator,
        (Limit::Host, _) => Standing::Machine,
        (_, Bound::AtLeast) => Standing::AtLeast,
        _ if !search.verdict.valid || search.bound == Bound::Below || search.ceiling_rps.is_none() => {
            Standing::Invalid
        }
        (Limit::Target, _) => match limiting(search) {
            Some(resource) if resource.shared.len() > 1 => Standing::Machine,
            _ if limit.tier.as_deref() == Some(TIER) => Standing::App,
            _ => Standing::NextTier,
        },
        (Limit::Unexplained, _) => Standing::Unexplained,
    }
}

/// The resource that `search` ends at.
pub(crate) fn limiting(search: &Ceiling) -> Option<&Resource> {
    let limit = &search.limited_by;
    search
        .resources
        .iter()
        .find(|one| limit.tier.as_ref() == Some(&one.tier) && limit.resource.as_ref() == Some(&one.resource))
}

fn headroom(search: &Ceiling, check: Option<&SelfCheck>) -> Headroom {
    let near = near(search);
    let share = |value: &f64| (0.0..=1.5).contains(value);
    let machine = |name: &str| mean(&near, |step| step.machine.get(name).copied().filter(share));
    let able = check.map(|check| check.closed_rps).filter(|rps| rps.is_finite() && *rps > 0.0);
    Headroom {
        generator_cpu: machine("generator_cpu"),
        generator_rate: search.ceiling_rps.zip(able).map(|(ceiling, able)| ceiling / able),
        target_cpu: machine("target_cpu_busy"),
        steal: machine("steal"),
    }
}

/// A ceiling that counts, with this interval.
fn measured(point: &Point, ci95: [f64; 2]) -> Option<Measured> {
    let rps = point.search.ceiling_rps.filter(|_| point.standing.counts())?;
    Some(Measured { servers: point.servers, rps, ci95 })
}

/// The interval of a ceiling, if it is known to a factor.
fn interval(point: &Point) -> Option<[f64; 2]> {
    point.search.ci95.filter(|[from, to]| *from > 0.0 && from <= to)
}

/// Of the ratio of two independent measurements, each known to a factor, the logarithms' errors add up as squares.
fn gain(points: &[Point]) -> Option<Gain> {
    // What is not known to a factor has an interval without ends, and so has its ratio.
    let ends = |point| interval(point).unwrap_or([0.0, f64::INFINITY]);
    let known: Vec<Measured> = points.iter().filter_map(|point| measured(point, ends(point))).collect();
    let (few, many) = (known.first()?, known.last()?);
    if few.servers == many.servers {
        return None;
    }
    let ratio = many.rps / few.rps;
    let up = |one: &Measured| (one.ci95[1] / one.rps).ln();
    let down = |one: &Measured| (one.rps / one.ci95[0]).ln();
    let (higher, lower) = (up(many).hypot(down(few)), down(many).hypot(up(few)));
    let ends = [ratio * (-lower).exp(), ratio * higher.exp()];
    let times = f64::from(many.servers) / f64::from(few.servers);
    Some(Gain {
        servers: [few.servers, many.servers],
        ratio,
        ci95: Some(ends).filter(|ends| ends.iter().all(|end| end.is_finite())),
        of_perfect: ratio / times,
    })
}

/// The lowest of what more app servers do not move, by what a request takes of it at the highest loads of each search: nearer to a
/// wall than the low ones, from which a single search predicts its ceiling.
fn wall(points: &[Point]) -> Option<Wall> {
    let own = |one: &Resource| one.tier == TIER && one.shared.len() < 2;
    let judged = || points.iter().filter(|point| point.standing != Standing::Invalid);
    let mut kinds: Vec<&Resource> = Vec::new();
    for one in judged().flat_map(|point| &point.search.resources).filter(|one| !own(one)) {
        if !kinds.iter().any(|kind| same(kind, one)) {
            kinds.push(one);
        }
    }
    let whole = |kind: &Resource| {
        let full = |point: &Point| {
            let one = point.search.resources.iter().find(|one| same(kind, one))?;
            Some(demand_at_peak(&point.search, one).map_or(one.predicted_rps, |demand| one.capacity / demand))
        };
        let mut predicted: Vec<f64> = judged().filter_map(full).collect();
        predicted.retain(|rps| rps.is_finite() && *rps > 0.0);
        predicted.sort_by(f64::total_cmp);
        let reached = judged().any(|point| {
            point.standing == Standing::NextTier && limiting(&point.search).is_some_and(|one| same(kind, one))
        });
        // What a single search predicts, no other one bears out.
        (reached || predicted.len() > 1).then_some(())?;
        Some(Wall {
            tier: if kind.shared.len() > 1 { String::new() } else { kind.tier.clone() },
            what: noun(kind),
            rps: *predicted.get(predicted.len() / 2)?,
            range: [*predicted.first()?, *predicted.last()?],
            reached,
        })
    };
    let walls = kinds.into_iter().filter_map(whole);
    // What was run into is the wall, whatever was predicted for others.
    walls.min_by(|a, b| b.reached.cmp(&a.reached).then(a.rps.total_cmp(&b.rps)))
}

/// The same resource in two searches: what several tiers share has the name of the one that uses most of it, which changes.
fn same(a: &Resource, b: &Resource) -> bool {
    let shared = |one: &Resource| one.shared.len() > 1;
    a.resource == b.resource && shared(a) == shared(b) && (shared(a) || a.tier == b.tier)
}

/// Why the comparison cannot be relied on; none where it can.
fn faults(found: &ScaleOut) -> Vec<String> {
    let mut faults = Vec::new();
    if found.partial {
        faults.push(String::from("the experiment was cut short"));
    }
    if found.mixes.iter().all(|mix| mix.points.is_empty()) {
        faults.push(String::from("no search was ended"));
        return faults;
    }
    for mix in &found.mixes {
        let wrong = mix.points.iter().filter(|point| is_fault(found, point));
        faults.extend(wrong.map(|point| format!("{}: {}", at(mix, point), why_not(point))));
        faults.extend(mix.gain.as_ref().and_then(unsure).map(|why| format!("{}: {why}", mix.what)));
    }
    faults
}

/// That too little is known of a ratio, in words.
fn unsure(gain: &Gain) -> Option<String> {
    let Some([from, to]) = gain.ci95 else {
        return Some(String::from(
            "how exact the ratio is is not known: try again, or give it more --budget",
        ));
    };
    if to <= UNSURE * from {
        return None;
    }
    let (from, to) = (times(from), times(to));
    Some(format!(
        "the noise is too large to compare, {from} to {to} times: try again, or give it more --budget"
    ))
}

/// Whether the comparison falls with this point: it is one of its two ends, or cannot be judged at all.
fn is_fault(found: &ScaleOut, point: &Point) -> bool {
    let ends = [found.servers.first(), found.servers.last()];
    !point.standing.counts() && (ends.contains(&Some(&point.servers)) || point.standing == Standing::Invalid)
}

/// What a reader has to know of a mix beside the faults.
fn notes(found: &ScaleOut, mix: &Mix) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for point in mix.points.iter().filter(|point| !is_fault(found, point)) {
        match point.standing {
            Standing::Machine | Standing::Generator | Standing::AtLeast => {
                notes.push(format!("{}: {}, which is not counted", at(mix, point), why_not(point)));
            }
            Standing::Unexplained => {
                notes.push(format!("{}: no counter shows what the limit is", at(mix, point)));
            }
            Standing::App | Standing::NextTier | Standing::Invalid => {}
        }
    }
    notes.extend(Some(format!("{}: {}", mix.what, mix.no_law)).filter(|_| !mix.no_law.is_empty()));
    notes
}

fn at(mix: &Mix, point: &Point) -> String {
    format!("{} with {}", mix.what, counted(point.servers.into(), "server"))
}

/// Why a ceiling is not the servers'.
pub(crate) fn why_not(point: &Point) -> String {
    let search = &point.search;
    match point.standing {
        Standing::Generator | Standing::Machine => {
            // Behind the rate.
            let said = search.limited_by.evidence.first().and_then(|said| said.split_once(": "));
            format!("its limit is {}", said.map_or("not the target", |(_, limit)| limit))
        }
        Standing::AtLeast => {
            format!(
                "the search ended at {}/s, before anything failed",
                rate(search.ceiling_rps.unwrap_or(0.0))
            )
        }
        _ => match search.verdict.reasons.first() {
            Some(reason) if !search.verdict.valid => reason.clone(),
            _ => String::from("not even the lowest rate held"),
        },
    }
}

/// `found` in a sentence, with the numbers of this run.
pub fn finding(found: &ScaleOut) -> String {
    let known: Vec<(&Mix, &Gain)> =
        found.mixes.iter().filter_map(|mix| Some((mix, mix.gain.as_ref()?))).collect();
    let Some((first, others)) = known.split_first() else {
        let ended = found.mixes.iter().any(|mix| !mix.points.is_empty());
        let none = if ended {
            "There are no two ceilings of the servers' own to compare"
        } else {
            "Nothing was measured: no search has ended"
        };
        return none.to_owned();
    };
    let mut said = format!("{} of {}{}", serve(first.1), first.0.what, ended(first.0, others.is_empty()));
    for (mix, gain) in others {
        let ratio = times(gain.ratio);
        let serve = if gain.servers == first.1.servers { format!("{ratio} times") } else { serve(gain) };
        said += &format!("; of {}, {serve}{}", mix.what, ended(mix, false));
    }
    capital(&said)
}

/// `4 servers serve 3.64 times what one serves`.
fn serve(gain: &Gain) -> String {
    let [few, many] = gain.servers;
    let one = if few == 1 { "one serves".to_owned() } else { format!("{few} serve") };
    format!("{} serve {} times what {one}", counted(many.into(), "server"), times(gain.ratio))
}

/// What ends the growth, where it was met; and where not, what is predicted to if that is to be said.
fn ended(mix: &Mix, predicted: bool) -> String {
    let last = mix.points.iter().rfind(|point| point.standing.counts());
    let met = last.filter(|point| point.standing == Standing::NextTier);
    if let Some((resource, rps)) = met.and_then(|one| Some((limiting(&one.search)?, one.search.ceiling_rps?)))
    {
        return format!(": {} ends it at {}/s", tier(&resource.tier), rate(rps));
    }
    let own = last.is_some_and(|point| point.standing == Standing::App);
    let wall = mix.wall.as_ref().filter(|_| predicted && own);
    wall.map_or_else(String::new, |wall| {
        let who = if wall.tier.is_empty() { wall.what.clone() } else { tier(&wall.tier) };
        format!("; {who} will end it at {}/s, as predicted", rate(wall.rps))
    })
}

/// A ratio as people say it: `3.64`.
pub fn times(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.2}") } else { NONE.to_owned() }
}

/// All that a mix says: how many times what one server serves, what is lost to perfect scaling, and where the next tier ends it.
pub fn learnt(mix: &Mix) -> String {
    let mut said = vec![mix.what.clone()];
    said.extend(mix.gain.as_ref().map(|gain| {
        let ci95 = gain.ci95.map_or_else(String::new, |[from, to]| {
            format!(" (95 % interval {} to {})", times(from), times(to))
        });
        let perfect = percent(gain.of_perfect);
        format!("{} times{ci95}, {perfect} of perfect scaling", times(gain.ratio))
    }));
    said.extend(Some(losses(mix)).filter(|words| !words.is_empty()));
    said.extend(mix.wall.as_ref().map(|wall| {
        let how = if wall.reached { "reached" } else { "ahead" };
        let [from, to] = wall.range.map(rate);
        format!("wall {how}: {}, full at {}/s ({from} to {to})", wall.what, rate(wall.rps))
    }));
    said.join("; ")
}

/// The law's two losses in words; empty where there is no law.
pub fn losses(mix: &Mix) -> String {
    let Some(law) = &mix.law else { return String::new() };
    let part = |name: &str, share: f64| {
        let share_of = if share > 0.0 { percent(share) } else { String::from("none") };
        let ends = law.ci95.get(name).filter(|[from, to]| to > from);
        let ends = ends.map(|[from, to]| format!(" ({} to {})", percent(*from), percent(*to)));
        format!("{share_of}{}", ends.unwrap_or_default())
    };
    format!("contention {}, coherency {}", part("sigma", law.sigma), part("kappa", law.kappa))
}

#[cfg(test)]
#[path = "scale_out_tests.rs"]
mod tests;
