//! What goes out to a client: the head of an answer, and its body in the form that the head says. Given status, fields and pieces of
//! a body, it holds the bytes until the wire has taken them, and takes no more before that. It makes no answer.

use super::{calendar, headers};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode, Version};
use std::cell::RefCell;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// Pieces up to this length go out with what stands before them, copied: a second buffer costs more.
const COPIED: usize = 4 << 10;
const NEXT_CHUNK: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The bytes on their way to a client.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    /// What comes first, of which so much has gone.
    first: Vec<u8>,
    gone: usize,
    then: Bytes,
    last: &'static [u8],
}

/// How the end of a body can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    Chunked,
    /// By the end of the connection.
    Close,
}

/// What the form of an answer depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// The head is all of it.
    pub(crate) bodiless: bool,
    /// Of the request.
    pub(crate) version: Version,
    /// The connection may go on after the answer.
    pub(crate) stays: bool,
    /// The body's length in bytes, where it is known.
    pub(crate) length: Option<u64>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'a [u8],
    pub(crate) fields: &'a HeaderMap,
}

impl Outlet {
    /// How many bytes wait.
    pub(crate) fn length(&self) -> usize {
        self.first.len() - self.gone + self.then.len() + self.last.len()
    }

    /// Whether all has gone.
    pub(crate) fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// Takes no more memory than it has to, until the next answer.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Adds bytes as they are; so it does with heads, which are small.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.first.extend_from_slice(text);
    }

    /// Adds the head of an answer at `now`, a time since 1970, and gives what follows it: how the body ends, and whether the
    /// connection goes on after it.
    pub(crate) fn head(&mut self, head: &Head<'_>, form: Form, now: Duration) -> (Framing, bool) {
        let out = &mut self.first;
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(head.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(head.reason);
        out.extend_from_slice(b"\r\n");
        if !headers::has(head.fields, &DATE) {
            date(now, out);
        }
        let (mut said, mut closes) = (None, false);
        // RFC 9110, section 8.6.
        let lengthless = head.status.is_informational() || head.status == StatusCode::NO_CONTENT;
        for (name, value) in head.fields {
            if *name == CONTENT_LENGTH {
                // A second one would say the same, or be a lie.
                if said.is_some() || lengthless {
                    continue;
                }
                said = Some(value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0));
            } else if *name == TRANSFER_ENCODING {
                continue;
            } else if *name == CONNECTION && has_word(value.as_bytes(), b"close") {
                closes = true;
            }
            field(out, name, value.as_bytes());
        }
        let framing = match said.or(form.length) {
            _ if form.bodiless => Framing::Length(0),
            Some(length) => {
                if said.is_none() {
                    field_of(out, b"Content-Length", length);
                }
                Framing::Length(length)
            }
            None if form.version >= Version::HTTP_11 => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                Framing::Chunked
            }
            None => Framing::Close,
        };
        let stays = form.stays && !closes && framing != Framing::Close;
        if !stays && !closes && head.status != StatusCode::SWITCHING_PROTOCOLS {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        (framing, stays)
    }

    /// Adds a piece of the body, or as much of it as the head has left for it.
    pub(crate) fn piece(&mut self, framing: &mut Framing, mut piece: Bytes) {
        match framing {
            Framing::Length(left) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
            }
            // A chunk without bytes would be the last one.
            Framing::Chunked if piece.is_empty() => return,
            Framing::Chunked => {
                // Writing to a vector cannot fail.
                let _ = write!(self.first, "{:x}\r\n", piece.len());
                self.last = NEXT_CHUNK;
            }
            Framing::Close => {}
        }
        if piece.len() <= COPIED {
            self.first.extend_from_slice(&piece);
            self.first.extend_from_slice(std::mem::take(&mut self.last));
        } else {
            self.then = piece;
        }
    }

    /// Adds what ends a body. Gives whether it has all the bytes that its head promised.
    pub(crate) fn end(&mut self, framing: Framing) -> bool {
        match framing {
            Framing::Length(left) => left == 0,
            Framing::Close => true,
            Framing::Chunked => {
                if self.last.is_empty() {
                    self.last = LAST_CHUNK;
                } else {
                    // The end of the last piece and that of the body in one.
                    self.last = b"\r\n0\r\n\r\n";
                }
                true
            }
        }
    }

    /// Writes to `wire` what there is.
    ///
    /// # Errors
    /// Those of the wire, and where it takes nothing more.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut wire: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let first = &self.first[self.gone..];
            let taken = if self.then.is_empty() && self.last.is_empty() {
                ready!(wire.as_mut().poll_write(cx, first))?
            } else {
                let pieces = [first, &self.then, self.last].map(IoSlice::new);
                let empty = usize::from(first.is_empty());
                ready!(wire.as_mut().poll_write_vectored(cx, &pieces[empty..]))?
            };
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.take(taken);
        }
        self.first.clear();
        self.gone = 0;
        Poll::Ready(Ok(()))
    }

    /// Forgets the first `count` bytes.
    fn take(&mut self, count: usize) {
        let of_first = count.min(self.first.len() - self.gone);
        self.gone += of_first;
        let of_then = (count - of_first).min(self.then.len());
        let _ = self.then.split_to(of_then);
        self.last = &self.last[count - of_first - of_then..];
    }
}

/// Whether one of the words in `value`, which commas part, is `word`.
fn has_word(value: &[u8], word: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(word))
}

/// A field, its name written as nginx writes it.
fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(name.as_str().as_bytes());
    let mut begins = true;
    for byte in &mut out[start..] {
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = *byte == b'-';
    }
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn field_of(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    let _ = write!(out, ": {value}\r\n");
}

/// The field `Date`, of which this thread keeps the one of the current second.
fn date(now: Duration, out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
    }
    LAST.with_borrow_mut(|(second, line)| {
        if *second != now.as_secs() || line.is_empty() {
            *second = now.as_secs();
            line.clear();
            line.extend_from_slice(b"Date: ");
            calendar::http(now, line);
            line.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(line);
    });
}

#[cfg(test)]
mod tests;
