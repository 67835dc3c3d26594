//! Traced requests from outside: of the reference target, of one that tells nothing, of one that is not there. What is drawn follows from
//! what was measured, and nothing is left behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::rogue::{Deed, Rogue, Script};
use e2e::stack::dir;
use e2e::{Target, loadgen};
use serde_json::Value;
use std::path::Path;

fn parts(trace: &Value) -> Vec<&str> {
    trace["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect()
}

/// What holds for each record: the client's times are one another's sequel, and a part lies within what it is a part of.
fn adds_up(trace: &Value) {
    let ms = |value: &Value| value.as_f64().unwrap_or(0.0);
    for asked in trace["requests"].as_array().unwrap() {
        let phases = ["name_ms", "connect_ms", "tls_ms", "wait_ms", "receive_ms"];
        let sum: f64 = phases.iter().map(|name| ms(&asked[*name])).sum();
        assert!((sum - ms(&asked["total_ms"])).abs() < 1e-6 * (1.0 + sum), "{asked}");
    }
    let all = trace["parts"].as_array().unwrap();
    for part in all {
        let Some(of) = part["of"].as_u64().map(|of| &all[of as usize]) else { continue };
        let [from, to] = [part, of].map(|one| ms(&one["start_ms"]));
        assert!(
            from >= to && from + ms(&part["length_ms"]) <= to + ms(&of["length_ms"]) + 1e-9,
            "{part} in {of}"
        );
    }
}

fn drawn(dir: &Path) {
    let picture = std::fs::read(dir.join("waterfall.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000);
    assert!(std::fs::read_to_string(dir.join("report.html")).unwrap().contains("From name to page"));
}

#[test]
fn the_reference_target_is_followed_through_all_tiers() {
    let ended = loadgen("trace --scale small --count 3 --service 5ms --out out --json -");
    assert_eq!(ended.code, 0, "{ended:?}");
    let (trace, out) = (ended.json(), ended.dir.path().join("out"));
    assert_eq!(trace["schema"], "loadgen.trace/1");
    assert_eq!(
        parts(&trace),
        [
            "name", "connect", "wait", "send", "proxy", "upstream", "app", "queue", "service", "pool", "db",
            "page", "receive"
        ]
    );
    adds_up(&trace);
    drawn(&out);
    assert_eq!((trace["requests"].as_array().unwrap().len(), &trace["partial"]), (3, &Value::Bool(false)));
    assert!(trace["emulated"].to_string().contains("5ms"), "{trace}");
    assert!(ended.err.contains("from name to page") && ended.err.contains("app: database"), "{}", ended.err);

    // From the record alone it is drawn again, and only as it was.
    std::fs::remove_file(out.join("waterfall.png")).unwrap();
    let again = loadgen(&format!("report {}", out.display()));
    assert!(again.code == 0 && again.out.contains("from name to page"), "{again:?}");
    drawn(&out);
    let mut changed = trace;
    changed["parts"][6]["took_ms"] = Value::from(0.5);
    std::fs::write(out.join("trace.json"), changed.to_string()).unwrap();
    loadgen(&format!("report {}", out.display())).refused(2, "it was changed");
}

#[test]
fn a_users_own_target_tells_what_it_tells() {
    let stack = Target::start("up --scale small");
    let (url, resolver) = (stack.said["url"].as_str().unwrap(), stack.said["resolver"].as_str().unwrap());
    let ended = loadgen(&format!(
        "trace {url}products/7 --resolver {resolver} -H X-Request-ID:mine-1 --out out --json - -q"
    ));
    let trace = ended.json();
    assert_eq!((ended.code, ended.err.as_str(), &trace["resolver"]), (0, "", &Value::from(resolver)));
    assert_eq!(trace["requests"][0]["id"], "mine-1");
    let log = dir(&stack).join("access.log");
    e2e::until("it is in the log", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains(" mine-1 "))
    });
    adds_up(&trace);

    // By an address, without a word of the target's.
    let queue = Target::start("queue --workers 1 --service 2ms");
    let ended = loadgen(&format!("trace http://{}/ --out out --json - -q", queue.address()));
    let trace = ended.json();
    assert_eq!((ended.code, parts(&trace)), (0, vec!["connect", "wait", "send", "receive"]), "{trace}");
    assert!(trace["verdict"]["reasons"].to_string().contains("no Server-Timing"), "{trace}");
    adds_up(&trace);
}

#[test]
fn who_is_not_there_or_breaks_off_is_said_in_one_line() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broken = Rogue::tcp(Script::Always(Deed::HalfBody));
    for (arguments, code, part) in [
        (format!("trace http://{dead}/"), 3, "no connection to 127.0.0.1:"),
        (format!("trace {}", broken.aim()), 3, "the connection ended before the answer did"),
        ("trace http://nothing.invalid/".into(), 3, "nothing.invalid"),
        ("trace localhost:80".into(), 2, "http://host:port/path"),
        ("trace --count 0".into(), 2, "--count"),
        ("trace --path products".into(), 2, "is no path"),
        ("trace http://h/ --path /x".into(), 2, "--path"),
        ("trace --resolver 127.0.0.1:53".into(), 2, "URL"),
        ("trace https://127.0.0.1/ --cacert /nonexistent".into(), 2, "/nonexistent"),
    ] {
        let ended = loadgen(&format!("{arguments} -q"));
        ended.refused(code, part);
        let left = std::fs::read_dir(ended.dir.path()).unwrap().count();
        assert!(
            left == 0
                || !ended
                    .dir
                    .path()
                    .join("reports/runs")
                    .read_dir()
                    .is_ok_and(|mut runs| runs.next().is_some())
        );
    }
}
