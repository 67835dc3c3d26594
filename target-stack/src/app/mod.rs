//! The app tier: the shop's pages, served over HTTP/1.1 by a bounded pool of workers from a database. Given an address
//! and a database, it gives a website with health check and metrics, and says so once it could answer. What visitors
//! have is in the database, so that any number of app servers can stand side by side; all that one keeps to itself is who was
//! wrong about a password of late.

mod answer;
mod attempts;
mod burden;
mod carts;
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
mod unread;
mod workers;

use crate::cgroup::Group;
use crate::descriptor::{Tier, announce};
use crate::failure::{Failure, Outcome};
use crate::{pace, signals, units};
use attempts::Attempts;
use axum::serve::ListenerExt;
use burden::Burden;
pub(crate) use keeping::Keeping;
use mysql_async::Opts;
use passwords::Passwords;
use routes::Shop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use workers::Workers;

/// How long requests in flight may take to end after the wish to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Tokio's semaphores can hold so many, and more.
const MOST: u64 = 1_000_000;

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
    /// How much longer each use of a connection to the database takes, such as 3ms: a database that is further away
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    db_latency: Option<Duration>,
    #[command(flatten)]
    keeping: Keeping,
    /// How long each request holds a lock that all of them share and no counter shows, for tests
    #[arg(long, hide = true, value_name = "TIME", value_parser = units::time)]
    fault_lock: Option<Duration>,
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
    let (end, mut ending) = watch::channel(());
    let asked = tokio::spawn(async move {
        let asked = signals::asked_to_end().await;
        drop(end);
        asked
    });
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|e| Failure::start(format!("cannot listen on {}: {e}", args.listen)))?;
    let telemetry = Arc::new(Telemetry::new(std::process::id(), group));
    let burden = Arc::new(Burden::new(args.service, args.fault_lock, args.db_latency)?);
    let size = args.pool.unwrap_or(args.workers);
    let kept = (size, args.keeping.lives());
    let opened = Store::open(&args.database, kept, Arc::clone(&telemetry), Arc::clone(&burden));
    let store = tokio::select! {
        opened = opened => opened?,
        _ = ending.changed() => return Ok(()),
    };
    let workers = Workers::new(args.workers, args.queue);
    let passwords = Passwords::new(Arc::clone(&telemetry));
    let shop = Arc::new(Shop { store, workers, burden, passwords, attempts: Attempts::new(), telemetry });
    let sweeping = args.keeping.every().map(|every| {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move { shop.store.keep_sweeping(every).await })
    });
    let address = listener.local_addr().map_err(|e| Failure::start(format!("the listener: {e}")))?;
    let mut ended = ending.clone();
    let listener = listener.tap_io(|stream| {
        // Without it a small answer may wait for the client's acknowledgement. A stream that is already closed
        // has no use for it.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, routes::router(shop)).with_graceful_shutdown(async move {
        let _ = ended.changed().await;
    });
    let serving = tokio::spawn(serving.into_future());
    announce(&Tier {
        pid: std::process::id(),
        address: address.to_string(),
        metrics: format!("http://{address}/metrics"),
        cpu_limit: None,
    })?;
    let asked = asked.await.map_err(|e| Failure::start(e.to_string()))?;
    asked.map_err(|e| Failure::start(format!("cannot wait for signals: {e}")))?;
    sweeping.into_iter().for_each(|sweeping| sweeping.abort());
    pace::within(DRAIN_LIMIT, serving).await;
    Ok(())
}
