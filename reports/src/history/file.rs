//! The file of a history: a line is appended whole or not at all, and read so that a line that is broken costs that line and no other.

use super::{HISTORY_SCHEMA, Night};
use crate::number::counted;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of a line, its end included: what is longer is nobody's night.
pub const LONGEST_LINE: u64 = 1 << 20;
/// So many notes are worth reading.
const MOST_NOTES: usize = 20;

/// Appends `night` as a line to the file at `path`, which is made with its directory where it is missing. Of two writers one waits
/// for the other: the file is locked (`flock`) from before it is read until its new line is on the disk. A last line without an end is
/// what a writer that was killed has left: it is given one, so that nothing else is lost.
///
/// # Errors
/// When the night is in the history already, is none that could be read again (no time, too long for a line), or the file is none that
/// can be written to: with its path.
pub fn append(path: &Path, night: &Night) -> Result<(), String> {
    let named = |what: &str| format!("{}: {what}", path.display());
    let failed = |e: io::Error| named(&e.to_string());
    if night.schema != HISTORY_SCHEMA || night.at.parse::<Timestamp>().is_err() {
        return Err(named(&format!(
            "the night's time is `{}`, which is none: it has to be RFC 3339",
            night.at
        )));
    }
    let mut line = serde_json::to_vec(night).map_err(|e| named(&e.to_string()))?;
    line.push(b'\n');
    if line.len() as u64 > LONGEST_LINE {
        return Err(named("the night is too long for a line of the history"));
    }
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
    }
    let mut file = opened(path)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    let ids = ids(&file).map_err(failed)?;
    if ids.contains(&night.id) {
        return Err(named(&format!("the night {} is in the history already", night.id)));
    }
    let before = file.seek(io::SeekFrom::End(0)).map_err(failed)?;
    if is_torn(&mut file, before).map_err(failed)? {
        line.insert(0, b'\n');
    }
    let written = file.write_all(&line).and_then(|()| file.sync_all());
    if written.is_err() {
        // Nobody else has written meanwhile: what is half there is ours.
        let _ = file.set_len(before);
    }
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// The file for reading and appending, if it is one: nothing is written through a link or into a pipe.
fn opened(path: &Path) -> Result<File, String> {
    let named = |what: &str| format!("cannot write {}: {what}", path.display());
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(named("it is a link, which may lead anywhere")),
        Ok(found) if found.is_dir() => return Err(named("it is a directory")),
        Ok(found) if !found.is_file() => return Err(named("it is no file")),
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(named(&e.to_string())),
        _ => {}
    }
    // Whatever has taken its place since is not followed either.
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let options = File::options().read(true).append(true).create(true).custom_flags(flags).open(path);
    options.map_err(|e| named(&e.to_string()))
}

fn is_torn(file: &mut File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.seek(io::SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte != *b"\n")
}

/// The nights that are there.
fn ids(file: &File) -> io::Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    lines(file, |_, line| {
        if let Line::Whole(text) | Line::Torn(text) = line
            && let Ok(night) = parse(text)
        {
            ids.insert(night.id);
        }
    })?;
    Ok(ids)
}

/// The nights of the file at `path` in the order in which they were appended, which is theirs even where a clock went back, and what
/// there is to say of its lines. A line that is broken, too long or of another schema is left out; so is one whose night is there already.
///
/// # Errors
/// When there is no such file, or it cannot be read: with its path.
pub fn read(path: &Path) -> Result<(Vec<Night>, Vec<String>), String> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => format!("{}: there is no history: no such file", path.display()),
        _ => format!("{}: {e}", path.display()),
    };
    // Asked before: opening a pipe waits for whoever writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{}: it is no file", path.display()));
    }
    let file = File::open(path).map_err(failed)?;
    let mut found = Reading::default();
    let count = lines(&file, |number, line| found.take(number, line)).map_err(failed)?;
    if count == 0 {
        found.notes.push(String::from("the history is empty"));
    }
    Ok(found.ended())
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    nights: Vec<Night>,
    ids: BTreeSet<String>,
    last: Option<Timestamp>,
    notes: Vec<String>,
}

impl Reading {
    fn take(&mut self, number: u64, line: Line<'_>) {
        let parsed = match line {
            Line::Whole(text) => parse(text),
            // A night that only lacks the end of its line lacks nothing.
            Line::Torn(text) => {
                parse(text).map_err(|_| String::from("it has no end: whoever wrote it was stopped"))
            }
            Line::Long => Err(String::from("it is too long")),
        };
        let timed = parsed.and_then(|night| {
            let at = night.at.parse::<Timestamp>().map_err(|_| String::from("its time is none"))?;
            Ok((night, at))
        });
        match timed {
            Err(why) => self.notes.push(format!("line {number} is left out: {why}")),
            Ok((night, _)) if self.ids.contains(&night.id) => {
                self.notes.push(format!("line {number} is left out: its night is there already"));
            }
            Ok((night, at)) => {
                if self.last.is_some_and(|last| at < last) {
                    let said =
                        format!("line {number}: the clock went back; its night stays where it was appended");
                    self.notes.push(said);
                }
                self.last = Some(at);
                self.ids.insert(night.id.clone());
                self.nights.push(night);
            }
        }
    }

    fn ended(mut self) -> (Vec<Night>, Vec<String>) {
        let more = self.notes.len().saturating_sub(MOST_NOTES);
        if more > 0 {
            self.notes.truncate(MOST_NOTES);
            self.notes.push(format!("and {} more", counted(more as u64, "note")));
        }
        (self.nights, self.notes)
    }
}

fn parse(text: &[u8]) -> Result<Night, String> {
    #[derive(serde::Deserialize)]
    struct Kind {
        schema: String,
    }
    let Ok(kind) = serde_json::from_slice::<Kind>(text) else {
        return Err(String::from("it is no line of a history"));
    };
    if kind.schema != HISTORY_SCHEMA {
        return Err(format!("\"{}\" is not {HISTORY_SCHEMA}", kind.schema));
    }
    serde_json::from_slice(text).map_err(|e| e.to_string())
}

/// A line without its end.
enum Line<'a> {
    Whole(&'a [u8]),
    /// The last one, where it has no end.
    Torn(&'a [u8]),
    /// It is not kept.
    Long,
}

/// Gives each line that is not empty with its number, from 1, to `take`; and how many there were.
fn lines(mut file: &File, mut take: impl FnMut(u64, Line<'_>)) -> io::Result<u64> {
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let (mut line, mut number, mut count) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(count);
        }
        number += 1;
        let whole = line.last() == Some(&b'\n');
        if !whole && line.len() as u64 == LONGEST_LINE {
            count += 1;
            take(number, Line::Long);
            reader.skip_until(b'\n')?;
            continue;
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            count += 1;
            take(number, if whole { Line::Whole(text) } else { Line::Torn(text) });
        }
    }
}
