//! The report for a browser: one page that needs nothing beside it. From a record to HTML with its pictures, its figures
//! as text and tables, and a little script that sorts and reads out; it fetches nothing and keeps nothing. All text of a
//! record is somebody else's: it is escaped, and has nothing in it that a reader's screen would obey.

mod caching;
mod ceiling;
mod comparison;
mod lesson;
mod page;
mod palette;
mod run;
mod scale_out;
mod steps;
mod story;
mod table;
mod told;
mod trace;
mod trend;

use crate::analyse::trend::Trend;
use crate::cache::Caching;
use crate::ceiling::Ceiling;
use crate::comparison::Comparison;
use crate::lesson::Lesson;
use crate::scale_out::ScaleOut;
use crate::store::Record;
use crate::trace::Trace;
use crate::whole;
use std::fs;
use std::path::{Path, PathBuf};

pub use story::Lessons;

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

/// The report of trials.
pub fn of_lesson(found: &Lesson) -> String {
    lesson::page(found).render()
}

/// The report of an experiment on caching.
pub fn of_caching(found: &Caching) -> String {
    caching::page(found).render()
}

/// The report of an experiment on scaling out.
pub fn of_scale_out(found: &ScaleOut) -> String {
    scale_out::page(found).render()
}

/// The report of a comparison.
pub fn of_comparison(found: &Comparison) -> String {
    comparison::page(found).render()
}

/// The report of a history.
pub fn of_trend(trend: &Trend) -> String {
    trend::page(trend).render()
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

/// Writes the report of trials, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_lesson(dir: &Path, found: &Lesson) -> Result<PathBuf, String> {
    keep(dir, &of_lesson(found))
}

/// Writes the report of an experiment on caching, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_caching(dir: &Path, found: &Caching) -> Result<PathBuf, String> {
    keep(dir, &of_caching(found))
}

/// Writes the report of an experiment on scaling out, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_scale_out(dir: &Path, found: &ScaleOut) -> Result<PathBuf, String> {
    keep(dir, &of_scale_out(found))
}

/// Writes the report of a comparison, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_comparison(dir: &Path, found: &Comparison) -> Result<PathBuf, String> {
    keep(dir, &of_comparison(found))
}

/// Writes the report of a history, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_trend(dir: &Path, trend: &Trend) -> Result<PathBuf, String> {
    keep(dir, &of_trend(trend))
}

/// Writes the report of a traced request, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_trace(dir: &Path, trace: &Trace) -> Result<PathBuf, String> {
    keep(dir, &of_trace(trace))
}

/// The report of all lessons.
pub fn of_lessons(lessons: &Lessons) -> String {
    story::page(lessons).render()
}

/// Writes the report of all lessons, as [`write`] does.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_lessons(dir: &Path, lessons: &Lessons) -> Result<PathBuf, String> {
    keep(dir, &of_lessons(lessons))
}

fn keep(dir: &Path, text: &str) -> Result<PathBuf, String> {
    let path = dir.join(REPORT_FILE);
    let written = fs::create_dir_all(dir).and_then(|()| whole::replace(&path, text.as_bytes()));
    written.map_err(|e| format!("cannot write {}: {e}", path.display())).map(|()| path)
}

#[cfg(test)]
mod tests;
