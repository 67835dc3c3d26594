//! Means and series of endpoints that agree, that share a tier, and that stop.

use super::super::reading::{Values, read};
use super::super::select::Selection;
use super::super::table::TIERS;
use super::*;

fn values(table: &Table, text: &str) -> Values {
    read(table, text.as_bytes(), &Selection::default()).unwrap()
}

/// What an endpoint said at each second, from the beginning to the end of the measured part; empty where it did not answer.
fn history(table: &Table, texts: &[String]) -> History {
    let mut history = History::new(table);
    for (tick, text) in (0..).zip(texts).filter(|(_, text)| !text.is_empty()) {
        let edge = tick == 0 || tick as usize + 1 == texts.len();
        history.push(tick, f64::from(tick), &values(table, text), edge);
    }
    history
}

/// `text` with `#` as the number that it is at each second.
fn over_time(text: &str, numbers: &[f64]) -> Vec<String> {
    numbers.iter().map(|n| text.replace('#', &n.to_string())).collect()
}

fn app(cpu: [f64; 4]) -> Vec<String> {
    over_time("process_cpu_seconds_total #\n", &cpu)
}

#[test]
fn each_metric_comes_from_the_names_of_its_table() {
    let table = Table::new(TIERS);
    let rows: &[(&str, &[f64], &str, Option<f64>)] = &[
        ("node_cpu_seconds_total{mode=\"user\"} #", &[1.0, 3.0, 5.0], "cpu_share", Some(2.0)),
        ("node_cpu_seconds_total{mode=\"idle\"} #", &[1.0, 3.0, 5.0], "cpus", Some(1.0)),
        ("container_cpu_usage_seconds_total{id=\"/a\"} #", &[1.0, 1.5, 2.0], "cpu_share", Some(0.5)),
        ("container_spec_cpu_quota 25000\ncontainer_spec_cpu_period #", &[1e5; 3], "cpu_limit", Some(0.25)),
        ("container_spec_cpu_quota -1\ncontainer_spec_cpu_period #", &[1e5; 3], "cpu_limit", None),
        (
            "container_cpu_cfs_throttled_periods_total #\ncontainer_cpu_cfs_periods_total 1#",
            &[0.0, 1.0, 4.0],
            "throttled_share",
            Some(1.0),
        ),
        ("app_workers_busy_seconds_total #\napp_workers_busy 9", &[0.0, 3.0, 7.0], "workers_busy", Some(3.5)),
        ("app_workers_busy #", &[0.0, 3.0, 0.0], "workers_busy", Some(3.0)),
        ("db_pool_size #", &[8.0, 8.0, 8.0], "pool", Some(8.0)),
        ("db_pool_wait_seconds_sum #", &[0.0, 1.0, 4.0], "pool_waiting", Some(2.0)),
        ("app_queue_wait_seconds_sum #", &[0.0, 0.0, 0.0], "queue", Some(0.0)),
        ("nginx_http_requests_total #", &[5.0, 50.0, 105.0], "rps", Some(50.0)),
        ("nginx_connections_active #", &[0.0, 7.0, 1.0], "connections", Some(7.0)),
        (
            "http_request_duration_seconds_sum #\nhttp_request_duration_seconds_count 1#",
            &[0.0, 2.0, 4.0],
            "response_ms",
            Some(1000.0),
        ),
        // No request ended: their mean time is not 0.
        (
            "http_request_duration_seconds_sum #\nhttp_request_duration_seconds_count 7",
            &[1.0, 1.0, 1.0],
            "response_ms",
            None,
        ),
        (
            "mysql_global_status_innodb_row_lock_time #",
            &[0.0, 500.0, 3000.0],
            "row_lock_wait_share",
            Some(1.5),
        ),
        ("mysql_global_status_threads_running #", &[1.0, 6.0, 1.0], "threads_running", Some(6.0)),
    ];
    for (text, numbers, metric, want) in rows {
        let history = history(&table, &over_time(text, numbers));
        let means = means(&table, &[("t", &history)]);
        let close = |got: f64, want: f64| (got - want).abs() < 1e-9;
        let got = means["t"].get(*metric).copied();
        assert!(
            matches!((got, *want), (Some(a), Some(b)) if close(a, b)) || got == *want,
            "{text}: {means:?}"
        );
    }
}

#[test]
fn endpoints_of_a_tier_add_up_and_their_times_are_weighted() {
    let table = Table::new(TIERS);
    let one = "process_cpu_seconds_total #\nhttp_request_duration_seconds_sum #\nhttp_request_duration_seconds_count 1";
    let two = "process_cpu_seconds_total 5\nhttp_request_duration_seconds_sum 3#\nhttp_request_duration_seconds_count #";
    let mut first = over_time(one, &[0.0, 1.0, 2.0]);
    // One more request each second, which took a second.
    first
        .iter_mut()
        .zip(["01", "02", "03"])
        .for_each(|(text, count)| *text = text.replace("count 1", &format!("count {count}")));
    let histories = [history(&table, &first), history(&table, &over_time(two, &[1.0, 4.0, 7.0]))];
    let told: Vec<Told<'_>> = histories.iter().map(|history| ("app", history)).collect();
    let means = means(&table, &told);
    assert!((means["app"]["cpu_share"] - 1.0).abs() < 1e-9, "{means:?}");
    // 2 requests of 1 s, 6 requests of 1 s.
    assert!((means["app"]["response_ms"] - 1000.0).abs() < 1e-6, "{means:?}");
    let series = series(&table, &told);
    assert_eq!(series["app"]["cpu_share"], [(0.0, None), (1.0, Some(1.0)), (2.0, Some(1.0))]);
}

#[test]
fn a_tier_has_a_limit_only_if_all_of_it_is_limited() {
    let table = Table::new(TIERS);
    let limited = |quota: &str| {
        let text = format!("process_cpu_seconds_total #\n{quota}");
        history(&table, &over_time(&text, &[1.0, 2.0]))
    };
    let quota = "container_spec_cpu_quota 2500\ncontainer_spec_cpu_period 10000\n";
    for (second, limit) in [(quota, Some(0.5)), ("", None)] {
        let histories = [limited(quota), limited(second)];
        let means = means(&table, &[("app", &histories[0]), ("app", &histories[1])]);
        assert_eq!(means["app"].get("cpu_limit").copied(), limit, "{second}");
        assert_eq!(means["app"]["cpu_share"], 2.0);
    }
}

#[test]
fn an_endpoint_that_stops_ends_its_series_and_its_mean_is_of_what_was_seen() {
    let table = Table::new(TIERS);
    let mut stops = app([0.0, 0.5, 1.0, 0.0]);
    stops[3].clear();
    let (stops, goes_on) = (history(&table, &stops), history(&table, &app([0.0, 0.25, 0.5, 0.75])));
    let told = [("app", &stops), ("db", &goes_on)];
    let (means, series) = (means(&table, &told), series(&table, &told));
    assert_eq!((means["app"]["cpu_share"], means["db"]["cpu_share"]), (0.5, 0.25));
    assert_eq!(series["app"]["cpu_share"], [(0.0, None), (1.0, Some(0.5)), (2.0, Some(0.5))]);
    assert_eq!(series["db"]["cpu_share"].len(), 4);
}

#[test]
fn a_span_in_which_a_counter_went_back_or_was_not_there_has_no_value() {
    let table = Table::new(TIERS);
    let back = history(&table, &app([4.0, 4.5, 0.2, 0.9]));
    let series_of = |history: &History| series(&table, &[("app", history)])["app"]["cpu_share"].clone();
    assert_eq!(series_of(&back), [(0.0, None), (1.0, Some(0.5)), (2.0, None), (3.0, Some(0.7))]);
    let mut gap = app([1.0, 2.0, 3.0, 4.0]);
    gap[1].clear();
    // What nobody asked for is known from the samples around it.
    assert_eq!(series_of(&history(&table, &gap)), [(0.0, None), (2.0, Some(1.0)), (3.0, Some(1.0))]);
    gap[1] = "app_workers 4\n".into();
    let lacks = [(0.0, None), (1.0, None), (2.0, None), (3.0, Some(1.0))];
    assert_eq!(series_of(&history(&table, &gap)), lacks);
}

#[test]
fn a_tier_that_told_nothing_is_there_and_empty() {
    let table = Table::new(TIERS);
    let silent = history(&table, &[]);
    assert_eq!(means(&table, &[("db", &silent)]), BTreeMap::from([("db".to_owned(), BTreeMap::new())]));
    assert!(series(&table, &[("db", &silent)]).is_empty());
}

#[test]
fn six_digits_are_kept() {
    for (value, want) in [(0.0, 0.0), (1_234_567.0, 1_234_570.0), (0.001_234_567_8, 0.001_234_57), (7.0, 7.0)]
    {
        assert!((six_digits(value) - want).abs() <= want * 1e-12, "{value}");
    }
    assert!((six_digits(1.234_567_8e300) / 1.234_57e300 - 1.0).abs() < 1e-9);
    assert_eq!(six_digits(1e-308), 0.0);
}
