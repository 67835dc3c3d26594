//! Whether the database answers at all. It has a connection of its own: a pool that is waited for is not a database that is
//! down, and a statement that takes long is not one that is lost. Where something took suspiciously long, it asks until it is
//! answered; as long as it is not, the database is silent, and nobody else need wait for it.

use crate::pace;
use mysql_async::Pool;
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a health check waits for its answer.
const HEALTH_LIMIT: Duration = Duration::from_secs(1);
/// After how long a database has not answered, and how soon it is asked again. A database that has little CPU time is slow,
/// and not silent.
const SILENCE: Duration = Duration::from_secs(2);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The connection beside all others.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) pool: Pool,
    silent: AtomicBool,
    asking: AtomicBool,
}

impl Probe {
    pub(super) fn new(pool: Pool) -> Arc<Self> {
        Arc::new(Self { pool, silent: AtomicBool::new(false), asking: AtomicBool::new(false) })
    }

    /// Whether the database answers, now.
    pub(super) async fn answers(&self) -> bool {
        self.answers_within(HEALTH_LIMIT).await
    }

    /// Whether it did not when it was last asked, because something took long.
    pub(super) fn silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Something takes long. Whether the database is there is asked until it is.
    pub(super) fn suspect(self: &Arc<Self>) {
        if self.asking.swap(true, Ordering::Relaxed) {
            return;
        }
        let probe = Arc::clone(self);
        tokio::spawn(async move {
            while !probe.answers_within(SILENCE).await {
                probe.silent.store(true, Ordering::Relaxed);
                pace::pause(ASK_EVERY).await;
            }
            probe.silent.store(false, Ordering::Relaxed);
            probe.asking.store(false, Ordering::Relaxed);
        });
    }

    async fn answers_within(&self, limit: Duration) -> bool {
        let ask = async { self.pool.get_conn().await?.query_drop("SELECT 1").await };
        matches!(pace::within(limit, ask).await, Some(Ok(())))
    }
}
