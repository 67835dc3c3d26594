//! The pictures of a run and of a search for the ceiling, each from a record to a chart model. What all have in common is
//! here: the title's warning, and the footer that says where the numbers come from. Nothing is drawn here.

pub mod availability;
pub mod caching;
pub mod ceiling;
pub mod comparison;
pub mod heatmap;
pub mod percentiles;
pub mod scale_out;
mod tiers_in_time;
pub mod timeline;
pub mod trend;
pub mod waterfall;

use crate::chart::{Colour, Tone};
use crate::number::{NONE, count, counted};
use crate::record::{Head, Host, Loop, Run, Shard, Target, TargetKind, Verdict};
use crate::terminal::shell;

/// Times below this, in milliseconds, are drawn at it: a logarithmic axis has no zero.
const LEAST_MS: f64 = 0.001;
/// Between two parts of a line.
const BETWEEN: &str = "  \u{b7}  ";

/// The tiers whose colours do not depend on what other tiers there are.
const KNOWN_TIERS: [&str; 4] = ["proxy", "app", "db", "dns"];

/// The colour of a tier, which is the same in all pictures; of one that is not known, by its name.
fn tier_colour(tier: &str) -> Colour {
    let known = KNOWN_TIERS.iter().position(|known| *known == tier);
    let other = || KNOWN_TIERS.len() + tier.bytes().map(usize::from).sum::<usize>() % 2;
    Colour::Tier(known.unwrap_or_else(other))
}

/// The tone, the title and the subtitle: `finding` and `context`, unless the run has a warning to give first.
fn headline(run: &Run, finding: &str, context: &str) -> (Tone, String, String) {
    warned(&run.verdict, run.partial, finding, context)
}

fn warned(verdict: &Verdict, partial: bool, finding: &str, context: &str) -> (Tone, String, String) {
    if !verdict.valid {
        let why = verdict.reasons.first().map_or(NONE, String::as_str);
        (Tone::Alarm, format!("INVALID: {why}"), format!("Not to be relied on: {}", uncapitalised(finding)))
    } else if partial {
        (Tone::Plain, format!("PARTIAL: {finding}"), context.to_owned())
    } else {
        (Tone::Plain, finding.to_owned(), context.to_owned())
    }
}

/// As the rest of a sentence; what begins with a name such as p99 or with a number begins so there too.
fn uncapitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The range of the values, for a logarithmic axis in milliseconds; of none, any range.
fn range_ms(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .fold(None, |range, v| {
            Some(range.map_or((v, v), |(low, high): (f64, f64)| (low.min(v), high.max(v))))
        })
        .unwrap_or((1.0, 10.0))
}

fn footer(run: &Run) -> Vec<String> {
    let mut what =
        vec![format!("{} planned, {} ended", counted(run.planned, "request"), count(run.response_ms.count))];
    let machines = run.shards.len() as u64;
    what.extend((machines > 0).then(|| format!("sent by {}", counted(machines, "machine"))));
    what.extend(run.shard.as_ref().map(Shard::in_words));
    what.extend(target(&run.target));
    what.extend(cpus("generator", &run.generator.cpus));
    let mut lines = vec![shell(&run.command), place(&run.host, &run.started_at), what.join(BETWEEN)];
    lines.extend(emulated(&run.target.emulated));
    lines
}

/// What of the target stands in for something else.
fn emulated(said: &[String]) -> Option<String> {
    (!said.is_empty()).then(|| format!("EMULATED: {}", said.join(" ")))
}

/// The footer of an experiment: by what, when and where it was made, what there is to know of it, and if so what of the target is
/// emulated and what was not done.
fn made(head: &Head, what: &[String], emulated: &[String], cut: &[String]) -> Vec<String> {
    let mut lines = vec![shell(&head.command), place(&head.host, &head.started_at), what.join(BETWEEN)];
    lines.retain(|line| !line.is_empty());
    lines.extend(self::emulated(emulated));
    lines.extend((!cut.is_empty()).then(|| format!("NOT DONE: {}", cut.join("; "))));
    lines
}

/// By what, when and where it was measured.
fn place(host: &Host, started_at: &str) -> String {
    let commit = if host.commit.is_empty() { String::new() } else { format!(" ({})", host.commit) };
    let mut place = vec![format!("loadgen {}{commit}", host.version)];
    // `2026-11-24T08:00:00Z` as people write it.
    place.extend((!started_at.is_empty()).then(|| started_at.replacen('T', " ", 1)));
    place.extend(
        (!host.cpu.is_empty()).then(|| format!("{}, {}", host.cpu, counted(host.cpus as u64, "CPU"))),
    );
    place.extend((!host.kernel.is_empty()).then(|| host.kernel.clone()));
    place.join(BETWEEN)
}

/// What was loaded, and its CPUs.
fn target(target: &Target) -> Vec<String> {
    let what = match (target.kind, target.what.is_empty()) {
        (_, false) => target.what.clone(),
        (TargetKind::Reference, true) => "reference target".to_owned(),
        (TargetKind::Given, true) => target.url.clone(),
    };
    [what].into_iter().filter(|what| !what.is_empty()).chain(cpus("target", &target.cpus)).collect()
}

fn cpus(whose: &str, cpus: &[usize]) -> Option<String> {
    let list: Vec<_> = cpus.iter().map(usize::to_string).collect();
    let noun = if cpus.len() == 1 { "CPU" } else { "CPUs" };
    (!cpus.is_empty()).then(|| format!("{whose} pinned to {noun} {}", list.join(", ")))
}

/// What was done, for the subtitle.
fn context(run: &Run) -> String {
    let load_loop = match run.load_loop {
        Loop::Open => format!("open loop, {} arrivals", run.arrivals),
        Loop::Closed => "closed loop".to_owned(),
    };
    let connections = counted(run.connections_max, "connection");
    format!("{}, {load_loop}, {connections} at the peak", run.target.url)
}
