//! The workers of one configuration. Given the configuration and its sockets, it starts a thread for each; they are told what to do,
//! and waited for when they have ended. It reads no configuration and no signal.

use super::access_log::{self, Sink};
use super::config::Config;
use super::counters::Counters;
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
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) heirs: Heirs,
    /// Where the end of a worker is reported, with the number of its generation.
    pub(crate) report: mpsc::UnboundedSender<u64>,
}

/// The logs of a configuration, which can be opened before it serves.
#[derive(Debug)]
pub(crate) struct Logs {
    errors: Arc<ErrorLog>,
    sink: Sink,
    writer: JoinHandle<()>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u64,
    pub(crate) config: Arc<Config>,
    pub(crate) errors: Arc<ErrorLog>,
    orders: watch::Sender<Orders>,
    workers: Vec<JoinHandle<std::io::Result<()>>>,
    /// Workers that have not ended.
    living: usize,
    sink: Sink,
    writer: JoinHandle<()>,
}

impl Logs {
    /// Opens the logs of `config`.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) fn open(config: &Config, counters: &Counters) -> Outcome<Self> {
        let errors = Arc::new(ErrorLog::open(config.error_log.as_deref(), config.error_level)?);
        let (sink, writer) = access_log::start(&config.log_files, counters.log_lines_dropped.clone())?;
        Ok(Self { errors, sink, writer })
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
        counters: Counters,
        logs: Logs,
        listening: &Listening,
        common: &Common,
    ) -> Outcome<Self> {
        let workers = config.workers;
        let shares =
            (0..workers).map(|worker| listening.share(worker, workers)).collect::<Outcome<Vec<_>>>()?;
        let ports = listening.names();
        let shared = Shared {
            config: Arc::clone(&config),
            counters: Arc::new(counters),
            errors: Arc::clone(&logs.errors),
            log: logs.sink.clone(),
            connections: Arc::clone(&common.connections),
            ports: Arc::clone(&ports),
            heirs: common.heirs.clone(),
        };
        let (orders, obeyed) = watch::channel(Orders::Serve);
        let Logs { errors, sink, writer } = logs;
        let mut generation =
            Self { number, config, errors, orders, workers: Vec::new(), living: 0, sink, writer };
        let mut bequests = Vec::new();
        for (index, listeners) in shares.into_iter().enumerate() {
            let (bequest, inbox) = mpsc::unbounded_channel();
            bequests.push(bequest);
            let (shared, obeyed) = (shared.clone(), obeyed.clone());
            let report = Report { number, to: common.report.clone() };
            let thread = std::thread::Builder::new()
                .name(format!("worker {index}"))
                .spawn(move || {
                    let _report = report;
                    worker::run(shared, Sources { listeners, inbox }, obeyed)
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

    /// Opens the logs again, and complains in the old ones of those that cannot be opened.
    pub(crate) fn reopen_logs(&self) {
        for opened in [self.sink.reopen(&self.config.log_files), self.errors.reopen()] {
            if let Err(failure) = opened {
                self.errors.write_failure(&failure);
            }
        }
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
        drop(self.sink);
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
