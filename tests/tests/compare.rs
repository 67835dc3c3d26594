//! Comparing two sets of records from outside: what cannot be compared is refused in one line, what may differ all the same is marked, and
//! of too few pairs nothing is promised.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Ended, loadgen};
use std::path::Path;
use tempfile::TempDir;

/// Two sets of two searches each, of which the second one's are changed; and the comparison of them.
fn compared(change: impl Fn(&str) -> String, options: &str) -> Ended {
    let dir = TempDir::new().unwrap();
    let recorded =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("reports/reference/ceiling/workers");
    let record = std::fs::read_to_string(recorded.join("ceiling.json")).unwrap();
    // Begun at another time it is another search.
    let later = change(&record.replace("\"started_at\": \"2026", "\"started_at\": \"2027"));
    for (set, text) in [("base", &record), ("candidate", &later)] {
        for name in ["01", "02"] {
            let place = dir.path().join(set).join(name);
            std::fs::create_dir_all(&place).unwrap();
            // And each of a set is another than its neighbour.
            let century = if name == "01" { "20" } else { "19" };
            let text = text.replace("\"started_at\": \"20", &format!("\"started_at\": \"{century}"));
            std::fs::write(place.join("ceiling.json"), text).unwrap();
        }
    }
    let at = dir.path().display();
    loadgen(&format!("compare {at}/base {at}/candidate --out {at}/out {options}"))
}

#[test]
fn of_too_few_pairs_nothing_is_promised() {
    let ended = compared(str::to_owned, "--json -");
    assert_eq!(ended.code, 4, "{ended:?}");
    let found = ended.json();
    assert_eq!(
        (&found["call"], &found["metrics"][0]["pairs"][1]["name"]),
        (&"inconclusive".into(), &"02".into())
    );
    assert!(ended.err.contains("ceiling: 2 pairs, and 8 are needed"), "{ended:?}");
}

#[test]
fn what_differs_is_refused_or_marked() {
    for (from, to, word) in [
        ("\"cpu\": \"", "\"cpu\": \"Another ", "machine"),
        ("\"commit\": \"", "\"commit\": \"f", "generator"),
    ] {
        let change = |record: &str| record.replacen(from, to, 1);
        compared(change, "").refused(2, &format!("say --allow {word}"));
        let ended = compared(change, &format!("--allow {word}"));
        assert!(ended.code == 4 && ended.out.contains("not the same on both sides: "), "{word}: {ended:?}");
    }
    let schema = |record: &str| record.replace("loadgen.ceiling/1", "loadgen.ceiling/2");
    compared(schema, "").refused(2, "\"loadgen.ceiling/2\" is not loadgen.ceiling/1");
    let same = |record: &str| record.replace("\"started_at\": \"2027", "\"started_at\": \"2026");
    compared(same, "").refused(2, "they are the same records");
    compared(str::to_owned, "--delta p51_ms=3%")
        .refused(2, "there is no metric `p51_ms`; there are ceiling_rps");
    loadgen("compare nowhere nowhere").refused(2, "nowhere: No such file");
}
