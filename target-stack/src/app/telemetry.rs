//! What the app server tells Prometheus. Handles are resolved when it starts, so that a request costs a few atomic
//! additions and no lookup by name. It measures nothing itself: it is given durations.

use super::workers::Workers;
use crate::cgroup::Group;
use crate::integral::Integral;
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
use std::time::{Duration, Instant};

/// What a visitor does, as the `interaction` label names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Home,
    NewProducts,
    BestSellers,
    ProductDetail,
    SearchForm,
    SearchResults,
    Cart,
    Login,
    Logout,
    Register,
    BuyRequest,
    BuyConfirm,
    OrderInquiry,
    OrderDisplay,
    AdminRequest,
    AdminConfirm,
    Static,
    Plaintext,
    Db,
    Queries,
    Updates,
    Other,
}

impl Interaction {
    const ALL: [(Self, &'static str); 22] = [
        (Self::Home, "home"),
        (Self::NewProducts, "new_products"),
        (Self::BestSellers, "best_sellers"),
        (Self::ProductDetail, "product_detail"),
        (Self::SearchForm, "search_form"),
        (Self::SearchResults, "search_results"),
        (Self::Cart, "cart"),
        (Self::Login, "login"),
        (Self::Logout, "logout"),
        (Self::Register, "register"),
        (Self::BuyRequest, "buy_request"),
        (Self::BuyConfirm, "buy_confirm"),
        (Self::OrderInquiry, "order_inquiry"),
        (Self::OrderDisplay, "order_display"),
        (Self::AdminRequest, "admin_request"),
        (Self::AdminConfirm, "admin_confirm"),
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
struct Swept {
    table: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    interaction: &'static str,
}

/// nginx's status of a request whose client went away before the answer.
const CLIENT_CLOSED: u16 = 499;

/// The handles of one interaction.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    interaction: &'static str,
    in_flight: Integral,
    all: Family<Answered, Counter>,
    /// The usual answer, 200, without a lookup.
    ok: Counter,
    duration: Histogram,
}

/// A request from its arrival to its answer. When this is dropped, however that comes, it is counted and measured: by
/// the same two instants in the histogram and in the integral, so that Little's law holds between them.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    requests: &'a Requests,
    /// When it arrived.
    pub(crate) arrived: Instant,
    /// Of the answer, once there is one.
    pub(crate) code: u16,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let now = pace::now();
        self.requests.in_flight.leave(now);
        self.requests.answered(self.code, now.saturating_duration_since(self.arrived));
    }
}

impl Requests {
    /// A request that arrived just now.
    pub(crate) fn arrived(&self, now: Instant) -> Visit<'_> {
        self.in_flight.enter(now);
        Visit { requests: self, arrived: now, code: CLIENT_CLOSED }
    }

    fn answered(&self, code: u16, took: Duration) {
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
    /// Passwords hashed.
    pub(crate) password: Histogram,
    /// Workers held, and connections to the database.
    pub(crate) working: Integral,
    pub(crate) pool_busy: Integral,
    database_errors: Counter,
    /// Sign-ins with a wrong password, and those that were not tried because there were too many of these.
    pub(crate) sign_ins_failed: Counter,
    pub(crate) sign_ins_refused: Counter,
    pub(crate) sweeps: Counter,
    swept: Family<Swept, Counter>,
    /// The second of the last complaint.
    complained: AtomicU64,
    workers: Gauge,
    busy: Gauge,
    waiting: Gauge,
    pool: Gauge,
    connections: Gauge,
}

/// 0.1 ms to 10 s, three a decade: from a plain text to a queue's end.
fn buckets() -> Histogram {
    Histogram::new([
        1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

/// The handles of all interactions, at their places.
fn requests(registry: &mut Registry) -> [Requests; Interaction::ALL.len()] {
    let all = Family::<Answered, Counter>::default();
    let durations = Family::<Asked, Histogram>::new_with_constructor(buckets as fn() -> Histogram);
    let in_flight = Integral::new(pace::now());
    registry.register("http_requests", "Requests answered, or given up by their client: 499", all.clone());
    registry.register(
        "http_request_duration_seconds",
        "From a request's arrival, with its wait for a worker, to its answer",
        durations.clone(),
    );
    registry.register(
        "http_requests_in_flight_seconds",
        "Requests from their arrival to their answer, over time: those of http_request_duration_seconds",
        in_flight.clone(),
    );
    Interaction::ALL.map(|(_, interaction)| Requests {
        interaction,
        in_flight: in_flight.clone(),
        ok: all.get_or_create_owned(&Answered { interaction, code: 200 }),
        all: all.clone(),
        duration: durations.get_or_create_owned(&Asked { interaction }),
    })
}

impl Telemetry {
    pub(crate) fn new(pid: u32, group: Option<Group>) -> Self {
        let mut registry = metrics::registry(pid);
        group.into_iter().for_each(|group| registry.register_collector(Box::new(group)));
        let requests = requests(&mut registry);
        let mut integral = |name: &str, help: &str| {
            let integral = Integral::new(pace::now());
            registry.register(name, help, integral.clone());
            integral
        };
        let working = integral("app_workers_busy_seconds", "Workers that are at work, over time");
        let pool_busy = integral("db_pool_busy_seconds", "Connections that requests hold, over time");
        let mut gauge = |name: &str, help: &str| {
            let gauge: Gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let workers = gauge("app_workers", "Workers");
        let busy = gauge("app_workers_busy", "Workers that are at work");
        let waiting = gauge("app_queue_length", "Requests that wait for a worker");
        let pool = gauge("db_pool_size", "Connections to the database that requests may hold");
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
        let password = histogram(
            "password_hash_duration_seconds",
            "Hashings of a password, without the wait for a hand",
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let queue_rejected = counter("app_queue_rejected", "Requests refused: the queue was full");
        let database_errors = counter("db_errors", "Statements and connections that failed");
        let sign_ins_failed = counter("app_sign_ins_failed", "Sign-ins with a wrong name or password");
        let sign_ins_refused =
            counter("app_sign_ins_refused", "Sign-ins refused: there were too many failures");
        let sweeps = counter("app_sweeps", "Sweeps of sessions and carts that are over");
        let swept = Family::<Swept, Counter>::default();
        registry.register("app_swept_rows", "Rows of what was over, removed from a table", swept.clone());
        Self {
            registry,
            requests,
            queue_wait,
            queue_rejected,
            pool_wait,
            query,
            password,
            working,
            pool_busy,
            database_errors,
            sign_ins_failed,
            sign_ins_refused,
            sweeps,
            swept,
            complained: AtomicU64::new(0),
            workers,
            busy,
            waiting,
            pool,
            connections,
        }
    }

    /// The handles of one interaction, to keep.
    pub(crate) fn of(&self, interaction: Interaction) -> Requests {
        self.requests[interaction as usize].clone()
    }

    /// Counts rows that a sweep has removed.
    pub(crate) fn swept(&self, table: &'static str, rows: u64) {
        self.swept.get_or_create(&Swept { table }).inc_by(rows);
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

    /// All metrics as text, the gauges as they are now: of a pool, its size and how many of it are open.
    pub(crate) fn render(&self, workers: &Workers, (pool, connections): (usize, usize)) -> String {
        let readings = [
            (&self.workers, workers.size()),
            (&self.busy, workers.busy()),
            (&self.waiting, workers.waiting()),
            (&self.pool, pool),
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
        let telemetry = Telemetry::new(1, None);
        let search = telemetry.of(Interaction::SearchResults);
        for code in [200, 200, 503] {
            search.answered(code, Duration::from_millis(3));
        }
        let text = telemetry.render(&Workers::new(4, 8), (3, 2));
        for line in [
            "http_requests_total{interaction=\"search_results\",code=\"200\"} 2",
            "http_requests_total{interaction=\"search_results\",code=\"503\"} 1",
            "http_request_duration_seconds_count{interaction=\"search_results\"} 3",
            "app_workers 4",
            "db_pool_size 3",
            "db_pool_connections 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_visit_has_the_same_length_in_the_histogram_and_in_the_integral() {
        let telemetry = Telemetry::new(1, None);
        let home = telemetry.of(Interaction::Home);
        let earlier = pace::now();
        for code in [Some(200), None] {
            let mut visit = home.arrived(earlier);
            code.into_iter().for_each(|code| visit.code = code);
        }
        let text = telemetry.render(&Workers::new(1, 1), (1, 1));
        let value = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            value.unwrap_or_else(|| panic!("{name} in {text}"))
        };
        assert_eq!(value("http_requests_total{interaction=\"home\",code=\"499\"}"), 1.0, "cut off");
        assert_eq!(value("http_request_duration_seconds_count{interaction=\"home\"}"), 2.0);
        let sum = value("http_request_duration_seconds_sum{interaction=\"home\"}");
        // Each end is cut off to a microsecond in the integral.
        assert!((value("http_requests_in_flight_seconds_total") - sum).abs() < 4e-6, "{text}");
    }
}
