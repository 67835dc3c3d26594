//! A ceiling search as a terminal shows it: first the loads, then the figures beside the ceiling, and last, where they are still
//! on the screen when it is all printed, whether to believe it, the ceiling and what it is made of.

use super::{Paint, named, wrapped};
use crate::analyse::bottleneck::{noun, takes, tried};
use crate::analyse::conclude::overload;
use crate::analyse::forecast;
use crate::ceiling::{Bound, Ceiling, Resource, Step, Usl};
use crate::number::{NONE, count, counted, exact_rate, ms_column, percent, rate, seconds};
use crate::terminal::printable;
use std::fmt::Write;

/// The summary of `found`, with ANSI colours where `colour` is set. It ends in a line end. Whatever the record has in its
/// texts, none of it is for a terminal to obey.
pub fn ceiling(found: &Ceiling, colour: bool) -> String {
    let paint = Paint { colour };
    format!("{}\n{}\n{}", loads(&found.steps, &paint), figures(found), verdict(found, &paint))
}

/// The ceiling in a sentence, such as `p99<50ms and errors<0.1% hold up to 1,840 requests/s (95 % interval 1,815 to 1,862)`.
pub(crate) fn finding(found: &Ceiling) -> String {
    let slo = found.slo.replace(',', " and ");
    let hold = if found.slo.contains(',') { "hold" } else { "holds" };
    let per_second = |rps: f64| format!("{} requests/s", exact_rate(rps));
    let lowest = found.steps.iter().map(|step| step.offered_rps).min_by(f64::total_cmp);
    match (found.bound, found.ceiling_rps) {
        (Bound::Exact, Some(rps)) => match found.between() {
            None => format!("{slo} {hold} up to {}{}", per_second(rps), interval(found.ci95)),
            Some([from, to]) => {
                format!("The ceiling for {slo} lies between {} and {}", exact_rate(from), per_second(to))
            }
        },
        (Bound::AtLeast, Some(rps)) => {
            format!("{slo} {hold} up to {} at least, where the search ended", per_second(rps))
        }
        (Bound::Below, rps) if rps.or(lowest).is_some() => {
            let lowest = per_second(rps.or(lowest).unwrap_or(0.0));
            format!("The ceiling for {slo} lies below {lowest}, the lowest rate that was tried")
        }
        _ => format!("No ceiling was found for {slo}"),
    }
}

/// In brackets, with a space before it; nothing of none.
fn interval(ci95: Option<[f64; 2]>) -> String {
    ci95.map_or_else(String::new, |[from, to]| {
        format!(" (95 % interval {} to {})", exact_rate(from), exact_rate(to))
    })
}

/// A row a load, in the order of the rates.
fn loads(steps: &[Step], paint: &Paint) -> String {
    let mut steps: Vec<&Step> = steps.iter().collect();
    steps.sort_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps));
    let mut out = format!(
        "{:<9}{:>10}{:>10}{:>11}{:>11}{:>11}{:>9}  {}\n",
        "load", "offered", "ok", "p50", "p99", "p99.9", "errors", "verdict"
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
            step.phase,
            exact_rate(step.offered_rps),
            exact_rate(step.ok_rps),
            ms(step.p50_ms),
            ms(step.p99_ms),
            ms(step.p999_ms),
            count(step.errors),
        );
    }
    out
}

fn figures(found: &Ceiling) -> String {
    let of = |what: &str| if what.is_empty() { String::new() } else { format!(" ({what})") };
    let mut out = named("target", &printable(&format!("{}{}", found.target.url, of(&found.target.what))));
    for emulated in &found.emulated {
        out.push_str(&named("emulated", &printable(emulated)));
    }
    out.push_str(&named("goodput", &goodput(found)));
    for (n, one) in found.resources.iter().enumerate() {
        out.push_str(&named(if n == 0 { "resources" } else { "" }, &printable(&resource(one))));
    }
    if let Some(cause) = &found.cause {
        out.push_str(&named("cause", &printable(&tried(cause))));
    }
    if let Some(forecast) = &found.forecast {
        out.push_str(&named("forecast", &printable(&forecast::in_words(forecast))));
    }
    out.push_str(&found.usl.as_ref().map_or_else(String::new, |usl| named("scaling", &scaling(usl))));
    for audit in found.audits.iter().filter(|audit| audit.agrees == Some(false)) {
        let text = format!(
            "Little's law does not hold in {}: {} requests in it, {} by rate and time",
            audit.tier,
            rate(audit.in_flight),
            rate(audit.expected)
        );
        out.push_str(&named("audit", &printable(&text)));
    }
    if let Some(check) = &found.self_check {
        let lag =
            check.send_lag_p99_ms.map_or_else(String::new, |ms| format!(", send lag p99 {}", ms_column(ms)));
        let floor =
            check.floor_p50_ms.map_or_else(String::new, |ms| format!(", latency floor {}", ms_column(ms)));
        out.push_str(&named("generator", &format!("can do {}/s here{floor}{lag}", rate(check.closed_rps))));
    }
    if let Some(runner) = &found.runner {
        let beside = format!("{}, {} beside it at most", runner.in_words(), seconds(runner.pause_s));
        out.push_str(&named("generator", &printable(&beside)));
    }
    let loads = counted(found.steps.len() as u64, "load");
    out.push_str(&named(
        "search",
        &format!("{loads} in {}, seed {}", seconds(found.duration_s), found.head.seed),
    ));
    out
}

fn goodput(found: &Ceiling) -> String {
    let peak = found.peak_goodput_rps.map(|rps| format!("peak {}/s", exact_rate(rps)));
    let overload = overload(found).map(|step| {
        format!("{}/s when {}/s were offered", exact_rate(step.ok_rps), exact_rate(step.offered_rps))
    });
    let known: Vec<_> = peak.into_iter().chain(overload).collect();
    if known.is_empty() { NONE.to_owned() } else { known.join(", ") }
}

fn resource(one: &Resource) -> String {
    let busy = one.utilisation.map_or_else(String::new, |u| format!(", {} busy", percent(u)));
    format!("{}: {} per request, full at {}/s{busy}", noun(one), takes(one.demand_s), rate(one.predicted_rps))
}

fn scaling(usl: &Usl) -> String {
    let end = match (usl.peak_n, usl.peak_rps) {
        (Some(n), Some(x)) => format!("peak {}/s with {} in flight", rate(x), rate(n)),
        (None, Some(x)) => format!("no peak, {}/s at most", rate(x)),
        _ => "no peak".to_owned(),
    };
    let share = |name: &str, value: f64| {
        let ci95 = usl.ci95.get(name).map_or_else(String::new, |[from, to]| {
            format!(" (95 % interval {} to {})", percent(*from), percent(*to))
        });
        format!("{}{ci95}", percent(value))
    };
    let (contention, coherency) = (share("sigma", usl.sigma), share("kappa", usl.kappa));
    format!("contention {contention}, coherency {coherency}: {end}")
}

fn verdict(found: &Ceiling, paint: &Paint) -> String {
    let word = if found.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if found.verdict.valid { paint.good(word) } else { paint.bad(word) };
    let indent = word.len() + 2;
    let sentence = printable(&finding(found)).into_owned();
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

#[cfg(test)]
#[path = "ceiling_tests.rs"]
mod tests;
