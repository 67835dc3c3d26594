//! Reading HTTP/1.1 answers (RFC 9112). Given bytes as they come, cut anywhere, it says when an answer is whole, with
//! its status and whether the connection may carry another. It holds at most one incomplete head, never a body, and
//! touches no socket.

use httparse::Status;
use std::mem::MaybeUninit;

/// The longest head that is read; one field more than any honest server needs.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
/// The longest chunk extension, and the longest trailer section.
const MAX_EXTENSION: usize = 16 * 1024;

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Whether the connection may carry another request.
    pub(crate) reusable: bool,
}

/// What came is not HTTP, or more than is bearable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Where a reader puts what it reads.
pub(crate) trait Sink {
    /// A whole head, interim ones included: the last one is the answer's.
    fn head(&mut self, bytes: &[u8]);
    /// A piece of the body.
    fn body(&mut self, bytes: &[u8]);
}

/// Keeps nothing.
impl Sink for () {
    fn head(&mut self, _: &[u8]) {}
    fn body(&mut self, _: &[u8]) {}
}

/// The head that was read last, of any connection: a server mostly answers with the one it answered with before, and bytes that
/// are equal mean the same.
#[derive(Debug, Default)]
pub(crate) struct LastHead {
    bytes: Vec<u8>,
    head: Option<Head>,
}

/// Reads the answers of one connection, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    state: State,
    answer: Option<Answer>,
    /// The beginning of a head whose end has not come yet.
    carry: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of content are still to come.
    Content(u64),
    /// A chunk's size line: the size so far, and how far into the line.
    ChunkSize { size: u64, line: SizeLine },
    /// So many bytes of a chunk are still to come.
    ChunkData(u64),
    /// The line end after a chunk's data; whether its CR has come.
    ChunkEnd { cr: bool },
    /// The trailer section: bytes so far, and bytes of the current line without its end.
    Trailer { total: usize, line: usize },
    /// The content ends with the connection.
    UntilClose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeLine {
    /// No digit yet.
    Empty,
    Digits,
    /// Past the digits: white space or an extension, of this many bytes.
    Extension(usize),
    /// The CR has come.
    Cr,
}

impl Reader {
    /// Reads `bytes`. Gives the answer when it is whole, and how many of the bytes belonged to it: what is left over
    /// belongs to nothing that was asked for.
    ///
    /// # Errors
    /// When the bytes are no HTTP answer, or its head is longer than any honest one.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        to_head: bool,
        last: &mut LastHead,
        sink: &mut impl Sink,
    ) -> Result<Option<(Answer, usize)>, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let (used, whole) = match self.state {
                State::Head => self.head(rest, to_head, last, sink)?,
                State::UntilClose => {
                    sink.body(rest);
                    (rest.len(), false)
                }
                State::Content(left) => {
                    let used = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    sink.body(&rest[..used]);
                    self.state = State::Content(left - used as u64);
                    (used, left == used as u64)
                }
                _ => self.chunked(rest, sink)?,
            };
            at += used;
            if whole {
                self.state = State::Head;
                return Ok(self.answer.take().map(|answer| (answer, at)));
            }
        }
        Ok(None)
    }

    /// The connection has ended. Gives the answer whose end that is, if it is one's.
    pub(crate) fn end(&mut self) -> Option<Answer> {
        if matches!(self.state, State::UntilClose) { self.answer.take() } else { None }
    }

    /// Reads a head from `bytes`, together with what was carried over.
    fn head(
        &mut self,
        bytes: &[u8],
        to_head: bool,
        last: &mut LastHead,
        sink: &mut impl Sink,
    ) -> Result<(usize, bool), Malformed> {
        if self.carry.is_empty() {
            if let Some(head) = last.begins(bytes) {
                sink.head(&last.bytes);
                return Ok((last.bytes.len(), self.begin(&head, to_head)));
            }
            // httparse would skip empty lines before a head; no answer begins with one.
            if bytes.first() != Some(&b'H') {
                return Err(Malformed);
            }
            let Some((used, head)) = Head::parse(bytes)? else {
                self.carry.extend_from_slice(bytes);
                return if bytes.len() > MAX_HEAD { Err(Malformed) } else { Ok((bytes.len(), false)) };
            };
            if used > MAX_HEAD {
                return Err(Malformed);
            }
            sink.head(&bytes[..used]);
            last.remember(&bytes[..used], head);
            return Ok((used, self.begin(&head, to_head)));
        }
        // The head is parsed again only when its end is there, so that a server that drips single bytes costs nothing.
        let seen = self.carry.len();
        let room = (MAX_HEAD + 1 - seen).min(bytes.len());
        self.carry.extend_from_slice(&bytes[..room]);
        if let Some(end) = head_end(&self.carry, seen.saturating_sub(3)).filter(|end| *end <= MAX_HEAD) {
            let carry = std::mem::take(&mut self.carry);
            let (used, head) = Head::parse(&carry[..end])?.ok_or(Malformed)?;
            sink.head(&carry[..used]);
            let whole = self.begin(&head, to_head);
            return Ok((used - seen, whole));
        }
        if self.carry.len() > MAX_HEAD { Err(Malformed) } else { Ok((room, false)) }
    }

    /// A head has been read: what follows it? Gives whether the answer is whole already.
    fn begin(&mut self, head: &Head, to_head: bool) -> bool {
        // RFC 9110, section 15.2: interim answers come before the one that counts.
        if (100..200).contains(&head.status) {
            return false;
        }
        let mut answer = Answer { status: head.status, reusable: head.keep_alive };
        let empty = to_head || matches!(head.status, 204 | 304);
        let (state, whole) = match head.framing {
            _ if empty => (State::Head, true),
            Framing::Length(0) => (State::Head, true),
            Framing::Length(n) => (State::Content(n), false),
            Framing::Chunked => (State::ChunkSize { size: 0, line: SizeLine::Empty }, false),
            Framing::UntilClose => {
                answer.reusable = false;
                (State::UntilClose, false)
            }
        };
        self.answer = Some(answer);
        self.state = state;
        whole
    }

    /// Reads part of a chunked content: as many bytes of `bytes` as one step takes.
    fn chunked(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(usize, bool), Malformed> {
        if let State::ChunkData(left) = self.state {
            let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            sink.body(&bytes[..used]);
            let left = left - used as u64;
            self.state = if left == 0 { State::ChunkEnd { cr: false } } else { State::ChunkData(left) };
            return Ok((used, false));
        }
        let byte = bytes[0];
        self.state = match self.state {
            State::ChunkSize { size, line } => chunk_size(size, line, byte)?,
            State::ChunkEnd { cr: false } if byte == b'\r' => State::ChunkEnd { cr: true },
            State::ChunkEnd { cr: true } if byte == b'\n' => {
                State::ChunkSize { size: 0, line: SizeLine::Empty }
            }
            State::Trailer { total, .. } if total >= MAX_EXTENSION => return Err(Malformed),
            State::Trailer { line: 0, .. } if byte == b'\n' => return Ok((1, true)),
            State::Trailer { total, .. } if byte == b'\n' => State::Trailer { total: total + 1, line: 0 },
            State::Trailer { total, line } => {
                State::Trailer { total: total + 1, line: line + usize::from(byte != b'\r') }
            }
            _ => return Err(Malformed),
        };
        Ok((1, false))
    }
}

/// One more byte of a chunk's size line.
fn chunk_size(size: u64, line: SizeLine, byte: u8) -> Result<State, Malformed> {
    let line = match (line, byte) {
        (SizeLine::Empty | SizeLine::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
            let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
            let size = size.checked_mul(16).ok_or(Malformed)? + u64::from(digit);
            return Ok(State::ChunkSize { size, line: SizeLine::Digits });
        }
        (SizeLine::Cr, b'\n') if size == 0 => return Ok(State::Trailer { total: 0, line: 0 }),
        (SizeLine::Cr, b'\n') => return Ok(State::ChunkData(size)),
        (SizeLine::Digits | SizeLine::Extension(_), b'\r') => SizeLine::Cr,
        (SizeLine::Digits, b';' | b' ' | b'\t') => SizeLine::Extension(1),
        (SizeLine::Extension(n), _) if byte != b'\n' && n < MAX_EXTENSION => SizeLine::Extension(n + 1),
        _ => return Err(Malformed),
    };
    Ok(State::ChunkSize { size, line })
}

/// Where the head in `bytes` ends, looking from `from` on.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(n) = bytes[at..].iter().position(|&b| b == b'\n') {
        at += n + 1;
        let line = &bytes[..at - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.ends_with(b"\n") {
            return Some(at);
        }
    }
    None
}

impl LastHead {
    /// Heads longer than this are not worth the comparison.
    const LONGEST: usize = 1024;

    fn begins(&self, bytes: &[u8]) -> Option<Head> {
        self.head.filter(|_| bytes.starts_with(&self.bytes))
    }

    fn remember(&mut self, bytes: &[u8], head: Head) {
        if bytes.len() <= Self::LONGEST {
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
            self.head = Some(head);
        }
    }
}

/// What counts of a head.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    keep_alive: bool,
    framing: Framing,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Head {
    /// Parses a whole head at the beginning of `bytes`; `None` when its end is not there yet.
    fn parse(bytes: &[u8]) -> Result<Option<(usize, Self)>, Malformed> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let used = match httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            bytes,
            &mut fields,
        ) {
            Ok(Status::Complete(used)) => used,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        // 101 would turn the connection over to another protocol, which nobody has asked for.
        let status =
            response.code.filter(|code| (100..1000).contains(code) && *code != 101).ok_or(Malformed)?;
        let mut head = Self { status, keep_alive: response.version == Some(1), framing: Framing::UntilClose };
        let mut length = None;
        let mut coded = None;
        for field in response.headers.iter() {
            // By the length of the name first: three of many fields matter.
            match field.name.len() {
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    let n = content_length(field.value)?;
                    if length.replace(n).is_some_and(|before| before != n) {
                        return Err(Malformed);
                    }
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    coded =
                        Some(tokens(field.value).last().is_some_and(|t| t.eq_ignore_ascii_case(b"chunked")));
                }
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    for token in tokens(field.value) {
                        if token.eq_ignore_ascii_case(b"close") {
                            head.keep_alive = false;
                        } else if token.eq_ignore_ascii_case(b"keep-alive") && response.version == Some(0) {
                            head.keep_alive = true;
                        }
                    }
                }
                _ => {}
            }
        }
        // RFC 9112, section 6.3: a transfer coding overrides the length, and such a connection is not to be trusted.
        head.framing = match (coded, length) {
            (Some(true), length) => {
                head.keep_alive &= length.is_none();
                Framing::Chunked
            }
            (Some(false), _) | (None, None) => Framing::UntilClose,
            (None, Some(n)) => Framing::Length(n),
        };
        Ok(Some((used, head)))
    }
}

/// The elements of a comma-separated field.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    // A list of equal values is what some intermediaries make of a repeated field (RFC 9110, section 8.6).
    let mut values = tokens(value);
    let first = values.next().ok_or(Malformed)?;
    if first.is_empty() || values.any(|v| v != first) {
        return Err(Malformed);
    }
    first.iter().try_fold(0u64, |n, &b| match b {
        b'0'..=b'9' => n.checked_mul(10).and_then(|n| n.checked_add(u64::from(b - b'0'))).ok_or(Malformed),
        _ => Err(Malformed),
    })
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
