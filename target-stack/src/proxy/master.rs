//! The process around the workers. Given a valid configuration, it opens the listening sockets and the logs, starts the
//! workers, says when they serve, and ends them when a signal asks for it. It serves no request.

use super::access_log;
use super::cache::caches::Caches;
use super::config::{Config, os_error};
use super::counters::Counters;
use super::error_log::ErrorLog;
use super::worker::{self, Orders, Shared};
use crate::cgroup::Group;
use crate::failure::{Failure, Outcome};
use crate::{descriptor, metrics};
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Serves what `config` says until a signal ends it, with Prometheus metrics at `endpoint`, and those of the group that limits it.
///
/// # Errors
/// When a socket, a file or a thread cannot be had, or a worker dies.
pub(crate) fn run(config: Config, endpoint: SocketAddr, group: Option<Group>) -> Outcome {
    let (addresses, sockets) = listen(&config)?;
    let mut registry = metrics::registry(std::process::id());
    group.into_iter().for_each(|group| registry.register_collector(Box::new(group)));
    let counters = Arc::new(Counters::register(&config, &mut registry));
    let (log, writer) = access_log::start(&config.log_files, counters.log_lines_dropped.clone())?;
    let errors = Arc::new(ErrorLog::open(config.error_log.as_deref())?);
    let caches = Caches::open(&config.caches, &errors, &Caches::default())?;
    caches.register(&mut registry);
    let shared =
        Shared { errors, caches, config: Arc::new(config), counters, log, connections: Arc::default() };
    let _pid = PidFile::write(shared.config.pid.clone())?;
    let (orders, obeyed) = watch::channel(Orders::Serve);
    let (report, mut ended) = mpsc::unbounded_channel();
    let mut workers = Vec::new();
    for (number, listeners) in sockets.into_iter().enumerate() {
        let (shared, obeyed, report) = (shared.clone(), obeyed.clone(), report.clone());
        let thread = std::thread::Builder::new()
            .name(format!("worker {number}"))
            .spawn(move || {
                let _report = Report(report);
                worker::run(shared, listeners, obeyed)
            })
            .map_err(|e| Failure::start(format!("cannot start a worker: {e}")))?;
        workers.push(thread);
    }
    drop((shared, report));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let outcome =
        runtime.block_on(supervise(addresses.first().copied(), endpoint, registry, &orders, &mut ended));
    // Nobody is left to obey when the workers ended by themselves.
    let _ = orders.send(Orders::Stop);
    for thread in workers {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::start(format!("a worker could not serve: {error}"))),
            Err(_) => return Err(Failure::start("a worker died")),
        }
    }
    // The workers' log handles are gone now, so the writer ends once it has written all.
    let _ = writer.join();
    outcome
}

/// Says that its thread ends, on return and on panic alike.
struct Report(mpsc::UnboundedSender<()>);

impl Drop for Report {
    fn drop(&mut self) {
        // Nobody listens any more once the process ends.
        let _ = self.0.send(());
    }
}

async fn supervise(
    address: Option<SocketAddr>,
    endpoint: SocketAddr,
    registry: prometheus_client::registry::Registry,
    orders: &watch::Sender<Orders>,
    ended: &mut mpsc::UnboundedReceiver<()>,
) -> Outcome {
    let fail = |e: std::io::Error| Failure::start(format!("signals: {e}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut quit = signal(SignalKind::quit()).map_err(fail)?;
    let listener = tokio::net::TcpListener::bind(endpoint).await.map_err(|e| bind_failed(endpoint, &e))?;
    let at = listener.local_addr().map_err(|e| bind_failed(endpoint, &e))?;
    descriptor::announce(&descriptor::Tier {
        pid: std::process::id(),
        address: address.map(|address| reachable(address).to_string()).unwrap_or_default(),
        metrics: format!("http://{}/metrics", reachable(at)),
        cpu_limit: None,
    })?;
    let mut served = std::pin::pin!(metrics::serve(listener, Arc::new(registry)));
    let mut draining = false;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = quit.recv() => {
                draining = true;
                // Should the workers be gone, `ended` says so.
                let _ = orders.send(Orders::Drain);
            }
            // While draining, workers end one by one and the channel closes with the last; else none may end.
            report = ended.recv() => if report.is_none() || !draining {
                return Ok(());
            },
            result = &mut served => return Err(Failure::start(format!("metrics: {result:?}"))),
        }
    }
}

/// An address that a client can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The addresses of the configuration's ports, and for each worker a listener of its own at every one of them.
fn listen(config: &Config) -> Outcome<(Vec<SocketAddr>, Vec<Vec<TcpListener>>)> {
    let mut addresses = Vec::new();
    let mut sockets: Vec<Vec<TcpListener>> = (0..config.workers).map(|_| Vec::new()).collect();
    for port in &config.ports {
        let mut address = port.address;
        if address.port() != 0 {
            // Shared ports can be shared with another process of this user as well, which would take half of the
            // connections unseen. One socket that does not share finds out.
            drop(bind(address, None).map_err(|e| bind_failed(address, &e))?);
        }
        for worker in &mut sockets {
            let listener = bind(address, Some(port.backlog)).map_err(|e| bind_failed(address, &e))?;
            // The first one settles a port of the kernel's choice.
            address = listener.local_addr().map_err(|e| bind_failed(address, &e))?;
            worker.push(listener);
        }
        addresses.push(address);
    }
    Ok((addresses, sockets))
}

/// A socket at `address`; with a backlog it listens, and shares the port with its like.
fn bind(address: SocketAddr, backlog: Option<i32>) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(backlog.is_some())?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    if let Some(backlog) = backlog {
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
    }
    Ok(socket.into())
}

fn bind_failed(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::start(format!("[emerg] bind() to {address} failed ({})", os_error(error)))
}

/// The file that names this process, for as long as it runs.
struct PidFile(Option<PathBuf>);

impl PidFile {
    fn write(path: Option<PathBuf>) -> Outcome<Self> {
        if let Some(path) = &path {
            std::fs::write(path, format!("{}\n", std::process::id())).map_err(|e| {
                Failure::start(format!("[emerg] open() \"{}\" failed ({})", path.display(), os_error(&e)))
            })?;
        }
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may have been removed already; there is nobody to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}
