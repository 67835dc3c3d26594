//! The figures of a pair of records: what decides, by how much it may be worse, and what only explains.

use super::{Couple, Paired};
use crate::comparison::{Better, Metric, Pair};
use crate::record::Run;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a metric before it is measured.
struct Kind {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    better: Better,
    delta: Option<f64>,
}

const CEILING: Kind = Kind {
    name: "ceiling_rps",
    what: "ceiling",
    unit: "requests/s",
    better: Better::Higher,
    delta: Some(0.05),
};

/// A figure of a run; `None` where it has none.
type Figure = fn(&Run) -> Option<f64>;

/// Of a run, in the order in which they are told.
const OF_A_RUN: [(Kind, Figure); 9] = [
    (kind("p50_ms", "p50", "ms", Some(0.05)), |run| alive(run).and(run.response_ms.p50)),
    (kind("p99_ms", "p99", "ms", Some(0.1)), |run| alive(run).and(run.response_ms.p99)),
    (Kind { better: Better::Higher, ..kind("answered", "requests answered", "", Some(0.001)) }, |run| {
        // Of none answered half a one, so that there is a ratio.
        Some((run.ok as f64).max(0.5) / run.planned as f64)
    }),
    (kind("cpu_us", "CPU per request", "us", None), |run| {
        let tiers: Vec<f64> = run.observed.keys().filter_map(|tier| per_request(run, tier, CPU)).collect();
        (!tiers.is_empty()).then(|| tiers.iter().sum())
    }),
    (kind(ANSWER_BYTES, "bytes of an answer", "B", None), |run| {
        (run.bytes.received > 0 && run.ok > 0).then(|| run.bytes.received as f64 / run.ok as f64)
    }),
    (kind("service_p50_ms", "p50 of the service time", "ms", None), |run| alive(run).and(run.service_ms.p50)),
    (kind("generator_cpu_us", "the generator's own CPU per request", "us", None), |run| {
        Some(run.generator.cpu_us_per_request)
    }),
    (kind("late_p50_ms", "p50 of the generator's lateness", "ms", None), |run| run.generator.late_p50_ms),
    (kind("late_p99_ms", "p99 of the generator's lateness", "ms", None), |run| run.generator.late_p99_ms),
];

/// How large an answer is: what comes to less may be less than was asked for.
pub(crate) const ANSWER_BYTES: &str = "answer_bytes";

/// A metric of a run of which less is better.
const fn kind(name: &'static str, what: &'static str, unit: &'static str, delta: Option<f64>) -> Kind {
    Kind { name, what, unit, better: Better::Lower, delta }
}

/// What a tier says of itself, as it is called in a record.
const CPU: &str = "cpu_share";
/// A tier with less of the CPU time than this share decides nothing: what it takes is too little to be measured well.
const TIER_LEAST: f64 = 0.1;
/// How much more CPU a request may take of a tier.
const CPU_DELTA: f64 = 0.05;
/// What is read off a tier, and what it is called: seconds in use per second, so that it is a time per request.
const OF_A_TIER: [(&str, &str, &str); 3] = [
    ("cpu_us", CPU, "CPU per request"),
    ("held_us", "workers_busy", "worker held per request"),
    ("pool_us", "pool_busy", "connection held per request"),
];

/// The metrics of these pairs, with those of a control, and with what changes as `deltas` say. One that decides stays, without a pair, where
/// the base has it and the candidate never does, or where all that was measured of it is invalid: of what is not known nothing is promised.
pub(super) fn metrics(
    found: &Paired<'_>,
    control: &[Couple<'_>],
    deltas: &BTreeMap<String, Option<f64>>,
) -> Vec<Metric> {
    let pairs = &found.couples;
    let lost = found.run && !pairs.iter().any(|couple| matches!(couple, Couple::Runs(..)));
    let mut metrics = vec![(metric(&CEILING, ceilings(pairs), ceilings(control)), found.searched)];
    for (kind, figure) in &OF_A_RUN {
        let of_base = lost || has(pairs, figure);
        metrics.push((metric(kind, of_runs(pairs, figure), of_runs(control, figure)), of_base));
    }
    for tier in tiers(pairs) {
        let decides = share_of(pairs, &tier) >= TIER_LEAST;
        for (name, of, what) in OF_A_TIER {
            let figure = |run: &Run| per_request(run, &tier, of);
            let metric = Metric {
                name: format!("{name}.{tier}"),
                what: format!("{tier} {what}"),
                unit: String::from("us"),
                delta: (of == CPU && decides).then_some(CPU_DELTA),
                pairs: of_runs(pairs, figure),
                control: of_runs(control, figure),
                ..Metric::default()
            };
            metrics.push((metric, has(pairs, figure)));
        }
    }
    for (metric, _) in &mut metrics {
        metric.delta = deltas.get(&metric.name).copied().unwrap_or(metric.delta);
    }
    metrics.retain(|(metric, known)| !metric.pairs.is_empty() || *known && metric.delta.is_some());
    if metrics.iter().all(|(metric, _)| metric.pairs.is_empty()) {
        metrics.clear();
    }
    metrics.into_iter().map(|(metric, _)| metric).collect()
}

/// What is to decide by its name and is not among `metrics`: without a pair, and so not passed for want of it.
pub(super) fn asked(metrics: &[Metric], deltas: &BTreeMap<String, Option<f64>>) -> Vec<Metric> {
    let kinds = [&CEILING].into_iter().chain(OF_A_RUN.iter().map(|(kind, _)| kind));
    let lost = kinds.filter(|kind| metrics.iter().all(|metric| metric.name != kind.name));
    let asked = lost.filter_map(|kind| Some((kind, (*deltas.get(kind.name)?)?)));
    asked.map(|(kind, delta)| Metric { delta: Some(delta), ..metric(kind, Vec::new(), Vec::new()) }).collect()
}

/// What decides of runs and is not among `metrics`, since no run of the base has it.
pub(super) fn unmeasured(metrics: &[Metric]) -> Vec<String> {
    let decides = OF_A_RUN.iter().filter(|(kind, _)| kind.delta.is_some());
    let lost = decides.filter(|(kind, _)| metrics.iter().all(|metric| metric.name != kind.name));
    lost.map(|(kind, _)| {
        let few = if kind.name == "p99_ms" { " (about 300 requests have one)" } else { "" };
        format!("not judged: {}: too few requests in a run{few}", kind.what)
    })
    .collect()
}

/// Whether there can be a metric of this name, whether or not it was measured.
pub(super) fn is_one(name: &str) -> bool {
    let of_a_tier = |metric: &str| OF_A_TIER.iter().any(|(of, ..)| *of == metric);
    name == CEILING.name
        || OF_A_RUN.iter().any(|(kind, _)| kind.name == name)
        || name.split_once('.').is_some_and(|(metric, _)| of_a_tier(metric))
}

/// Whether a base has the figure.
fn has(couples: &[Couple<'_>], figure: impl Fn(&Run) -> Option<f64>) -> bool {
    couples.iter().any(|couple| matches!(couple, Couple::Runs(_, base, _) if figure(base).is_some()))
}

fn metric(kind: &Kind, pairs: Vec<Pair>, control: Vec<Pair>) -> Metric {
    Metric {
        name: kind.name.to_owned(),
        what: kind.what.to_owned(),
        unit: kind.unit.to_owned(),
        better: kind.better,
        delta: kind.delta,
        pairs,
        control,
        ..Metric::default()
    }
}

/// The pairs of a figure of runs that both have it.
fn of_runs(couples: &[Couple<'_>], figure: impl Fn(&Run) -> Option<f64>) -> Vec<Pair> {
    let pair = |couple: &Couple<'_>| match couple {
        Couple::Runs(name, base, candidate) => pair(name, figure(base), figure(candidate)),
        Couple::Ceilings(..) => None,
    };
    couples.iter().filter_map(pair).collect()
}

/// The pairs of ceilings.
fn ceilings(couples: &[Couple<'_>]) -> Vec<Pair> {
    let pair = |couple: &Couple<'_>| match couple {
        Couple::Ceilings(name, base, candidate) => pair(name, base.ceiling_rps, candidate.ceiling_rps),
        Couple::Runs(..) => None,
    };
    couples.iter().filter_map(pair).collect()
}

/// Two values of which there can be a ratio.
fn pair(name: &str, base: Option<f64>, candidate: Option<f64>) -> Option<Pair> {
    let sound = |value: Option<f64>| value.filter(|value| value.is_finite() && *value > 0.0);
    Some(Pair { name: name.to_owned(), base: sound(base)?, candidate: sound(candidate)? })
}

/// Whether the times of a run are those of a target that lived through it.
fn alive(run: &Run) -> Option<()> {
    run.died_at_s.is_none().then_some(())
}

/// What a tier had in use, in microseconds per correct answer.
fn per_request(run: &Run, tier: &str, of: &str) -> Option<f64> {
    let in_use = run.observed.get(tier)?.get(of)?;
    (run.rps.ok > 0.0).then(|| in_use / run.rps.ok * 1e6)
}

/// The tiers of which a base says something, in the order of their names.
fn tiers(couples: &[Couple<'_>]) -> BTreeSet<String> {
    let of = |couple: &Couple<'_>| match couple {
        Couple::Runs(_, base, _) => base.observed.keys().cloned().collect(),
        Couple::Ceilings(..) => Vec::new(),
    };
    couples.iter().flat_map(of).collect()
}

/// How much of the CPU time is this tier's, 0 to 1: of the base's or of the candidate's, whichever is more.
fn share_of(couples: &[Couple<'_>], tier: &str) -> f64 {
    let cpu = |run: &Run, tier: &str| run.observed.get(tier).and_then(|of| of.get(CPU)).copied();
    let (mut own, mut all) = ([0.0; 2], [0.0; 2]);
    for couple in couples {
        let Couple::Runs(_, base, candidate) = couple else { continue };
        for (side, run) in [base, candidate].into_iter().enumerate() {
            own[side] += cpu(run, tier).unwrap_or(0.0);
            all[side] += run.observed.keys().filter_map(|tier| cpu(run, tier)).sum::<f64>();
        }
    }
    own.iter().zip(all).filter(|(_, all)| *all > 0.0).map(|(own, all)| own / all).fold(0.0, f64::max)
}
