//! From sets of records to the pairs of a comparison: which records belong together, whether they can be compared at all, and the
//! figures of each. What was offered has to be the same in both; where seed, machine or generator differ, somebody has to have said
//! that they may, and the comparison says so.

mod figures;

#[cfg(test)]
mod tests;

use crate::analyse::compare::{ALPHA, LEAST_PAIRS, conclude};
use crate::ceiling::Ceiling;
use crate::comparison::{COMPARE_SCHEMA, Check, Comparison, Metric, Side};
use crate::number::rate;
use crate::offered::Offered;
use crate::record::{Head, Host, Loop, Run};
use crate::set::Set;
use std::collections::BTreeMap;

/// In what base and candidate may differ, if somebody says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum May {
    /// The seed: other arrivals and requests.
    Seed,
    /// The machine: CPU, how many, kernel.
    Machine,
    /// The generator: its version and its CPUs.
    Generator,
}

/// How a comparison is to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Differences that are marked, where others are refused.
    pub may: Vec<May>,
    /// What changes for which metric: a share, or `None` for one that is not to decide.
    pub deltas: BTreeMap<String, Option<f64>>,
    /// What base and candidate are called.
    pub revisions: [String; 2],
}

/// The sets that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Sets<'a> {
    /// What the candidate is held against.
    pub base: &'a Set,
    /// What is judged.
    pub candidate: &'a Set,
    /// The base once more.
    pub control: Option<&'a Set>,
    /// Candidates that are slower by a known share.
    pub slowed: &'a [(f64, Set)],
}

/// The comparison of `sets`, with its conclusions.
///
/// # Errors
/// When the two cannot be compared: other loads were offered, they differ in what nobody allowed, they are the same records; or a delta is
/// given for a metric that there is not.
pub fn compare(sets: Sets<'_>, terms: &Terms, head: Head) -> Result<Comparison, String> {
    let Sets { base, candidate, control, slowed } = sets;
    let mut marks = Vec::new();
    for set in [Some(candidate), control].into_iter().flatten().chain(slowed.iter().map(|(_, set)| set)) {
        marks.extend(marked(base, set, &terms.may)?);
    }
    marks.dedup();
    let (pairs, mut left_out) = paired(base, candidate);
    let (controls, lost) = control.map_or_else(Default::default, |control| paired(base, control));
    left_out.extend(lost.into_iter().map(|why| format!("control {why}")));
    let mut metrics = figures::metrics(&pairs, &controls);
    apply(&mut metrics, &terms.deltas)?;
    let checks = checks(sets, &controls, terms)?;
    let side = |set: &Set, revision: &str| Side {
        dir: set.dir.display().to_string(),
        revision: revision.to_owned(),
        host: host(set).cloned().unwrap_or_default(),
        versions: set.runs.values().next().map_or_else(BTreeMap::new, |run| run.target.versions.clone()),
    };
    let mut found = Comparison {
        schema: COMPARE_SCHEMA.to_owned(),
        head,
        base: side(base, &terms.revisions[0]),
        candidate: side(candidate, &terms.revisions[1]),
        control: control.map(|control| side(control, &terms.revisions[0])),
        load: base.runs.values().next().map_or_else(String::new, load_in_words),
        offered: offered(base),
        marks,
        left_out,
        emulated: emulated(sets),
        alpha: ALPHA,
        least_pairs: LEAST_PAIRS,
        metrics,
        checks,
        ..Comparison::default()
    };
    conclude(&mut found);
    Ok(found)
}

/// Base against base, and against what is known to be slower.
fn checks(sets: Sets<'_>, controls: &[Couple<'_>], terms: &Terms) -> Result<Vec<Check>, String> {
    let check = |slowdown: f64, set: &Set, control: &[Couple<'_>]| {
        let mut metrics = figures::metrics(&paired(sets.base, set).0, control);
        apply(&mut metrics, &terms.deltas)?;
        let dir = set.dir.display().to_string();
        Ok(Check { slowdown, dir, metrics, ..Check::default() })
    };
    let same = sets.control.map(|control| check(0.0, control, &[]));
    same.into_iter()
        .chain(sets.slowed.iter().map(|(slowdown, set)| check(*slowdown, set, controls)))
        .collect()
}

/// Two records of one name, each in its set.
#[derive(Clone, Copy, Debug)]
enum Couple<'a> {
    Runs(&'a str, &'a Run, &'a Run),
    Ceilings(&'a str, &'a Ceiling, &'a Ceiling),
}

/// Which records belong together, and which are in no pair and why.
fn paired<'a>(base: &'a Set, other: &'a Set) -> (Vec<Couple<'a>>, Vec<String>) {
    let (mut couples, mut left_out) = (Vec::new(), Vec::new());
    for (name, run) in &base.runs {
        let Some(beside) = other.runs.get(name) else { continue };
        match unusable(run.partial, &run.verdict).or_else(|| unusable(beside.partial, &beside.verdict)) {
            Some(why) => left_out.push(format!("{}: {why}", called(name))),
            None => couples.push(Couple::Runs(name, run, beside)),
        }
    }
    for (name, found) in &base.ceilings {
        let Some(beside) = other.ceilings.get(name) else { continue };
        match unusable(found.partial, &found.verdict).or_else(|| unusable(beside.partial, &beside.verdict)) {
            Some(why) => left_out.push(format!("{}: {why}", called(name))),
            None => couples.push(Couple::Ceilings(name, found, beside)),
        }
    }
    let names = |set: &'a Set| set.runs.keys().chain(set.ceilings.keys()).chain(set.unread.keys());
    let alone = |one: &'a Set, two: &'a Set| {
        let has = |name: &String| names(two).any(|other| other == name);
        let lone = names(one).filter(move |name| !has(name));
        lone.map(|name| format!("{}: it is in {} alone", called(name), one.dir.display())).collect::<Vec<_>>()
    };
    let unread = [base, other].into_iter().flat_map(|set| &set.unread);
    left_out.extend(unread.map(|(name, why)| format!("{}: {why}", called(name))));
    left_out.extend(alone(base, other).into_iter().chain(alone(other, base)));
    (couples, left_out)
}

fn called(name: &str) -> &str {
    if name.is_empty() { "the record" } else { name }
}

/// Why a record says nothing.
fn unusable(partial: bool, verdict: &crate::record::Verdict) -> Option<String> {
    if partial {
        return Some(String::from("cut short"));
    }
    let why = || verdict.reasons.first().map_or("invalid", String::as_str).to_owned();
    (!verdict.valid).then(why)
}

/// In what `other` differs from `base`, as far as it may.
fn marked(base: &Set, other: &Set, may: &[May]) -> Result<Vec<String>, String> {
    let refused = |what: String| format!("{} and {}: {what}", base.dir.display(), other.dir.display());
    let mut marks: BTreeMap<May, String> = BTreeMap::new();
    let mut differ = |kind, one: String, two: String, where_: &str| {
        if one != two {
            marks.entry(kind).or_insert_with(|| format!("{where_}{one} against {two}"));
        }
    };
    let mut same = 0;
    for (name, run) in &base.runs {
        let Some(beside) = other.runs.get(name) else { continue };
        let (one, two) = (load_in_words(run), load_in_words(beside));
        if one != two {
            return Err(refused(format!("{}: not the same load: {one} against {two}", called(name))));
        }
        if run.load_digest != beside.load_digest {
            let what = "not the same requests: another scenario, method, path, body or fields";
            return Err(refused(format!("{}: {what}", called(name))));
        }
        same += usize::from(run.started_at == beside.started_at && run.response_ms == beside.response_ms);
        differ(May::Seed, format!("seed {}", run.seed), format!("seed {}", beside.seed), "");
        differ(May::Machine, machine(&run.host), machine(&beside.host), "");
        differ(May::Generator, generator(run), generator(beside), "");
    }
    for (name, found) in &base.ceilings {
        let Some(beside) = other.ceilings.get(name) else { continue };
        if (&found.slo, &found.arrivals) != (&beside.slo, &beside.arrivals) {
            let what = format!("not the same search: {} against {}", found.slo, beside.slo);
            return Err(refused(format!("{}: {what}", called(name))));
        }
        differ(May::Seed, format!("seed {}", found.head.seed), format!("seed {}", beside.head.seed), "");
        differ(May::Machine, machine(&found.head.host), machine(&beside.head.host), "");
    }
    if same > 0 && same == base.runs.len() {
        return Err(refused(String::from("they are the same records")));
    }
    match marks.iter().find(|(kind, _)| !may.contains(kind)) {
        Some((kind, what)) => Err(refused(format!(
            "they differ: {what}; to compare them all the same, say --allow {}",
            kind.name()
        ))),
        None => Ok(marks.into_values().collect()),
    }
}

impl May {
    /// All of them, each with the word by which it is allowed.
    pub const ALL: [(&str, Self); 3] =
        [("seed", Self::Seed), ("machine", Self::Machine), ("generator", Self::Generator)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, may)| *may == self).map_or("", |(name, _)| name)
    }
}

/// What was offered, in words that are equal where it was the same.
fn load_in_words(run: &Run) -> String {
    let steps = run.steps.iter().filter(|step| step.counted).map(|step| {
        let (from, to) = (rate(step.from_rps), rate(step.to_rps));
        let rates = if from == to { format!("{from}/s") } else { format!("{from} to {to}/s") };
        format!("{rates} for {} s", rate(step.duration_s))
    });
    let steps: Vec<String> = steps.collect();
    let load = match run.load_loop {
        Loop::Open => format!("{}, {} arrivals", steps.join(", "), run.arrivals),
        Loop::Closed => format!("closed loop for {} s", rate(run.duration_s)),
    };
    let wire = &run.wire;
    let tls = wire.tls.as_ref().map_or_else(String::new, |tls| format!(", {tls}"));
    format!("{load} by {}, {}{tls}", wire.transport, wire.protocol)
}

/// What was offered, where it was the same load at one rate in all runs.
fn offered(set: &Set) -> Option<Offered> {
    let mut all = set.runs.values().map(Offered::of);
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn machine(host: &Host) -> String {
    format!("{}, {} CPUs, {}", host.cpu, host.cpus, host.kernel)
}

fn generator(run: &Run) -> String {
    let cpus: Vec<String> = run.generator.cpus.iter().map(usize::to_string).collect();
    format!("loadgen {} {} on CPU {}", run.host.version, run.host.commit, cpus.join(","))
}

fn host(set: &Set) -> Option<&Host> {
    let runs = set.runs.values().map(|run| &run.host);
    runs.chain(set.ceilings.values().map(|found| &found.head.host)).next()
}

/// What of any of the targets is emulated.
fn emulated(sets: Sets<'_>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (name, set) in [("base", Some(sets.base)), ("candidate", Some(sets.candidate))] {
        let Some(set) = set else { continue };
        let runs = set.runs.values().flat_map(|run| &run.target.emulated);
        for said in runs.chain(set.ceilings.values().flat_map(|found| &found.emulated)) {
            let of_one = format!("Of the {name} alone: {said}");
            if let Some(place) = all.iter().position(|one| one.ends_with(&format!(" alone: {said}"))) {
                if all[place] != of_one {
                    all[place].clone_from(said);
                }
            } else if !all.contains(said) {
                all.push(of_one);
            }
        }
    }
    all
}

/// Changes what decides, and by how much.
fn apply(metrics: &mut [Metric], deltas: &BTreeMap<String, Option<f64>>) -> Result<(), String> {
    for (name, delta) in deltas {
        let metric = metrics.iter_mut().find(|metric| metric.name == *name);
        match metric {
            Some(metric) => metric.delta = *delta,
            None => {
                let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
                return Err(format!("there is no metric `{name}`; there are {}", names.join(", ")));
            }
        }
    }
    Ok(())
}
