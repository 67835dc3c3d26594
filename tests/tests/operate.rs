//! What an operator kills and starts: each tier comes back where it was, with what it had; and what cannot be done is said in one line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::kept::Kept;
use e2e::stack::{
    body, dir, events, gone, nginx_is_installed, operate, purchase, scraped, tiers, tiers_now, value,
};
use e2e::{Running, Target, binary, get, http, runs, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn status(dir: &Path) -> (Option<i32>, Value) {
    let out = Command::new(binary("target-stack")).args(["status", "--json"]).arg(dir).output().unwrap();
    (out.status.code(), serde_json::from_slice(&out.stdout).unwrap())
}

fn order(proxy: &str, key: &str) -> Value {
    let mut answer = String::new();
    until("an order is acknowledged", || {
        answer = http(proxy, &purchase(key));
        answer.starts_with("HTTP/1.1 200 ")
    });
    serde_json::from_str(body(&answer)).unwrap()
}

fn group_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()
}

#[test]
fn each_tier_comes_back_where_it_was() {
    for proxy in ["builtin", "nginx"] {
        if proxy == "nginx" && !nginx_is_installed() {
            return;
        }
        let options = "--servers 2 --server-cpu 0.5 --on-death stay";
        let mut stack = Target::start(&format!("up --scale small --proxy {proxy} {options}"));
        let (all, dir) = (stack.pids(), dir(&stack));
        let (_, front) = tiers(&stack, "proxy").swap_remove(0);
        let bought = order(&front, "kept");
        let mut pids = all;
        for (tier, number) in [("app", 2), ("db", 1), ("proxy", 1), ("dns", 1)] {
            let (pid, address) = tiers(&stack, tier).swap_remove(number - 1);
            let (metrics, group) = (stack.said["tiers"][tier][number - 1]["metrics"].clone(), group_of(pid));
            let killed = operate(&stack, &format!("kill {tier} --number {number}"));
            let said = events(&killed).swap_remove(0);
            assert_eq!(
                (killed.code, &said["event"], &said["pid"]),
                (0, &"killed".into(), &pid.into()),
                "{said}"
            );
            assert!(!runs(pid) && said["at_unix_s"].as_f64() > Some(1.7e9), "{said}");
            let died = stack.says().unwrap();
            assert_eq!((&died["event"], &died["tier"]), (&"tier_died".into(), &tier.into()), "{died}");
            assert_eq!(died["left"], if tier == "app" { 1 } else { 0 }, "{died}");
            assert_eq!(status(&dir).0, Some(1));
            operate(&stack, &format!("kill {tier} --number {number}")).refused(1, "is dead already");

            let started = operate(&stack, &format!("start {tier} --number {number}"));
            let said = events(&started).swap_remove(0);
            assert_eq!((started.code, &said["event"]), (0, &"started".into()), "{started:?}");
            let now = tiers_now(&stack, tier).swap_remove(number - 1);
            assert_eq!((said["pid"].as_u64(), &now.1), (Some(now.0.into()), &address));
            assert!(now.0 != pid && group_of(now.0) == group, "{tier}");
            let (code, shown) = status(&dir);
            assert_eq!(code, Some(0), "{shown}");
            let file: Value =
                serde_json::from_slice(&std::fs::read(dir.join("stack.json")).unwrap()).unwrap();
            let entry = &file["tiers"][tier][number - 1];
            assert_eq!(
                (&entry["metrics"], &entry["cpu_limit"]),
                (&metrics, &stack.said["tiers"][tier][number - 1]["cpu_limit"])
            );
            operate(&stack, &format!("start {tier} --number {number}"))
                .refused(1, "is not dead: it runs with pid");
            pids.push(now.0);
            until("the shop answers", || get(&front, "/products/7", "").starts_with("HTTP/1.1 200 "));
        }
        // What was acknowledged before the database was killed is stored, once.
        assert_eq!(order(&front, "kept")["id"], bought["id"]);
        assert_eq!(value(&scraped(&stack, "db"), "mysql_up"), Some(1.0));
        assert!(stack.end(Signal::TERM).success());
        gone(&pids, &dir);
    }
}

#[test]
fn a_database_that_is_asked_to_end_leaves_what_it_has_to_the_next() {
    let place = tempfile::TempDir::new().unwrap();
    // Its server is another user's.
    std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let dir = place.path().join("db");
    for goes_on in [false, true] {
        assert_eq!((dir.join("data").exists(), dir.join("left").exists()), (goes_on, goes_on));
        let database = Target::start(&format!("db --keep --scale small --dir {}", dir.display()));
        assert!(dir.join("data").exists() && !dir.join("left").exists());
        assert!(database.end(Signal::TERM).success());
    }
}

#[test]
fn without_its_database_a_stack_ends_as_cleanly() {
    for with in [Signal::TERM, Signal::KILL] {
        let stack = Target::start("up --scale small --on-death stay");
        let (pids, dir) = (stack.pids(), dir(&stack));
        assert_eq!(operate(&stack, "kill db").code, 0);
        assert!(dir.join("db/data").exists());
        stack.end(with);
        gone(&pids, &dir);
    }
}

#[test]
fn a_stack_that_is_not_to_stay_ends_with_its_tier() {
    let mut stack = Target::start("up --scale small");
    let (pids, dir) = (stack.pids(), dir(&stack));
    let killed = operate(&stack, "kill app");
    assert_eq!((killed.code, &events(&killed)[0]["event"]), (0, &"killed".into()), "{killed:?}");
    assert_eq!(stack.wait().code(), Some(3));
    gone(&pids, &dir);
    operate(&stack, "start app").refused(2, "no stack runs in this directory");
}

#[test]
fn what_was_started_is_told_although_it_cannot_be_written_down() {
    let stack = Target::start("up --scale small --servers 2 --on-death stay");
    let dir = dir(&stack);
    assert_eq!(operate(&stack, "kill app --number 2").code, 0);
    // Nothing can be written where the descriptor is written first.
    let blocked = dir.join("stack.json.new");
    std::fs::create_dir(&blocked).unwrap();
    let started = operate(&stack, "start app --number 2");
    let said = events(&started).swap_remove(0);
    assert_eq!((started.code, &said["event"]), (0, &"started".into()), "{started:?}");
    assert!(
        started.err.contains("cannot write ") && started.err.contains("does not know of app 2"),
        "{started:?}"
    );
    // The next change is written down, and what was not.
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(operate(&stack, "reload").code, 0);
    let kept = || {
        let file: Value = serde_json::from_slice(&std::fs::read(dir.join("stack.json")).unwrap()).unwrap();
        file["tiers"]["app"][1]["pid"].clone()
    };
    until("it is written down", || kept() == said["pid"]);
    assert_eq!(status(&dir).0, Some(0));
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let stack = Target::start("up --scale small --servers 2");
    for (command, code, part) in [
        ("kill app --number 3", 2, "there is no app 3: of the app tier this stack has --number 1 to 2"),
        ("start db --number 2", 2, "there is no db 2: of the db tier this stack has one, --number 1"),
        ("kill app --number 0", 2, "there is no app 0"),
        ("kill web", 2, "invalid value 'web' for '<TIER>'"),
        ("kill", 2, "<TIER>"),
        ("kill app --number x", 2, "invalid value 'x'"),
        ("start app", 1, "app 1 is not dead: it runs with pid "),
        ("deploy --strategy slow", 2, "invalid value 'slow'"),
        ("deploy --version a\u{e4}b", 2, "a version has 1 to 64 printable characters"),
    ] {
        operate(&stack, command).refused(code, part);
    }
    // A configuration that makes no sense is refused, and the one before goes on.
    let dir = dir(&stack);
    let text = std::fs::read_to_string(dir.join("nginx.conf")).unwrap();
    std::fs::write(dir.join("nginx.conf"), format!("{text}foo;")).unwrap();
    operate(&stack, "reload")
        .refused(1, "proxy 1 refuses its configuration, and goes on with the one before");
    std::fs::write(dir.join("nginx.conf"), text).unwrap();
    let reloaded = operate(&stack, "reload");
    assert_eq!((reloaded.code, &events(&reloaded)[0]["event"]), (0, &"reloaded".into()), "{reloaded:?}");

    let operator = |arguments: &[&str]| {
        let mut command = Command::new(binary("target-stack"));
        command.args(arguments);
        Running::start(command).wait()
    };
    operator(&["kill", "app", "--dir", "/nonexistent"]).refused(2, "no stack runs in this directory");
    // A supervisor that was killed has left nobody who listens.
    let left = tempfile::TempDir::new().unwrap();
    std::fs::copy(dir.join("stack.json"), left.path().join("stack.json")).unwrap();
    let there = left.path().to_str().unwrap();
    operator(&["reload", "--dir", there]).refused(1, "the stack's supervisor is dead");
}

#[test]
fn whoever_is_asked_to_end_is_not_ready_before_it_goes() {
    let stack = Target::start("up --scale small --servers 2");
    let (pid, address) = tiers(&stack, "app").swap_remove(1);
    let mut kept = Kept::connect(&address).unwrap();
    // A connection each: one that was asked on before may have had its last answer.
    let health = || Kept::connect(&address).unwrap().ask("GET", "/healthz", "", "").unwrap();
    assert_eq!(kept.ask("GET", "/plaintext", "", "").unwrap().field("connection"), None);
    assert_eq!(health().status, 200);
    signal(pid, Signal::TERM);
    until("it is not ready", || {
        let answer = health();
        answer.status == 503 && answer.field("connection") == Some("close")
    });
    let last = kept.ask("GET", "/plaintext", "", "").unwrap();
    assert_eq!((last.status, last.field("connection"), &*last.body), (200, Some("close"), "Hello, World!"));
    until("it has gone", || !runs(pid));
}
