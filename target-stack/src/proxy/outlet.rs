//! The form in which an answer goes out. Given status, fields and pieces of a body, it writes the head, and the pieces as the head
//! says that they come, to what is on its way to the client. It makes no answer.

use super::calendar;
use super::fields::Fields;
use super::outgoing::Outgoing;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode, Version};
use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

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
    pub(crate) fields: &'a Fields,
}

impl Framing {
    /// Adds a piece of the body to `out`, or as much of it as the head has left for it.
    pub(crate) fn piece(&mut self, out: &mut Outgoing, mut piece: Bytes) {
        match self {
            Self::Length(left) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                out.piece(piece);
            }
            Self::Chunked => out.chunk(piece),
            Self::Close => out.piece(piece),
        }
    }

    /// Adds what ends a body to `out`. Gives whether it has all the bytes that its head promised.
    pub(crate) fn end(self, out: &mut Outgoing) -> bool {
        match self {
            Self::Length(left) => left == 0,
            Self::Close => true,
            Self::Chunked => {
                out.end_chunks();
                true
            }
        }
    }
}

/// Adds the head of an answer at `now`, a time since 1970, to `out`, and gives what follows it: how the body ends, and whether the
/// connection goes on after it.
pub(crate) fn write_head(out: &mut Vec<u8>, head: &Head<'_>, form: Form, now: Duration) -> (Framing, bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason);
    out.extend_from_slice(b"\r\n");
    if !head.fields.has(&DATE) {
        date(now, out);
    }
    let (mut said, mut closes) = (None, false);
    // RFC 9110, section 8.6.
    let lengthless = head.status.is_informational() || head.status == StatusCode::NO_CONTENT;
    for (name, value) in head.fields.iter() {
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
