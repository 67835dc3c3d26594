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

/// Tells the story of those records in `dir` whose files are in `told`, with what was `left_out`, and gives the way to it.
///
/// # Errors
/// Wrong use: a record cannot be read, or the report cannot be written.
pub(crate) fn drawn(dir: &Path, told: &[&str], left_out: Vec<String>) -> Outcome<PathBuf> {
    let lessons = Lessons {
        spof: part(dir, SPOF_FILE, told)?,
        maintenance: part(dir, MAINTENANCE_FILE, told)?,
        scale_out: part(dir, SCALE_OUT_FILE, told)?,
        cache: part(dir, CACHE_FILE, told)?,
        left_out,
    };
    html::write(dir, &lessons).map_err(Failure::usage)
}

/// The record of the part that leaves `file`, if it is to be told, and there.
fn part<K: Kept>(dir: &Path, file: &str, told: &[&str]) -> Outcome<Option<K>> {
    let name = PARTS.iter().find(|(_, of)| *of == file).map_or("", |(name, _)| name);
    let dir = dir.join(name);
    let there = told.contains(&file) && dir.join(file).is_file();
    there.then(|| kept(&dir, file).map_err(Failure::usage)).transpose()
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
    let report = drawn(dir, &PARTS.map(|(_, file)| file), Vec::new())?;
    super::write(&format!("\nstory       {}\n", report.display()), false)?;
    Ok(Exit::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::analyse::lesson::conclude;
    use reports::lesson::{Lesson, MAINTENANCE_SCHEMA, SPOF_SCHEMA};

    #[test]
    fn only_what_is_to_be_told_is_in_the_story() {
        let dir = tempfile::tempdir().unwrap();
        for (name, schema) in [("spof", SPOF_SCHEMA), ("maintenance", MAINTENANCE_SCHEMA)] {
            let mut found = Lesson { schema: schema.to_owned(), ..Lesson::default() };
            conclude(&mut found);
            reports::store::keep(&dir.path().join(name), &found).unwrap();
        }
        for (told, failure) in [(vec![MAINTENANCE_FILE], false), (vec![SPOF_FILE, MAINTENANCE_FILE], true)] {
            let page = std::fs::read_to_string(drawn(dir.path(), &told, Vec::new()).unwrap()).unwrap();
            assert!(page.contains("id=\"maintenance\""), "{told:?}");
            assert_eq!(page.contains("id=\"failure\""), failure, "{told:?}");
        }
    }
}
