//! An answer as checks and extracts read it. Given what was kept of it, it gives fields, body and JSON, and says why one of
//! them is not to be had; the body is parsed at most once, and only when somebody asks.

use serde_json::Value;
use std::cell::OnceCell;
use std::fmt;

/// What was kept of an answer, as [`Wants`] asked.
///
/// [`Wants`]: super::script::Wants
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    /// Its status.
    pub(crate) status: u16,
    /// Its fields, names in any case; empty when nothing wants them.
    pub(crate) head: &'a [(&'a str, &'a [u8])],
    /// Its body, or as much of it as was kept.
    pub(crate) body: &'a [u8],
    /// The length of the whole body in bytes.
    pub(crate) size: u64,
    /// Whether `body` is the whole of it.
    pub(crate) whole_body: bool,
}

/// Why a check or an extract failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    /// It is there, and is something else.
    Differs,
    /// It is not there.
    Missing,
    /// The body is no JSON.
    NotJson,
    /// The body is longer than what is kept of it.
    TooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Differs => "it is not so",
            Self::Missing => "there is none",
            Self::NotJson => "the body is no JSON",
            Self::TooLong => "the body is longer than `capture`",
        })
    }
}

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The answer.
    pub(super) answered: &'a Answered<'a>,
    json: OnceCell<Option<Value>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(answered: &'a Answered<'a>) -> Self {
        Self { answered, json: OnceCell::new() }
    }

    /// The values of a field, in order.
    pub(super) fn fields(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let head = self.answered.head;
        head.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The body, when all of it is there.
    pub(super) fn body(&self) -> Result<&'a [u8], Why> {
        if self.answered.whole_body { Ok(self.answered.body) } else { Err(Why::TooLong) }
    }

    /// The value that an RFC 6901 pointer leads to.
    pub(super) fn json(&self, pointer: &str) -> Result<&Value, Why> {
        let body = self.body()?;
        let json = self.json.get_or_init(|| serde_json::from_slice(body).ok());
        json.as_ref().ok_or(Why::NotJson)?.pointer(pointer).ok_or(Why::Missing)
    }
}
