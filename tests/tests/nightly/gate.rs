//! The gate from two commands to all that it leaves.

use super::{has, scripts, told};
use e2e::binary;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// So often a machine may be too busy before nothing is judged.
const TRIES: usize = 3;

/// A command that starts a queue.
fn queue(service: &str) -> String {
    format!("exec {} queue --cpus {{cpus}} --workers 8 --service {service}", binary("target-stack").display())
}

/// The gate over two commands, in ten short pairs; gives how it ended, and where all of it is.
fn gate(candidate: &str, more: &[&str]) -> (Output, TempDir) {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new(scripts().join("gate"));
    command.env("LOADGEN", binary("loadgen")).current_dir(dir.path());
    command.args([
        "--base",
        &queue("2ms"),
        "--candidate",
        candidate,
        "--out",
        "out",
        "--history",
        "nightly.ndjson",
    ]);
    command.args(["--markdown", "summary.md", "--annotate"]).args(more);
    command.args("-- --patience 0s --pairs 10 --rps 150 -d 400ms --warmup 0s --arrivals even".split(' '));
    (command.output().unwrap(), dir)
}

/// What is there at the end whatever the verdict is.
fn complete(dir: &Path, last: &str) {
    has(
        dir,
        &[
            "nightly.ndjson",
            "summary.md",
            "out/junit.xml",
            "out/trend/trend.png",
            "out/benchmark.json",
            "out/otava.csv",
        ],
    );
    has(&dir.join("out").join(last), &["compare/compare.json", "compare/compare.png", "pairs.json"]);
    let history = std::fs::read_to_string(dir.join("nightly.ndjson")).unwrap();
    assert_eq!(history.lines().count(), 1, "{history}");
    // What scripts/history takes for a line, and scripts/nightly-ci reads of it.
    assert!(history.starts_with('{') && history.ends_with("}\n"), "{history}");
    let night: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(night["schema"], "loadgen.history/1");
    assert!(["call", "candidate", "base"].iter().all(|field| night[field].is_string()), "{history}");
}

#[test]
fn the_gate_lets_the_same_pass_and_stops_what_is_slower() {
    let slow = format!("100%={}", queue("4ms"));
    let (ended, dir) = gate(&queue("2ms"), &["--slow", &slow, "--candidate-revision", "1a2b3c4"]);
    assert!([0, 4].contains(&ended.status.code().unwrap()), "the same is no worse: {}", told(&ended));
    let last = if dir.path().join("out/again").is_dir() { "again" } else { "first" };
    complete(dir.path(), last);
    for _ in 0..TRIES {
        let (ended, dir) = gate(&queue("4ms"), &[]);
        match ended.status.code() {
            Some(1) => {
                complete(dir.path(), "again");
                let said = told(&ended);
                assert!(said.contains("measuring once more") && said.contains("::error "), "{said}");
                let junit = std::fs::read_to_string(dir.path().join("out/junit.xml")).unwrap();
                return assert!(junit.contains("<failure"), "{junit}");
            }
            Some(4) => {}
            _ => panic!("twice as slow is worse: {}", told(&ended)),
        }
    }
    eprintln!(
        "NOT JUDGED: whatever else this machine does left too few runs to say that twice as slow is worse"
    );
}
