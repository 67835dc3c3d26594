//! Counters that are started anew, inputs that come and go, and runs without end.

use super::super::table::TIERS;
use super::*;
use proptest::prelude::*;

fn table() -> Table {
    Table::new(TIERS)
}

fn number(table: &Table, name: &str) -> usize {
    table.of_name(name)[0]
}

/// A sample of these inputs.
fn values(table: &Table, inputs: &[(&str, f64)]) -> Values {
    let mut values = Values::none(table);
    for (name, value) in inputs {
        values.of[number(table, name)] = *value;
    }
    values
}

/// How far a counter has come after the samples, and what was wrong with it.
fn counted(samples: &[(f64, f64)]) -> (f64, f64, Vec<Flaw>) {
    let table = table();
    let mut history = History::new(&table);
    for (tick, (at_s, value)) in (0..).zip(samples) {
        history.push(tick, *at_s, &values(&table, &[("process_cpu_seconds_total", *value)]), false);
    }
    let Track { amount, seen, .. } = history.whole()[number(&table, "process_cpu_seconds_total")];
    (amount, seen, history.flaws.iter().map(|(flaw, ..)| *flaw).collect())
}

#[test]
fn a_counter_counts_only_where_it_was_seen_to_grow() {
    const NO: f64 = f64::NAN;
    for (samples, want) in [
        (&[][..], (0.0, 0.0, vec![])),
        (&[(0.0, 7.0)], (0.0, 0.0, vec![])),
        (&[(0.0, 7.0), (1.5, 10.0), (2.0, 10.0)], (3.0, 2.0, vec![])),
        // Started anew between second 1 and second 2: what it did in that second nobody knows.
        (&[(0.0, 7.0), (1.0, 8.0), (2.0, 0.5), (3.0, 1.5)], (2.0, 2.0, vec![Flaw::Backwards])),
        (&[(0.0, 7.0), (1.0, NO), (2.0, 9.0)], (2.0, 2.0, vec![Flaw::Gone])),
        (&[(0.0, 7.0), (1.0, f64::INFINITY), (2.0, 9.0)], (2.0, 2.0, vec![Flaw::NoNumber])),
        (&[(0.0, 7.0), (1.0, NO), (2.0, 6.0)], (0.0, 0.0, vec![Flaw::Gone, Flaw::Backwards])),
    ] {
        assert_eq!(counted(samples), want, "{samples:?}");
    }
}

#[test]
fn a_process_that_was_started_anew_is_another_one_even_where_its_counter_is_higher() {
    let table = table();
    let mut history = History::new(&table);
    for (tick, (started, cpu)) in (0..).zip([(100.0, 1.0), (100.4, 2.0), (107.0, 5.0), (107.0, 6.0)]) {
        let inputs = [("process_start_time_seconds", started), ("process_cpu_seconds_total", cpu)];
        history.push(tick, f64::from(tick), &values(&table, &inputs), false);
    }
    let n = number(&table, "process_cpu_seconds_total");
    assert_eq!(history.whole()[n], Track { amount: 2.0, seen: 2.0, breaks: 1 });
    assert_eq!(history.flaws, [(Flaw::Backwards, n, 2.0, 1)]);
}

#[test]
fn a_gauge_is_what_it_was_under_load_and_a_size_is_never_none() {
    let table = table();
    let mut history = History::new(&table);
    for (tick, (running, workers)) in (0..).zip([(1.0, 4.0), (9.0, 4.0), (11.0, 0.0), (1.0, 4.0)]) {
        let inputs = [("mysql_global_status_threads_running", running), ("app_workers", workers)];
        history.push(tick, f64::from(tick), &values(&table, &inputs), tick == 0 || tick == 3);
    }
    let of = |name| history.whole()[number(&table, name)];
    assert_eq!(of("mysql_global_status_threads_running"), Track { amount: 20.0, seen: 2.0, breaks: 0 });
    assert_eq!(of("app_workers"), Track { amount: 12.0, seen: 3.0, breaks: 0 });
}

#[test]
fn a_counter_that_is_handed_on_with_its_time_is_of_that_time() {
    let table = table();
    let mut history = History::new(&table);
    let n = number(&table, "container_cpu_usage_seconds_total");
    // Read once in two seconds by whoever hands it on.
    for (tick, (stamp, cpu)) in
        (0..).zip([(99.5, 1.0), (99.5, 1.0), (101.5, 2.0), (101.5, 2.0), (103.5, 3.0)])
    {
        let mut values = values(&table, &[("container_cpu_usage_seconds_total", cpu)]);
        values.stamps[n] = stamp;
        history.push(tick, f64::from(tick), &values, false);
    }
    assert_eq!(history.whole()[n], Track { amount: 2.0, seen: 4.0, breaks: 0 });
    assert!(history.flaws.is_empty());
}

proptest! {
    #[test]
    fn a_long_run_keeps_few_samples_its_first_and_its_last(count in 1..5000u32) {
        let table = table();
        let mut history = History::new(&table);
        for tick in 0..count {
            history.push(tick, f64::from(tick), &values(&table, &[("app_workers", 1.0)]), false);
        }
        let ticks: Vec<_> = history.samples().map(|kept| kept.tick).collect();
        prop_assert!(ticks.len() <= MOST + 1);
        prop_assert!(ticks[0] == 0 && ticks.last() == Some(&(count - 1)));
        prop_assert!(ticks.windows(2).all(|two| two[0] < two[1]));
    }
}
