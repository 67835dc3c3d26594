//! A worker: one thread with an event loop of its own. Given its listening sockets, it accepts connections and serves
//! them until it is told to stop; with the other workers it shares the configuration, the counters and the logs, and
//! nothing that a request waits for.

use super::access_log::{Buffers, Sink};
use super::cache::caches::Caches;
use super::config::Config;
use super::counters::Counters;
use super::error_log::ErrorLog;
use super::exchange::{Client, Exchange};
use super::gate::Gate;
use super::group::Group;
use super::serve;
use crate::pace;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::spawn_local;

/// How often logs are handed on, idle connections looked after.
const TICK: Duration = Duration::from_millis(200);
/// nginx's pause after an `accept` that found no descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Threads of a worker that wait for disks: nginx's number for a pool.
const DISK_THREADS: usize = 32;
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(30);

/// What the workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    Serve,
    /// Accept no more, end what is under way, then stop.
    Drain,
    /// Stop at once.
    Stop,
}

/// What all workers share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) errors: Arc<ErrorLog>,
    pub(crate) log: Sink,
    pub(crate) caches: Caches,
    pub(crate) connections: Arc<AtomicU64>,
}

/// What all connections of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) config: Arc<Config>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) errors: Arc<ErrorLog>,
    pub(crate) caches: Caches,
    /// By upstream.
    pub(crate) groups: Vec<Rc<Group>>,
    logs: RefCell<Buffers>,
    clients: Cell<usize>,
    numbers: Arc<AtomicU64>,
}

impl Worker {
    fn new(shared: Shared) -> Self {
        let Shared { config, counters, errors, log, caches, connections } = shared;
        let group = |index| Rc::new(Group::new(Arc::clone(&config), index, Arc::clone(&counters)));
        Self {
            groups: (0..config.upstreams.len()).map(group).collect(),
            logs: RefCell::new(Buffers::new(log, config.log_files.len())),
            clients: Cell::new(0),
            numbers: connections,
            config,
            counters,
            errors,
            caches,
        }
    }

    /// Counts and logs an exchange that has ended.
    pub(crate) fn finished(&self, exchange: &Exchange) {
        self.counters.answered(exchange.status);
        let now = pace::now();
        self.counters.in_flight.leave(now);
        self.counters.duration.observe(now.saturating_duration_since(exchange.started));
        if let (Some(first), Some(last)) = (exchange.attempts.first(), exchange.attempts.last())
            && let Some(response) = last.response
        {
            let before = last.started.saturating_duration_since(first.started);
            self.counters.upstream_response.observe(before + response);
        }
        for log in &exchange.location().settings.logs {
            self.logs.borrow_mut().add(log, exchange);
        }
    }

    /// What is due now and then.
    fn tick(&self) {
        self.logs.borrow_mut().flush();
        let now = pace::now();
        for group in &self.groups {
            group.reap(now);
        }
        let counters = &self.counters;
        counters.waiting.set((counters.active.get() - counters.writing.get()).max(0));
    }

    /// Connections to clients, and those kept to upstreams.
    fn connections(&self) -> usize {
        self.clients.get() + self.groups.iter().map(|group| group.idle()).sum::<usize>()
    }
}

/// Serves the `listeners`, one for each port of the configuration, until the orders say to stop.
///
/// # Errors
/// When the event loop cannot be made.
pub(crate) fn run(
    shared: Shared,
    listeners: Vec<std::net::TcpListener>,
    orders: watch::Receiver<Orders>,
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker::new(shared));
    let served = runtime.block_on(serve_all(Rc::clone(&worker), listeners, orders));
    // Exchanges that are cut off here are logged, too.
    drop(runtime);
    worker.logs.borrow_mut().flush();
    served
}

async fn serve_all(
    worker: Rc<Worker>,
    listeners: Vec<std::net::TcpListener>,
    mut orders: watch::Receiver<Orders>,
) -> std::io::Result<()> {
    let mut accepting = Vec::new();
    for (port, listener) in listeners.into_iter().enumerate() {
        let listener = TcpListener::from_std(listener)?;
        accepting.push(spawn_local(accept(Rc::clone(&worker), listener, port, orders.clone())));
    }
    spawn_local({
        let worker = Rc::clone(&worker);
        async move {
            loop {
                pace::pause(TICK).await;
                worker.tick();
            }
        }
    });
    // The sender lives as long as the process; should it be gone, so is every reason to serve.
    let order = orders.wait_for(|&order| order != Orders::Serve).await.map_or(Orders::Stop, |order| *order);
    for task in accepting {
        task.abort();
    }
    if order == Orders::Drain {
        let drained = async {
            while worker.clients.get() > 0 {
                pace::pause(TICK / 10).await;
            }
        };
        let stopped = async {
            let _ = orders.wait_for(|&order| order == Orders::Stop).await;
        };
        tokio::select! {
            _ = pace::within(DRAIN, drained) => {}
            () = stopped => {}
        }
    }
    Ok(())
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, port: usize, orders: watch::Receiver<Orders>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                worker.counters.accepted.inc();
                if worker.connections() >= worker.config.connections {
                    let most = worker.config.connections;
                    worker.errors.write("alert", format_args!("{most} worker_connections are not enough"));
                    continue;
                }
                worker.counters.handled.inc();
                spawn_local(connection(Rc::clone(&worker), stream, peer, port, orders.clone()));
            }
            Err(error) => {
                worker
                    .errors
                    .write("crit", format_args!("accept() failed ({})", super::config::os_error(&error)));
                // A connection that went away before it was accepted says nothing about the next one.
                if error.kind() != std::io::ErrorKind::ConnectionAborted {
                    pace::pause(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// A client's place among the worker's connections.
struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>) -> Self {
        worker.clients.set(worker.clients.get() + 1);
        worker.counters.active.inc();
        Self(Rc::clone(worker))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.clients.set(self.0.clients.get() - 1);
        self.0.counters.active.dec();
    }
}

async fn connection(
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    port: usize,
    mut orders: watch::Receiver<Orders>,
) {
    let _place = Place::take(&worker);
    // It cannot fail on TCP.
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let number = worker.numbers.fetch_add(1, Ordering::Relaxed) + 1;
    let client = Rc::new(Client::new(number, peer, local, port));
    let server = worker.config.ports[port].default;
    let settings = &worker.config.servers[server].fallback.settings;
    let (keepalive, limits) = (settings.keepalive_timeout, settings.heads);
    let gate = Gate::new(stream, limits, Rc::clone(&worker), Rc::clone(&client));

    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).timer(TokioTimer::new());
    if keepalive.is_zero() {
        builder.keep_alive(false);
    } else {
        // hyper has one limit for the wait for a request and for the reading of its head.
        builder.header_read_timeout(keepalive);
    }
    let service = service_fn(|request| serve::answer(Rc::clone(&worker), Rc::clone(&client), request));
    let mut serving = pin!(builder.serve_connection(TokioIo::new(gate), service));
    let drained = orders.wait_for(|&order| order != Orders::Serve);
    // How a connection ends is in the log of its last request; a client that hangs up is no error.
    tokio::select! {
        biased;
        _ = serving.as_mut() => return,
        _ = drained => {}
    }
    // A request whose head has begun to come is served; hyper, which has seen nothing of it, would close at once.
    let between = poll_fn(|cx| match serving.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(false),
        Poll::Pending if client.begun.get() => Poll::Pending,
        Poll::Pending => Poll::Ready(true),
    });
    if between.await {
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
}
