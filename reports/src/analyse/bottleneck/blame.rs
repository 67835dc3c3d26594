//! The generator and the machine, which are ruled out before any tier is blamed: from the facts around the ceiling to the
//! verdict that one of them made it, with the evidence, or nothing.

use super::facts::{Facts, usable};
use super::words::{headline, list};
use crate::ceiling::{Limit, LimitedBy, Step};
use crate::number::{percent, rate};

/// From this share of what the generator can do in a closed loop, it is its own limit that is measured.
pub(super) const OWN_RATE_MOST: f64 = 0.8;
/// CPUs that are busy for this share of the time are saturated.
const BUSY: f64 = 0.9;
/// The most that a hypervisor may take.
const STEAL_MOST: f64 = 0.05;
/// CPUs that are all busy are the machine's affair if at least this share of it is none of the tiers'.
const FOREIGN_LEAST: f64 = 0.5;
/// A generator shares its CPUs if so much of them is used by something else.
const FOREIGN_ON_ITS_CPU: f64 = 0.3;
/// The machine has this share of all its CPUs in use by what is neither a tier nor the generator.
const OTHERS_LEAST: f64 = 0.25;
/// The loads that decide where the ceiling is, as shares of it.
const AROUND: [f64; 2] = [0.95, 1.1];

/// The generator, where it is the limit.
pub(super) fn generator(facts: &Facts) -> Option<LimitedBy> {
    if let Some(evidence) = crowded(facts).or_else(|| shared(facts)) {
        return Some(verdict(Limit::Generator, Some("cpu"), evidence));
    }
    let evidence = at_its_own_rate(facts).or_else(|| unjudged(facts, "the generator", of_the_generator))?;
    Some(verdict(Limit::Generator, None, evidence))
}

/// The machine, where it is the limit.
pub(super) fn host(facts: &Facts) -> Option<LimitedBy> {
    let evidence =
        stolen(facts).or_else(|| unjudged(facts, "the machine", of_the_machine)).or_else(|| busy(facts))?;
    Some(verdict(Limit::Host, Some("cpu"), evidence))
}

fn verdict(what: Limit, resource: Option<&str>, evidence: Vec<String>) -> LimitedBy {
    LimitedBy { what, tier: None, resource: resource.map(str::to_owned), evidence }
}

/// The generator on the target's CPUs, and these saturated.
fn crowded(facts: &Facts) -> Option<Vec<String>> {
    let target = &facts.found.target.cpus;
    let common: Vec<String> =
        facts.found.head.cpus.iter().filter(|cpu| target.contains(cpu)).map(usize::to_string).collect();
    let busy = facts.machine("target_cpu_busy").or_else(|| facts.machine("cpu_busy"))?;
    if common.is_empty() || busy < BUSY {
        return None;
    }
    let cpus = format!("CPU{} {}", if common.len() == 1 { "" } else { "s" }, list(&common));
    let mut evidence = vec![format!(
        "{}: the generator, which shares {cpus} with the target, {} busy",
        headline(facts.found),
        percent(busy)
    )];
    if let Some(tiers) = facts.tiers_cpu() {
        let capacity = target.len() as f64;
        evidence.push(format!("the observed tiers use {} of that", percent((tiers / capacity).min(1.0))));
    }
    evidence.push("give the generator CPUs of its own (--cpus), or another machine".to_owned());
    Some(evidence)
}

/// The generator's CPUs full, and mostly not of the generator.
fn shared(facts: &Facts) -> Option<Vec<String>> {
    let busy = facts.machine("generator_cpu_busy").filter(|busy| *busy >= BUSY)?;
    let own = facts.machine("generator_cpu").filter(|own| busy - own >= FOREIGN_ON_ITS_CPU)?;
    Some(vec![
        format!(
            "{}: the machine: others used {} of the generator's CPU",
            headline(facts.found),
            percent(busy - own)
        ),
        "give the generator CPUs of its own (--cpus), or another machine".to_owned(),
    ])
}

fn at_its_own_rate(facts: &Facts) -> Option<Vec<String>> {
    let (ceiling, check) = (usable(facts.found.ceiling_rps)?, facts.found.self_check.as_ref()?);
    let closed = usable(Some(check.closed_rps)).filter(|closed| ceiling >= OWN_RATE_MOST * closed)?;
    Some(vec![
        format!(
            "{}: the generator, which reaches {} requests/s against a target that does nothing",
            headline(facts.found),
            rate(closed)
        ),
        "give it more CPUs, or another machine".to_owned(),
    ])
}

/// What decided where the ceiling is could not be judged, for reasons that are those of `who`: all loads above it, or most of those
/// around it. Loads far above decide nothing: there a generator may well be at its end, and the ceiling the target's.
fn unjudged(facts: &Facts, who: &str, reason_of: fn(&Step) -> Option<&String>) -> Option<Vec<String>> {
    let ceiling = usable(facts.found.ceiling_rps).unwrap_or(0.0);
    let blamed =
        |steps: &[&Step]| steps.iter().filter(|step| !step.valid && reason_of(step).is_some()).count();
    let from = |share: f64| facts.found.steps.iter().filter(move |step| step.offered_rps > share * ceiling);
    let above: Vec<&Step> = from(1.001).collect();
    let around: Vec<&Step> = from(AROUND[0]).filter(|step| step.offered_rps <= AROUND[1] * ceiling).collect();
    let all_above = !above.is_empty() && blamed(&above) == above.len();
    let decisive = if all_above { above } else { around };
    if !all_above && 2 * blamed(&decisive) <= decisive.len() {
        return None;
    }
    let (step, reason) =
        decisive.iter().filter(|step| !step.valid).find_map(|step| Some((step, reason_of(step)?)))?;
    Some(vec![
        format!("{}: {who}; at {} requests/s {reason}", headline(facts.found), rate(step.offered_rps)),
        "that load and what lies above it could not be judged".to_owned(),
    ])
}

/// Of a machine that is taken away all else may follow, so its reason goes before others.
fn of_the_machine(step: &Step) -> Option<&String> {
    step.reasons
        .iter()
        .find(|reason| ["hypervisor", "steal", "machine"].iter().any(|word| reason.contains(word)))
}

/// What speaks against a load comes first in its reasons. A target that died is not the generator's doing.
fn of_the_generator(step: &Step) -> Option<&String> {
    let first = step.reasons.first().filter(|reason| !reason.starts_with("the target"));
    first.filter(|_| of_the_machine(step).is_none())
}

fn stolen(facts: &Facts) -> Option<Vec<String>> {
    let steal = facts.machine("steal").filter(|share| *share > STEAL_MOST)?;
    Some(vec![format!(
        "{}: the machine; the hypervisor took {} of its CPU time, over {}",
        headline(facts.found),
        percent(steal),
        percent(STEAL_MOST)
    )])
}

/// All CPUs in use, and not by the tiers.
fn busy(facts: &Facts) -> Option<Vec<String>> {
    let tiers = facts.tiers_cpu()?;
    let of_the_target =
        facts.machine("target_cpu_busy").map(|share| share * facts.found.target.cpus.len() as f64);
    let (what, used) = match of_the_target.filter(|used| *used > 0.0) {
        Some(used) => {
            let all = used >= BUSY * facts.found.target.cpus.len() as f64;
            ("the target's CPUs", Some(used).filter(|used| all && used - tiers >= FOREIGN_LEAST * used)?)
        }
        None => {
            let cpus = facts.found.head.host.cpus as f64;
            let used = facts.machine("cpu_busy").filter(|share| *share >= BUSY)? * cpus;
            let others = used - tiers - facts.found.head.cpus.len() as f64;
            ("the machine's CPUs", Some(used).filter(|_| others >= OTHERS_LEAST * cpus)?)
        }
    };
    // A tier at its own limit is one whatever else goes on.
    if facts.resources.iter().any(|resource| resource.shared.is_empty() && facts.explains(resource)) {
        return None;
    }
    Some(vec![format!(
        "{}: the machine; {what} are all busy, {} of them, and the observed tiers use only {}",
        headline(facts.found),
        rate(used),
        rate(tiers)
    )])
}
