//! `loadgen merge`: the records of the machines that sent a load together in, the one record of that load out. It sends nothing.

use crate::cli::MergeArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::load::exit;
use crate::output::Output;
use crate::record;
use reports::merge::{Terms, merge};
use std::time::Instant;

/// Merges; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, such as records that do not belong together; a host that does not let us.
pub(crate) fn run(args: &MergeArgs, begun: Instant) -> Outcome<Exit> {
    let terms = Terms { thresholds: args.thresholds.clone(), command: record::command() };
    let record = merge(&args.dirs, &terms).map_err(Failure::usage)?.record;
    let mut output = Output::of_merge(&args.result, args.junit.clone(), begun);
    output.prepare()?;
    output.finish_merged(&record).inspect_err(|_| output.unmake())?;
    Ok(exit(&record.run))
}
