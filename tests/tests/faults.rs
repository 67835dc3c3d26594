//! Runs against a server that misbehaves: nothing is lost, every fault has its name, and every run ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::rogue::{ALL, Deed, Outcome, Rogue, Script};
use e2e::{conserved, loadgen};
use serde_json::Value;

fn run(options: &str, rogue: &Rogue) -> Value {
    loadgen(&format!("{options} --no-report -q --json - {}", rogue.aim())).json()
}

fn n(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// What requests ended as: each kind of error that there was, with its number.
fn errors(run: &Value) -> Vec<(&str, u64)> {
    let all = run["errors"].as_object().unwrap().iter();
    all.map(|(kind, count)| (kind.as_str(), n(count))).filter(|(_, count)| *count > 0).collect()
}

/// The ledger of the whole run and of each step; and that the times are those of the requests that ended.
fn adds_up(run: &Value) {
    assert!(conserved(run), "{run}");
    let ended = n(&run["planned"]) - n(&run["dropped"]) - n(&run["unfinished"]);
    assert_eq!(n(&run["response_ms"]["count"]), ended, "{run}");
    assert_eq!(run["ok_response_ms"]["count"], run["ok"], "{run}");
    let mut planned = 0;
    for step in run["steps"].as_array().unwrap() {
        assert!(conserved(&step["counts"]), "{step}");
        planned += if step["counted"] == true { n(&step["counts"]["planned"]) } else { 0 };
    }
    assert_eq!(n(&run["planned"]), planned, "{run}");
}

/// A server that does one thing only: every request of a run ends as that.
fn only(deed: Deed) {
    // Only what never ends is waited for in vain; what else takes long is a busy machine's.
    let timeout = if deed.outcome() == Outcome::Timeout { "300ms" } else { "20s" };
    for rogue in [Rogue::tcp(Script::Always(deed)), Rogue::unix(Script::Always(deed))] {
        rogue.let_go();
        let run = run(&format!("--rps 100 -d 500ms -c 20 -t {timeout}"), &rogue);
        adds_up(&run);
        assert_eq!(n(&run["planned"]), 50, "{deed:?}: {run}");
        match deed.outcome().error() {
            // A request may meet the end of a connection that it had no reason to mistrust.
            None if deed.closes_kept() => {
                let resets = n(&run["errors"]["reset"]);
                assert_eq!(n(&run["ok"]) + resets, 50, "{deed:?}: {run}");
            }
            None => assert_eq!((n(&run["ok"]), errors(&run)), (50, vec![]), "{deed:?}: {run}"),
            Some(kind) => assert_eq!(errors(&run), [(kind, 50)], "{deed:?}: {run}"),
        }
    }
}

#[test]
fn every_fault_is_counted_under_its_own_kind() {
    for some in ALL.chunks(8) {
        std::thread::scope(|all| some.iter().for_each(|deed| drop(all.spawn(|| only(*deed)))));
    }
}
