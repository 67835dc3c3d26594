//! Where the records go: a directory for each arm, and in it one for each pair, beside that of its search; and whether there is
//! something of another experiment already.

use crate::failure::{Failure, Outcome};
use crate::run::LogFile;
use reports::record::Run;
use reports::store;
use reports::store::{LOG_FILE, PAIRS_FILE, RUN_FILE};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The directory of the search for the rate, beside those of the arms.
pub(super) const CEILING: &str = "ceiling";

/// The directories of one experiment.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    out: PathBuf,
    /// Digits of a pair's number: the same for all, so that names are in the order of numbers.
    digits: usize,
}

impl Layout {
    /// That of `pairs` pairs in `out`.
    pub(super) fn new(out: &Path, pairs: u32) -> Self {
        Self { out: out.to_owned(), digits: pairs.to_string().len().max(2) }
    }

    /// The directory of an arm.
    pub(super) fn arm(&self, arm: &str) -> PathBuf {
        self.out.join(arm)
    }

    /// That of its run in a pair.
    pub(super) fn run(&self, arm: &str, pair: u32) -> PathBuf {
        self.arm(arm).join(format!("{pair:0digits$}", digits = self.digits))
    }

    /// That of its search in a pair.
    pub(super) fn search(&self, arm: &str, pair: u32) -> PathBuf {
        self.arm(arm).join(format!("{pair:0digits$}-ceiling", digits = self.digits))
    }

    /// That of the search for the rate.
    pub(super) fn ceiling(&self) -> PathBuf {
        self.out.join(CEILING)
    }

    /// Makes sure that nothing of another experiment is there: records of two would be taken for one.
    ///
    /// # Errors
    /// Wrong use: there is.
    pub(super) fn is_free(&self, arms: &[&str]) -> Outcome {
        let recorded = fs::metadata(self.out.join(PAIRS_FILE)).is_ok_and(|file| file.len() > 0);
        let filled = |name: &&&str| {
            fs::read_dir(self.out.join(name)).is_ok_and(|mut entries| entries.next().is_some())
        };
        if !recorded && !arms.iter().chain(&[CEILING]).any(|name| filled(&name)) {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "there are records of other pairs in {}: say where else with --out DIR, or take them away",
            self.out.display()
        )))
    }
}

/// Begins the record of a run in `dir`, in place of that of an attempt before.
///
/// # Errors
/// The host's fault: it cannot be written.
pub(super) fn begin(dir: &Path) -> Outcome<LogFile> {
    let begun = fs::create_dir_all(dir).and_then(|()| {
        absent(fs::remove_file(dir.join(RUN_FILE)))?;
        File::create(dir.join(LOG_FILE))
    });
    begun.map(|file| LogFile { file, begun: None }).map_err(|e| lost(dir, &e))
}

/// Ends it.
///
/// # Errors
/// The host's fault: it cannot be written any more.
pub(super) fn keep(dir: &Path, run: &Run) -> Outcome {
    store::save(dir, run).map_err(|e| lost(dir, &e))
}

/// Takes away what was begun for a run that was cut short, and its arm's directory if there is no other.
///
/// # Errors
/// The host's fault: it cannot be taken away.
pub(super) fn discard(dir: &Path) -> Outcome {
    absent(fs::remove_dir_all(dir)).map_err(|e| lost(dir, &e))?;
    // One that has something else in it stays.
    let _ = dir.parent().map(fs::remove_dir);
    Ok(())
}

/// What is not there need not be taken away.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

pub(super) fn lost(dir: &Path, e: &io::Error) -> Failure {
    Failure::host(format!("the record in {} is incomplete: {e}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_has_its_place() {
        let layout = Layout::new(Path::new("out"), 12);
        let shown = |path: PathBuf| path.display().to_string();
        assert_eq!(shown(layout.run("base", 3)), "out/base/03");
        assert_eq!(shown(layout.search("control", 12)), "out/control/12-ceiling");
        assert_eq!(shown(layout.ceiling()), "out/ceiling");
        assert_eq!(shown(Layout::new(Path::new("out"), 120).run("base", 3)), "out/base/003");
        assert_eq!(shown(Layout::new(Path::new("out"), 2).run("base", 2)), "out/base/02");
    }

    #[test]
    fn records_of_two_experiments_are_not_mixed() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), 2);
        let is_free = || layout.is_free(&["base", "slow"]).map_err(|failure| failure.exit);
        assert_eq!(is_free(), Ok(()));
        // What is not ours, and what was made for a record that did not come about, is in nobody's way.
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        fs::write(dir.path().join(PAIRS_FILE), "").unwrap();
        fs::create_dir(dir.path().join("slow")).unwrap();
        assert_eq!(is_free(), Ok(()));
        let log = begin(&layout.run("slow", 1)).unwrap();
        assert!(log.begun.is_none() && is_free().is_err());
        discard(&layout.run("slow", 1)).unwrap();
        assert!(is_free().is_ok() && !layout.arm("slow").exists());
        discard(&layout.run("slow", 1)).unwrap();
        for name in [CEILING, "base"] {
            fs::create_dir_all(dir.path().join(name).join("x")).unwrap();
            assert!(is_free().is_err(), "{name}");
            fs::remove_dir_all(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join(PAIRS_FILE), "{}").unwrap();
        assert!(is_free().is_err());
    }
}
