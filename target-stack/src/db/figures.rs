//! The server's figures under the names, types, labels and words of mysqld_exporter (collector/global_status.go and
//! global_variables.go), so that dashboards made for it find what they look for. Given the rows of SHOW GLOBAL STATUS and SHOW
//! GLOBAL VARIABLES it gives metrics; of the several hundred it asks for those that the usual dashboards draw.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::fmt::Error;

/// Rows as the server gives them: name and value.
pub(super) type Rows = Vec<(String, String)>;

const STATUS: &str = "Aborted_clients Aborted_connects Binlog_cache_disk_use Binlog_cache_use Bytes_received Bytes_sent \
    Connections Created_tmp_disk_tables Created_tmp_files Created_tmp_tables Innodb_buffer_pool_bytes_data \
    Innodb_buffer_pool_bytes_dirty Innodb_buffer_pool_read_ahead Innodb_buffer_pool_read_requests \
    Innodb_buffer_pool_reads Innodb_buffer_pool_wait_free Innodb_buffer_pool_write_requests Innodb_checkpoint_age \
    Innodb_data_fsyncs Innodb_data_read Innodb_data_reads Innodb_data_writes Innodb_data_written Innodb_deadlocks \
    Innodb_history_list_length Innodb_log_waits Innodb_log_write_requests Innodb_log_writes Innodb_num_open_files \
    Innodb_os_log_written Innodb_page_size Innodb_pages_created Innodb_pages_read Innodb_pages_written \
    Innodb_row_lock_current_waits Innodb_row_lock_time Innodb_row_lock_time_avg Innodb_row_lock_time_max \
    Innodb_row_lock_waits Max_used_connections Open_files Open_table_definitions Open_tables Opened_files \
    Opened_table_definitions Opened_tables Prepared_stmt_count Qcache_free_memory Qcache_hits Qcache_inserts \
    Qcache_lowmem_prunes Qcache_not_cached Qcache_queries_in_cache Queries Questions Select_full_join \
    Select_full_range_join Select_range Select_range_check Select_scan Slow_queries Sort_merge_passes Sort_range \
    Sort_rows Sort_scan Table_locks_immediate Table_locks_waited Table_open_cache_hits Table_open_cache_misses \
    Table_open_cache_overflows Threads_cached Threads_connected Threads_created Threads_running Uptime";

const VARIABLES: &str = "innodb_buffer_pool_size innodb_flush_log_at_trx_commit innodb_log_buffer_size \
    innodb_log_file_size innodb_page_size innodb_version key_buffer_size long_query_time max_connections \
    max_heap_table_size open_files_limit query_cache_size read_only slow_query_log sync_binlog table_definition_cache \
    table_open_cache thread_cache_size tmp_table_size version version_comment";

/// The variables that are texts, and the labels of `mysql_version_info`.
const TEXTS: [&str; 3] = ["innodb_version", "version", "version_comment"];

/// Status variables whose last part is a label: the variables' beginning, the metric, its help, the label.
const GROUPS: [(&str, &str, &str, &str); 5] = [
    ("com_", "commands", "Total number of executed MySQL commands.", "command"),
    ("handler_", "handlers", "Total number of executed MySQL handlers.", "handler"),
    ("connection_errors_", "connection_errors", "Total number of MySQL connection errors.", "error"),
    ("innodb_rows_", "innodb_row_ops", "Total number of MySQL InnoDB row operations.", "operation"),
    (PAGES, "buffer_pool_page_changes", "Innodb buffer pool page state changes.", "operation"),
];
/// Pages by state are no changes of pages.
const PAGES: &str = "innodb_buffer_pool_pages_";
const STATES: [&str; 4] = ["data", "free", "misc", "old"];

fn quoted(names: &str) -> String {
    let names: Vec<String> = names.split_whitespace().map(|name| format!("'{name}'")).collect();
    names.join(", ")
}

/// What asks for the status. Commands that were never given are left out: there are some hundred and fifty.
pub(super) fn status_query() -> String {
    // An underscore would stand for any character.
    let like = |start: &str| format!("Variable_name LIKE '{}%'", start.replace('_', "\\_"));
    let groups: Vec<String> = GROUPS[1..].iter().map(|(start, ..)| like(start)).collect();
    format!(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ({}) OR {} OR ({} AND Value > 0)",
        quoted(STATUS),
        groups.join(" OR "),
        like(GROUPS[0].0)
    )
}

/// What asks for the variables.
pub(super) fn variables_query() -> String {
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})", quoted(VARIABLES))
}

/// A value as mysqld_exporter reads it; a text is none.
fn number(value: &str) -> Option<f64> {
    match value {
        "ON" | "Yes" | "YES" => Some(1.0),
        "OFF" | "No" | "NO" => Some(0.0),
        _ => value.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// Names in lower case, with the values that are numbers.
fn numbers(rows: &Rows) -> BTreeMap<String, f64> {
    let name = |name: &str| name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    rows.iter().filter_map(|(variable, value)| Some((name(variable), number(value)?))).collect()
}

/// Writes the metrics of the status.
pub(super) fn encode_status(rows: &Rows, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let mut plain = numbers(rows);
    for (start, metric, help, label) in GROUPS {
        let mut members = Vec::new();
        plain.retain(|name, value| {
            let member = name.strip_prefix(start).filter(|member| start != PAGES || !is_state(member));
            members.extend(member.map(|member| (member.to_owned(), *value)));
            member.is_none()
        });
        family(encoder, (metric, help, MetricType::Counter), label, &members)?;
    }
    let state = |state: &&str| Some(((*state).to_owned(), *plain.get(&format!("{PAGES}{state}"))?));
    let states: Vec<(String, f64)> = STATES.iter().filter_map(state).collect();
    family(
        encoder,
        ("buffer_pool_pages", "Innodb buffer pool pages by state.", MetricType::Gauge),
        "state",
        &states,
    )?;
    if let Some(dirty) = plain.get(&format!("{PAGES}dirty")) {
        gauge(encoder, "global_status_buffer_pool_dirty_pages", "Innodb buffer pool dirty pages.", *dirty)?;
    }
    for (name, value) in plain.iter().filter(|(name, _)| !name.starts_with(PAGES)) {
        let name = format!("mysql_global_status_{name}");
        let help = "Generic metric from SHOW GLOBAL STATUS.";
        ConstGauge::new(*value).encode(encoder.encode_descriptor(
            &name,
            help,
            None,
            MetricType::Unknown,
        )?)?;
    }
    Ok(())
}

/// Of the pages, what they are and not what becomes of them.
fn is_state(member: &str) -> bool {
    STATES.contains(&member) || ["dirty", "total"].contains(&member)
}

/// Writes the metrics of the variables.
pub(super) fn encode_variables(rows: &Rows, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    for (name, value) in numbers(rows).iter().filter(|(name, _)| !TEXTS.contains(&name.as_str())) {
        let help = "Generic gauge metric from SHOW GLOBAL VARIABLES.";
        gauge(encoder, &format!("global_variables_{name}"), help, *value)?;
    }
    let text = |name: &'static str| {
        let row = rows.iter().find(|(variable, _)| variable.eq_ignore_ascii_case(name));
        (name, row.map_or(String::new(), |(_, value)| value.clone()))
    };
    let help = "MySQL version and distribution.";
    let mut metric = encoder.encode_descriptor("mysql_version_info", help, None, MetricType::Gauge)?;
    metric.encode_family(&TEXTS.map(text))?.encode_gauge(&1_i64)
}

/// Writes one gauge.
pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), Error> {
    let name = format!("mysql_{name}");
    let metric = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, kind): (&str, &str, MetricType),
    label: &'static str,
    members: &[(String, f64)],
) -> Result<(), Error> {
    if members.is_empty() {
        return Ok(());
    }
    let name = format!("mysql_global_status_{name}");
    let mut metric: MetricEncoder<'_> = encoder.encode_descriptor(&name, help, None, kind)?;
    for (member, value) in members {
        let labels = [(label, member.as_str())];
        let mut one = metric.encode_family(&labels)?;
        match kind {
            MetricType::Counter => one.encode_counter::<NoLabelSet, _, f64>(value, None)?,
            _ => one.encode_gauge(value)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    #[derive(Debug)]
    struct Of(Rows, Rows);

    impl Collector for Of {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
            encode_status(&self.0, &mut encoder)?;
            encode_variables(&self.1, &mut encoder)
        }
    }

    fn rows(rows: &[(&str, &str)]) -> Rows {
        rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_names_types_and_labels_are_mysqld_exporter_s() {
        let status = rows(&[
            ("Com_select", "7"),
            ("Com_show_status", "1"),
            ("Connection_errors_internal", "0"),
            ("Handler_read_key", "12"),
            ("Innodb_buffer_pool_pages_data", "40"),
            ("Innodb_buffer_pool_pages_dirty", "3"),
            ("Innodb_buffer_pool_pages_flushed", "5"),
            ("Innodb_buffer_pool_pages_free", "60"),
            ("Innodb_buffer_pool_pages_total", "100"),
            ("Innodb_buffer_pool_read_requests", "1234567"),
            ("Innodb_rows_read", "99"),
            ("Rpl_status", "AUTH_MASTER"),
            ("Threads_running", "2"),
        ]);
        let variables = rows(&[
            ("innodb_version", "10.11.19"),
            ("long_query_time", "10.000000"),
            ("max_connections", "200"),
            ("slow_query_log", "OFF"),
            ("version", "8.0"),
            ("version_comment", "a \"b\""),
        ]);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Of(status, variables)));
        let text = crate::metrics::render(&registry);
        let want = "\
# HELP mysql_global_status_commands Total number of executed MySQL commands.
# TYPE mysql_global_status_commands counter
mysql_global_status_commands_total{command=\"select\"} 7.0
mysql_global_status_commands_total{command=\"show_status\"} 1.0
# HELP mysql_global_status_handlers Total number of executed MySQL handlers.
# TYPE mysql_global_status_handlers counter
mysql_global_status_handlers_total{handler=\"read_key\"} 12.0
# HELP mysql_global_status_connection_errors Total number of MySQL connection errors.
# TYPE mysql_global_status_connection_errors counter
mysql_global_status_connection_errors_total{error=\"internal\"} 0.0
# HELP mysql_global_status_innodb_row_ops Total number of MySQL InnoDB row operations.
# TYPE mysql_global_status_innodb_row_ops counter
mysql_global_status_innodb_row_ops_total{operation=\"read\"} 99.0
# HELP mysql_global_status_buffer_pool_page_changes Innodb buffer pool page state changes.
# TYPE mysql_global_status_buffer_pool_page_changes counter
mysql_global_status_buffer_pool_page_changes_total{operation=\"flushed\"} 5.0
# HELP mysql_global_status_buffer_pool_pages Innodb buffer pool pages by state.
# TYPE mysql_global_status_buffer_pool_pages gauge
mysql_global_status_buffer_pool_pages{state=\"data\"} 40.0
mysql_global_status_buffer_pool_pages{state=\"free\"} 60.0
# HELP mysql_global_status_buffer_pool_dirty_pages Innodb buffer pool dirty pages.
# TYPE mysql_global_status_buffer_pool_dirty_pages gauge
mysql_global_status_buffer_pool_dirty_pages 3.0
# HELP mysql_global_status_innodb_buffer_pool_read_requests Generic metric from SHOW GLOBAL STATUS.
# TYPE mysql_global_status_innodb_buffer_pool_read_requests unknown
mysql_global_status_innodb_buffer_pool_read_requests 1234567.0
# HELP mysql_global_status_threads_running Generic metric from SHOW GLOBAL STATUS.
# TYPE mysql_global_status_threads_running unknown
mysql_global_status_threads_running 2.0
# HELP mysql_global_variables_long_query_time Generic gauge metric from SHOW GLOBAL VARIABLES.
# TYPE mysql_global_variables_long_query_time gauge
mysql_global_variables_long_query_time 10.0
# HELP mysql_global_variables_max_connections Generic gauge metric from SHOW GLOBAL VARIABLES.
# TYPE mysql_global_variables_max_connections gauge
mysql_global_variables_max_connections 200.0
# HELP mysql_global_variables_slow_query_log Generic gauge metric from SHOW GLOBAL VARIABLES.
# TYPE mysql_global_variables_slow_query_log gauge
mysql_global_variables_slow_query_log 0.0
# HELP mysql_version_info MySQL version and distribution.
# TYPE mysql_version_info gauge
mysql_version_info{innodb_version=\"10.11.19\",version=\"8.0\",version_comment=\"a \\\"b\\\"\"} 1
# EOF
";
        assert_eq!(text, want, "\n{text}");
    }

    #[test]
    fn what_is_asked_for_is_what_is_named() {
        let status = status_query();
        for part in
            ["'Threads_running'", "LIKE 'Handler\\_%'", "(Variable_name LIKE 'com\\_%' AND Value > 0)"]
        {
            assert!(status.to_lowercase().contains(&part.to_lowercase()), "{part} in {status}");
        }
        assert!(variables_query().ends_with("'version_comment')"));
    }
}
