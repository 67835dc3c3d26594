//! The workers of one configuration. Given the configuration and its sockets, it starts a thread for each; they are told what to do,
//! and waited for when they have ended. It reads no configuration and no signal.

use super::access_log::{self, Sink};
use super::cache::caches::Caches;
use super::config::Config;
use super::counters::{Counted, Counters};
use super::error_log::ErrorLog;
use super::heirs::Heirs;
use super::listening::Listening;
use super::worker::{self, Orders, Shared, Sources};
use crate::failure::{Failure, Outcome};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, watch};

/// What all generations have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) errors: Arc<ErrorLog>,
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) heirs: Heirs,
    /// Where the end of a worker is reported, with the number of its generation.
    pub(crate) report: mpsc::UnboundedSender<u64>,
}

/// What a configuration has beside its text, which can be had before it is served.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) counters: Counters,
    pub(crate) caches: Caches,
    log: Sink,
    writer: JoinHandle<()>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u64,
    config: Arc<Config>,
    orders: watch::Sender<Orders>,
    workers: Vec<JoinHandle<std::io::Result<()>>>,
    /// Workers that have not ended.
    living: usize,
    log: Sink,
    writer: JoinHandle<()>,
}

impl Means {
    /// Opens the access logs of `config` and its caches, of which those of `previous` that are the same go on.
    ///
    /// # Errors
    /// When a file, a directory or a thread cannot be had.
    pub(crate) fn new(
        config: &Config,
        counters: &Counters,
        errors: &Arc<ErrorLog>,
        previous: &Caches,
    ) -> Outcome<Self> {
        let counters = counters.renewed(config);
        let (log, writer) = access_log::start(&config.log_files, counters.log_lines_dropped.clone())?;
        let caches = Caches::open(&config.caches, errors, previous)?;
        Ok(Self { counters, caches, log, writer })
    }
}

impl Generation {
    /// Starts the workers of `config`, which from now on get what the workers before them leave.
    ///
    /// # Errors
    /// When a thread or a descriptor cannot be had; those that were started end then.
    pub(crate) fn start(
        number: u64,
        config: Arc<Config>,
        means: Means,
        listening: &Listening,
        common: &Common,
    ) -> Outcome<Self> {
        let workers = config.workers;
        let shares =
            (0..workers).map(|worker| listening.share(worker, workers)).collect::<Outcome<Vec<_>>>()?;
        let ports = listening.names();
        let Means { counters, caches, log, writer } = means;
        let shared = Shared {
            config: Arc::clone(&config),
            counters: Arc::new(counters),
            errors: Arc::clone(&common.errors),
            log: log.clone(),
            caches,
            connections: Arc::clone(&common.connections),
            ports: Arc::clone(&ports),
            heirs: common.heirs.clone(),
        };
        let (orders, obeyed) = watch::channel(Orders::Serve);
        let mut generation = Self { number, config, orders, workers: Vec::new(), living: 0, log, writer };
        let mut bequests = Vec::new();
        for (index, listeners) in shares.into_iter().enumerate() {
            let (bequest, inbox) = mpsc::unbounded_channel();
            bequests.push(bequest);
            let (shared, obeyed) = (shared.clone(), obeyed.clone());
            let report = Report { number, to: common.report.clone() };
            // From here on, not from when its thread has its turn: whoever counts them knows when those before have gone.
            let serving = Counted::new(&shared.counters.serving);
            let thread = std::thread::Builder::new()
                .name(format!("worker {index}"))
                .spawn(move || {
                    let _report = report;
                    worker::run(shared, Sources { listeners, inbox }, obeyed, serving)
                })
                .map_err(|e| Failure::start(format!("[emerg] cannot start a worker: {e}")))?;
            generation.workers.push(thread);
            generation.living += 1;
        }
        common.heirs.succeed(ports, bequests);
        Ok(generation)
    }

    /// Whether it has this number.
    pub(crate) fn is(&self, number: u64) -> bool {
        self.number == number
    }

    /// Tells the workers what to do. Those that have ended need not be told.
    pub(crate) fn order(&self, orders: Orders) {
        let _ = self.orders.send(orders);
    }

    /// Whether its workers were told to end.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.orders.borrow() != Orders::Serve
    }

    /// Notes that a worker has ended, and gives whether it was the last one.
    pub(crate) fn one_ended(&mut self) -> bool {
        self.living = self.living.saturating_sub(1);
        self.living == 0
    }

    /// Opens the access logs again.
    ///
    /// # Errors
    /// When one cannot be opened: what was open stays so.
    pub(crate) fn reopen_logs(&self) -> Outcome {
        self.log.reopen(&self.config.log_files)
    }

    /// Stops the workers and waits until they have ended, and their logs are written.
    ///
    /// # Errors
    /// When a worker could not serve, or died.
    pub(crate) fn end(self) -> Outcome {
        self.order(Orders::Stop);
        let mut outcome = Ok(());
        for thread in self.workers {
            let ended = match thread.join() {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Failure::start(format!("a worker could not serve: {error}"))),
                Err(_) => Err(Failure::start("a worker died")),
            };
            outcome = outcome.and(ended);
        }
        // The workers' ways to the log are gone now; without this one, the writer ends when it has written all.
        drop(self.log);
        let _ = self.writer.join();
        outcome
    }
}

/// Says that its thread ends, on return and on panic alike.
struct Report {
    number: u64,
    to: mpsc::UnboundedSender<u64>,
}

impl Drop for Report {
    fn drop(&mut self) {
        // Nobody listens any more once the process ends.
        let _ = self.to.send(self.number);
    }
}
