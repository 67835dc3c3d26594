//! A request on its way out. Given its head as bytes, and its body, it writes them to the server at the server's pace: a small body
//! with the head, a larger one piece by piece, of which no more than one is held. It never reads.

use crate::proxy::config::os_error;
use crate::proxy::outgoing::Outgoing;
use crate::proxy::upload::{RequestBody, UploadError};
use bytes::Bytes;
use http_body::Body;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// An idle link keeps no larger buffer.
const KEPT: usize = 16 << 10;

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
    out: Outgoing,
    body: RequestBody,
    coding: Coding,
    /// There is no more to come than is here.
    complete: bool,
    written: u64,
}

impl Sending {
    pub(super) fn new() -> Self {
        let out = Outgoing::default();
        Self { out, body: RequestBody::Empty, coding: Coding::Length(0), complete: true, written: 0 }
    }

    /// The place for the next request's head.
    pub(super) fn head(&mut self) -> &mut Vec<u8> {
        self.written = 0;
        self.out.lines()
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
        self.complete && self.out.is_empty()
    }

    /// Whether all that is here has gone, and there is more to come.
    pub(super) fn awaits_body(&self) -> bool {
        !self.complete && self.out.is_empty()
    }

    /// Takes no more memory than it has to, until the next request.
    pub(super) fn rest(&mut self) {
        self.out.rest(KEPT);
    }

    /// Writes what there is. Resolves when all has gone.
    pub(super) fn poll(
        &mut self,
        mut wire: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            let filled = self.poll_fill(cx)?;
            if self.out.is_empty() {
                return filled.map(Ok);
            }
            self.written += ready!(self.out.poll_write(cx, wire.as_mut())).map_err(Unsent::Wire)? as u64;
        }
    }

    /// Takes from the body what there is room for. Resolves when there is no more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        while !self.complete && self.out.has_room() {
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
                self.out.chunk(data);
                self.body.is_end_stream()
            }
            Coding::Length(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                self.out.piece(data);
                *left == 0
            }
        };
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
            self.out.end_chunks();
        }
        self.complete = true;
        self.body = RequestBody::Empty;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::outgoing::COPIED;
    use crate::proxy::outgoing::tests::{Narrow, insist};

    #[test]
    fn what_is_sent_is_the_same_at_any_pace() {
        let mut sending = Sending::new();
        for length in [0, 1, 3, COPIED - 6, COPIED, COPIED + 1, 100_000] {
            let body = vec![b'x'; length];
            let sized = [b"head\r\n", &body[..]].concat();
            let chunk = if length > 0 { format!("{length:x}\r\n") } else { String::new() };
            let end: &[u8] = if length > 0 { b"\r\n0\r\n\r\n" } else { b"0\r\n\r\n" };
            let chunked = [b"head\r\n", chunk.as_bytes(), &body, end].concat();
            for (coding, want) in [(Coding::Length(length as u64), sized), (Coding::Chunked, chunked)] {
                for width in [1, 7, 5000, usize::MAX] {
                    sending.head().extend_from_slice(b"head\r\n");
                    sending.body(RequestBody::Text(body.clone().into()), coding);
                    let mut wire = Narrow::new(width);
                    insist(|cx| sending.poll(Pin::new(&mut wire), cx)).expect("a good body");
                    assert!(sending.is_done() && wire.took == want, "{coding:?} by {width}");
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
        let sent = insist(|cx| sending.poll(Pin::new(&mut Narrow::new(usize::MAX)), cx));
        assert!(matches!(sent, Err(Unsent::Ended)), "{sent:?}");
        assert!(!sending.is_done());
    }
}
