//! Scenarios from outside: what users do, in a file, against a target whose answers are known.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Target, conserved, loadgen};
use serde_json::Value;

/// Two kinds of sessions, of which one has two steps; the queue answers `served\n` to everything.
const SCENARIO: &str = r#"
[[interaction]]
name = "look"
weight = 3
path = "/look/{{n}}"
check = [{ body_contains = "served" }, { size = "7" }, { header = "content-type", contains = "text/plain" }]

[[interaction]]
name = "buy"

[[interaction.step]]
name = "ask"
path = "/ask"
check = [{ status = "200" }]

[[interaction.step]]
name = "pay"
method = "POST"
path = "/pay"
form = { key = "{{n}}" }

[generate.n]
kind = "counter"
"#;

fn queue() -> Target {
    Target::start("queue --workers 8 --service 1ms")
}

/// A run of `scenario` with these options.
fn run(scenario: &str, target: &Target, options: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let ended = loadgen(&format!(
        "--scenario {} {options} --json - --no-report http://{}/",
        file.display(),
        target.address()
    ));
    let run = ended.json();
    assert!(conserved(&run), "{run}");
    run
}

/// What became of an entry: planned, ok, errors of kind `check`.
fn entry(run: &Value, name: &str, step: &str) -> (u64, u64, u64) {
    let all = run["interactions"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == name && one["step"] == step).unwrap();
    (one["planned"].as_u64().unwrap(), one["ok"].as_u64().unwrap(), one["errors"]["check"].as_u64().unwrap())
}

#[test]
fn every_transport_sends_sessions_and_keeps_a_ledger_for_each_kind_of_request() {
    let target = queue();
    for transport in ["", "--transport hyper", "--transport reqwest", "--threads 2"] {
        let run = run(SCENARIO, &target, &format!("--rps 400 -d 1s {transport}"));
        let (look, ask, pay) =
            (entry(&run, "look", ""), entry(&run, "buy", "ask"), entry(&run, "buy", "pay"));
        for (planned, ok, _) in [look, ask, pay] {
            assert!(planned > 0 && planned == ok, "{transport}: {run}");
        }
        assert_eq!(look.0 + ask.0 + pay.0, run["planned"].as_u64().unwrap(), "{transport}");
        // A session that is begun at the very end may have its second step after it.
        assert!((0..=2).contains(&(ask.0 - pay.0)), "{transport}: {ask:?} {pay:?}");
        assert_eq!(run["sessions"]["begun"].as_u64().unwrap(), look.0 + ask.0, "{transport}");
        assert_eq!(run["sessions"]["failed"], 0, "{transport}");
        // Three in four sessions are of one request, the others of two: `--rps` counts requests.
        assert!((300..500).contains(&run["planned"].as_u64().unwrap()), "{transport}: {}", run["planned"]);
    }
}

#[test]
fn a_check_that_does_not_hold_ends_its_session_and_is_named() {
    let target = queue();
    for (line, named) in [
        (r#"check = [{ body_contains = "sold out" }]"#, "check 1: body contains"),
        (r#"extract = [{ var = "id", json = "/id" }]"#, "extract 1: json /id: the body is no JSON"),
        (r#"check = [{ status = "500-599" }]"#, "check 1: status 500-599"),
    ] {
        let scenario = SCENARIO
            .replace("path = \"/ask\"\ncheck = [{ status = \"200\" }]", &format!("path = \"/ask\"\n{line}"));
        for transport in ["", "--transport hyper"] {
            let run = run(&scenario, &target, &format!("--rps 200 -d 1s {transport}"));
            let (planned, ok, failed) = entry(&run, "buy", "ask");
            assert!(planned > 0 && ok == 0 && failed == planned, "{line} {transport}: {run}");
            assert_eq!(entry(&run, "buy", "pay").0, 0, "what depends on it never comes due: {line}");
            assert_eq!(run["errors"]["check"].as_u64().unwrap(), failed);
            assert_eq!(run["sessions"]["failed"].as_u64().unwrap(), failed);
            let checks = run["interactions"][1]["failed_checks"].as_object().unwrap();
            assert!(checks.keys().any(|name| name.starts_with(named)), "{checks:?}");
        }
    }
}

#[test]
fn users_of_a_closed_scenario_ask_again_when_they_have_been_answered_and_have_thought() {
    let target = queue();
    let scenario = format!("[sessions]\narrivals = \"closed\"\nusers = 20\n{SCENARIO}")
        .replace("path = \"/look/{{n}}\"", "path = \"/look/{{n}}\"\nthink = \"100ms\"");
    let run = run(&scenario, &target, "-d 1s");
    assert_eq!(run["loop"], "closed");
    let planned = run["planned"].as_u64().unwrap();
    assert!(run["ok"].as_u64().unwrap() == planned && planned > 100, "{run}");
    assert!(run["connections_max"].as_u64().unwrap() <= 20);
}
