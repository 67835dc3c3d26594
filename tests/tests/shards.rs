//! One load from several machines, from outside: what the shards send together is what one machine sends, and merging says what is
//! missing, late, or not of one load.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::origin::Origin;
use e2e::{Ended, Running, conserved, loadgen};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// Each session asks for a row that no other one has, and for a random number; some of them elsewhere.
const SCENARIO: &str = r#"
[data.rows]
file = "rows.csv"
pick = "unique"

[[interaction]]
name = "ask"
path = "/{{rows.id}}-{{n}}/fresh"

[[interaction]]
name = "look"
path = "/{{rows.id}}-{{n}}/other"

[generate.n]
kind = "int"
from = 1
to = 1000000
"#;

/// What a load of 60 requests at 60/s asks for, sorted, in as many shards as there are; and their records' directory.
fn asked(shards: u32, arrivals: &str) -> (Vec<String>, TempDir) {
    let (origin, dir) = (Origin::start(), TempDir::new().unwrap());
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("s.toml"), SCENARIO).unwrap();
    let rows: String = (0..100).map(|row| format!("r{row}\n")).collect();
    std::fs::write(at("rows.csv"), format!("id\n{rows}")).unwrap();
    let options = format!(
        "--rps 60 -d 1s --seed 7 --arrivals {arrivals} --threads 2 --scenario {} --no-progress http://{}/",
        at("s.toml"),
        origin.address
    );
    let all: Vec<Running> = (1..=shards)
        .map(|index| {
            let shard = if shards > 1 { format!("--shard {index}/{shards}") } else { String::new() };
            Running::loadgen(&format!("{options} {shard} --out {}", at(&index.to_string())))
        })
        .collect();
    for ended in all.into_iter().map(Running::wait) {
        assert!([0, 4].contains(&ended.code), "{ended:?}");
    }
    let mut asked = origin.asked();
    asked.sort_unstable();
    (asked, dir)
}

fn record(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("run.json")).unwrap()).unwrap()
}

fn merge(dir: &Path, names: &[&str], options: &str) -> Ended {
    let dirs: Vec<String> = names.iter().map(|name| dir.join(name).display().to_string()).collect();
    loadgen(&format!("merge {} --out {} {options}", dirs.join(" "), dir.join("out").display()))
}

#[test]
fn the_shards_of_a_load_send_what_one_machine_sends_and_are_merged_to_its_record() {
    for arrivals in ["even", "poisson"] {
        let (of_one, _) = asked(1, arrivals);
        let (of_three, dir) = asked(3, arrivals);
        assert!(of_one.len() > 30 && of_one == of_three, "{arrivals}: {of_one:?} and {of_three:?}");
        let ended = merge(dir.path(), &["1", "2", "3"], "");
        assert!([0, 4].contains(&ended.code), "{ended:?}");
        let out = dir.path().join("out");
        let merged = record(&out);
        assert!(conserved(&merged) && merged["planned"] == of_one.len(), "{merged}");
        let sum = |of: &str| {
            (1..=3).map(|n| record(&dir.path().join(n.to_string()))[of].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!((merged["ok"].as_u64(), merged["sent"].as_u64()), (Some(sum("ok")), Some(sum("sent"))));
        assert_eq!(merged["steps"][0]["from_rps"], 60.0);
        let indices: Vec<_> =
            merged["shards"].as_array().unwrap().iter().map(|one| one["index"].as_u64()).collect();
        assert_eq!(indices, [Some(1), Some(2), Some(3)]);
        // The times of each interaction are those of all, and said to be.
        let counted = |n: usize| merged["interactions"][n]["response_ms"]["count"].as_u64().unwrap();
        let ended: u64 = merged["response_ms"]["count"].as_u64().unwrap();
        assert!(counted(0) > 5 && counted(1) > 5 && counted(0) + counted(1) == ended, "{merged}");
        assert!(merged["interactions"][1]["response_ms"]["p50"].is_f64(), "{merged}");
        let log = std::fs::read_to_string(out.join("latency.hlog")).unwrap();
        assert!(log.contains("\nTag=interaction-1,0.000,"), "{log}");
        for file in ["timeline.png", "percentiles.png", "heatmap.png", "report.html", "latency.hlog"] {
            assert!(out.join(file).is_file(), "{file}");
        }
        // It is read as any other record: what is in it follows from its histograms.
        let again = loadgen(&format!("report {} --json -", out.display()));
        assert_eq!(
            (again.code, again.json()["planned"].clone()),
            (0, merged["planned"].clone()),
            "{again:?}"
        );
    }
}

#[test]
fn what_is_missing_twice_there_or_not_of_one_load_is_named() {
    let (_, dir) = asked(2, "even");
    let ended = merge(dir.path(), &["1"], "");
    assert!(ended.code == 4 && ended.out.contains("1 shard of 2 missing: 2"), "{ended:?}");
    merge(dir.path(), &["1", "2", "1"], "").refused(2, "both are shard 1 of 2");
    let (_, other) = asked(3, "even");
    let third = other.path().join("3").display().to_string();
    merge(dir.path(), &["1", &third], "").refused(2, "they are not of one load: shards: 2 and 3");
    let (_, alone) = asked(1, "even");
    let whole = alone.path().join("1").display().to_string();
    merge(dir.path(), &[&whole], "").refused(2, "it is no shard's record");
    let log = dir.path().join("2/latency.hlog");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, &text[..text.len() - 40]).unwrap();
    let ended = merge(dir.path(), &["1", "2"], "--threshold rps>55");
    assert!(
        ended.code == 4 && ended.out.contains("cut off") && ended.out.contains("missing: 2"),
        "{ended:?}"
    );
    assert_eq!(record(&dir.path().join("out"))["thresholds"][0]["passed"], false);
    // A shard that was killed leaves its log without a record, and is missing; what is merged is nobody's to be replaced.
    std::fs::remove_file(dir.path().join("2/run.json")).unwrap();
    let ended = merge(dir.path(), &["1", "2"], "");
    assert!(ended.code == 4 && ended.out.contains("2: there is no record of a run in it"), "{ended:?}");
    let own = dir.path().join("1").display().to_string();
    let above = dir.path().display().to_string();
    let elsewhere = dir.path().join("elsewhere").display().to_string();
    for (place, option) in [
        (format!("--out {own}"), "--out: the record of a shard in "),
        (format!("--out {above}"), "--out: "),
        (format!("--out {elsewhere} --json {own}/run.json"), "--json: "),
        (format!("--out {elsewhere} --junit {own}/latency.hlog"), "--junit: "),
    ] {
        loadgen(&format!("merge {own} {place}")).refused(2, option);
    }
    assert_eq!(record(&dir.path().join("1"))["shard"]["index"], 1);
    merge(dir.path(), &["nowhere"], "").refused(2, "nowhere: No such file");
}

#[test]
fn a_load_of_one_shard_is_merged_as_any_other() {
    let (origin, dir) = (Origin::start(), TempDir::new().unwrap());
    let one = dir.path().join("1").display().to_string();
    let ended =
        loadgen(&format!("--rps 60 -d 1s --shard 1/1 --no-report --out {one} http://{}/", origin.address));
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let ended = merge(dir.path(), &["1"], "");
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let merged = record(&dir.path().join("out"));
    assert_eq!((&merged["planned"], &merged["shards"][0]["of"]), (&Value::from(60), &Value::from(1)));
}

#[test]
fn a_shard_that_cannot_be_is_refused_before_anything_is_sent() {
    for (options, code, said) in [
        ("--rps 9 --shard 4/3 http://127.0.0.1:1/", 2, "of 3 shards the first is 1/3"),
        ("--rps 9 --shard 0/3 http://127.0.0.1:1/", 2, "of 3 shards the first is 1/3"),
        ("--rps 9 --shard one http://127.0.0.1:1/", 2, "write it as I/N"),
        ("--rps 9 --shard 1/3", 2, "machines that share a load need one target"),
        ("--rps 9 --shard 1/3 --threshold errors<1% http://127.0.0.1:1/", 2, "give it to loadgen merge"),
        ("--rps 9 --start-at noon http://127.0.0.1:1/", 2, "write it as RFC 3339"),
        (
            "--rps 9 --start-at 2020-01-01T00:00:00Z http://127.0.0.1:1/",
            4,
            "a shard that begins late is none of the load",
        ),
        ("--rps 9 --start-at 2999-01-01T00:00:00Z http://127.0.0.1:1/", 2, "more than a day ahead"),
    ] {
        loadgen(options).refused(code, said);
    }
}
