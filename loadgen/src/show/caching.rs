//! What a person is shown of an experiment on caching.

use super::{painted, write};
use crate::failure::{Exit, Failure, Outcome};
use reports::cache::Caching;
use reports::terminal::printable;
use reports::{html, pictures, store, text};
use std::path::Path;

/// The summary; `note` is what went wrong on the way.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn summary(found: &Caching, note: Option<&str>, lines: &[String], beside_json: bool) -> Outcome {
    let mut text = text::caching(found, painted(beside_json));
    text.push('\n');
    let lines = note.map(|note| format!("stopped     {note}")).into_iter().chain(lines.iter().cloned());
    lines.for_each(|line| text += &format!("{}\n", printable(&line)));
    write(&text, beside_json)
}

/// Draws it into `dir`, and gives the lines that say where.
///
/// # Errors
/// The host's fault: a file cannot be written.
pub(crate) fn drawn(dir: &Path, found: &Caching) -> Outcome<Vec<String>> {
    let pictures = pictures::write_caching(dir, found).map_err(Failure::host)?;
    let report = html::write_caching(dir, found).map_err(Failure::host)?;
    let pictures = pictures.iter().map(|picture| format!("picture     {}", picture.display()));
    Ok(pictures.chain([format!("report      {}", report.display())]).collect())
}

/// Draws again what is in `dir`, and prints its summary again.
///
/// # Errors
/// Wrong use: the record cannot be read, or the directory cannot be written to.
pub(super) fn again(dir: &Path, json_file: Option<&Path>) -> Outcome<Exit> {
    let found = store::load_caching(dir).map_err(Failure::usage)?;
    let lines = drawn(dir, &found).map_err(|failure| Failure::usage(failure.message))?;
    if let Some(file) = json_file {
        super::json(&found, file)?;
    }
    summary(&found, None, &lines, json_file.is_some_and(|file| file.as_os_str() == "-"))?;
    Ok(Exit::Passed)
}
