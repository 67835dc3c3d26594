//! How long answers took by offered load, four percentiles on a logarithmic axis, with what the objective allows. From a
//! record to a chart model. Each load is a ring; the lines go through the medians of loads of about the same rate.

use super::super::{LEAST_MS, range_ms};
use super::levels::{is_at, is_near, levels, line, line_words, median};
use super::{judged, limit_words, load_axis, over_load, time_limits, time_of, verdict};
use crate::analyse::threshold::Metric;
use crate::ceiling::{Ceiling, Step};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::{counted, exact_rate, ms, rate, round_to_digits};

/// The chart of `found`.
pub fn chart(found: &Ceiling) -> Chart {
    let judged = judged(found);
    let levels = levels(found);
    let percentiles = [
        ("p99.9", Metric::P999, Colour::Extreme, Weight::Medium),
        ("p99", Metric::P99, Colour::Tail, Weight::Bold),
        ("p90", Metric::P90, Colour::Upper, Weight::Medium),
        ("p50", Metric::P50, Colour::Typical, Weight::Bold),
    ];
    let mut series = Vec::new();
    for (label, metric, colour, weight) in percentiles {
        let of = |step: &Step| time_of(step, metric).map(|ms| ms.max(LEAST_MS));
        let series_of = |label: &str, shape, points| Series { label: label.into(), colour, shape, points };
        let each = judged.iter().map(|step| (step.offered_rps, of(step))).collect();
        series.push(series_of(label, Shape::Line(weight), line(&levels, of)));
        series.push(series_of("", Shape::Points(Marker::Ring), each));
    }
    series.retain(|series| series.last().is_some());
    let note = series.is_empty().then(|| "No load could be judged".to_owned());
    if note.is_none() {
        series.extend(limits(found));
    }
    let limits = time_limits(found).into_iter().map(|(_, limit, _)| limit);
    // Not at the edge of the plot, where it could not be told from the axis.
    let seen = limits.filter(|_| note.is_none()).flat_map(|limit| [limit * 0.8, limit * 1.25]);
    let (least, most) =
        range_ms(seen.chain(series.iter().flat_map(|series| &series.points).filter_map(|point| point.1)));
    let panel = Panel {
        title: format!("Response time, log scale; rings: single loads; {}", line_words()),
        weight: 1.0,
        y: Axis::log("", least, most, 12, ms).read(Reading::Ms),
        series,
        note,
        ..Panel::default()
    };
    over_load(found, &finding(found), panel)
}

/// What the objective allows, from end to end.
fn limits(found: &Ceiling) -> Vec<Series> {
    let end = load_axis(found).to;
    let limit = |(_, limit, rule): (Metric, f64, String)| Series {
        label: limit_words(&rule, limit),
        colour: Colour::Objective,
        shape: Shape::Dashed(Weight::Medium),
        points: vec![(0.0, Some(limit.max(LEAST_MS))), (end, Some(limit.max(LEAST_MS)))],
    };
    time_limits(found).into_iter().map(limit).collect()
}

/// What the first rule about a time is about: near the ceiling, against what it is with little load, and with too much. It
/// names the rates that were measured, and of several loads it says how far apart they are.
fn finding(found: &Ceiling) -> String {
    let told = || {
        let (metric, limit, rule) = time_limits(found).into_iter().next()?;
        let name = rule.split(['<', '>']).next()?.trim().to_owned();
        let at = found.ceiling_rps?;
        let (ceiling, near) = near(found, at, metric, &name)?;
        let judged = judged(found);
        let low = judged.iter().find(|step| step.offered_rps < 0.5 * at);
        let low = low.and_then(|step| time_of(step, metric)).filter(|low| *low > 0.0);
        let times = low.map_or_else(String::new, |low| {
            format!(", {} times that with little load", rate(round_to_digits(ceiling / low, 2)))
        });
        let beyond =
            judged.iter().find(|step| step.offered_rps > at && !is_at(step.offered_rps, at) && !step.passed);
        let beyond = beyond.and_then(|step| Some((step.offered_rps, time_of(step, metric)?)));
        let beyond = beyond.map_or_else(String::new, |(load, time)| {
            format!("; at {} it is {} against the {} allowed", exact_rate(load), ms(time), ms(limit))
        });
        Some(format!("{near}{times}{beyond}"))
    };
    told().unwrap_or_else(|| verdict(found))
}

/// The median of `metric` over the loads at the ceiling, or the one that is nearest to it; and that in words.
fn near(found: &Ceiling, ceiling: f64, metric: Metric, name: &str) -> Option<(f64, String)> {
    let judged = judged(found);
    let known: Vec<(f64, f64)> =
        judged.iter().filter_map(|step| Some((step.offered_rps, time_of(step, metric)?))).collect();
    let off = |(rate, _): &(f64, f64)| (rate / ceiling - 1.0).abs();
    let mut near: Vec<_> = known.iter().copied().filter(|(rate, _)| is_at(*rate, ceiling)).collect();
    let beside = near.is_empty();
    if beside {
        let nearest = known.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        near.extend(nearest.filter(|(rate, _)| is_near(*rate, ceiling)));
    }
    let times: Vec<f64> = near.iter().map(|(_, time)| *time).collect();
    let middle = median(times.clone())?;
    let [from, to] = ends(near.iter().map(|(rate, _)| *rate)).map(exact_rate);
    let rates = if from == to { from } else { format!("{from} to {to}") };
    let place = if beside { ", the load nearest to the ceiling," } else { "" };
    let said = match (times.len(), ends(times.into_iter()).map(ms)) {
        (1, _) => format!("is {}", ms(middle)),
        (n, [low, high]) => {
            format!("has a median of {} ({low} to {high} in {})", ms(middle), counted(n as u64, "load"))
        }
    };
    Some((middle, format!("At {rates} requests/s{place} {name} {said}")))
}

/// The least and the largest.
fn ends(of: impl Iterator<Item = f64>) -> [f64; 2] {
    of.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], value| [least.min(value), most.max(value)])
}
