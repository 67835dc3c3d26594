//! The app tier: the shop's pages, served over HTTP/1.1 by a bounded pool of workers from a database. Given an address
//! and a database, it gives a website with health check and metrics, and says so once it could answer. What visitors
//! have is in the database, so that any number of app servers can stand side by side; all that one keeps to itself is who was
//! wrong about a password of late.

mod answer;
mod attempts;
mod burden;
mod carts;
mod door;
mod fault;
mod forms;
mod input;
mod keeping;
mod members;
mod pages;
mod passwords;
mod routes;
mod store;
mod telemetry;
mod ticket;
mod token;
mod trace;
mod unread;
mod workers;

use crate::cgroup::Group;
use crate::descriptor::{Tier, announce};
use crate::failure::{Failure, Outcome};
use crate::signals::Wishes;
use crate::{pace, units};
use attempts::Attempts;
use axum::http::HeaderValue;
use burden::Burden;
use door::Door;
pub(crate) use keeping::Keeping;
use mysql_async::Opts;
use passwords::Passwords;
use routes::{Readiness, Shop};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
pub(crate) use store::parse_database;
use telemetry::Telemetry;
use tokio::net::TcpListener;
use workers::Workers;

/// Tokio's semaphores can hold so many, and more.
const MOST: u64 = 1_000_000;

/// What every server says of itself unless it is told another version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The characters of the longest version.
const LONGEST_VERSION: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to serve HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The unix socket of `target-stack db`, or mysql://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "PATH|URL", value_parser = store::parse_database)]
    database: Opts,
    /// Requests that are worked on at the same time
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = units::whole::<usize, 1, MOST>)]
    workers: usize,
    /// Requests that may wait for a worker; the next one gets 503
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = units::whole::<usize, 0, MOST>)]
    queue: usize,
    /// Connections to the database, besides one for health checks [default: as many as workers]
    #[arg(long, value_name = "P", value_parser = units::whole::<usize, 1, MOST>)]
    pool: Option<usize>,
    /// How much longer each request holds its worker, such as 5ms: an application that has more to do
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    service: Option<Duration>,
    /// How much longer everything takes that a request with a worker does, such as 10%: an application that has become slower
    #[arg(long, value_name = "SHARE", value_parser = units::share)]
    slow_down: Option<units::Share>,
    /// How much longer each use of a connection to the database takes, such as 3ms: a database that is further away
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    db_latency: Option<Duration>,
    /// How much longer it takes until it listens, such as 2s: an application that has more to load
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    start_up: Option<Duration>,
    /// What every answer says of itself in the header x-app-version
    #[arg(long = "version", id = "app-version", value_name = "V", default_value = VERSION, value_parser = parse_version)]
    version: String,
    #[command(flatten)]
    keeping: Keeping,
    /// Fail the health check, as a version that is no good
    #[arg(long, hide = true)]
    sick: bool,
    /// How long each request holds a lock that all of them share and no counter shows, for tests
    #[arg(long, hide = true, value_name = "TIME", value_parser = units::time)]
    fault_lock: Option<Duration>,
}

/// Reads a version: what a header can say without anybody having to quote it.
pub(crate) fn parse_version(text: &str) -> Result<String, String> {
    let fits =
        !text.is_empty() && text.len() <= LONGEST_VERSION && text.bytes().all(|b| b.is_ascii_graphic());
    let wrong =
        || format!("a version has 1 to {LONGEST_VERSION} printable characters of ASCII, and no blanks");
    fits.then(|| text.to_owned()).ok_or_else(wrong)
}

/// Serves the shop until SIGINT or SIGTERM, limited by `group` if there is one.
///
/// # Errors
/// When the address or the database cannot be used.
pub(crate) fn run(args: Args, group: Option<Group>) -> Outcome {
    // As many threads as this process has CPUs to run on, which is tokio's default.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::start(format!("cannot start the event loop: {e}")))?;
    let outcome = runtime.block_on(serve(args, group));
    // Requests that outlived the drain are not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(args: Args, group: Option<Group>) -> Outcome {
    let door = Arc::new(Door::default());
    let mut wishes = Wishes::listen().map_err(|e| Failure::start(format!("cannot wait for signals: {e}")))?;
    tokio::spawn({
        let door = Arc::clone(&door);
        async move {
            wishes.next().await;
            door.leave();
            wishes.next().await;
            door.hurry();
        }
    });
    if let Some(longer) = args.start_up {
        tokio::select! {
            () = pace::pause(longer) => {}
            () = door.left() => return Ok(()),
        }
    }
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|e| Failure::start(format!("cannot listen on {}: {e}", args.listen)))?;
    let telemetry = Arc::new(Telemetry::new(std::process::id(), group));
    let burden = Arc::new(Burden::new(args.service, args.fault_lock, args.db_latency, args.slow_down)?);
    let size = args.pool.unwrap_or(args.workers);
    let kept = (size, args.keeping.lives());
    let opened = Store::open(&args.database, kept, Arc::clone(&telemetry), Arc::clone(&burden));
    let store = tokio::select! {
        opened = opened => opened?,
        () = door.left() => return Ok(()),
    };
    let workers = Workers::new(args.workers, args.queue);
    let passwords = Passwords::new(Arc::clone(&telemetry));
    let version =
        HeaderValue::try_from(args.version).map_err(|e| Failure::usage(format!("--version: {e}")))?;
    let attempts = Attempts::new();
    let readiness = Readiness { door: Arc::clone(&door), sick: args.sick };
    let shop = Arc::new(Shop { store, workers, burden, passwords, attempts, telemetry, version, readiness });
    let sweeping = args.keeping.every().map(|every| {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move { shop.store.keep_sweeping(every).await })
    });
    let address = listener.local_addr().map_err(|e| Failure::start(format!("the listener: {e}")))?;
    let website = routes::router(shop);
    let serving = tokio::spawn({
        let door = Arc::clone(&door);
        async move { door.serve(listener, website, door::LIMITS).await }
    });
    announce(&Tier {
        pid: std::process::id(),
        address: address.to_string(),
        metrics: format!("http://{address}/metrics"),
        cpu_limit: None,
    })?;
    door.left().await;
    sweeping.into_iter().for_each(|sweeping| sweeping.abort());
    serving.await.map_err(|e| Failure::start(e.to_string()))
}
