//! What the app server tells Prometheus. Handles are resolved when it starts, so that a request costs a few atomic
//! additions and no lookup by name. It measures nothing itself: it is given durations.

use super::workers::Workers;
use crate::{metrics, pace};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a visitor does, as the `interaction` label names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Home,
    NewProducts,
    BestSellers,
    ProductDetail,
    Search,
    Cart,
    BuyConfirm,
    OrderDisplay,
    Static,
    Plaintext,
    Db,
    Queries,
    Updates,
    Other,
}

impl Interaction {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Home, "home"),
        (Self::NewProducts, "new_products"),
        (Self::BestSellers, "best_sellers"),
        (Self::ProductDetail, "product_detail"),
        (Self::Search, "search"),
        (Self::Cart, "cart"),
        (Self::BuyConfirm, "buy_confirm"),
        (Self::OrderDisplay, "order_display"),
        (Self::Static, "static"),
        (Self::Plaintext, "plaintext"),
        (Self::Db, "db"),
        (Self::Queries, "queries"),
        (Self::Updates, "updates"),
        (Self::Other, "other"),
    ];
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    interaction: &'static str,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    interaction: &'static str,
}

/// The handles of one interaction.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    interaction: &'static str,
    all: Family<Answered, Counter>,
    /// The usual answer, 200, without a lookup.
    ok: Counter,
    duration: Histogram,
}

impl Requests {
    pub(crate) fn answered(&self, code: u16, took: Duration) {
        if code == 200 {
            self.ok.inc();
        } else {
            self.all.get_or_create(&Answered { interaction: self.interaction, code }).inc();
        }
        self.duration.observe(took.as_secs_f64());
    }
}

/// All metrics of one app server.
#[derive(Debug)]
pub(crate) struct Telemetry {
    registry: Registry,
    requests: [Requests; Interaction::ALL.len()],
    pub(crate) queue_wait: Histogram,
    pub(crate) queue_rejected: Counter,
    pub(crate) pool_wait: Histogram,
    pub(crate) query: Histogram,
    database_errors: Counter,
    /// The second of the last complaint.
    complained: AtomicU64,
    workers: Gauge,
    busy: Gauge,
    waiting: Gauge,
    connections: Gauge,
}

/// 0.1 ms to 10 s, three a decade: from a plain text to a queue's end.
fn buckets() -> Histogram {
    Histogram::new([
        1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

impl Telemetry {
    pub(crate) fn new(pid: u32) -> Self {
        let mut registry = metrics::registry(pid);
        let all = Family::<Answered, Counter>::default();
        let durations = Family::<Asked, Histogram>::new_with_constructor(buckets as fn() -> Histogram);
        registry.register("http_requests", "Requests answered", all.clone());
        registry.register(
            "http_request_duration_seconds",
            "From a request's arrival, with its wait for a worker, to its answer",
            durations.clone(),
        );
        let requests = Interaction::ALL.map(|(_, interaction)| Requests {
            interaction,
            ok: all.get_or_create_owned(&Answered { interaction, code: 200 }),
            all: all.clone(),
            duration: durations.get_or_create_owned(&Asked { interaction }),
        });
        let mut gauge = |name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let workers = gauge("app_workers", "Workers");
        let busy = gauge("app_workers_busy", "Workers that are at work");
        let waiting = gauge("app_queue_length", "Requests that wait for a worker");
        let connections = gauge("db_pool_connections", "Open connections to the database");
        let mut histogram = |name: &str, help: &str| {
            let histogram = buckets();
            registry.register(name, help, histogram.clone());
            histogram
        };
        let queue_wait = histogram("app_queue_wait_seconds", "Waits for a worker");
        let pool_wait = histogram("db_pool_wait_seconds", "Waits for a connection to the database");
        let query =
            histogram("db_query_duration_seconds", "Statements, from their sending to their last row");
        let (queue_rejected, database_errors) = (Counter::default(), Counter::default());
        registry.register(
            "app_queue_rejected",
            "Requests refused: the queue was full",
            queue_rejected.clone(),
        );
        registry.register("db_errors", "Statements and connections that failed", database_errors.clone());
        Self {
            registry,
            requests,
            queue_wait,
            queue_rejected,
            pool_wait,
            query,
            database_errors,
            complained: AtomicU64::new(0),
            workers,
            busy,
            waiting,
            connections,
        }
    }

    /// The handles of one interaction, to keep.
    pub(crate) fn of(&self, interaction: Interaction) -> Requests {
        self.requests[interaction as usize].clone()
    }

    /// Counts a failure of the database, and says why on standard error, once a second at most: visitors are not
    /// told, and under load there would be thousands.
    pub(crate) fn database_failed(&self, error: &impl Display) {
        self.database_errors.inc();
        let second = pace::wall_clock().as_secs();
        if self.complained.swap(second, Ordering::Relaxed) != second {
            // Nothing is left to tell it to when standard error is closed.
            let _ = writeln!(std::io::stderr(), "target-stack app: database: {error}");
        }
    }

    /// All metrics as text, the gauges as they are now.
    pub(crate) fn render(&self, workers: &Workers, connections: usize) -> String {
        let readings = [
            (&self.workers, workers.size()),
            (&self.busy, workers.busy()),
            (&self.waiting, workers.waiting()),
            (&self.connections, connections),
        ];
        for (gauge, value) in readings {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        metrics::render(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interactions_stand_at_their_own_place() {
        for (place, (interaction, _)) in Interaction::ALL.iter().enumerate() {
            assert_eq!(*interaction as usize, place);
        }
    }

    #[test]
    fn an_answer_is_counted_by_interaction_and_code() {
        let telemetry = Telemetry::new(1);
        let search = telemetry.of(Interaction::Search);
        for code in [200, 200, 503] {
            search.answered(code, Duration::from_millis(3));
        }
        let text = telemetry.render(&Workers::new(4, 8), 2);
        for line in [
            "http_requests_total{interaction=\"search\",code=\"200\"} 2",
            "http_requests_total{interaction=\"search\",code=\"503\"} 1",
            "http_request_duration_seconds_count{interaction=\"search\"} 3",
            "app_workers 4",
            "db_pool_connections 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }
}
