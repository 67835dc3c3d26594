//! The pictures of a search for the ceiling, each from its record to a chart model. What they have in common is here: the
//! axis of offered load with the ceiling marked on it, the objective, what is known at a load, and the footer.

pub mod goodput;
pub mod latency;
mod levels;
mod resources;
pub mod tiers;
pub mod usl;

use super::{cpus, made, target, warned};
use crate::analyse::conclude::overload;
use crate::analyse::threshold::{Metric, Threshold};
use crate::ceiling::{Bound, Ceiling, Step};
use crate::chart::{Axis, Chart, Colour, Mark, Panel, Reading, Series, Shape};
use crate::number::{capital, counted, exact_rate, ms, rate};

/// A prediction further right than this, relative to the highest load, is said but does not stretch the axis.
const IN_SIGHT: f64 = 1.25;
/// So that the highest load is not the plot's edge.
const HEADROOM: f64 = 1.03;
/// Overloaded, a target that answers less than this share of its ceiling collapses.
const PLATEAU: f64 = 0.9;

/// A chart over offered load, with the ceiling, its interval, and what was predicted for it.
fn over_load(found: &Ceiling, finding: &str, mut panel: Panel) -> Chart {
    let shown = panel.note.is_none();
    panel.series.splice(0..0, interval(found, &panel.y).filter(|_| shown));
    let (tone, title, subtitle) = warned(&found.verdict, found.partial, finding, &context(found));
    Chart {
        tone,
        title,
        subtitle,
        x: load_axis(found),
        bands: Vec::new(),
        marks: marks(found),
        panels: vec![panel],
        footer: footer(found),
    }
}

fn load_axis(found: &Ceiling) -> Axis {
    let tried = found.steps.iter().map(|step| step.offered_rps).chain(found.ceiling_rps);
    let highest = tried.filter(|rate| rate.is_finite()).fold(0.0, f64::max);
    let predicted = found.predicted_rps.filter(|rate| *rate < highest * IN_SIGHT).unwrap_or(0.0);
    Axis::fitted("offered requests per second", 0.0, highest.max(predicted) * HEADROOM, 10, rate)
        .read(Reading::PerSecond)
}

/// The interval of the ceiling, from the bottom to the top of a plot; its words are the ceiling's.
fn interval(found: &Ceiling, y: &Axis) -> Option<Series> {
    let ends = |at: f64| [(at, Some(y.from)), (at, Some(y.to))];
    found.ci95.map(|[from, to]| Series {
        label: String::new(),
        colour: Colour::Ceiling,
        shape: Shape::Between,
        points: [ends(from), ends(to)].concat(),
    })
}

fn marks(found: &Ceiling) -> Vec<Mark> {
    let ceiling =
        found.ceiling_rps.map(|at| Mark { at, label: ceiling_words(found, at), colour: Colour::Ceiling });
    let highest = load_axis(found).to;
    let predicted = found.predicted_rps.filter(|at| *at <= highest).map(|at| Mark {
        at,
        label: format!("predicted {}", exact_rate(at)),
        colour: Colour::Predicted,
    });
    ceiling.into_iter().chain(predicted).collect()
}

fn ceiling_words(found: &Ceiling, at: f64) -> String {
    let at = exact_rate(at);
    match (found.bound, found.ci95) {
        (Bound::AtLeast, _) => format!("at least {at}"),
        (_, Some([from, to])) => format!("ceiling {at} ({} to {})", exact_rate(from), exact_rate(to)),
        (_, None) => format!("ceiling {at}"),
    }
}

/// What was asked, and what else was found: for the subtitle.
fn context(found: &Ceiling) -> String {
    let mut context =
        vec![found.target.url.clone(), format!("objective {}", found.slo.replace(',', " and "))];
    let out_of_sight = found.predicted_rps.filter(|at| *at > load_axis(found).to);
    context.extend(out_of_sight.map(|at| format!("predicted ceiling {}", exact_rate(at))));
    context.extend(found.peak_goodput_rps.map(|peak| format!("peak goodput {}", exact_rate(peak))));
    context.extend(overload(found).map(|step| {
        let collapse = found.ceiling_rps.is_some_and(|at| step.ok_rps < PLATEAU * at);
        let what = if collapse { "collapse to" } else { "plateau of" };
        format!("{what} {} when {} are offered", exact_rate(step.ok_rps), exact_rate(step.offered_rps))
    }));
    context.retain(|part| !part.is_empty());
    context.join(", ")
}

/// Where the numbers come from, what in them is emulated, and what the search had no time for.
fn footer(found: &Ceiling) -> Vec<String> {
    let arrivals = if found.arrivals.is_empty() { "" } else { &format!(", {} arrivals", found.arrivals) };
    let mut what = vec![format!("{} offered{arrivals}", counted(found.steps.len() as u64, "load"))];
    what.extend(target(&found.target));
    match &found.runner {
        None => what.extend(cpus("generator", &found.head.cpus)),
        Some(runner) => what.push(runner.in_words()),
    }
    made(&found.head, &what, &found.emulated, &found.cut)
}

/// What the search as a whole found.
fn verdict(found: &Ceiling) -> String {
    let said = found.limited_by.evidence.first();
    match (found.bound, found.ceiling_rps, said) {
        _ if found.steps.is_empty() => "No load was offered".to_owned(),
        (Bound::Below, ..) => {
            let lowest = found.steps.iter().map(|step| step.offered_rps).fold(f64::INFINITY, f64::min);
            let failed = found.steps.iter().filter(|step| !step.passed && step.offered_rps <= lowest);
            let why = failed.filter_map(|step| step.reasons.first()).next();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!("The objective fails at {} requests/s already{why}", rate(lowest))
        }
        (Bound::AtLeast, Some(at), None) => {
            let at = exact_rate(at);
            format!("The objective holds up to {at} requests/s at least: the search went no further")
        }
        (_, _, Some(said)) => {
            let resources = resources::drawn(found);
            let why =
                resources::limit(found, &resources).and_then(|limit| resources::why_not_full(found, limit));
            capital(&why.map_or_else(|| said.clone(), |why| format!("{said}; {why}")))
        }
        (_, Some(at), None) => {
            format!("{} requests/s: nothing is known of what the limit is", exact_rate(at))
        }
        (_, None, None) => "No ceiling was found".to_owned(),
    }
}

/// The rules of the objective that limit a time: what of it, and to how many milliseconds.
fn time_limits(found: &Ceiling) -> Vec<(Metric, f64, String)> {
    let rules = found.slo.split(',').filter_map(|rule| Threshold::parse(rule).ok());
    rules.filter_map(|rule| Some((rule.metric(), rule.at_most_ms()?, rule.to_string()))).collect()
}

/// The loads that can be judged, in ascending order.
fn judged(found: &Ceiling) -> Vec<&Step> {
    let mut steps: Vec<_> = found.steps.iter().filter(|step| step.valid).collect();
    steps.sort_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps));
    steps
}

fn time_of(step: &Step, metric: Metric) -> Option<f64> {
    match metric {
        Metric::P50 => step.p50_ms,
        Metric::P90 => step.p90_ms,
        Metric::P99 => step.p99_ms,
        Metric::P999 => step.p999_ms,
        Metric::Mean => step.mean_ms,
        _ => None,
    }
}

/// `p99 limit 50 ms`, whatever unit it was asked for in.
fn limit_words(rule: &str, limit: f64) -> String {
    let name = rule.split(['<', '>']).next().unwrap_or_default().trim();
    format!("{name} limit {}", ms(limit))
}

#[cfg(test)]
mod tests;
