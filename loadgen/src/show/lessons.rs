//! What a person is shown of all lessons together: one report, made of the records that the experiments have left in directories of
//! their own.

use crate::failure::{Exit, Failure, Outcome};
use reports::html::{self, Lessons};
use reports::store::{self, CACHE_FILE, MAINTENANCE_FILE, SCALE_OUT_FILE, SPOF_FILE};
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
    let [spof, maintenance, scale_out, cache] = PARTS.map(|(name, file)| {
        let part = dir.join(name);
        part.join(file).is_file().then_some(part)
    });
    let lesson = |part: PathBuf, file| store::load_lesson(&part, file).map_err(Failure::usage);
    let lessons = Lessons {
        spof: spof.map(|part| lesson(part, SPOF_FILE)).transpose()?,
        maintenance: maintenance.map(|part| lesson(part, MAINTENANCE_FILE)).transpose()?,
        scale_out: scale_out.map(|part| store::load_scale_out(&part).map_err(Failure::usage)).transpose()?,
        cache: cache.map(|part| store::load_caching(&part).map_err(Failure::usage)).transpose()?,
    };
    html::write_lessons(dir, &lessons).map_err(Failure::usage)
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
