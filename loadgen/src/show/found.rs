//! What a person is shown of an experiment that leaves one record: a summary, a picture, a report. What they have in common is here; what
//! each of them is, the record says.

use super::{painted, write};
use crate::failure::{Exit, Failure, Outcome};
use reports::cache::Caching;
use reports::comparison::Comparison;
use reports::html::{self, Reported};
use reports::lesson::Lesson;
use reports::pictures::{self, Pictured};
use reports::scale_out::ScaleOut;
use reports::store::{Kept, kept};
use reports::terminal::printable;
use reports::text;
use std::path::Path;

/// A record that can be drawn and told.
pub(crate) trait Found: Kept + Pictured + Reported {
    /// Its summary.
    fn text(&self, colour: bool) -> String;
}

macro_rules! found {
    ($($found:ty: $text:path;)*) => {$(
        impl Found for $found {
            fn text(&self, colour: bool) -> String {
                $text(self, colour)
            }
        }
    )*};
}

found! {
    Caching: text::caching;
    Comparison: text::comparison;
    Lesson: text::lesson;
    ScaleOut: text::scale_out;
}

/// The summary; `note` is what went wrong on the way.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn summary(
    found: &impl Found,
    note: Option<&str>,
    lines: &[String],
    beside_json: bool,
) -> Outcome {
    let mut text = found.text(painted(beside_json));
    text.push('\n');
    let lines = note.map(|note| format!("stopped     {note}")).into_iter().chain(lines.iter().cloned());
    lines.for_each(|line| text += &format!("{}\n", printable(&line)));
    write(&text, beside_json)
}

/// Draws it into `dir`, and gives the lines that say where.
///
/// # Errors
/// The host's fault: a file cannot be written.
pub(crate) fn drawn(dir: &Path, found: &impl Found) -> Outcome<Vec<String>> {
    let pictures = pictures::write(dir, found).map_err(Failure::host)?;
    let report = html::write(dir, found).map_err(Failure::host)?;
    let pictures = pictures.iter().map(|picture| format!("picture     {}", picture.display()));
    Ok(pictures.chain([format!("report      {}", report.display())]).collect())
}

/// Draws the record in `file` of `dir` again, and prints its summary again.
///
/// # Errors
/// Wrong use: the record cannot be read, or the directory cannot be written to.
pub(super) fn again<K: Found>(dir: &Path, file: &str, json_file: Option<&Path>) -> Outcome<Exit> {
    let found: K = kept(dir, file).map_err(Failure::usage)?;
    let lines = drawn(dir, &found).map_err(|failure| Failure::usage(failure.message))?;
    if let Some(file) = json_file {
        super::json(&found, file)?;
    }
    summary(&found, None, &lines, json_file.is_some_and(|file| file.as_os_str() == "-"))?;
    Ok(Exit::Passed)
}
