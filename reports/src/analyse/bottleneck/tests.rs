//! Resources and their demands, against known targets and single loads.

use super::*;
use crate::analyse::synthetic::System;
use crate::ceiling::{Cause, Step};

fn named<'a>(resources: &'a [Resource], tier: &str, resource: &str) -> &'a Resource {
    resources
        .iter()
        .find(|r| r.resource == resource && (r.tier == tier || r.shared.contains_key(tier)))
        .unwrap_or_else(|| panic!("{tier} {resource} of {resources:?}"))
}

/// A load at which `tier` says `metrics`.
fn load(rps: f64, tier: &str, metrics: &[(&str, f64)]) -> Step {
    let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Step {
        duration_s: 5.0,
        offered_rps: rps,
        ok_rps: rps,
        passed: true,
        valid: true,
        stationary: true,
        observed: [(tier.to_owned(), metrics)].into(),
        ..Step::default()
    }
}

fn search(steps: Vec<Step>) -> Ceiling {
    Ceiling { bound: Bound::Exact, ceiling_rps: Some(1_000.0), steps, ..Ceiling::default() }
}

#[test]
fn the_demands_at_low_load_are_the_true_ones() {
    let system = System { noise: 0.0, ..System::default() }.cpu("db", 0.5e-3, Some(0.5));
    let found = resources(&system.search(), 2);
    let close = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-6, "{got} {want}");
    let database = named(&found, "db", "cpu");
    close(database.demand_s, 0.5e-3);
    // Without load it uses 0.01 of a CPU.
    close(database.predicted_rps, (0.5 - 0.01) / 0.5e-3);
    close(database.predicted_range[0], database.predicted_rps);
    close(database.predicted_range[1], database.predicted_rps);
    assert!(database.shared.is_empty());
    let shared = found.iter().find(|r| !r.shared.is_empty()).unwrap();
    close(shared.demand_s, 0.65e-3);
    close(shared.predicted_rps, (2.0 - 0.016) / 0.65e-3);
    // The database has a limit of its own and takes its part of the common CPUs too.
    assert_eq!((shared.tier.as_str(), shared.capacity), ("db", 2.0));
    close(shared.shared["db"], 0.5 / 0.65);
    close(shared.shared.values().sum(), 1.0);
    assert_eq!(found[0], *database);
    assert_eq!(predicted_rps(&found), Some(database.predicted_rps));
    assert_eq!(predicted_rps(&[]), None);
}

#[test]
fn noise_stays_within_the_range() {
    for seed in 0..20 {
        let system = System { noise: 0.03, seed, ..System::default() }.cpu("db", 0.5e-3, Some(0.5));
        let found = resources(&system.search(), 2);
        let database = named(&found, "db", "cpu");
        assert!((database.predicted_rps / 980.0 - 1.0).abs() < 0.06, "{seed}: {database:?}");
        let [low, high] = database.predicted_range;
        assert!(low <= database.predicted_rps && database.predicted_rps <= high);
    }
}

#[test]
fn a_cpu_that_nobody_knows_is_no_resource() {
    let mut found = System::default().search();
    let cpus =
        |found: &Ceiling, shared| resources(found, shared).iter().filter(|r| r.resource == "cpu").count();
    assert_eq!((cpus(&found, 2), cpus(&found, 0)), (1, 0));
    // A machine's exporter knows its CPUs.
    for step in &mut found.steps {
        step.observed.get_mut("db").unwrap().insert("cpus".to_owned(), 4.0);
    }
    let machine = resources(&found, 2);
    assert_eq!(named(&machine, "db", "cpu").capacity, 4.0);
    assert!(!machine.iter().any(|r| r.shared.contains_key("db")));
}

#[test]
fn the_kernels_own_work_is_part_of_what_the_tiers_share() {
    let mut found = System { noise: 0.0, ..System::default() }.search();
    let before = resources(&found, 2)[0].clone();
    for step in &mut found.steps {
        let tiers: f64 = step.observed.values().filter_map(|metrics| metrics.get("cpu_share")).sum();
        step.machine.insert("target_cpu_busy".to_owned(), tiers * 1.25 / 2.0);
    }
    let after = resources(&found, 2)[0].clone();
    assert!((after.demand_s / before.demand_s - 1.25).abs() < 1e-9);
    assert!((after.shared.values().sum::<f64>() - 0.8).abs() < 1e-9);
}

#[test]
fn what_is_no_reading_is_left_out() {
    let steps = |value: f64| vec![load(100.0, "app", &[("workers", 4.0), ("workers_busy", value)])];
    for nonsense in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        assert_eq!(resources(&search(steps(nonsense)), 2), [], "{nonsense}");
    }
    assert_eq!(resources(&search(steps(0.4)), 2).len(), 1);
    assert_eq!(resources(&search(Vec::new()), 2), []);
    assert_eq!(resources(&Ceiling::default(), 0), []);
    // No capacity, no answers, no time.
    let nothing: [fn(&mut Step); 3] = [
        |step| *step.observed.get_mut("app").unwrap().get_mut("workers").unwrap() = 0.0,
        |step| step.ok_rps = 0.0,
        |step| step.duration_s = f64::NAN,
    ];
    for spoil in nothing {
        let mut found = search(steps(0.4));
        found.steps.iter_mut().for_each(spoil);
        assert_eq!(resources(&found, 2), []);
    }
}

#[test]
fn an_endpoint_that_vanished_counts_where_it_was_there() {
    let whole = System { noise: 0.0, ..System::default() }.cpu("db", 0.5e-3, Some(0.5)).search();
    let mut found = whole.clone();
    for step in found.steps.iter_mut().skip(5) {
        step.observed.remove("db");
    }
    let (whole, found) = (resources(&whole, 2), resources(&found, 2));
    let (before, after) = (named(&whole, "db", "cpu"), named(&found, "db", "cpu"));
    assert!((after.predicted_rps / before.predicted_rps - 1.0).abs() < 1e-6);
    assert_eq!(after.utilisation, None);
    // What was there for less than half the time shares no CPU, or the others' would be judged by few loads.
    assert!(found.iter().filter(|r| !r.shared.is_empty()).all(|r| !r.shared.contains_key("db")));
}

#[test]
fn the_loads_of_a_demand() {
    let busy = |step: &Step| meter::metric(step, "app", "workers_busy");
    let rows = |rates: &[f64]| {
        search(rates.iter().map(|rps| load(*rps, "app", &[("workers_busy", rps * 0.002)])).collect())
    };
    // The ceiling is 1,000: loads up to 600 are low, and otherwise the lowest few that are about as low as the lowest.
    type Loads = (usize, f64, f64);
    let table: [(&[f64], Loads, bool); 6] = [
        (&[100.0, 600.0, 700.0, 1_000.0], (2, 100.0, 600.0), true),
        (&[600.0, 700.0, 1_000.0, 1_100.0], (3, 600.0, 1_000.0), false),
        (&[100.0, 700.0, 1_000.0], (1, 100.0, 100.0), true),
        (&[700.0, 740.0], (2, 700.0, 740.0), true),
        (&[900.0, 950.0, 1_000.0, 1_000.0], (3, 900.0, 1_000.0), false),
        (&[1_000.0], (1, 1_000.0, 1_000.0), false),
    ];
    for (rates, loads, low) in table {
        let basis = Basis::of(&rows(rates), busy).unwrap();
        assert_eq!((basis.loads(), basis.low), (loads, low), "{rates:?}");
    }
    assert_eq!(Basis::of(&rows(&[]), busy), None);
    // Loads that failed are no basis where others held, and none to predict from where there are no others.
    let mut failed = rows(&[100.0, 200.0, 300.0]);
    failed.steps[0].passed = false;
    assert_eq!(Basis::of(&failed, busy).unwrap().loads(), (2, 200.0, 300.0));
    failed.steps.iter_mut().for_each(|step| step.passed = false);
    assert!(!Basis::of(&failed, busy).unwrap().low);
}

#[test]
fn a_line_that_is_none_is_a_ratio() {
    // Less per request at higher loads would be a line with less than nothing at no load.
    let of = |busy: &[f64]| {
        let steps =
            busy.iter().zip([100.0, 200.0, 300.0]).map(|(b, rps)| load(rps, "app", &[("cpu_share", *b)]));
        Basis::of(&search(steps.collect()), |step| meter::metric(step, "app", "cpu_share")).unwrap()
    };
    for busy in [[0.1, 0.3, 0.6], [0.5, 0.5, 0.2]] {
        let demand = of(&busy).demand(true);
        assert_eq!(demand.idle, 0.0, "{busy:?}");
        assert!((demand.seconds - busy.iter().sum::<f64>() / 600.0).abs() < 1e-12);
    }
    let line = of(&[0.11, 0.21, 0.31]).demand(true);
    assert!((line.idle - 0.01).abs() < 1e-9 && (line.seconds - 0.001).abs() < 1e-9, "{line:?}");
    assert_eq!(of(&[0.11, 0.21, 0.31]).demand(false).idle, 0.0);
    // All of the capacity is in use without a load: no rate is left.
    assert_eq!(line.ceiling(0.01), None);
}

#[test]
fn what_is_held_for_longer_at_higher_loads_is_waiting() {
    let growth = |held: &[f64]| {
        let steps = held
            .iter()
            .zip([100.0, 200.0, 300.0, 400.0])
            .map(|(seconds, rps)| load(rps, "app", &[("workers_busy", rps * seconds)]));
        Basis::of(&search(steps.collect()), |step| meter::metric(step, "app", "workers_busy"))
            .unwrap()
            .growth()
    };
    let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-9, "{got} {want}");
    close(growth(&[0.002, 0.002, 0.002, 0.002]), 1.0);
    close(growth(&[0.002, 0.002, 0.003, 0.003]), 1.5);
    // A single load grows by nothing.
    close(growth(&[0.002]), 1.0);
}

#[test]
fn a_move_that_one_unit_does_not_explain_is_said() {
    for (moved_ratio, confirmed, end) in [
        (None, None, "1.5 times as much was to be expected"),
        (Some(1.6), Some(true), "1.5 times as much was to be expected"),
        (Some(1.8), Some(true), "1.5 times as much was to be expected"),
        (
            Some(2.0),
            Some(true),
            "to be expected, and it is 2 times: more than one unit explains, so something else moved it too",
        ),
        (
            Some(3.0),
            None,
            "to be expected, and it is 3 times: more than one unit explains, so something else moved it too",
        ),
    ] {
        let cause = Cause { expected_ratio: 1.5, moved_ratio, confirmed, ..Cause::default() };
        let said = tried(&cause);
        assert!(said.ends_with(end), "{said}");
        assert_eq!(said.contains("does not tell"), confirmed.is_none(), "{said}");
    }
}
