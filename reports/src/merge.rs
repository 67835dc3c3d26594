//! From the records of machines that sent a load together to the one record of that load. Counts are added and histograms merged, without
//! loss; what each machine had is kept beside. What does not belong together is refused, and what is missing, late or broken is named,
//! and makes the whole invalid: a merged record is worth no more than the worst that is in it.

mod belong;
mod clocks;
mod find;
mod pool;
mod sums;
mod told;

pub use find::below;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdict_tests;

use crate::analyse::threshold::Threshold;
use crate::analyse::verdict::of_record;
use crate::record::{Run, Verdict};
use crate::store::{Record, load_run};
use std::path::PathBuf;

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
    let (dirs, mut unread) = find::records(dirs)?;
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
    faults.extend(told::missing(&pieces, of));
    faults.extend(told::cut_short(&pieces));
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
    let why = [faults.clone(), told::of_shards(&pieces), against].concat();
    notes.extend(of_whole);
    run.verdict = Verdict { valid: why.is_empty(), reasons: why.into_iter().chain(notes).collect() };
    Ok(Merged { record, faults })
}
