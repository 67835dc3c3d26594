//! The pictures of a search for the ceiling, each from its record to a chart model. What they have in common is here: the
//! axis of offered load with the ceiling marked on it, the objective, what is known at a load, and the footer.

pub mod goodput;
pub mod latency;
pub mod tiers;
pub mod usl;

use super::{BETWEEN, cpus, place, target, warned};
use crate::analyse::threshold::{Metric, Threshold};
use crate::ceiling::{Bound, Ceiling, Phase, Step};
use crate::chart::{Axis, Band, Chart, Colour, Mark, Panel, Reading};
use crate::number::{counted, ms, rate};

/// A prediction further right than this, relative to the highest load, is said but does not stretch the axis.
const IN_SIGHT: f64 = 1.25;
/// So that the highest load is not the plot's edge.
const HEADROOM: f64 = 1.03;

/// A chart over offered load, with the ceiling and what was predicted for it.
fn over_load(found: &Ceiling, finding: &str, panel: Panel) -> Chart {
    let (tone, title, subtitle) = warned(&found.verdict, found.partial, finding, &context(found));
    Chart {
        tone,
        title,
        subtitle,
        x: load_axis(found),
        bands: interval(found).into_iter().collect(),
        marks: marks(found),
        panels: vec![panel],
        footer: footer(found),
    }
}

fn load_axis(found: &Ceiling) -> Axis {
    let tried = found.steps.iter().map(|step| step.offered_rps).filter(|rate| rate.is_finite());
    let highest = tried.chain(found.ceiling_rps).fold(0.0, f64::max);
    let predicted = found.predicted_rps.filter(|rate| *rate < highest * IN_SIGHT).unwrap_or(0.0);
    Axis::fitted("offered requests per second", 0.0, highest.max(predicted) * HEADROOM, 10, rate)
        .read(Reading::PerSecond)
}

/// The interval of the ceiling; its words are the ceiling's.
fn interval(found: &Ceiling) -> Option<Band> {
    found.ci95.map(|[from, to]| Band { from, to, label: String::new() })
}

fn marks(found: &Ceiling) -> Vec<Mark> {
    let ceiling =
        found.ceiling_rps.map(|at| Mark { at, label: ceiling_words(found, at), colour: Colour::Ceiling });
    let highest = load_axis(found).to;
    let predicted = found.predicted_rps.filter(|at| *at <= highest).map(|at| Mark {
        at,
        label: format!("predicted {}", rate(at)),
        colour: Colour::Predicted,
    });
    ceiling.into_iter().chain(predicted).collect()
}

fn ceiling_words(found: &Ceiling, at: f64) -> String {
    match (found.bound, found.ci95) {
        (Bound::AtLeast, _) => format!("at least {}", rate(at)),
        (_, Some([from, to])) => format!("ceiling {} ({} to {})", rate(at), rate(from), rate(to)),
        (_, None) => format!("ceiling {}", rate(at)),
    }
}

/// What was asked, and what else was found: for the subtitle.
fn context(found: &Ceiling) -> String {
    let mut context = vec![found.target.url.clone(), format!("objective {}", found.slo)];
    let known = |what: &str, value: Option<f64>| value.map(|value| format!("{what} {}", rate(value)));
    context.extend(match found.predicted_rps.filter(|at| *at > load_axis(found).to) {
        beyond @ Some(_) => known("predicted ceiling", beyond),
        None => None,
    });
    context.extend(known("peak goodput", found.peak_goodput_rps));
    context.extend(known("goodput at 1.5 times the ceiling", found.overload_goodput_rps));
    context.retain(|part| !part.is_empty());
    context.join(", ")
}

/// Where the numbers come from, and what in them is emulated.
fn footer(found: &Ceiling) -> Vec<String> {
    let mut what =
        vec![format!("{} offered, {} arrivals", counted(found.steps.len() as u64, "load"), found.arrivals)];
    what.extend(target(&found.target));
    what.extend(cpus("generator", &found.cpus));
    let mut footer = vec![found.command.join(" "), place(&found.host, &found.started_at), what.join(BETWEEN)];
    if !found.emulated.is_empty() {
        footer.push(format!("EMULATED: {}", found.emulated.join("; ")));
    }
    footer.retain(|line| !line.is_empty());
    footer
}

/// What the search as a whole found.
fn verdict(found: &Ceiling) -> String {
    let said = found.limited_by.evidence.first();
    match (found.bound, found.ceiling_rps, said) {
        _ if found.steps.is_empty() => "No load was offered".to_owned(),
        (Bound::Below, ..) => {
            let lowest = found.steps.iter().map(|step| step.offered_rps).fold(f64::INFINITY, f64::min);
            let why = found.steps.iter().filter(|step| !step.passed).find_map(|step| step.reasons.first());
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!("{} does not hold at {} requests/s already{why}", found.slo, rate(lowest))
        }
        (Bound::AtLeast, Some(at), None) => {
            format!("{} holds up to {} requests/s at least: the search went no further", found.slo, rate(at))
        }
        (_, _, Some(said)) => said.clone(),
        (_, Some(at), None) => format!("{} requests/s: nothing is known of what the limit is", rate(at)),
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

/// Those of them that a line connects: the sweep, which is of one length, or all where there was none.
fn connected<'a>(judged: &[&'a Step]) -> Vec<&'a Step> {
    let sweep: Vec<_> = judged.iter().copied().filter(|step| step.phase == Phase::Sweep).collect();
    if sweep.len() >= 3 { sweep } else { judged.to_vec() }
}

/// The judged load that is nearest to `rate`, if one is within a tenth of it.
fn nearest(found: &Ceiling, rate: f64) -> Option<&Step> {
    let distance = |step: &Step| (step.offered_rps - rate).abs();
    let nearest = judged(found).into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(nearest) <= 0.1 * rate).then_some(nearest)
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

/// `p99 < 50 ms`, whatever unit it was asked for in.
fn limit_words(rule: &str, limit: f64) -> String {
    let name = rule.split(['<', '>']).next().unwrap_or_default().trim();
    format!("{name} {}", ms(limit))
}

#[cfg(test)]
mod tests;
