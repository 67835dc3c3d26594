//! What histories say, by known answers.

use super::*;
use crate::fixture::history::{Made, machine, night, nights, trend_of};

#[test]
fn a_change_belongs_to_the_first_night_of_its_level() {
    let trend = trend_of(Made::Ninety);
    let found: Vec<_> =
        trend.changes().iter().map(|(line, one)| (line.name.as_str(), one.night, one.worse)).collect();
    assert_eq!(found, [("ceiling_rps", 40, true), ("p50_ms", 40, true)]);
    assert!(trend.metrics.iter().all(|line| line.name != "cpu_us.app"), "it only explains");
    let levels: Vec<_> = trend.metrics[0].levels.iter().map(|level| (level.from, level.to)).collect();
    assert_eq!(levels, [(0, 39), (40, 69), (70, 89)]);
    assert!(
        trend.finding().starts_with("2 changes in 90 nights; the last: median response time +12 % with ")
    );
    assert_eq!(trend_of(Made::Twelve).finding(), "No change in 12 nights");
    let two: Vec<Night> = (0..2).map(night).collect();
    let few = super::trend("", &two, Vec::new(), 1).finding();
    assert!(few.starts_with("2 nights: too few for a change to be seen; the last: "), "{few}");
    assert_eq!(super::trend("", &[], Vec::new(), 1).finding(), "The history is empty");
}

#[test]
fn another_machine_is_no_change() {
    let mut all = nights(Made::Ninety);
    all.drain(..40);
    assert!(trend("", &all, Vec::new(), 1).changes().is_empty());
    // A machine that comes back is compared with itself only from then on.
    let mut all: Vec<Night> = (0..6).map(night).collect();
    all[2].host = machine("other");
    let found = trend("", &all, Vec::new(), 1);
    let ranges: Vec<_> = found.machines.iter().map(|stay| (stay.from, stay.to)).collect();
    assert_eq!(ranges, [(0, 2), (2, 3), (3, 6)]);
    let numbers: Vec<u64> = (0..6).map(|night| found.machine_of(night)).collect();
    assert_eq!((found.different_machines(), &numbers[..]), (2, &[1, 1, 2, 1, 1, 1][..]));
}

#[test]
fn other_requests_are_a_change_of_nothing() {
    let mut all = nights(Made::Ninety);
    for night in &mut all[40..] {
        night.offered.as_mut().unwrap().rest.push('f');
    }
    let found = trend("", &all, Vec::new(), 1);
    assert!(found.changes().is_empty(), "{:?}", found.changes());
    assert_eq!(found.other_loads, [40]);
}

#[test]
fn another_rate_is_a_change_of_nothing_but_of_ceilings() {
    let mut all = nights(Made::Ninety);
    for night in &mut all[40..] {
        night.offered.as_mut().unwrap().rps = 560.0;
    }
    let found = trend("", &all, Vec::new(), 1);
    let changes: Vec<_> = found.changes().iter().map(|(line, one)| (line.name.as_str(), one.night)).collect();
    assert_eq!(changes, [("ceiling_rps", 40)]);
    assert_eq!((&found.other_loads[..], found.nights[40].rps), (&[40][..], Some(560.0)));
    let breaks: Vec<_> = found.metrics.iter().map(|line| line.breaks.clone()).collect();
    assert_eq!(breaks, [vec![70], vec![40, 70], vec![40, 70]]);
    // With another machine it is that which is said.
    for night in &mut all[70..] {
        night.offered = None;
    }
    assert_eq!(trend("", &all, Vec::new(), 1).other_loads, [40]);
}

#[test]
fn rates_have_wilsons_intervals() {
    // By hand and by statsmodels' proportion_confint(method="wilson").
    for (hits, of, want) in [
        (9, 10, [0.595_850, 0.982_124]),
        (0, 20, [0.0, 0.161_125]),
        (1, 20, [0.008_881, 0.236_131]),
        (20, 20, [0.838_875, 1.0]),
    ] {
        let found = Rate::of(hits, of).ci95.unwrap();
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{hits} of {of}: {found:?}");
    }
    assert_eq!(Rate::of(0, 0).ci95, None);
    let trend = trend_of(Made::Ninety);
    assert_eq!((trend.alarms.hits, trend.alarms.of), (1, 90));
    let found: Vec<_> = trend.detections.iter().map(|one| (one.slowdown, one.found.hits)).collect();
    assert_eq!(found, [(0.05, 60), (0.1, 90), (0.2, 90)]);
}

#[test]
fn a_revision_is_as_long_as_there_is_room() {
    for (revision, want) in [
        ("1ad522a", "1ad522a"),
        ("0123456789abcdef", "0123456"),
        ("v1.2", "v1.2"),
        ("a name of a branch", "a name of\u{2026}"),
        ("", ""),
    ] {
        assert_eq!(short(revision), want);
    }
}
