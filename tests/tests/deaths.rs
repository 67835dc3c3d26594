//! What `up` says of its processes' deaths, and how it ends itself: whatever is done to it, nothing is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::{dir, gone, groups_of, tiers};
use e2e::{Running, Target, binary, get, processes_with, runs, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The line about the death of this pid.
fn death(stack: &mut Target, tier: &str, pid: u32) -> Value {
    let said = stack.says().unwrap();
    assert_eq!((said["event"].as_str(), said["tier"].as_str()), (Some("tier_died"), Some(tier)), "{said}");
    assert!(said["pid"] == pid && said["at_unix_s"].as_f64() > Some(1.7e9), "{said}");
    said
}

#[test]
fn the_death_of_a_tier_s_only_process_is_told_and_is_the_stack_s() {
    for (tier, signalled, code, words) in [
        ("db", None, Some(3), "the database server was killed by signal 9"),
        ("app", Some(9), None, "the app tier was killed by signal 9"),
        ("proxy", Some(9), None, "the proxy tier was killed by signal 9"),
        ("dns", Some(9), None, "the dns tier was killed by signal 9"),
    ] {
        let mut stack = Target::start("up --scale small");
        let (pids, dir) = (stack.pids(), dir(&stack));
        let (pid, _) = tiers(&stack, tier).swap_remove(0);
        signal(pid, Signal::KILL);
        let said = death(&mut stack, tier, pid);
        assert_eq!((said["signal"].as_i64(), said["exit_code"].as_i64()), (signalled, code), "{said}");
        assert!(said["left"] == 0 && said["reason"].as_str().unwrap().contains(words), "{said}");
        assert_eq!(stack.says(), None, "what it ends itself is no news");
        assert_eq!(stack.wait().code(), Some(3));
        gone(&pids, &dir);
    }
}

#[test]
fn of_several_each_is_told_and_the_last_one_ends_the_stack() {
    let mut stack = Target::start("up --scale small --servers 3 --proxies 2");
    let (pids, dir) = (stack.pids(), dir(&stack));
    let (apps, proxies) = (tiers(&stack, "app"), tiers(&stack, "proxy"));
    for (n, (tier, pid, with)) in [
        ("app", apps[1].0, Signal::KILL),
        ("proxy", proxies[0].0, Signal::KILL),
        ("app", apps[0].0, Signal::TERM),
        ("app", apps[2].0, Signal::KILL),
    ]
    .into_iter()
    .enumerate()
    {
        signal(pid, with);
        let said = death(&mut stack, tier, pid);
        let left = [2, 1, 1, 0][n];
        assert_eq!(said["left"].as_u64(), Some(left), "{said}");
        if n == 0 {
            // What the proxies log of the first one's death is not why one of them dies later.
            (0..6).for_each(|_| drop(get(&proxies[0].1, "/plaintext", "")));
        } else if n == 1 {
            let why = format!("one of the proxy tier was killed by signal 9; {left} left");
            assert_eq!(said["reason"].as_str(), Some(&*why));
        }
        let how = (said["signal"].as_i64(), said["exit_code"].as_i64());
        // Who was asked to end has ended well, and all the same it should not have.
        assert_eq!(how, if with == Signal::TERM { (None, Some(0)) } else { (Some(9), None) }, "{said}");
    }
    assert_eq!(stack.says(), None);
    assert_eq!(stack.wait().code(), Some(3));
    gone(&pids, &dir);
}

#[test]
fn a_stack_that_nobody_listens_to_goes_on() {
    let mut command = Command::new(binary("target-stack"));
    command.args(["up", "--scale", "small", "--servers", "2"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    // The reader goes, and with it the pipe.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let pid = |n: usize| u32::try_from(said["tiers"]["app"][n]["pid"].as_u64().unwrap()).unwrap();
    signal(pid(0), Signal::KILL);
    until("it is seen to be dead", || !std::path::Path::new(&format!("/proc/{}", pid(0))).exists());
    assert!(runs(child.id()) && runs(pid(1)));
    signal(child.id(), Signal::TERM);
    assert!(child.wait().unwrap().success());
    gone(&[pid(1)], &PathBuf::from(said["dir"].as_str().unwrap()));
}

#[test]
fn nobody_to_tell_that_it_answers_is_an_end() {
    let base = tempfile::TempDir::new().unwrap();
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let stack = base.path().join("stack");
    let mut command = Command::new(binary("target-stack"));
    command.args(["up", "--scale", "small", "--dir"]).arg(&stack).stderr(Stdio::piped());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(3) && err.contains("standard output: Broken pipe"), "{err}");
    gone(&[], &stack);
}

#[test]
fn however_it_is_ended_nothing_is_left() {
    for with in [&[Signal::HUP][..], &[Signal::TERM, Signal::TERM], &[Signal::TERM, Signal::INT, Signal::HUP]]
    {
        let stack = Target::start_minding_hangups("up --scale small --server-cpu 0.5 --servers 2");
        let (pids, dir, supervisor) = (stack.pids(), dir(&stack), stack.pid());
        let (last, others) = with.split_last().unwrap();
        others.iter().for_each(|one| signal(supervisor, *one));
        assert!(stack.end(*last).success(), "{with:?}");
        gone(&pids, &dir);
        assert!(groups_of(supervisor).is_empty(), "{with:?}");
    }
    // In the middle of its end.
    let stack = Target::start("up --scale small --server-cpu 0.5");
    let (pids, dir, supervisor) = (stack.pids(), dir(&stack), stack.pid());
    signal(supervisor, Signal::TERM);
    until("it has begun to end", || pids.iter().any(|pid| !runs(*pid)));
    stack.end(Signal::KILL);
    gone(&pids, &dir);
    until("no control group is left", || groups_of(supervisor).is_empty());
}

#[test]
fn a_stack_that_shall_not_mind_its_terminal_does_not() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" up --scale small"]).arg(binary("target-stack"));
    let stack = Running::start(command);
    until("it answers", || !processes_with(&format!("--die-with {} dns", stack.pid())).is_empty());
    let status = std::fs::read_to_string(format!("/proc/{}/status", stack.pid())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_eq!(u64::from_str_radix(ignored.trim(), 16).unwrap() & 1, 1, "SIGHUP is the first signal");
    signal(stack.pid(), Signal::TERM);
    let ended = stack.wait();
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
}
