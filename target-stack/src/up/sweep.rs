//! What a stack makes outside of its processes, and how that is removed: its directory and its control groups. A process
//! of its own, the sweeper, sees to it too, since the supervisor can be killed.

use crate::cgroup;
use crate::db::LEFT;
use crate::descriptor::{self, Tier};
use crate::failure::{Failure, Outcome};
use crate::{pace, signals};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the sweeper looks, and how many times, for the tiers to have ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 400;
/// The file that says whose a directory is: of two stacks that are started at once, one can make it.
const CLAIM: &str = "up.lock";

#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    #[arg(long)]
    dir: PathBuf,
    /// The control group that holds the tiers' ones.
    #[arg(long)]
    groups: Option<PathBuf>,
}

/// What is there to be removed.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) dir: Option<PathBuf>,
    pub(super) groups: Option<PathBuf>,
}

impl Made {
    /// Removes what nobody uses any more.
    pub(super) fn remove(&self) {
        self.dir.iter().for_each(|dir| remove_dir(dir));
        self.groups.iter().for_each(|groups| {
            cgroup::remove(groups);
        });
    }

    /// The sweeper's arguments.
    pub(super) fn arguments(&self) -> Vec<String> {
        let option = |name: &str, path: &Option<PathBuf>| {
            path.iter().flat_map(|path| [name.to_owned(), path.display().to_string()]).collect::<Vec<_>>()
        };
        [option("--dir", &self.dir), option("--groups", &self.groups)].concat()
    }
}

/// A directory of this stack's own. The database's files in it belong to another user, who has to get there.
pub(super) fn make_dir(wanted: Option<&Path>) -> Outcome<PathBuf> {
    let refused = |dir: &Path, e: std::io::Error| {
        Failure::usage(format!("cannot make the directory {}: {e}; choose another with --dir", dir.display()))
    };
    let Some(dir) = wanted else {
        let base = std::env::temp_dir();
        let dir =
            base.join(format!("target-stack-{}-{:x}", std::process::id(), pace::wall_clock().subsec_nanos()));
        std::fs::DirBuilder::new().mode(0o755).create(&dir).map_err(|e| refused(&dir, e))?;
        return Ok(dir);
    };
    std::fs::create_dir_all(dir).map_err(|e| refused(dir, e))?;
    let empty = std::fs::read_dir(dir).map_err(|e| refused(dir, e))?.next().is_none();
    // Between looking and claiming, another stack may have come; then its directory is not ours to remove.
    let claimed =
        if empty { File::create_new(dir.join(CLAIM)) } else { Err(ErrorKind::AlreadyExists.into()) };
    claimed.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            let dir = dir.display();
            Failure::usage(format!("{dir} is not empty: a stack needs a directory of its own"))
        }
        _ => refused(dir, e),
    })?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).map_err(|e| refused(dir, e))?;
    dir.canonicalize().map_err(|e| refused(dir, e))
}

/// Waits until it is asked to end, by the supervisor or by the supervisor's death, and removes the stack's directory
/// once the database has removed its own or died before, and the control groups once the tiers in them have ended.
pub(crate) fn sweep(args: SweepArgs) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        descriptor::announce(&Tier {
            pid: std::process::id(),
            address: String::new(),
            metrics: String::new(),
            cpu_limit: None,
        })?;
        signals::asked_to_end().await.map_err(|e| Failure::start(e.to_string()))?;
        let db = args.dir.join("db");
        until(|| !db.exists() || db.join(LEFT).exists()).await;
        remove_dir(&args.dir);
        if let Some(groups) = &args.groups {
            until(|| cgroup::remove(groups)).await;
        }
        Ok(())
    })
}

async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if done() {
            return;
        }
        pace::pause(LOOK_EVERY).await;
    }
}

fn remove_dir(dir: &Path) {
    // Whoever comes second finds nothing.
    let _ = std::fs::remove_dir_all(dir);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn of_stacks_that_are_started_at_once_one_gets_the_directory() {
        let root = tempfile::tempdir().expect("a directory");
        for n in 0..100 {
            let dir = root.path().join(n.to_string());
            let barrier = Barrier::new(4);
            let start = || {
                barrier.wait();
                make_dir(Some(&dir)).map_err(|failure| failure.message)
            };
            let made: Vec<_> = std::thread::scope(|scope| {
                let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().expect("no panic")).collect()
            });
            assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
            let refused = made.iter().filter_map(|made| made.as_ref().err());
            assert!(refused.into_iter().all(|why| why.contains("is not empty")), "{made:?}");
        }
    }
}
