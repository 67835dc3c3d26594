//! What of a merge is not as it should be, in words that stay few where shards are many. It decides nothing.

use super::Piece;
use crate::analyse::verdict::too_few;
use crate::number::counted;
use std::collections::BTreeSet;

/// So many shards are named in a line.
const NAMED: usize = 20;

/// Which shards there is nothing of.
pub(super) fn missing(pieces: &[Piece], of: u32) -> Option<String> {
    let there: BTreeSet<u32> =
        pieces.iter().filter_map(|piece| Some(piece.run.shard.as_ref()?.index)).collect();
    let all = (of as usize).saturating_sub(there.len());
    // What a record says of their number may be anything, so they are not gone through to the end.
    let missing = (1..=of).filter(|index| !there.contains(index)).map(|index| index.to_string());
    let shards = counted(all as u64, "shard");
    (all > 0).then(|| format!("{shards} of {of} missing: {}", listed(missing, all, NAMED)))
}

/// Which shards were stopped before their part had ended, which makes none of them invalid by itself.
pub(super) fn cut_short(pieces: &[Piece]) -> Option<String> {
    let cut: Vec<&Piece> = pieces.iter().filter(|piece| piece.run.partial).collect();
    let named = || named(cut.iter().copied(), NAMED);
    (!cut.is_empty()).then(|| format!("{}: cut short, so that less was offered than was asked for", named()))
}

/// The first `most` of `all` names, and how many more there are.
fn listed(names: impl IntoIterator<Item = String>, all: usize, most: usize) -> String {
    let named: Vec<String> = names.into_iter().take(most).collect();
    let more = all.saturating_sub(named.len());
    let named = named.join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// Why the shards' own verdicts are what they are, where they are not valid: once for all that say the same but for its figures, with
/// those of the worst.
pub(super) fn of_shards(pieces: &[Piece]) -> Vec<String> {
    const NAMED: usize = 5;
    const KINDS: usize = 6;
    let mut groups: Vec<(String, Vec<(&Piece, &str)>)> = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.run.verdict.valid) {
        // What a part is too small for, the whole may not be.
        let too_few = too_few(&piece.run);
        let reasons = piece.run.verdict.reasons.iter().filter(|why| Some(*why) != too_few.as_ref());
        let reasons = reasons.map(String::as_str);
        let said = piece.run.verdict.reasons.is_empty().then_some("it is invalid");
        for why in reasons.chain(said) {
            match groups.iter_mut().find(|(of, _)| *of == without_figures(why)) {
                Some((_, all)) => all.push((piece, why)),
                None => groups.push((without_figures(why), vec![(piece, why)])),
            }
        }
    }
    let more = groups.split_off(groups.len().min(KINDS));
    let said = |(_, all): (_, Vec<(&Piece, &str)>)| {
        let names = named(all.iter().map(|(piece, _)| *piece), NAMED);
        let (worst, why) =
            all.iter().fold(all[0], |worst, one| if figure(one.1) > figure(worst.1) { *one } else { worst });
        let same = all.iter().all(|(_, other)| *other == why);
        let worst = if same { String::new() } else { format!(", worst of them {}", called(worst)) };
        format!("{names}{worst}: {why}")
    };
    let mut words: Vec<String> = groups.into_iter().map(said).collect();
    words.extend((!more.is_empty()).then(|| {
        let more = counted(more.len() as u64, "reason");
        format!("{more} more: the shards' own records have them")
    }));
    words
}

fn without_figures(why: &str) -> String {
    why.chars().filter(|c| !c.is_ascii_digit() && !['.', ','].contains(c)).collect()
}

/// The first figure in a text.
fn figure(why: &str) -> f64 {
    let words = why.split_whitespace().map(|word| word.trim_end_matches([',', ';', ':']).replace(',', ""));
    words.filter_map(|word| word.parse().ok()).next().unwrap_or(0.0)
}

/// What several shards are called, of which the first `most` are named.
pub(super) fn named<'a>(pieces: impl Iterator<Item = &'a Piece>, most: usize) -> String {
    let indices: Vec<String> =
        pieces.filter_map(|piece| Some(piece.run.shard.as_ref()?.index.to_string())).collect();
    let word = if indices.len() == 1 { "shard" } else { "shards" };
    let all = indices.len();
    format!("{word} {}", listed(indices, all, most))
}

/// What a shard is called.
pub(super) fn called(piece: &Piece) -> String {
    piece.run.shard.as_ref().map_or_else(String::new, |shard| format!("shard {}", shard.index))
}
