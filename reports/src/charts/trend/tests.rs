//! Chart models of histories, as data.

use super::*;
use crate::draw::layout_tests::assert_legible;
use crate::fixture::history::{Made, nights, trend_of};

#[test]
fn a_change_is_marked_with_its_commit_and_another_machine_is_set_apart() {
    let trend = trend_of(Made::Ninety);
    let chart = chart(&trend);
    assert_eq!(chart.panels.iter().map(|panel| panel.beside).collect::<Vec<_>>(), [false; 3]);
    let [band] = chart.bands.as_slice() else { panic!("{:?}", chart.bands) };
    assert_eq!((band.from, band.to, band.label.as_str()), (70.5, 90.5, ""));
    assert!(chart.x.title.starts_with("until 2026-11-29; shaded: another machine"), "{}", chart.x.title);
    let ceiling = &chart.panels[0];
    let [mark] = ceiling.marks.as_slice() else { panic!("{:?}", ceiling.marks) };
    assert_eq!((mark.at, mark.colour), (40.5, Colour::Failure));
    let commit = &trend.nights[40].candidate[..7];
    assert!(mark.label.starts_with(commit) && mark.label.contains(" -8"), "{}", mark.label);
    let named = |label: &str| ceiling.series.iter().find(|series| series.label == label).unwrap();
    let night = named("night");
    assert!(night.points.contains(&(56.0, None)), "the night without a value is a gap");
    assert!(night.points.contains(&(70.5, None)), "the line breaks off");
    assert_eq!(named("regression").points.iter().map(|point| point.0).collect::<Vec<_>>(), [41.0]);
    assert!(chart.panels[2].marks.is_empty(), "p99 does not change: {:?}", chart.panels[2].marks);
    assert!(chart.subtitle.contains("false alarms in 1 of 90 ("), "{}", chart.subtitle);
}

#[test]
fn another_rate_breaks_the_lines_that_depend_on_it() {
    let mut nights = nights(Made::Ninety);
    nights[20..].iter_mut().for_each(|night| night.offered.as_mut().unwrap().rps = 560.0);
    let chart = chart(&crate::analyse::trend::trend("h", &nights, Vec::new(), 1));
    let breaks = |panel: &Panel| {
        let night = panel.series.iter().find(|series| series.label == "night").unwrap();
        night.points.iter().filter(|point| point.0.fract() != 0.0).map(|point| point.0).collect::<Vec<_>>()
    };
    let all: Vec<_> = chart.panels.iter().map(breaks).collect();
    assert_eq!(all, [vec![70.5], vec![20.5, 70.5], vec![20.5, 70.5]]);
    let said =
        "1 change of the machine. All but ceilings at each load by itself; 1 change of the load. Shares";
    assert!(chart.footer.iter().any(|line| line.contains(said)), "{:?}", chart.footer);
    assert_legible("another rate", &chart);
}

#[test]
fn few_nights_and_many_changes_are_legible() {
    let one = chart(&trend_of(Made::One));
    assert_eq!((one.x.from, one.x.to, one.x.ticks.len()), (0.5, 1.5, 1));
    let mut trend = trend_of(Made::Named);
    for line in &mut trend.metrics {
        line.changes = (0..90)
            .step_by(3)
            .map(|night| Change {
                night,
                ratio: 1.5,
                candidate: "feature/rewrite all of it".into(),
                ..Change::default()
            })
            .collect();
    }
    trend.machines = (0..90).map(|n| Stay { from: n, to: n + 1, ..trend.machines[0].clone() }).collect();
    let chart = chart(&trend);
    assert_eq!(chart.panels.iter().filter(|panel| panel.beside).count(), 2);
    assert_legible("many changes", &chart);
}

#[test]
fn whatever_metrics_are_called_they_are_drawn() {
    let mut nights = nights(Made::Twelve);
    for night in &mut nights {
        let one = night.metrics["p50_ms"].clone();
        for n in 0..12 {
            let (what, unit) = ("\u{1b}[31m<b>\u{202e} a long name".repeat(50), "\u{9f}unit".repeat(50));
            night.metrics.insert(format!("m{n}"), crate::history::Figure { what, unit, ..one.clone() });
        }
    }
    let drawn = chart(&crate::analyse::trend::trend("h", &nights, Vec::new(), 1));
    assert_eq!(drawn.panels.len(), MOST_PANELS);
    assert!(drawn.footer.iter().any(|line| line == "NOT DRAWN: 7 further metrics"), "{:?}", drawn.footer);
    assert!(crate::draw::png(&drawn).is_ok());
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let mut nights = nights(Made::Two);
    for night in &mut nights {
        night.at = String::from("yesterday");
        night.metrics.values_mut().for_each(|figure| figure.candidate = None);
    }
    let trend = crate::analyse::trend::trend("h", &nights, Vec::new(), 1);
    let drawn = chart(&trend);
    assert_eq!(drawn.panels[0].note.as_deref(), Some("No night has a value"));
    assert_legible("nothing", &drawn);
    nights.iter_mut().for_each(|night| night.metrics.clear());
    let drawn = chart(&crate::analyse::trend::trend("h", &nights, Vec::new(), 1));
    assert_eq!(drawn.panels[0].note.as_deref(), Some("No metric decides"));
}
