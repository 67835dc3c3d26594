//! The wish to end, as a future.

use crate::procfs;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Begins to listen, and gives what resolves at the first SIGINT or SIGTERM from now on.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn listen() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
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
