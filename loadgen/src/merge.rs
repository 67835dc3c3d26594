//! `loadgen merge`: the records of the machines that sent a load together in, the one record of that load out. It sends nothing.

use crate::cli::MergeArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::load::exit;
use crate::output::Output;
use crate::record;
use reports::merge::{Terms, merge};
use reports::record::Run;
use std::fs::canonicalize;
use std::path::Path;
use std::time::Instant;

/// Merges; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, such as records that do not belong together; a host that does not let us.
pub(crate) fn run(args: &MergeArgs, begun: Instant) -> Outcome<Exit> {
    let terms = Terms { thresholds: args.thresholds.clone(), command: record::command() };
    let record = merge(&args.dirs, &terms).map_err(Failure::usage)?.record;
    let mut output = Output::of_merge(&args.result, args.junit.clone(), begun);
    apart(&record.run, output.dir())?;
    output.prepare()?;
    output.finish_merged(&record).inspect_err(|_| output.unmake())?;
    Ok(exit(&record.run))
}

/// That the result takes the place of no record that it is made of.
fn apart(merged: &Run, out: &Path) -> Outcome {
    let Ok(place) = canonicalize(out) else { return Ok(()) };
    let is_there = |dir: &String| canonicalize(dir).is_ok_and(|dir| dir == place);
    match merged.shards.iter().map(|shard| &shard.dir).find(|dir| is_there(dir)) {
        Some(dir) => {
            Err(Failure::usage(format!("--out: {dir} has the record of a shard, which would be lost")))
        }
        None => Ok(()),
    }
}
