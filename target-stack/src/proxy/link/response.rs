//! The head of an answer. Given the bytes that came by a link, it gives status and fields, which are slices of those bytes, and how
//! the body is framed (RFC 9112, section 6.3), or says why they are no answer that can be read in one way only. Interim answers are
//! passed over. It reads no socket.

use super::framing::Framing;
use crate::proxy::fields::Fields;
use crate::proxy::guard::Chunks;
use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};
use httparse::{ParserConfig, Status};
use std::fmt;
use std::mem::MaybeUninit;

/// The longest head of an answer in bytes, and how much may come before it is whole: interim answers too.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_BEFORE_BODY: usize = 1 << 20;
const MOST_FIELDS: usize = 100;

/// Room for fields that are added on the way to the client.
const ADDED: usize = 2;

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// The words for the status, where they are not the usual ones.
    pub(crate) reason: Option<Bytes>,
    pub(crate) headers: Fields,
}

/// What the request's method means for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Head,
    Connect,
    Other,
}

/// A head with what it says of what follows.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// Another answer may follow by the same connection.
    pub(super) keeps: bool,
    /// In bytes.
    length: usize,
}

/// Why bytes are no answer. What another reader might read otherwise is none, as newer versions of nginx have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    TooBig,
    /// This of it is wrong.
    Invalid(&'static str),
    RepeatedLength,
    LengthAndCoding,
    Coding,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBig => f.write_str("upstream sent too big header"),
            Self::Invalid(what) => write!(f, "upstream sent invalid header ({what})"),
            Self::RepeatedLength => f.write_str("upstream sent duplicate header line: \"Content-Length\""),
            Self::LengthAndCoding => f.write_str(
                "upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
            ),
            Self::Coding => f.write_str("upstream sent unknown \"Transfer-Encoding\""),
        }
    }
}

const LENGTH: Fault = Fault::Invalid("invalid content-length parsed");
const LINE: Fault = Fault::Invalid("invalid HTTP header parsed");

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooBig,
            httparse::Error::Status => Self::Invalid("invalid HTTP status-code parsed"),
            httparse::Error::Version => Self::Invalid("invalid HTTP version parsed"),
            _ => LINE,
        }
    }
}

/// An answer whose head is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// How many bytes of it were found to be no whole head.
    seen: usize,
    /// How many bytes of interim answers came before it.
    before: usize,
}

impl Awaited {
    /// Takes the head from `came`: all that came and was not taken. `None` where it is not whole.
    pub(super) fn take(&mut self, came: &mut Bytes, asked: Asked) -> Result<Option<Parsed>, Fault> {
        while !came.is_empty() && (self.seen == 0 || ends_head(came, self.seen)) {
            let Some(parsed) = parse(came, asked)? else { break };
            came.advance(parsed.length);
            self.before += parsed.length;
            self.seen = 0;
            if self.before > MOST_BEFORE_BODY {
                return Err(Fault::TooBig);
            }
            let status = parsed.head.status;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(parsed));
            }
        }
        self.seen = came.len();
        let big = self.seen >= LONGEST_HEAD || self.before + self.seen > MOST_BEFORE_BODY;
        if big { Err(Fault::TooBig) } else { Ok(None) }
    }
}

/// What is wrong with a head that ends with `came`, if it is more than that.
pub(super) fn fault(came: &Bytes, asked: Asked) -> Option<Fault> {
    parse(came, asked).err()
}

/// Whether a head can end behind the first `seen` bytes, so that one that drips in is not read over and over.
fn ends_head(bytes: &[u8], seen: usize) -> bool {
    let rest = &bytes[seen.saturating_sub(3)..];
    rest.windows(2).any(|pair| pair == b"\n\n") || rest.windows(3).any(|three| three == b"\n\r\n")
}

/// What the fields say of the body and the connection.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    repeated: bool,
    codings: u32,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Fault> {
        if *name == CONTENT_LENGTH {
            let length = number(value).ok_or(LENGTH)?;
            if self.length.is_some_and(|other| other != length) {
                return Err(LENGTH);
            }
            self.repeated = self.length.replace(length).is_some();
        } else if *name == TRANSFER_ENCODING {
            self.codings += 1;
            self.chunked = value.eq_ignore_ascii_case(b"chunked");
        } else if *name == CONNECTION {
            for word in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= word.eq_ignore_ascii_case(b"close");
                self.keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    /// How the body is framed where there may be one, or the fault for which there is no saying.
    fn framing(&self, bodiless: bool, old: bool) -> Result<Framing, Fault> {
        if self.repeated {
            return Err(Fault::RepeatedLength);
        }
        if self.codings > 0 {
            if old && !bodiless {
                return Err(Fault::Invalid("unexpected transfer-encoding parsed"));
            }
            if self.length.is_some() {
                return Err(Fault::LengthAndCoding);
            }
            if self.codings > 1 || !self.chunked {
                return Err(Fault::Coding);
            }
        }
        Ok(match self.length {
            _ if bodiless => Framing::Length(0),
            _ if self.codings > 0 => Framing::Chunks(Chunks::default()),
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        })
    }
}

/// Reads the head at the beginning of `bytes`; `None` where it is not whole.
fn parse(bytes: &Bytes, asked: Asked) -> Result<Option<Parsed>, Fault> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let read = ParserConfig::default().parse_response_with_uninit_headers(&mut answer, bytes, &mut lines)?;
    let length = match read {
        Status::Partial => return Ok(None),
        Status::Complete(length) if length > LONGEST_HEAD => return Err(Fault::TooBig),
        Status::Complete(length) => length,
    };
    let code = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = code.ok_or(Fault::from(httparse::Error::Status))?;
    let reason = answer.reason.filter(|reason| status.canonical_reason() != Some(reason));
    let mut headers = Fields::with_capacity(answer.headers.len() + ADDED);
    let interim = status.is_informational();
    let mut said = Said::default();
    for line in answer.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| LINE)?;
        if !interim {
            said.note(&name, line.value)?;
        }
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value)).map_err(|_| LINE)?;
        headers.append(name, value);
    }
    let old = answer.version == Some(0);
    let connected = asked == Asked::Connect && status.is_success();
    let bodiless = interim
        || asked == Asked::Head
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || connected;
    let framing = said.framing(bodiless, old)?;
    let keeps = !interim
        && !connected
        && !said.close
        && (!old || said.keep_alive)
        && !matches!(framing, Framing::Close);
    let reason = reason.map(|reason| bytes.slice_ref(reason.as_bytes()));
    Ok(Some(Parsed { head: Head { status, reason, headers }, framing, keeps, length }))
}

/// A length as RFC 9110, section 8.6, has it: digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let digit = |sum: u64, digit: &u8| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, digit) }
}
