//! Which of our metrics comes from which metrics of which exporters: a table, as data. It gives the inputs that are kept of
//! each sample; what is computed from them is `series`' business. README.md says the same to users.

use std::collections::HashMap;

/// A metric on the wire, and which of its samples are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// With its suffix.
    pub(super) name: &'static str,
    /// Which samples.
    pub(super) keep: Keep,
}

/// See [`Input::keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// All of them.
    All,
    /// Those whose label has none of these values.
    Without(&'static str, &'static [&'static str]),
    /// Those whose label has this value: how many there are.
    Count(&'static str, &'static str),
    /// Of control groups within one another, the outermost: it has the others' in it.
    Outermost,
    /// The same, where there is one of them: limits cannot be added up.
    Sole,
}

/// How a metric comes from its inputs, over a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// What a counter grew by per second, times a factor.
    Rate(Input, f64),
    /// The mean of a gauge, of the samples taken under load.
    Mean(Input),
    /// A gauge that says how many there are, and none where it is 0.
    Size(Input),
    /// One gauge by another, which both say how much there is.
    Quotient(Input, Input),
    /// What one counter grew by for each unit that another grew by, times a factor.
    Per(Input, Input, f64),
}

/// What else decides whether a row holds for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nothing.
    Tier,
    /// Metrics of the process that answers: an exporter's own are not its tier's.
    Process,
}

/// One way to a metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Our name.
    pub(super) metric: &'static str,
    /// From what.
    pub(super) form: Form,
    /// Of whom.
    pub(super) whose: Whose,
}

const fn all(name: &'static str) -> Input {
    Input { name, keep: Keep::All }
}

const fn outermost(name: &'static str) -> Input {
    Input { name, keep: Keep::Outermost }
}

const fn sole(name: &'static str) -> Input {
    Input { name, keep: Keep::Sole }
}

const fn tier(metric: &'static str, form: Form) -> Row {
    Row { metric, form, whose: Whose::Tier }
}

const fn process(metric: &'static str, form: Form) -> Row {
    Row { metric, form, whose: Whose::Process }
}

use Form::{Mean, Per, Quotient, Rate, Size};

/// When the process that answers was started: if it changes, no counter goes on. It is the first input of every table.
pub(super) const STARTED: Input = all("process_start_time_seconds");

/// An exporter says so by a metric whose name ends in this.
pub(super) const EXPORTER: &str = "exporter_build_info";

/// Where the first one is 0, the exporter does not reach its server, and what begins with the second may be stale.
pub(super) const UP: [(&str, &str); 2] = [("mysql_up", "mysql_"), ("nginx_up", "nginx_")];

/// CPU time that a node's CPUs did not spend on its work.
const NO_WORK: &[&str] = &["idle", "iowait", "steal"];

/// Of several ways to a metric, the first one for which an endpoint has data.
#[rustfmt::skip]
pub(super) const TIERS: &[Row] = &[
    // node_exporter; cadvisor and the kubelet; every client library
    tier("cpu_share", Rate(Input { name: "node_cpu_seconds_total", keep: Keep::Without("mode", NO_WORK) }, 1.0)),
    tier("cpu_share", Rate(outermost("container_cpu_usage_seconds_total"), 1.0)),
    process("cpu_share", Rate(all("process_cpu_seconds_total"), 1.0)),
    process("cpu_share", Rate(all("process_cpu_seconds"), 1.0)),
    tier("cpus", Size(Input { name: "node_cpu_seconds_total", keep: Keep::Count("mode", "idle") })),
    tier("cpu_limit", Quotient(sole("container_spec_cpu_quota"), sole("container_spec_cpu_period"))),
    tier("throttled_share", Per(
        outermost("container_cpu_cfs_throttled_periods_total"), outermost("container_cpu_cfs_periods_total"), 1.0,
    )),
    // the reference app; Tomcat under Micrometer
    tier("workers", Size(all("app_workers"))),
    tier("workers", Size(all("tomcat_threads_config_max_threads"))),
    tier("workers_busy", Rate(all("app_workers_busy_seconds_total"), 1.0)),
    tier("workers_busy", Mean(all("app_workers_busy"))),
    tier("workers_busy", Mean(all("tomcat_threads_busy_threads"))),
    tier("queue", Rate(all("app_queue_wait_seconds_sum"), 1.0)),
    // the reference app; HikariCP under Micrometer; Go's database/sql
    tier("pool", Size(all("db_pool_size"))),
    tier("pool", Size(all("hikaricp_connections_max"))),
    tier("pool", Size(all("go_sql_max_open_connections"))),
    tier("pool_busy", Rate(all("db_pool_busy_seconds_total"), 1.0)),
    tier("pool_busy", Mean(all("hikaricp_connections_active"))),
    tier("pool_busy", Mean(all("go_sql_in_use_connections"))),
    tier("pool_waiting", Rate(all("db_pool_wait_seconds_sum"), 1.0)),
    tier("pool_waiting", Mean(all("hikaricp_connections_pending"))),
    tier("pool_waiting", Rate(all("go_sql_wait_duration_seconds_total"), 1.0)),
    // any HTTP server; nginx-prometheus-exporter; the reference proxy; Micrometer; OpenTelemetry
    process("rps", Rate(all("http_requests_total"), 1.0)),
    tier("rps", Rate(all("nginx_http_requests_total"), 1.0)),
    process("rps", Rate(all("http_request_duration_seconds_count"), 1.0)),
    process("rps", Rate(all("http_server_requests_seconds_count"), 1.0)),
    process("rps", Rate(all("http_server_request_duration_seconds_count"), 1.0)),
    process("response_ms", Per(
        all("http_request_duration_seconds_sum"), all("http_request_duration_seconds_count"), 1e3,
    )),
    tier("response_ms", Per(
        all("proxy_request_duration_seconds_sum"), all("proxy_request_duration_seconds_count"), 1e3,
    )),
    process("response_ms", Per(
        all("http_server_requests_seconds_sum"), all("http_server_requests_seconds_count"), 1e3,
    )),
    process("response_ms", Per(
        all("http_server_request_duration_seconds_sum"), all("http_server_request_duration_seconds_count"), 1e3,
    )),
    tier("in_flight", Rate(all("http_requests_in_flight_seconds_total"), 1.0)),
    tier("in_flight", Rate(all("proxy_requests_in_flight_seconds_total"), 1.0)),
    process("in_flight", Mean(all("http_requests_in_flight"))),
    process("in_flight", Mean(all("http_server_active_requests"))),
    tier("connections", Mean(all("nginx_connections_active"))),
    // mysqld_exporter
    tier("threads_running", Mean(all("mysql_global_status_threads_running"))),
    tier("queries_per_s", Rate(all("mysql_global_status_questions"), 1.0)),
    tier("row_lock_wait_share", Rate(all("mysql_global_status_innodb_row_lock_time"), 1e-3)),
    tier("buffer_pool_reads_per_s", Rate(all("mysql_global_status_innodb_buffer_pool_reads"), 1.0)),
    tier("slow_queries_per_s", Rate(all("mysql_global_status_slow_queries"), 1.0)),
];

/// The host's, from [`super::host`].
pub(super) const MACHINE: &[Row] = &[
    tier("cpu_busy", Per(all("busy"), all("all"), 1.0)),
    tier("target_cpu_busy", Per(all("target_busy"), all("target_all"), 1.0)),
    tier("generator_cpu_busy", Per(all("generator_busy"), all("generator_all"), 1.0)),
    tier("steal", Per(all("stolen"), all("all"), 1.0)),
    tier("psi_cpu", Rate(all("cpu"), 1e-6)),
    tier("psi_io", Rate(all("io"), 1e-6)),
    tier("psi_memory", Rate(all("memory"), 1e-6)),
];

/// What becomes of an input from sample to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It grows, and its growth is added up.
    Counter,
    /// It goes up and down with the load.
    Gauge,
    /// It says how much there is.
    Size,
}

/// A table with its inputs numbered.
#[derive(Debug)]
pub(super) struct Table {
    /// The ways, as written.
    pub(super) rows: &'static [Row],
    /// All inputs, each once.
    pub(super) inputs: Vec<(Input, Kind, Whose)>,
    by_name: HashMap<&'static str, Vec<usize>>,
}

impl Table {
    /// Numbers the inputs of `rows`.
    pub(super) fn new(rows: &'static [Row]) -> Self {
        let mut inputs = vec![(STARTED, Kind::Size, Whose::Process)];
        for row in rows {
            let (kind, of) = match row.form {
                Rate(input, _) => (Kind::Counter, [Some(input), None]),
                Mean(input) => (Kind::Gauge, [Some(input), None]),
                Size(input) => (Kind::Size, [Some(input), None]),
                Quotient(a, b) => (Kind::Size, [Some(a), Some(b)]),
                Per(a, b, _) => (Kind::Counter, [Some(a), Some(b)]),
            };
            for input in of.into_iter().flatten() {
                if !inputs.iter().any(|(known, ..)| *known == input) {
                    inputs.push((input, kind, row.whose));
                }
            }
        }
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (n, (input, ..)) in inputs.iter().enumerate() {
            by_name.entry(input.name).or_default().push(n);
        }
        Self { rows, inputs, by_name }
    }

    /// The numbers of the inputs that come from the metric `name`.
    pub(super) fn of_name(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The number of `input`; there are none that are not in the table.
    pub(super) fn number(&self, input: Input) -> usize {
        self.inputs.iter().position(|(known, ..)| *known == input).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_is_there_once_and_is_of_one_kind() {
        for rows in [TIERS, MACHINE] {
            let table = Table::new(rows);
            for (n, (input, kind, whose)) in table.inputs.iter().enumerate() {
                assert_eq!(table.number(*input), n);
                assert!(table.of_name(input.name).contains(&n));
                for row in rows {
                    let (of, is) = match row.form {
                        Rate(a, _) => (vec![a], Kind::Counter),
                        Mean(a) => (vec![a], Kind::Gauge),
                        Size(a) => (vec![a], Kind::Size),
                        Quotient(a, b) => (vec![a, b], Kind::Size),
                        Per(a, b, _) => (vec![a, b], Kind::Counter),
                    };
                    assert!(!of.contains(input) || (is == *kind && row.whose == *whose), "{}", input.name);
                }
            }
        }
        assert_eq!(Table::new(TIERS).of_name("node_cpu_seconds_total").len(), 2);
        assert!(Table::new(TIERS).of_name("up").is_empty());
    }
}
