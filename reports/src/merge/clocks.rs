//! Whether shards began together. Nobody coordinates them, so their clocks do: what each says of its beginning is as good as its clock, and
//! of that whoever disciplines it says how far off it may be.

use super::{Piece, called, named};
use crate::number::ms;
use crate::record::Shard;

/// Shards that begin further apart than this, in milliseconds, are no one load: within it a second of the one is a second of the other.
const APART_MS: f64 = 100.0;

/// Why the shards may not have begun together.
pub(super) fn apart(pieces: &[Piece]) -> Vec<String> {
    let mut why = Vec::new();
    let began = |piece: &&Piece| of(piece).map_or(0.0, |shard| shard.began_unix_s);
    let first = pieces.iter().min_by(|a, b| began(a).total_cmp(&began(b)));
    let last = pieces.iter().max_by(|a, b| began(a).total_cmp(&began(b)));
    if let (Some(first), Some(last)) = (first, last) {
        let apart_ms = (began(&last) - began(&first)) * 1e3;
        if apart_ms > APART_MS {
            let (late, apart) = (called(last), ms(apart_ms));
            why.push(format!(
                "{late} began {apart} after {}: they are no one load (over {})",
                called(first),
                ms(APART_MS)
            ));
        }
    }
    // Two clocks are off each other by as much as both may be.
    let mut errors: Vec<(f64, &Piece)> =
        pieces.iter().filter_map(|piece| Some((of(piece)?.clock.error_ms?, piece))).collect();
    errors.sort_by(|a, b| b.0.total_cmp(&a.0));
    if let [(one_ms, one), (two_ms, two), ..] = errors[..]
        && one_ms + two_ms > APART_MS
    {
        let apart = ms(one_ms + two_ms);
        why.push(format!(
            "the clocks of {} and {} may be {apart} apart (over {})",
            called(one),
            called(two),
            ms(APART_MS)
        ));
    }
    why
}

/// Of which shards it is not known whether their clocks are right.
pub(super) fn unknown(pieces: &[Piece]) -> Vec<String> {
    const NAMED: usize = 5;
    let unsure = |piece: &&Piece| of(piece).is_some_and(|shard| shard.clock.synchronised != Some(true));
    let unknown: Vec<&Piece> = pieces.iter().filter(unsure).collect();
    let named = named(unknown.iter().copied(), NAMED);
    let said = format!(
        "{named}: it is not known that the clock is synchronised, so that they began together is what they say themselves"
    );
    if unknown.is_empty() { Vec::new() } else { vec![said] }
}

fn of(piece: &Piece) -> Option<&Shard> {
    piece.run.shard.as_ref()
}
