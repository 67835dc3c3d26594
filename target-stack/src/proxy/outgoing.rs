//! Bytes on their way to a client or to a server: lines, then a piece of a body, then what frames that. Given them, it holds them
//! until the wire has taken them, which it has do so in as few calls as there can be. It judges nothing, and waits for nothing else.

use bytes::{Buf, Bytes};
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces up to this length go out with what stands before them, copied: a second buffer costs more.
pub(crate) const COPIED: usize = 4 << 10;
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Both at once.
const LAST_CHUNKS_END: &[u8] = b"\r\n0\r\n\r\n";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// What comes first, of which so much has gone.
    lines: Vec<u8>,
    gone: usize,
    /// What comes then; there is none where it was copied.
    piece: Bytes,
    /// What comes last.
    tail: &'static [u8],
}

impl Outgoing {
    /// The place for lines.
    pub(crate) fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// How many bytes wait.
    pub(crate) fn length(&self) -> usize {
        self.lines.len() - self.gone + self.piece.len() + self.tail.len()
    }

    /// Whether all has gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// Whether there is room for a piece.
    pub(crate) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.tail.is_empty() && self.lines.len() < COPIED
    }

    /// Adds a piece as it is. There has to be room for it.
    pub(crate) fn piece(&mut self, piece: Bytes) {
        self.add(piece, b"");
    }

    /// Adds a piece as a chunk (RFC 9112, section 7.1); one without bytes is left out, since it would be the last one.
    pub(crate) fn chunk(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            // Writing to a vector cannot fail.
            let _ = write!(self.lines, "{:x}\r\n", piece.len());
            self.add(piece, CHUNK_END);
        }
    }

    fn add(&mut self, piece: Bytes, tail: &'static [u8]) {
        if piece.len() <= COPIED {
            self.lines.extend_from_slice(&piece);
            self.lines.extend_from_slice(tail);
        } else {
            (self.piece, self.tail) = (piece, tail);
        }
    }

    /// Adds what ends a body in chunks. Its last piece has all gone, or nothing of it has.
    pub(crate) fn end_chunks(&mut self) {
        if self.tail.is_empty() {
            self.lines.extend_from_slice(LAST_CHUNK);
        } else {
            self.tail = LAST_CHUNKS_END;
        }
    }

    /// Writes to `wire` what it takes at once, and gives how much that was; none where there is nothing.
    ///
    /// # Errors
    /// Those of the wire, and where it takes nothing more.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        wire: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<usize>> {
        if self.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let lines = &self.lines[self.gone..];
        let taken = if self.piece.is_empty() && self.tail.is_empty() {
            ready!(wire.poll_write(cx, lines))?
        } else {
            let slices = [lines, &self.piece, self.tail].map(IoSlice::new);
            let empty = usize::from(lines.is_empty());
            ready!(wire.poll_write_vectored(cx, &slices[empty..]))?
        };
        self.forget(taken);
        Poll::Ready(if taken == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(taken) })
    }

    fn forget(&mut self, count: usize) {
        let of_lines = count.min(self.lines.len() - self.gone);
        self.gone += of_lines;
        let of_piece = (count - of_lines).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = &self.tail[count - of_lines - of_piece..];
        if self.gone == self.lines.len() {
            self.lines.clear();
            self.gone = 0;
        }
    }

    /// Keeps no buffer larger than `most` bytes, where nothing is in it.
    pub(crate) fn rest(&mut self, most: usize) {
        if self.is_empty() && self.lines.capacity() > most {
            self.lines = Vec::new();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::task::Waker;

    /// A wire that takes so many bytes at once, and then wants to be asked again, unless it takes any number.
    #[derive(Debug)]
    pub(crate) struct Narrow {
        pub(crate) took: Vec<u8>,
        pub(crate) writes: usize,
        at_once: usize,
        ready: bool,
    }

    impl Narrow {
        pub(crate) fn new(at_once: usize) -> Self {
            Self { took: Vec::new(), writes: 0, at_once, ready: false }
        }
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
            wire.ready = !wire.ready || wire.at_once == usize::MAX;
            if !wire.ready {
                return Poll::Pending;
            }
            let before = wire.took.len();
            let bytes = slices.iter().flat_map(|slice| slice.iter());
            wire.took.extend(bytes.take(wire.at_once));
            wire.writes += 1;
            Poll::Ready(Ok(wire.took.len() - before))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Polls `work` until it is done, without anybody to wake it.
    pub(crate) fn insist<T>(mut work: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..1_000_000 {
            if let Poll::Ready(done) = work(&mut cx) {
                return done;
            }
        }
        panic!("it is never done");
    }

    #[test]
    fn what_goes_out_is_the_same_at_any_pace() {
        for length in [0, 1, COPIED, COPIED + 1, 50_000] {
            let piece = Bytes::from(vec![b'x'; length]);
            for at_once in [1, 7, 5000, usize::MAX] {
                for (framed, ends) in [(false, false), (true, false), (true, true)] {
                    let mut out = Outgoing::default();
                    out.lines().extend_from_slice(b"head\r\n");
                    if framed {
                        out.chunk(piece.clone())
                    } else {
                        out.piece(piece.clone())
                    }
                    if ends {
                        out.end_chunks();
                    }
                    let mut want = b"head\r\n".to_vec();
                    let chunk = framed && length > 0;
                    want.extend(if chunk { format!("{length:x}\r\n").into_bytes() } else { Vec::new() });
                    want.extend_from_slice(&piece);
                    want.extend_from_slice(if chunk { CHUNK_END } else { b"" });
                    want.extend_from_slice(if ends { LAST_CHUNK } else { b"" });
                    assert_eq!(out.length(), want.len());
                    let (mut wire, mut sum) = (Narrow::new(at_once), 0);
                    while !out.is_empty() {
                        sum += insist(|cx| out.poll_write(cx, Pin::new(&mut wire))).expect("written");
                    }
                    assert!(wire.took == want && sum == want.len(), "{length} {at_once} {framed} {ends}");
                    assert!(at_once < usize::MAX || wire.writes == 1, "{length}: {} writes", wire.writes);
                }
            }
        }
    }

    #[test]
    fn a_wire_that_takes_nothing_is_at_an_end() {
        let mut out = Outgoing::default();
        out.piece(Bytes::from_static(b"x"));
        let written = insist(|cx| out.poll_write(cx, Pin::new(&mut Narrow::new(0))));
        assert_eq!(written.expect_err("none").kind(), io::ErrorKind::WriteZero);
    }
}
