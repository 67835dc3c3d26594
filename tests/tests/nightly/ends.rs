//! A night that is told to end does so at once, and leaves nothing running; one that waits for another takes nothing away from it.

use super::build::{executable, nightly, place};
use super::{Place, scripts};
use e2e::{binary, processes_with, signal, until};
use rustix::process::Signal;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Tells it to end, and asserts that it does, with this code, and that nothing of what is at `place` runs on.
fn ends(mut child: Child, with: Signal, code: i32, place: &Path) -> Output {
    signal(child.id(), with);
    until("it has ended", || child.try_wait().unwrap().is_some());
    let left = processes_with(&place.display().to_string());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), &left[..]), (Some(code), &[][..]), "{ended:?}");
    ended
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
        ends(gate, with, code, dir.path());
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
    let is_at = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == "flock\09\0") && {
            std::fs::read_link(format!("/proc/{pid}/fd/9")).is_ok_and(|file| file == lock)
        }
    };
    until("the other one waits", || processes_with("flock 9").iter().any(is_at));
    signal(waits.id(), Signal::TERM);
    let ended = waits.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("another night is building"), "{ended:?}");
    assert!(!processes_with("flock 9").iter().any(is_at));
    assert!(tree.join("scripts").is_dir(), "what is being built stays");
    // The compiler does not tell what it has started.
    ends(builds, Signal::TERM, 143, dir);
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
    ends(job, Signal::TERM, 143, place.dir.path());
    assert_eq!(place.published(), "", "nothing is begun after it");
}
