//! The wish to end, as a future.

use crate::procfs;
use std::future::Future;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The wishes of whoever sends SIGINT or SIGTERM, one after the other.
#[derive(Debug)]
pub(crate) struct Wishes {
    interrupt: Signal,
    terminate: Signal,
}

impl Wishes {
    /// Those from now on.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one. Two of a kind that come at once may be one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Begins to listen, and gives what resolves at the first SIGINT or SIGTERM from now on.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn listen() -> std::io::Result<impl Future<Output = ()>> {
    let mut wishes = Wishes::listen()?;
    Ok(async move { wishes.next().await })
}

/// The same in one: listens from the first poll on.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) async fn asked_to_end() -> std::io::Result<()> {
    listen()?.await;
    Ok(())
}

/// The same, and at SIGHUP as well, which says that the terminal has been closed: unless this process was started not to mind
/// it (nohup(1)).
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) async fn asked_to_end_or_left_alone() -> std::io::Result<()> {
    if procfs::ignores(SignalKind::hangup().as_raw_value()) {
        return asked_to_end().await;
    }
    let (asked, mut hangup) = (listen()?, signal(SignalKind::hangup())?);
    tokio::select! {
        () = asked => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
