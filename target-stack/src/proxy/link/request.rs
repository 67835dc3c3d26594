//! A request on its way out. Given its head as bytes, and its body, it writes them to the server at the server's pace: a small body
//! with the head, a larger one piece by piece, of which no more than one is held. It never reads.

use crate::proxy::config::os_error;
use crate::proxy::upload::{RequestBody, UploadError};
use bytes::{Buf, Bytes};
use http_body::Body;
use std::fmt;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// So much of a body is copied behind the head, to be written with it, in bytes.
const SMALL: usize = 4 << 10;
/// An idle link keeps no larger buffer.
const KEPT: usize = 16 << 10;

const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the server is told where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// After so many bytes; the head says how many where it has to.
    Length(u64),
    Chunked,
}

/// Why a request could not be sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// Its body is at fault.
    Body(UploadError),
    Ended,
    Wire(io::Error),
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Ended => f.write_str("the request's body ended too soon"),
            Self::Wire(error) => write!(f, "send() failed ({})", os_error(error)),
        }
    }
}

/// A request, from its head on, of which some has gone.
#[derive(Debug)]
pub(super) struct Sending {
    /// The head, what of the body is small, and what frames it, of which so much has gone.
    lines: Vec<u8>,
    gone: usize,
    /// A piece of the body that goes after those lines, and what frames it.
    piece: Bytes,
    tail: &'static [u8],
    body: RequestBody,
    coding: Coding,
    /// There is no more to come than is here.
    complete: bool,
    written: u64,
}

impl Sending {
    pub(super) fn new() -> Self {
        Self {
            lines: Vec::new(),
            gone: 0,
            piece: Bytes::new(),
            tail: b"",
            body: RequestBody::Empty,
            coding: Coding::Length(0),
            complete: true,
            written: 0,
        }
    }

    /// The place for the next request's head.
    pub(super) fn head(&mut self) -> &mut Vec<u8> {
        self.lines.clear();
        self.gone = 0;
        self.written = 0;
        &mut self.lines
    }

    /// What follows the head.
    pub(super) fn body(&mut self, body: RequestBody, coding: Coding) {
        self.complete = coding == Coding::Length(0);
        self.coding = coding;
        if !self.complete {
            self.body = body;
        }
    }

    /// How many bytes of the request have been written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether all of it has gone.
    pub(super) fn is_done(&self) -> bool {
        self.complete && !self.is_laden()
    }

    /// Whether all that is here has gone, and there is more to come.
    pub(super) fn awaits_body(&self) -> bool {
        !self.complete && !self.is_laden()
    }

    /// Takes no more memory than it has to, until the next request.
    pub(super) fn rest(&mut self) {
        if self.lines.capacity() > KEPT {
            self.lines = Vec::new();
        }
    }

    /// Writes what there is. Resolves when all has gone.
    pub(super) fn poll(
        &mut self,
        mut wire: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            let filled = self.poll_fill(cx)?;
            if !self.is_laden() {
                return filled.map(Ok);
            }
            let gone = ready!(self.poll_write(wire.as_mut(), cx)).map_err(Unsent::Wire)?;
            self.advance(gone);
        }
    }

    fn is_laden(&self) -> bool {
        self.gone < self.lines.len() || !self.piece.is_empty() || !self.tail.is_empty()
    }

    /// Takes from the body what there is room for. Resolves when there is no more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        while !self.complete && self.piece.is_empty() && self.tail.is_empty() && self.lines.len() < SMALL {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailer fields are of one hop.
                    if let Ok(data) = frame.into_data() {
                        self.load(data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(Unsent::Body(error))),
                None => self.end()?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next piece of the body.
    fn load(&mut self, mut data: Bytes) {
        let ended = match &mut self.coding {
            Coding::Chunked => {
                if !data.is_empty() {
                    let _ = write!(self.lines, "{:x}\r\n", data.len());
                }
                self.body.is_end_stream()
            }
            Coding::Length(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                *left == 0
            }
        };
        let chunked = self.coding == Coding::Chunked;
        let end = if chunked && !data.is_empty() { CHUNK_END } else { b"" };
        if self.lines.len() - self.gone + data.len() <= SMALL {
            self.lines.extend_from_slice(&data);
            self.lines.extend_from_slice(end);
        } else {
            (self.piece, self.tail) = (data, end);
        }
        if ended {
            self.finish();
        }
    }

    /// The body has ended.
    fn end(&mut self) -> Result<(), Unsent> {
        if let Coding::Length(1..) = self.coding {
            return Err(Unsent::Ended);
        }
        self.finish();
        Ok(())
    }

    fn finish(&mut self) {
        if self.coding == Coding::Chunked {
            if self.tail.is_empty() {
                self.lines.extend_from_slice(LAST_CHUNK);
            } else {
                self.tail = b"\r\n0\r\n\r\n";
            }
        }
        self.complete = true;
        self.body = RequestBody::Empty;
    }

    fn poll_write(
        &mut self,
        wire: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let lines = &self.lines[self.gone..];
        let gone = if self.piece.is_empty() && self.tail.is_empty() {
            ready!(wire.poll_write(cx, lines))?
        } else {
            let slices = [lines, &self.piece, self.tail].map(IoSlice::new);
            ready!(wire.poll_write_vectored(cx, &slices))?
        };
        Poll::Ready(if gone == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(gone) })
    }

    fn advance(&mut self, gone: usize) {
        self.written += gone as u64;
        let of_lines = gone.min(self.lines.len() - self.gone);
        self.gone += of_lines;
        let of_piece = (gone - of_lines).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = &self.tail[gone - of_lines - of_piece..];
        if self.gone == self.lines.len() {
            self.lines.clear();
            self.gone = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes at most so many bytes at a time, and every other time none.
    struct Narrow {
        width: usize,
        blocked: bool,
        came: Vec<u8>,
        writes: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let wire = self.get_mut();
            wire.blocked = !wire.blocked && wire.width < usize::MAX;
            if wire.blocked {
                return Poll::Pending;
            }
            let before = wire.came.len();
            let bytes = slices.iter().flat_map(|slice| slice.iter());
            wire.came.extend(bytes.take(wire.width));
            wire.writes += 1;
            Poll::Ready(Ok(wire.came.len() - before))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_sent_is_the_same_at_any_pace() {
        let mut sending = Sending::new();
        for length in [0, 1, 3, SMALL - 6, SMALL, SMALL + 1, 100_000] {
            let body = vec![b'x'; length];
            let sized = [b"head\r\n", &body[..]].concat();
            let chunk = if length > 0 { format!("{length:x}\r\n") } else { String::new() };
            let end = if length > 0 { CHUNK_END } else { b"" };
            let chunked = [b"head\r\n", chunk.as_bytes(), &body, end, LAST_CHUNK].concat();
            for (coding, want) in [(Coding::Length(length as u64), sized), (Coding::Chunked, chunked)] {
                for width in [1, 7, 5000, usize::MAX] {
                    sending.head().extend_from_slice(b"head\r\n");
                    sending.body(RequestBody::Text(body.clone().into()), coding);
                    let mut wire = Narrow { width, blocked: false, came: Vec::new(), writes: 0 };
                    let mut cx = Context::from_waker(Waker::noop());
                    for _ in 0..3 * want.len() {
                        if let Poll::Ready(sent) = sending.poll(Pin::new(&mut wire), &mut cx) {
                            sent.expect("a good body");
                            break;
                        }
                    }
                    assert!(sending.is_done() && wire.came == want, "{coding:?} by {width}");
                    assert_eq!(sending.written(), want.len() as u64);
                    assert!(width < usize::MAX || wire.writes == 1, "{coding:?}: {} writes", wire.writes);
                }
            }
        }
    }

    #[test]
    fn a_body_that_is_too_short_is_not_passed_off_as_whole() {
        let mut sending = Sending::new();
        sending.head().extend_from_slice(b"head\r\n");
        sending.body(RequestBody::Text(Bytes::from_static(b"ab")), Coding::Length(3));
        let mut wire = Narrow { width: usize::MAX, blocked: false, came: Vec::new(), writes: 0 };
        let sent = sending.poll(Pin::new(&mut wire), &mut Context::from_waker(Waker::noop()));
        assert!(matches!(sent, Poll::Ready(Err(Unsent::Ended))), "{sent:?}");
        assert!(!sending.is_done());
    }
}
