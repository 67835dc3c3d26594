//! The error log. Given what went wrong, it writes one line as nginx does, to a file or to standard error; past a
//! bound per second it counts instead of writing, so that an outage under load does not fill a disk.

use super::calendar;
use super::config::os_error;
use crate::failure::{Failure, Outcome};
use crate::pace;
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// nginx's levels, the gravest first.
pub(crate) const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

/// The most lines of one second.
const LINES_PER_SECOND: u32 = 50;

/// A log of errors, shared by all threads.
pub(crate) struct ErrorLog {
    /// How many levels are logged.
    levels: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// None for standard error.
    path: Option<PathBuf>,
    out: Box<dyn Write + Send>,
    second: u64,
    written: u32,
    suppressed: u64,
}

impl std::fmt::Debug for ErrorLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ErrorLog")
    }
}

impl ErrorLog {
    /// The log at `path`, or on standard error, of lines of `level` and graver ones.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(path: Option<&Path>, level: &str) -> Outcome<Self> {
        let log = Self::to(open(path)?, level);
        log.lock().path = path.map(Path::to_owned);
        Ok(log)
    }

    fn to(out: Box<dyn Write + Send>, level: &str) -> Self {
        let state = State { path: None, out, second: 0, written: 0, suppressed: 0 };
        Self { levels: AtomicUsize::new(rank(level) + 1), state: Mutex::new(state) }
    }

    /// From now on it is the log that `other` was.
    pub(crate) fn become_other(&self, other: Self) {
        self.levels.store(other.levels.into_inner(), Ordering::Relaxed);
        let other = other.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        state.path = other.path;
        state.out = other.out;
    }

    /// Opens the file again, which may have been moved away.
    ///
    /// # Errors
    /// When it cannot be opened: what was open stays so.
    pub(crate) fn reopen(&self) -> Outcome {
        let mut state = self.lock();
        state.out = open(state.path.as_deref())?;
        Ok(())
    }

    /// Writes a line that begins with its level, or is grave.
    pub(crate) fn write_line(&self, line: &str) {
        let said = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let (level, message) = said.unwrap_or(("emerg", line));
        self.write(level, message);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `message` at `level`, one of nginx's.
    pub(crate) fn write(&self, level: &str, message: impl Display) {
        if rank(level) >= self.levels.load(Ordering::Relaxed) {
            return;
        }
        let now = pace::wall_clock();
        let mut state = self.lock();
        if state.second != now.as_secs() {
            state.second = now.as_secs();
            state.written = 0;
            let suppressed = std::mem::take(&mut state.suppressed);
            if suppressed > 0 {
                state.line("warn", format_args!("{suppressed} lines of errors left out"));
            }
        }
        if state.written < LINES_PER_SECOND {
            state.written += 1;
            state.line(level, message);
        } else {
            state.suppressed += 1;
        }
    }
}

fn open(path: Option<&Path>) -> Outcome<Box<dyn Write + Send>> {
    Ok(match path {
        None => Box::new(std::io::stderr()),
        Some(path) => Box::new(File::options().create(true).append(true).open(path).map_err(|e| {
            Failure::config(format!("[emerg] open() \"{}\" failed ({})", path.display(), os_error(&e)))
        })?),
    })
}

/// How grave a level is, from 0 on.
fn rank(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap_or_default()
}

impl State {
    fn line(&mut self, level: &str, message: impl Display) {
        let mut line = Vec::new();
        calendar::error_log(pace::wall_clock(), &mut line);
        let pid = std::process::id();
        // Writing to a vector cannot fail; and nobody is left to tell when the log cannot be written.
        let _ = writeln!(line, " [{level}] {pid}#{pid}: {message}");
        let _ = self.out.write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_outage_writes_a_bounded_number_of_lines() {
        let memory = Memory::default();
        let log = ErrorLog::to(Box::new(memory.clone()), "error");
        let first = pace::wall_clock().as_secs();
        for number in 0..10_000 {
            log.write("error", format_args!("failure {number}"));
        }
        let seconds = usize::try_from(pace::wall_clock().as_secs() - first).expect("a few seconds") + 1;
        let text = memory.0.lock().expect("unpoisoned").clone();
        let lines = text.iter().filter(|&&b| b == b'\n').count();
        assert!((50..=51 * seconds).contains(&lines), "{lines} lines in {seconds} s");
        assert!(String::from_utf8_lossy(&text).contains(": failure 0\n"));
    }

    #[test]
    fn a_level_leaves_out_what_is_less_grave() {
        for (level, lines) in [("emerg", 1), ("error", 4), ("info", 7), ("debug", 8)] {
            let memory = Memory::default();
            let log = ErrorLog::to(Box::new(memory.clone()), level);
            LEVELS.iter().for_each(|level| log.write(level, "x"));
            let text = memory.0.lock().expect("unpoisoned").clone();
            assert_eq!(text.iter().filter(|&&b| b == b'\n').count(), lines, "{level}");
        }
    }

    #[test]
    fn a_log_that_was_moved_is_opened_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let [path, moved] = ["e.log", "e.log.1"].map(|name| dir.path().join(name));
        let log = ErrorLog::open(Some(&path), "error").expect("a log");
        log.write("error", "one");
        std::fs::rename(&path, &moved).expect("moved");
        log.write("error", "two");
        log.reopen().expect("opened");
        log.write_line("[crit] three");
        let read = |path| std::fs::read_to_string(path).expect("a log");
        assert_eq!(read(&moved).lines().count(), 2);
        assert!(read(&path).contains(" [crit] ") && read(&path).ends_with(": three\n"), "{}", read(&path));
        let other = dir.path().join("other.log");
        log.become_other(ErrorLog::open(Some(&other), "crit").expect("a log"));
        log.write("error", "four");
        log.write("crit", "five");
        assert!(read(&other).ends_with(": five\n") && read(&other).lines().count() == 1, "{}", read(&other));
    }
}
