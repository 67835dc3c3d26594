//! The guard before hyper. Given the bytes of a client's connection as they come, cut anywhere, it follows the requests
//! in them and says how many bytes may pass, or that a request is refused, and how: by RFC 9112, section 6, with the bounds
//! and statuses of nginx. It keeps no byte, what may not pass yet stays with the giver; it touches no socket and reads no clock.

mod bytes;
mod chunks;
mod head;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub(crate) use chunks::Chunks;
use head::{Content, Head};

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

/// What is to be done with the bytes that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// So many may pass. The rest is kept by the giver, and shown again with what comes.
    pub(crate) passed: usize,
    /// Nothing after those may ever pass.
    pub(crate) refused: Option<Refusal>,
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(crate) struct Guard {
    limits: Limits,
    state: State,
    heads: u32,
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
        Self { limits, state: State::Head(Head::new(&limits)), heads: 0, asks: false }
    }

    /// Judges `bytes`: those that were shown and did not pass, and those that came since.
    pub(crate) fn judge(&mut self, bytes: &[u8]) -> Verdict {
        let mut passed = 0;
        while passed < bytes.len() {
            let (used, outcome) = self.step(&bytes[passed..]);
            passed += used;
            match outcome {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => {
                    self.state = State::Refused(refusal);
                    return Verdict { passed, refused: Some(refusal) };
                }
            }
        }
        Verdict { passed, refused: None }
    }

    /// How many heads have passed.
    pub(crate) fn heads(&self) -> u32 {
        self.heads
    }

    /// Whether content of a request is still to come.
    pub(crate) fn awaits_content(&self) -> bool {
        matches!(self.state, State::Content(_) | State::Chunks(_))
    }

    /// Whether nothing passes until it is known what comes: another request, or another protocol.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self.state, State::Paused)
    }

    /// It is another request that comes.
    pub(crate) fn resume(&mut self) {
        self.state = State::Head(Head::new(&self.limits));
    }

    /// Takes in one part of a request. Gives how much of it may pass, and whether to go on with what follows.
    fn step(&mut self, bytes: &[u8]) -> (usize, Result<bool, Refusal>) {
        let (used, next) = match &mut self.state {
            State::Paused => return (0, Ok(false)),
            State::Refused(refusal) => return (0, Err(*refusal)),
            State::Head(head) => match head.scan(bytes, &self.limits) {
                Ok(None) => return (0, Ok(false)),
                Err(refusal) => return (0, Err(refusal)),
                Ok(Some(content)) => {
                    self.heads += 1;
                    self.asks = head.asks_upgrade();
                    let next = match content {
                        Content::Length(0) => None,
                        Content::Length(length) => Some(State::Content(length)),
                        Content::Chunked => Some(State::Chunks(Chunks::default())),
                    };
                    (head.length(), next)
                }
            },
            State::Content(left) => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= used as u64;
                if *left > 0 {
                    return (used, Ok(true));
                }
                (used, None)
            }
            State::Chunks(chunks) => match chunks.scan(bytes) {
                (used, _, Ok(true)) => (used, None),
                (used, _, outcome) => return (used, outcome.map(|_| true)),
            },
        };
        self.state = match next {
            Some(state) => state,
            None if self.asks => State::Paused,
            None => State::Head(Head::new(&self.limits)),
        };
        (used, Ok(true))
    }
}
