//! The history of the nightly gate as a user sees it: `loadgen trend`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Ended, loadgen};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A night of this number.
fn night(n: usize) -> String {
    let rps = if n < 20 { 2_000 } else { 1_500 } + n % 3;
    let figure = |what: &str, unit: &str, better: &str, value: usize| {
        format!(
            r#"{{"what":"{what}","unit":"{unit}","better":"{better}","delta":0.05,"base":{value},"candidate":{value},"ratio":1.0,"ci95":[0.99,1.01],"call":"pass"}}"#
        )
    };
    let at = format!("2026-{:02}-{:02}T02:00:00Z", 1 + n / 28, 1 + n % 28);
    format!(
        r#"{{"schema":"loadgen.history/1","id":"{at} c{n}","at":"{at}","base":"b","candidate":"c{n}","host":{{"cpu":"a CPU","cpus":2,"kernel":"6.18"}},"load":"","call":"pass","alarm":{},"self_test":[{{"slowdown":0.1,"found":true}}],"metrics":{{"ceiling_rps":{},"p50_ms":{}}}}}"#,
        n == 3,
        figure("ceiling", "requests/s", "higher", rps),
        figure("median", "ms", "lower", 2),
    ) + "\n"
}

fn trend(dir: &Path, history: &str, options: &str) -> Ended {
    let file = dir.join("history.jsonl");
    fs::write(&file, history).unwrap();
    loadgen(&format!("trend {} {options}", file.display()))
}

#[test]
fn a_history_is_drawn_told_and_exported() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().display();
    let history: String = (0..40).map(night).collect();
    let options =
        format!("-o {at}/drawn --json {at}/t.json --github-benchmark {at}/b.json --otava {at}/o.csv");
    let ended = trend(dir.path(), &(history + "{\"torn\":"), &options);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in [
        "40 nights",
        "a slowdown by 10 % found in 40 of 40",
        "false alarms in 1 of 40",
        "line 41 is left out",
        "c20",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(fs::metadata(dir.path().join("drawn/trend.png")).unwrap().len() > 10_000);
    assert!(read("drawn/report.html").contains("c20"));
    let json: serde_json::Value = serde_json::from_str(&read("t.json")).unwrap();
    assert_eq!(
        (&json["schema"], &json["metrics"][0]["changes"][0]["night"]),
        (&"loadgen.trend/1".into(), &20.into())
    );
    let bench: serde_json::Value = serde_json::from_str(&read("b.json")).unwrap();
    assert_eq!((&bench[0]["name"], &bench[0]["value"]), (&"p50_ms".into(), &2.0.into()));
    assert!(read("b.bigger.json").contains("\"ceiling_rps\""));
    assert_eq!(read("o.csv").lines().count(), 41);
    assert!(read("o.csv.yaml").contains("type: csv"));
}

#[test]
fn an_empty_history_is_said_and_none_is_wrong_use() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().display();
    let ended = trend(dir.path(), "", &format!("--github-benchmark {at}/b.json"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.starts_with("The history is empty\n") && ended.out.contains("left out"),
        "{}",
        ended.out
    );
    assert!(!ended.dir.path().join("reports").exists() && !dir.path().join("b.json").exists());
    let ended = trend(dir.path(), &night(0), &format!("-q -o {at}/one"));
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (0, "", ""));
    assert!(dir.path().join("one/trend.png").is_file());
    // Nothing is left of a history that is empty now.
    let ended = trend(dir.path(), "", &format!("-o {at}/one"));
    assert!(ended.code == 0 && !dir.path().join("one/trend.png").exists());
    loadgen(&format!("trend {at}/none")).refused(2, "there is no history");
    loadgen(&format!("trend {at}")).refused(2, "it is no file");
    trend(dir.path(), &night(0), "-o /proc/nowhere").refused(2, "/proc/nowhere");
}
