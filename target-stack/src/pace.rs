//! The clock. Given nothing, it gives instants and waits for them; it is the only room of this program that
//! reads a clock or sleeps, so that everything else can be tested with instants as arguments.
#![expect(clippy::disallowed_methods, reason = "this is the module that the rule points to")]

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time since 1970, for log lines and for nothing that is measured.
pub(crate) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Waits for `length`, with the millisecond grain of tokio's timer.
pub(crate) async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

/// What `work` gives, or `None` when it has not ended within `limit`.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
