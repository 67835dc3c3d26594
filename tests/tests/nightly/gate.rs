//! The gate from two commands to all that it leaves.

use super::build::executable;
use super::{ended_with, has, scripts, told};
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

#[test]
fn what_would_be_refused_at_the_end_is_refused_before_anything_is_measured() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for (words, said) in [
        ("--delta p50_ms=5", "--delta p50_ms=5: `5`: write a percentage"),
        ("--delta p50_ms=off --delta p50_ms", "--delta p50_ms: write it as METRIC=SHARE"),
        ("--slow 0%=x", "--slow 0%=x: it is a share from"),
        ("--slow 1001%=x", "--slow 1001%=x: it is a share from"),
        ("--slow 10=x", "write it as SHARE=TARGET"),
        ("--history .", "--history .: that is a directory"),
        ("--history file/a", "--history file/a: its directory cannot be made"),
        ("--markdown file/a", "--markdown file/a: its directory"),
        ("--pictures https://a", "--pictures is for --markdown"),
        ("--out file/out", "--out file/out: it cannot be made"),
        ("--out file", "--out file: it cannot be made"),
        ("--out", "--out needs a value"),
        ("--history --annotate", "--history needs a value"),
        ("--fast", "`--fast` is no option"),
    ] {
        let mut command = Command::new(scripts().join("gate"));
        command.env("LOADGEN", binary("loadgen")).current_dir(dir.path());
        command.args(["--base", "touch started", "--candidate", "touch started", "--out", "out"]);
        let told = ended_with(&command.args(words.split(' ')).output().unwrap(), 2);
        assert!(told.contains(said) && told.lines().count() == 1, "{words}: {told}");
        assert!(!dir.path().join("out/first").exists() && !dir.path().join("started").exists(), "{words}");
    }
}

/// Stands in for the generator: what is measured is worse, as often as it is measured; the second time ends as it is told.
const WORSE: &str = r#"#!/usr/bin/env bash
echo "$*" >>told
words=("$@")
for ((n = 0; n < $#; n++)); do
    case ${words[n]} in
        --help) exit ;;
        --out) out=${words[n + 1]} ;;
        --history) history=${words[n + 1]} ;;
        --junit) junit=${words[n + 1]} ;;
    esac
done
case $1:$out in
    pairs:*/again) [ "$MEASURED" -eq 0 ] || exit "$MEASURED" ;;&
    pairs:*) mkdir -p "$out"/{base,candidate,control} ;;
    compare:*/again/compare) [ "$JUDGED" -eq 0 ] || exit "$JUDGED" ;;&
    compare:*)
        mkdir -p "$out" && touch "$out/compare.json"
        case "$*" in *--quiet*) ;; *) echo "table of $out" ;; esac
        [ -z "${junit:-}" ] || touch "$junit"
        [ -z "${history:-}" ] || echo '{"of":"'"$out"'"}' >>"$history"
        exit 1
        ;;
esac
"#;

#[test]
fn what_the_first_measurement_said_is_not_lost_with_the_second() {
    for (measured, judged, code, of) in
        [("3", "0", 3, "first"), ("4", "0", 4, "first"), ("0", "2", 2, "first"), ("0", "0", 1, "again")]
    {
        let dir = TempDir::new().unwrap();
        let generator = dir.path().join("loadgen");
        executable(&generator, WORSE);
        let mut command = Command::new(scripts().join("gate"));
        command.env("LOADGEN", &generator).env("MEASURED", measured).env("JUDGED", judged);
        command.args(["--base", "a", "--candidate", "b", "--out", "out", "--history", "all", "--annotate"]);
        let told = ended_with(&command.current_dir(dir.path()).output().unwrap(), code);
        let history = std::fs::read_to_string(dir.path().join("all")).unwrap();
        assert_eq!(history, format!("{{\"of\":\"out/{of}/compare\"}}\n"));
        assert!(dir.path().join("out/junit.xml").is_file());
        assert_eq!(told.matches("table of out/first/compare").count(), 1, "{told}");
        let last = told.lines().last().unwrap();
        assert_eq!(last.contains("looked worse") && last.contains("out/first/compare"), code != 1, "{told}");
    }
}
