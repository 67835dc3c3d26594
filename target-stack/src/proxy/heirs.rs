//! Where connections go whose worker was replaced. Given a connection between two requests, it gives it to one of the workers of
//! the current configuration, if they listen where it came in; so a reload closes none. It serves nothing.

use super::listening::PortId;
use super::wire::Parked;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// The current workers, known to all workers, those that were replaced among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heirs(Arc<Mutex<Current>>);

#[derive(Debug, Default)]
struct Current {
    ports: Arc<[PortId]>,
    workers: Vec<Bequests>,
}

/// The way to a worker.
pub(crate) type Bequests = UnboundedSender<Moved>;

/// Where a worker gets what others leave; closed when it is no longer a current one.
pub(crate) type Inbox = UnboundedReceiver<Moved>;

/// A connection on its way from one worker to another.
pub(crate) struct Moved {
    pub(crate) parked: Parked,
    pub(crate) port: PortId,
    pub(crate) number: u64,
    pub(crate) ends: (SocketAddr, SocketAddr),
    /// How many requests it has had.
    pub(crate) requests: u32,
    /// What has come of the next one.
    pub(crate) held: Vec<u8>,
    /// How long it is waited for.
    pub(crate) deadline: Option<Instant>,
}

impl Heirs {
    /// From now on those are current who get what comes by `workers`, and who listen on `ports`.
    pub(crate) fn succeed(&self, ports: Arc<[PortId]>, workers: Vec<Bequests>) {
        *self.lock() = Current { ports, workers };
    }

    /// From now on there are none.
    pub(crate) fn end(&self) {
        *self.lock() = Current::default();
    }

    /// Whether there is one for connections that came in by `port`.
    pub(crate) fn take(&self, port: PortId) -> bool {
        self.lock().ports.contains(&port)
    }

    /// Gives `moved` to one of them. It is closed where there is none any more.
    pub(crate) fn give(&self, moved: Moved) {
        let current = self.lock();
        if !current.workers.is_empty() && current.ports.contains(&moved.port) {
            let turn = usize::try_from(moved.number).unwrap_or_default() % current.workers.len();
            // An inbox is there for as long as its sender is.
            let _ = current.workers[turn].send(moved);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
