//! How many orders the database of a running stack has, each under an idempotency key of its own. Given the stack's directory, it asks the
//! database as the shop does, and prints the number.

use crate::failure::{Failure, Outcome};
use crate::{app, pace, status};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long the database may take.
const LIMIT: Duration = Duration::from_secs(10);
/// A key counts once: the column is unique, and this would show if it were not.
const COUNT: &str = "SELECT COUNT(*), COUNT(DISTINCT idempotency_key) FROM orders";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The stack's directory [default: that of the one stack that runs among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Counts, and prints.
///
/// # Errors
/// When there is no such stack, its database does not answer, or an order is there twice.
pub(crate) fn run(args: &Args) -> Outcome {
    let stack = status::descriptor(&status::directory(args.dir.as_deref())?)?;
    let database = stack.tiers.get("db").and_then(|tiers| tiers.first());
    let database = database.ok_or_else(|| Failure::usage("this stack has no database"))?;
    let options = app::parse_database(&database.address).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let (orders, keys) = runtime
        .block_on(pace::within(LIMIT, count(options)))
        .unwrap_or_else(|| Err(mysql_async::Error::Other(format!("no answer within {LIMIT:?}").into())))
        .map_err(|e| Failure::dead(format!("the database does not answer: {}", once(&e.to_string()))))?;
    if orders != keys {
        return Err(Failure::dead(format!("{orders} orders have only {keys} keys: some are there twice")));
    }
    // A closed pipe is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{orders}");
    Ok(())
}

/// What is said twice in a row, such as `error: error: refused`, said once.
fn once(said: &str) -> String {
    let mut parts: Vec<&str> = said.split(": ").collect();
    parts.dedup();
    parts.join(": ")
}

async fn count(options: Opts) -> mysql_async::Result<(u64, u64)> {
    let mut connection = Conn::new(options).await?;
    let counted = connection.query_first(COUNT).await?;
    connection.disconnect().await?;
    Ok(counted.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice_in_a_row() {
        for (said, want) in [
            (
                "Input/output error: Input/output error: Connection refused",
                "Input/output error: Connection refused",
            ),
            ("a: b: a", "a: b: a"),
            ("", ""),
        ] {
            assert_eq!(once(said), want);
        }
    }
}
