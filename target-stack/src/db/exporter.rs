//! What the database tells Prometheus, under the names of mysqld_exporter, so that its dashboards fit. Given the
//! administrator's way in, it asks the server at every scrape; a server that does not answer gives `mysql_up 0`.

use crate::cgroup::Group;
use crate::{metrics, pace};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use mysql_async::prelude::Queryable;
use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a scrape waits for the server.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The status variables that are exported, in lower case as mysqld_exporter writes them. It has them untyped, and
/// OpenMetrics allows a counter no name without `_total`: hence gauges.
const STATUS: [(&str, &str); 8] = [
    ("threads_connected", "Open client connections"),
    ("threads_running", "Threads that are not asleep"),
    ("questions", "Statements that clients sent"),
    ("slow_queries", "Queries that took longer than long_query_time"),
    ("innodb_row_lock_waits", "How often an operation had to wait for a row lock"),
    ("innodb_row_lock_time", "Time spent waiting for row locks, in milliseconds"),
    ("innodb_buffer_pool_reads", "Pages that had to be read from disk"),
    ("innodb_buffer_pool_read_requests", "Pages that were asked for"),
];

const QUERY: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running', \
    'Questions', 'Slow_queries', 'Innodb_row_lock_waits', 'Innodb_row_lock_time', 'Innodb_buffer_pool_reads', \
    'Innodb_buffer_pool_read_requests')";

struct Exporter {
    registry: Registry,
    pool: Pool,
    up: Gauge,
    status: [Gauge; STATUS.len()],
}

/// Serves `GET /metrics` of the server with this pid and in this group, until it is dropped.
///
/// # Errors
/// When the listener fails.
pub(super) async fn serve(
    listener: TcpListener,
    administrator: Opts,
    pid: u32,
    group: Option<Group>,
) -> std::io::Result<()> {
    let exporter = Arc::new(Exporter::new(administrator, pid, group));
    axum::serve(listener, Router::new().route("/metrics", get(scrape)).with_state(exporter)).await
}

async fn scrape(State(exporter): State<Arc<Exporter>>) -> impl IntoResponse {
    let answered = pace::within(ANSWER_LIMIT, exporter.refresh()).await;
    exporter.up.set(i64::from(matches!(answered, Some(Ok(())))));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&exporter.registry))
}

impl Exporter {
    fn new(administrator: Opts, pid: u32, group: Option<Group>) -> Self {
        let mut registry = metrics::registry(pid);
        group.into_iter().for_each(|group| registry.register_collector(Box::new(group)));
        let up = Gauge::default();
        registry.register("mysql_up", "Whether the server answered this scrape", up.clone());
        let status = STATUS.map(|(name, help)| {
            let gauge = Gauge::default();
            registry.register(format!("mysql_global_status_{name}"), help, gauge.clone());
            gauge
        });
        // One connection, kept: a scrape shall not show up in what it measures more than it must.
        let one = PoolOpts::default()
            .with_constraints(PoolConstraints::new(1, 1).unwrap_or_default())
            .with_reset_connection(false);
        let pool = Pool::new(OptsBuilder::from_opts(administrator).pool_opts(one));
        Self { registry, pool, up, status }
    }

    async fn refresh(&self) -> mysql_async::Result<()> {
        let mut conn = self.pool.get_conn().await?;
        for (variable, value) in conn.query::<(String, String), _>(QUERY).await? {
            let place = STATUS.iter().position(|(name, _)| name.eq_ignore_ascii_case(&variable));
            if let (Some(place), Ok(value)) = (place, value.parse()) {
                self.status[place].set(value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exported_variable_is_asked_for() {
        let asked = QUERY.to_lowercase();
        for (name, _) in STATUS {
            assert!(asked.contains(&format!("'{name}'")), "{name}");
        }
        assert_eq!(asked.matches('\'').count(), 2 * STATUS.len());
    }
}
