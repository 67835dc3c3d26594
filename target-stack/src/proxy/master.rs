//! The process around the workers. Given where its configuration comes from, it starts the workers, says when they serve, and does
//! what signals ask for, as nginx's master process: it reads the configuration again and has other workers serve it, opens the
//! logs again, drains, stops. It serves no request.

use super::cache::caches::Caches;
use super::cache::metrics::Exhibit;
use super::config::{Config, Source, os_error};
use super::counters::Counters;
use super::error_log::ErrorLog;
use super::generation::{Common, Generation, Means};
use super::heirs::Heirs;
use super::listening::Listening;
use super::worker::Orders;
use crate::cgroup::Group;
use crate::failure::{Failure, Outcome};
use crate::{descriptor, limits, metrics};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Serves what `config` of `source` says until a signal ends it, with Prometheus metrics at `endpoint`, and those of the group that
/// limits it. Calls `serving` when it has said that it serves.
///
/// # Errors
/// When a socket, a file or a thread cannot be had, or a worker dies.
pub(crate) fn run(
    source: Source,
    config: Config,
    endpoint: SocketAddr,
    group: Option<Group>,
    serving: impl FnOnce(),
) -> Outcome {
    let mut registry = metrics::registry(std::process::id());
    group.into_iter().for_each(|group| registry.register_collector(Box::new(group)));
    let counters = Counters::register(&config, &mut registry);
    let exhibit = Exhibit::default();
    registry.register_collector(Box::new(exhibit.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let (report, ended) = mpsc::unbounded_channel();
    let errors = Arc::new(ErrorLog::open(config.error_log.as_deref(), config.error_level)?);
    let (connections, heirs) = (Arc::default(), Heirs::default());
    let mut master = Master {
        source,
        counters,
        exhibit,
        caches: Caches::default(),
        common: Common { errors, connections, heirs, report },
        listening: Listening::default(),
        generations: Vec::new(),
        started: 0,
        pid: PidFile(None),
    };
    let outcome = runtime.block_on(async {
        // The handlers are in place before anybody is told of this process.
        let signals = Signals::new().map_err(|e| Failure::start(format!("signals: {e}")))?;
        master.start(config)?;
        master.supervise(signals, (endpoint, registry), ended, serving).await
    });
    // Nobody is left to obey when the workers ended by themselves.
    master.generations.iter().for_each(|generation| generation.order(Orders::Stop));
    let ends = master.generations.drain(..).map(Generation::end);
    ends.fold(outcome, |outcome, end| end.and(outcome))
}

struct Master {
    source: Source,
    counters: Counters,
    /// What is shown of the caches, and those of the configuration that is served.
    exhibit: Exhibit,
    caches: Caches,
    common: Common,
    listening: Listening,
    /// The one that serves last, before it those that end what is under way.
    generations: Vec<Generation>,
    /// How many there have been.
    started: u64,
    pid: PidFile,
}

impl Master {
    /// Starts the workers of `config`, and has those before them leave.
    fn start(&mut self, config: Config) -> Outcome {
        let errors = ErrorLog::open(config.error_log.as_deref(), config.error_level)?;
        let listening = self.listening.renewed(&config)?;
        let means = Means::new(&config, &self.counters, &self.common.errors, &self.caches)?;
        let pid = self.pid.renewed(config.pid.as_ref())?;
        let (number, config) = (self.started + 1, Arc::new(config));
        let (counters, caches) = (means.counters.clone(), means.caches.clone());
        let generation = Generation::start(number, Arc::clone(&config), means, &listening, &self.common)?;
        // From here on nothing fails. The sockets that are no longer listened on are closed with their last worker.
        self.started = number;
        self.listening = listening;
        self.common.errors.become_other(errors);
        if let Err(error) = limits::limit_descriptors(config.descriptors) {
            let wanted = config.descriptors.unwrap_or_default();
            let what = format!("setrlimit(RLIMIT_NOFILE, {wanted}) failed ({})", os_error(&error));
            self.note("alert", &what);
        }
        let (wanted, most) = (config.connections, limits::descriptors());
        if wanted as u64 > most {
            let what = format!("{wanted} worker_connections exceed open file resource limit: {most}");
            self.note("warn", &what);
        }
        counters.show(&config);
        caches.show(&self.exhibit);
        self.caches = caches;
        if let Some(pid) = pid {
            self.pid = pid;
        }
        self.generations.iter().for_each(|generation| generation.order(Orders::Yield));
        self.generations.push(generation);
        Ok(())
    }

    /// Reads the configuration again. A bad one changes nothing, and the log says why.
    fn reload(&mut self) {
        self.note("notice", "signal 1 (SIGHUP) received, reconfiguring");
        let outcome = self.source.load().and_then(|(config, _)| {
            config.warnings.iter().for_each(|warning| self.common.errors.write_line(warning));
            self.start(config)
        });
        match outcome {
            Ok(()) => drop(self.counters.reloads.inc()),
            Err(failure) => {
                self.counters.failed_reloads.inc();
                self.common.errors.write_line(&failure.message);
            }
        }
    }

    /// Opens the logs again. Of those that cannot be opened, the error log says so.
    fn reopen(&self) {
        self.note("notice", "signal 10 (SIGUSR1) received, reopening logs");
        let errors = &self.common.errors;
        let opened = self.generations.iter().map(Generation::reopen_logs).chain([errors.reopen()]);
        opened.filter_map(Result::err).for_each(|failure| errors.write_line(&failure.message));
    }

    /// Ends what is under way, and then the process.
    fn drain(&mut self) {
        self.note("notice", "signal 3 (SIGQUIT) received, shutting down");
        // Connections between two requests are closed from here on.
        self.common.heirs.end();
        self.listening = Listening::default();
        self.generations.iter().for_each(|generation| generation.order(Orders::Drain));
    }

    fn note(&self, level: &str, what: &str) {
        self.common.errors.write(level, what);
    }

    /// Obeys signals until one of them, or the end of a worker, ends the process.
    async fn supervise(
        &mut self,
        mut signals: Signals,
        (endpoint, registry): (SocketAddr, prometheus_client::registry::Registry),
        mut ended: mpsc::UnboundedReceiver<u64>,
        serving: impl FnOnce(),
    ) -> Outcome {
        let failed = |e: std::io::Error| {
            Failure::start(format!("[emerg] bind() to {endpoint} failed ({})", os_error(&e)))
        };
        let listener = tokio::net::TcpListener::bind(endpoint).await.map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        let addresses: Vec<String> = self.listening.addresses().map(|at| reachable(at).to_string()).collect();
        let tier = descriptor::Tier {
            pid: std::process::id(),
            address: addresses.first().cloned().unwrap_or_default(),
            metrics: format!("http://{}/metrics", reachable(at)),
            cpu_limit: None,
        };
        descriptor::announce(&Serving { tier, addresses })?;
        serving();
        let mut served = std::pin::pin!(metrics::serve(listener, Arc::new(registry)));
        let mut draining = false;
        loop {
            let asked = tokio::select! {
                asked = signals.next() => asked,
                number = ended.recv() => {
                    if self.one_ended(number.unwrap_or_default())? {
                        return Ok(());
                    }
                    continue;
                }
                result = &mut served => return Err(Failure::start(format!("metrics: {result:?}"))),
            };
            match asked {
                Asked::Stop => {
                    self.note("notice", "signal received, exiting");
                    return Ok(());
                }
                Asked::Drain => {
                    draining = true;
                    self.drain();
                }
                Asked::Reload if !draining => self.reload(),
                Asked::Reload => {}
                Asked::Reopen => self.reopen(),
                Asked::Upgrade => {
                    self.note("alert", "signal 12 (SIGUSR2) received, changing binary is not supported");
                }
            }
        }
    }

    /// Notes that a worker of a generation has ended; gives whether no other is left.
    ///
    /// # Errors
    /// When it was not told to.
    fn one_ended(&mut self, number: u64) -> Outcome<bool> {
        let Some(position) = self.generations.iter().position(|generation| generation.is(number)) else {
            return Ok(false);
        };
        if !self.generations[position].is_leaving() {
            // Why it ended shows when it is joined.
            return Ok(true);
        }
        if self.generations[position].one_ended() {
            let ended = self.generations.remove(position).end();
            if self.generations.is_empty() {
                return ended.map(|()| true);
            }
            if let Err(failure) = ended {
                self.note("alert", &failure.to_string());
            }
        }
        Ok(false)
    }
}

/// The line with which this process says that it serves: that of any tier, and all that is listened on.
#[derive(Debug, Serialize)]
struct Serving {
    #[serde(flatten)]
    tier: descriptor::Tier,
    /// In the order of the configuration; the first one is the tier's.
    addresses: Vec<String>,
}

/// What signals ask for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Stop,
    Drain,
    Reload,
    Reopen,
    /// To change the program.
    Upgrade,
}

struct Signals([(Signal, Asked); 6]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::terminate())?, Asked::Stop),
            (signal(SignalKind::interrupt())?, Asked::Stop),
            (signal(SignalKind::quit())?, Asked::Drain),
            (signal(SignalKind::hangup())?, Asked::Reload),
            (signal(SignalKind::user_defined1())?, Asked::Reopen),
            (signal(SignalKind::user_defined2())?, Asked::Upgrade),
        ]))
    }

    /// The next one.
    async fn next(&mut self) -> Asked {
        std::future::poll_fn(|cx| {
            for (signal, asked) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*asked);
                }
            }
            std::task::Poll::Pending
        })
        .await
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

/// The file that names this process, for as long as it runs.
struct PidFile(Option<PathBuf>);

impl PidFile {
    /// The file at `path` where that is another one.
    fn renewed(&self, path: Option<&PathBuf>) -> Outcome<Option<Self>> {
        if self.0.as_ref() == path {
            return Ok(None);
        }
        if let Some(path) = path {
            std::fs::write(path, format!("{}\n", std::process::id())).map_err(|e| {
                Failure::start(format!("[emerg] open() \"{}\" failed ({})", path.display(), os_error(&e)))
            })?;
        }
        Ok(Some(Self(path.cloned())))
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
