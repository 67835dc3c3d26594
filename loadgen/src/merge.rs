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
    apart(&record.run, args, output.dir())?;
    output.prepare()?;
    output.finish_merged(&record).inspect_err(|_| output.unmake())?;
    Ok(exit(&record.run))
}

/// That nothing of the result takes the place of a record that it is made of, nor the directory in which such are looked for.
fn apart(merged: &Run, args: &MergeArgs, out: &Path) -> Outcome {
    let whole =
        |path: &Path| canonicalize(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok();
    let place = whole(out);
    let files = [("--json", &args.result.json), ("--junit", &args.junit)];
    let files =
        files.into_iter().filter(|(_, file)| file.as_ref().is_some_and(|file| file != Path::new("-")));
    let files: Vec<_> =
        files.filter_map(|(name, file)| Some((name, whole(file.as_ref()?.parent()?)?))).collect();
    for dir in merged.shards.iter().map(|shard| Path::new(&shard.dir)) {
        let Some(shard) = whole(dir) else { continue };
        let inside = files.iter().find(|(_, place)| *place == shard).map(|(name, _)| *name);
        let over = place.as_ref().filter(|place| shard.starts_with(place)).map(|_| "--out");
        if let Some(name) = over.or(inside) {
            let dir = dir.display();
            return Err(Failure::usage(format!(
                "{name}: the record of a shard in {dir} would be lost or hidden: name another place"
            )));
        }
    }
    Ok(())
}
