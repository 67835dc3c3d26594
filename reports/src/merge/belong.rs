//! Whether records are shards of one load: of the same plan and the same number of shards, each of them once.

use super::Piece;
use super::told::called;
use crate::record::{Run, Shard};
use std::collections::BTreeMap;

/// That a record is of no shard.
pub(super) fn no_shard(piece: &Piece) -> String {
    let what = if piece.run.shards.is_empty() {
        "its load was sent by one machine (loadgen --shard I/N)"
    } else {
        "it was merged already"
    };
    format!("{}: it is no shard's record: {what}", piece.dir.display())
}

/// That the pieces are shards of one load.
///
/// # Errors
/// In what two of them differ, with their paths.
pub(super) fn together(pieces: &[Piece]) -> Result<(), String> {
    let mut there: BTreeMap<u32, &Piece> = BTreeMap::new();
    for piece in pieces {
        let Some(shard) = &piece.run.shard else { return Err(no_shard(piece)) };
        if !(1..=shard.of).contains(&shard.index) {
            return Err(format!(
                "{}: there is no shard {} of {}",
                piece.dir.display(),
                shard.index,
                shard.of
            ));
        }
        if let Some(other) = there.insert(shard.index, piece) {
            let (one, two) = (other.dir.display(), piece.dir.display());
            return Err(format!("{one} and {two}: both are {} of {}", called(piece), shard.of));
        }
    }
    copied(pieces)?;
    let Some(first) = pieces.first() else { return Ok(()) };
    let plan = plan(&first.run);
    for piece in &pieces[1..] {
        let other = self::plan(&piece.run);
        if let Some(((what, one), (_, two))) = plan.iter().zip(&other).find(|((_, one), (_, two))| one != two)
        {
            let (a, b) = (first.dir.display(), piece.dir.display());
            return Err(format!("{a} and {b}: they are not of one load: {what}: {one} and {two}"));
        }
    }
    Ok(())
}

/// That none is another one under a number of its own: no two machines begin at the same instant and see the same answers.
fn copied(pieces: &[Piece]) -> Result<(), String> {
    let mut there: BTreeMap<u64, &Piece> = BTreeMap::new();
    for piece in pieces {
        let began = piece.run.shard.as_ref().map_or(0, |shard| shard.began_unix_s.to_bits());
        let same = |other: &&Piece| {
            piece.run.response_ms.count > 0
                && other.run.bytes == piece.run.bytes
                && other.run.response_ms == piece.run.response_ms
        };
        if let Some(other) = there.insert(began, piece).filter(same) {
            let (one, two) = (other.dir.display(), piece.dir.display());
            return Err(format!("{one} and {two}: one is a copy of the other under another number"));
        }
    }
    Ok(())
}

/// What all shards of a load have in common, by what it is.
fn plan(run: &Run) -> Vec<(&'static str, String)> {
    let Shard { of, start_at, .. } = run.shard.clone().unwrap_or_default();
    let steps: Vec<String> = run
        .steps
        .iter()
        .map(|step| {
            let counted = if step.counted { "" } else { " of warm-up" };
            format!("{} to {}/s for {} s{counted}", step.from_rps, step.to_rps, step.duration_s)
        })
        .collect();
    vec![
        ("shards", of.to_string()),
        ("begin", start_at.unwrap_or_else(|| String::from("not agreed on"))),
        ("seed", run.seed.to_string()),
        ("target", run.target.url.clone()),
        ("loop", format!("{:?}", run.load_loop).to_lowercase()),
        ("arrivals", run.arrivals.clone()),
        ("a machine's part", steps.join(", ")),
        ("requests, connections, time-out or expected statuses", run.load_digest.clone()),
        ("transport", format!("{}, {}", run.wire.transport, run.wire.protocol)),
        ("interval", run.timeline.interval_s.to_string()),
    ]
}
