//! Descriptors in reserve. A process that has opened all that it may cannot accept the connection by which somebody wants to know why.
//! Given a listener, this accepts all the same: it holds descriptors that stand for nothing, and gives one up for each that is needed.

use crate::pace;
use axum::serve::Listener;
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// More than one, since others in this process may be quicker to take what was given up.
const SPARE: usize = 8;
/// The pause after an `accept` that failed, the same as a worker's.
const PAUSE: Duration = Duration::from_millis(500);

/// The descriptors. Copies share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Vec<OwnedFd>>>);

/// A listener that accepts by means of them.
#[derive(Debug)]
pub(crate) struct Reserved {
    listener: TcpListener,
    spares: Spares,
}

impl Spares {
    /// Does work that opens a file, and another one when that is closed.
    pub(crate) fn lend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.give_up();
        let done = work();
        self.replenish();
        done
    }

    /// Closes one, if there is one.
    fn give_up(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }

    /// Opens those that are missing, as far as that goes.
    fn replenish(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while held.len() < SPARE {
            let Ok(spare) = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 0) else { return };
            held.push(spare);
        }
    }
}

impl Reserved {
    pub(crate) fn new(listener: TcpListener, spares: Spares) -> Self {
        spares.replenish();
        Self { listener, spares }
    }
}

impl Listener for Reserved {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        // Connections that have ended since are made up for.
        self.spares.replenish();
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_used_up(&error) && self.spares.give_up() => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => pace::pause(PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether this process, or the machine, has no descriptor left.
fn is_used_up(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|error| matches!(error, Errno::MFILE | Errno::NFILE))
}
