//! A worker: one thread with an event loop of its own. Given its listening sockets, it accepts connections and serves
//! them until it is told to stop, or to leave to other workers what comes; with the other workers it shares the configuration, the
//! counters and the logs, and nothing that a request waits for.

use super::access_log::{Buffers, Sink};
use super::cache::caches::Caches;
use super::config::{Config, Settings};
use super::connection::{self, Accepted};
use super::counters::{Counted, Counters};
use super::error_log::ErrorLog;
use super::exchange::Exchange;
use super::group::Group;
use super::heirs::{Heirs, Inbox};
use super::listening::PortId;
use super::places::{KeptOpen, Places};
use crate::pace;
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};

/// How often logs are handed on, idle connections looked after.
const TICK: Duration = Duration::from_millis(200);
/// nginx's pause after an `accept` that found no descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Threads of a worker that wait for disks: nginx's number for a pool.
const DISK_THREADS: usize = 32;
/// How long files that are being written are waited for at the end.
const DISK_END: Duration = Duration::from_secs(5);
/// How long a drain may take where the configuration does not say.
const DRAIN: Duration = Duration::from_secs(30);

/// What the workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    Serve,
    /// Accept no more, end what is under way, leave what is not to the workers that came in their place, then stop.
    Yield,
    /// Accept no more, end what is under way, then stop.
    Drain,
    /// Stop at once.
    Stop,
}

/// What becomes of connections whose worker is leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Others go on with them.
    Moves,
    /// They are closed.
    Ends,
}

/// What all workers of a configuration share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) errors: Arc<ErrorLog>,
    pub(crate) log: Sink,
    pub(crate) caches: Caches,
    pub(crate) connections: Arc<AtomicU64>,
    /// The configuration's ports, by number.
    pub(crate) ports: Arc<[PortId]>,
    pub(crate) heirs: Heirs,
}

/// What a worker takes connections from: sockets that listen, each at the port of an index of the configuration's, and workers
/// that leave.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) listeners: Vec<(usize, std::net::TcpListener)>,
    pub(crate) inbox: Inbox,
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
    pub(crate) ports: Arc<[PortId]>,
    pub(crate) heirs: Heirs,
    pub(crate) leaving: Cell<Option<Leaving>>,
    pub(crate) places: Rc<Places>,
    /// Connections that have buffers.
    pub(crate) awake: Cell<usize>,
    pub(crate) numbers: Arc<AtomicU64>,
    logs: RefCell<Buffers>,
    /// Among those that serve, or that leave.
    state: RefCell<Counted>,
}

impl Worker {
    fn new(shared: Shared, serving: Counted) -> Self {
        let Shared { config, counters, errors, log, caches, connections, ports, heirs } = shared;
        let group = |index| Rc::new(Group::new(Arc::clone(&config), index, Arc::clone(&counters)));
        Self {
            groups: (0..config.upstreams.len()).map(group).collect(),
            logs: RefCell::new(Buffers::new(log, config.log_files.len())),
            ports,
            heirs,
            leaving: Cell::default(),
            awake: Cell::default(),
            places: Places::new(counters.active.clone()),
            numbers: connections,
            state: RefCell::new(serving),
            config,
            counters,
            errors,
            caches,
        }
    }

    /// The settings of a connection that came in by a port, as long as it has not named a server.
    pub(crate) fn settings(&self, port: usize) -> &Settings {
        let server = self.config.ports[port].default;
        &self.config.servers[server].fallback.settings
    }

    /// Whether a connection that came in by a port cannot go on after the current request.
    pub(crate) fn closes(&self, port: usize) -> bool {
        match self.leaving.get() {
            None => false,
            Some(Leaving::Moves) => !self.heirs.take(self.ports[port]),
            Some(Leaving::Ends) => true,
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
        self.places.taken() + self.groups.iter().map(|group| group.idle()).sum::<usize>()
    }
}

/// A connection that has buffers, for as long as it has.
pub(crate) struct Awake(Rc<Worker>);

impl Awake {
    pub(crate) fn new(worker: &Rc<Worker>) -> Self {
        worker.awake.set(worker.awake.get() + 1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.awake.set(self.0.awake.get() - 1);
    }
}

/// Serves what comes from `sources` until the orders say to stop, counted among those that serve.
///
/// # Errors
/// When the event loop cannot be made.
pub(crate) fn run(
    shared: Shared,
    sources: Sources,
    orders: watch::Receiver<Orders>,
    serving: Counted,
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(DISK_THREADS)
        .build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker::new(shared, serving));
    let served = runtime.block_on(serve_all(Rc::clone(&worker), sources, orders));
    // Files that are being written come to their end. Exchanges that are cut off here are logged, too.
    runtime.shutdown_timeout(DISK_END);
    worker.logs.borrow_mut().flush();
    served
}

async fn serve_all(
    worker: Rc<Worker>,
    sources: Sources,
    mut orders: watch::Receiver<Orders>,
) -> std::io::Result<()> {
    let mut accepting = Vec::new();
    for (port, listener) in sources.listeners {
        accepting.push(Accepting::start(&worker, TcpListener::from_std(listener)?, port));
    }
    spawn_local(inherit(Rc::clone(&worker), worker.places.keep_open(), sources.inbox));
    spawn_local({
        let worker = Rc::clone(&worker);
        async move {
            loop {
                pace::pause(TICK).await;
                worker.tick();
            }
        }
    });
    let mut deadline = None;
    loop {
        let order = tokio::select! {
            order = next(&mut orders) => order,
            () = worker.places.emptied(), if worker.leaving.get().is_some() => return Ok(()),
            () = until(deadline) => return Ok(()),
        };
        let limit = worker.config.shutdown_timeout;
        let (leaving, limit) = match order {
            Orders::Serve => continue,
            Orders::Stop => return Ok(()),
            Orders::Yield => (Leaving::Moves, limit),
            Orders::Drain => (Leaving::Ends, Some(limit.unwrap_or(DRAIN))),
        };
        if worker.leaving.replace(Some(leaving)) == Some(leaving) {
            // It is told so at each reload, and its time goes on.
            continue;
        }
        worker.state.replace(Counted::new(&worker.counters.leaving));
        let limit = limit.map(|limit| pace::now() + limit);
        deadline = deadline.into_iter().chain(limit).min();
        for accepting in accepting.drain(..) {
            accepting.end(&worker).await;
        }
        worker.places.wake_all();
    }
}

/// The next order. The sender lives as long as the process; should it be gone, so is every reason to serve.
async fn next(orders: &mut watch::Receiver<Orders>) -> Orders {
    match orders.changed().await {
        Ok(()) => *orders.borrow_and_update(),
        Err(_) => Orders::Stop,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => pace::pause(deadline.saturating_duration_since(pace::now())).await,
        None => pending().await,
    }
}

/// Takes in what leaving workers leave, until there are other workers for that.
async fn inherit(worker: Rc<Worker>, _open: KeptOpen, mut inbox: Inbox) {
    while let Some(moved) = inbox.recv().await {
        let place = worker.places.take();
        connection::inherited(&worker, place, moved);
    }
}

/// A listening socket and who accepts at it.
struct Accepting {
    listener: Rc<TcpListener>,
    port: usize,
    task: JoinHandle<()>,
}

impl Accepting {
    fn start(worker: &Rc<Worker>, listener: TcpListener, port: usize) -> Self {
        let listener = Rc::new(listener);
        let task = spawn_local(accept(Rc::clone(worker), Rc::clone(&listener), port));
        Self { listener, port, task }
    }

    /// Accepts what is queued, and no more. The queue is empty then if the socket is not another worker's as well.
    async fn end(self, worker: &Rc<Worker>) {
        self.task.abort();
        // Between two turns it holds nothing but the listener.
        let _ = self.task.await;
        let Some(Ok(listener)) = Rc::into_inner(self.listener).map(TcpListener::into_std) else { return };
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    if let Ok(stream) = stream {
                        welcome(worker, stream, peer, self.port, true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }
}

async fn accept(worker: Rc<Worker>, listener: Rc<TcpListener>, port: usize) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => welcome(&worker, stream, peer, port, false),
            Err(error) => {
                worker
                    .errors
                    .write("crit", format_args!("accept() failed ({})", super::config::os_error(&error)));
                // A connection that went away before it was accepted says nothing about the next one.
                if error.kind() != ErrorKind::ConnectionAborted {
                    pace::pause(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Begins with a connection, the `last` ones of a port among them, if there is room.
fn welcome(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, port: usize, last: bool) {
    worker.counters.accepted.inc();
    if worker.connections() >= worker.config.connections {
        let most = worker.config.connections;
        worker.errors.write("alert", format_args!("{most} worker_connections are not enough"));
        return;
    }
    worker.counters.handled.inc();
    let place = worker.places.take();
    connection::accepted(worker, place, Accepted { stream, peer, port, last });
}
