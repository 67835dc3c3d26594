//! A night that is told to end does so at once, and leaves nothing running; one that waits for another takes nothing away from it.

use super::build::{executable, nightly, place};
use super::{Place, scripts};
use e2e::{binary, processes_with, signal, until};
use rustix::process::Signal;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Tells it to end, and asserts that it does, with this code, and that of all that is its own nothing runs on; what it said.
fn ends(mut child: Child, with: Signal, code: i32, left: impl Fn() -> Vec<u32>) -> String {
    signal(child.id(), with);
    until("it has ended", || child.try_wait().unwrap().is_some());
    // Who runs on may hold what is read next.
    assert_eq!(left(), [0; 0]);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

/// What runs that is named after this place.
fn all_of(place: &Path) -> impl Fn() -> Vec<u32> {
    let place = place.display().to_string();
    move || processes_with(&place)
}

/// Whether this program runs, by itself or by an interpreter; that somebody names it is not enough.
fn runs(program: &Path) -> bool {
    let program = program.display().to_string();
    processes_with(&program).iter().any(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').take(2).any(|word| word == program)
    })
}

#[test]
fn a_measurement_that_is_told_to_end_leaves_nothing() {
    for (with, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let dir = TempDir::new().unwrap();
        let website = dir.path().join("website");
        std::os::unix::fs::symlink(binary("target-stack"), &website).unwrap();
        let target = format!("exec {} queue --cpus {{cpus}}", website.display());
        let mut command = Command::new(scripts().join("gate"));
        command.env("LOADGEN", binary("loadgen")).current_dir(dir.path());
        command.args(["--base", &target, "--candidate", &target, "--out"]).arg(dir.path().join("out"));
        command.args("-- --patience 0s --pairs 1 --rps 10 -d 300s --warmup 0s".split(' '));
        let gate = start(command);
        until("it measures", || runs(&website));
        ends(gate, with, code, all_of(dir.path()));
    }
}

#[test]
fn a_night_that_waits_takes_nothing_from_the_one_that_builds() {
    let place = place();
    let dir = place.dir.path();
    std::fs::write(dir.join("built.hold"), "").unwrap();
    let tree = place.checkout().join("target/nightly/tree");
    let builds = start(nightly(&place, "--quick --out ../a HEAD~1"));
    until("the base is being built", || dir.join("built").is_file() && tree.is_dir());
    let waits = start(nightly(&place, "--quick --out ../b HEAD~1"));
    let lock = place.checkout().join("target/nightly.lock");
    let waiting = || -> Vec<u32> {
        let at_it =
            |pid: &u32| std::fs::read_link(format!("/proc/{pid}/fd/9")).is_ok_and(|file| file == lock);
        processes_with("flock 9").into_iter().filter(at_it).collect()
    };
    until("the other one waits", || !waiting().is_empty());
    let said = ends(waits, Signal::TERM, 143, waiting);
    assert!(said.contains("another night is building"), "{said}");
    assert!(tree.join("scripts").is_dir(), "what is being built stays");
    // The compiler does not tell what it has started.
    ends(builds, Signal::TERM, 143, all_of(dir));
    assert!(!tree.exists());
    assert_eq!(place.git("worktree list").lines().count(), 1);
}

#[test]
fn a_job_that_is_told_to_end_ends_its_night() {
    let place = Place::new();
    let night = place.dir.path().join("night");
    executable(&night, "#!/bin/bash\ntrap 'kill $! && exit 143' TERM\nsleep 300 &\nwait\n");
    let mut command = place.command("scripts/nightly-ci", "--publish --out a");
    command.env("NIGHTLY", &night);
    let job = start(command);
    until("the night has begun", || runs(&night));
    ends(job, Signal::TERM, 143, all_of(place.dir.path()));
    assert_eq!(place.published(), "", "nothing is begun after it");
}
