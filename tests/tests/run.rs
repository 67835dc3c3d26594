//! Runs against a target whose behaviour is known, from the command line to the record.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Running, Target, conserved, get, loadgen, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{Read, Write};
use std::path::Path;

fn queue() -> Target {
    Target::start("queue --workers 8 --service 1ms")
}

fn arrivals(target: &Target) -> u64 {
    let stats = get(target.address(), "/stats", "");
    let body = stats.rsplit("\r\n\r\n").next().unwrap();
    serde_json::from_str::<Value>(body).unwrap()["arrivals"].as_u64().unwrap()
}

/// The exit code of a run that would end with `otherwise` on a quiet machine: on a busy one it may be invalid.
fn code(run: &Value, otherwise: i32) -> i32 {
    if run["verdict"]["valid"] == true { otherwise } else { 4 }
}

/// Width and height from a PNG's header.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n", "{}", path.display());
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (word(16), word(20))
}

#[test]
fn what_was_planned_is_what_the_target_saw_and_what_the_record_says() {
    let target = queue();
    let ended = loadgen(&format!(
        "--rps 300 -d 2s --warmup 500ms --seed 7 --threshold rps>1 --junit out.xml --json - -o out http://{}/a?b",
        target.address()
    ));
    let run = ended.json();
    assert_eq!(run["schema"], "loadgen.run/1");
    assert_eq!(
        (run["loop"].as_str(), run["arrivals"].as_str(), run["seed"].as_u64()),
        (Some("open"), Some("even"), Some(7))
    );
    for key in ["planned", "sent", "ok"] {
        assert_eq!(run[key], 600, "{key}");
    }
    assert!(conserved(&run) && run["status"]["200"] == 600);
    assert_eq!(arrivals(&target), 750, "warm-up and all");
    assert_eq!(
        (run["steps"][0]["counted"].as_bool(), run["steps"][0]["counts"]["ok"].as_u64()),
        (Some(false), Some(150))
    );
    for distribution in ["response_ms", "service_ms", "send_lag_ms", "ok_response_ms"] {
        assert_eq!(run[distribution]["count"], 600, "{distribution}");
    }
    assert!(run["response_ms"]["p50"].as_f64() >= Some(1.0), "the service takes 1 ms");
    assert!(run["response_ms"]["p999"].is_null(), "600 requests cannot say anything about p99.9");
    let out = ended.dir.path().join("out");
    for picture in ["timeline.png", "percentiles.png", "heatmap.png"] {
        assert_eq!(png_size(&out.join(picture)), (1600, 900));
    }
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("600 requests"));
    let csv = std::fs::read_to_string(out.join("timeline.csv")).unwrap();
    let ok = csv.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().parse::<u64>().unwrap());
    assert_eq!(ok.sum::<u64>(), 600);
    let percentiles = std::fs::read_to_string(out.join("response.hgrm")).unwrap();
    assert!(percentiles.contains("Total count    =          600]"), "{percentiles}");
    let junit = std::fs::read_to_string(ended.dir.path().join("out.xml")).unwrap();
    assert!(junit.contains("<testcase classname=\"loadgen.threshold\" name=\"rps&gt;1\"/>"), "{junit}");
    assert_eq!((&run["arrival_stream"]["test"], &run["arrival_stream"]["gaps"]), (&"cv".into(), &599.into()));
    assert!(run["steady"]["from_s"].is_null(), "two seconds are too few to say");
    let stored: Value = serde_json::from_slice(&std::fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(stored, run);
}

#[test]
fn every_transport_keeps_the_same_ledger_and_says_which_it_was() {
    let target = queue();
    for transport in ["raw", "hyper", "reqwest"] {
        let before = arrivals(&target);
        let run = loadgen(&format!(
            "--rps 300 -d 1s --transport {transport} --no-report -q --json - http://{}/",
            target.address()
        ))
        .json();
        let counts = [&run["planned"], &run["sent"], &run["ok"], &run["response_ms"]["count"]];
        assert!(conserved(&run) && counts.iter().all(|n| **n == 300), "{transport}: {counts:?}");
        assert_eq!(arrivals(&target) - before, 300, "{transport}");
        assert_eq!(
            (&run["wire"]["transport"], &run["wire"]["protocol"]),
            (&transport.into(), &"HTTP/1.1".into())
        );
    }
}

#[test]
fn a_record_draws_again_and_keeps_its_numbers() {
    let target = queue();
    let first = loadgen(&format!("--rps 200 -d 1s -q -o out http://{}/", target.address()));
    let out = first.dir.path().join("out");
    let before = std::fs::read(out.join("run.json")).unwrap();
    std::fs::remove_file(out.join("timeline.png")).unwrap();
    std::fs::remove_file(out.join("timeline.csv")).unwrap();
    let again = loadgen(&format!("report {} --json -", out.display()));
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(png_size(&out.join("timeline.png")), (1600, 900));
    assert_eq!(std::fs::read(out.join("run.json")).unwrap(), before);
    assert!(out.join("timeline.csv").is_file());
    assert_eq!(again.json(), serde_json::from_slice::<Value>(&before).unwrap());
    std::fs::write(out.join("run.json"), &before[..before.len() / 2]).unwrap();
    loadgen(&format!("report {}", out.display())).refused(2, "run.json");
}

#[test]
fn stages_are_steps_with_ledgers_of_their_own() {
    let target = queue();
    let run = loadgen(&format!(
        "--stages 500ms:200,1s:200-400,500ms:100 --no-report -q --json - http://{}/",
        target.address()
    ))
    .json();
    let planned: Vec<_> = (0..3).map(|n| run["steps"][n]["counts"]["planned"].as_u64().unwrap()).collect();
    assert_eq!(planned, [100, 300, 50]);
    assert_eq!(run["planned"], 450);
    assert!(conserved(&run));
}

#[test]
fn poisson_arrivals_come_from_the_seed_for_any_number_of_threads() {
    let target = queue();
    let planned = |more: &str| {
        let line = format!(
            "--rps 300 -d 1s --arrivals poisson --no-report -q --json - {more} http://{}/",
            target.address()
        );
        loadgen(&line).json()["planned"].as_u64().unwrap()
    };
    let one = planned("--seed 5 --threads 1");
    assert_eq!(one, planned("--seed 5 --threads 3"));
    assert_ne!(one, planned("--seed 6"));
}

#[test]
fn without_a_rate_the_loop_is_closed_and_says_so() {
    let target = queue();
    let ended = loadgen(&format!("-c 4 -d 1s --no-report --json - http://{}/", target.address()));
    let run = ended.json();
    assert_eq!(run["loop"], "closed");
    assert!(run["connections_max"] == 4 && conserved(&run) && run["ok"].as_u64() > Some(100), "{run}");
    assert!(ended.err.contains("closed loop"), "{}", ended.err);
}

#[test]
fn a_target_that_dies_is_named_with_its_time_and_the_run_goes_on() {
    let target = queue();
    let run =
        Running::loadgen(&format!("--rps 200 -d 3s -o out --json out.json http://{}/", target.address()));
    until("the load has begun", || arrivals(&target) > 100);
    let _ = target.end(Signal::KILL);
    let ended = run.wait();
    assert_eq!(ended.code, 3, "{ended:?}");
    let text = std::fs::read(ended.dir.path().join("out.json")).unwrap();
    let run: Value = serde_json::from_slice(&text).unwrap();
    assert!(conserved(&run) && run["planned"] == 600 && run["partial"] == false, "{run}");
    let died = run["died_at_s"].as_f64().unwrap();
    assert!(died > 0.4 && died < 3.0, "{died}");
    assert!(run["errors"]["connect"].as_u64() > Some(10));
    assert!(ended.out.contains("died"), "{}", ended.out);
}

#[test]
fn an_interrupted_run_leaves_a_partial_record_that_adds_up() {
    let target = queue();
    let run = Running::loadgen(&format!("--rps 200 -d 60s -o out --json - http://{}/", target.address()));
    until("the load has begun", || arrivals(&target) > 100);
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    let run = ended.json();
    assert!(run["partial"] == true && conserved(&run), "{run}");
    assert!(run["duration_s"].as_f64() < Some(50.0) && run["planned"].as_u64() < Some(10_000));
    assert!(ended.dir.path().join("out/timeline.png").is_file());
    assert_eq!(ended.code, code(&run, 0), "{ended:?}");
}

#[test]
fn a_threshold_that_does_not_hold_fails_the_run() {
    let target = queue();
    for (rule, passes) in [("p50<0.5ms", false), ("errors<1%", true), ("rps>100", true), ("max>9s", false)] {
        let line = format!(
            "--rps 200 -d 1s --no-report -q --json - --threshold {rule} http://{}/",
            target.address()
        );
        let ended = loadgen(&line);
        let run = ended.json();
        assert_eq!(run["thresholds"][0]["passed"], passes, "{run}");
        assert_eq!(ended.code, code(&run, i32::from(!passes)), "{run}");
    }
    let line = format!("--rps 200 -d 1s --no-report -q --threshold p99.99<1s http://{}/", target.address());
    assert_eq!(loadgen(&line).code, 4, "200 requests are too few to say");
}

#[test]
fn past_the_backlog_requests_are_dropped_and_counted() {
    let target = Target::start("queue --workers 1 --service 100ms");
    let line = format!(
        "--rps 200 -d 1s -c 2 --max-backlog 5 -t 2s --no-report -q --json - http://{}/",
        target.address()
    );
    let run = loadgen(&line).json();
    assert!(conserved(&run) && run["planned"] == 200, "{run}");
    assert!(run["dropped"].as_u64() > Some(100) && run["connections_max"] == 2, "{run}");
}

#[test]
fn with_no_backlog_allowed_requests_still_get_a_connection_opened() {
    let target = queue();
    let run = loadgen(&format!(
        "--rps 50 -d 1s --max-backlog 0 --no-report -q --json - http://{}/",
        target.address()
    ))
    .json();
    assert!(conserved(&run) && run["sent"].as_u64() > Some(40), "{run}");
}

#[test]
fn no_more_connections_are_opened_than_allowed_whatever_the_threads() {
    let target = queue();
    let line =
        format!("--rps 200 -d 1s -c 1 --threads 3 --no-report -q --json - http://{}/", target.address());
    let run = loadgen(&line).json();
    assert!(run["connections_max"] == 1 && run["generator"]["threads"] == 1 && conserved(&run), "{run}");
}

#[test]
fn a_closed_loop_whose_target_dies_goes_on_counting() {
    let target = queue();
    let line = format!("-c 4 -d 2s --no-report -q --json - http://{}/", target.address());
    let run = Running::loadgen(&line);
    until("the load has begun", || arrivals(&target) > 100);
    let _ = target.end(Signal::KILL);
    let ended = run.wait();
    let run = ended.json();
    assert!(ended.code == 3 && conserved(&run) && run["errors"]["connect"].as_u64() > Some(10), "{run}");
    let dead = run["timeline"]["bins"].as_array().unwrap().last().unwrap();
    assert!(
        dead["errors"].as_u64() > Some(0) && dead["max_ms"].as_f64() > Some(0.0),
        "failing takes time: {dead}"
    );
}

#[test]
fn a_name_server_is_asked_again_and_the_record_says_so() {
    let (target, dns) = (queue(), Target::start("dns --ttl 1 --address 127.0.0.1 --address 127.0.0.2"));
    let port = target.address().rsplit(':').next().unwrap();
    let line = format!(
        "--rps 100 -d 3s --no-report -q --json - --resolver {} http://www.foobar.com:{port}/",
        dns.address()
    );
    let run = loadgen(&line).json();
    let asked = &run["dns"];
    // The second address refuses: a connection goes to the next one.
    assert_eq!((run["ok"].as_u64(), asked["failures"].as_u64()), (Some(300), Some(0)), "{run}");
    assert_eq!(asked["addresses"], serde_json::json!(["127.0.0.1", "127.0.0.2"]));
    assert!(asked["lookups"].as_u64() >= Some(3) && asked["ttl_s"] == 1, "{asked}");
    assert!(asked["max_ms"].as_f64() >= asked["first_ms"].as_f64() && asked["server"] == dns.address());
}

#[test]
fn a_unix_socket_and_another_address_can_be_loaded() {
    let target = queue();
    let line = format!(
        "--rps 100 -d 1s --no-report -q --json - --connect-to shop.test:80:{} http://shop.test/",
        target.address()
    );
    assert_eq!(loadgen(&line).json()["ok"], 100);
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                while matches!(stream.read(&mut [0; 4096]), Ok(n) if n > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            });
        }
    });
    let line = format!("--rps 100 -d 1s --no-report -q --json - --unix-socket {} http://x/", path.display());
    assert_eq!(loadgen(&line).json()["ok"], 100);
}
