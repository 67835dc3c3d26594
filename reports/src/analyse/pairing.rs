//! From sets of records to the pairs of a comparison: which records belong together, whether they can be compared at all, and the
//! figures of each. What was offered has to be the same in both; where seed, machine or generator differ, somebody has to have said
//! that they may, and the comparison says so.

mod alike;
mod figures;

#[cfg(test)]
mod tests;

use crate::analyse::compare::{ALPHA, LEAST_PAIRS, conclude};
use crate::ceiling::{Bound, Ceiling};
use crate::comparison::{COMPARE_SCHEMA, Check, Comparison, Metric, Side};
use crate::number::{exact_rate, percent, rate};
use crate::offered::Offered;
use crate::record::{Head, Host, Run, Verdict};
use crate::set::Set;
use alike::{apart, each_once, load_in_words, marked, not_the_same, versions};
pub(crate) use figures::ANSWER_BYTES;
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
    [Some(base), Some(candidate), control].into_iter().flatten().try_for_each(each_once)?;
    let mut marks = marked(base, candidate, &terms.may)?;
    marks.extend(apart(base, candidate));
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
    let mut metrics = figures::metrics(&pairs, &controls.couples, &terms.deltas);
    metrics.extend(figures::asked(&metrics, &terms.deltas));
    known(&metrics, &terms.deltas)?;
    let checks = checks(sets, &controls.couples, terms);
    let notes = pairs.run.then(|| figures::unmeasured(&metrics)).into_iter().flatten().collect();
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
        measured_at: measured_at(candidate),
        marks,
        notes,
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

impl May {
    /// All of them, each with the word by which it is allowed.
    pub const ALL: [(&str, Self); 3] =
        [("seed", Self::Seed), ("machine", Self::Machine), ("generator", Self::Generator)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, may)| *may == self).map_or("", |(name, _)| name)
    }
}

/// What was offered, where it was the same load at one rate in all runs.
fn offered(set: &Set) -> Option<Offered> {
    let mut all = set.runs.values().map(Offered::of);
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn host(set: &Set) -> Option<&Host> {
    let runs = set.runs.values().map(|run| &run.host);
    runs.chain(set.ceilings.values().map(|found| &found.head.host)).next()
}

/// When the first record of a set was begun, RFC 3339; empty where none says.
fn measured_at(set: &Set) -> String {
    let runs = set.runs.values().map(|run| &run.started_at);
    runs.chain(set.ceilings.values().map(|found| &found.head.started_at)).min().cloned().unwrap_or_default()
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
