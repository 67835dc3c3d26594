//! The terminal at standard error, where a person waits: how wide it is, and a place on it that can be drawn on again and again.
//! It knows nothing of what is drawn. What the terminal itself has written there on Ctrl-C is not written on.

use indicatif::{ProgressDrawTarget, TermLike};
use rustix::termios::{LocalModes, tcgetattr, tcgetwinsize};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Of a terminal that does not say.
const USUAL: u16 = 80;
/// At the right of what is drawn: the terminal itself writes `^C` behind it, and would go to the next line, which nobody clears.
const MARGIN: u16 = 3;
/// As indicatif has it.
const PER_SECOND: u8 = 20;
/// Whether the terminal's `^C` stands where the next line would begin. There is one terminal for all that is written.
static ECHOED: AtomicBool = AtomicBool::new(false);

/// How many columns standard error has; `None` where it is no terminal.
pub(crate) fn columns() -> Option<usize> {
    io::stderr().is_terminal().then(|| usize::from(width()))
}

/// Whether standard error is a terminal that can be drawn on.
pub(crate) fn can_be_drawn_on() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Standard error, to draw on.
pub(crate) fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Paper::default()), PER_SECOND)
}

/// Ctrl-C was pressed: a terminal that echoes has written `^C`.
pub(crate) fn interrupted() {
    ECHOED.store(echoes(io::stderr()) || echoes(io::stdout()), Ordering::Relaxed);
}

/// Begins a line: behind `^C` on a new one.
pub(crate) fn begin_line() {
    if ECHOED.swap(false, Ordering::Relaxed) {
        // Who cannot be written to is not at a terminal any more.
        let _ = if io::stderr().is_terminal() {
            io::stderr().write_all(b"\n")
        } else {
            io::stdout().write_all(b"\n")
        };
    }
}

fn echoes(stream: impl AsFd) -> bool {
    let modes = LocalModes::ECHO | LocalModes::ECHOCTL;
    tcgetattr(stream).is_ok_and(|terminal| terminal.local_modes.contains(modes))
}

fn width() -> u16 {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => size.ws_col,
        _ => USUAL,
    }
}

/// What is drawn is written at once, so that no half of it is seen.
#[derive(Debug, Default)]
struct Paper {
    ink: Mutex<String>,
}

impl Paper {
    fn put(&self, text: &str) -> io::Result<()> {
        self.ink.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// Moves the cursor by `n`, in the direction of this letter (ECMA-48).
    fn go(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.put(&format!("\u{1b}[{n}{direction}")) }
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        width().saturating_sub(MARGIN).max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(text)?;
        self.put("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        // With what the terminal has written behind it.
        ECHOED.store(false, Ordering::Relaxed);
        self.put("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let ink = std::mem::take(&mut *self.ink.lock().unwrap_or_else(PoisonError::into_inner));
        io::stderr().write_all(ink.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_waits_for_the_flush_and_no_move_is_no_move() {
        let paper = Paper::default();
        paper.clear_line().unwrap();
        paper.move_cursor_up(0).unwrap();
        paper.move_cursor_up(2).unwrap();
        paper.move_cursor_down(1).unwrap();
        paper.move_cursor_right(3).unwrap();
        paper.move_cursor_left(4).unwrap();
        paper.write_line("a").unwrap();
        paper.write_str("b").unwrap();
        assert_eq!(*paper.ink.lock().unwrap(), "\r\u{1b}[2K\u{1b}[2A\u{1b}[1B\u{1b}[3C\u{1b}[4Da\nb");
        assert!(paper.width() > 0);
    }
}
