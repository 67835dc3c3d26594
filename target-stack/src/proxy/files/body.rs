//! The body of an answer that comes from a file. Given an open file and the ranges to send, it gives them piece by piece: the next
//! one is read when it is asked for, so a slow client costs one piece of memory, and no more is read than is sent. A file that ends before its time fails the body, so that the client's connection is broken off.

use crate::proxy::answer::CutShort;
use bytes::Bytes;
use http_body::Frame;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// The most bytes that are read at once.
const PIECE: u64 = 64 << 10;

/// A part of a body.
#[derive(Debug)]
pub(crate) enum Segment {
    Text(Bytes),
    /// Bytes of the file.
    File(Range<u64>),
}

/// A body.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<OwnedFd>,
    path: Vec<u8>,
    /// What is still to be sent; none of them is empty.
    segments: VecDeque<Segment>,
    left: u64,
    /// A read that has to wait for the disk.
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

type Polled = Poll<Option<Result<Frame<Bytes>, CutShort>>>;

impl FileBody {
    /// The body of `segments` of `file`, which is at `path`.
    pub(crate) fn new(file: OwnedFd, path: Vec<u8>, segments: Vec<Segment>) -> Self {
        let length = |segment: &Segment| match segment {
            Segment::Text(text) => text.len() as u64,
            Segment::File(range) => range.end - range.start,
        };
        let segments: VecDeque<_> = segments.into_iter().filter(|segment| length(segment) > 0).collect();
        let left = segments.iter().map(length).sum();
        let file = Arc::new(file);
        Self { file, path, segments, left, reading: None }
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some(piece) = ready!(self.poll_piece(cx)) else { return Poll::Ready(None) };
        Poll::Ready(Some(match piece {
            Ok(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                let path = String::from_utf8_lossy(&self.path).escape_debug().to_string();
                Err(CutShort(format!("\"{path}\" {error} while sending response to client")))
            }
        }))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let bytes = match &mut self.reading {
            Some(reading) => {
                let read = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                read.unwrap_or_else(|lost| Err(lost.into()))
            }
            None => match self.segments.front() {
                None => return Poll::Ready(None),
                Some(Segment::Text(text)) => {
                    let text = text.clone();
                    self.segments.pop_front();
                    return Poll::Ready(Some(Ok(text)));
                }
                Some(Segment::File(range)) => {
                    let (at, length) = (range.start, piece_of(range));
                    match read(&self.file, at, length, ReadWriteFlags::NOWAIT) {
                        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                            let file = Arc::clone(&self.file);
                            let read = move || Ok(read(&file, at, length, ReadWriteFlags::empty())?);
                            self.reading = Some(tokio::task::spawn_blocking(read));
                            return self.poll_piece(cx);
                        }
                        read => read.map_err(io::Error::from),
                    }
                }
            },
        };
        Poll::Ready(Some(bytes.and_then(|bytes| self.came(bytes))))
    }

    /// Takes in bytes of the file: none of them is the file's end, before the range's.
    fn came(&mut self, bytes: Vec<u8>) -> io::Result<Bytes> {
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "was truncated"));
        }
        if let Some(Segment::File(range)) = self.segments.front_mut() {
            range.start += bytes.len() as u64;
            if range.is_empty() {
                self.segments.pop_front();
            }
        }
        Ok(bytes.into())
    }
}

fn piece_of(range: &Range<u64>) -> usize {
    usize::try_from((range.end - range.start).min(PIECE)).unwrap_or(0)
}

fn read(file: &OwnedFd, at: u64, length: usize, flags: ReadWriteFlags) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; length];
    let count = rustix::io::retry_on_intr(|| preadv2(file, &mut [IoSliceMut::new(&mut bytes)], at, flags))?;
    bytes.truncate(count);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn body(text: &[u8], segments: Vec<Segment>) -> (FileBody, std::fs::File) {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("written");
        let copy = file.try_clone().expect("a second handle");
        (FileBody::new(file.into(), b"/f".to_vec(), segments), copy)
    }

    /// What comes next, however long the disk takes.
    async fn next(body: &mut FileBody) -> Option<Result<Bytes, String>> {
        let frame = std::future::poll_fn(|cx| body.poll_frame(cx)).await?;
        Some(frame.map(|frame| frame.into_data().expect("bytes")).map_err(|error| error.to_string()))
    }

    #[tokio::test]
    async fn a_file_comes_in_pieces_among_texts() {
        let text: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).expect("a byte")).collect();
        let end = text.len() as u64;
        let segments = vec![
            Segment::Text("head".into()),
            Segment::File(7..7),
            Segment::File(10..end),
            Segment::Text("tail".into()),
        ];
        let (mut body, _file) = body(&text, segments);
        assert_eq!(body.left(), 8 + end - 10);
        let mut all = Vec::new();
        let mut pieces = 0;
        while body.left() > 0 {
            let piece = next(&mut body).await.expect("more").expect("bytes");
            assert!(piece.len() as u64 <= PIECE);
            all.extend_from_slice(&piece);
            pieces += 1;
        }
        assert!(all == [b"head", &text[10..], b"tail"].concat() && pieces >= 6, "{pieces}");
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn a_file_that_ends_early_fails_its_body() {
        let (mut body, file) = body(&[7; 100_000], vec![Segment::File(0..100_000)]);
        let first = next(&mut body).await.expect("more").expect("bytes").len() as u64;
        file.set_len(first).expect("shorter");
        let error = next(&mut body).await.expect("an end").expect_err("not a clean one");
        assert_eq!(error, "\"/f\" was truncated while sending response to client");
        assert!(body.left() > 0);
    }
}
