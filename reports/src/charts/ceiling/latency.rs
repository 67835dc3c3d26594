//! How long answers took by offered load, four percentiles on a logarithmic axis, with what the objective allows. From a
//! record to a chart model. The line is the sweep's; what was measured on the way to it are rings.

use super::super::{LEAST_MS, range_ms};
use super::{connected, judged, limit_words, load_axis, nearest, over_load, time_limits, time_of, verdict};
use crate::analyse::threshold::Metric;
use crate::ceiling::{Ceiling, Step};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::{ms, rate, round_to_digits};

/// The chart of `found`.
pub fn chart(found: &Ceiling) -> Chart {
    let judged = judged(found);
    let line = connected(&judged);
    let others: Vec<_> = judged.iter().copied().filter(|step| !line.contains(step)).collect();
    let percentiles = [
        ("p99.9", Metric::P999, Colour::Extreme, Weight::Medium),
        ("p99", Metric::P99, Colour::Tail, Weight::Bold),
        ("p90", Metric::P90, Colour::Upper, Weight::Medium),
        ("p50", Metric::P50, Colour::Typical, Weight::Bold),
    ];
    let mut series = Vec::new();
    for (label, metric, colour, weight) in percentiles {
        let of = |label: &str, shape, steps: &[&Step]| Series {
            label: label.into(),
            colour,
            shape,
            points: steps
                .iter()
                .map(|step| (step.offered_rps, time_of(step, metric).map(|ms| ms.max(LEAST_MS))))
                .collect(),
        };
        series.push(of("", Shape::Points(Marker::Ring), &others));
        series.push(of(label, Shape::Line(weight), &line));
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
        title: "Response time by load, log scale".into(),
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

/// What the first rule about a time is about: at the ceiling, against what it is with little load, and with too much.
fn finding(found: &Ceiling) -> String {
    let told = || {
        let (metric, limit, rule) = time_limits(found).into_iter().next()?;
        let name = rule.split(['<', '>']).next()?.trim().to_owned();
        let at = found.ceiling_rps?;
        let ceiling = time_of(nearest(found, at)?, metric)?;
        let judged = judged(found);
        let low = judged.iter().find(|step| step.offered_rps < 0.5 * at);
        let low = low.and_then(|step| time_of(step, metric)).filter(|low| *low > 0.0);
        let times = low.map_or_else(String::new, |low| {
            format!(", {} times that with little load", rate(round_to_digits(ceiling / low, 2)))
        });
        let beyond = judged.iter().find(|step| step.offered_rps >= 1.05 * at && !step.passed);
        let beyond = beyond.and_then(|step| Some((step.offered_rps, time_of(step, metric)?)));
        let beyond = beyond.map_or_else(String::new, |(load, time)| {
            format!("; at {} it is {} against the {} allowed", rate(load), ms(time), ms(limit))
        });
        Some(format!("At {} requests/s {name} is {}{times}{beyond}", rate(at), ms(ceiling)))
    };
    told().unwrap_or_else(|| verdict(found))
}
