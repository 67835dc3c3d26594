//! A ceiling search as a terminal shows it: first whether to believe it and what the ceiling is made of, then the loads, then the
//! figures beside it.

use super::{Paint, named, wrapped};
use crate::ceiling::{Bound, Ceiling, Phase, Step};
use crate::number::{NONE, exact_rate, ms_column, percent, rate, seconds};
use crate::terminal::printable;
use std::fmt::Write;

/// The summary of `found`, with ANSI colours where `colour` is set. It ends in a line end.
pub fn ceiling(found: &Ceiling, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = head(found, &paint);
    out.push('\n');
    out.push_str(&loads(&found.steps, &paint));
    out.push('\n');
    out.push_str(&figures(found));
    out
}

/// The ceiling in words, such as `1,840 requests/s (1,815 to 1,862)`.
pub(crate) fn in_words(found: &Ceiling) -> String {
    let Some(rps) = found.ceiling_rps else { return String::from("no ceiling was found") };
    match (found.bound, found.ci95) {
        (Bound::Exact, Some([from, to])) => {
            format!("{} requests/s ({} to {})", exact_rate(rps), exact_rate(from), exact_rate(to))
        }
        (Bound::Exact, None) => format!("{} requests/s", exact_rate(rps)),
        (Bound::AtLeast, _) => format!("at least {} requests/s", exact_rate(rps)),
        (Bound::Below, _) => format!("below {} requests/s, the lowest rate that was tried", rate(rps)),
    }
}

fn head(found: &Ceiling, paint: &Paint) -> String {
    let word = if found.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if found.verdict.valid { paint.good(word) } else { paint.bad(word) };
    let indent = word.len() + 2;
    let sentence = format!("{} holds up to {}", printable(&found.slo), in_words(found));
    let sentence =
        if found.bound == Bound::Below { format!("the ceiling is {}", in_words(found)) } else { sentence };
    let mut out = format!("{painted}  {}", wrapped(&sentence, indent, indent).trim_start());
    if found.partial {
        out.push_str(&wrapped(&format!("PARTIAL: cut short after {}", seconds(found.duration_s)), 2, 4));
    }
    for reason in &found.verdict.reasons {
        let dash = if found.verdict.valid { paint.note("-") } else { paint.bad("-") };
        out.push_str(&wrapped(&format!("- {}", printable(reason)), 2, 4).replacen('-', &dash, 1));
    }
    for (n, evidence) in found.limited_by.evidence.iter().enumerate() {
        let name = if n == 0 { "limit" } else { "" };
        out.push_str(&named(name, &printable(evidence)));
    }
    out
}

/// A row a load, in the order of the rates.
fn loads(steps: &[Step], paint: &Paint) -> String {
    let mut steps: Vec<&Step> = steps.iter().collect();
    steps.sort_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps));
    let mut out = format!(
        "{:<9}{:>10}{:>10}{:>11}{:>11}{:>11}{:>9}  {}\n",
        "load", "offered", "ok", "p50", "p99", "p99.9", "errors", "objective"
    );
    for step in steps {
        let ms = |ms: Option<f64>| ms.map_or(NONE.to_owned(), ms_column);
        let word = match (step.valid, step.passed) {
            (false, _) => paint.note("invalid"),
            (true, true) => paint.good("holds"),
            (true, false) => paint.bad("fails"),
        };
        let _ = writeln!(
            out,
            "{:<9}{:>10}{:>10}{:>11}{:>11}{:>11}{:>9}  {word}",
            phase(step.phase),
            exact_rate(step.offered_rps),
            exact_rate(step.ok_rps),
            ms(step.p50_ms),
            ms(step.p99_ms),
            ms(step.p999_ms),
            step.errors,
        );
    }
    out
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Bracket => "bracket",
        Phase::Search => "search",
        Phase::Sweep => "sweep",
        Phase::Confirm => "confirm",
    }
}

fn figures(found: &Ceiling) -> String {
    let mut out =
        named("target", &format!("{} ({})", printable(&found.target.url), printable(&found.target.what)));
    for emulated in &found.emulated {
        out.push_str(&named("emulated", &printable(emulated)));
    }
    let rps = |rps: Option<f64>| rps.map_or(NONE.to_owned(), |rps| format!("{}/s", rate(rps)));
    let goodput =
        format!("peak {}, in overload {}", rps(found.peak_goodput_rps), rps(found.overload_goodput_rps));
    out.push_str(&named("goodput", &goodput));
    for resource in &found.resources {
        let busy = resource
            .utilisation
            .map_or_else(String::new, |u| format!(", {} busy at the ceiling", percent(u)));
        let text = format!(
            "{} {}: {} per request, predicted ceiling {}/s{busy}",
            printable(&resource.tier),
            resource.resource,
            ms_column(resource.demand_s * 1e3),
            rate(resource.predicted_rps)
        );
        out.push_str(&named("resource", &text));
    }
    for audit in found.audits.iter().filter(|audit| audit.agrees == Some(false)) {
        let text = format!(
            "Little's law does not hold in {}: {} requests in it, {} by rate and time",
            printable(&audit.tier),
            rate(audit.in_flight),
            rate(audit.expected)
        );
        out.push_str(&named("audit", &text));
    }
    if let Some(check) = &found.self_check {
        let lag =
            check.send_lag_p99_ms.map_or_else(String::new, |ms| format!(", send lag p99 {}", ms_column(ms)));
        let floor =
            check.floor_p50_ms.map_or_else(String::new, |ms| format!(", latency floor {}", ms_column(ms)));
        out.push_str(&named("generator", &format!("can do {}/s here{floor}{lag}", rate(check.closed_rps))));
    }
    out.push_str(&named(
        "search",
        &format!("{} loads in {}, seed {}", found.steps.len(), seconds(found.duration_s), found.seed),
    ));
    out
}
