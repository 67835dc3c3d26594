//! Offered load against correct answers: each load a point with the spread of its windows, a line through the medians of
//! loads of about the same rate, what every request answered would be, and the ceiling. From a record to a chart model.

use super::levels::{levels, line, line_words};
use super::{judged, load_axis, over_load, verdict};
use crate::ceiling::{Ceiling, Step};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Weight};
use crate::number::rate;

/// Of fewer windows, a spread says nothing.
const LEAST_WINDOWS: usize = 3;

/// The chart of `found`.
pub fn chart(found: &Ceiling) -> Chart {
    let most = found.steps.iter().map(|step| step.ok_rps).chain(found.ceiling_rps).fold(0.0, f64::max);
    let y = Axis::from_zero("", most * 1.04, 6, rate).read(Reading::PerSecond);
    let all_answered = load_axis(found).to.min(y.to);
    let judged = judged(found);
    let invalid: Vec<_> = found.steps.iter().filter(|step| !step.valid).collect();
    let of = |passed: bool| judged.iter().copied().filter(|step| step.passed == passed).collect::<Vec<_>>();
    let mut series = vec![
        Series {
            label: "all answered".into(),
            colour: Colour::Offered,
            shape: Shape::Dashed(Weight::Thin),
            points: vec![(0.0, Some(0.0)), (all_answered, Some(all_answered))],
        },
        Series {
            label: String::new(),
            colour: Colour::Ok,
            shape: Shape::Line(Weight::Medium),
            points: line(&levels(found), |step| Some(step.ok_rps)),
        },
        whiskers(&judged),
        points("cannot be judged", Colour::Offered, Shape::Points(Marker::Ring), &invalid),
        points("objective holds", Colour::Ok, Shape::Points(Marker::Dot), &of(true)),
        points("objective fails", Colour::Failure, Shape::Points(Marker::Cross), &of(false)),
    ];
    series.retain(|series| !series.points.is_empty());
    let note = found.steps.is_empty().then(|| "No load was offered".to_owned());
    let panel = Panel {
        title: format!("Correct answers per second; {}; bars: middle half of a load's windows", line_words()),
        weight: 1.0,
        y,
        series: if note.is_some() { Vec::new() } else { series },
        note,
        ..Panel::default()
    };
    over_load(found, &verdict(found), panel)
}

fn points(label: &str, colour: Colour, shape: Shape, steps: &[&Step]) -> Series {
    let mut points: Vec<_> = steps.iter().map(|step| (step.offered_rps, Some(step.ok_rps))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Series { label: label.into(), colour, shape, points }
}

/// From the first to the third quartile of the windows' rates.
fn whiskers(steps: &[&Step]) -> Series {
    let ends = |step: &&Step| {
        let windows = step.windows.iter().filter(|window| window.length_s > 0.0);
        let mut rates: Vec<_> = windows.map(|window| window.ok as f64 / window.length_s).collect();
        rates.sort_by(f64::total_cmp);
        let at = |share: f64| rates[((rates.len() - 1) as f64 * share).round() as usize];
        let enough = rates.len() >= LEAST_WINDOWS;
        enough.then(|| [(step.offered_rps, Some(at(0.25))), (step.offered_rps, Some(at(0.75)))])
    };
    Series {
        label: String::new(),
        colour: Colour::Ok,
        shape: Shape::Whiskers,
        points: steps.iter().filter_map(ends).flatten().collect(),
    }
}
