//! The pictures of searches whose answers are known, as data.

mod full;
mod law;

use super::*;
use crate::analyse::forecast;
use crate::ceiling::{Cause, Limit, LimitedBy, Resource};
use crate::chart::{Marker, Tone, Weight};
use crate::fixture::ceiling as fixture;

type Scene = fn() -> Ceiling;
const SCENES: [Scene; 7] = [
    fixture::database_bound,
    fixture::collapse,
    fixture::at_least,
    fixture::below,
    fixture::invalid,
    fixture::unexplained,
    fixture::empty,
];
const PICTURES: [fn(&Ceiling) -> Chart; 4] = [goodput::chart, latency::chart, tiers::chart, usl::chart];

fn series<'a>(panel: &'a Panel, label: &str) -> &'a Series {
    panel.series.iter().find(|series| series.label.starts_with(label)).unwrap_or_else(|| panic!("{label}"))
}

fn shaped(panel: &Panel, shape: Shape) -> Vec<&Series> {
    panel.series.iter().filter(|series| series.shape == shape).collect()
}

#[test]
fn titles_say_what_was_found() {
    let titles: [(Scene, [&str; 4]); 7] = [
        (
            fixture::database_bound,
            [
                "1,840 requests/s: the database's CPU, 97 % busy",
                "At 1,803 to 1,858 requests/s p99 has a median of 38.6 ms (24.4 ms to 53.6 ms in 7 loads), 6.1 times that with little load; at 1,898 it is 151 ms against the 50 ms allowed",
                "The limit: the database's 2 CPUs, 98 % in use at 1,840 requests/s; next the app server's 8 workers, 67 %",
                "6 % of the work waits its turn (contention), 0.09 % goes into keeping in step (coherency): the fit peaks",
            ],
        ),
        (
            fixture::collapse,
            [
                "1,840 requests/s: the database's CPU",
                "At 1,803 to 1,858",
                "The limit: the database's 2 CPUs",
                "6 %",
            ],
        ),
        (
            fixture::at_least,
            [
                "The objective holds up to 1,500 requests/s at least: the search went no further",
                "At 1,519 requests/s p99 is",
                "No observed resource is full at the highest load that holds: the busiest is the database's 2 CPUs",
                "How the target scales cannot be said",
            ],
        ),
        (
            fixture::below,
            [
                "The objective fails at 300 requests/s already: p99 is 92 ms",
                "The objective fails at 300",
                "No observed resource is full at the lowest load: the busiest is db CPU",
                "How the target scales cannot be said",
            ],
        ),
        (fixture::invalid, ["INVALID: the sending thread used 97 %"; 4]),
        (
            fixture::unexplained,
            [
                "1,840 requests/s, unexplained: no tier was observed",
                "At 1,803 to 1,858 requests/s p99 has",
                "Which tier is the limit cannot be said",
                "6 % of the work",
            ],
        ),
        (fixture::empty, ["INVALID: no load was offered"; 4]),
    ];
    for (scene, titles) in titles {
        for (picture, expected) in PICTURES.iter().zip(titles) {
            let title = picture(&scene()).title;
            assert!(title.starts_with(expected), "{title}\n{expected}");
        }
    }
}

#[test]
fn every_load_is_one_point_by_what_became_of_it() {
    for (scene, held, failed, invalid) in [
        (fixture::database_bound as Scene, 19, 7, 0),
        (fixture::invalid, 10, 0, 16),
        (fixture::below, 0, 1, 0),
    ] {
        let found = scene();
        let panel = &goodput::chart(&found).panels[0];
        let points =
            |marker| shaped(panel, Shape::Points(marker)).iter().map(|s| s.points.len()).sum::<usize>();
        let counted = (points(Marker::Dot), points(Marker::Cross), points(Marker::Ring));
        assert_eq!(counted, (held, failed, invalid));
        assert_eq!(held + failed + invalid, found.steps.len());
    }
}

/// A load of a search that only its rate, its answers and its time matter of.
fn load(start_s: f64, offered_rps: f64, ok_rps: f64, p99: f64) -> Step {
    let (p99_ms, passed) = (Some(p99), p99 < 50.0);
    Step { start_s, offered_rps, ok_rps, p99_ms, passed, valid: true, duration_s: 2.0, ..Step::default() }
}

fn of(ceiling_rps: f64, steps: Vec<Step>) -> Ceiling {
    let (slo, ceiling_rps, bound) = ("p99<50ms".into(), Some(ceiling_rps), Bound::Exact);
    Ceiling {
        slo,
        ceiling_rps,
        bound,
        steps,
        verdict: fixture::database_bound().verdict,
        ..Ceiling::default()
    }
}

#[test]
fn a_line_goes_through_the_medians_of_loads_of_about_the_same_rate() {
    let invalid = Step { valid: false, ..load(9.0, 300.0, 0.0, 9e3) };
    for (what, loads, line) in [
        ("nothing", vec![], vec![]),
        ("one load", vec![load(1.0, 100.0, 99.0, 5.0)], vec![(100.0, 99.0)]),
        (
            "all phases, not the sweep alone; within 2 % one point",
            vec![
                load(0.0, 50.0, 50.0, 5.0),
                load(1.0, 200.0, 198.0, 5.0),
                load(2.0, 100.0, 100.0, 5.0),
                load(3.0, 202.0, 150.0, 80.0),
                load(4.0, 204.0, 200.0, 5.0),
                load(5.0, 205.0, 202.0, 5.0),
            ],
            vec![(50.0, 50.0), (100.0, 100.0), (202.0, 198.0), (205.0, 202.0)],
        ),
        (
            "of two, the middle",
            vec![load(0.0, 50.0, 50.0, 5.0), load(1.0, 100.0, 90.0, 5.0), load(2.0, 100.0, 100.0, 5.0)],
            vec![(50.0, 50.0), (100.0, 95.0)],
        ),
        ("what is invalid is no part", vec![load(0.0, 50.0, 50.0, 5.0), invalid], vec![(50.0, 50.0)]),
        (
            "the first load, with others near it",
            vec![load(0.0, 100.0, 60.0, 700.0), load(1.0, 108.0, 108.0, 5.0)],
            vec![(108.0, 108.0)],
        ),
        (
            "the first load, with none near it",
            vec![load(0.0, 100.0, 60.0, 700.0), load(1.0, 120.0, 120.0, 5.0)],
            vec![(100.0, 60.0), (120.0, 120.0)],
        ),
    ] {
        let found = of(110.0, loads);
        let chart = goodput::chart(&found);
        let drawn: Vec<_> = shaped(&chart.panels[0], Shape::Line(Weight::Medium))
            .iter()
            .flat_map(|series| series.points.iter().map(|(x, y)| (*x, y.unwrap())))
            .collect();
        assert_eq!(drawn, line, "{what}");
    }
}

#[test]
fn percentile_lines_go_through_their_rings() {
    let found = fixture::database_bound();
    let panel = &latency::chart(&found).panels[0];
    let line = panel.series.iter().find(|series| series.label == "p99").unwrap();
    let rings = panel.series.iter().find(|s| s.colour == line.colour && matches!(s.shape, Shape::Points(_)));
    let rings = &rings.unwrap().points;
    assert_eq!(rings.len(), found.steps.len());
    for (at, middle) in &line.points {
        let near = rings.iter().filter(|ring| (ring.0 / at - 1.0).abs() <= 0.02).filter_map(|ring| ring.1);
        let (low, high) = near.fold((f64::INFINITY, 0.0_f64), |(a, b), y| (a.min(y), b.max(y)));
        assert!((low..=high).contains(&middle.unwrap()), "{low} {middle:?} {high} at {at}");
    }
}

#[test]
fn a_time_is_said_of_the_rate_that_it_was_measured_at() {
    for (what, loads, title) in [
        ("one", vec![load(0.0, 102.0, 102.0, 5.0)], "At 102 requests/s p99 is 5 ms"),
        (
            "several",
            vec![load(0.0, 98.0, 98.0, 102.0), load(1.0, 99.0, 99.0, 31.0), load(2.0, 102.0, 90.0, 460.0)],
            "At 98 to 102 requests/s p99 has a median of 102 ms (31 ms to 460 ms in 3 loads)",
        ),
        (
            "one beside it",
            vec![load(0.0, 93.0, 93.0, 4.0), load(1.0, 120.0, 99.0, 300.0)],
            "At 93 requests/s, the load nearest to the ceiling, p99 is 4 ms; at 120 it is 300 ms against the 50 ms allowed",
        ),
        ("none near it", vec![load(0.0, 50.0, 50.0, 4.0)], "100 requests/s: nothing is known"),
    ] {
        let said = latency::chart(&of(100.0, loads)).title;
        assert!(said.starts_with(title), "{what}: {said}");
    }
}

#[test]
fn the_windows_are_bars() {
    let found = fixture::database_bound();
    let panel = &goodput::chart(&found).panels[0];
    let bars = shaped(panel, Shape::Whiskers)[0];
    assert_eq!(bars.points.len(), 2 * found.steps.len());
    for pair in bars.points.chunks(2) {
        let step = found.steps.iter().find(|step| step.offered_rps == pair[0].0).unwrap();
        let (low, high) = (pair[0].1.unwrap(), pair[1].1.unwrap());
        assert!(
            pair[0].0 == pair[1].0 && low < high && low > 0.97 * step.ok_rps && high < 1.03 * step.ok_rps
        );
    }
    let all = series(panel, "all answered");
    assert!(all.points.iter().all(|(x, y)| *y == Some(*x) && *x <= panel.y.to));
}

#[test]
fn the_ceiling_is_marked_with_its_interval_and_the_prediction_beside_it() {
    let found = fixture::database_bound();
    for picture in &PICTURES[..3] {
        let chart = picture(&found);
        let marks: Vec<_> = chart.marks.iter().map(|mark| (mark.at, mark.label.as_str())).collect();
        assert_eq!(marks, [(1840.0, "ceiling 1,840 (1,818 to 1,861)"), (1870.0, "predicted 1,870")]);
        let band = shaped(&chart.panels[0], Shape::Between)[0];
        let y = &chart.panels[0].y;
        let outline = [(1818.0, y.from), (1818.0, y.to), (1861.0, y.from), (1861.0, y.to)];
        assert_eq!(band.points, outline.map(|(x, y)| (x, Some(y))));
        assert_eq!(band.colour, Colour::Ceiling);
    }
    let mut far = found.clone();
    far.predicted_rps = Some(9000.0);
    let chart = goodput::chart(&far);
    assert!(
        chart.marks.len() == 1 && chart.x.to < 3000.0 && chart.subtitle.contains("predicted ceiling 9,000")
    );
    assert_eq!(goodput::chart(&fixture::at_least()).marks[0].label, "at least 1,500");
    assert!(goodput::chart(&fixture::below()).marks.is_empty());
}

#[test]
fn a_plateau_is_told_from_a_collapse() {
    for (scene, what) in [
        (fixture::database_bound as Scene, "plateau of 1,858 when 2,760 are offered"),
        (fixture::collapse, "collapse to 1,0"),
    ] {
        let subtitle = goodput::chart(&scene()).subtitle;
        assert!(subtitle.contains(what), "{subtitle}");
    }
}

#[test]
fn what_is_emulated_is_said_in_every_picture() {
    for (scene, picture) in
        SCENES.iter().flat_map(|scene| PICTURES.iter().map(move |picture| (scene, picture)))
    {
        let (found, footer) = (scene(), picture(&scene()).footer.join("\n"));
        for what in &found.emulated {
            assert!(footer.contains(&format!("EMULATED: {what}")), "{footer}");
        }
        assert_eq!(footer.contains("EMULATED"), !found.emulated.is_empty());
        assert!(found.steps.is_empty() || footer.contains("generator pinned to CPU 1"), "{footer}");
    }
}

#[test]
fn what_the_search_had_no_time_for_is_said() {
    let mut found = fixture::database_bound();
    found.cut = vec!["the sweep".into(), "one confirmation".into()];
    for picture in PICTURES {
        let footer = picture(&found).footer;
        assert_eq!(footer.last().unwrap(), "NOT DONE: the sweep; one confirmation");
    }
}

#[test]
fn a_cause_is_confirmed_or_not() {
    for (confirmed, part) in [
        (Some(true), "so it was the limit"),
        (Some(false), "so something else is the limit"),
        (None, "which does not tell"),
    ] {
        let mut found = fixture::database_bound();
        let (ceiling_rps, ci95) = (Some(2050.0), Some([2030.0, 2070.0]));
        let change = "one CPU more for the database".into();
        found.cause =
            Some(Cause { change, expected_ratio: 1.5, ceiling_rps, ci95, confirmed, ..Cause::default() });
        let subtitle = tiers::chart(&found).subtitle;
        assert!(
            subtitle
                .starts_with("With one CPU more for the database, the ceiling is 2,050 (2,030 to 2,070): ")
        );
        assert!(
            subtitle.contains(part) && subtitle.ends_with("1.5 times as much was to be expected"),
            "{subtitle}"
        );
    }
}

#[test]
fn percentiles_keep_their_order_and_what_is_not_known_is_a_gap() {
    let mut found = fixture::database_bound();
    found.slo = "p99.9<0.2s, p50<=5ms, errors<0.1%, nonsense".into();
    let panel = &latency::chart(&found).panels[0];
    let lines = ["p50", "p90", "p99", "p99.9"].map(|label| {
        panel.series.iter().find(|series| series.label == label).map(|series| &series.points).unwrap()
    });
    for pair in lines.windows(2) {
        for (lower, upper) in pair[0].iter().zip(pair[1]) {
            assert!(lower.0 == upper.0 && upper.1.is_none_or(|upper| lower.1.unwrap() <= upper));
        }
    }
    assert_eq!(lines[3][0].1, None, "too few requests at the lowest load");
    for (label, limit) in [("p99.9 limit 200 ms", 200.0), ("p50 limit 5 ms", 5.0)] {
        let level = series(panel, label);
        assert_eq!(level.colour, Colour::Objective);
        assert!(level.points.iter().all(|point| point.1 == Some(limit)) && level.points.len() == 2);
        assert!(panel.y.from < limit && limit < panel.y.to);
    }
    assert_eq!(panel.series.iter().filter(|series| series.colour == Colour::Objective).count(), 2);
}

#[test]
fn whatever_the_record_holds_the_axes_are_axes() {
    let mut strange = fixture::database_bound();
    (strange.ceiling_rps, strange.predicted_rps) = (Some(f64::NAN), Some(f64::INFINITY));
    for step in &mut strange.steps {
        (step.offered_rps, step.ok_rps, step.p99_ms) = (f64::NAN, f64::NEG_INFINITY, Some(0.0));
        step.windows.iter_mut().for_each(|window| window.length_s = 0.0);
    }
    strange.usl.as_mut().unwrap().curve.clear();
    strange.forecast.as_mut().unwrap().band = vec![[1.0; 4]];
    for found in SCENES.map(|scene| scene()).into_iter().chain([strange]) {
        for chart in PICTURES.map(|picture| picture(&found)) {
            let own = chart.panels.iter().filter_map(|panel| panel.x.as_ref());
            for axis in chart.panels.iter().map(|panel| &panel.y).chain([&chart.x]).chain(own) {
                assert!(axis.from < axis.to && axis.to.is_finite() && !axis.ticks.is_empty(), "{axis:?}");
            }
            assert_eq!(chart.tone == Tone::Alarm, !found.verdict.valid);
            assert!(chart.panels.iter().all(|panel| panel.note.is_some() || !panel.series.is_empty()));
        }
    }
}
