//! The wish to end, as a future.

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
