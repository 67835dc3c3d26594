//! A calibration from outside: that it ends, what it says of itself, and that it adds up. No speed is asserted: a busy machine
//! may not be able to calibrate anything.

use e2e::{Running, loadgen, processes_with, signal, until};
use rustix::process::Signal;
use serde_json::Value;

fn numbers(value: &Value, names: &str) {
    for name in names.split_whitespace() {
        assert!(value[name].is_number(), "{name}: {value}");
    }
}

#[test]
fn a_calibration_ends_within_its_budget_and_has_every_part() {
    let ended = loadgen("calibrate --budget 12s --seed 3 --out out --json -");
    let found = ended.json();
    assert_eq!((found["schema"].as_str(), found["seed"].as_u64()), (Some("loadgen.calibrate/1"), Some(3)));
    let valid = found["verdict"]["valid"].as_bool().unwrap();
    assert_eq!(ended.code, if valid { 0 } else { 4 }, "{ended:?}");
    assert_eq!(found["ceiling"]["rps"].is_null(), !valid, "{found}");
    assert_eq!(found["partial"], false);
    numbers(&found["closed"], "rps cpu_us_per_request cpu_share_max connections");
    numbers(&found["floor"], "offered_rps count");
    let steps = found["ceiling"]["steps"].as_array().unwrap();
    assert!(steps[0]["offered_rps"] == 1000.0 && steps.len() <= 14, "{found}");
    for lag in found["lag"].as_array().unwrap() {
        numbers(lag, "offered_rps sent_rps cpu_share_max cpu_us_per_request");
    }
    let gaps = found["gaps"].as_array().unwrap();
    assert_eq!(
        gaps.iter().map(|gaps| gaps["arrivals"].as_str().unwrap()).collect::<Vec<_>>(),
        ["even", "poisson"]
    );
    gaps.iter().for_each(|gaps| numbers(gaps, "offered_rps count cv cv_intended"));
    let queues = found["queues"].as_array().unwrap();
    assert_eq!(
        queues.iter().map(|queue| queue["model"].as_str().unwrap()).collect::<Vec<_>>(),
        ["M/D/1", "M/M/4"]
    );
    for queue in queues {
        numbers(queue, "workers service_ms utilisation offered_rps count");
        let percentiles = queue["percentiles"].as_array().unwrap();
        assert_eq!(
            percentiles.iter().map(|p| p["name"].as_str().unwrap()).collect::<Vec<_>>(),
            ["p50", "p99", "p999"]
        );
        numbers(&percentiles[1], "logged_ms perfect_ms theory_ms");
        // No request is served faster than a perfect queue serves it.
        let (measured, service) = (percentiles[0]["measured_ms"].as_f64(), queue["service_ms"].as_f64());
        assert!(queue["model"] != "M/D/1" || measured >= service, "{queue}");
    }
    let stored = std::fs::read(ended.dir.path().join("out/calibrate.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&stored).unwrap(), found);
    assert!(
        ended.err.contains("M/D/1") && ended.err.lines().all(|line| line.chars().count() <= 80),
        "{ended:?}"
    );
}

#[test]
fn an_interrupted_calibration_says_what_it_has_and_leaves_no_queue() {
    let run = Running::loadgen("calibrate --budget 60s --out out --json out.json");
    let pid = run.pid();
    until("a run is under way", || {
        std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 2)
    });
    signal(pid, Signal::INT);
    let ended = run.wait();
    let found: Value =
        serde_json::from_slice(&std::fs::read(ended.dir.path().join("out.json")).unwrap()).unwrap();
    assert_eq!((found["partial"].as_bool(), ended.code), (Some(true), 4), "{ended:?}");
    assert_eq!(processes_with(&format!("--die-with {pid}")), [0; 0]);
}

#[test]
fn what_cannot_be_calibrated_is_refused() {
    for (arguments, part) in [
        ("calibrate --budget 1s", "at least 5s"),
        ("calibrate --budget 60", "with a unit"),
        ("calibrate --cpus 4095", "4095"),
        ("calibrate --out /proc/nowhere", "/proc/nowhere"),
    ] {
        loadgen(arguments).refused(2, part);
    }
}
