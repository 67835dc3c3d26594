//! What the proxy tells Prometheus: the names of nginx's exporter, and its own per upstream. Given the configuration,
//! it gives handles resolved beforehand, so that serving a request costs a few additions and no look-up.

mod upstreams;

use upstreams::Families;
pub(crate) use upstreams::{PeerCounters, UpstreamCounters};

use super::config::Config;
use super::guard::Refusal;
use crate::integral::Integral;
use crate::pace;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// Upper bounds in seconds.
const BOUNDS: [f64; 17] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 60.0,
];

/// All of the proxy's counters, shared by its workers.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    pub(crate) accepted: Counter,
    pub(crate) handled: Counter,
    pub(crate) active: Gauge,
    pub(crate) writing: Gauge,
    pub(crate) waiting: Gauge,
    pub(crate) requests: Counter,
    pub(crate) log_lines_dropped: Counter,
    /// Time from a request's head to the end of its answer.
    pub(crate) duration: Spans,
    /// The same time of all requests, over time.
    pub(crate) in_flight: Integral,
    /// Time from the first try at an upstream's server to the end of its answer.
    pub(crate) upstream_response: Spans,
    pub(crate) idle: Gauge,
    pub(crate) busy: Gauge,
    /// Workers that serve, and those that end what is under way.
    pub(crate) serving: Gauge,
    pub(crate) leaving: Gauge,
    /// Reloads that were done, and those that a bad configuration kept from being done.
    pub(crate) reloads: Counter,
    pub(crate) failed_reloads: Counter,
    by_class: [Counter; CLASSES.len()],
    refused: Family<Reason, Counter>,
    /// By upstream.
    upstreams: Vec<UpstreamCounters>,
    families: Families,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Counters {
    /// Counters for `config`, registered under their names.
    pub(crate) fn register(config: &Config, registry: &mut Registry) -> Self {
        let codes = Family::<Code, Counter>::default();
        let links = Family::<State, Gauge>::default();
        let workers = Family::<State, Gauge>::default();
        let reloads = Family::<ResultLabel, Counter>::default();
        let families = Families::register(registry);
        let counters = Self {
            accepted: Counter::default(),
            handled: Counter::default(),
            active: Gauge::default(),
            writing: Gauge::default(),
            waiting: Gauge::default(),
            requests: Counter::default(),
            log_lines_dropped: Counter::default(),
            duration: Spans::default(),
            in_flight: Integral::new(pace::now()),
            upstream_response: Spans::default(),
            idle: links.get_or_create_owned(&State { state: "idle" }),
            busy: links.get_or_create_owned(&State { state: "busy" }),
            by_class: CLASSES.map(|code| codes.get_or_create_owned(&Code { code })),
            refused: Family::default(),
            serving: workers.get_or_create_owned(&State { state: "serving" }),
            leaving: workers.get_or_create_owned(&State { state: "leaving" }),
            reloads: reloads.get_or_create_owned(&ResultLabel { result: "ok" }),
            failed_reloads: reloads.get_or_create_owned(&ResultLabel { result: "failed" }),
            upstreams: families.upstreams(config),
            families,
        };
        let c = &counters;
        registry.register("nginx_connections_accepted", "Client connections accepted", c.accepted.clone());
        registry.register("nginx_connections_handled", "Client connections handled", c.handled.clone());
        registry.register("nginx_connections_active", "Client connections open", c.active.clone());
        registry.register("nginx_connections_reading", "Always 0: see waiting", Gauge::<i64>::default());
        registry.register("nginx_connections_writing", "Connections with a request", c.writing.clone());
        registry.register("nginx_connections_waiting", "Connections without a request", c.waiting.clone());
        registry.register("nginx_http_requests", "Client requests", c.requests.clone());
        registry.register("proxy_http_requests", "Client requests by class of status", codes);
        let refused = "Requests refused before anything else was done with them, by reason";
        registry.register("proxy_requests_refused", refused, c.refused.clone());
        registry.register("proxy_upstream_connections", "Upstream connections by state", links);
        registry.register("proxy_request_duration_seconds", "Head in to answer out", c.duration.clone());
        registry.register(
            "proxy_requests_in_flight_seconds",
            "Requests between head in and answer out, over time: those of proxy_request_duration_seconds",
            c.in_flight.clone(),
        );
        registry.register(
            "proxy_upstream_response_seconds",
            "First try at an upstream to the end of its answer",
            c.upstream_response.clone(),
        );
        registry.register("proxy_log_lines_dropped", "Log lines lost", c.log_lines_dropped.clone());
        registry.register("proxy_workers", "Workers by state", workers);
        registry.register("proxy_reloads", "Reloads of the configuration by result", reloads);
        counters.show(config);
        counters
    }

    /// The same counters with those of the upstreams of another configuration, which go on where they were.
    pub(crate) fn renewed(&self, config: &Config) -> Self {
        Self { upstreams: self.families.upstreams(config), ..self.clone() }
    }

    /// Has the servers of `config`, whose counters these are, be those of which it is told whether they take requests.
    pub(crate) fn show(&self, config: &Config) {
        self.families.show(config, &self.upstreams);
    }

    /// Counts an answer of this status to a client.
    pub(crate) fn answered(&self, status: u16) {
        self.by_class[class(status)].inc();
    }

    /// Counts a request that the guard refused.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&Reason { reason: refusal.name() }).inc();
    }

    /// How many were refused for this reason.
    #[cfg(test)]
    pub(crate) fn refusals(&self, refusal: Refusal) -> u64 {
        self.refused.get_or_create(&Reason { reason: refusal.name() }).get()
    }

    /// The counters of an upstream.
    pub(crate) fn upstream(&self, upstream: usize) -> &UpstreamCounters {
        &self.upstreams[upstream]
    }
}

fn class(status: u16) -> usize {
    usize::from(status / 100).checked_sub(1).filter(|&class| class < 5).unwrap_or(5)
}

/// A histogram of spans without a lock, which the library's own has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Arc<SpanCells>);

#[derive(Debug, Default)]
struct SpanCells {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Spans {
    pub(crate) fn observe(&self, span: Duration) {
        let seconds = span.as_secs_f64();
        let bucket = BOUNDS.partition_point(|&bound| bound < seconds);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl EncodeMetric for Spans {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(&self.0.counts).map(|(bound, count)| (bound, count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<Vec<(String, String)>>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// What a connection to a server is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Idle,
    Busy,
}

/// A connection to a server, counted among those that are in the same use, for as long as it lives.
#[derive(Debug)]
pub(crate) struct CountedLink {
    idle: Gauge,
    busy: Gauge,
    used: Use,
}

impl CountedLink {
    pub(crate) fn new(counters: &Counters, used: Use) -> Self {
        let link = Self { idle: counters.idle.clone(), busy: counters.busy.clone(), used };
        link.gauge().inc();
        link
    }

    /// From now on it is in another use.
    pub(crate) fn turn(&mut self, used: Use) {
        self.gauge().dec();
        self.used = used;
        self.gauge().inc();
    }

    fn gauge(&self) -> &Gauge {
        if self.used == Use::Idle { &self.idle } else { &self.busy }
    }
}

impl Drop for CountedLink {
    fn drop(&mut self) {
        self.gauge().dec();
    }
}

/// One in a gauge, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics;

    #[test]
    fn spans_fall_into_their_buckets() {
        let spans = Spans::default();
        for micros in [50, 100, 101, 70_000_000] {
            spans.observe(Duration::from_micros(micros));
        }
        let mut registry = Registry::default();
        registry.register("x", "x", spans);
        let text = metrics::render(&registry);
        for line in [
            "x_count 4",
            "x_bucket{le=\"0.0001\"} 2",
            "x_bucket{le=\"0.00025\"} 3",
            "x_bucket{le=\"+Inf\"} 4",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn statuses_have_classes() {
        for (status, want) in [(100, 0), (200, 1), (499, 3), (504, 4), (600, 5), (99, 5), (0, 5)] {
            assert_eq!(class(status), want, "{status}");
        }
    }
}
