//! The wish to end, from the terminal or from a supervisor.

use crate::failure::{Failure, Outcome};
use crate::terminal;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP, from the moment on at which this was made: none that comes between two looks is lost.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The host's fault: the handlers cannot be installed.
    pub(crate) fn listen() -> Outcome<Self> {
        let listen =
            |kind| signal(kind).map_err(|e| Failure::host(format!("cannot listen for signals: {e}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves at the next of them.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => terminal::interrupted(),
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
