//! What the database tells Prometheus, as mysqld_exporter does (`figures`). Given the administrator's way in, it asks the server at
//! every scrape, by one statement, and now and then what is seldom changed; a server that does not answer in time gives
//! `mysql_up 0`, and none of the figures that it had before.

use super::figures::{self, Rows};
use crate::cgroup::Group;
use crate::{metrics, pace};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use mysql_async::prelude::Queryable;
use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How long a scrape waits for the server.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How old the variables may be, which somebody has to set by hand.
const VARIABLES_LIMIT: Duration = Duration::from_secs(30);

struct Exporter {
    registry: Registry,
    pool: Pool,
    status_query: String,
    variables_query: String,
    latest: Latest,
}

/// What the last scrape found; what is shown is the registry's copy of it.
#[derive(Clone, Debug, Default)]
struct Latest(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    scrapes: u64,
    errors: u64,
    /// None where the server did not answer.
    status: Option<Rows>,
    took: Duration,
    variables: Option<(Rows, Instant)>,
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
    let begun = pace::now();
    let answered = pace::within(ANSWER_LIMIT, exporter.ask(begun)).await;
    exporter.latest.keep(answered.and_then(Result::ok), pace::now() - begun);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&exporter.registry))
}

impl Exporter {
    fn new(administrator: Opts, pid: u32, group: Option<Group>) -> Self {
        let mut registry = metrics::registry(pid);
        group.into_iter().for_each(|group| registry.register_collector(Box::new(group)));
        let latest = Latest::default();
        registry.register_collector(Box::new(latest.clone()));
        // One connection, kept: a scrape shall not show up in what it measures more than it must.
        let one = PoolOpts::default()
            .with_constraints(PoolConstraints::new(1, 1).unwrap_or_default())
            .with_reset_connection(false);
        let pool = Pool::new(OptsBuilder::from_opts(administrator).pool_opts(one));
        let (status_query, variables_query) = (figures::status_query(), figures::variables_query());
        Self { registry, pool, status_query, variables_query, latest }
    }

    /// The status; and the variables where they are not known, or old.
    async fn ask(&self, now: Instant) -> mysql_async::Result<Rows> {
        let mut conn = self.pool.get_conn().await?;
        let known = self.latest.lock().variables.as_ref().map(|(_, since)| *since);
        if known.is_none_or(|since| now.saturating_duration_since(since) >= VARIABLES_LIMIT) {
            let variables = conn.query(&self.variables_query).await?;
            self.latest.lock().variables = Some((variables, now));
        }
        conn.query(&self.status_query).await
    }
}

impl Latest {
    fn keep(&self, status: Option<Rows>, took: Duration) {
        let mut found = self.lock();
        found.scrapes += 1;
        if status.is_none() {
            found.errors += 1;
            // It may come back as another one.
            found.variables = None;
        }
        found.took = took;
        found.status = status;
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        // Whatever is in it was found.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Latest {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let found = self.lock();
        let up = f64::from(u8::from(found.status.is_some()));
        figures::gauge(&mut encoder, "up", "Whether the MySQL server is up.", up)?;
        let help = "Whether the last scrape of metrics from MySQL resulted in an error (1 for error, 0 for success).";
        figures::gauge(&mut encoder, "exporter_last_scrape_error", help, 1.0 - up)?;
        for (name, help, value) in [
            ("mysql_exporter_scrapes", "Total number of times MySQL was scraped for metrics.", found.scrapes),
            (
                "mysql_exporter_scrape_errors",
                "Total number of times an error occurred scraping a MySQL.",
                found.errors,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let (name, help) = ("mysql_exporter_collector_duration_seconds", "Collector time duration.");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        let labels = [("collector", "collect.global_status")];
        metric.encode_family(&labels)?.encode_gauge(&found.took.as_secs_f64())?;
        if let Some(status) = &found.status {
            figures::encode_status(status, &mut encoder)?;
        }
        match &found.variables {
            Some((variables, _)) => figures::encode_variables(variables, &mut encoder),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_answer_has_no_figures() {
        let latest = Latest::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(latest.clone()));
        let rows = || vec![(String::from("Threads_running"), String::from("3"))];
        latest.keep(Some(rows()), Duration::from_millis(2));
        let text = metrics::render(&registry);
        for line in [
            "mysql_up 1.0",
            "mysql_exporter_last_scrape_error 0.0",
            "mysql_exporter_scrapes_total 1",
            "mysql_exporter_collector_duration_seconds{collector=\"collect.global_status\"} 0.002",
            "mysql_global_status_threads_running 3.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        latest.keep(None, Duration::from_secs(1));
        let text = metrics::render(&registry);
        for line in
            ["mysql_up 0.0", "mysql_exporter_last_scrape_error 1.0", "mysql_exporter_scrape_errors_total 1"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("threads_running"), "{text}");
    }
}
