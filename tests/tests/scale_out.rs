//! Scaling out from outside: two small numbers of servers, compared, drawn and drawn again; an experiment that is interrupted keeps
//! what it has; wrong use is one line. Nothing of the stacks is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::groups_of;
use e2e::{Ended, Running, loadgen, processes_with, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whoever measures has the machine to himself.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An experiment in the least time, with an objective that a busy machine does not break.
const QUICK: &str = "scale-out --servers 1,2 --mix app --server-cpu 0.1 --scale small --slo p99<300ms,errors<5% --budget 24s \
                     --out out --json -";

/// Whether sizes can be limited here; says so if they cannot, as what is then not tested.
fn can_limit(ended: &Ended) -> bool {
    let refused = ended.code == 2 && ended.err.contains("control groups cannot be written");
    if refused {
        ended.refused(2, "run it as root");
        let line = "NOT TESTED: control groups cannot be written";
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
    }
    !refused
}

fn points(found: &Value) -> &Vec<Value> {
    found["mixes"][0]["points"].as_array().unwrap()
}

/// What holds for each record: the ledger of each load of each search, and a comparison only of ceilings that count.
fn adds_up(found: &Value) {
    let n = |value: &Value| value.as_u64().unwrap();
    for point in points(found) {
        let search = &point["search"];
        assert_eq!(
            (&search["schema"], &search["partial"]),
            (&"loadgen.ceiling/1".into(), &false.into()),
            "{point}"
        );
        for step in search["steps"].as_array().unwrap() {
            let windows = step["windows"].as_array().unwrap();
            let sum = |name: &str| windows.iter().map(|window| n(&window[name])).sum::<u64>();
            assert!(sum("ok") <= sum("ended") && sum("planned") <= n(&step["planned"]), "{step}");
            for pair in windows.windows(2) {
                let (before, after) = (n(&pair[0]["in_flight"]), n(&pair[1]["in_flight"]));
                assert_eq!(before + n(&pair[1]["planned"]), after + n(&pair[1]["ended"]), "{step}");
            }
        }
        let servers = n(&point["servers"]);
        let limit = search["steps"][0]["observed"]["app"]["cpu_limit"].as_f64();
        assert!(limit.is_none_or(|limit| (limit - 0.1 * servers as f64).abs() < 1e-6), "{point}");
    }
    let counts =
        |point: &&Value| ["app", "next_tier", "unexplained"].contains(&point["standing"].as_str().unwrap());
    let counted: Vec<f64> = points(found)
        .iter()
        .filter(counts)
        .map(|point| point["search"]["ceiling_rps"].as_f64().unwrap())
        .collect();
    let ratio = found["mixes"][0]["gain"]["ratio"].as_f64();
    match counted.as_slice() {
        [few, many] => assert!((ratio.unwrap() - many / few).abs() < 1e-9, "{found}"),
        _ => assert_eq!(ratio, None, "{found}"),
    }
}

/// Whether everything is drawn in `dir`.
fn drawn(dir: &Path) {
    for file in ["scale-out.png", "report.html"] {
        let bytes = std::fs::read(dir.join(file)).unwrap();
        assert!(bytes.len() > 1000 && (file != "scale-out.png" || bytes.starts_with(b"\x89PNG")), "{file}");
    }
}

#[test]
fn two_numbers_of_servers_are_compared_and_the_record_says_it_again() {
    let alone = alone();
    let ended = loadgen(QUICK);
    drop(alone);
    if !can_limit(&ended) {
        return;
    }
    let (found, out) = (ended.json(), ended.dir.path().join("out"));
    adds_up(&found);
    let code = if found["verdict"]["valid"] == true { 0 } else { 4 };
    assert_eq!((ended.code, &found["partial"]), (code, &false.into()), "{ended:?}");
    assert_eq!((&found["schema"], &found["servers"]), (&"loadgen.scale-out/1".into(), &vec![1, 2].into()));
    assert_eq!(
        points(&found).iter().map(|point| point["servers"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2)]
    );
    let no_law = found["mixes"][0]["no_law"].as_str().unwrap();
    assert!(found["mixes"][0]["law"].is_null() && no_law.contains("needs 4 ceilings"), "{found}");
    let emulated = found["emulated"].to_string();
    assert!(
        emulated.contains("The size of each app server") && emulated.contains("the database"),
        "{emulated}"
    );
    assert!(ended.err.contains("product pages with 1 server: "), "{ended:?}");
    drawn(&out);
    ["scale-out.png", "report.html"].iter().for_each(|file| std::fs::remove_file(out.join(file)).unwrap());
    let again = loadgen(&format!("report {} --json -", out.display()));
    assert_eq!((again.code, &again.out), (0, &ended.out), "bit for bit");
    drawn(&out);
    let mut changed = found.clone();
    changed["mixes"][0]["points"][1]["servers"] = 4.into();
    changed["mixes"][0]["points"][0]["search"]["ceiling_rps"] = 1e6.into();
    std::fs::write(out.join("scale-out.json"), changed.to_string()).unwrap();
    loadgen(&format!("report {}", out.display())).refused(2, "do not follow");
}

#[test]
fn an_experiment_that_is_interrupted_keeps_what_it_has_and_leaves_nothing_else() {
    let _alone = alone();
    let run = Running::loadgen(QUICK);
    let (pid, file) = (run.pid(), run.dir().join("out/scale-out.json"));
    let stacks = || processes_with(&format!("--die-with {pid}"));
    let mut seen = Vec::new();
    let ends = || !e2e::runs(pid);
    let recorded = || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    until("a search has ended and another stack is there", || {
        seen.extend(stacks());
        ends() || recorded() && !stacks().is_empty()
    });
    if !ends() {
        signal(pid, Signal::INT);
    }
    let ended = run.wait();
    if !can_limit(&ended) {
        return;
    }
    let found = ended.json();
    adds_up(&found);
    assert_eq!((ended.code, &found["partial"]), (4, &true.into()), "{ended:?}");
    assert_eq!(points(&found).len(), 1, "{found}");
    assert!(found["verdict"]["reasons"].to_string().contains("cut short"), "{found}");
    let out = ended.dir.path().join("out");
    drawn(&out);
    assert_eq!(loadgen(&format!("report {}", out.display())).code, 0);
    until("no stack is left", || stacks().is_empty());
    assert!(!seen.is_empty());
    until("no control group is left", || seen.iter().all(|pid| groups_of(*pid).is_empty()));
}

#[test]
fn wrong_use_is_said_in_one_line() {
    for (arguments, part) in [
        ("http://127.0.0.1:1/", "this experiment needs the reference target"),
        ("--servers 1", "two numbers of servers"),
        ("--servers 0,1", "numbers from 1 to 64"),
        ("--servers 1,64 --server-cpu 100", "64 servers of 100 CPUs beside 0.6"),
        ("--servers 1,2 --server-cpu 100", "none fits; lower"),
        ("--db-cpu 2000", "is no number of CPUs"),
        ("--mix both --servers 1,2 --budget 40s", "4 searches need at least 48s"),
        ("--budget 40", "with a unit"),
        ("--slo mean<5ms", "percentiles"),
        ("--mix everything", "possible values: app, database, both"),
        ("--out /proc/nowhere", "/proc/nowhere"),
    ] {
        let ended = loadgen(&format!("scale-out {arguments}"));
        ended.refused(2, part);
        assert!(
            std::fs::read_dir(ended.dir.path()).unwrap().next().is_none(),
            "{arguments}: something is left"
        );
    }
}
