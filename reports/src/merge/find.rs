//! Where the records of shards are: engines put them into a directory for each, below one for all, beside what they have merged themselves.

use crate::store::RUN_FILE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// So deep below a directory records are looked for.
const DEEP: usize = 2;

/// The directories with a record, those that are given or those below them; and which have none, as one of a shard that was killed.
pub(super) fn records(dirs: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), String> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for dir in dirs {
        let below = below(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        if below.is_empty() {
            without.push(format!("{}: there is no record of a run in it, nor below it", dir.display()));
        }
        found.extend(below);
    }
    Ok((found, without))
}

/// The directories with the record of a run: `dir` itself, or else all that are one or two below it, by name.
///
/// # Errors
/// When `dir` cannot be read.
pub fn below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    if dir.join(RUN_FILE).exists() {
        return Ok(vec![dir.to_owned()]);
    }
    let mut found = Vec::new();
    look(dir, DEEP, &mut found)?;
    found.sort();
    Ok(found)
}

fn look(dir: &Path, deep: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.join(RUN_FILE).exists() {
            found.push(path);
        } else if deep > 1 && path.is_dir() {
            // What somebody else has there, and does not show, is none of it.
            let _ = look(&path, deep - 1, found);
        }
    }
    Ok(())
}
