//! Whether two sets are of the same: what was offered has to be; what may differ is marked, if somebody says that it may.

use super::{May, called, common};
use crate::ceiling::Ceiling;
use crate::number::{NONE, counted, seconds};
use crate::record::{Host, Loop, Run};
use crate::set::Set;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Runs of a pair that began further apart than this were not measured beside each other, in seconds; or, of long ones, than so many of
/// them.
const BESIDE_S: f64 = 1_800.0;
const BESIDE_RUNS: f64 = 10.0;

/// That no record is in the set under two names: what was measured once counts once.
pub(super) fn each_once(set: &Set) -> Result<(), String> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let runs = set.runs.iter().map(|(name, run)| (name, format!("{} {:?}", run.started_at, run.response_ms)));
    let searches = set.ceilings.iter();
    let searches = searches.map(|(name, one)| (name, format!("{} {:?}", one.head.started_at, one.steps)));
    for (name, what) in runs.chain(searches) {
        if let Some(other) = seen.insert(what, name) {
            let dir = set.dir.display();
            return Err(format!("{dir}: {} and {} are the same record", called(other), called(name)));
        }
    }
    Ok(())
}

/// That the two are not one set under two names.
pub(super) fn not_the_same(one: &Set, two: &Set) -> Result<(), String> {
    let runs = common(&one.runs, &two.runs)
        .map(|(_, a, b)| a.started_at == b.started_at && a.response_ms == b.response_ms);
    let searches = common(&one.ceilings, &two.ceilings)
        .map(|(_, a, b)| a.head.started_at == b.head.started_at && a.steps == b.steps);
    let same = runs.chain(searches).filter(|same| *same).count();
    if same > 0 {
        return Err(refused(one, two, &format!("they are the same records ({same} of them)")));
    }
    Ok(())
}

fn refused(one: &Set, two: &Set, what: &str) -> String {
    format!("{} and {}: {what}", one.dir.display(), two.dir.display())
}

/// In what `other` differs from `base`, as far as it may.
pub(super) fn marked(base: &Set, other: &Set, may: &[May]) -> Result<Vec<String>, String> {
    let refused = |what: String| refused(base, other, &what);
    let mut marks: BTreeMap<May, String> = BTreeMap::new();
    let mut differ = |kind, one: String, two: String| {
        if one != two {
            marks.entry(kind).or_insert_with(|| format!("{one} against {two}"));
        }
    };
    for (name, run, beside) in common(&base.runs, &other.runs) {
        if !is_the_same_load(run, beside) {
            let [one, two] = [run, beside].map(|run| load_in_words(run, |number| number.to_string()));
            return Err(refused(format!("{}: not the same load: {one} against {two}", called(name))));
        }
        if run.load_digest != beside.load_digest {
            let what = "not the same requests: another scenario, method, path, body or fields, expected status, timeout, or \
                        number of connections";
            return Err(refused(format!("{}: {what}", called(name))));
        }
        differ(May::Seed, format!("seed {}", run.seed), format!("seed {}", beside.seed));
        differ(May::Machine, machine(&run.host), machine(&beside.host));
        differ(May::Generator, on_cpus(run), on_cpus(beside));
    }
    for (name, search, beside) in common(&base.ceilings, &other.ceilings) {
        let of = |one: &Ceiling| format!("{} at {} arrivals of {}", one.slo, one.arrivals, one.target.what);
        if of(search) != of(beside) {
            let what = format!("not the same search: {} against {}", of(search), of(beside));
            return Err(refused(format!("{}: {what}", called(name))));
        }
        let (one, two) = (&search.head, &beside.head);
        differ(May::Seed, format!("seed {}", one.seed), format!("seed {}", two.seed));
        differ(May::Machine, machine(&one.host), machine(&two.host));
        differ(May::Generator, generator(&one.host), generator(&two.host));
    }
    not_the_same(base, other)?;
    match marks.iter().find(|(kind, _)| !may.contains(kind)) {
        Some((kind, what)) => Err(refused(format!(
            "they differ: {what}; to compare them all the same, say --allow {}",
            kind.name()
        ))),
        None => Ok(marks.into_values().chain(other_versions(base, other)).collect()),
    }
}

/// How far apart in time the runs of a pair began, if that is too far for the pair to be one.
pub(super) fn apart(base: &Set, other: &Set) -> Option<String> {
    let apart_s = |run: &Run, beside: &Run| -> Option<f64> {
        let [one, two] = [run, beside].map(|run| run.started_at.parse::<Timestamp>().ok());
        let apart_s = one?.duration_since(two?).as_secs_f64().abs();
        (apart_s > BESIDE_S.max(BESIDE_RUNS * run.duration_s)).then_some(apart_s)
    };
    let most_s = common(&base.runs, &other.runs).filter_map(|(_, run, beside)| apart_s(run, beside));
    let most_s = most_s.fold(0.0, f64::max);
    (most_s > 0.0).then(|| {
        let apart = seconds(most_s);
        format!("they were not measured beside each other: the runs of a pair began up to {apart} apart")
    })
}

/// What the target uses, as its first run said.
pub(super) fn versions(set: &Set) -> BTreeMap<String, String> {
    set.runs.values().next().map_or_else(BTreeMap::new, |run| run.target.versions.clone())
}

/// Of what the targets use other versions, which is a candidate's right.
fn other_versions(base: &Set, other: &Set) -> Vec<String> {
    let (one, two) = (versions(base), versions(other));
    let version =
        |of: &BTreeMap<String, String>, what: &str| of.get(what).map_or(NONE.to_owned(), String::clone);
    let all: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    let differ = all.into_iter().filter(|what| one.get(*what) != two.get(*what));
    differ.map(|what| format!("{what} {} against {}", version(&one, what), version(&two, what))).collect()
}

/// Whether two runs were offered the same, whatever a file made of a number's last digit.
fn is_the_same_load(one: &Run, two: &Run) -> bool {
    let numbers = |run: &Run| -> Vec<f64> {
        let steps = run.steps.iter().flat_map(|step| [step.from_rps, step.to_rps, step.duration_s]);
        let whole = (run.load_loop == Loop::Closed).then_some(run.duration_s);
        steps.chain(whole).collect()
    };
    let (a, b) = (numbers(one), numbers(two));
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs();
    let how = |run: &Run| load_in_words(run, |_| String::new());
    a.len() == b.len() && a.iter().zip(&b).all(close) && how(one) == how(two)
}

/// What was offered, with its numbers said as `number` does.
pub(super) fn load_in_words(run: &Run, number: impl Fn(f64) -> String) -> String {
    let steps = run.steps.iter().filter(|step| step.counted).map(|step| {
        let (from, to) = (number(step.from_rps), number(step.to_rps));
        let rates = if from == to { format!("{from}/s") } else { format!("{from} to {to}/s") };
        format!("{rates} for {} s", number(step.duration_s))
    });
    let steps: Vec<String> = steps.collect();
    let warmup_s: f64 = run.steps.iter().filter(|step| !step.counted).map(|step| step.duration_s).sum();
    let load = match run.load_loop {
        Loop::Open => format!("{}, {} arrivals", steps.join(", "), run.arrivals),
        Loop::Closed => format!("closed loop for {} s", number(run.duration_s)),
    };
    let wire = &run.wire;
    let tls = wire.tls.as_ref().map_or_else(String::new, |tls| format!(", {tls}"));
    let warmup =
        if warmup_s > 0.0 { format!(" after {} s of warm-up", number(warmup_s)) } else { String::new() };
    format!("{load} by {}, {}{tls}{warmup}", wire.transport, wire.protocol)
}

fn machine(host: &Host) -> String {
    format!("{}, {} CPUs, {}", host.cpu, host.cpus, host.kernel)
}

fn generator(host: &Host) -> String {
    format!("loadgen {} {}", host.version, host.commit)
}

fn on_cpus(run: &Run) -> String {
    let cpus: Vec<String> = run.generator.cpus.iter().map(usize::to_string).collect();
    match (run.shards.len(), &cpus[..]) {
        (0, []) => generator(&run.host),
        (0, cpus) => format!("{} on CPU {}", generator(&run.host), cpus.join(",")),
        (machines, _) => format!("{} on {}", generator(&run.host), counted(machines as u64, "machine")),
    }
}
