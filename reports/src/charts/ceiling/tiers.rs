//! How busy each resource of the target was by offered load, with the load at which its demand at low load would fill it.
//! From a record to a chart model. Where nothing was observed it says how to observe it; it never guesses a utilisation.

use super::levels::{Level, at_ceiling, is_at, is_near, levels, line, line_words};
use super::resources::{Drawn, drawn, limit, used_at, why_not_full};
use super::{judged, load_axis, over_load, verdict};
use crate::analyse::bottleneck::{SATURATED_LEAST, tried};
use crate::ceiling::{Bound, Ceiling, Limit, Step};
use crate::chart::{Axis, Chart, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::{capital, exact_rate, percent, rate};

/// The chart of `found`.
pub fn chart(found: &Ceiling) -> Chart {
    let resources = drawn(found);
    let end = load_axis(found).to;
    let (judged, levels) = (judged(found), levels(found));
    let mut series: Vec<_> = resources.iter().flat_map(|resource| predicted(resource, end)).collect();
    // What fills first lies on top.
    series.extend(resources.iter().rev().flat_map(|resource| used(found, resource, &levels, &judged)));
    series.retain(|series| series.last().is_some());
    let measured = series.iter().any(|series| matches!(series.shape, Shape::Line(_)));
    let note = (!measured).then(|| nothing(found).to_owned());
    let title = format!(
        "Share of each resource in use; {}, at the ceiling of those that held; dashes lead to the load that fills it",
        line_words()
    );
    let panel = Panel {
        title,
        weight: 1.0,
        y: Axis { to: 1.04, ..Axis::fitted("", 0.0, 1.0, 5, percent) }.read(Reading::Share),
        series: if measured { series } else { Vec::new() },
        note,
        ..Panel::default()
    };
    let mut chart = over_load(found, &finding(found, &resources, measured), panel);
    if let Some(cause) = found.cause.as_ref().filter(|_| found.verdict.valid) {
        chart.subtitle = capital(&tried(cause));
    }
    chart
}

fn nothing(found: &Ceiling) -> &'static str {
    if found.steps.is_empty() {
        "No load was offered"
    } else if found.steps.iter().all(|step| step.observed.is_empty()) {
        "No tier was observed: name the endpoints of its metrics with --observe NAME=URL"
    } else {
        "What was observed has no known limit: export cpu_limit, workers or pool beside what is in use"
    }
}

/// Each load a mark, and the line; the label is the marks', which tell the resources of one tier apart.
fn used(found: &Ceiling, resource: &Drawn, levels: &[Level], judged: &[&Step]) -> [Series; 2] {
    let weight = if resource.kind == "cpu" { Weight::Bold } else { Weight::Medium };
    let label = match resource.predicted_rps {
        Some(full) => format!("{}: full at {}", resource.label, rate(full)),
        None => resource.label.clone(),
    };
    let series = |label: String, shape, points| Series { label, colour: resource.colour, shape, points };
    let marks = judged.iter().map(|step| (step.offered_rps, resource.share(step))).collect();
    [
        series(String::new(), Shape::Line(weight), through_ceiling(found, resource, levels)),
        series(label, Shape::Points(resource.marker()), marks),
    ]
}

/// At the ceiling it goes through what the title says, which is what was in use there while the objective held.
fn through_ceiling(found: &Ceiling, resource: &Drawn, levels: &[Level]) -> Vec<(f64, Option<f64>)> {
    let mut points = line(levels, |step| resource.share(step));
    let near = |rate: f64| found.ceiling_rps.is_some_and(|ceiling| is_near(rate, ceiling));
    let told = resource.at_ceiling.is_some() && at_ceiling(found).iter().any(|step| near(step.offered_rps));
    if let Some(ceiling) = found.ceiling_rps.filter(|_| told) {
        points.retain(|(rate, _)| !is_at(*rate, ceiling));
        let place = points.partition_point(|(rate, _)| *rate < ceiling);
        points.insert(place, (ceiling, resource.at_ceiling));
    }
    points
}

/// In proportion to the load, up to the load that fills it or to the axis' `end`.
fn predicted(resource: &Drawn, end: f64) -> Vec<Series> {
    let Some(full) = resource.predicted_rps else { return Vec::new() };
    let series = |shape, points| Series { label: String::new(), colour: resource.colour, shape, points };
    let to = full.min(end);
    let dashes = series(Shape::Dashed(Weight::Thin), vec![(0.0, Some(0.0)), (to, Some(to / full))]);
    let mark = (full <= end).then(|| series(Shape::Points(Marker::Diamond), vec![(full, Some(1.0))]));
    [dashes].into_iter().chain(mark).collect()
}

/// What the record says the limit is, with how much of it was in use; where it names none, what comes nearest to one.
fn finding(found: &Ceiling, resources: &[Drawn], measured: bool) -> String {
    if !measured {
        return "Which tier is the limit cannot be said: there is nothing to tell it by".to_owned();
    }
    let Some(at) = used_at(found) else { return "No load could be judged".to_owned() };
    let at = format!("in use at {} requests/s", exact_rate(at));
    let mut busy: Vec<_> = resources.iter().filter_map(|one| Some((one.at_ceiling?, one))).collect();
    busy.sort_by(|a, b| b.0.total_cmp(&a.0));
    let limit = limit(found, resources);
    if let Some((share, one)) = limit.and_then(|one| Some((one.at_ceiling?, one))) {
        let why = why_not_full(found, one).map_or_else(String::new, |why| format!(": {why}"));
        let others = busy.iter().find(|(_, other)| !std::ptr::eq(*other, one));
        let next = others
            .map_or_else(String::new, |(share, other)| format!("; next {}, {}", other.name, percent(*share)));
        return format!("The limit: {}, {} {at}{why}{next}", one.name, percent(share));
    }
    let Some((most, first)) = busy.first() else {
        return "How busy the tiers are at the ceiling was not observed".to_owned();
    };
    let next = busy
        .get(1)
        .map_or_else(String::new, |(share, one)| format!("; next {}, {}", one.name, percent(*share)));
    let busiest = format!("the busiest is {}, {}{next}", first.name, percent(*most));
    let place = match found.bound {
        Bound::Exact => "at the ceiling",
        Bound::AtLeast => "at the highest load that holds",
        Bound::Below => "at the lowest load",
    };
    let [generator, machine] = found.senders();
    match found.limited_by.what {
        Limit::Target => verdict(found),
        Limit::Generator => format!("The limit is {generator}, no tier: {place} {busiest}"),
        Limit::Host => format!("The limit is {machine}, no tier by itself: {place} {busiest}"),
        Limit::Unexplained if *most < SATURATED_LEAST => {
            format!("No observed resource is full {place}: {busiest}")
        }
        Limit::Unexplained if found.bound == Bound::AtLeast => {
            format!("The search ended at its own limit: {place} {busiest}")
        }
        Limit::Unexplained => {
            format!(
                "The limit is unexplained: {}, {} {at}, does not account for it",
                first.name,
                percent(*most)
            )
        }
    }
}
