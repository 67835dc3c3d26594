//! The report for a browser: one page that needs nothing beside it. From a record to HTML with its pictures, its figures
//! as text and tables, and a little script that sorts and reads out; it fetches nothing and keeps nothing. All text of a
//! record is somebody else's: it is escaped, and has nothing in it that a reader's screen would obey.

mod ceiling;
mod page;
mod palette;
mod run;
mod steps;
mod table;
mod told;
mod trace;

use crate::ceiling::Ceiling;
use crate::store::Record;
use crate::trace::Trace;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the report beside a record.
pub const REPORT_FILE: &str = "report.html";

/// The report of a run.
pub fn of_run(record: &Record) -> String {
    run::page(record).render()
}

/// The report of a search for the ceiling.
pub fn of_ceiling(found: &Ceiling) -> String {
    ceiling::page(found).render()
}

/// The report of a traced request.
pub fn of_trace(trace: &Trace) -> String {
    trace::page(trace).render()
}

/// Writes the report of a run into `dir`, which is made where it is missing, and gives its path.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write(dir: &Path, record: &Record) -> Result<PathBuf, String> {
    keep(dir, &of_run(record))
}

/// Writes the report of a search for the ceiling, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_ceiling(dir: &Path, found: &Ceiling) -> Result<PathBuf, String> {
    keep(dir, &of_ceiling(found))
}

/// Writes the report of a traced request, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_trace(dir: &Path, trace: &Trace) -> Result<PathBuf, String> {
    keep(dir, &of_trace(trace))
}

fn keep(dir: &Path, text: &str) -> Result<PathBuf, String> {
    let path = dir.join(REPORT_FILE);
    let written = fs::create_dir_all(dir).and_then(|()| fs::write(&path, text));
    written.map_err(|e| format!("{}: {e}", path.display())).map(|()| path)
}

#[cfg(test)]
mod tests;
