//! Which stack is meant when none is named: the one that runs. Given the directory that stacks make theirs in, it looks for
//! descriptors and asks whether their supervisors run.

use super::show::plain;
use crate::descriptor::{FILE, Stack};
use crate::failure::{Failure, Outcome};
use std::path::{Path, PathBuf};

/// What the names of directories begin with that stacks choose for themselves.
const PREFIX: &str = "target-stack-";

/// The directory of the one stack below `base`: of the one that runs, where others were left behind.
///
/// # Errors
/// When there is none, or more than one.
pub(super) fn the_one(base: &Path, runs: impl Fn(u32) -> bool) -> Outcome<PathBuf> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    let mut all: Vec<PathBuf> =
        named.map(|entry| entry.path()).filter(|dir| dir.join(FILE).exists()).collect();
    all.sort();
    let running = |dir: &&PathBuf| Stack::kept(dir).is_ok_and(|stack| runs(stack.pid));
    let living: Vec<PathBuf> = all.iter().filter(running).cloned().collect();
    let found = if living.is_empty() { all } else { living };
    match found.as_slice() {
        [dir] => Ok(dir.clone()),
        [] => Err(Failure::usage(
            "no stack is running: start one with target-stack up, or name its directory if it was given one",
        )),
        several => {
            let names: Vec<String> = several.iter().map(|dir| plain(&dir.display().to_string())).collect();
            Err(Failure::usage(format!(
                "{} stacks are there: name one of {}",
                several.len(),
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes the directory of a stack with this supervisor.
    fn stack(base: &Path, name: &str, pid: u32) -> PathBuf {
        let dir = base.join(name);
        std::fs::create_dir(&dir).expect("a directory");
        let stack = Stack {
            schema: String::from("target-stack.up/1"),
            pid,
            url: String::from("http://www.foobar.com:80/"),
            resolver: String::from("127.0.0.1:53"),
            tiers: std::collections::BTreeMap::new(),
            dir: dir.clone(),
            cpus: vec![0],
            items: 1,
            emulated: Vec::new(),
            versions: [].into(),
        };
        stack.keep().expect("its descriptor");
        dir
    }

    #[test]
    fn the_one_that_runs_is_meant() {
        let base = tempfile::tempdir().expect("a directory");
        let the_one = |running: &[u32]| the_one(base.path(), |pid| running.contains(&pid));
        assert!(the_one(&[]).expect_err("none").message.starts_with("no stack is running: "));
        std::fs::create_dir(base.path().join("target-stack-starting")).expect("a directory");
        stack(base.path(), "another", 1);
        assert_eq!(the_one(&[1]).expect_err("none").code, 2);

        let first = stack(base.path(), "target-stack-1", 1);
        assert_eq!(the_one(&[]).expect("what was left behind"), first);
        let second = stack(base.path(), "target-stack-2", 2);
        assert_eq!(the_one(&[2]).expect("the one that runs"), second);
        for running in [&[][..], &[1, 2]] {
            let message = the_one(running).expect_err("two").message;
            assert!(message.starts_with("2 stacks are there: name one of "), "{message}");
            assert!(message.contains(&format!("{}, {}", first.display(), second.display())), "{message}");
        }
    }
}
