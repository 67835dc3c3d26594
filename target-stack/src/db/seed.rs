//! Fills an empty server with the shop's schema and its first rows. Given the administrator's way in and the counts,
//! it gives a database that is ready for the app. It decides no value itself: those are in `rows`.

use super::rows::{Counts, TABLES, Table};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, Result};
use std::fmt::Write;

/// The tables, the app's user and its rights.
const SCHEMA: &str = include_str!("schema.sql");
/// A statement's size: large enough that parsing is all it costs, well below the server's limit of 16 MiB.
const STATEMENT_BYTES: usize = 512 * 1024;

/// Makes the schema and all rows.
///
/// # Errors
/// When the server refuses a statement.
pub(super) async fn fill(administrator: Opts, counts: Counts) -> Result<()> {
    let mut conn = Conn::new(administrator).await?;
    // Until the data is in, nothing is promised to anybody: a failed start is thrown away as a whole.
    conn.query_drop("SET GLOBAL innodb_flush_log_at_trx_commit = 0").await?;
    for statement in statements(SCHEMA) {
        conn.query_drop(statement).await?;
    }
    // The rows are known to fit together, and nobody else is looking.
    conn.query_drop("SET unique_checks = 0, foreign_key_checks = 0").await?;
    for table in &TABLES {
        fill_table(&mut conn, table, &counts).await?;
    }
    // Plans must not depend on when the server happens to look at its tables by itself.
    let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    conn.query_drop(format!("ANALYZE TABLE {}", names.join(", "))).await?;
    // From here on a commit is on disk before it is acknowledged, and so is all that was made before.
    conn.query_drop("SET GLOBAL innodb_flush_log_at_trx_commit = 1").await?;
    conn.query_drop("FLUSH ENGINE LOGS").await?;
    conn.disconnect().await
}

/// One transaction a table.
async fn fill_table(conn: &mut Conn, table: &Table, counts: &Counts) -> Result<()> {
    conn.query_drop("START TRANSACTION").await?;
    let mut statement = String::with_capacity(STATEMENT_BYTES + 4096);
    for id in 1..=(table.rows)(counts) {
        let written = if statement.is_empty() {
            write!(statement, "INSERT INTO {} VALUES ", table.name)
        } else {
            statement.write_char(',')
        };
        written
            .and_then(|()| (table.write)(&mut statement, id, counts))
            .map_err(|e| Error::Other(e.into()))?;
        if statement.len() >= STATEMENT_BYTES {
            conn.query_drop(&statement).await?;
            statement.clear();
        }
    }
    if !statement.is_empty() {
        conn.query_drop(&statement).await?;
    }
    conn.query_drop("COMMIT").await
}

/// The statements of a script without semicolons inside of strings or comments that follow code.
fn statements(script: &str) -> impl Iterator<Item = String> {
    let code: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    let statements: Vec<String> =
        code.join("\n").split(';').map(str::trim).filter(|s| !s.is_empty()).map(String::from).collect();
    statements.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_falls_into_statements_without_comments() {
        let script = "-- one; two\nUSE a;\n\nSELECT\n  1;\n";
        assert_eq!(statements(script).collect::<Vec<_>>(), ["USE a", "SELECT\n  1"]);
        assert!(
            statements(SCHEMA).all(|s| ["CREATE", "USE", "GRANT"].iter().any(|verb| s.starts_with(verb)))
        );
    }
}
