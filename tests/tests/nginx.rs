//! The reference target behind the installed nginx: the same website, figures and end as with the proxy of our own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::{children, dir, gone, groups_of, nginx_is_installed, scraped, tier, value};
use e2e::{Target, conserved, get, loadgen, processes_with, runs, signal, until};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::Write;

fn up(options: &str) -> Target {
    Target::start(&format!("up --scale small --proxy nginx {options}"))
}

/// The pids that the descriptor names, and nginx's workers.
fn pids(stack: &Target) -> Vec<u32> {
    let workers = children(tier(stack, "proxy").0);
    assert!(!workers.is_empty());
    [stack.pids(), workers].concat()
}

#[test]
fn nginx_serves_the_shop_and_counts_its_requests() {
    if !nginx_is_installed() {
        return;
    }
    let (stack, builtin) = (up(""), Target::start("up --scale small"));
    let keys = |stack: &Target| {
        let names =
            |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        (names(&stack.said), names(&stack.said["tiers"]), names(&stack.said["tiers"]["proxy"][0]))
    };
    assert_eq!(keys(&stack), keys(&builtin), "one descriptor");
    drop(builtin);

    let (master, proxy) = tier(&stack, "proxy");
    for n in 1..=10 {
        let answer = get(&proxy, &format!("/products/{n}"), "");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Server: nginx/"), "{answer}");
    }
    let asked = |name: &str| value(&scraped(&stack, "proxy"), name);
    until("all requests are counted", || asked("nginx_http_requests_total") == Some(10.0));
    for (name, want) in [
        ("nginx_up", 1.0),
        // However often it is asked.
        ("nginx_http_requests_total", 10.0),
        ("nginx_connections_accepted_total", 10.0),
        ("nginx_connections_handled_total", 10.0),
    ] {
        assert_eq!(asked(name), Some(want), "{name}");
    }
    until("all connections are closed", || asked("nginx_connections_active") == Some(0.0));
    assert_eq!(asked("container_spec_cpu_quota"), None, "it has no limit");
    assert!(asked("process_resident_memory_bytes") > Some(1e6));
    let cpu = asked("process_cpu_seconds_total").unwrap();
    until("what its workers do counts as its own", || {
        get(&proxy, "/plaintext", "");
        asked("process_cpu_seconds_total").unwrap() > cpu
    });

    // nginx starts another worker by itself.
    let workers = children(master);
    signal(workers[0], Signal::KILL);
    until("a worker has come in its place", || {
        let now = children(master);
        now.len() == workers.len() && now != workers
    });
    assert!(get(&proxy, "/products/1", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn asked_to_end_nginx_leaves_nothing_behind() {
    if !nginx_is_installed() {
        return;
    }
    for with in [Signal::TERM, Signal::INT, Signal::KILL] {
        let stack = up("");
        let (pids, dir) = (pids(&stack), dir(&stack));
        assert!(pids.iter().all(|pid| runs(*pid)));
        assert_eq!(stack.end(with).success(), with != Signal::KILL);
        gone(&pids, &dir);
    }
}

#[test]
fn a_killed_nginx_ends_the_stack() {
    if !nginx_is_installed() {
        return;
    }
    for master in [true, false] {
        let mut stack = up("");
        let (pids, dir) = (pids(&stack), dir(&stack));
        let wrappers = processes_with(&format!(" nginx --dir {}", dir.display()));
        assert_eq!(wrappers.len(), 1);
        signal(if master { tier(&stack, "proxy").0 } else { wrappers[0] }, Signal::KILL);
        assert_eq!(stack.wait().code(), Some(3));
        gone(&pids, &dir);
    }
}

#[test]
fn an_nginx_of_a_size_is_limited_with_its_workers() {
    if !nginx_is_installed() {
        return;
    }
    let Ok(stack) = Target::try_start("up --scale small --proxy nginx --proxy-cpu 0.05") else {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: control groups cannot be written");
        return;
    };
    let (pids, dir, supervisor) = (pids(&stack), dir(&stack), stack.pid());
    assert_eq!(stack.said["tiers"]["proxy"][0]["cpu_limit"], 0.05);
    let (master, proxy) = tier(&stack, "proxy");
    for pid in children(master).into_iter().chain([master]) {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert!(groups.contains(&format!("target-stack-{supervisor}-")), "{groups}");
    }
    until("it is throttled", || {
        for _ in 0..50 {
            assert!(get(&proxy, "/plaintext", "").starts_with("HTTP/1.1 200 "));
        }
        value(&scraped(&stack, "proxy"), "container_cpu_cfs_throttled_periods_total") > Some(0.0)
    });
    let samples = scraped(&stack, "proxy");
    assert_eq!(value(&samples, "container_spec_cpu_quota"), Some(1_000.0));
    assert_eq!(value(&samples, "container_spec_cpu_period"), Some(20_000.0));
    stack.end(Signal::TERM);
    gone(&pids, &dir);
    until("no control group is left", || groups_of(supervisor).is_empty());
}

#[test]
fn the_main_job_loads_what_is_behind_nginx() {
    if !nginx_is_installed() {
        return;
    }
    let ended = loadgen("--rps 200 -d 2s --target-proxy nginx --no-report --json -");
    let run = ended.json();
    assert!(conserved(&run) && run["ok"] == 400, "{run}");
    assert!(ended.err.contains("DNS zone, nginx, app server"), "{}", ended.err);
    for metric in ["cpu_share", "rps", "connections"] {
        assert!(run["observed"]["proxy"][metric].as_f64() > Some(0.0), "{metric}: {}", run["observed"]);
    }
}
