//! Answers as exporters give them, and what is read from them.

use super::super::table::TIERS;
use super::*;

const NODE: &str = "\
# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 8
# HELP node_cpu_guest_seconds_total Seconds the CPUs spent in guests (VMs) for each mode.
# TYPE node_cpu_guest_seconds_total counter
node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"} 900
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 338.41
node_cpu_seconds_total{cpu=\"0\",mode=\"iowait\"} 0.4
node_cpu_seconds_total{cpu=\"0\",mode=\"irq\"} 0
node_cpu_seconds_total{cpu=\"0\",mode=\"nice\"} 0.5
node_cpu_seconds_total{cpu=\"0\",mode=\"softirq\"} 1.5
node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 7
node_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 10
node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 20
node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 3.3e+02
node_cpu_seconds_total{cpu=\"1\",mode=\"system\"} 4
node_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 5
# HELP node_exporter_build_info A metric with a constant '1' value labeled by version, revision, branch.
# TYPE node_exporter_build_info gauge
node_exporter_build_info{branch=\"HEAD\",goarch=\"amd64\",goversion=\"go1.22.2\",version=\"1.8.0\"} 1
process_cpu_seconds_total 1.77
process_start_time_seconds 1.71457083237e+09
";

const MYSQLD: &str = "\
# HELP mysql_global_status_innodb_buffer_pool_reads Generic metric from SHOW GLOBAL STATUS.
# TYPE mysql_global_status_innodb_buffer_pool_reads untyped
mysql_global_status_innodb_buffer_pool_reads 862
mysql_global_status_innodb_row_lock_time 1500
mysql_global_status_questions 7.3217e+06
mysql_global_status_slow_queries 3
# TYPE mysql_global_status_threads_running untyped
mysql_global_status_threads_running 4
mysql_up 1
mysqld_exporter_build_info{branch=\"HEAD\",goversion=\"go1.21.5\",version=\"0.15.1\"} 1
process_cpu_seconds_total 0.06
";

const NGINX: &str = "\
# HELP nginx_connections_active Active client connections
# TYPE nginx_connections_active gauge
nginx_connections_active 291
# TYPE nginx_connections_waiting gauge
nginx_connections_waiting 285
# HELP nginx_exporter_build_info A metric with a constant '1' value
nginx_exporter_build_info{branch=\"HEAD\",goversion=\"go1.22.3\",version=\"1.2.0\"} 1
# TYPE nginx_http_requests_total counter
nginx_http_requests_total 46034
# TYPE nginx_up gauge
nginx_up 1
process_cpu_seconds_total 0.52
";

const CADVISOR: &str = "\
# TYPE cadvisor_version_info gauge
cadvisor_version_info{kernelVersion=\"6.1.0\",osVersion=\"Alpine\"} 1
container_cpu_cfs_periods_total{id=\"/docker/aa\",image=\"shop\",name=\"app\"} 100 1714570832000
container_cpu_cfs_throttled_periods_total{id=\"/docker/aa\",image=\"shop\",name=\"app\"} 25 1714570832000
container_cpu_usage_seconds_total{cpu=\"total\",id=\"/\",image=\"\",name=\"\"} 900 1714570832000
container_cpu_usage_seconds_total{cpu=\"total\",id=\"/docker\",image=\"\",name=\"\"} 80 1714570832000
container_cpu_usage_seconds_total{cpu=\"cpu00\",id=\"/docker/aa\",image=\"shop\",name=\"app\"} 30 1714570832000
container_cpu_usage_seconds_total{cpu=\"cpu01\",id=\"/docker/aa\",image=\"shop\",name=\"app\"} 12 1714570832000
container_cpu_usage_seconds_total{cpu=\"total\",id=\"/docker/bb\",image=\"shop\",name=\"web\"} 7 1714570832000
container_spec_cpu_period{id=\"/docker/aa\",image=\"shop\",name=\"app\"} 100000 1714570832000
container_spec_cpu_quota{id=\"/docker/aa\",image=\"shop\",name=\"app\"} 50000 1714570832000
process_cpu_seconds_total 3600
";

const GO_SERVICE: &str = "\
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{path=\"/\",le=\"0.1\"} 8
http_request_duration_seconds_bucket{path=\"/\",le=\"+Inf\"} 10
http_request_duration_seconds_sum{path=\"/\"} 1.25
http_request_duration_seconds_count{path=\"/\"} 10
http_request_duration_seconds_sum{path=\"/a,b=\\\"}\"} 0.75
http_request_duration_seconds_count{path=\"/a,b=\\\"}\"} 5
http_requests_total{code=\"200\",method=\"get\"} 11
http_requests_total{code=\"500\",method=\"get\"} 4
process_cpu_seconds_total 12.5
";

/// An answer, the fragment that selects from it, and what is read then.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, f64)]);

/// What is there, by name and whether it is a count of samples.
fn read_all(text: &str, fragment: &str) -> Result<BTreeMap<String, f64>, String> {
    let table = Table::new(TIERS);
    let only = Selection::of_url(&format!("http://host/metrics{fragment}")).unwrap();
    let values = read(&table, text.as_bytes(), &only)?;
    let name = |(input, ..): &(super::super::table::Input, _, _)| match input.keep {
        Keep::Count(..) => format!("count of {}", input.name),
        _ => input.name.to_owned(),
    };
    Ok(table.inputs.iter().map(name).zip(values.of).filter(|(_, value)| !value.is_nan()).collect())
}

#[test]
fn what_exporters_say_of_their_servers_is_read_and_what_of_themselves_is_not() {
    let rows: [Row<'_>; 8] = [
        (NODE, "", &[("node_cpu_seconds_total", 41.0), ("count of node_cpu_seconds_total", 2.0)]),
        (NODE, "#cpu=1", &[("node_cpu_seconds_total", 9.0), ("count of node_cpu_seconds_total", 1.0)]),
        (
            MYSQLD,
            "",
            &[
                ("mysql_global_status_innodb_buffer_pool_reads", 862.0),
                ("mysql_global_status_innodb_row_lock_time", 1500.0),
                ("mysql_global_status_questions", 7_321_700.0),
                ("mysql_global_status_slow_queries", 3.0),
                ("mysql_global_status_threads_running", 4.0),
            ],
        ),
        (NGINX, "", &[("nginx_connections_active", 291.0), ("nginx_http_requests_total", 46_034.0)]),
        // The whole machine, of which nothing limits the CPU: what lies within is in it already.
        (
            CADVISOR,
            "",
            &[("container_cpu_usage_seconds_total", 900.0), ("process_cpu_seconds_total", 3600.0)],
        ),
        (
            CADVISOR,
            "#name=app",
            &[
                ("container_cpu_usage_seconds_total", 42.0),
                ("container_cpu_cfs_periods_total", 100.0),
                ("container_cpu_cfs_throttled_periods_total", 25.0),
                ("container_spec_cpu_quota", 50_000.0),
                ("container_spec_cpu_period", 100_000.0),
            ],
        ),
        // Two containers: their CPU time adds up, a limit of one of them is not theirs.
        (
            CADVISOR,
            "#image=shop",
            &[
                ("container_cpu_usage_seconds_total", 49.0),
                ("container_cpu_cfs_periods_total", 100.0),
                ("container_cpu_cfs_throttled_periods_total", 25.0),
            ],
        ),
        (
            GO_SERVICE,
            "",
            &[
                ("http_requests_total", 15.0),
                ("http_request_duration_seconds_sum", 2.0),
                ("http_request_duration_seconds_count", 15.0),
                ("process_cpu_seconds_total", 12.5),
            ],
        ),
    ];
    for (text, fragment, want) in rows {
        let want: BTreeMap<String, f64> = want.iter().map(|(name, v)| ((*name).to_owned(), *v)).collect();
        let read = read_all(text, fragment).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{fragment} {text}");
        assert!(want.iter().all(|(name, value)| (read[name] - value).abs() < 1e-9), "{fragment} {read:?}");
    }
}

#[test]
fn the_quota_of_one_group_without_a_path_is_its_limit() {
    let text =
        "process_cpu_seconds_total 1\ncontainer_spec_cpu_quota 2500\ncontainer_spec_cpu_period 10000\n";
    let read = read_all(text, "").unwrap();
    assert_eq!((read["container_spec_cpu_quota"], read["container_spec_cpu_period"]), (2500.0, 10_000.0));
}

#[test]
fn what_may_be_stale_is_not_there() {
    for (text, up) in [(MYSQLD, "mysql_up"), (NGINX, "nginx_up")] {
        let down = text.replace(&format!("{up} 1"), &format!("{up} 0"));
        assert!(read_all(&down, "").is_err_and(|why| why.contains("none of the metrics")), "{up}");
        let own = down.replace("exporter_build_info", "x") + "process_cpu_seconds_total 1\n";
        assert_eq!(read_all(&own, "").unwrap().keys().collect::<Vec<_>>(), ["process_cpu_seconds_total"]);
    }
}

#[test]
fn what_can_be_no_value_is_not_taken_for_one() {
    for value in ["NaN", "+Inf", "-Inf", "-1", "1e308", "1e16"] {
        let text = format!(
            "http_requests_total{{a=\"1\"}} {value}\nhttp_requests_total{{a=\"2\"}} 7\nprocess_cpu_seconds_total 1\n"
        );
        let read = read_all(&text, "").unwrap();
        assert!(read["http_requests_total"].is_infinite(), "{value}: {read:?}");
        assert_eq!(read["process_cpu_seconds_total"], 1.0);
    }
}

#[test]
fn what_is_no_metrics_says_so() {
    for (text, why) in [
        ("", "no metrics text"),
        ("<html><body>nginx</body></html>", "no metrics text"),
        ("{\"process_cpu_seconds_total\": 1}", "no metrics text"),
        ("process_cpu_seconds_total one", "no metrics text"),
        ("up 1\nprocess_start_time_seconds 1.7e9\n", "none of the metrics"),
    ] {
        assert!(read_all(text, "").is_err_and(|error| error.contains(why)), "{text}");
    }
    assert!(read_all(CADVISOR, "#name=nobody").is_err());
}
