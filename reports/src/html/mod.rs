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
mod shards;
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

/// What there is a report of.
pub trait Reported {
    /// The report, as one page of HTML.
    fn html(&self) -> String;
}

macro_rules! reported {
    ($($of:ty: $page:path;)*) => {$(
        impl Reported for $of {
            fn html(&self) -> String {
                $page(self).render()
            }
        }
    )*};
}

reported! {
    Record: run::page;
    Ceiling: ceiling::page;
    Lesson: lesson::page;
    Lessons: story::page;
    Caching: caching::page;
    ScaleOut: scale_out::page;
    Comparison: comparison::page;
    Trend: trend::page;
    Trace: trace::page;
}

/// Writes the report of `found` into `dir`, which is made where it is missing, and gives its path.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write(dir: &Path, found: &impl Reported) -> Result<PathBuf, String> {
    let path = dir.join(REPORT_FILE);
    let written = fs::create_dir_all(dir).and_then(|()| whole::replace(&path, found.html().as_bytes()));
    written.map_err(|e| format!("cannot write {}: {e}", path.display())).map(|()| path)
}

#[cfg(test)]
mod tests;
