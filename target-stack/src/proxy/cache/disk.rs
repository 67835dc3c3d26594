//! The files of a cache. Given a digest, it gives the path that nginx gives it; given an answer's bytes, it writes them beside
//! their place and renames them into it, so that a file is whole or is not there; given a file, it gives the answer, or says that
//! it is none. All of it waits for the disk: it is called on threads that may. It knows no index and keeps no answer.

use super::freshness::Freshness;
use super::key::Digest;
use super::record::{self, FIXED, Fault};
use super::stored::{Body, SMALL, Stamp, Stored};
use crate::pace;
use bytes::Bytes;
use flate2::Crc;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Files whose writers are gone for so long, by their age, are left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(60);
/// Read at once when a whole file is checked.
const BLOCK: usize = 128 << 10;

/// Where the files of a cache are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    /// Lengths of the names of the directories between root and file.
    pub(crate) levels: Vec<usize>,
}

/// Why there is no answer in a file.
#[derive(Debug)]
pub(crate) enum Trouble {
    Missing,
    Damaged(Fault),
    Failed(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            // It was longer a moment ago.
            ErrorKind::UnexpectedEof => Self::Damaged("it is cut short"),
            _ => Self::Failed(error),
        }
    }
}

impl Place {
    /// The file of an answer: the directories are named after the end of its own name.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        let name = hex(digest);
        let mut path = self.root.clone();
        let mut end = name.len();
        for length in &self.levels {
            path.push(&name[end - length..end]);
            end -= length;
        }
        path.push(name);
        path
    }

    /// A name that nobody else uses for a file that becomes the one of `digest`: with a dot and ten digits, as nginx has it. What
    /// a process of the same number left behind has other ones, by the time at which it began.
    fn temporary(&self, digest: &Digest) -> PathBuf {
        static NUMBER: OnceLock<AtomicU64> = OnceLock::new();
        let start = || {
            AtomicU64::new(u64::from(pace::wall_clock().subsec_nanos()) * 7 + u64::from(std::process::id()))
        };
        let number = NUMBER.get_or_init(start).fetch_add(1, Ordering::Relaxed) % 10_000_000_000;
        let mut path = self.path(digest).into_os_string();
        path.push(format!(".{number:010}"));
        path.into()
    }

    /// Calls `found` with the digest and length of each file of an answer. Files that writers left behind are removed, and those
    /// of others let alone.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub(crate) fn scan(&self, now: SystemTime, mut found: impl FnMut(Digest, u64)) -> io::Result<()> {
        let mut directories = vec![(self.root.clone(), 0)];
        while let Some((directory, depth)) = directories.pop() {
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if depth == 0 => return Err(error),
                // It went while it was on the list.
                Err(_) => continue,
            };
            for entry in entries.flatten() {
                let Ok(state) = entry.metadata() else { continue };
                let path = entry.path();
                if state.is_dir() && depth < self.levels.len() {
                    directories.push((path, depth + 1));
                } else if state.is_file() && depth == self.levels.len() {
                    let name = entry.file_name().into_encoded_bytes();
                    if let Some(digest) = unhex(&name).filter(|digest| self.path(digest) == path) {
                        found(digest, state.len());
                    } else if is_temporary(&name) {
                        let age = state.modified().ok().and_then(|at| now.duration_since(at).ok());
                        if age.is_some_and(|age| age > ABANDONED) {
                            // Should it be gone already, so much the better.
                            let _ = std::fs::remove_file(path);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that a name of 32 digits is for.
fn unhex(name: &[u8]) -> Option<Digest> {
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() == 32)?;
    let mut digest = Digest::default();
    for (byte, at) in digest.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(name.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn is_temporary(name: &[u8]) -> bool {
    let (digest, ending) = name.split_at_checked(32).unwrap_or_default();
    let number = ending.strip_prefix(b".").unwrap_or_default();
    unhex(digest).is_some() && number.len() == 10 && number.iter().all(u8::is_ascii_digit)
}

/// A file that is being written. It goes, unless it was put in its place.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: File,
    path: PathBuf,
    placed: bool,
}

impl Temporary {
    /// An empty file for the answer with this digest.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(place: &Place, digest: &Digest) -> io::Result<Self> {
        let path = place.temporary(digest);
        let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = open().or_else(|error| match (error.kind(), path.parent()) {
            (ErrorKind::NotFound, Some(directory)) => {
                DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
                open()
            }
            _ => Err(error),
        })?;
        Ok(Self { file, path, placed: false })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// When they cannot be written, such as on a full disk.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Puts the file in its place, with this first part, and gives what it looks like there.
    ///
    /// # Errors
    /// When one of that fails.
    pub(crate) fn place(mut self, place: &Place, digest: &Digest, fixed: &[u8]) -> io::Result<Stamp> {
        self.file.write_all_at(fixed, 0)?;
        let stamp = Stamp::of(&self.file.metadata()?);
        std::fs::rename(&self.path, place.path(digest))?;
        self.placed = true;
        Ok(stamp)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // The directory may be gone with all that was in it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The answer in a file, its body in memory where it is small. A file with the stamp `trusted` was read before: the body of a
/// large one is not read again.
///
/// # Errors
/// When there is none, when it is not as it was written, or cannot be read.
pub(crate) fn load(path: &Path, trusted: Option<Stamp>) -> Result<(Stored, Stamp), Trouble> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut record = vec![0; FIXED.min(usize::try_from(stamp.length).unwrap_or(FIXED))];
    file.read_exact(&mut record)?;
    let measure = record::measure(&record).map_err(Trouble::Damaged)?;
    if stamp.length != (measure.head as u64).saturating_add(measure.body) {
        return Err(Trouble::Damaged("it has another length"));
    }
    let small = usize::try_from(measure.body).ok().filter(|length| *length <= SMALL);
    record.resize(measure.head + small.unwrap_or(0), 0);
    file.read_exact(&mut record[FIXED..])?;
    let record = Bytes::from(record);
    let (body, crc) = match small {
        Some(_) => (Body::Memory(record.slice(measure.head..)), record::crc(&record[measure.head..])),
        None => {
            let body = Body::File { start: measure.head as u64, length: measure.body, stamp };
            (body, if trusted == Some(stamp) { measure.body_crc } else { checksum(&mut file)? })
        }
    };
    if crc != measure.body_crc {
        return Err(Trouble::Damaged("its body is damaged"));
    }
    let stored = Stored::new(&record.slice(..measure.head), body).map_err(Trouble::Damaged)?;
    Ok((stored, stamp))
}

/// The checksum of what is left of a file.
fn checksum(file: &mut File) -> io::Result<u32> {
    let mut crc = Crc::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(crc.sum()),
            length => crc.update(&block[..length]),
        }
    }
}

/// The file with this stamp, to read a body from; `None` where another one has come in its place, or nothing.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open(path: &Path, stamp: Stamp) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok((Stamp::of(&file.metadata()?) == stamp).then_some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes another freshness into the file of an answer, if it is that of the answer with `key` still.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn renew(path: &Path, stored: &Stored, freshness: Freshness) -> io::Result<Option<Stamp>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut head = vec![0; FIXED];
    file.read_exact_at(&mut head, 0)?;
    let Ok(measure) = record::measure(&head) else { return Ok(None) };
    head.resize(measure.head, 0);
    file.read_exact_at(&mut head, 0)?;
    let head = Bytes::from(head);
    let same = record::read(&head).is_ok_and(|head| {
        (head.key, head.variant, head.freshness)
            == (stored.head.key.clone(), stored.head.variant.clone(), stored.head.freshness)
    });
    if !same {
        return Ok(None);
    }
    let mut fixed = head[..FIXED].to_vec();
    record::renew(&mut fixed, freshness);
    file.write_all_at(&fixed, 0)?;
    Ok(Some(Stamp::of(&file.metadata()?)))
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
