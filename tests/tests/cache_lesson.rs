//! What a cache buys, from outside: each part in the least time, drawn and drawn again; an experiment that is interrupted keeps what it
//! has; wrong use is one line. Nothing of the stacks is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Ended, Running, loadgen, processes_with, runs, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whoever measures has the machine to himself.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of these parts in the least time, with an objective that a busy machine does not break.
fn quick(parts: &str) -> String {
    format!(
        "cache --parts {parts} --scale small --slo p99<300ms,errors<5% --budget 20s --short-valid 1s --slow 100ms --rps 100 \
         --out out --json -"
    )
}

fn n(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// Every part with a ledger.
fn ledgers(found: &Value) -> Vec<&Value> {
    let busy = ["uncached", "cached"].map(|way| &found[way]["busy"]["ledger"]);
    let others = list(&found["stampedes"]).iter().chain(list(&found["outages"])).map(|one| &one["ledger"]);
    busy.into_iter().filter(|ledger| !ledger.is_null()).chain(others).collect()
}

/// What holds for each record: no request is lost, and what is concluded is of what was measured.
fn adds_up(found: &Value) {
    for ledger in ledgers(found) {
        let parts = ["ok", "errors", "dropped", "unfinished"].map(|part| n(&ledger[part]));
        assert_eq!(n(&ledger["planned"]), parts.iter().sum::<u64>(), "{ledger}");
    }
    for way in ["uncached", "cached"].map(|way| &found[way]).into_iter().filter(|way| !way.is_null()) {
        assert_eq!(way["search"]["schema"], "loadgen.ceiling/1");
        let busy = &way["busy"];
        if let Some(per) = busy["queries_per_request"].as_f64() {
            let expected = n(&busy["db_queries"]) as f64 / n(&busy["ledger"]["planned"]) as f64;
            assert!((per - expected).abs() < 1e-9, "{busy}");
        }
    }
    for outage in list(&found["outages"]) {
        let sum = |part: usize| list(&outage["intervals"]).iter().map(|one| n(&one[part])).sum::<u64>();
        let ledger = &outage["ledger"];
        assert_eq!(
            (sum(0), sum(1)),
            (n(&ledger["ok"]), n(&ledger["errors"]) + n(&ledger["dropped"])),
            "{outage}"
        );
    }
}

/// Whether everything is drawn in `dir`.
fn drawn(dir: &Path) {
    for file in ["cache.png", "report.html"] {
        let bytes = std::fs::read(dir.join(file)).unwrap();
        assert!(bytes.len() > 1000 && (file != "cache.png" || bytes.starts_with(b"\x89PNG")), "{file}");
    }
}

/// Runs these parts to their end.
fn measured(parts: &str) -> (Ended, Value) {
    let alone = alone();
    let ended = loadgen(&quick(parts));
    drop(alone);
    let found = ended.json();
    adds_up(&found);
    let code = if found["verdict"]["valid"] == true { 0 } else { 4 };
    assert_eq!((ended.code, &found["partial"]), (code, &false.into()), "{ended:?}");
    assert_eq!((&found["schema"], &found["setting"]["items"]), (&"loadgen.cache/1".into(), &1000.into()));
    drawn(&ended.dir.path().join("out"));
    (ended, found)
}

#[test]
fn the_ceiling_is_searched_without_a_cache_and_with_one_and_the_record_says_it_again() {
    let (ended, found) = measured("ceiling");
    // Without a cache every request goes on, and to the database once at least.
    let busy = |way: &str| found[way]["busy"].clone();
    if let Some(per) = busy("uncached")["queries_per_request"].as_f64() {
        assert!(per >= 1.0 && busy("uncached")["fared"] == serde_json::json!({}), "{found}");
    }
    if let (Some(without), Some(with)) =
        (busy("uncached")["app_per_request"].as_f64(), busy("cached")["app_per_request"].as_f64())
    {
        assert!(with < without, "{found}");
        assert!(n(&busy("cached")["fared"]["HIT"]) > 0, "{found}");
    }
    let out = ended.dir.path().join("out");
    ["cache.png", "report.html"].iter().for_each(|file| std::fs::remove_file(out.join(file)).unwrap());
    let again = loadgen(&format!("report {} --json -", out.display()));
    assert_eq!((again.code, &again.out), (0, &ended.out), "bit for bit");
    drawn(&out);
    let mut changed = found.clone();
    changed["uncached"]["busy"]["queries_per_request"] = 123.into();
    std::fs::write(out.join("cache.json"), changed.to_string()).unwrap();
    loadgen(&format!("report {}", out.display())).refused(2, "do not follow");
}

#[test]
fn a_lock_is_for_the_first_copy_and_updating_for_those_after_it() {
    let (_, found) = measured("stampede");
    let stampede = |cure: &str| list(&found["stampedes"]).iter().find(|one| one["cure"] == cure).unwrap();
    let most = |cure: &str| list(&stampede(cure)["expiries"]).iter().map(|one| n(&one["requests"])).max();
    for cure in ["lock", "full"] {
        assert!(stampede(cure)["cold"].as_u64().is_none_or(|cold| cold == 1), "{found}");
    }
    assert!(most("full").is_none_or(|most| most == 1), "{found}");
    assert!(stampede("none")["cold"].as_u64().is_some_and(|cold| cold > 1), "{found}");
    assert!(most("none").is_none_or(|most| most > 1) && most("lock").is_none_or(|most| most > 1), "{found}");
    assert!(found["emulated"].to_string().contains("A slower application"), "{found}");
}

#[test]
fn stale_pages_are_sent_while_the_app_is_dead() {
    let (_, found) = measured("outage");
    let outage = |stale: bool| list(&found["outages"]).iter().find(|one| one["stale"] == stale).unwrap();
    for stale in [false, true] {
        let (killed, back) =
            (outage(stale)["killed_at_s"].as_f64().unwrap(), outage(stale)["back_at_s"].as_f64());
        assert!(back.is_none_or(|back| back > killed), "{found}");
    }
    assert_eq!(outage(false)["dead"]["stale"], 0, "{found}");
    assert!(n(&outage(false)["dead"]["failed"]) > 0 && n(&outage(true)["dead"]["stale"]) > 0, "{found}");
}

#[test]
fn a_death_that_nobody_meant_ends_it() {
    let _alone = alone();
    let run = Running::loadgen(&quick("outage"));
    let stack = || processes_with(&format!("--die-with {} ", run.pid())).first().copied();
    let tier = |name: &str| {
        stack().and_then(|pid| processes_with(&format!("--die-with {pid} {name} ")).first().copied())
    };
    until("there is an app server", || tier("app").is_some());
    until("it has been killed", || stack().is_some() && tier("app").is_none());
    signal(tier("dns").unwrap(), Signal::KILL);
    let ended = run.wait();
    let said = ended.err.contains("the reference target died: the dns tier was killed by signal 9");
    assert!(ended.code == 3 && said, "{ended:?}");
}

#[test]
fn an_experiment_that_is_interrupted_keeps_what_it_has_and_leaves_nothing_else() {
    let _alone = alone();
    let run = Running::loadgen(&quick("stampede,outage"));
    let (pid, file) = (run.pid(), run.dir().join("out/cache.json"));
    let stacks = || processes_with(&format!("--die-with {pid}"));
    let mut seen = Vec::new();
    let recorded = || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    until("a part has ended and another stack is there", || {
        seen.extend(stacks());
        !runs(pid) || recorded() && !stacks().is_empty()
    });
    if runs(pid) {
        signal(pid, Signal::INT);
    }
    let ended = run.wait();
    let found = ended.json();
    adds_up(&found);
    assert_eq!((ended.code, &found["partial"]), (4, &true.into()), "{ended:?}");
    assert!(!list(&found["stampedes"]).is_empty() && list(&found["outages"]).len() < 2, "{found}");
    assert!(found["verdict"]["reasons"].to_string().contains("cut short"), "{found}");
    drawn(&ended.dir.path().join("out"));
    until("nothing of its stacks is left", || !seen.iter().any(|pid| runs(*pid)));
}

#[test]
fn wrong_use_is_one_line() {
    for (arguments, part) in [
        ("cache http://127.0.0.1:9/", "needs the reference target"),
        ("cache --budget 5s", "--budget: this experiment needs at least"),
        ("cache --budget 30s --short-valid 9s", "--short-valid: a page that is fresh for 9s"),
        ("cache --parts all", "some of ceiling,stampede,outage"),
        ("cache --short-valid 1500ms", "a cache counts in whole seconds"),
        ("cache --slo p99", "--slo"),
        ("cache --rps 0", "a rate has to be above zero"),
    ] {
        loadgen(arguments).refused(2, part);
    }
}
