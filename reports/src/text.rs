//! A run as a terminal shows it: first whether to believe it, then what was asked, what came of it, how long it took
//! and what it cost. From a record to text of at most 80 columns; the caller prints it, and the paths after it.

use crate::analyse::finding::finding;
use crate::number::{NONE, bytes, count, counted, exact_rate, ms_column, percent, rate, seconds, words};
use crate::record::{Distribution, Loop, Run, TargetKind};

const COLUMNS: usize = 80;
/// The width of the names at the left.
const NAMES: usize = 12;

/// The summary of `run`, with ANSI colours where `colour` is set. It ends in a line end.
pub fn summary(run: &Run, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = verdict(run, &paint);
    out.push('\n');
    for block in [load(run), times(run), outcomes(run, &paint), thresholds(run, &paint), cost(run)] {
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
        out.push_str(&wrapped(&format!("PARTIAL: cut short after {}", seconds(run.duration_s)), 2, 4));
    }
    for reason in &run.verdict.reasons {
        out.push_str(&wrapped(&format!("- {reason}"), 2, 4));
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
    out.push_str(&named("rate", &achieved));
    out
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
    if let Some([from, to]) = run.response_ms.ci95.get("p99") {
        let text = format!("95 % interval of the response's p99: {} to {}", ms_column(*from), ms_column(*to));
        out.push_str(&named("", &text));
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
    let wire = format!("{} sent, {} received", bytes(run.bytes.sent), bytes(run.bytes.received));
    out.push_str(&named("bytes", &wire));
    out
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

/// The unit that a rule ends in, with a space before it.
fn unit(rule: &str) -> String {
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

/// `text` behind `name`, in as many lines as it takes.
pub(crate) fn named(name: &str, text: &str) -> String {
    let lines = wrapped(text, NAMES, NAMES);
    format!("{name:<NAMES$}{}", lines.trim_start())
}

/// `text` in lines of [`COLUMNS`], the first indented by `first`, the others by `rest`.
pub(crate) fn wrapped(text: &str, first: usize, rest: usize) -> String {
    let mut out = " ".repeat(first);
    let mut column = first;
    let mut begun = false;
    for word in words(text) {
        let width = word.chars().count();
        if begun && column + 1 + width > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(rest));
            column = rest;
        } else if begun {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += width;
        begun = true;
    }
    out.push('\n');
    out
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
