//! The body of a stored answer, or parts of it, from its file. Given the open file and what is to be sent of it, it reads block
//! by block, on threads that may wait for the disk. An open file stays what it was, whatever becomes of its name meanwhile.

use super::range::{Piece, total};
use crate::proxy::answer::CutShort;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// Read at once.
const BLOCK: u64 = 128 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Replay {
    file: Arc<File>,
    /// Where the body begins in the file.
    start: u64,
    pieces: VecDeque<Piece>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Bytes to be handed on.
    left: u64,
}

impl Replay {
    /// Sends `pieces` of the body that begins at `start` in `file`.
    pub(crate) fn new(file: Arc<File>, start: u64, pieces: Vec<Piece>) -> Self {
        let left = total(&pieces);
        Self { file, start, pieces: pieces.into(), reading: None, left }
    }

    /// The next bytes: at hand, or on their way.
    fn next(&mut self) -> Option<Bytes> {
        match self.pieces.pop_front()? {
            Piece::Text(text) => Some(text),
            Piece::Span(span) => {
                let end = span.end.min(span.start + BLOCK);
                if end < span.end {
                    self.pieces.push_front(Piece::Span(end..span.end));
                }
                let (file, at) = (Arc::clone(&self.file), self.start + span.start);
                self.reading = Some(spawn_blocking(move || {
                    let mut block = vec![0; usize::try_from(end - span.start).unwrap_or(0)];
                    file.read_exact_at(&mut block, at)?;
                    Ok(block.into())
                }));
                None
            }
        }
    }
}

impl Body for Replay {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let replay = self.get_mut();
        loop {
            let bytes = if let Some(reading) = &mut replay.reading {
                let read = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|e| Err(io::Error::other(e)));
                replay.reading = None;
                read.map_err(|error| CutShort::new(format!("{error} while reading a stored answer")))?
            } else if replay.left == 0 {
                return Poll::Ready(None);
            } else if let Some(text) = replay.next() {
                text
            } else {
                continue;
            };
            replay.left -= bytes.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
