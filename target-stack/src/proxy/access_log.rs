//! The access log. Given finished exchanges, each worker collects lines in a buffer of its own and hands full buffers
//! to one writing thread; the event loop never waits for a disk. What the thread cannot keep up with, or the disk does not take, is
//! counted and lost.

use super::config::AccessLog;
use super::exchange::Exchange;
use crate::failure::{Failure, Outcome};
use prometheus_client::metrics::counter::Counter;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// A buffer this full is handed on.
const FULL: usize = 32 << 10;
/// How many buffers may wait to be written: about 8 MB.
const QUEUE: usize = 256;

/// What the writing thread is told.
enum Message {
    /// A buffer for the file at an index of the configuration's log files.
    Lines(usize, Vec<u8>),
    /// The files to write to from now on.
    Files(Vec<File>),
}

/// The way to the writing thread.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    sender: SyncSender<Message>,
    dropped: Counter,
}

/// Opens the log files and starts the thread that writes them. It ends when the last [`Sink`] is gone.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn start(paths: &[PathBuf], dropped: Counter) -> Outcome<(Sink, JoinHandle<()>)> {
    let files = open(paths)?;
    let (sender, receiver) = sync_channel(QUEUE);
    let lost = dropped.clone();
    let writer = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(files, &receiver, &lost))
        .map_err(|e| Failure::start(format!("cannot start the log's thread: {e}")))?;
    Ok((Sink { sender, dropped }, writer))
}

/// The files at `paths`, to append to.
///
/// # Errors
/// When one cannot be opened.
pub(crate) fn open(paths: &[PathBuf]) -> Outcome<Vec<File>> {
    let open = |path: &PathBuf| {
        File::options().create(true).append(true).open(path).map_err(|e| {
            let reason = super::config::os_error(&e);
            Failure::config(format!("[emerg] open() \"{}\" failed ({reason})", path.display()))
        })
    };
    paths.iter().map(open).collect()
}

fn write_all(mut files: Vec<File>, messages: &Receiver<Message>, lost: &Counter) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Files(opened) => files = opened,
            Message::Lines(file, lines) => {
                if let Some(file) = files.get_mut(file) {
                    // A full disk must not end the service; nginx goes on, too.
                    lost.inc_by(count(not_written(file, &lines)));
                }
            }
        }
    }
}

/// What `file` does not take of `lines`. A line of which it has taken a part is among that.
fn not_written<'a>(file: &mut impl Write, mut lines: &'a [u8]) -> &'a [u8] {
    while !lines.is_empty() {
        match file.write(lines) {
            Ok(length @ 1..) => lines = lines.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    lines
}

/// How many lines end in `lines`.
fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|&&byte| byte == b'\n').count() as u64
}

impl Sink {
    /// Opens the files at `paths` again, which may have been moved away.
    ///
    /// # Errors
    /// When one cannot be opened: what was open stays so.
    pub(crate) fn reopen(&self, paths: &[PathBuf]) -> Outcome {
        // The thread is there for as long as there is a way to it.
        let _ = self.sender.send(Message::Files(open(paths)?));
        Ok(())
    }
}

/// A worker's buffers, one a file.
#[derive(Debug)]
pub(crate) struct Buffers {
    sink: Sink,
    lines: Vec<Vec<u8>>,
}

impl Buffers {
    pub(crate) fn new(sink: Sink, files: usize) -> Self {
        Self { sink, lines: vec![Vec::new(); files] }
    }

    /// Logs `exchange`, unless that is not to be.
    pub(crate) fn add(&mut self, log: &AccessLog, exchange: &Exchange) {
        if log.condition.as_ref().is_some_and(|condition| !condition.holds(exchange)) {
            return;
        }
        let Some(buffer) = self.lines.get_mut(log.file) else { return };
        log.format.write(exchange, buffer, escape);
        buffer.push(b'\n');
        if buffer.len() >= FULL {
            let chunk = std::mem::replace(buffer, Vec::with_capacity(FULL + FULL / 8));
            self.hand_on(log.file, chunk);
        }
    }

    /// Hands on what has been collected.
    pub(crate) fn flush(&mut self) {
        for file in 0..self.lines.len() {
            if !self.lines[file].is_empty() {
                let chunk = std::mem::take(&mut self.lines[file]);
                self.hand_on(file, chunk);
            }
        }
    }

    fn hand_on(&self, file: usize, chunk: Vec<u8>) {
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) =
            self.sink.sender.try_send(Message::Lines(file, chunk))
            && let Message::Lines(_, lines) = lost
        {
            self.sink.dropped.inc_by(count(&lines));
        }
    }
}

/// Escapes the value that begins at `start`, as `escape=default` does: `"`, `\`, and bytes outside of 32 to 126 become
/// `\xXX`; an empty value becomes `-`.
fn escape(out: &mut Vec<u8>, start: usize) {
    let harmless = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if out.len() == start {
        out.push(b'-');
    } else if !out[start..].iter().all(harmless) {
        let value = out.split_off(start);
        for byte in value {
            if harmless(&byte) {
                out.push(byte);
            } else {
                // Writing to a vector cannot fail.
                let _ = write!(out, "\\x{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_as_nginx_escapes_them() {
        let rows: [(&[u8], &str); 5] = [
            (b"", "-"),
            (b"plain text", "plain text"),
            (b"a\"b\\c", "a\\x22b\\x5Cc"),
            (b"\r\n\x7f", "\\x0D\\x0A\\x7F"),
            ("ä".as_bytes(), "\\xC3\\xA4"),
        ];
        for (value, want) in rows {
            let mut out = b"[".to_vec();
            out.extend_from_slice(value);
            escape(&mut out, 1);
            assert_eq!(String::from_utf8_lossy(&out), format!("[{want}"));
        }
    }

    #[test]
    fn lines_reach_the_file_and_overflow_is_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("access.log");
        let (sink, writer) = start(std::slice::from_ref(&path), Counter::default()).expect("a log");
        let mut buffers = Buffers::new(sink, 1);
        buffers.lines[0].extend_from_slice(b"one\n");
        buffers.flush();
        // Moved away, it has all lines from before it is opened again.
        let moved = dir.path().join("access.log.1");
        std::fs::rename(&path, &moved).expect("moved");
        buffers.lines[0].extend_from_slice(b"two\n");
        buffers.flush();
        buffers.sink.reopen(std::slice::from_ref(&path)).expect("opened");
        buffers.lines[0].extend_from_slice(b"three\n");
        buffers.flush();
        drop(buffers);
        writer.join().expect("the writer");
        assert_eq!(std::fs::read(moved).expect("the log"), b"one\ntwo\n");
        assert_eq!(std::fs::read(path).expect("the log"), b"three\n");

        let (sender, receiver) = sync_channel(1);
        let sink = Sink { sender, dropped: Counter::default() };
        let mut buffers = Buffers::new(sink.clone(), 1);
        for _ in 0..3 {
            buffers.lines[0].extend_from_slice(b"a\nb\n");
            buffers.flush();
        }
        assert_eq!(sink.dropped.get(), 4);
        drop(receiver);
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        let dropped = Counter::default();
        let (sink, writer) = start(&[PathBuf::from("/dev/full")], dropped.clone()).expect("a log");
        let mut buffers = Buffers::new(sink, 1);
        buffers.lines[0].extend_from_slice(b"one\ntwo\n");
        buffers.flush();
        drop(buffers);
        writer.join().expect("the writer");
        assert_eq!(dropped.get(), 2);

        for (room, want) in [(0, 3), (2, 3), (4, 2), (11, 1), (12, 0), (99, 0)] {
            let mut space = vec![0; room];
            assert_eq!(count(not_written(&mut &mut space[..], b"one\ntwo\nsix\n")), want, "{room}");
        }
    }
}
