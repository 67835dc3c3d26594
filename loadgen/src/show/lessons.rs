//! What a person is shown of all lessons together: one report, made of the records that the experiments have left in directories of
//! their own.

use crate::failure::{Exit, Failure, Outcome};
use reports::html::{self, Lessons};
use reports::store::{CACHE_FILE, Kept, MAINTENANCE_FILE, SCALE_OUT_FILE, SPOF_FILE, kept};
use std::path::{Path, PathBuf};

/// The experiments in the order of the story: each one's name, which is its directory's too, and its record.
pub(crate) const PARTS: [(&str, &str); 4] = [
    ("spof", SPOF_FILE),
    ("maintenance", MAINTENANCE_FILE),
    ("scale-out", SCALE_OUT_FILE),
    ("cache", CACHE_FILE),
];

/// Whether the records of lessons are in directories of `dir`.
pub(super) fn are_in(dir: &Path) -> bool {
    PARTS.iter().any(|(name, file)| dir.join(name).join(file).is_file())
}

/// Tells the story of what is in `dir`, and gives the way to it.
///
/// # Errors
/// Wrong use: a record cannot be read, or the report cannot be written.
pub(crate) fn drawn(dir: &Path) -> Outcome<PathBuf> {
    let lessons = Lessons {
        spof: part(dir, SPOF_FILE)?,
        maintenance: part(dir, MAINTENANCE_FILE)?,
        scale_out: part(dir, SCALE_OUT_FILE)?,
        cache: part(dir, CACHE_FILE)?,
    };
    html::write_lessons(dir, &lessons).map_err(Failure::usage)
}

/// The record of the part that leaves `file`, if it is there.
fn part<K: Kept>(dir: &Path, file: &str) -> Outcome<Option<K>> {
    let name = PARTS.iter().find(|(_, of)| *of == file).map_or("", |(name, _)| name);
    let dir = dir.join(name);
    dir.join(file).is_file().then(|| kept(&dir, file).map_err(Failure::usage)).transpose()
}

/// Draws all of it again: each record that is there, and the story.
///
/// # Errors
/// Wrong use: a record cannot be read, or a directory cannot be written to; there is no one record to write as JSON.
pub(super) fn again(dir: &Path, json_file: Option<&Path>) -> Outcome<Exit> {
    if json_file.is_some() {
        let dir = dir.display();
        return Err(Failure::usage(format!(
            "--json: there are several records in {dir}; name the directory of one"
        )));
    }
    for (name, file) in PARTS {
        if dir.join(name).join(file).is_file() {
            super::again(&dir.join(name), None)?;
        }
    }
    let report = drawn(dir)?;
    super::write(&format!("\nstory       {}\n", report.display()), false)?;
    Ok(Exit::Passed)
}
