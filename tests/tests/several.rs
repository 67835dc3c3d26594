//! Stacks with several app servers and several proxies: each a process of its own, of its own size, and none that the others need.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::{body, dir, gone, nginx_is_installed, purchase, sample, scraped_at, tiers, value};
use e2e::{Target, binary, conserved, get, http, loadgen, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn every_server_is_a_process_of_its_own_size_and_gets_its_share() {
    let stack = Target::start("up --scale small --servers 3 --server-cpu 0.2");
    let apps = tiers(&stack, "app");
    let distinct = |of: fn(&(u32, String)) -> String| apps.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!((apps.len(), distinct(|(pid, _)| pid.to_string()), distinct(|(_, at)| at.clone())), (3, 3, 3));
    let limits: Vec<&Value> =
        stack.said["tiers"]["app"].as_array().unwrap().iter().map(|app| &app["cpu_limit"]).collect();
    if limits[0].is_null() {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: control groups cannot be written");
    } else {
        assert!(limits.iter().all(|limit| **limit == 0.2), "{limits:?}");
        let group = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        assert_eq!(
            apps.iter().map(|(pid, _)| group(*pid)).collect::<BTreeSet<_>>().len(),
            3,
            "a group for each"
        );
    }
    let (_, proxy) = tiers(&stack, "proxy").swap_remove(0);
    for n in 0..30 {
        assert!(get(&proxy, &format!("/products/{}", n + 1), "").starts_with("HTTP/1.1 200 "));
    }
    // Each worker of the proxy goes round by itself, so nobody has less than a worker's round gives it.
    let seen = [0, 1, 2].map(|n| value(&scraped_at(&stack, "app", n), "http_requests_total").unwrap());
    assert!(seen.iter().sum::<f64>() == 30.0 && seen.iter().all(|seen| *seen >= 6.0), "{seen:?}");
}

/// What a client that buys and looks at products has seen.
#[derive(Default)]
struct Seen {
    /// Orders by key.
    bought: BTreeMap<String, String>,
    /// Purchases that were not answered with an order, at the first try.
    unsure: usize,
    /// Other requests that failed.
    failed: Vec<String>,
}

/// Looks and buys, one request after the other, until told to stop; a purchase that was not acknowledged is sent again with its key.
fn shop(proxy: &str, client: usize, stop: &AtomicBool, done: &AtomicUsize) -> Seen {
    let mut seen = Seen::default();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let answer = get(proxy, &format!("/products/{}", n % 1000 + 1), "");
        if !answer.starts_with("HTTP/1.1 200 ") {
            seen.failed.push(answer);
        }
        let key = format!("several-{client}-{n}");
        let mut answer = http(proxy, &purchase(&key));
        seen.unsure += usize::from(!answer.starts_with("HTTP/1.1 200 "));
        for _ in 0..20 {
            if answer.starts_with("HTTP/1.1 200 ") {
                break;
            }
            answer = http(proxy, &purchase(&key));
        }
        let order: Value = serde_json::from_str(body(&answer)).unwrap();
        seen.bought.insert(key, order["id"].as_str().unwrap().to_owned());
        done.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[test]
fn a_killed_app_server_costs_what_it_was_working_on_and_may_not_be_repeated() {
    const CLIENTS: usize = 6;
    let stack = Target::start("up --scale small --servers 3");
    let apps = tiers(&stack, "app");
    let (_, proxy) = tiers(&stack, "proxy").swap_remove(0);
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let of_dead = |name: &str| format!("{name}{{upstream=\"app\",server=\"{}\"}}", apps[1].1);
    let shown = |name: &str| sample(&scraped_at(&stack, "proxy", 0), &of_dead(name)).unwrap();
    assert_eq!(shown("proxy_upstream_server_up"), 1.0);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let (proxy, stop, done) = (&proxy, &stop, &done);
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || shop(proxy, client, stop, done))).collect();
        until("all servers are at work", || done.load(Ordering::Relaxed) > 5 * CLIENTS);
        signal(apps[1].0, Signal::KILL);
        until("it is ejected", || shown("proxy_upstream_ejections_total") >= 1.0);
        assert!(shown("proxy_upstream_server_up") == 0.0 && shown("proxy_upstream_failures_total") >= 1.0);
        let before = done.load(Ordering::Relaxed);
        until("the others go on", || done.load(Ordering::Relaxed) > before + 10 * CLIENTS);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for client in &seen {
        // What may be repeated was repeated where it had to be, and of the rest each client has one under way at most.
        assert!(client.failed.is_empty(), "{:?}", client.failed);
        assert!(client.unsure <= 1, "{}", client.unsure);
    }
    let bought: BTreeMap<&String, &String> = seen.iter().flat_map(|client| &client.bought).collect();
    let orders: BTreeSet<&String> = bought.values().copied().collect();
    assert_eq!(orders.len(), bought.len(), "an order for each key");
    for (key, id) in bought.iter().step_by(7) {
        let again: Value = serde_json::from_str(body(&http(&proxy, &purchase(key)))).unwrap();
        assert_eq!(again["id"].as_str(), Some(id.as_str()), "{key}");
    }
    // Who looks at the stack sees which one is missing.
    let status =
        Command::new(binary("target-stack")).args(["status", "--json"]).arg(dir(&stack)).output().unwrap();
    assert_eq!(status.status.code(), Some(1));
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.matches("\"alive\":false").count(), 1, "{status}");
}

#[test]
fn a_tier_without_a_process_ends_the_stack() {
    let mut stack = Target::start("up --scale small --servers 2");
    let (pids, dir, apps) = (stack.pids(), dir(&stack), tiers(&stack, "app"));
    let (_, proxy) = tiers(&stack, "proxy").swap_remove(0);
    signal(apps[0].0, Signal::KILL);
    for _ in 0..10 {
        assert!(get(&proxy, "/plaintext", "").starts_with("HTTP/1.1 200 "));
    }
    signal(apps[1].0, Signal::KILL);
    assert_eq!(stack.wait().code(), Some(3));
    gone(&pids, &dir);
}

#[test]
fn several_proxies_share_the_load_that_finds_them_by_name() {
    for proxy in ["builtin", "nginx"] {
        if proxy == "nginx" && !nginx_is_installed() {
            return;
        }
        let stack = Target::start(&format!("up --scale small --servers 2 --proxies 2 --proxy {proxy}"));
        let (pids, dir, proxies) = (stack.pids(), dir(&stack), tiers(&stack, "proxy"));
        let (url, resolver) = (stack.said["url"].as_str().unwrap(), stack.said["resolver"].as_str().unwrap());
        let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1;
        let addresses: Vec<&str> = proxies.iter().map(|(_, address)| address.as_str()).collect();
        assert_eq!(addresses, [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")]);
        assert_ne!(proxies[0].0, proxies[1].0);
        let load = || {
            let ended =
                loadgen(&format!("-d 1s -c 16 --resolver {resolver} --no-report --json - {url}plaintext"));
            let run = ended.json();
            assert!(conserved(&run) && run["ok"] == run["planned"], "{run}");
            run["ok"].as_f64().unwrap()
        };
        let all = load();
        let seen =
            [0, 1].map(|n| value(&scraped_at(&stack, "proxy", n), "nginx_http_requests_total").unwrap());
        assert!(seen.iter().sum::<f64>() >= all, "{seen:?} {all}");
        assert!(seen.iter().all(|seen| *seen > all / 5.0), "{proxy}: {seen:?}");
        // Without one of them the website is still there: a connection goes to the next address.
        signal(proxies[1].0, Signal::KILL);
        until("it is gone", || std::net::TcpStream::connect(addresses[1]).is_err());
        assert!(load() > 0.0, "{proxy}");
        assert!(stack.end(Signal::TERM).success());
        gone(&pids, &dir);
    }
}
