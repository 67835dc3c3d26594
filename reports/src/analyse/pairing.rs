//! From sets of records to the pairs of a comparison: which records belong together, whether they can be compared at all, and the
//! figures of each. What was offered has to be the same in both; where seed, machine or generator differ, somebody has to have said
//! that they may, and the comparison says so.

mod figures;

#[cfg(test)]
mod tests;

use crate::analyse::compare::{ALPHA, LEAST_PAIRS, conclude};
use crate::ceiling::{Bound, Ceiling};
use crate::comparison::{COMPARE_SCHEMA, Check, Comparison, Metric, Side};
use crate::number::{NONE, exact_rate, percent, rate};
use crate::offered::Offered;
use crate::record::{Head, Host, Loop, Run, Verdict};
use crate::set::Set;
use std::collections::{BTreeMap, BTreeSet};

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
    let mut marks = marked(base, candidate, &terms.may)?;
    let beside = control.map(|control| (String::from("the control"), control));
    let slower = slowed.iter().map(|(by, set)| (format!("the base made {} slower", percent(*by)), set));
    for (which, set) in beside.into_iter().chain(slower) {
        marks.extend(marked(base, set, &terms.may)?.into_iter().map(|mark| format!("{which}: {mark}")));
    }
    // What is worse would be taken for noise.
    control.map_or(Ok(()), |control| not_the_same(candidate, control))?;
    let pairs = paired(base, candidate);
    let controls = control.map_or_else(Paired::default, |control| paired(base, control));
    let lost = controls.left_out.iter().map(|why| format!("control {why}"));
    let left_out = pairs.left_out.iter().cloned().chain(lost).collect();
    let metrics = figures::metrics(&pairs, &controls.couples, &terms.deltas);
    known(&metrics, &terms.deltas)?;
    let checks = checks(sets, &controls.couples, terms);
    let side = |set: &Set, revision: &str| Side {
        dir: set.dir.display().to_string(),
        revision: revision.to_owned(),
        host: host(set).cloned().unwrap_or_default(),
        versions: versions(set),
    };
    let mut found = Comparison {
        schema: COMPARE_SCHEMA.to_owned(),
        head,
        base: side(base, &terms.revisions[0]),
        candidate: side(candidate, &terms.revisions[1]),
        control: control.map(|control| side(control, &terms.revisions[0])),
        load: base.runs.values().next().map_or_else(String::new, |run| load_in_words(run, exact_rate)),
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
fn checks(sets: Sets<'_>, controls: &[Couple<'_>], terms: &Terms) -> Vec<Check> {
    let check = |slowdown: f64, set: &Set, control: &[Couple<'_>]| {
        let metrics = figures::metrics(&paired(sets.base, set), control, &terms.deltas);
        let dir = set.dir.display().to_string();
        Check { slowdown, dir, metrics, ..Check::default() }
    };
    let same = sets.control.map(|control| check(0.0, control, &[]));
    let slower = sets.slowed.iter().map(|(slowdown, set)| check(*slowdown, set, controls));
    same.into_iter().chain(slower).collect()
}

/// Two records of one name, each in its set.
#[derive(Clone, Copy, Debug)]
enum Couple<'a> {
    Runs(&'a str, &'a Run, &'a Run),
    Ceilings(&'a str, &'a Ceiling, &'a Ceiling),
}

/// What two sets have in common.
#[derive(Default)]
struct Paired<'a> {
    /// The records that belong together, of which both say something.
    couples: Vec<Couple<'a>>,
    /// What is in no pair, and why.
    left_out: Vec<String>,
    /// Whether there are runs that belong together, whatever they are worth.
    run: bool,
    /// Likewise, whether there are searches.
    searched: bool,
}

/// The records that have their counterpart.
fn common<'a, T>(
    base: &'a BTreeMap<String, T>,
    other: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a str, &'a T, &'a T)> {
    base.iter().filter_map(|(name, record)| Some((name.as_str(), record, other.get(name)?)))
}

/// Which records belong together, and which are in no pair and why.
fn paired<'a>(base: &'a Set, other: &'a Set) -> Paired<'a> {
    let mut found = Paired::default();
    for (name, run, beside) in common(&base.runs, &other.runs) {
        found.run = true;
        match unusable(run.partial, &run.verdict)
            .or_else(|| unusable(beside.partial, &beside.verdict))
            .or_else(|| broken(run))
        {
            Some(why) => found.left_out.push(format!("{}: {why}", called(name))),
            None => found.couples.push(Couple::Runs(name, run, beside)),
        }
    }
    for (name, search, beside) in common(&base.ceilings, &other.ceilings) {
        found.searched = true;
        match unusable(search.partial, &search.verdict)
            .or_else(|| unusable(beside.partial, &beside.verdict))
            .or_else(|| inexact(search).or_else(|| inexact(beside)))
        {
            Some(why) => found.left_out.push(format!("{}: {why}", called(name))),
            None => found.couples.push(Couple::Ceilings(name, search, beside)),
        }
    }
    for couple in &found.couples {
        if let Couple::Runs(name, run, beside) = couple
            && let Some(at) = run.died_at_s.or(beside.died_at_s)
        {
            let why = format!("its times: the target stopped answering for good after {} s", rate(at));
            found.left_out.push(format!("{}: {why}", called(name)));
        }
    }
    let unread = [base, other].into_iter().flat_map(|set| &set.unread);
    found.left_out.extend(unread.map(|(name, why)| format!("{}: {why}", called(name))));
    found.left_out.extend(alone(base, other).into_iter().chain(alone(other, base)));
    found
}

/// What is in `one` and not in `two`.
fn alone(one: &Set, two: &Set) -> Vec<String> {
    fn names(set: &Set) -> BTreeSet<&String> {
        set.runs.keys().chain(set.ceilings.keys()).chain(set.unread.keys()).collect()
    }
    let lone = |name: &&String| format!("{}: it is in {} alone", called(name), one.dir.display());
    names(one).difference(&names(two)).map(lone).collect()
}

fn called(name: &str) -> &str {
    if name.is_empty() { "the record" } else { name }
}

/// Why a record says nothing.
fn unusable(partial: bool, verdict: &Verdict) -> Option<String> {
    if partial {
        return Some(String::from("cut short"));
    }
    let why = || verdict.reasons.first().map_or("invalid", String::as_str).to_owned();
    (!verdict.valid).then(why)
}

/// Why nothing can be held against a run of the base: who answers as badly is no worse.
fn broken(base: &Run) -> Option<String> {
    let less_than_half = 2 * base.ok < base.planned;
    less_than_half.then(|| String::from("the base itself answered less than half of its requests correctly"))
}

/// Why a search has no ceiling of which there is a ratio.
fn inexact(search: &Ceiling) -> Option<String> {
    match search.bound {
        Bound::Exact => None,
        Bound::AtLeast => Some(String::from("the search met its own limit before a ceiling")),
        Bound::Below => Some(String::from("the ceiling lies below the lowest rate that was tried")),
    }
}

/// That the two are not one set under two names.
fn not_the_same(one: &Set, two: &Set) -> Result<(), String> {
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
fn marked(base: &Set, other: &Set, may: &[May]) -> Result<Vec<String>, String> {
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
            let what = "not the same requests: another scenario, method, path, body or fields";
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

/// What the target uses, as its first run said.
fn versions(set: &Set) -> BTreeMap<String, String> {
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

impl May {
    /// All of them, each with the word by which it is allowed.
    pub const ALL: [(&str, Self); 3] =
        [("seed", Self::Seed), ("machine", Self::Machine), ("generator", Self::Generator)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, may)| *may == self).map_or("", |(name, _)| name)
    }
}

/// Whether two runs were offered the same, whatever a file made of a number's last digit.
fn is_the_same_load(one: &Run, two: &Run) -> bool {
    let numbers = |run: &Run| -> Vec<f64> {
        let counted = run.steps.iter().filter(|step| step.counted);
        let steps = counted.flat_map(|step| [step.from_rps, step.to_rps, step.duration_s]);
        let whole = (run.load_loop == Loop::Closed).then_some(run.duration_s);
        steps.chain(whole).collect()
    };
    let (a, b) = (numbers(one), numbers(two));
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs();
    let how = |run: &Run| load_in_words(run, |_| String::new());
    a.len() == b.len() && a.iter().zip(&b).all(close) && how(one) == how(two)
}

/// What was offered, with its numbers said as `number` does.
fn load_in_words(run: &Run, number: impl Fn(f64) -> String) -> String {
    let steps = run.steps.iter().filter(|step| step.counted).map(|step| {
        let (from, to) = (number(step.from_rps), number(step.to_rps));
        let rates = if from == to { format!("{from}/s") } else { format!("{from} to {to}/s") };
        format!("{rates} for {} s", number(step.duration_s))
    });
    let steps: Vec<String> = steps.collect();
    let load = match run.load_loop {
        Loop::Open => format!("{}, {} arrivals", steps.join(", "), run.arrivals),
        Loop::Closed => format!("closed loop for {} s", number(run.duration_s)),
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

fn generator(host: &Host) -> String {
    format!("loadgen {} {}", host.version, host.commit)
}

fn on_cpus(run: &Run) -> String {
    let cpus: Vec<String> = run.generator.cpus.iter().map(usize::to_string).collect();
    format!("{} on CPU {}", generator(&run.host), cpus.join(","))
}

fn host(set: &Set) -> Option<&Host> {
    let runs = set.runs.values().map(|run| &run.host);
    runs.chain(set.ceilings.values().map(|found| &found.head.host)).next()
}

/// What of the targets is emulated, and of which of them if not of both.
fn emulated(sets: Sets<'_>) -> Vec<String> {
    fn said(set: &Set) -> BTreeSet<&String> {
        let runs = set.runs.values().flat_map(|run| &run.target.emulated);
        runs.chain(set.ceilings.values().flat_map(|found| &found.emulated)).collect()
    }
    let (base, candidate) = (said(sets.base), said(sets.candidate));
    let of = |said: &&String| match (base.contains(said), candidate.contains(said)) {
        (true, false) => format!("Of the base alone: {said}"),
        (false, true) => format!("Of the candidate alone: {said}"),
        _ => String::clone(said),
    };
    base.union(&candidate).map(of).collect()
}

/// That there is a metric for each of `deltas`.
fn known(metrics: &[Metric], deltas: &BTreeMap<String, Option<f64>>) -> Result<(), String> {
    let has = |name: &str| metrics.iter().any(|metric| metric.name == name);
    let tiers_are_known = metrics.iter().any(|metric| metric.name.contains('.'));
    let is_one = |name: &str| has(name) || figures::is_one(name) && !(tiers_are_known && name.contains('.'));
    let Some(name) = deltas.keys().find(|name| !is_one(name)) else { return Ok(()) };
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    Err(format!("there is no metric `{name}`; there are {}", names.join(", ")))
}
