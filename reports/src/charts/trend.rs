//! The history of the nightly gate: a panel for each metric that decides, with what it was each night, its levels, the changes with the
//! commits that they came with, and the nights that were called a regression. Another machine is set apart. From a trend to a chart model.

use super::{BETWEEN, tier_colour};
use crate::analyse::trend::{Change, Line, Rate, Stay, Trend, clipped, short};
use crate::chart::{
    Axis, Band, Chart, Colour, Mark, Marker, Panel, Reading, Series, Shape, Tick, Tone, Weight,
};
use crate::exports::valued;
use crate::number::{capital, change, counted, percent, rate};
use jiff::Timestamp;

/// More panels than this are too low to be read.
const MOST_PANELS: usize = 8;
/// More than this stand beside one another.
const MOST_BELOW: usize = 3;
/// More changes than this have no room for their words above a panel on a narrow screen.
const MOST_NAMED: usize = 2;
/// So many ticks have room for their dates.
const MOST_TICKS: usize = 9;
/// Around the values, as a share of their range; and that range, as a share of the largest.
const ROOM: f64 = 0.12;
const LEAST_RANGE: f64 = 0.1;

/// The chart of `trend`, which is not empty.
pub fn chart(trend: &Trend) -> Chart {
    let shown = &trend.metrics[..trend.metrics.len().min(MOST_PANELS)];
    let in_rows = shown.len() > MOST_BELOW;
    let mut panels: Vec<Panel> = shown
        .iter()
        .enumerate()
        .map(|(n, line)| {
            // Of an odd number the first has a row of its own, so that the axis is below both columns.
            let beside = in_rows && n > 0 && (n + shown.len()) % 2 == 1;
            panel(line, beside)
        })
        .collect();
    if panels.is_empty() {
        let note = Some("No metric decides".to_owned());
        panels.push(Panel { title: "Metrics".into(), weight: 1.0, note, ..Panel::default() });
    }
    Chart {
        tone: Tone::Plain,
        title: trend.finding(),
        subtitle: rates(trend),
        x: nights_axis(trend),
        bands: bands(trend),
        marks: Vec::new(),
        panels,
        footer: footer(trend),
    }
}

/// A night's place on the axis.
fn place(night: usize) -> f64 {
    night as f64 + 1.0
}

fn nights_axis(trend: &Trend) -> Axis {
    let count = trend.nights.len();
    let step = count.div_ceil(MOST_TICKS).max(1);
    let date = |night: usize, format: &str| {
        let at = trend.nights.get(night).and_then(|night| night.at.parse::<Timestamp>().ok());
        at.map_or_else(|| rate(place(night)), |at| at.strftime(format).to_string())
    };
    let ticks = (0..count).step_by(step).map(|night| Tick { at: place(night), label: date(night, "%-d %b") });
    let title = match count {
        0 | 1 => date(0, "%Y-%m-%d"),
        // Words above the panels are the changes'; there is no room for others.
        _ if trend.machines.len() > 1 => {
            format!("until {}; shaded: another machine", date(count - 1, "%Y-%m-%d"))
        }
        _ => format!("nights from {} to {}", date(0, "%Y-%m-%d"), date(count - 1, "%Y-%m-%d")),
    };
    Axis { title, from: 0.5, to: count.max(1) as f64 + 0.5, ticks: ticks.collect(), ..Axis::default() }
}

/// Every other machine.
fn bands(trend: &Trend) -> Vec<Band> {
    let band =
        |stay: &Stay| Band { from: place(stay.from) - 0.5, to: place(stay.to) - 0.5, label: String::new() };
    trend.machines.iter().skip(1).step_by(2).map(band).collect()
}

fn panel(line: &Line, beside: bool) -> Panel {
    let y = values_axis(line);
    let mut series = vec![
        Series {
            label: String::from("level"),
            colour: Colour::Offered,
            shape: Shape::Steps(Weight::Thin),
            points: levels(line),
        },
        Series {
            label: String::from("night"),
            colour: colour(&line.name),
            shape: Shape::Line(Weight::Medium),
            points: nights(line),
        },
        Series {
            label: String::from("regression"),
            colour: Colour::Failure,
            shape: Shape::Points(Marker::Cross),
            points: line
                .regressions
                .iter()
                .filter_map(|night| Some((place(*night), Some(line.values[*night]?))))
                .collect(),
        },
    ];
    series.push(Series {
        label: String::from("earlier change"),
        colour: Colour::Lag,
        shape: Shape::Points(Marker::Diamond),
        points: earlier(line),
    });
    series.retain(|series| !series.points.is_empty());
    let note = line.values.iter().all(Option::is_none).then(|| String::from("No night has a value"));
    Panel {
        title: heading(line),
        weight: 1.0,
        y,
        series: if note.is_some() { Vec::new() } else { series },
        note,
        beside,
        marks: named(line).iter().map(mark).collect(),
        ..Panel::default()
    }
}

/// What it is, and what it was last.
fn heading(line: &Line) -> String {
    let last = line.values.iter().rev().flatten().next();
    let last = last.map_or_else(String::new, |value| format!(": {}", valued(*value, &clipped(&line.unit))));
    let what = clipped(&line.what);
    // A percentile's name is no word.
    format!("{}{last}", if what.contains(char::is_numeric) { what } else { capital(&what) })
}

/// The value of each night; the line breaks off where the machine, or a rate that matters to it, is another one.
fn nights(line: &Line) -> Vec<(f64, Option<f64>)> {
    let mut points = Vec::with_capacity(line.values.len() + line.breaks.len());
    for (night, value) in line.values.iter().enumerate() {
        if line.breaks.contains(&night) {
            points.push((place(night) - 0.5, None));
        }
        points.push((place(night), *value));
    }
    points
}

fn levels(line: &Line) -> Vec<(f64, Option<f64>)> {
    let ends = |from: usize, to: usize, value: f64| {
        let (from, to) = (place(from) - 0.5, place(to) + 0.5);
        [(from, Some(value)), (to, Some(value)), (to, None)]
    };
    let lasting = line.levels.iter().filter(|level| level.to > level.from);
    lasting.flat_map(|level| ends(level.from, level.to, level.value)).collect()
}

/// The last changes, which are marked with their words.
fn named(line: &Line) -> &[Change] {
    &line.changes[line.changes.len().saturating_sub(MOST_NAMED)..]
}

fn mark(one: &Change) -> Mark {
    let colour = if one.worse { Colour::Failure } else { Colour::Ok };
    Mark { at: place(one.night) - 0.5, label: words(one), colour }
}

/// The changes before them, at the beginning of the new level.
fn earlier(line: &Line) -> Vec<(f64, Option<f64>)> {
    let many = line.changes.len().saturating_sub(MOST_NAMED);
    line.changes[..many].iter().map(|one| (place(one.night) - 0.5, Some(one.after))).collect()
}

fn words(one: &Change) -> String {
    format!("{} {}", short(&one.candidate), change(one.ratio)).trim_start().to_owned()
}

fn values_axis(line: &Line) -> Axis {
    let values = || line.values.iter().flatten().copied();
    let (low, high) =
        values().fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let range = (high - low).max(LEAST_RANGE * high);
    // A share is no more than all.
    let most = if line.unit.is_empty() && high <= 1.0 { 1.0 } else { f64::INFINITY };
    let middle = f64::midpoint(low, high);
    let (from, to) = (middle - range * (0.5 + ROOM), middle + range * (0.5 + ROOM));
    let (label, reading): (fn(f64) -> String, Reading) = match line.unit.as_str() {
        "" => (percent, Reading::Share),
        "ms" => (crate::number::ms, Reading::Ms),
        "requests/s" => (rate, Reading::PerSecond),
        _ => (rate, Reading::Plain),
    };
    Axis::fitted("", from.max(0.0), to.min(most), 4, label).read(reading)
}

/// The same metric has the same colour in all pictures.
fn colour(name: &str) -> Colour {
    let (what, of) = name.split_once('.').unwrap_or((name, ""));
    match what {
        _ if !of.is_empty() => tier_colour(of),
        _ if what.contains("ceiling") => Colour::Ceiling,
        _ if what.starts_with("p50") => Colour::Typical,
        _ if what.starts_with("p90") || what.starts_with("p95") => Colour::Upper,
        _ if what.starts_with("p99") => Colour::Tail,
        _ if what.starts_with("cpu") => Colour::Shared,
        _ => Colour::Ok,
    }
}

/// How often the gate was right.
fn rates(trend: &Trend) -> String {
    let found = trend
        .detections
        .iter()
        .map(|one| format!("a slowdown by {} found in {}", percent(one.slowdown), in_words(&one.found)));
    let alarms = (trend.alarms.of > 0).then(|| format!("false alarms in {}", in_words(&trend.alarms)));
    let all: Vec<_> = found.chain(alarms).collect();
    if all.is_empty() {
        String::from("Neither self-tests nor controls in any night")
    } else {
        capital(&all.join("; "))
    }
}

/// A rate with its interval.
pub(crate) fn in_words(rate: &Rate) -> String {
    let ends = rate.ci95.map(|[low, high]| format!(" ({} to {})", percent(low), percent(high)));
    format!("{} of {}{}", rate.hits, rate.of, ends.unwrap_or_default())
}

fn footer(trend: &Trend) -> Vec<String> {
    let last = trend.machines.last().map(|stay| stay.host.words());
    let place: Vec<_> = [trend.history.clone()].into_iter().chain(last).collect();
    let machines = counted(trend.machines.len().saturating_sub(1) as u64, "change");
    // A ceiling is found at whatever rate is offered.
    let rates = match trend.other_loads.len() as u64 {
        0 => String::new(),
        n => format!(" All but ceilings at each load by itself; {} of the load.", counted(n, "change")),
    };
    let hidden = trend.metrics.len().saturating_sub(MOST_PANELS);
    let mut lines = vec![
        place.join(BETWEEN),
        format!(
            "Change points by E-divisive (Matteson and James, 2014), seed {}, on each machine by itself; {machines} of the \
             machine.{rates} Shares with Wilson's 95 % intervals.",
            trend.seed
        ),
    ];
    lines.extend((hidden > 0).then(|| format!("NOT DRAWN: {}", counted(hidden as u64, "further metric"))));
    lines
}

#[cfg(test)]
mod tests;
