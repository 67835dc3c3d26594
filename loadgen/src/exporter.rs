//! What a run says of itself while it goes on, for Prometheus to scrape. Given merged intervals as they pass, it keeps
//! sums and bucket counts, and serves them as OpenMetrics over HTTP from the main thread; the sending threads neither know
//! of it nor wait for it.

use crate::interval::Interval;
use crate::pace;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use reports::histogram::Histogram;
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is served, and as what.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the buckets of both histograms, in seconds.
const BOUNDS: [f64; 18] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];
/// A scrape takes at most so long.
const LIMIT: Duration = Duration::from_secs(5);
/// So many scrapes at a time; further ones are hung up on.
const MOST: usize = 16;
/// After a connection could not be accepted, for want of descriptors, it is tried again this much later.
const AGAIN: Duration = Duration::from_millis(200);

/// Serves a run's metrics until it is dropped.
#[derive(Debug)]
pub(crate) struct Exporter {
    sums: Arc<Mutex<Sums>>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Begins to serve on `listener`; must be called within a `LocalSet`.
    ///
    /// # Errors
    /// When the listener cannot be used in the current runtime.
    pub(crate) fn serve(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let sums = Arc::new(Mutex::new(Sums::default()));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Metrics(Arc::clone(&sums))));
        Ok(Self { sums, task: tokio::task::spawn_local(accept(listener, Rc::new(registry))) })
    }

    /// Another interval is past.
    pub(crate) fn show(&self, interval: &Interval) {
        if let Ok(mut sums) = self.sums.lock() {
            sums.add(interval);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, registry: Rc<Registry>) {
    let open = Rc::new(Cell::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            pace::pause(AGAIN).await;
            continue;
        };
        if open.get() < MOST {
            open.set(open.get() + 1);
            let (open, registry) = (Rc::clone(&open), Rc::clone(&registry));
            tokio::task::spawn_local(async move {
                let _ = pace::within(LIMIT, answer(stream, &registry)).await;
                open.set(open.get() - 1);
            });
        }
    }
}

/// One scrape. Whoever asks and does not listen is no concern of the run's.
async fn answer(stream: TcpStream, registry: &Registry) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(respond(&request, registry)) });
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}

fn respond(request: &Request<Incoming>, registry: &Registry) -> Response<Full<Bytes>> {
    let mut out = String::new();
    let status = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") if text::encode(&mut out, registry).is_ok() => {
            StatusCode::OK
        }
        (&Method::GET | &Method::HEAD, "/metrics") => StatusCode::INTERNAL_SERVER_ERROR,
        (_, "/metrics") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response =
        Response::new(Full::new(Bytes::from(if status == StatusCode::OK { out } else { String::new() })));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// The run so far, its warm-up included.
#[derive(Debug, Default)]
struct Sums {
    planned: u64,
    sent: u64,
    ok: u64,
    errors: u64,
    dropped: u64,
    in_flight: u64,
    backlog: u64,
    connections: u64,
    response: Buckets,
    send_lag: Buckets,
}

impl Sums {
    fn add(&mut self, interval: &Interval) {
        self.planned += interval.planned + interval.planned_before.values().sum::<u64>();
        self.sent += interval.sent;
        self.ok += interval.ok;
        self.errors += interval.errors;
        self.dropped += interval.dropped;
        self.in_flight = interval.gauges.in_flight;
        self.backlog = interval.gauges.backlog;
        self.connections = interval.gauges.connections;
        self.response.add(&interval.times.response);
        self.send_lag.add(&interval.times.send_lag);
    }
}

/// A histogram with fixed bounds.
#[derive(Debug, Default)]
struct Buckets {
    /// By [`BOUNDS`], and what is past them.
    counts: [u64; BOUNDS.len() + 1],
    sum_s: f64,
}

impl Buckets {
    fn add(&mut self, times: &Histogram) {
        for (ns, n) in times.recorded() {
            let seconds = ns as f64 / 1e9;
            self.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += n;
            self.sum_s += seconds * n as f64;
        }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.counts).collect();
        encoder.encode_descriptor(name, help, None, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(
            self.sum_s,
            self.counts.iter().sum(),
            &buckets,
            None,
        )
    }
}

#[derive(Debug)]
struct Metrics(Arc<Mutex<Sums>>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let sums = self.0.lock().map_err(|_| fmt::Error)?;
        let mut requests = encoder.encode_descriptor(
            "loadgen_requests",
            "Requests that ended, by outcome",
            None,
            MetricType::Counter,
        )?;
        for (outcome, n) in [("ok", sums.ok), ("error", sums.errors), ("dropped", sums.dropped)] {
            requests
                .encode_family(&[("outcome", outcome)])?
                .encode_counter::<NoLabelSet, u64, u64>(&n, None)?;
        }
        for (name, help, n) in [
            ("loadgen_planned", "Requests whose intended instant came", sums.planned),
            ("loadgen_sent", "Requests of which the first byte was written", sums.sent),
        ] {
            let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            counter.encode_counter::<NoLabelSet, u64, u64>(&n, None)?;
        }
        for (name, help, n) in [
            ("loadgen_in_flight", "Requests sent and not yet ended", sums.in_flight),
            ("loadgen_backlog", "Requests waiting for a connection", sums.backlog),
            ("loadgen_connections", "Open connections", sums.connections),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&n)?;
        }
        let help = "From the intended instant to the end of the answer";
        sums.response.encode(&mut encoder, "loadgen_response_seconds", help)?;
        sums.send_lag.encode(
            &mut encoder,
            "loadgen_send_lag_seconds",
            "From the intended instant to the first byte written",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Gauges;

    fn interval() -> Interval {
        let gauges = Gauges { in_flight: 2, backlog: 1, connections: 7 };
        let mut interval = Interval { planned: 5, sent: 4, ok: 2, errors: 1, gauges, ..Interval::default() };
        interval.planned_before.insert(-1, 1);
        [400_000, 600_000, 40_000_000_000].into_iter().for_each(|ns| interval.times.response.record(ns));
        interval
    }

    async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
        let client = crate::observe::reader(Duration::from_secs(5)).unwrap();
        let call = client.get(format!("http://{address}{path}"));
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_passed_can_be_scraped() {
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let exporter = Exporter::serve(listener).unwrap();
                exporter.show(&interval());
                exporter.show(&interval());
                let (status, text) = get(address, "/metrics").await;
                assert_eq!(status, 200);
                for line in [
                    "loadgen_requests_total{outcome=\"ok\"} 4",
                    "loadgen_requests_total{outcome=\"error\"} 2",
                    "loadgen_requests_total{outcome=\"dropped\"} 0",
                    "loadgen_planned_total 12",
                    "loadgen_sent_total 8",
                    "loadgen_in_flight 2",
                    "loadgen_backlog 1",
                    "loadgen_connections 7",
                    "loadgen_response_seconds_bucket{le=\"0.0005\"} 2",
                    "loadgen_response_seconds_bucket{le=\"30.0\"} 4",
                    "loadgen_response_seconds_bucket{le=\"+Inf\"} 6",
                    "loadgen_response_seconds_count 6",
                    "loadgen_send_lag_seconds_count 0",
                    "# EOF",
                ] {
                    assert!(text.lines().any(|one| one == line), "{line}\n{text}");
                }
                assert_eq!(get(address, "/").await.0, 404);
                drop(exporter);
                // Once it is dropped, its socket closes at the next turn of the runtime.
                while TcpStream::connect(address).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
    }
}
