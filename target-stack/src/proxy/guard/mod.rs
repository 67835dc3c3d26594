//! The guard at the door. Given the bytes of a client's connection as they come, cut anywhere, it follows the requests
//! in them and says what the next ones are: a head and where its parts are, content, or a request that is refused, and how: by
//! RFC 9112, section 6, with the bounds and statuses of nginx. It keeps no byte, what cannot be taken yet stays with the giver; it
//! touches no socket and reads no clock.

mod bytes;
mod chunks;
mod head;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub(crate) use chunks::Chunks;
use head::{Content, Head};

pub(crate) use head::Lines;

/// How long a request's head may be: `client_header_buffer_size` and `large_client_header_buffers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The first buffer of a head, in bytes.
    pub(crate) first: usize,
    /// How many large buffers a head may have when the first one is full.
    pub(crate) number: usize,
    /// The size of each of those, and so the longest line.
    pub(crate) size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { first: 1 << 10, number: 4, size: 8 << 10 }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    RequestLine,
    Version,
    LongLine,
    LongHead,
    /// A field line without a name, with a byte that no name has, or with white space before the colon.
    Name,
    /// A NUL, another control byte, or a CR that no LF follows.
    Value,
    /// A field that goes on in the next line (obs-fold).
    Fold,
    NoHost,
    SecondHost,
    Length,
    SecondLength,
    /// Content-Length together with Transfer-Encoding.
    LengthAndCoding,
    SecondCoding,
    /// Transfer-Encoding on HTTP/1.0.
    OldCoding,
    UnknownCoding,
    /// A chunk's size, its line ends, or a trailer field.
    Chunk,
    /// Chunk extensions and trailer fields past their bound.
    LongChunk,
    /// It came in the clear where TLS is spoken, which the giver finds.
    Plain,
}

impl Refusal {
    /// The status to answer with; nginx's own 494 and 497 are sent as 400.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::LongLine => 414,
            Self::LongHead => 494,
            Self::Plain => 497,
            Self::UnknownCoding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// Its name among the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequestLine => "request_line",
            Self::Version => "version",
            Self::LongLine => "long_line",
            Self::LongHead => "long_head",
            Self::Name => "field_name",
            Self::Value => "field_value",
            Self::Fold => "folded_field",
            Self::NoHost => "no_host",
            Self::SecondHost => "second_host",
            Self::Length => "content_length",
            Self::SecondLength => "second_content_length",
            Self::LengthAndCoding => "content_length_and_transfer_encoding",
            Self::SecondCoding => "second_transfer_encoding",
            Self::OldCoding => "transfer_encoding_in_http_1_0",
            Self::UnknownCoding => "unknown_transfer_encoding",
            Self::Chunk => "chunk",
            Self::LongChunk => "long_chunk",
            Self::Plain => "plain_http",
        }
    }

    /// Whether it came to light after the request's head had passed.
    pub(crate) fn is_of_body(self) -> bool {
        matches!(self, Self::Chunk | Self::LongChunk)
    }
}

/// What the next bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// What there is cannot be taken before more has come: it is kept by the giver, and shown again with what comes.
    More,
    /// A request's head, of so many bytes. Its parts are where `Guard::lines` says.
    Head(usize),
    /// So many bytes of a request's body, of which the last `data` are content and the others frame it.
    Body { used: usize, data: usize },
    /// Nothing of these bytes, nor after them, may ever be taken.
    Refused(Refusal),
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(crate) struct Guard {
    limits: Limits,
    state: State,
    /// Of the head that was read last.
    lines: Lines,
    /// The current request asks for another protocol.
    asks: bool,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// So many bytes of content are still to come.
    Content(u64),
    Chunks(Chunks),
    /// Another protocol was asked for. What comes may be of that one, until the answer is known.
    Paused,
    Refused(Refusal),
}

impl Guard {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: State::Head(Head::new(&limits)), lines: Lines::default(), asks: false }
    }

    /// What comes next in `bytes`: those that were shown and could not be taken, and those that came since.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Next {
        match &mut self.state {
            State::Refused(refusal) => Next::Refused(*refusal),
            _ if bytes.is_empty() => Next::More,
            State::Paused => Next::More,
            State::Head(head) => match head.scan(bytes, &self.limits, &mut self.lines) {
                Ok(None) => Next::More,
                Err(refusal) => self.refuse(refusal),
                Ok(Some(content)) => {
                    self.asks = head.asks_upgrade();
                    let length = head.length();
                    match content {
                        Content::Length(0) => self.end_request(),
                        Content::Length(length) => self.state = State::Content(length),
                        Content::Chunked => self.state = State::Chunks(Chunks::default()),
                    }
                    Next::Head(length)
                }
            },
            State::Content(left) => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= used as u64;
                if *left == 0 {
                    self.end_request();
                }
                Next::Body { used, data: used }
            }
            State::Chunks(chunks) => {
                let (used, data, outcome) = chunks.scan(bytes);
                match outcome {
                    Ok(true) => self.end_request(),
                    Ok(false) => {}
                    Err(refusal) if used == 0 => return self.refuse(refusal),
                    Err(refusal) => self.state = State::Refused(refusal),
                }
                Next::Body { used, data }
            }
        }
    }

    /// Where the parts of the head are that was read last.
    pub(crate) fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Whether content of a request is still to come, or what came in its place was refused.
    pub(crate) fn awaits_content(&self) -> bool {
        match &self.state {
            State::Content(_) | State::Chunks(_) => true,
            State::Refused(refusal) => refusal.is_of_body(),
            State::Head(_) | State::Paused => false,
        }
    }

    /// How much of a request's content is still to come, where that is known.
    pub(crate) fn content_left(&self) -> Option<u64> {
        match &self.state {
            State::Content(left) => Some(*left),
            _ if self.awaits_content() => None,
            _ => Some(0),
        }
    }

    /// Whether nothing is taken until it is known what comes: another request, or another protocol.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self.state, State::Paused)
    }

    /// It is another request that comes, once the content of this one has come.
    pub(crate) fn resume(&mut self) {
        self.asks = false;
        if self.is_paused() {
            self.end_request();
        }
    }

    /// Takes no more memory than it has to, until the next request.
    pub(crate) fn rest(&mut self) {
        self.lines = Lines::default();
    }

    fn refuse(&mut self, refusal: Refusal) -> Next {
        self.state = State::Refused(refusal);
        Next::Refused(refusal)
    }

    fn end_request(&mut self) {
        self.state = if self.asks { State::Paused } else { State::Head(Head::new(&self.limits)) };
    }
}
