//! What nginx tells Prometheus, under the names that the proxy here has, which are those of nginx's own exporter. Given its
//! address, it asks nginx at every scrape; one that does not answer gives `nginx_up 0` and no numbers of another time.

use super::stub_status::{self, Status};
use crate::cgroup::Group;
use crate::{metrics, pace};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a scrape waits for nginx: less than those who scrape once a second wait for it, since an nginx with too much to
/// do is silent, and its CPU time is what they want to know then.
const ANSWER_LIMIT: Duration = Duration::from_millis(400);

struct Exporter {
    registry: Registry,
    address: SocketAddr,
    asked: AtomicU64,
    seen: Seen,
}

/// What nginx said last, or `None` if it did not answer.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Option<Status>>>);

/// Serves `GET /metrics` of the nginx at `address`, whose master has this pid, and which is in this group and was asked
/// so often already; until it is dropped.
///
/// # Errors
/// When the listener fails.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    pid: u32,
    group: Option<Group>,
    asked: u64,
) -> std::io::Result<()> {
    let mut registry = metrics::family(pid);
    group.into_iter().for_each(|group| registry.register_collector(Box::new(group)));
    let seen = Seen::default();
    registry.register_collector(Box::new(seen.clone()));
    let exporter = Arc::new(Exporter { registry, address, asked: AtomicU64::new(asked), seen });
    axum::serve(listener, Router::new().route("/metrics", get(scrape)).with_state(exporter)).await
}

async fn scrape(State(exporter): State<Arc<Exporter>>) -> impl IntoResponse {
    exporter.refresh().await;
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&exporter.registry))
}

impl Exporter {
    async fn refresh(&self) {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let answered = pace::within(ANSWER_LIMIT, stub_status::ask(self.address)).await;
        self.seen.set(answered.and_then(Result::ok).map(|status| status.without(asked)));
    }
}

impl Seen {
    fn set(&self, status: Option<Status>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn get(&self) -> Option<Status> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.get();
        let mut encode = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        let up = ConstGauge::new(i64::from(status.is_some()));
        encode("nginx_up", "Whether nginx answered this scrape", &up)?;
        let Some(status) = status else { return Ok(()) };
        for (name, help, count) in [
            ("nginx_connections_accepted", "Client connections accepted, less the scrapes'", status.accepted),
            ("nginx_connections_handled", "Client connections handled, less the scrapes'", status.handled),
            ("nginx_http_requests", "Client requests, less the scrapes'", status.requests),
        ] {
            encode(name, help, &ConstCounter::new(count))?;
        }
        for (name, help, count) in [
            ("nginx_connections_active", "Client connections open", status.active),
            ("nginx_connections_reading", "Connections whose request is being read", status.reading),
            ("nginx_connections_writing", "Connections with a request", status.writing),
            ("nginx_connections_waiting", "Connections without a request", status.waiting),
        ] {
            encode(name, help, &ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_names_and_silence_has_none() {
        let (seen, mut registry) = (Seen::default(), Registry::default());
        registry.register_collector(Box::new(seen.clone()));
        let silence = "nginx_up 0\n";
        assert!(metrics::render(&registry).contains(silence));
        let status =
            Status { accepted: 7, handled: 6, requests: 5, active: 4, reading: 3, writing: 2, waiting: 1 };
        seen.set(Some(status));
        let text = metrics::render(&registry);
        for line in [
            "nginx_up 1",
            "nginx_connections_accepted_total 7",
            "nginx_connections_handled_total 6",
            "nginx_http_requests_total 5",
            "nginx_connections_active 4",
            "nginx_connections_reading 3",
            "nginx_connections_writing 2",
            "nginx_connections_waiting 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        seen.set(None);
        let text = metrics::render(&registry);
        assert!(text.contains(silence) && !text.contains("nginx_http"), "{text}");
    }

    #[tokio::test]
    async fn where_nobody_listens_it_is_down() {
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listener.local_addr().expect("its address")
        };
        let seen = Seen::default();
        seen.set(Some(Status::default()));
        let registry = Registry::default();
        let exporter = Exporter { registry, address, asked: AtomicU64::new(0), seen };
        exporter.refresh().await;
        assert_eq!(exporter.seen.get(), None);
    }
}
