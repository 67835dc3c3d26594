//! What has to hold of the reading of answers for any bytes at all. Given bytes and where they are cut, it shows them in one piece and
//! in several, and panics where that makes a difference. The tests beside it and the fuzz target (`target-stack/fuzz`) share it.

use super::response::{self, Asked, Awaited, Fault, Head};
use crate::proxy::fields::Fields;
use bytes::{Bytes, BytesMut};

/// What was made of the bytes of a connection, to its end or to that of the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Status, words where they are unusual, and fields.
    pub(crate) head: Result<(u16, Option<Bytes>, Fields), Option<Fault>>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
    /// Another answer may follow.
    pub(crate) keeps: bool,
    /// What was not taken.
    pub(crate) left: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    CutShort,
    BadChunk,
}

/// Reads `bytes` in pieces of the lengths `cuts`, over and over, and then the end of the connection.
pub(crate) fn read(bytes: &[u8], cuts: &[usize], asked: Asked) -> Seen {
    let mut cuts = cuts.iter().copied().filter(|length| *length > 0).cycle();
    let mut shown = 0;
    let mut more = |came: &mut Bytes| {
        let next = (shown + cuts.next().unwrap_or(bytes.len())).min(bytes.len());
        let mut joined = BytesMut::from(&came[..]);
        joined.extend_from_slice(&bytes[shown..next]);
        *came = joined.freeze();
        next > std::mem::replace(&mut shown, next)
    };
    let mut came = Bytes::new();
    let mut awaited = Awaited::default();
    let none = |fault| Seen {
        head: Err(fault),
        body: Vec::new(),
        end: End::CutShort,
        keeps: false,
        left: Vec::new(),
    };
    let parsed = loop {
        if !more(&mut came) {
            return none(response::fault(&came, asked));
        }
        match awaited.take(&mut came, asked) {
            Ok(Some(parsed)) => break parsed,
            Ok(None) => {}
            Err(fault) => return none(Some(fault)),
        }
    };
    let Head { status, reason, headers } = parsed.head;
    let mut framing = parsed.framing;
    let mut body = Vec::new();
    let end = loop {
        let left = framing.left();
        match framing.take(&mut came) {
            Ok(Some(piece)) => {
                assert!(!piece.is_empty() && left.is_none_or(|left| left >= piece.len() as u64));
                body.extend_from_slice(&piece);
            }
            Ok(None) if framing.is_whole() => break End::Whole,
            Ok(None) if more(&mut came) => {}
            Ok(None) => break if framing.close() { End::Whole } else { End::CutShort },
            Err(_) => break End::BadChunk,
        }
    };
    while end == End::Whole && more(&mut came) {}
    let left = if end == End::Whole { came.to_vec() } else { Vec::new() };
    Seen { head: Ok((status.as_u16(), reason, headers)), body, end, keeps: parsed.keeps, left }
}

/// Holds the reading to its law: how the bytes come makes no difference.
pub(crate) fn hold(bytes: &[u8], cuts: &[usize], asked: Asked) {
    let whole = read(bytes, &[], asked);
    for cuts in [cuts, &[1]] {
        let cut = read(bytes, cuts, asked);
        // Of what has several faults it may be another one that shows first.
        let both_refuse = matches!((&cut.head, &whole.head), (Err(Some(_)), Err(Some(_))));
        assert!(both_refuse || cut == whole, "cut at {cuts:?}: {cut:?} and not {whole:?}");
    }
}
