//! A request's head, as the guard reads it. Given the bytes from its first on, as many as have come, it says that more are
//! needed, what content follows, or why the request is refused: at the first byte that shows it. It looks at each byte once.

use super::bytes::{METHOD, NAME, PATH, QUERY, TARGET, VALUE, is, run};
use super::{Limits, Refusal};
use http::Uri;
use std::ops::Range;

/// As many fields as are read of an answer.
const MOST_FIELDS: usize = 100;
/// The `http` crate holds no longer target.
const LONGEST_TARGET: usize = (u16::MAX - 1) as usize;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Length(u64),
    Chunked,
}

/// Where the parts of a head are, counted from its first byte.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) method: Range<usize>,
    pub(crate) target: Range<usize>,
    /// It is HTTP/1.0.
    pub(crate) old: bool,
    /// Name and value of each field, with the white space around the value.
    pub(crate) fields: Vec<(Range<u32>, Range<u32>)>,
}

#[derive(Debug)]
pub(super) struct Head {
    part: Part,
    /// How many bytes have been looked at.
    seen: usize,
    /// Where the current line begins.
    line: usize,
    /// Where the target or the version begins, or the colon stands.
    mark: usize,
    /// What is left of the current buffer, as nginx would fill it.
    room: usize,
    /// How many large buffers nginx would have taken.
    buffers: usize,
    /// It is HTTP/1.0.
    old: bool,
    host: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Empty lines before the request (RFC 9112, section 2.2).
    Blank,
    BlankLf,
    Method,
    Target,
    Path,
    Query,
    Absolute,
    Version,
    LineLf,
    Name,
    Value,
    ValueLf,
    EndLf,
}

impl Part {
    fn is_of_request_line(self) -> bool {
        !matches!(self, Self::Name | Self::Value | Self::ValueLf | Self::EndLf)
    }
}

impl Head {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            part: Part::Blank,
            seen: 0,
            line: 0,
            mark: 0,
            room: limits.first,
            buffers: 0,
            old: false,
            host: false,
            length: None,
            chunked: false,
            upgrade: false,
        }
    }

    /// Whether another protocol is asked for, which HTTP/1.0 cannot (RFC 9110, section 7.8).
    pub(super) fn asks_upgrade(&self) -> bool {
        self.upgrade && !self.old
    }

    /// How many bytes the head has, when it is whole.
    pub(super) fn length(&self) -> usize {
        self.seen
    }

    /// Looks at what is new in `head`, which begins with the head's first byte.
    pub(super) fn scan(
        &mut self,
        head: &[u8],
        limits: &Limits,
        lines: &mut Lines,
    ) -> Result<Option<Content>, Refusal> {
        if self.seen == 0 {
            lines.fields.clear();
        }
        while let Some(rest) = head.get(self.seen..).filter(|rest| !rest.is_empty()) {
            if self.seen == self.line && self.part == Part::Name && self.whole_field(head, rest, lines)? {
                continue;
            }
            if self.part == Part::Version && self.whole_version(rest) {
                continue;
            }
            let same = match self.part {
                Part::Method => run(METHOD, rest),
                Part::Path => run(PATH, rest),
                Part::Query => run(QUERY, rest),
                Part::Absolute => run(TARGET, rest),
                Part::Name => run(NAME, rest),
                Part::Value => run(VALUE, rest),
                _ => 0,
            };
            self.take(same, limits)?;
            let Some(&byte) = rest.get(same) else { break };
            self.take(1, limits)?;
            if self.part.is_of_request_line() {
                self.request_line(head, byte, lines)?;
            } else if self.field_line(head, byte, lines)? {
                lines.old = self.old;
                return self.end().map(Some);
            }
        }
        Ok(None)
    }

    /// Takes a field line at once, where it is whole, of the usual form, and no longer than there is room for. Gives whether it is.
    fn whole_field(&mut self, head: &[u8], rest: &[u8], lines: &mut Lines) -> Result<bool, Refusal> {
        let name = run(NAME, rest);
        if name == 0 || rest.get(name) != Some(&b':') || lines.fields.len() == MOST_FIELDS {
            return Ok(false);
        }
        let end = name + 1 + run(VALUE, &rest[name + 1..]);
        let length = end + 2;
        if length > self.room || rest.get(end..length) != Some(b"\r\n") {
            return Ok(false);
        }
        let at = self.line;
        lines.fields.push((span(at..at + name), span(at + name + 1..at + end)));
        self.room -= length;
        self.seen += length;
        self.line = self.seen;
        self.field(&head[at..at + name], &head[at + name + 1..at + end])?;
        Ok(true)
    }

    /// Takes the usual version with its line end at once. Gives whether it is that.
    fn whole_version(&mut self, rest: &[u8]) -> bool {
        const USUAL: &[u8] = b"HTTP/1.1\r\n";
        let whole = self.seen == self.mark && rest.starts_with(USUAL) && USUAL.len() <= self.room;
        if whole {
            self.room -= USUAL.len();
            self.seen += USUAL.len();
            self.part = self.next_line();
        }
        whole
    }

    /// Counts `count` more bytes of a line, as nginx's buffers would take them: a line that outgrows its buffer moves
    /// to a larger one, if it fits there and there is one.
    fn take(&mut self, mut count: usize, limits: &Limits) -> Result<(), Refusal> {
        while count > self.room {
            count -= self.room;
            self.seen += self.room;
            let line = self.seen - self.line;
            if line >= limits.size || self.buffers == limits.number {
                let of_request_line = self.part.is_of_request_line();
                return Err(if of_request_line { Refusal::LongLine } else { Refusal::LongHead });
            }
            self.buffers += 1;
            self.room = limits.size - line;
        }
        self.room -= count;
        self.seen += count;
        Ok(())
    }

    /// What part of the request line `byte`, the last one seen, ends or begins.
    fn request_line(&mut self, head: &[u8], byte: u8, lines: &mut Lines) -> Result<(), Refusal> {
        let at = self.seen - 1;
        self.part = match (self.part, byte) {
            (Part::Blank, b'\r') => Part::BlankLf,
            (Part::Blank | Part::BlankLf, b'\n') => {
                self.line = self.seen;
                Part::Blank
            }
            (Part::Blank, byte) if is(METHOD, byte) => {
                self.line = at;
                Part::Method
            }
            (Part::Method, b' ') => {
                lines.method = self.line..at;
                Part::Target
            }
            (Part::Target, byte) if byte == b'/' || byte.is_ascii_alphabetic() => {
                self.mark = at;
                if byte == b'/' { Part::Path } else { Part::Absolute }
            }
            (Part::Path, b'?') => Part::Query,
            (Part::Path | Part::Query | Part::Absolute, b' ') => {
                target(&head[self.mark..at], self.part == Part::Absolute)?;
                lines.target = self.mark..at;
                self.mark = self.seen;
                Part::Version
            }
            (Part::Version, byte) => self.version(at - self.mark, byte)?,
            (Part::LineLf, b'\n') => self.next_line(),
            _ => return Err(Refusal::RequestLine),
        };
        Ok(())
    }

    /// The byte at an index of the version and its line end: HTTP/1.1 and HTTP/1.0 are read.
    fn version(&mut self, index: usize, byte: u8) -> Result<Part, Refusal> {
        match (index, byte) {
            (5 | 7, b'2'..=b'9') => return Err(Refusal::Version),
            (0..=6, byte) if byte == b"HTTP/1."[index] => {}
            (7, b'0' | b'1') => self.old = byte == b'0',
            (8, b'\r') => return Ok(Part::LineLf),
            (8, b'\n') => return Ok(self.next_line()),
            _ => return Err(Refusal::RequestLine),
        }
        Ok(Part::Version)
    }

    fn next_line(&mut self) -> Part {
        self.line = self.seen;
        Part::Name
    }

    /// What part of a field line `byte`, the last one seen, ends or begins. Gives whether the head ends with it.
    fn field_line(&mut self, head: &[u8], byte: u8, lines: &mut Lines) -> Result<bool, Refusal> {
        let at = self.seen - 1;
        let first = at == self.line;
        self.part = match (self.part, byte) {
            (Part::Name, b'\r') if first => Part::EndLf,
            (Part::Name, b'\n') if first => return Ok(true),
            (Part::Name, b' ' | b'\t') if first => return Err(Refusal::Fold),
            (Part::Name, b':') if !first => {
                self.mark = at;
                Part::Value
            }
            (Part::Value, b'\r') => Part::ValueLf,
            (Part::Value | Part::ValueLf, b'\n') => {
                let end = at - usize::from(self.part == Part::ValueLf);
                if lines.fields.len() == MOST_FIELDS {
                    return Err(Refusal::LongHead);
                }
                lines.fields.push((span(self.line..self.mark), span(self.mark + 1..end)));
                self.field(&head[self.line..self.mark], &head[self.mark + 1..end])?;
                self.next_line()
            }
            (Part::Value | Part::ValueLf, _) => return Err(Refusal::Value),
            (Part::EndLf, b'\n') => return Ok(true),
            _ => return Err(Refusal::Name),
        };
        Ok(false)
    }

    /// A whole field. Only those that say where the request ends, and for whom it is, matter here.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.host {
                    return Err(Refusal::SecondHost);
                }
                self.host = true;
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Refusal::SecondLength);
                }
                self.length = Some(length(value.trim_ascii()).ok_or(Refusal::Length)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked {
                    return Err(Refusal::SecondCoding);
                }
                if self.old {
                    return Err(Refusal::OldCoding);
                }
                if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::UnknownCoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        if self.chunked && self.length.is_some() { Err(Refusal::LengthAndCoding) } else { Ok(()) }
    }

    fn end(&self) -> Result<Content, Refusal> {
        if !self.old && !self.host {
            return Err(Refusal::NoHost);
        }
        Ok(if self.chunked { Content::Chunked } else { Content::Length(self.length.unwrap_or(0)) })
    }
}

/// A place in a head, whose length a `u32` holds by far.
fn span(range: Range<usize>) -> Range<u32> {
    let at = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    at(range.start)..at(range.end)
}

/// A length in bytes: digits, and no more than a file's offset holds.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit).filter(|length| *length <= i64::MAX.unsigned_abs())
    })
}

/// Whether the `http` crate reads `target`, whose bytes are those of a target. nginx, too, knows only a path and a whole URL: `*` and the
/// `host:port` of CONNECT are refused, so there is no tunnel to step aside for.
fn target(target: &[u8], absolute: bool) -> Result<(), Refusal> {
    if target.len() > LONGEST_TARGET {
        return Err(Refusal::LongLine);
    }
    let is_url =
        || Uri::try_from(target).is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some());
    // The parser wants UTF-8 in a fragment, too, which the URL does not have any more.
    let is_text = target.is_ascii() || std::str::from_utf8(target).is_ok();
    if is_text && (!absolute || is_url()) { Ok(()) } else { Err(Refusal::RequestLine) }
}
