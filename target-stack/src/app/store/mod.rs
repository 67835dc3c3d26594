//! The way to the database: a fixed pool of connections and prepared statements, with every wait bounded and measured.
//! Given a socket or URL, it gives sessions; what is asked in them stands in the rooms below. A session that is
//! dropped half-way leaves no transaction behind, and a database that comes back is used again.

mod cart;
mod catalogue;
mod orders;
mod probe;
mod staff;
mod sweep;
mod visitors;
mod world;

pub(crate) use cart::{Cart, Line, MOST};
pub(crate) use catalogue::{Card, Product, SearchBy};
pub(crate) use orders::{Basket, Buyer, Order, Purchase, Summary};
pub(crate) use staff::NewPrice;
pub(crate) use visitors::{Customer, Member, NewCustomer, Visitor};

use super::burden::Burden;
use super::fault::Fault;
use super::telemetry::Telemetry;
use super::trace;
use crate::failure::{Failure, Outcome};
use crate::integral::Held;
use crate::pace;
use crate::splitmix::{STEP, below, mix};
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Error, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts};
use mysql_async::{Row, Transaction, TxOpts};
use probe::Probe;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a request waits for a connection.
const CONNECTION_LIMIT: Duration = Duration::from_secs(2);
/// A statement that takes longer is no failure, but asks whether the database is still there.
const LONG: Duration = Duration::from_secs(1);
/// How long all connections together may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// ER_DUP_ENTRY: a unique index has the value already.
const DUPLICATE: u16 = 1062;

/// The database, as the shop uses it.
pub(crate) struct Store {
    pool: Pool,
    probe: Arc<Probe>,
    /// What else has a connection of its own opens it by this.
    database: Opts,
    pub(super) lives: Lives,
    telemetry: Arc<Telemetry>,
    burden: Arc<Burden>,
    random: AtomicU64,
    size: usize,
    items: u32,
}

/// How long things are kept, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lives {
    pub(crate) session_s: u64,
    pub(crate) cart_s: u64,
}

/// What a statement changed.
#[derive(Clone, Copy, Debug)]
struct Change {
    rows: u64,
    new_id: u64,
}

/// A connection, or a transaction on one, that measures its statements.
struct Session<'t, Q> {
    queryable: Q,
    store: &'t Store,
    /// Of the connection; a transaction is part of its time.
    _held: Option<Held<'t>>,
}

/// Reads `--database`: the path of a unix socket, where the app is user `shop` of database `shop`, or a URL.
pub(crate) fn parse_database(text: &str) -> Result<Opts, String> {
    if text.contains("://") {
        Opts::from_url(text).map_err(|e| e.to_string())
    } else {
        let at_socket = OptsBuilder::default().socket(Some(text)).user(Some("shop"));
        Ok(at_socket.db_name(Some("shop")).into())
    }
}

/// A pool that opens `size` connections and keeps them, and how each is opened.
fn pool(database: &Opts, size: usize) -> (Pool, Opts) {
    let fixed = PoolOpts::default()
        .with_constraints(PoolConstraints::new(size, size).unwrap_or_default())
        // A reset would throw the prepared statements away and cost a round trip; sessions are kept clean instead.
        .with_reset_connection(false);
    let options = OptsBuilder::from_opts(database.clone())
        .pool_opts(fixed)
        .prefer_socket(false)
        .stmt_cache_size(64)
        // An UPDATE that finds its row as it should be has found it.
        .client_found_rows(true);
    let options = Opts::from(options);
    (Pool::new(options.clone()), options)
}

impl Store {
    /// Opens all connections, and looks at how large the shop is.
    ///
    /// # Errors
    /// When the database refuses one of them, or does not have the shop's tables.
    pub(crate) async fn open(
        database: &Opts,
        (size, lives): (usize, Lives),
        telemetry: Arc<Telemetry>,
        burden: Arc<Burden>,
    ) -> Outcome<Self> {
        let (pool, single) = (pool(database, size).0, pool(database, 1));
        let mut store = Self {
            pool,
            probe: Probe::new(single.0),
            database: single.1,
            lives,
            telemetry,
            burden,
            // Several app servers run side by side: their numbers must not repeat each other's. The standard
            // library's hash keys are the system's randomness.
            random: AtomicU64::new(RandomState::new().hash_one(std::process::id())),
            size,
            items: 0,
        };
        let counted = pace::within(OPEN_LIMIT, store.first_look(size))
            .await
            .unwrap_or(Err(Error::Other(format!("not open after {} s", OPEN_LIMIT.as_secs()).into())));
        store.items =
            counted.map_err(|e| Failure::start(format!("cannot use the database: {}", cause(&e))))?;
        Ok(store)
    }

    async fn first_look(&self, size: usize) -> mysql_async::Result<u32> {
        let mut opened = Vec::with_capacity(size);
        for _ in 0..size {
            opened.push(self.pool.get_conn().await?);
        }
        let mut conn = self.probe.pool.get_conn().await?;
        let last: Option<Row> = conn.query_first("SELECT COALESCE(MAX(id), 0) FROM item").await?;
        let last = last.map(mysql_async::from_row_opt).transpose();
        last.map(Option::unwrap_or_default).map_err(|e| Error::Other(e.to_string().into()))
    }

    /// Whether the database answers.
    pub(crate) async fn answers(&self) -> bool {
        self.probe.answers().await
    }

    /// Connections that requests may hold at once.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Open connections that requests share.
    pub(crate) fn connections(&self) -> usize {
        self.pool.metrics().connection_count.load(Ordering::Relaxed)
    }

    /// The next 64 random bits, unpredictable enough to be unique, not to be secret.
    pub(crate) fn random(&self) -> u64 {
        mix(self.random.fetch_add(STEP, Ordering::Relaxed))
    }

    /// A random number of `1..=bound`.
    fn random_id(&self, bound: u32) -> u32 {
        1 + below(self.random(), bound)
    }

    async fn session(&self) -> Result<Session<'_, Conn>, Fault> {
        if self.probe.silent() {
            return Err(Fault::Unreachable);
        }
        let asked = pace::now();
        let conn = pace::within(CONNECTION_LIMIT, self.pool.get_conn()).await;
        let now = pace::now();
        self.telemetry.pool_wait.observe((now - asked).as_secs_f64());
        trace::waited_for_connection(now - asked);
        match conn {
            Some(Ok(queryable)) => {
                let held = self.telemetry.pool_busy.hold(now);
                self.burden.travel().await;
                trace::travelled(now);
                Ok(Session { queryable, store: self, _held: Some(held) })
            }
            Some(Err(error)) => Err(count(&self.telemetry, error)),
            None => {
                self.probe.suspect();
                Err(Fault::NoConnection)
            }
        }
    }
}

impl<'t> Session<'t, Conn> {
    /// A transaction; dropped without [`Session::commit`], it is rolled back before the connection is used again.
    async fn begin(&mut self) -> Result<Session<'t, Transaction<'_>>, Fault> {
        let store = self.store;
        let sent = pace::now();
        let begun = patiently(store, self.queryable.start_transaction(TxOpts::default())).await?;
        trace::stated(pace::now() - sent);
        begun
            .map(|queryable| Session { queryable, store, _held: None })
            .map_err(|e| count(&store.telemetry, e))
    }
}

impl Session<'_, Transaction<'_>> {
    async fn commit(self) -> Result<(), Fault> {
        timed(self.store, self.queryable.commit()).await
    }

    async fn rollback(self) -> Result<(), Fault> {
        timed(self.store, self.queryable.rollback()).await
    }
}

impl<Q: Queryable> Session<'_, Q> {
    async fn rows<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: impl Into<Params> + Send,
    ) -> Result<Vec<T>, Fault> {
        let rows: Vec<Row> = timed(self.store, self.queryable.exec(sql, params)).await?;
        rows.into_iter().map(read).collect()
    }

    async fn first<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: impl Into<Params> + Send,
    ) -> Result<Option<T>, Fault> {
        let row: Option<Row> = timed(self.store, self.queryable.exec_first(sql, params)).await?;
        row.map(read).transpose()
    }

    async fn change(&mut self, sql: &'static str, params: impl Into<Params> + Send) -> Result<Change, Fault> {
        let work = async {
            let result = self.queryable.exec_iter(sql, params).await?;
            let change =
                Change { rows: result.affected_rows(), new_id: result.last_insert_id().unwrap_or_default() };
            result.drop_result().await?;
            Ok(change)
        };
        timed(self.store, work).await
    }
}

/// A row as the shop's type: a foreign schema is an error, never a panic.
fn read<T: FromRow>(row: Row) -> Result<T, Fault> {
    mysql_async::from_row_opt(row).map_err(|e| Fault::Database(Error::Other(e.to_string().into())))
}

async fn timed<T>(store: &Store, work: impl Future<Output = mysql_async::Result<T>>) -> Result<T, Fault> {
    let sent = pace::now();
    let done = patiently(store, work).await?;
    let took = pace::now() - sent;
    store.telemetry.query.observe(took.as_secs_f64());
    trace::stated(took);
    done.map_err(|e| count(&store.telemetry, e))
}

/// Waits for the database for as long as it is there. What is given up takes its connection with it.
async fn patiently<T>(store: &Store, work: impl Future<Output = T>) -> Result<T, Fault> {
    let mut work = std::pin::pin!(work);
    loop {
        match pace::within(LONG, &mut work).await {
            Some(done) => return Ok(done),
            None if store.probe.silent() => {
                store.telemetry.database_failed(&"it does not answer");
                return Err(Fault::Unreachable);
            }
            None => store.probe.suspect(),
        }
    }
}

/// The innermost reason: the outer ones only say that there is one.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn count(telemetry: &Telemetry, error: Error) -> Fault {
    // A key that is taken is an answer, not a failure.
    if !matches!(&error, Error::Server(server) if server.code == DUPLICATE) {
        telemetry.database_failed(&error);
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_socket_or_a_url() {
        let socket = parse_database("/run/db.sock").expect("a path");
        assert_eq!((socket.socket(), socket.user()), (Some("/run/db.sock"), Some("shop")));
        let url = parse_database("mysql://me:word@10.0.0.1:3307/shop").expect("a URL");
        assert_eq!((url.ip_or_hostname(), url.tcp_port(), url.user()), ("10.0.0.1", 3307, Some("me")));
        assert!(parse_database("postgres://x/y").is_err());
    }
}
