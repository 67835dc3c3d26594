//! What is over is removed: sessions that have run out, and carts that are older than carts are kept. It goes a batch at a time,
//! each by a key, and locks no row that anybody still looks for.

use super::Store;
use crate::pace;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Result};
use std::time::Duration;

/// Rows of one statement, and statements of one sweep: what is left is the next one's.
const BATCH: u64 = 500;
const BATCHES: usize = 200;
/// Between two batches, so that requests are let through.
const REST: Duration = Duration::from_millis(20);

// No gaps are locked: new rows come behind those that go.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const SESSIONS: &str = "DELETE FROM session WHERE expires_at < UTC_TIMESTAMP() ORDER BY expires_at LIMIT ?";
// Numbers of carts rise with time, so the oldest are the first ones of the key.
const LAST_OLD_CART: &str = "SELECT COALESCE(MAX(id), 0), COUNT(*) FROM \
    (SELECT id, created_at FROM cart ORDER BY id LIMIT ?) first \
    WHERE created_at < UTC_TIMESTAMP() - INTERVAL ? SECOND";
// Lines go first: what is interrupted here leaves an empty cart, which is the next sweep's.
const LINES: &str = "DELETE FROM cart_line WHERE cart_id <= ?";
const CARTS: &str = "DELETE FROM cart WHERE id <= ?";

impl Store {
    /// Sweeps at these intervals until it is dropped.
    pub(crate) async fn keep_sweeping(&self, every: Duration) {
        loop {
            pace::pause(every).await;
            self.sweep().await;
        }
    }

    /// Removes what is over, on a connection of its own.
    async fn sweep(&self) {
        let sweep = async {
            let mut conn = Conn::new(self.database.clone()).await?;
            conn.query_drop(ISOLATION).await?;
            self.sweep_sessions(&mut conn).await?;
            self.sweep_carts(&mut conn).await?;
            conn.disconnect().await
        };
        match sweep.await {
            Ok(()) => {
                self.telemetry.sweeps.inc();
            }
            Err(error) => self.telemetry.database_failed(&error),
        }
    }

    async fn sweep_sessions(&self, conn: &mut Conn) -> Result<()> {
        for _ in 0..BATCHES {
            conn.exec_drop(SESSIONS, (BATCH,)).await?;
            let gone = conn.affected_rows();
            self.telemetry.swept("session", gone);
            if gone < BATCH {
                break;
            }
            pace::pause(REST).await;
        }
        Ok(())
    }

    async fn sweep_carts(&self, conn: &mut Conn) -> Result<()> {
        for _ in 0..BATCHES {
            let old: Option<(u64, u64)> = conn.exec_first(LAST_OLD_CART, (BATCH, self.lives.cart_s)).await?;
            let Some((last, found)) = old.filter(|(_, found)| *found > 0) else { break };
            for (table, sql) in [("cart_line", LINES), ("cart", CARTS)] {
                conn.exec_drop(sql, (last,)).await?;
                self.telemetry.swept(table, conn.affected_rows());
            }
            if found < BATCH {
                break;
            }
            pace::pause(REST).await;
        }
        Ok(())
    }
}
