//! The body of an answer in the bytes that bring it (RFC 9112, section 7.1 and section 6.3). Given those bytes as they come, it takes
//! the pieces of the body out of them, without copying, and says where it ends. It reads no socket.

use crate::proxy::guard::Chunks;
use bytes::{Buf, Bytes};

/// How a body's end can be told, and how far it is.
#[derive(Debug)]
pub(crate) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunks(Chunks),
    /// It ends with the connection.
    Close,
}

/// A chunk that is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

impl Framing {
    /// Whether all of the body has been taken.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// How many bytes are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunks(_) | Self::Close => None,
        }
    }

    /// Takes the next piece of the body from `came`, with what frames it; `None` where there is none before more has come.
    pub(super) fn take(&mut self, came: &mut Bytes) -> Result<Option<Bytes>, BadChunk> {
        if came.is_empty() {
            return Ok(None);
        }
        let piece = match self {
            Self::Length(left) => {
                let length = usize::try_from(*left).map_or(came.len(), |left| left.min(came.len()));
                *left -= length as u64;
                first(came, length)
            }
            Self::Close => std::mem::take(came),
            Self::Chunks(chunks) => {
                let (used, data, ended) = chunks.scan(came);
                let ended = ended.map_err(|_| BadChunk)?;
                came.advance(used - data);
                let piece = first(came, data);
                if ended || self.ends(came) {
                    *self = Self::Length(0);
                }
                piece
            }
        };
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// Takes the end of the body from `came` if it is next, so that who has all of it knows.
    fn ends(&mut self, came: &mut Bytes) -> bool {
        let Self::Chunks(chunks) = self else { return false };
        let mut ahead = chunks.clone();
        let (used, _, Ok(true)) = ahead.scan(came) else { return false };
        came.advance(used);
        true
    }

    /// The connection has ended; whether the body is whole with that.
    pub(super) fn close(&mut self) -> bool {
        if matches!(self, Self::Close) {
            *self = Self::Length(0);
        }
        self.is_whole()
    }
}

/// The first `length` of `bytes`, taken from them.
fn first(bytes: &mut Bytes, length: usize) -> Bytes {
    if length == bytes.len() { std::mem::take(bytes) } else { bytes.split_to(length) }
}
