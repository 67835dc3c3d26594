//! A run as a terminal shows it: first whether to believe it, then what was asked, what came of it, how long it took
//! and what it cost. From a record to text of at most 80 columns; the caller prints it, and the paths after it.

mod caching;
mod ceiling;
mod comparison;
mod lesson;
mod pairs;
mod scale_out;
mod shards;
mod trace;
mod trend;

use crate::analyse::blocks::{By, preferred};
use crate::analyse::finding::finding;
use crate::number::{NONE, bytes, count, counted, exact_rate, ms_column, percent, rate, seconds, words};
use crate::record::{Distribution, Loop, Run, Sessions, Steady, TargetKind};
use crate::terminal::printable;

pub use caching::caching;
pub use ceiling::ceiling;
pub(crate) use ceiling::finding as ceiling_finding;
pub use comparison::comparison;
pub use lesson::lesson;
pub use pairs::pairs;
pub(crate) use scale_out::{limit as scale_out_limit, ratio as scale_out_ratio};
pub use scale_out::{scale_out, scale_out_point};
pub use trace::trace;
pub use trend::trend;

const COLUMNS: usize = 80;
/// The width of the names at the left.
const NAMES: usize = 12;

/// The summary of `run`, with ANSI colours where `colour` is set. It ends in a line end. Whatever the record has in its
/// texts, none of it is for a terminal to obey.
pub fn summary(run: &Run, colour: bool) -> String {
    let run = &clean(run);
    let paint = Paint { colour };
    let mut out = verdict(run, &paint);
    out.push('\n');
    for block in [
        load(run),
        times(run),
        outcomes(run, &paint),
        interactions(run),
        shards::shards(run),
        thresholds(run, &paint),
        cost(run),
    ] {
        if !block.is_empty() {
            out.push_str(&block);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn good(&self, text: &str) -> String {
        self.with("1;32", text)
    }

    fn bad(&self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn note(&self, text: &str) -> String {
        self.with("1;33", text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn verdict(run: &Run, paint: &Paint) -> String {
    let word = if run.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if run.verdict.valid { paint.good(word) } else { paint.bad(word) };
    // Wrapped without the word: its colour takes no room on a terminal.
    let indent = word.len() + 2;
    let mut out = format!("{painted}  {}", wrapped(&finding(run), indent, indent).trim_start());
    if run.partial {
        let after =
            if run.shards.is_empty() { format!(" after {}", seconds(run.duration_s)) } else { String::new() };
        out.push_str(&wrapped(&format!("PARTIAL: cut short{after}"), 2, 4));
    }
    for reason in &run.verdict.reasons {
        // What stands here of a valid run are notes.
        let dash = if run.verdict.valid { paint.note("-") } else { paint.bad("-") };
        out.push_str(&wrapped(&format!("- {reason}"), 2, 4).replacen('-', &dash, 1));
    }
    out
}

fn load(run: &Run) -> String {
    let kind = match run.target.kind {
        TargetKind::Reference => "reference target",
        TargetKind::Given => "",
    };
    let what: Vec<_> = [kind, &run.target.what].into_iter().filter(|text| !text.is_empty()).collect();
    let what = if what.is_empty() { String::new() } else { format!(" ({})", what.join(": ")) };
    let mut out = named("target", &format!("{}{what}", run.target.url));
    let connections = counted(run.connections_max, "connection");
    let rates = &run.rps;
    let (how, achieved) = match run.load_loop {
        Loop::Open => (
            format!("open loop, {} arrivals, {}", run.arrivals, seconds(run.duration_s)),
            format!(
                "offered {}/s, sent {}/s, ok {}/s",
                exact_rate(rates.planned),
                exact_rate(rates.sent),
                exact_rate(rates.ok)
            ),
        ),
        Loop::Closed => (
            format!("closed loop, {}", seconds(run.duration_s)),
            format!("sent {}/s, ok {}/s", exact_rate(rates.sent), exact_rate(rates.ok)),
        ),
    };
    out.push_str(&named("load", &format!("{how}, {connections} at the peak, seed {}", run.seed)));
    if let Some(shard) = run.shard.as_ref().filter(|shard| shard.of > 1) {
        let share = format!("{}: loadgen merge makes one record of all", shard.in_words());
        out.push_str(&named("share", &share));
    }
    out.push_str(&named("rate", &achieved));
    out.push_str(&stream(run).map_or_else(String::new, |text| named("arrivals", &text)));
    out.push_str(&run.steady.as_ref().map_or_else(String::new, |steady| named("steady", &since(steady))));
    out
}

/// How the stream of requests compares with the plan.
pub(crate) fn stream(run: &Run) -> Option<String> {
    let stream = run.arrival_stream.as_ref()?;
    let (word, gaps) = (if stream.passed { "as planned" } else { "not as planned" }, count(stream.gaps));
    Some(match stream.p_value {
        Some(p) => {
            let p = if p < 1e-4 { String::from("< 0.0001") } else { format!("= {}", rate(p)) };
            format!("{word}: A2 = {} of {gaps} gaps, p {p} (Anderson-Darling)", rate(stream.value))
        }
        None => format!("{word}: coefficient of variation {} of {gaps} gaps", rate(stream.value)),
    })
}

/// From when on the run was steady. The figures are of the whole measured part, and it says so where that matters.
pub(crate) fn since(steady: &Steady) -> String {
    match (steady.from_s, &steady.reason) {
        (Some(at), _) if at > 0.0 => {
            format!("from {} on; what was measured before it is in the figures (see --warmup)", seconds(at))
        }
        (Some(_), _) => String::from("from the beginning"),
        (None, reason) => reason.clone().unwrap_or_else(|| String::from("not known")),
    }
}

fn times(run: &Run) -> String {
    let mut rows =
        vec![("response", &run.response_ms), ("service", &run.service_ms), ("send lag", &run.send_lag_ms)];
    if run.ok < run.planned {
        rows.insert(1, ("ok only", &run.ok_response_ms));
    }
    let head = ["p50", "p90", "p99", "p99.9", "max"].map(str::to_owned);
    let mut out = row("", &head);
    for (name, times) in rows {
        out.push_str(&row(name, &cells(times)));
    }
    if let Some((by, [from, to])) = preferred(&run.response_ms, "p99") {
        let by = match by {
            By::Ranks => String::from("by order statistics"),
            By::Blocks(length_s) => {
                format!("by blocks of {}, as requests depend on each other", seconds(length_s))
            }
            By::RanksThoughDependent => {
                String::from("by order statistics, and too narrow, as requests depend on each other")
            }
        };
        let text =
            format!("95 % interval of the response's p99: {} to {} ({by})", ms_column(from), ms_column(to));
        out.push_str(&named("", &text));
    }
    // Within TLS and HTTP/2 nobody but the library knows when an answer is whole.
    let expected = run.wire.transport == "raw" && run.ok > 0;
    if run.generator.receive_clock == "process" && expected {
        out.push_str(&named("", "answers are timed when they are read: the kernel gave no receive times"));
    }
    out
}

fn cells(times: &Distribution) -> [String; 5] {
    [times.p50, times.p90, times.p99, times.p999, times.max].map(|ms| ms.map_or(NONE.to_owned(), ms_column))
}

fn row(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>11}")).collect();
    format!("{name:<NAMES$}{cells}\n")
}

fn outcomes(run: &Run, paint: &Paint) -> String {
    let mut parts = vec![format!("{} ok", count(run.ok))];
    let failures =
        run.errors.named().into_iter().chain([("dropped", run.dropped), ("unfinished", run.unfinished)]);
    let failures: Vec<_> =
        failures.filter(|(_, n)| *n > 0).map(|(kind, n)| format!("{} {kind}", count(n))).collect();
    let failed = !failures.is_empty();
    parts.extend(failures);
    let mut out = named("requests", &format!("{} planned: {}", count(run.planned), parts.join(", ")));
    if failed {
        out = out.replacen("requests", &paint.bad("requests"), 1);
    }
    if let Some(at) = run.died_at_s {
        let text = named("died", &format!("the target stopped answering for good at {}", seconds(at)));
        out.push_str(&text.replacen("died", &paint.bad("died"), 1));
    }
    if !run.status.is_empty() {
        let codes: Vec<_> = run.status.iter().map(|(code, n)| format!("{code}: {}", count(*n))).collect();
        out.push_str(&named("status", &codes.join(", ")));
    }
    // reqwest does not count them.
    if run.wire.transport != "reqwest" {
        let wire = format!("{} sent, {} received", bytes(run.bytes.sent), bytes(run.bytes.received));
        out.push_str(&named("bytes", &wire));
    }
    out
}

/// A table of the scenario's kinds of requests, where there are several.
fn interactions(run: &Run) -> String {
    let mut out = String::new();
    if run.interactions.len() > 1 {
        let head = ["planned", "share", "failed", "p50", "p99"].map(str::to_owned);
        out.push_str(&interaction_row("interaction", &head));
        for one in &run.interactions {
            let failed = one.errors.total() + one.dropped;
            let time = |ms: Option<f64>| ms.map_or(NONE.to_owned(), ms_column);
            let times = &one.response_ms;
            let cells = [
                count(one.planned),
                percent(one.share_planned),
                count(failed),
                time(times.p50),
                time(times.p99),
            ];
            let name = [one.name.as_str(), one.step.as_str()].join(" ");
            out.push_str(&interaction_row(name.trim(), &cells));
        }
    }
    for one in &run.interactions {
        let failed: Vec<_> =
            one.failed_checks.iter().map(|(check, n)| format!("{check} ({} times)", count(*n))).collect();
        if !failed.is_empty() {
            let text = format!("of {} {}: {}", one.name, one.step, failed.join(", "));
            out.push_str(&named("checks", &text.replace(" : ", ": ")));
        }
    }
    if let Some(Sessions { begun, completed, failed }) = run.sessions {
        let mut text =
            format!("{} begun, {} completed, {} failed", count(begun), count(completed), count(failed));
        let under_way = begun.saturating_sub(completed + failed);
        if under_way > 0 {
            text += &format!(", {} not over at the end", count(under_way));
        }
        out.push_str(&named("sessions", &text));
    }
    out
}

/// A name, cut where it is too long, and cells that together fill a line.
fn interaction_row(name: &str, cells: &[String; 5]) -> String {
    const NAME: usize = 27;
    let long = name.chars().count() >= NAME;
    let name = if long { name.chars().take(NAME - 3).chain("..".chars()).collect() } else { name.to_owned() };
    let [planned, share, failed, p50, p99] = cells;
    format!("{name:<NAME$}{planned:>12}{share:>8}{failed:>11}{p50:>11}{p99:>11}\n")
}

fn thresholds(run: &Run, paint: &Paint) -> String {
    let widest = run.thresholds.iter().map(|asked| asked.rule.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for asked in &run.thresholds {
        let sign = if asked.passed { paint.good("pass") } else { paint.bad("FAIL") };
        let actual = asked.actual.map_or("not known: too few requests".to_owned(), |v| {
            format!("{}{}", rate(v), unit(&asked.rule))
        });
        out.push_str(&format!("{:<NAMES$}{sign}  {:<widest$}  {actual}\n", "threshold", asked.rule));
    }
    out
}

/// What is left to say of an experiment that was cut short before anything was measured: its finding.
fn nothing(finding: &str, paint: &Paint) -> String {
    const WORD: &str = "INVALID";
    let indent = WORD.len() + 2;
    format!("{}  {}", paint.bad(WORD), wrapped(&printable(finding), indent, indent).trim_start())
}

/// The unit that a rule ends in, with a space before it.
pub(crate) fn unit(rule: &str) -> String {
    let unit = rule.trim_start_matches(|c: char| c != '<' && c != '>');
    let unit = unit.trim_start_matches(|c: char| !c.is_alphabetic() && c != '%');
    if unit.is_empty() { "/s".to_owned() } else { format!(" {}", unit.trim()) }
}

fn cost(run: &Run) -> String {
    let used = &run.generator;
    let mut own = vec![
        format!("{} us CPU per request", rate(used.cpu_us_per_request)),
        format!("busiest thread {} of a CPU", percent(used.cpu_share_max)),
        counted(used.threads as u64, "thread"),
        bytes(used.max_rss_bytes),
    ];
    own.extend(cpus("on", &used.cpus));
    own.extend(cpus("target on", &run.target.cpus));
    let mut out = named("generator", &own.join(", "));
    let shares: Vec<_> = run
        .observed
        .iter()
        .filter_map(|(tier, metrics)| Some(format!("{tier} {}", percent(*metrics.get("cpu_share")?))))
        .collect();
    if !shares.is_empty() {
        out.push_str(&named("tiers' CPU", &shares.join(", ")));
    }
    out
}

pub(crate) fn cpus(whose: &str, cpus: &[usize]) -> Option<String> {
    let list: Vec<_> = cpus.iter().map(usize::to_string).collect();
    (!cpus.is_empty()).then(|| format!("{whose} CPU {}", list.join("+")))
}

/// The run with all of its texts in a form that can be printed.
fn clean(run: &Run) -> Run {
    let mut run = run.clone();
    let texts =
        [&mut run.target.url, &mut run.target.what, &mut run.arrivals, &mut run.generator.receive_clock];
    let texts = texts.into_iter().chain(&mut run.verdict.reasons);
    let texts = texts.chain(run.steady.iter_mut().filter_map(|steady| steady.reason.as_mut()));
    let texts = texts.chain(run.thresholds.iter_mut().map(|asked| &mut asked.rule));
    let texts = texts.chain(run.interactions.iter_mut().flat_map(|one| [&mut one.name, &mut one.step]));
    texts.for_each(|text| *text = printable(text).into_owned());
    let name = |name: String| printable(&name).into_owned();
    run.observed = run.observed.into_iter().map(|(tier, metrics)| (name(tier), metrics)).collect();
    for one in &mut run.interactions {
        let checks = std::mem::take(&mut one.failed_checks);
        one.failed_checks = checks.into_iter().map(|(check, n)| (name(check), n)).collect();
    }
    run
}

/// `text` behind `name`, in as many lines as it takes.
pub(crate) fn named(name: &str, text: &str) -> String {
    let lines = wrapped(text, NAMES, NAMES);
    format!("{name:<NAMES$}{}", lines.trim_start())
}

/// `text` in lines of [`COLUMNS`], the first indented by `first`, the others by `rest`.
pub(crate) fn wrapped(text: &str, first: usize, rest: usize) -> String {
    wrapped_at(COLUMNS, text, first, rest)
}

/// `text` in lines of so many columns, the first indented by `first`, the others by `rest`; only a word that is longer than a line
/// goes beyond it. It ends in a line end.
pub fn wrapped_at(columns: usize, text: &str, first: usize, rest: usize) -> String {
    let mut out = " ".repeat(first);
    let mut column = first;
    let mut begun = false;
    for word in words(text) {
        let width = word.chars().count();
        if begun && column + 1 + width > columns {
            out.push('\n');
            out.push_str(&" ".repeat(rest));
            column = rest;
        } else if begun {
            out.push(' ');
            column += 1;
        }
        if column == rest && word.starts_with("::") {
            // A CI that reads along obeys what begins a line so (GitHub's workflow commands).
            out.push_str(&word.replacen("::", ": :", 1));
        } else {
            out.push_str(&word);
        }
        column += width;
        begun = true;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests;
