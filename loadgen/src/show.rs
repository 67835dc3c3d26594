//! What a person or a script is shown: summaries on standard output, notes and errors on standard error.

pub(crate) mod found;
pub(crate) mod lessons;
pub(crate) mod trend;

use crate::failure::{Exit, Failure, Outcome};
use crate::terminal;
use clap::Command;
use clap_complete::Shell;
use reports::cache::Caching;
use reports::ceiling::Ceiling;
use reports::comparison::Comparison;
use reports::lesson::Lesson;
use reports::pairs::Pairs;
use reports::record::Run;
use reports::scale_out::ScaleOut;
use reports::terminal::{printable, printable_json};
use reports::trace::Trace;
use reports::{exports, html, junit, pictures, store, text};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Of what is left of a long line.
const INDENT: usize = 4;

/// An error, on one line.
pub(crate) fn error(failure: &Failure) {
    note(&format!("loadgen: {}", failure.message));
}

/// A line for the person who waits; when nobody listens, it is not said.
pub(crate) fn note(line: &str) {
    terminal::begin_line();
    let _ = writeln!(std::io::stderr(), "{}", printable(line));
}

/// A line that may be long, `text` behind `head`: on a terminal of so many columns it is broken between words.
pub(crate) fn long_note(head: &str, text: &str, columns: Option<usize>) {
    for line in broken(head, &printable(text), columns).lines() {
        note(line);
    }
}

/// `text` behind `head`, and below it where it goes on; all of it on a line where there are no columns.
fn broken(head: &str, text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return format!("{head}{text}").trim_end().to_owned() };
    let beside = head.chars().count();
    // Where there is little room beside it, or nothing in front of it, what goes on is indented a little.
    let indent = if beside > 0 && beside <= columns / 2 { beside } else { INDENT };
    let lines = format!("{head}{}", text::wrapped_at(columns, text, beside, indent).trim_start());
    lines.trim_end().to_owned()
}

/// The summary of a run, and the way to its pictures last. On standard error when standard output has the JSON.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn summary(run: &Run, note: Option<&str>, lines: &[String], beside_json: bool) -> Outcome {
    let mut text = text::summary(run, painted(beside_json));
    if let Some(note) = note {
        text += &format!("target      {}\n", printable(note));
    }
    for line in lines {
        text += &format!("{}\n", printable(line));
    }
    write(&text, beside_json)
}

/// The summary of a ceiling search; `note` is what a dead target said.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn ceiling(found: &Ceiling, note: Option<&str>, lines: &[String], beside_json: bool) -> Outcome {
    let mut text = text::ceiling(found, painted(beside_json));
    let lines = note.map(|note| format!("target      {note}")).into_iter().chain(lines.iter().cloned());
    for (n, line) in lines.enumerate() {
        if n == 0 {
            text.push('\n');
        }
        text += &format!("{}\n", printable(&line));
    }
    write(&text, beside_json)
}

/// Draws a ceiling search into `dir`, and gives the lines that say where.
///
/// # Errors
/// The host's fault: a file cannot be written.
pub(crate) fn drawn(dir: &Path, found: &Ceiling) -> Outcome<Vec<String>> {
    pictures::write(dir, found).map_err(Failure::host)?;
    let report = html::write(dir, found).map_err(Failure::host)?;
    // A line each would take the verdict off a small screen.
    let pictures = dir.join("*.png");
    Ok(vec![format!("pictures    {}", pictures.display()), format!("report      {}", report.display())])
}

/// The summary of a traced request.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn trace(trace: &Trace, lines: &[String], beside_json: bool) -> Outcome {
    let terminal =
        if beside_json { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    let variable = |name| std::env::var_os(name);
    let mut text = text::trace(trace, terminal && coloured(variable("NO_COLOR"), variable("TERM")));
    text.push('\n');
    for line in lines {
        text += &format!("{}\n", printable(line));
    }
    write(&text, beside_json)
}

/// The summary of what was measured in pairs; `note` is what went wrong on the way.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn pairs(found: &Pairs, note: Option<&str>, lines: &[String], beside_json: bool) -> Outcome {
    let mut text = text::pairs(found, painted(beside_json));
    let lines = note.map(|note| format!("stopped     {note}")).into_iter().chain(lines.iter().cloned());
    lines.for_each(|line| text += &format!("{}\n", printable(&line)));
    write(&text, beside_json)
}

/// Draws a traced request into `dir`, and gives the lines that say where.
///
/// # Errors
/// The host's fault: a file cannot be written.
pub(crate) fn drawn_trace(dir: &Path, trace: &Trace) -> Outcome<Vec<String>> {
    let drawn = pictures::write(dir, trace).map_err(Failure::host)?;
    let report = html::write(dir, trace).map_err(Failure::host)?;
    let pictures = drawn.iter().map(|picture| format!("picture     {}", picture.display()));
    Ok(pictures.chain([format!("report      {}", report.display())]).collect())
}

/// Text for a person: on standard error when standard output has the JSON.
///
/// # Errors
/// The host's fault: it cannot be written. A closed pipe (| head) is the reader's choice, and no error.
pub(crate) fn write(text: &str, beside_json: bool) -> Outcome {
    terminal::begin_line();
    let written = match beside_json {
        true => std::io::stderr().write_all(text.as_bytes()),
        false => std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()),
    };
    match written {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::host(format!("cannot write the summary: {e}")))
        }
        _ => Ok(()),
    }
}

/// Whether a terminal with these variables is to be shown colours: not where they are unwanted (https://no-color.org) or
/// would be printed as they are.
fn coloured(no_color: Option<OsString>, term: Option<OsString>) -> bool {
    no_color.is_none_or(|value| value.is_empty()) && term.is_none_or(|term| term != "dumb")
}

/// Whether a summary is to have colours.
fn painted(beside_json: bool) -> bool {
    let terminal =
        if beside_json { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    let variable = |name| std::env::var_os(name);
    terminal && coloured(variable("NO_COLOR"), variable("TERM"))
}

/// The summary as JSON, to a file or, for `-`, to standard output.
///
/// # Errors
/// The host's fault: the file cannot be written any more.
pub(crate) fn json(value: &impl Serialize, file: &Path) -> Outcome {
    let refused = |e: String| Failure::host(format!("cannot write {}: {e}", file.display()));
    let mut text = serde_json::to_string_pretty(value).map_err(|e| refused(e.to_string()))?;
    text.push('\n');
    if file.as_os_str() == "-" {
        let mut out = std::io::stdout();
        terminal::begin_line();
        let text = if out.is_terminal() { printable_json(&text) } else { text.into() };
        return out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| refused(e.to_string()));
    }
    std::fs::write(file, text).map_err(|e| refused(e.to_string()))
}

/// The thresholds and the verdict as JUnit XML, to a file.
///
/// # Errors
/// The host's fault: the file cannot be written any more.
pub(crate) fn junit(run: &Run, file: &Path) -> Outcome {
    to_file(file, &junit::xml(run))
}

/// Text in place of what is in a file.
///
/// # Errors
/// The host's fault: the file cannot be written.
pub(crate) fn to_file(file: &Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|e| Failure::host(format!("cannot write {}: {e}", file.display())))
}

/// Text behind what is in a file.
///
/// # Errors
/// The host's fault: the file cannot be written.
pub(crate) fn append(file: &Path, text: &str) -> Outcome {
    let opened = std::fs::File::options().create(true).append(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| Failure::host(format!("cannot write {}: {e}", file.display())))
}

/// A completion script.
///
/// # Errors
/// The host's fault: it cannot be written.
pub(crate) fn completions(shell: Shell, command: &mut Command) -> Outcome<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "loadgen", &mut script);
    page(&script)
}

/// The manual page.
///
/// # Errors
/// The host's fault: it cannot be written.
pub(crate) fn manual(command: Command) -> Outcome<Exit> {
    let mut roff = Vec::new();
    let made = clap_mangen::Man::new(command).render(&mut roff);
    made.map_err(|e| Failure::host(format!("cannot write the manual page: {e}")))?;
    page(&roff)
}

/// Text of our own on standard output; a closed pipe is the reader's choice.
fn page(text: &[u8]) -> Outcome<Exit> {
    let mut out = std::io::stdout();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::host(format!("cannot write: {e}"))),
        _ => Ok(Exit::Passed),
    }
}

/// Draws again what a run has left, and prints its summary again.
///
/// # Errors
/// Wrong use: there is no record, or it cannot be read or written to.
pub(crate) fn again(dir: &Path, json_file: Option<&Path>) -> Outcome<Exit> {
    if dir.join(store::CEILING_FILE).is_file() {
        let found = store::kept::<Ceiling>(dir, store::CEILING_FILE).map_err(Failure::usage)?;
        let lines = drawn(dir, &found).map_err(|failure| Failure::usage(failure.message))?;
        if let Some(file) = json_file {
            json(&found, file)?;
        }
        ceiling(&found, None, &lines, json_file.is_some_and(|file| file.as_os_str() == "-"))?;
        return Ok(Exit::Passed);
    }
    if dir.join(store::CACHE_FILE).is_file() {
        return found::again::<Caching>(dir, store::CACHE_FILE, json_file);
    }
    for file in [store::SPOF_FILE, store::MAINTENANCE_FILE] {
        if dir.join(file).is_file() {
            return found::again::<Lesson>(dir, file, json_file);
        }
    }
    if dir.join(store::COMPARE_FILE).is_file() {
        return found::again::<Comparison>(dir, store::COMPARE_FILE, json_file);
    }
    if dir.join(store::SCALE_OUT_FILE).is_file() {
        return found::again::<ScaleOut>(dir, store::SCALE_OUT_FILE, json_file);
    }
    if dir.join(store::TRACE_FILE).is_file() {
        let found = store::kept::<Trace>(dir, store::TRACE_FILE).map_err(Failure::usage)?;
        let lines = drawn_trace(dir, &found).map_err(|failure| Failure::usage(failure.message))?;
        if let Some(file) = json_file {
            json(&found, file)?;
        }
        trace(&found, &lines, json_file.is_some_and(|file| file.as_os_str() == "-"))?;
        return Ok(Exit::Passed);
    }
    if dir.join(store::PAIRS_FILE).is_file() {
        let found = store::kept::<Pairs>(dir, store::PAIRS_FILE).map_err(Failure::usage)?;
        if let Some(file) = json_file {
            json(&found, file)?;
        }
        pairs(&found, None, &[], json_file.is_some_and(|file| file.as_os_str() == "-"))?;
        return Ok(Exit::Passed);
    }
    if lessons::are_in(dir) {
        return lessons::again(dir, json_file);
    }
    if !dir.join(store::RUN_FILE).exists() {
        return Err(Failure::usage(format!("no record of loadgen in {}", dir.display())));
    }
    let record = store::load(dir).map_err(Failure::usage)?;
    exports::write(dir, &record).map_err(Failure::usage)?;
    let drawn = pictures::write(dir, &record).map_err(Failure::usage)?;
    let report = html::write(dir, &record).map_err(Failure::usage)?;
    if let Some(file) = json_file {
        json(&record.run, file)?;
    }
    let mut lines: Vec<String> =
        drawn.iter().map(|picture| format!("picture     {}", picture.display())).collect();
    lines.push(format!("report      {}", report.display()));
    summary(&record.run, None, &lines, json_file.is_some_and(|file| file.as_os_str() == "-"))?;
    Ok(Exit::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_on_a_terminal_and_nowhere_else() {
        let head = "bracket     1,840/s  fails    ";
        let text = "p99 591 ms: broken by 100 % of the requests";
        for (head, columns, want) in [
            (head, None, "bracket     1,840/s  fails    p99 591 ms: broken by 100 % of the requests"),
            (head, Some(80), "bracket     1,840/s  fails    p99 591 ms: broken by 100 % of the requests"),
            (
                head,
                Some(72),
                "bracket     1,840/s  fails    p99 591 ms: broken by 100 % of the\n                              requests",
            ),
            (
                head,
                Some(50),
                "bracket     1,840/s  fails    p99 591 ms: broken\n    by 100 % of the requests",
            ),
            ("", Some(30), "p99 591 ms: broken by 100 % of\n    the requests"),
            ("", Some(1), "p99\n    591 ms:\n    broken\n    by\n    100 %\n    of\n    the\n    requests"),
        ] {
            assert_eq!(broken(head, text, columns), want, "{columns:?}");
        }
        assert_eq!([broken(head, "", None), broken(head, "", Some(80))], [head.trim_end(); 2]);
    }

    #[test]
    fn colours_are_for_who_wants_them() {
        for (no_color, term, want) in [
            (None, Some("xterm"), true),
            (Some(""), Some("xterm"), true),
            (Some("1"), Some("xterm"), false),
            (Some("0"), None, false),
            (None, Some("dumb"), false),
            (None, None, true),
        ] {
            assert_eq!(
                coloured(no_color.map(Into::into), term.map(Into::into)),
                want,
                "{no_color:?} {term:?}"
            );
        }
    }
}
