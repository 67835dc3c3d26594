//! The reference target on real parts: a private MariaDB, an app server, a proxy, a zone; and what is left when it ends.

use e2e::stack::{body, dir, gone, groups_of, purchase, scraped, tier, value};
use e2e::{Running, Target, conserved, get, http, loadgen, processes_with, runs, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;

fn up() -> Target {
    Target::start("up --scale small")
}

#[test]
fn asked_to_end_the_stack_leaves_nothing_behind() {
    for with in [Signal::TERM, Signal::INT] {
        let stack = up();
        let (pids, dir) = (stack.pids(), dir(&stack));
        assert!(pids.len() == 5 && pids.iter().all(|pid| runs(*pid)) && dir.join("db/mysql.sock").exists());
        assert!(stack.end(with).success());
        gone(&pids, &dir);
    }
}

#[test]
fn when_one_part_is_killed_the_rest_ends_and_leaves_nothing_behind() {
    for name in ["db", "app", "proxy", "dns"] {
        let mut stack = up();
        let (pids, dir) = (stack.pids(), dir(&stack));
        signal(tier(&stack, name).0, Signal::KILL);
        assert_eq!(stack.wait().code(), Some(3), "{name}");
        gone(&pids, &dir);
    }
}

#[test]
fn a_killed_wrapper_of_the_database_or_sweeper_leaves_nothing_behind() {
    for part in [" db --dir ", " sweep --dir "] {
        let mut stack = up();
        let (pids, dir) = (stack.pids(), dir(&stack));
        let wrapper = processes_with(&format!("{part}{}", dir.display()));
        assert_eq!(wrapper.len(), 1, "{part}");
        signal(wrapper[0], Signal::KILL);
        assert_eq!(stack.wait().code(), Some(3), "{part}");
        gone(&pids, &dir);
    }
}

#[test]
fn a_killed_supervisor_takes_everything_with_it() {
    let stack = up();
    let (pids, dir) = (stack.pids(), dir(&stack));
    stack.end(Signal::KILL);
    gone(&pids, &dir);
}

#[test]
fn a_server_of_a_size_is_limited_and_leaves_no_control_group() {
    for with in [Signal::TERM, Signal::KILL] {
        let stack = Target::start("up --scale small --server-cpu 0.05 --workers 4 --pool 3");
        let app = &stack.said["tiers"]["app"][0];
        let emulated = stack.said["emulated"][0].as_str().unwrap().to_owned();
        if app["cpu_limit"].is_null() {
            // Without the right to limit it, the test is of what stands in.
            assert!(emulated.contains("1 workers in place of 4"), "{emulated}");
            assert_eq!(value(&scraped(&stack, "app"), "app_workers"), Some(1.0));
            let _ = writeln!(std::io::stderr(), "no quota is tested: {emulated}");
            return;
        }
        assert_eq!(app["cpu_limit"], 0.05);
        assert!(emulated.contains("0.05 CPUs, 1 ms of CPU time in each 20 ms"), "{emulated}");
        let (pids, dir, supervisor) = (stack.pids(), dir(&stack), stack.pid());
        assert_eq!(groups_of(supervisor).len(), 1);
        let (_, proxy) = tier(&stack, "proxy");
        until("the app server is throttled", || {
            // Some hundred statements are several periods' share.
            assert!(get(&proxy, "/queries?n=500", "").starts_with("HTTP/1.1 200 "));
            let samples = scraped(&stack, "app");
            // A thread that is throttled on its way out of the kernel may have lost no time by it.
            let seen = ["periods", "throttled_periods", "throttled_seconds"]
                .map(|name| value(&samples, &format!("container_cpu_cfs_{name}_total")).unwrap());
            seen.iter().all(|seen| *seen > 0.0)
        });
        let samples = scraped(&stack, "app");
        for (name, want) in [
            ("container_spec_cpu_quota", 1_000.0),
            ("container_spec_cpu_period", 20_000.0),
            ("app_workers", 4.0),
            ("db_pool_size", 3.0),
        ] {
            assert_eq!(value(&samples, name), Some(want), "{name}");
        }
        assert_eq!(value(&scraped(&stack, "proxy"), "container_spec_cpu_quota"), None, "it has no limit");
        stack.end(with);
        gone(&pids, &dir);
        until("no control group is left", || groups_of(supervisor).is_empty());
    }
}

#[test]
fn what_a_tier_held_over_time_is_what_its_requests_took() {
    let stack = Target::start("up --scale small --workers 2 --service 2ms");
    let (_, proxy) = tier(&stack, "proxy");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert!(get(&proxy, "/products/7", "").starts_with("HTTP/1.1 200 "));
                }
            });
        }
    });
    // The proxy's part of a request ends a moment after its last byte has come.
    for (name, held, took) in [
        ("app", "http_requests_in_flight_seconds_total", "http_request_duration_seconds"),
        ("proxy", "proxy_requests_in_flight_seconds_total", "proxy_request_duration_seconds"),
    ] {
        until("Little's law holds", || {
            let samples = scraped(&stack, name);
            let value = |name: &str| value(&samples, name).unwrap();
            let (count, sum) = (value(&format!("{took}_count")), value(&format!("{took}_sum")));
            // The integral has the ends of each to the microsecond.
            count == 100.0 && (value(held) - sum).abs() < 2e-4
        });
    }
    let samples = scraped(&stack, "app");
    let value = |name: &str| value(&samples, name).unwrap();
    // A hundred requests, each with its worker for at least two milliseconds, and with a connection for part of that.
    let (working, connected) = (value("app_workers_busy_seconds_total"), value("db_pool_busy_seconds_total"));
    assert!(working >= 0.2 && working < value("http_requests_in_flight_seconds_total"), "{working}");
    assert!(connected > 0.0 && connected < working - 0.199, "{connected} {working}");
    assert!(stack.said["emulated"][0].as_str().unwrap().contains("holds its worker for 2ms longer"));
}

#[test]
fn a_start_that_is_interrupted_leaves_nothing_behind() {
    let base = tempfile::TempDir::new().unwrap();
    // The database's user has to get there.
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (n, reached) in ["db", "db/data", "db/mysql.sock"].into_iter().enumerate() {
        let dir = base.path().join(n.to_string());
        let mut command = std::process::Command::new(e2e::binary("target-stack"));
        command.arg("up").arg("--dir").arg(&dir);
        let starting = Running::start(command);
        until(reached, || dir.join(reached).exists());
        signal(starting.pid(), Signal::TERM);
        let ended = starting.wait();
        assert_eq!(ended.code, 0, "{ended:?}");
        gone(&[], &dir);
    }
}

#[test]
fn the_shop_answers_through_the_proxy() {
    let stack = up();
    let (_, proxy) = tier(&stack, "proxy");
    for (path, part) in [
        ("/", "<!DOCTYPE html>"),
        ("/products/7", "<!DOCTYPE html>"),
        ("/best-sellers", "<!DOCTYPE html>"),
        ("/search?q=a&by=title", "<!DOCTYPE html>"),
        ("/plaintext", "Hello, World!"),
        ("/db", "randomNumber"),
        ("/queries?n=3", "randomNumber"),
        ("/updates?n=2", "randomNumber"),
        ("/healthz", "ok"),
    ] {
        let answer = get(&proxy, path, "");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(part), "{path}: {answer:.500}");
    }
    assert!(get(&proxy, "/products/999999", "").starts_with("HTTP/1.1 404 "));
    let product: Value =
        serde_json::from_str(body(&get(&proxy, "/products/7", "Accept: application/json\r\n"))).unwrap();
    assert_eq!(product["id"], 7, "{product}");
    for name in ["db", "app", "proxy", "dns"] {
        let seconds = value(&scraped(&stack, name), "process_cpu_seconds_total");
        assert!(seconds.is_some_and(|seconds| seconds > 0.0), "{name}: {seconds:?}");
    }
}

#[test]
fn a_purchase_repeated_at_the_same_time_is_stored_once() {
    let stack = up();
    let (_, proxy) = tier(&stack, "proxy");
    let request = purchase("one-and-only");
    let buyers: Vec<_> = (0..8)
        .map(|_| {
            let (proxy, request) = (proxy.clone(), request.clone());
            std::thread::spawn(move || http(&proxy, &request))
        })
        .collect();
    let orders: Vec<Value> = buyers
        .into_iter()
        .map(|buyer| {
            let answer = buyer.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            serde_json::from_str(body(&answer)).unwrap()
        })
        .collect();
    let id = orders[0]["id"].as_str().unwrap();
    assert!(orders.iter().all(|order| order["id"].as_str() == Some(id)), "{orders:?}");
    let answer = get(&proxy, &format!("/orders/{id}"), "Accept: application/json\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The next one has the next number: there is no second order.
    let next: Value = serde_json::from_str(body(&http(&proxy, &purchase("another")))).unwrap();
    let number = |id: &str| id.split('-').next().unwrap().parse::<u64>().unwrap();
    // A key that is refused has taken a number all the same.
    assert!(number(next["id"].as_str().unwrap()) <= number(id) + 8, "{next}");
}

#[test]
fn the_main_job_loads_the_reference_target_and_takes_it_down_again() {
    let ended = loadgen("--rps 300 -d 2s --json - -o out");
    let run = ended.json();
    assert_eq!(
        (run["target"]["kind"].as_str(), run["planned"].as_u64()),
        (Some("reference"), Some(600)),
        "{run}"
    );
    assert!(conserved(&run) && run["status"]["200"] == run["ok"] && run["ok"] == 600, "{run}");
    assert!(run["target"]["url"].as_str().unwrap().starts_with("http://www.foobar.com:"));
    for tier in ["proxy", "app", "db"] {
        assert!(run["observed"][tier]["cpu_share"].as_f64().is_some(), "{tier}: {}", run["observed"]);
        let points = run["telemetry"]["tiers"][tier]["cpu_share"].as_array().unwrap();
        let (first, last) = (&points[0], points.last().unwrap());
        assert!(first[0].as_f64() < Some(0.5) && last[0].as_f64() > Some(1.9), "{tier}: {points:?}");
        assert!(first[1].is_null() && last[1].as_f64() >= Some(0.0), "{tier}: {points:?}");
    }
    for (tier, metrics) in [
        ("proxy", "rps response_ms connections"),
        ("app", "rps response_ms workers workers_busy queue pool_waiting"),
        (
            "db",
            "threads_running queries_per_s row_lock_wait_share buffer_pool_reads_per_s slow_queries_per_s",
        ),
    ] {
        for metric in metrics.split(' ') {
            assert!(run["observed"][tier][metric].is_number(), "{tier} {metric}: {}", run["observed"]);
        }
        // A page is one request for each tier, and at least one statement.
        let rate = &run["observed"][tier][if tier == "db" { "queries_per_s" } else { "rps" }];
        assert!(rate.as_f64() > Some(200.0) && rate.as_f64() < Some(1000.0), "{tier}: {rate}");
    }
    let machine = &run["machine"];
    for metric in ["cpu_busy", "target_cpu_busy", "steal"] {
        assert!((0.0..=1.0).contains(&machine[metric].as_f64().unwrap()), "{machine}");
    }
    assert!(run["telemetry"]["machine"]["cpu_busy"].as_array().is_some_and(|points| points.len() > 2));
    assert!(ended.err.contains("random products, one database read each"), "{}", ended.err);
    let cpus = |value: &Value| value.as_array().unwrap().len();
    assert!(cpus(&run["target"]["cpus"]) > 0 && cpus(&run["generator"]["cpus"]) > 0);
}

#[test]
fn the_main_job_names_a_tier_that_dies_in_mid_run() {
    let run = Running::loadgen("--rps 100 -d 5s --no-report --json out.json");
    let supervisor = || processes_with(&format!("--die-with {} ", run.pid())).first().copied();
    let app = || processes_with(" app --database ").into_iter().find(|pid| parent(*pid) == supervisor());
    until("the app server answers", || app().is_some_and(busy));
    signal(app().unwrap(), Signal::KILL);
    let ended = run.wait();
    assert_eq!(ended.code, 3, "{ended:?}");
    let run: Value =
        serde_json::from_slice(&std::fs::read(ended.dir.path().join("out.json")).unwrap()).unwrap();
    assert!(conserved(&run) && run["planned"] == 500 && run["died_at_s"].as_f64().is_some(), "{run}");
    assert!(ended.out.contains("the app tier was killed by signal 9"), "{}", ended.out);
}

#[test]
fn an_interrupted_main_job_takes_the_target_down() {
    let run = Running::loadgen("--rps 100 -d 60s --no-report -q");
    let mark = format!("--die-with {} ", run.pid());
    until("the target is starting", || !processes_with(&mark).is_empty());
    let supervisor = processes_with(&mark)[0];
    until("its tiers are starting", || !processes_with(&format!("--die-with {supervisor} ")).is_empty());
    signal(run.pid(), Signal::INT);
    run.wait();
    until("the supervisor is gone", || !runs(supervisor));
    until("no tier is left", || processes_with(&format!("--die-with {supervisor} ")).is_empty());
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Whether the process has used CPU time beyond its start: it is being asked something.
fn busy(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks = |n: usize| stat.rsplit_once(") ")?.1.split(' ').nth(n)?.parse::<u64>().ok();
    ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0) > 5
}
