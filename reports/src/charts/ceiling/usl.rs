//! The Universal Scalability Law: the rate by requests in flight with the fit and its interval on the left, what more
//! servers would give on the right. From a record to a chart model. What lies past twice the highest number that was
//! measured is drawn as the guess that it is.

use super::{context, footer, warned};
use crate::analyse::{forecast, usl as law};
use crate::ceiling::{Ceiling, Forecast, Usl};
use crate::chart::{Axis, Chart, Colour, Mark, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::{capital, percent, rate};

/// Past this multiple of what was measured, a fit is a guess.
const GUESS_PAST: f64 = 2.0;
/// From this ratio of the largest to the smallest on, the number in flight has a logarithmic axis,
const WIDE: f64 = 50.0;
/// and begins at this share of the smallest that was measured.
const BEGINS: f64 = 0.5;
/// A peak that is higher than all that was measured by more than this share was not seen.
const SEEN: f64 = 0.02;

/// The chart of `found`.
pub fn chart(found: &Ceiling) -> Chart {
    let (tone, title, subtitle) = warned(&found.verdict, found.partial, &finding(found), &subtitle(found));
    let usl = found.usl.as_ref();
    Chart {
        tone,
        title,
        subtitle,
        x: in_flight_axis(found),
        bands: Vec::new(),
        marks: usl.and_then(peak).into_iter().collect(),
        panels: vec![fit(found), servers(found)],
        footer: footer(found),
    }
}

/// The loads that can be judged, by whether they were steady: requests in flight, correct answers per second.
fn measured(found: &Ceiling, steady: bool) -> Vec<(f64, Option<f64>)> {
    let loads = found
        .steps
        .iter()
        .filter(|step| step.valid && law::is_steady(step) == steady && step.in_flight > 0.0);
    let mut points: Vec<_> = loads.map(|step| (step.in_flight, Some(step.ok_rps))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

fn in_flight_axis(found: &Ceiling) -> Axis {
    let title = "requests in flight";
    let mut ns: Vec<f64> = match &found.usl {
        Some(usl) => usl.points.iter().map(|p| p[0]).chain(shown(usl).iter().map(|c| c[0])).collect(),
        None => [true, false].iter().flat_map(|steady| measured(found, *steady)).map(|p| p.0).collect(),
    };
    ns.retain(|n| n.is_finite() && *n > 0.0);
    let (least, most) = ends(ns.into_iter());
    if most > WIDE * least {
        Axis::log(title, least, most, 8, rate)
    } else {
        Axis::fitted(title, 0.0, most, 6, rate)
    }
}

fn ends(ns: impl Iterator<Item = f64>) -> (f64, f64) {
    ns.fold((f64::INFINITY, 0.0), |(least, most), n| (least.min(n), most.max(n)))
}

/// The part of the curve that is drawn: all of it, or on a logarithmic axis, which has no beginning, what lies near the points.
fn shown(usl: &Usl) -> &[[f64; 4]] {
    let (least, _) = ends(usl.points.iter().map(|point| point[0]));
    let most = usl.curve.last().map_or(0.0, |last| last[0]);
    let wide = least > 0.0 && most > WIDE * BEGINS * least;
    let begins = if wide { usl.curve.partition_point(|point| point[0] < BEGINS * least) } else { 0 };
    &usl.curve[begins..]
}

fn peak(usl: &Usl) -> Option<Mark> {
    let (at, top) = usl.peak_n.zip(usl.peak_rps)?;
    let seen = usl.curve.last().is_some_and(|last| at <= last[0]);
    let label = format!("peak {} at {}", rate(top), rate(at));
    seen.then_some(Mark { at, label, colour: Colour::Predicted })
}

fn fit(found: &Ceiling) -> Panel {
    let title = "Requests per second by requests in flight".to_owned();
    let usl = found.usl.as_ref();
    let Some(usl) = usl else { return unfitted(found) };
    let measured = usl.points.iter().map(|point| point[0]).fold(0.0, f64::max);
    let curve = shown(usl);
    let told = curve.partition_point(|point| point[0] <= GUESS_PAST * measured);
    // A guess begins where the fit ends.
    let (known, guess) = (&curve[..told], &curve[told.saturating_sub(1)..]);
    let line = |label: &str, shape, curve: &[[f64; 4]]| Series {
        label: label.into(),
        colour: Colour::Predicted,
        shape,
        points: curve.iter().map(|[n, x, ..]| (*n, Some(*x))).collect(),
    };
    let points = Series {
        label: "measured".into(),
        colour: Colour::Ok,
        shape: Shape::Points(Marker::Dot),
        points: usl.points.iter().map(|[n, x]| (*n, Some(*x))).collect(),
    };
    let mut series = vec![
        between(curve),
        line("fit", Shape::Line(Weight::Bold), known),
        line("a guess", Shape::Dashed(Weight::Medium), if guess.len() > 1 { guess } else { &[] }),
        points,
    ];
    series.retain(|series| !series.points.is_empty());
    let most = highest(&series);
    let y = Axis::from_zero("", most, 5, rate).read(Reading::PerSecond);
    Panel { title, weight: 1.0, y, series, ..Panel::default() }
}

/// What was measured, where a law cannot be fitted to it.
fn unfitted(found: &Ceiling) -> Panel {
    let marks = |label: &str, marker, points| Series {
        label: label.into(),
        colour: Colour::Ok,
        shape: Shape::Points(marker),
        points,
    };
    let mut series = vec![
        marks("not steady", Marker::Ring, measured(found, false)),
        marks("steady", Marker::Dot, measured(found, true)),
    ];
    series.retain(|series| !series.points.is_empty());
    Panel {
        title: "Requests per second by requests in flight: no fit".into(),
        weight: 1.0,
        y: Axis::from_zero("", highest(&series), 5, rate).read(Reading::PerSecond),
        note: series.is_empty().then(|| "No load could be judged".to_owned()),
        series,
        ..Panel::default()
    }
}

fn highest(series: &[Series]) -> f64 {
    series.iter().flat_map(|series| &series.points).filter_map(|point| point.1).fold(0.0, f64::max)
}

fn between(curve: &[[f64; 4]]) -> Series {
    Series {
        label: String::new(),
        colour: Colour::Predicted,
        shape: Shape::Between,
        points: curve.iter().flat_map(|[n, _, low, high]| [(*n, Some(*low)), (*n, Some(*high))]).collect(),
    }
}

fn servers(found: &Ceiling) -> Panel {
    let panel = |title: String, axis: Axis, most: f64| Panel {
        title,
        weight: 1.0,
        y: Axis::from_zero("", most, 5, rate).read(Reading::PerSecond),
        x: Some(axis),
        beside: true,
        ..Panel::default()
    };
    let Some(forecast) = found.forecast.as_ref().filter(|forecast| !forecast.band.is_empty()) else {
        let note = Some("Without a limit that is explained there is no forecast".to_owned());
        let series: Vec<_> = found.ceiling_rps.map(one_server).into_iter().collect();
        let axis = Axis::fitted("servers", 1.0, 2.0, 1, rate);
        let most = highest(&series);
        return Panel { note, series, ..panel("Ceiling by servers".into(), axis, most) };
    };
    let last = forecast.band.last().map_or(1.0, |last| last[0]);
    let servers = forecast::server(&forecast.tier, true);
    let mut axis = Axis::fitted(&servers, 1.0, last, 8, rate);
    axis.ticks.retain(|tick| tick.at.fract() == 0.0);
    let level = |label: &str, colour, at: f64| Series {
        label: label.into(),
        colour,
        shape: Shape::Dashed(Weight::Medium),
        points: vec![(axis.from, Some(at)), (axis.to, Some(at))],
    };
    let mut series = vec![
        between(&forecast.band),
        Series {
            label: "expected".into(),
            colour: Colour::Predicted,
            // Only the first of them was measured.
            shape: Shape::Dashed(Weight::Bold),
            points: forecast.band.iter().map(|[n, x, ..]| (*n, Some(*x))).collect(),
        },
    ];
    series.extend(found.ceiling_rps.map(one_server));
    let top = forecast.band.iter().map(|server| server[3]).fold(0.0, f64::max);
    // What is far above everything else is said, and does not flatten the rest.
    let in_sight = |at: &f64| *at > 0.0 && *at < 2.0 * top;
    series.extend(
        forecast
            .wall_rps
            .filter(|at| *at > 0.0)
            .map(|at| wall(forecast, at))
            .filter(|(_, at)| in_sight(at))
            .map(|(label, at)| level(&label, Colour::Failure, at)),
    );
    let wanted = Some(forecast.wanted_rps).filter(in_sight);
    series.extend(wanted.map(|at| level("wanted", Colour::Objective, at)));
    let most = highest(&series);
    let title = format!("Ceiling by number of {servers}, if they add up");
    Panel { series, ..panel(title, axis.clone(), most) }
}

/// The one that was measured.
fn one_server(ceiling: f64) -> Series {
    Series {
        label: String::new(),
        colour: Colour::Ok,
        shape: Shape::Points(Marker::Dot),
        points: vec![(1.0, Some(ceiling))],
    }
}

/// The next wall with its label. What was measured, or is expected of more servers, can be more than what was predicted for the
/// wall: then it is no lower than that, and the label says what was predicted.
fn wall(forecast: &Forecast, predicted: f64) -> (String, f64) {
    let expected = forecast.band.iter().map(|server| server[1]).fold(0.0, f64::max);
    if predicted < expected {
        (format!("wall, predicted {}", rate(predicted)), expected)
    } else {
        ("next wall".to_owned(), predicted)
    }
}

fn finding(found: &Ceiling) -> String {
    let Some(usl) = &found.usl else {
        let why = law::usl(&found.steps, found.head.seed).err().filter(|_| !found.steps.is_empty());
        let why = why.unwrap_or_else(|| "this search has no law of it".to_owned());
        return format!("How the target scales cannot be said: {why}");
    };
    let end = match (usl.peak_n, usl.peak_rps) {
        (Some(n), Some(x)) => {
            let (_, most) = ends(usl.points.iter().map(|point| point[1]));
            let (x, n) = (rate(x), rate(n));
            match usl.peak_rps {
                Some(peak) if peak > most * (1.0 + SEEN) => {
                    let most = rate(most);
                    format!("the fit peaks at {x} requests/s with {n} in flight, of which {most} were seen")
                }
                _ => format!("the rate peaks at {x} requests/s with {n} in flight"),
            }
        }
        (None, Some(x)) => format!("the rate has no peak, and approaches {} requests/s", rate(x)),
        _ => "the rate grows without end".to_owned(),
    };
    let part = |share: f64| if share > 0.0 { percent(share) } else { "none".to_owned() };
    format!(
        "{} of the work waits its turn (contention), {} goes into keeping in step (coherency): {end}",
        capital(&part(usl.sigma)),
        part(usl.kappa)
    )
}

fn subtitle(found: &Ceiling) -> String {
    let forecast = found.forecast.as_ref().map(|one| format!("Forecast: {}", forecast::in_words(one)));
    forecast.unwrap_or_else(|| context(found))
}
