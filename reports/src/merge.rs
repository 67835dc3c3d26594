//! From the records of machines that sent a load together to the one record of that load. Counts are added and histograms merged, without
//! loss; what each machine had is kept beside. What does not belong together is refused, and what is missing, late or broken is named,
//! and makes the whole invalid: a merged record is worth no more than the worst that is in it.

mod belong;
mod clocks;
mod pool;
mod sums;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_tests;

use crate::analyse::threshold::Threshold;
use crate::analyse::verdict::of_record;
use crate::number::counted;
use crate::record::{Run, Verdict};
use crate::store::{RUN_FILE, Record, load_run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A shard's record before its histograms are read.
struct Piece {
    dir: PathBuf,
    run: Run,
}

/// How a merge is to be made.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What decides whether the load passes.
    pub thresholds: Vec<Threshold>,
    /// The command line that merges.
    pub command: Vec<String>,
}

/// What shards come to together.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The record of the whole load.
    pub record: Record,
    /// Why it is not all of that load, in words: what is missing, was left out, or did not begin with the others. They are in the
    /// verdict too; how well each shard did its own part is there alone.
    pub faults: Vec<String>,
}

/// The record of what the shards in `dirs` sent together, each a record or a directory of such.
///
/// # Errors
/// When there is no record of a shard; two have the same number, or were not of one load: with their paths.
pub fn merge(dirs: &[PathBuf], terms: &Terms) -> Result<Merged, String> {
    let given = dirs;
    let (dirs, mut unread) = records(dirs)?;
    let mut pieces = Vec::new();
    for (dir, run) in dirs.iter().zip(pool::in_parallel(&dirs, || (), |(), dir| load_run(dir))) {
        match run {
            // What was made of shards may lie beside them.
            Ok(run) if !run.shards.is_empty() && !given.contains(dir) => {}
            Ok(run) => pieces.push(Piece { dir: dir.clone(), run }),
            Err(why) => unread.push(why),
        }
    }
    let Some(first) = pieces.first() else {
        return Err(unread.into_iter().next().unwrap_or_else(|| String::from("there is no record to merge")));
    };
    let Some(of) = first.run.shard.as_ref().map(|shard| shard.of) else {
        return Err(belong::no_shard(first));
    };
    belong::together(&pieces)?;
    pieces.sort_by_key(|piece| piece.run.shard.as_ref().map(|shard| shard.index));
    let pooled = pool::read(&pieces);
    let mut faults: Vec<String> =
        unread.iter().chain(&pooled.broken).map(|what| format!("left out: {what}")).collect();
    pieces.retain(|piece| !pooled.left_out.contains(&piece.dir));
    faults.extend(missing(&pieces, of));
    faults.extend(cut_short(&pieces));
    faults.extend(clocks::apart(&pieces));
    let mut notes: Vec<String> = clocks::unknown(&pieces).into_iter().collect();
    if pieces.is_empty() {
        return Err(faults.join("; "));
    }
    let mut record = sums::record(&pieces, pooled, &terms.command);
    notes.extend(sums::notes(&pieces, &record));
    let run = &mut record.run;
    run.thresholds = terms.thresholds.iter().map(|threshold| threshold.judge(run)).collect();
    let (against, of_whole) = of_record(run);
    let why = [faults.clone(), of_shards(&pieces), against].concat();
    notes.extend(of_whole);
    run.verdict = Verdict { valid: why.is_empty(), reasons: why.into_iter().chain(notes).collect() };
    Ok(Merged { record, faults })
}

/// The directories with a record, those that are given or those below them; and which have none, as one of a shard that was killed.
fn records(dirs: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), String> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for dir in dirs {
        if dir.join(RUN_FILE).exists() {
            found.push(dir.clone());
            continue;
        }
        let below = below(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        if below.is_empty() {
            without.push(format!("{}: there is no record of a run in it, nor below it", dir.display()));
        }
        found.extend(below);
    }
    Ok((found, without))
}

fn below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut below = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.join(RUN_FILE).exists() {
            below.push(path);
        }
    }
    below.sort();
    Ok(below)
}

/// So many shards are named in a line.
const NAMED: usize = 20;

/// Which shards there is nothing of.
fn missing(pieces: &[Piece], of: u32) -> Option<String> {
    let there: BTreeSet<u32> =
        pieces.iter().filter_map(|piece| Some(piece.run.shard.as_ref()?.index)).collect();
    let all = (of as usize).saturating_sub(there.len());
    // What a record says of their number may be anything, so they are not gone through to the end.
    let missing = (1..=of).filter(|index| !there.contains(index)).map(|index| index.to_string());
    let shards = counted(all as u64, "shard");
    (all > 0).then(|| format!("{shards} of {of} missing: {}", listed(missing, all, NAMED)))
}

/// Which shards were stopped before their part had ended, which makes none of them invalid by itself.
fn cut_short(pieces: &[Piece]) -> Option<String> {
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

/// Why the shards' own verdicts are what they are, where they are not valid: once for all that say the same but for its figures.
fn of_shards(pieces: &[Piece]) -> Vec<String> {
    const NAMED: usize = 5;
    let plain = |why: &str| why.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect::<String>();
    let mut groups: Vec<(String, Vec<(&Piece, &str)>)> = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.run.verdict.valid) {
        let why = piece.run.verdict.reasons.first().map_or("it is invalid", String::as_str);
        match groups.iter_mut().find(|(of, _)| *of == plain(why)) {
            Some((_, all)) => all.push((piece, why)),
            None => groups.push((plain(why), vec![(piece, why)])),
        }
    }
    let said = |(_, all): (_, Vec<(&Piece, &str)>)| {
        let names = named(all.iter().map(|(piece, _)| *piece), NAMED);
        let why = all[0].1;
        let such_as = if all.iter().all(|(_, other)| *other == why) { "" } else { "such as: " };
        format!("{names}: {such_as}{why}")
    };
    groups.into_iter().map(said).collect()
}

/// What several shards are called, of which the first `most` are named.
fn named<'a>(pieces: impl Iterator<Item = &'a Piece>, most: usize) -> String {
    let indices: Vec<String> =
        pieces.filter_map(|piece| Some(piece.run.shard.as_ref()?.index.to_string())).collect();
    let word = if indices.len() == 1 { "shard" } else { "shards" };
    let all = indices.len();
    format!("{word} {}", listed(indices, all, most))
}

/// What a shard is called.
fn called(piece: &Piece) -> String {
    piece.run.shard.as_ref().map_or_else(String::new, |shard| format!("shard {}", shard.index))
}
