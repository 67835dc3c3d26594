//! The pictures of searches whose answers are known, as data.

use super::*;
use crate::analyse::forecast;
use crate::ceiling::{Cause, Resource};
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
                "At 1,840 requests/s p99 is 38.9 ms, 6.1 times that with little load; at 2,020 it is 472 ms",
                "First to fill: the database's 2 CPUs, 98 % in use at 1,840 requests/s; next the app server's 8 workers, 67 %",
                "6 % of the work waits its turn (contention), 0.09 % goes into keeping in step (coherency): the rate peaks",
            ],
        ),
        (
            fixture::collapse,
            [
                "1,840 requests/s: the database's CPU",
                "At 1,840",
                "First to fill: the database's 2 CPUs",
                "6 %",
            ],
        ),
        (
            fixture::at_least,
            [
                "The objective holds up to 1,500 requests/s at least: the search went no further",
                "At 1,500 requests/s p99 is",
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
                "At 1,840 requests/s p99 is",
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

#[test]
fn the_sweep_is_a_line_and_windows_are_bars() {
    let found = fixture::database_bound();
    let panel = &goodput::chart(&found).panels[0];
    let line = shaped(panel, Shape::Line(Weight::Medium))[0];
    let sweep = found.steps.iter().filter(|step| step.phase == Phase::Sweep).count();
    assert_eq!(line.points.len(), sweep);
    assert!(line.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
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
        (fixture::database_bound as Scene, "plateau of 1,854 at 1.5"),
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
fn a_resource_is_as_full_as_its_tier_says() {
    let panel = &tiers::chart(&fixture::database_bound()).panels[0];
    let at = |label: &str, rate: f64| {
        let points = &series(panel, label).points;
        points.iter().find(|point| point.0 == rate).and_then(|point| point.1).unwrap()
    };
    assert!((at("db CPU: full at 1,870", 736.0) - 736.0 * 1.07e-3 / 2.0).abs() < 0.01);
    assert!((at("app workers: full at 2,760", 736.0) - 736.0 * 2.9e-3 / 8.0).abs() < 0.01);
    assert!(at("db CPU", 2760.0) > 0.98 && at("shared CPU: full at 8,330", 2760.0) < 0.3);
    let full: Vec<_> = shaped(panel, Shape::Points(Marker::Diamond)).iter().map(|s| s.points[0]).collect();
    assert!(full.iter().all(|point| point.1 == Some(1.0)) && full.len() == 3, "{full:?}");
}

#[test]
fn cpus_that_tiers_share_are_the_sum_of_their_use() {
    let mut found = fixture::database_bound();
    let shared = ["proxy", "app"].map(|tier| (tier.to_owned(), 0.5)).into();
    found.resources = vec![Resource { shared, capacity: 1.0, ..found.resources[4].clone() }];
    let full_at = |found: &Ceiling| {
        let chart = tiers::chart(found);
        chart.panels[0].series.iter().find(|s| s.label.starts_with("shared CPU:")).map(|s| s.points.clone())
    };
    let points = full_at(&found).unwrap();
    let (x, y) = points[0];
    assert!((y.unwrap() - x * 0.30e-3).abs() < 0.01, "{points:?}");
    found.steps.iter_mut().for_each(|step| {
        step.observed.get_mut("app").unwrap().remove("cpu_share");
    });
    assert_eq!(full_at(&found), None, "without one of them the sum is not known");
}

#[test]
fn without_resources_the_tiers_own_limits_count() {
    let mut found = fixture::database_bound();
    found.resources.clear();
    let chart = tiers::chart(&found);
    let names: Vec<_> =
        chart.panels[0].series.iter().map(|s| s.label.as_str()).filter(|l| !l.is_empty()).collect();
    assert_eq!(names, ["db CPU", "app pool", "app workers", "app CPU"], "the proxy has no limit");
    assert!(chart.title.starts_with("First to fill: db CPU, 98 %"), "{}", chart.title);
}

#[test]
fn where_nothing_was_observed_a_note_says_how() {
    for (scene, part) in [(fixture::unexplained as Scene, "--observe NAME=URL"), (fixture::empty, "No load")]
    {
        let panel = &tiers::chart(&scene()).panels[0];
        assert!(panel.series.is_empty() && panel.note.as_ref().is_some_and(|note| note.contains(part)));
    }
    let mut limitless = fixture::unexplained();
    let proxy = [("cpu_share".to_owned(), 0.5)].into();
    limitless.steps[0].observed = [("proxy".to_owned(), proxy)].into();
    let note = tiers::chart(&limitless).panels[0].note.clone().unwrap();
    assert!(note.contains("no known limit"), "{note}");
}

#[test]
fn past_twice_what_was_measured_the_fit_is_a_guess() {
    let found = fixture::database_bound();
    let chart = usl::chart(&found);
    let (fit, guess) = (series(&chart.panels[0], "fit"), series(&chart.panels[0], "a guess"));
    let measured = 14.8;
    assert!(fit.points.last().unwrap().0 <= 2.0 * measured && guess.points[1].0 > 2.0 * measured);
    assert_eq!(fit.points.last(), guess.points.first(), "one goes on where the other ends");
    assert_eq!(fit.points.len() + guess.points.len() - 1, found.usl.as_ref().unwrap().curve.len());
    assert!(matches!((fit.shape, guess.shape), (Shape::Line(_), Shape::Dashed(_))));
    assert_eq!(chart.marks[0].label, "peak 2,470 at 32.3");
    let mut endless = found;
    endless.usl.as_mut().unwrap().peak_n = None;
    let chart = usl::chart(&endless);
    assert!(chart.marks.is_empty() && chart.title.contains("has no peak, and approaches 2,470 requests/s"));
}

#[test]
fn the_forecast_has_an_axis_of_its_own_and_its_walls_are_in_sight() {
    let mut found = fixture::database_bound();
    let chart = usl::chart(&found);
    let right = &chart.panels[1];
    let servers = right.x.as_ref().unwrap();
    assert!(right.beside && (servers.from, servers.to) == (1.0, 6.0));
    assert_eq!(shaped(right, Shape::Between)[0].points.len(), 12);
    assert_eq!(series(right, "next wall").points[0].1, Some(8333.0));
    assert_eq!(series(right, "wanted").points[0].1, Some(5000.0));
    let words = "Forecast: for 5,000 requests/s you need 3 to 4 databases; the next wall is the proxy's CPU";
    assert!(chart.subtitle.starts_with(words), "{}", chart.subtitle);
    let words = (right.title.as_str(), servers.title.as_str());
    assert_eq!(words, ("Ceiling by number of databases, if they add up", "databases"));
    found.forecast.as_mut().unwrap().tier = forecast::MACHINE.into();
    let chart = usl::chart(&found);
    assert!(chart.subtitle.contains("you need 3 to 4 machines; "), "{}", chart.subtitle);
    found.forecast.as_mut().unwrap().wall_rps = Some(1e6);
    let chart = usl::chart(&found);
    assert!(chart.panels[1].series.iter().all(|series| series.label != "next wall"));
    assert!(usl::chart(&fixture::at_least()).panels[1].note.is_some());
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
