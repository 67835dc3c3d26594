//! What a server can do to a request, and what a client has to make of it.

use super::wire::Stream;
use std::io;
use std::time::Duration;

/// What is done to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Answers with a length.
    Length,
    /// Answers in chunks, with an extension and a trailer.
    Chunked,
    /// Answers until the end of the connection.
    UntilClose,
    /// 204, which has no content.
    NoContent,
    /// 304, which has none whatever its length says.
    NotModified,
    /// 100 and 103 come before the answer.
    Interim,
    /// Head and body come in pieces, one after the other.
    Pieces,
    /// Answers, says that it closes, and closes.
    Goodbye,
    /// Answers, and closes without a word; the end comes together with the answer.
    Unannounced,
    /// Answers, and more than that.
    Excess,
    /// Answers, a byte at a time.
    Drip,
    /// Answers, and closes the connection when nothing has come on it for a moment.
    Idle,
    /// Answers when it is let go.
    Hold,
    /// Reads the body, slowly, and answers when it was whole.
    Upload,
    /// 503.
    Busy,
    /// Refuses a body before reading it, and closes.
    TooLarge,
    /// Resets.
    Reset,
    /// Closes without an answer.
    Nothing,
    /// Closes in the middle of a head.
    HalfHead,
    /// Closes in the middle of a body.
    HalfBody,
    /// Closes in the middle of a chunk.
    HalfChunk,
    /// What is not HTTP.
    Garbage,
    /// A head without an end.
    EndlessHead,
    /// A chunk's size that is no number.
    BadSize,
    /// A chunk's size that no number can hold.
    HugeSize,
    /// A chunk that is longer than it says.
    LongChunk,
    /// Two lengths.
    TwoLengths,
    /// Never answers.
    Silence,
    /// Promises more than it sends, and waits.
    Short,
    /// Ten gigabytes.
    Flood,
    /// Chunks without an end.
    EndlessChunks,
    /// Interim answers without an end.
    EndlessInterim,
}

/// What a client has to take a deed for, unless the request's time has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A good answer.
    Ok,
    /// An answer with a status that nobody wanted.
    Status,
    /// A connection that ended too early.
    Reset,
    /// Something that is not HTTP.
    Protocol,
    /// An answer that never comes to its end.
    Timeout,
}

impl Outcome {
    /// The kind of error that it is counted under.
    pub fn error(self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::Status => Some("status"),
            Self::Reset => Some("reset"),
            Self::Protocol => Some("protocol"),
            Self::Timeout => Some("timeout"),
        }
    }
}

/// All of them.
pub const ALL: [Deed; 32] = [
    Deed::Length,
    Deed::Chunked,
    Deed::UntilClose,
    Deed::NoContent,
    Deed::NotModified,
    Deed::Interim,
    Deed::Pieces,
    Deed::Goodbye,
    Deed::Unannounced,
    Deed::Excess,
    Deed::Drip,
    Deed::Idle,
    Deed::Hold,
    Deed::Upload,
    Deed::Busy,
    Deed::TooLarge,
    Deed::Reset,
    Deed::Nothing,
    Deed::HalfHead,
    Deed::HalfBody,
    Deed::HalfChunk,
    Deed::Garbage,
    Deed::EndlessHead,
    Deed::BadSize,
    Deed::HugeSize,
    Deed::LongChunk,
    Deed::TwoLengths,
    Deed::Silence,
    Deed::Short,
    Deed::Flood,
    Deed::EndlessChunks,
    Deed::EndlessInterim,
];

const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

impl Deed {
    /// What a client has to take it for.
    pub fn outcome(self) -> Outcome {
        use Deed::*;
        match self {
            Length | Chunked | UntilClose | NoContent | NotModified | Interim | Pieces | Goodbye
            | Unannounced | Excess | Drip | Idle | Hold | Upload => Outcome::Ok,
            Busy | TooLarge => Outcome::Status,
            Reset | Nothing | HalfHead | HalfBody | HalfChunk => Outcome::Reset,
            Garbage | EndlessHead | BadSize | HugeSize | LongChunk | TwoLengths => Outcome::Protocol,
            Silence | Short | Flood | EndlessChunks | EndlessInterim => Outcome::Timeout,
        }
    }

    /// Whether it closes a connection that the client has no reason not to use again.
    pub fn closes_kept(self) -> bool {
        matches!(self, Self::Unannounced | Self::Idle)
    }

    /// Its place among all of them.
    pub(super) fn number(self) -> usize {
        ALL.iter().position(|deed| *deed == self).unwrap()
    }

    /// Does it to a request whose body has this length; whether the connection goes on. Only a client that has gone makes it
    /// fail.
    pub(super) fn perform(self, stream: &Stream, body: usize) -> io::Result<bool> {
        if let Some((text, goes_on)) = self.text() {
            stream.write(text.as_bytes())?;
            return Ok(goes_on);
        }
        match self {
            Self::Reset => stream.reset_at_end(),
            Self::Unannounced => {
                stream.cork();
                stream.write(GOOD.as_bytes())?;
            }
            Self::Pieces => {
                let (head, body) = GOOD.split_at(30);
                for piece in [head, &body[..10], &body[10..]] {
                    stream.write(piece.as_bytes())?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Ok(true);
            }
            Self::Drip => {
                for byte in GOOD.as_bytes().chunks(1) {
                    stream.write(byte)?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Ok(true);
            }
            Self::Idle => {
                stream.write(GOOD.as_bytes())?;
                stream.patience(Some(Duration::from_millis(5)))?;
                return Ok(true);
            }
            Self::Upload => {
                let (mut left, mut buffer) = (body, vec![0; 64 * 1024]);
                while left > 0 {
                    let n = stream.read(&mut buffer)?;
                    // Each byte of a body that is sent here is this one.
                    if n == 0 || n > left || buffer[..n].iter().any(|byte| *byte != b'x') {
                        return Ok(false);
                    }
                    left -= n;
                    std::thread::sleep(Duration::from_millis(1));
                }
                stream.write(GOOD.as_bytes())?;
                return Ok(true);
            }
            Self::Silence | Self::Short => {
                let said = if self == Self::Short { &GOOD.as_bytes()[..GOOD.len() - 1] } else { &[] };
                stream.write(said)?;
                stream.patience(None)?;
                // Until the client has had enough.
                while stream.read(&mut [0; 64])? > 0 {}
            }
            Self::EndlessHead => pour(stream, "HTTP/1.1 200 OK\r\n", b"X: yyyyyyyyyyyy\r\n")?,
            Self::Flood => {
                pour(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", &[0; 4096])?
            }
            Self::EndlessChunks => pour(stream, CHUNKS, b"10\r\n0123456789abcdef\r\n")?,
            Self::EndlessInterim => pour(stream, "", b"HTTP/1.1 100 Continue\r\n\r\n")?,
            _ => {}
        }
        Ok(false)
    }

    /// What it says, if that is all that it does, and whether the connection goes on.
    fn text(self) -> Option<(&'static str, bool)> {
        Some(match self {
            Self::Length | Self::Hold => (GOOD, true),
            Self::Chunked => (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
                true,
            ),
            Self::UntilClose => ("HTTP/1.1 200 OK\r\n\r\nhello", false),
            Self::NoContent => ("HTTP/1.1 204 No Content\r\n\r\n", true),
            Self::NotModified => ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true),
            Self::Interim => (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                true,
            ),
            Self::Goodbye => {
                ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false)
            }
            Self::Excess => ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhello", true),
            Self::Busy => ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", true),
            Self::TooLarge => {
                ("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false)
            }
            Self::HalfHead => ("HTTP/1.1 200 OK\r\nContent-Len", false),
            Self::HalfBody => ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false),
            Self::HalfChunk => ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", false),
            Self::Garbage => ("SSH-2.0-OpenSSH_9.2\r\n", true),
            Self::BadSize => ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true),
            Self::HugeSize => {
                ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", true)
            }
            Self::LongChunk => {
                ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", true)
            }
            Self::TwoLengths => {
                ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", true)
            }
            _ => return None,
        })
    }
}

/// Says `first`, and then `again` as often as the client takes it: ten gigabytes at most, for one that takes all.
fn pour(stream: &Stream, first: &str, again: &[u8]) -> io::Result<()> {
    stream.write(first.as_bytes())?;
    let many = again.repeat(64 * 1024 / again.len());
    for _ in 0..160_000 {
        stream.write(&many)?;
    }
    Ok(())
}
