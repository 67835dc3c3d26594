//! What `target-stack status` shows of a stack that runs, of one in which something is dead, and of none.

use e2e::stack::{dir, gone, tier};
use e2e::{Ended, Running, Target, binary, get, runs, signal, state, until};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;

/// Where no stack is but those that are named.
fn status(arguments: &[&str], base: &Path) -> Ended {
    let mut command = Command::new(binary("target-stack"));
    command.arg("status").args(arguments).env("TMPDIR", base);
    Running::start(command).wait()
}

#[test]
fn a_running_stack_is_shown_with_its_load() {
    let (stack, empty) = (Target::start("up --scale small --servers 2"), tempfile::TempDir::new().unwrap());
    let (pids, dir) = (stack.pids(), dir(&stack));
    let there = dir.display().to_string();
    let shown = status(&[&there], empty.path());
    assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{shown:?}");
    assert!(shown.out.starts_with("http://www.foobar.com:"), "{}", shown.out);
    let tiers: Vec<&str> = shown.out.lines().skip(3).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(tiers, ["dns", "proxy", "app", "app", "db"], "{}", shown.out);
    for name in ["dns", "proxy", "app", "db"] {
        let (pid, address) = tier(&stack, name);
        let line = shown.out.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            (words[1], words[2], words[3]),
            (
                pid.to_string().as_str(),
                address.strip_prefix(&format!("{there}/")).unwrap_or(&address),
                "alive"
            ),
            "{line}"
        );
    }

    // Loaded while it is looked at.
    let (_, proxy) = tier(&stack, "proxy");
    let mut command = Command::new(binary("target-stack"));
    command.args(["status", "--json", &there]);
    let looking = Running::start(command);
    while runs(looking.pid()) {
        assert!(get(&proxy, "/products/1", "").starts_with("HTTP/1.1 200 "));
    }
    let report = looking.wait().json();
    assert_eq!(report["schema"], "target-stack.status/1");
    assert!(report["pid"] == stack.pid() && report["alive"] == true, "{report}");
    for name in ["proxy", "app", "db"] {
        let all = report["tiers"][name].as_array().unwrap();
        let sum = |what: &str| all.iter().map(|tier| tier[what].as_f64().unwrap()).sum::<f64>();
        assert!(all.iter().all(|tier| tier["alive"] == true && tier["answers"] == true), "{report}");
        assert!(sum("cpu_share") > 0.0 && sum("rps") > 0.0, "{name}: {report}");
    }
    assert!(stack.end(Signal::TERM).success());
    gone(&pids, &dir);
    status(&[&there], empty.path()).refused(2, "no stack runs in this directory");
}

#[test]
fn a_dead_tier_is_named_with_exit_code_1() {
    let mut stack = Target::start("up --scale small");
    let (pids, dir) = (stack.pids(), dir(&stack));
    // A supervisor that is held up cannot end the others yet.
    signal(stack.pid(), Signal::STOP);
    until("it stands still", || state(stack.pid()) == Some('T'));
    let (app, _) = tier(&stack, "app");
    signal(app, Signal::KILL);
    until("the app server is dead", || !runs(app));
    let shown = status(&[&dir.display().to_string()], &dir);
    shown.refused(1, &format!("the app tier (pid {app}) is dead"));
    let line = shown.out.lines().find(|line| line.starts_with("app")).unwrap();
    assert!(line.contains(" DEAD "), "{line}");
    signal(stack.pid(), Signal::CONT);
    assert_eq!(stack.wait().code(), Some(3));
    gone(&pids, &dir);
}

#[test]
fn without_a_stack_it_says_what_to_do() {
    let empty = tempfile::TempDir::new().unwrap();
    status(&[], empty.path()).refused(2, "no stack is running: start one with target-stack up");
    status(&["/nonexistent"], empty.path()).refused(2, "/nonexistent/stack.json: No such file");
    std::fs::write(empty.path().join("stack.json"), "{}").unwrap();
    status(&[&empty.path().display().to_string()], empty.path()).refused(2, "missing field");
}
