//! How busy each resource of the target was by offered load, with the load at which its demand at low load would fill it.
//! From a record to a chart model. Where nothing was observed it says how to observe it; it never guesses a utilisation.

use super::super::tier_colour;
use super::{connected, judged, load_axis, nearest, over_load};
use crate::analyse::bottleneck::{noun, tried};
use crate::ceiling::{Bound, Ceiling, Step};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::{capital, exact_rate, percent, rate};
use std::collections::BTreeSet;

/// A resource that is less busy than this at the ceiling does not explain it.
const SATURATED: f64 = 0.85;
/// Kinds of resources, with the metric of what is in use of them and of how much there is.
const KINDS: [(&str, &str, &str); 3] = [
    ("cpu", "cpu_share", "cpu_limit"),
    ("workers", "workers_busy", "workers"),
    ("pool", "pool_busy", "pool"),
];

/// A resource as it is drawn.
struct Drawn {
    name: String,
    /// The same beside its line, where there is less room.
    label: String,
    /// Whose use is added up.
    tiers: Vec<String>,
    /// Whether it is the CPUs that several tiers share.
    shared: bool,
    /// See [`KINDS`].
    kind: String,
    /// How much there is, where that does not change from load to load.
    capacity: Option<f64>,
    /// When it is full, in requests per second.
    predicted_rps: Option<f64>,
    colour: Colour,
}

/// The chart of `found`.
pub fn chart(found: &Ceiling) -> Chart {
    let resources = drawn(found);
    let end = load_axis(found).to;
    let judged = judged(found);
    let line = connected(&judged);
    let mut series: Vec<_> = resources.iter().flat_map(|resource| predicted(resource, end)).collect();
    // What fills first lies on top.
    series.extend(resources.iter().rev().map(|resource| used(resource, &line)));
    series.retain(|series| series.last().is_some());
    let measured = series.iter().any(|series| matches!(series.shape, Shape::Line(_)));
    let note = (!measured).then(|| nothing(found).to_owned());
    let panel = Panel {
        title: "Share of each resource in use; dashes lead to the load that fills it, by what a request takes at low load"
            .into(),
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

/// The resources of the record, or where it has none, those of which the tiers themselves say how much there is.
fn drawn(found: &Ceiling) -> Vec<Drawn> {
    let of_record = found.resources.iter().map(|resource| {
        let shared = !resource.shared.is_empty();
        let tiers: Vec<_> = resource.shared.keys().cloned().collect();
        Drawn {
            name: noun(resource),
            label: match (shared, resource.capacity > 1.0) {
                (true, true) => "shared CPUs".to_owned(),
                (true, false) => "shared CPU".to_owned(),
                _ => named(&resource.tier, &resource.resource),
            },
            tiers: if shared { tiers } else { vec![resource.tier.clone()] },
            shared,
            kind: resource.resource.clone(),
            capacity: Some(resource.capacity).filter(|capacity| *capacity > 0.0),
            predicted_rps: Some(resource.predicted_rps).filter(|rate| *rate > 0.0),
            colour: tier_colour(&resource.tier),
        }
    });
    if !found.resources.is_empty() {
        return of_record.collect();
    }
    let tiers: BTreeSet<_> = found.steps.iter().flat_map(|step| step.observed.keys()).collect();
    let kinds = |tier: &String| {
        KINDS.map(|(kind, ..)| Drawn {
            name: named(tier, kind),
            label: named(tier, kind),
            tiers: vec![tier.clone()],
            shared: false,
            kind: kind.into(),
            capacity: None,
            predicted_rps: None,
            colour: tier_colour(tier),
        })
    };
    tiers.into_iter().flat_map(kinds).collect()
}

fn named(tier: &str, kind: &str) -> String {
    format!("{tier} {}", if kind == "cpu" { "CPU" } else { kind })
}

/// The share of it in use under `step`, 0 to 1; `None` where a tier does not say.
fn share(resource: &Drawn, step: &Step) -> Option<f64> {
    let (_, used, limit) = *KINDS.iter().find(|(kind, ..)| *kind == resource.kind)?;
    let of = |tier: &String, metric: &str| step.observed.get(tier)?.get(metric).copied();
    let capacity = resource.capacity.or_else(|| of(resource.tiers.first()?, limit))?;
    // Without one of its tiers the sum would be too small, not unknown.
    let sum: f64 = resource.tiers.iter().map(|tier| of(tier, used)).sum::<Option<f64>>()?;
    // The kernel's own work for them is in nobody's account.
    let all = step.machine.get("target_cpu_busy").filter(|_| resource.shared).copied().unwrap_or(0.0);
    let share = (sum / capacity).max(all);
    (capacity > 0.0 && share.is_finite() && share >= 0.0).then_some(share)
}

fn used(resource: &Drawn, steps: &[&Step]) -> Series {
    let weight = if resource.kind == "cpu" { Weight::Bold } else { Weight::Medium };
    Series {
        label: match resource.predicted_rps {
            Some(full) => format!("{}: full at {}", resource.label, rate(full)),
            None => resource.label.clone(),
        },
        colour: resource.colour,
        shape: Shape::Line(weight),
        points: steps.iter().map(|step| (step.offered_rps, share(resource, step))).collect(),
    }
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

fn finding(found: &Ceiling, resources: &[Drawn], measured: bool) -> String {
    if !measured {
        return "Which tier is the limit cannot be said: there is nothing to tell it by".to_owned();
    }
    let Some(at) = found.ceiling_rps.or_else(|| Some(judged(found).first()?.offered_rps)) else {
        return "No load could be judged".to_owned();
    };
    let stated = |i: usize| found.resources.get(i).and_then(|resource| resource.utilisation);
    let measured = |resource: &Drawn| share(resource, nearest(found, at)?);
    let mut busy: Vec<_> = resources
        .iter()
        .enumerate()
        .filter_map(|(i, resource)| Some((stated(i).or_else(|| measured(resource))?, resource.name.as_str())))
        .collect();
    busy.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some((most, first)) = busy.first() else {
        return "How busy the tiers are at the ceiling was not observed".to_owned();
    };
    let next =
        busy.get(1).map_or_else(String::new, |(share, name)| format!("; next {name}, {}", percent(*share)));
    if *most < SATURATED {
        let place =
            if found.bound == Bound::Exact { "at the ceiling" } else { "at the highest load that holds" };
        let place = if found.bound == Bound::Below { "at the lowest load" } else { place };
        return format!(
            "No observed resource is full {place}: the busiest is {first}, {}{next}",
            percent(*most)
        );
    }
    format!("First to fill: {first}, {} in use at {} requests/s{next}", percent(*most), exact_rate(at))
}
