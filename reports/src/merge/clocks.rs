//! Whether shards began together. Nobody coordinates them, so their clocks do: what each says of its beginning is as good as its clock, and
//! of that whoever disciplines it says how far off it may be.

use super::Piece;
use super::told::{called, named};
use crate::number::ms;
use crate::record::Shard;

/// Shards that begin further apart than this, in milliseconds, are no one load: within it a second of the one is a second of the other.
const APART_MS: f64 = 100.0;

/// Why the shards may not have begun together: of the two that may be furthest apart, each clock may be off by as much as it says.
pub(super) fn apart(pieces: &[Piece]) -> Option<String> {
    let error_ms = |piece: &Piece| of(piece).and_then(|shard| shard.clock.error_ms).unwrap_or(0.0);
    let began_ms = |piece: &Piece| of(piece).map_or(0.0, |shard| shard.began_unix_s * 1e3);
    let latest = |piece: &Piece| began_ms(piece) + error_ms(piece);
    let earliest = |piece: &Piece| began_ms(piece) - error_ms(piece);
    // One that may be both first and last is not apart from itself, so there are two of each.
    let (mut first, mut last): (Vec<&Piece>, Vec<&Piece>) =
        (pieces.iter().collect(), pieces.iter().collect());
    first.sort_by(|a, b| earliest(a).total_cmp(&earliest(b)));
    last.sort_by(|a, b| latest(b).total_cmp(&latest(a)));
    first.truncate(2);
    last.truncate(2);
    let pairs = first.iter().flat_map(|first| last.iter().map(move |last| (*first, *last)));
    let apart_ms = |(first, last): &(&Piece, &Piece)| latest(last) - earliest(first);
    let (first, last) = pairs
        .filter(|(first, last)| !std::ptr::eq(*first, *last))
        .max_by(|a, b| apart_ms(a).total_cmp(&apart_ms(b)))
        .filter(|pair| apart_ms(pair) > APART_MS)?;
    let unsure_ms = error_ms(first) + error_ms(last);
    let by = if unsure_ms > 0.0 {
        format!(", by clocks that may be {} apart", ms(unsure_ms))
    } else {
        String::new()
    };
    let apart_ms = (began_ms(last) - began_ms(first)).max(0.0);
    let are = if apart_ms > APART_MS { "are" } else { "may be" };
    let (last, first, apart, most) = (called(last), called(first), ms(apart_ms), ms(APART_MS));
    Some(format!("{last} began {apart} after {first}{by}: they {are} no one load (over {most})"))
}

/// Of which shards it is not known whether their clocks are right.
pub(super) fn unknown(pieces: &[Piece]) -> Option<String> {
    const NAMED: usize = 5;
    let unsure = |piece: &&Piece| of(piece).is_some_and(|shard| shard.clock.synchronised != Some(true));
    let unknown: Vec<&Piece> = pieces.iter().filter(unsure).collect();
    let named = || named(unknown.iter().copied(), NAMED);
    (!unknown.is_empty()).then(|| {
        format!(
            "{}: it is not known that the clock is synchronised, so that they began together is what they say themselves",
            named()
        )
    })
}

fn of(piece: &Piece) -> Option<&Shard> {
    piece.run.shard.as_ref()
}
