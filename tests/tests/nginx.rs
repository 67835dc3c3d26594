//! The reference target behind the installed nginx: the same website, figures and end as with the proxy of our own.

use e2e::stack::{children, dir, gone, groups_of, nginx_is_installed, scraped, tier, value};
use e2e::{Running, Target, binary, conserved, get, loadgen, processes_with, runs, signal, until};
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
fn a_killed_nginx_ends_the_stack_which_says_so() {
    if !nginx_is_installed() {
        return;
    }
    let base = tempfile::TempDir::new().unwrap();
    // The database's user has to get there.
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (is_master, words) in [
        (true, "the proxy tier ended with exit code 3: nginx was killed by signal 9"),
        (false, "the proxy tier was killed by signal 9"),
    ] {
        let dir = base.path().join("stack");
        let mut command = std::process::Command::new(binary("target-stack"));
        command.args(["up", "--scale", "small", "--proxy", "nginx", "--dir"]).arg(&dir);
        let stack = Running::start(command);
        until("all tiers answer", || dir.join("stack.json").exists());
        let name = dir.display().to_string();
        let of_nginx = |part: &str| processes_with(&format!("{part}{name}"))[0];
        let (master, wrapper) =
            (of_nginx("/nginx -p "), of_nginx(&format!("--die-with {} nginx --dir ", stack.pid())));
        let pids = [vec![master, wrapper], children(master)].concat();
        assert!(pids.len() > 2);
        signal(if is_master { master } else { wrapper }, Signal::KILL);
        stack.wait().refused(3, words);
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
