//! Searches for the ceiling from outside: of a queue whose ceiling is known, of targets that are down, broken, slow, dying or too
//! fast to be told, and of searches that are interrupted. Each ends, with a true verdict and an exit code; no number is made up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::endpoint::Endpoint;
use e2e::rogue::{Deed, Rogue, Script};
use e2e::small::Small;
use e2e::{Ended, Running, Target, is_of_the_machine, loadgen, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// Whoever measures has the machine to himself; the others only have to come to an end.
static MACHINE: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// What all quick searches have in common: the least time, and objectives that a busy machine does not break.
const QUICK: &str = "ceiling --budget 20s --precision 20% --slo p99<300ms,errors<5% --connections 64 -t 2s --out out --json -";

fn aim(target: &Target) -> String {
    format!("http://{}/", target.address())
}

/// A queue that can serve 100 requests per second.
fn queue() -> Target {
    Target::start("queue --workers 1 --service 10ms")
}

fn read(file: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn steps(found: &Value) -> &Vec<Value> {
    found["steps"].as_array().unwrap()
}

/// Waits until so many loads are in the record in `dir`.
fn until_loads(dir: &Path, many: usize) {
    let file = dir.join("ceiling.json");
    until("there are loads in the record", || read(&file).is_some_and(|found| steps(&found).len() >= many));
}

/// The exit code of a search that would end with `otherwise` on a quiet machine.
fn code(found: &Value, otherwise: i32) -> i32 {
    if found["verdict"]["valid"] == true { otherwise } else { 4 }
}

fn reasons(found: &Value) -> String {
    found["verdict"]["reasons"].to_string()
}

/// What holds for each record: the ledger of each load, and a number only with the loads that it comes from.
fn adds_up(found: &Value) {
    let n = |value: &Value| value.as_u64().unwrap();
    for step in steps(found) {
        let windows = step["windows"].as_array().unwrap();
        let sum = |name: &str| windows.iter().map(|window| n(&window[name])).sum::<u64>();
        assert!(sum("ok") <= sum("ended"), "{step}");
        assert!(sum("planned") <= n(&step["planned"]), "{step}");
        // What is in flight before the first window, its lead-in has left.
        for pair in windows.windows(2) {
            let (before, after) = (n(&pair[0]["in_flight"]), n(&pair[1]["in_flight"]));
            assert_eq!(before + n(&pair[1]["planned"]), after + n(&pair[1]["ended"]), "{step}");
        }
        assert!(step["passed"] == true || !step["reasons"].as_array().unwrap().is_empty(), "{step}");
    }
    assert!(
        found["ceiling_rps"].is_null() || steps(found).iter().any(|step| step["valid"] == true),
        "{found}"
    );
    assert!(found["bound"] == "exact" || found["ci95"].is_null(), "{found}");
}

const PICTURES: [&str; 5] = ["ceiling.png", "latency.png", "tiers.png", "usl.png", "report.html"];

/// Whether everything is drawn in `dir`.
fn drawn(dir: &Path) {
    for picture in PICTURES {
        let bytes = std::fs::read(dir.join(picture)).unwrap();
        assert!(bytes.len() > 1000, "{picture}");
        assert!(!picture.ends_with("png") || bytes.starts_with(b"\x89PNG"), "{picture}");
    }
}

fn has_all(value: &Value, names: &str) {
    for name in names.split_whitespace() {
        assert!(value.get(name).is_some(), "{name}: {value}");
    }
}

#[test]
fn the_ceiling_of_a_known_queue_is_found_and_its_record_says_it_again() {
    let alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let target = Target::start("queue --workers 4 --service 2ms");
    let line = format!("ceiling --budget 30s --precision 5% --out out --json - {}", aim(&target));
    // Of a search whose loads the machine spoiled in part the rest is true, but not as narrow as here.
    let whole = |of: &Value| steps(of).iter().all(|step| step["valid"] == true) && !is_of_the_machine(of);
    let ended = (0..3).map(|_| loadgen(&line)).find(|ended| ended.code == 0 && whole(&ended.json()));
    drop((alone, target));
    let Some(ended) = ended else {
        let why = b"NOT JUDGED: in three times the machine could not measure 2,000 requests per second\n";
        return std::io::Write::write_all(&mut std::io::stderr(), why).unwrap();
    };
    let (found, out) = (ended.json(), ended.dir.path().join("out"));
    adds_up(&found);
    has_all(
        &found,
        "schema slo bound ceiling_rps ci95 peak_goodput_rps overload_goodput_rps predicted_rps limited_by usl steps verdict",
    );
    has_all(&found["limited_by"], "what tier resource evidence");
    has_all(&found["verdict"], "valid reasons");
    for step in steps(&found) {
        has_all(
            step,
            "offered_rps ok_rps p50_ms p90_ms p99_ms p999_ms errors passed valid stationary observed",
        );
    }
    assert_eq!((&found["schema"], &found["bound"]), (&"loadgen.ceiling/1".into(), &"exact".into()));
    let rps = found["ceiling_rps"].as_f64().unwrap();
    assert!((1_900.0..=2_100.0).contains(&rps), "{found}");
    let [from, to] = [0, 1].map(|n| found["ci95"][n].as_f64().unwrap());
    assert!(0.0 < from && from <= rps && rps <= to, "{found}");
    assert!(found["peak_goodput_rps"].as_f64() < Some(2_050.0), "no queue serves more: {found}");
    assert!(found["predicted_rps"].is_null() && found["limited_by"]["what"] == "unexplained", "{found}");
    says_it_again(&ended, &out, &found);
}

/// The record draws again with the same numbers, and one that was changed is refused.
fn says_it_again(ended: &Ended, out: &Path, found: &Value) {
    drawn(out);
    PICTURES.iter().for_each(|picture| std::fs::remove_file(out.join(picture)).unwrap());
    let again = loadgen(&format!("report {} --json -", out.display()));
    assert_eq!((again.code, &again.out), (0, &ended.out), "bit for bit");
    drawn(out);
    let file = out.join("ceiling.json");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), ended.out);
    let mut changed = found.clone();
    let last = changed["steps"].as_array_mut().unwrap().iter_mut().rfind(|step| step["passed"] == false);
    for window in last.unwrap()["windows"].as_array_mut().unwrap() {
        window["ok"] = 1.into();
    }
    let mut concluded = found.clone();
    concluded["ceiling_rps"] = (2.0 * found["ceiling_rps"].as_f64().unwrap()).into();
    for (record, part) in [(changed, "is not what its windows have"), (concluded, "do not follow")] {
        std::fs::write(&file, record.to_string()).unwrap();
        loadgen(&format!("report {}", out.display())).refused(2, part);
        loadgen(&format!("ceiling --resume {}", out.display())).refused(2, part);
    }
}

/// A quick search to its end.
fn search(options: &str, aim: &str) -> (Ended, Value) {
    let ended = loadgen(&format!("{QUICK} {options} {aim}"));
    let found = ended.json();
    adds_up(&found);
    assert_eq!(found["partial"], false, "{found}");
    drawn(&ended.dir.path().join("out"));
    (ended, found)
}

fn only_errors() {
    let rogue = Rogue::tcp(Script::Always(Deed::Busy));
    let (ended, found) = search("--min-rps 40 --max-rps 200", &rogue.aim());
    assert_eq!((ended.code, &found["bound"]), (code(&found, 1), &"below".into()), "{found}");
    let none = (&found["peak_goodput_rps"], &found["ci95"]) == (&0.0.into(), &Value::Null);
    assert!(none || is_of_the_machine(&found), "{found}");
    assert!(steps(&found).iter().all(|step| step["passed"] == false && step["ok_rps"] == 0.0), "{found}");
}

fn too_slow_for_the_lowest_rate() {
    let target = queue();
    let (ended, found) = search("--min-rps 150 --max-rps 400", &aim(&target));
    assert_eq!((ended.code, &found["bound"]), (code(&found, 1), &"below".into()), "{found}");
    let lowest = found["ceiling_rps"].as_f64() == Some(150.0) && ended.err.contains("below");
    assert!(lowest || is_of_the_machine(&found), "{ended:?}");
}

fn too_fast_for_the_highest_rate() {
    let target = Target::start("queue --workers 4 --service 2ms");
    let (ended, found) = search("--min-rps 20 --max-rps 100", &aim(&target));
    assert_eq!((ended.code, &found["bound"]), (code(&found, 0), &"at_least".into()), "{found}");
    let highest = found["ceiling_rps"].as_f64() == Some(100.0) && ended.err.contains("at least");
    assert!(highest || is_of_the_machine(&found), "{ended:?}");
    assert_eq!(found["overload_goodput_rps"], Value::Null, "{found}");
}

fn slower_all_the_time() {
    let rogue = Rogue::tcp(Script::Slower(Duration::from_micros(200)));
    let (ended, found) = search("--min-rps 40 --max-rps 200", &rogue.aim());
    // Whatever held at the beginning does not hold any more.
    let changed = reasons(&found).contains("the target changed");
    assert!(
        changed && ended.code == 4 || found["bound"] == "below" && ended.code == code(&found, 1),
        "{found}"
    );
}

#[test]
fn a_target_without_a_ceiling_in_reach_has_a_true_verdict() {
    let _shared = shared();
    std::thread::scope(|all| {
        for how in
            [only_errors, too_slow_for_the_lowest_rate, too_fast_for_the_highest_rate, slower_all_the_time]
        {
            all.spawn(how);
        }
    });
}

/// Goes on with the search in `out` to its end: its loads come first, as they were.
fn resume(out: &Path, earlier: &Value) -> Value {
    let ended = loadgen(&format!("ceiling --resume {}", out.display()));
    let found = ended.json();
    adds_up(&found);
    assert_eq!((&found["partial"], ended.code), (&false.into(), code(&found, 0)), "{ended:?}");
    let said = ended.err.starts_with("resuming the search of ") && ended.err.contains(" taken over, ");
    assert!(said && !ended.err.contains('\u{1b}'), "nothing is drawn where there is no terminal: {ended:?}");
    let many = steps(earlier).len();
    assert!(steps(&found).len() > many && steps(&found)[..many] == steps(earlier)[..], "{found}");
    assert_eq!(
        (&found["started_at"], &found["self_check"]),
        (&earlier["started_at"], &earlier["self_check"])
    );
    assert!(found["duration_s"].as_f64() > earlier["duration_s"].as_f64(), "{found}");
    assert_eq!(read(&out.join("ceiling.json")).unwrap(), found);
    drawn(out);
    loadgen(&format!("ceiling --resume {}", out.display())).refused(2, "has ended");
    found
}

/// A search that is under way, with so many loads in its record.
fn under_way(target: &Target, loads: usize) -> Running {
    let run = Running::loadgen(&format!("{QUICK} --min-rps 20 --max-rps 90 {}", aim(target)));
    until_loads(&run.dir().join("out"), loads);
    run
}

fn dies() {
    let target = queue();
    let address = target.address().to_owned();
    let run = under_way(&target, 2);
    let _ = target.end(Signal::KILL);
    let ended = run.wait();
    let (found, out) = (ended.json(), ended.dir.path().join("out"));
    adds_up(&found);
    assert_eq!((ended.code, &found["partial"]), (3, &true.into()), "{ended:?}");
    let (last, before) = steps(&found).split_last().unwrap();
    assert!(
        last["valid"] == false && last["reasons"][0].as_str().unwrap().contains("stopped answering"),
        "{last}"
    );
    assert!(before.len() >= 2 && before.iter().any(|step| step["passed"] == true), "{found}");
    assert_eq!(found["bound"], "at_least", "its death is no ceiling: {found}");
    assert!(ended.err.contains("target      the target stopped answering"), "{ended:?}");
    drawn(&out);
    assert_eq!(loadgen(&format!("report {}", out.display())).code, 0);
    loadgen(&format!("ceiling --resume {}", out.display())).refused(3, "refused");
    assert_eq!(read(&out.join("ceiling.json")).unwrap(), found, "a target that is still away costs nothing");
    let _again = Target::start(&format!("queue --workers 1 --service 10ms --listen {address}"));
    resume(&out, &found);
}

/// A target that stands still is there for connections and for nothing else.
fn freezes() {
    let target = queue();
    let run = under_way(&target, 2);
    signal(target.pid(), Signal::STOP);
    let ended = run.wait();
    signal(target.pid(), Signal::CONT);
    let found = ended.json();
    adds_up(&found);
    let last = steps(&found).last().unwrap();
    assert!(last["passed"] == false && found["verdict"]["valid"] == false, "{found}");
    assert!([3, 4].contains(&ended.code), "{ended:?}");
    let ends =
        found["ci95"].as_array().map_or_else(Vec::new, |ends| ends.iter().map(Value::as_f64).collect());
    assert!(ends.iter().all(|end| *end > Some(0.0)), "{found}");
    drawn(&ended.dir.path().join("out"));
}

fn is_interrupted() {
    let target = queue();
    let run = under_way(&target, 2);
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    let found = ended.json();
    adds_up(&found);
    assert_eq!((ended.code, &found["partial"]), (4, &true.into()), "{ended:?}");
    assert!(
        reasons(&found).contains("cut short") && ended.err.contains("resume      loadgen ceiling --resume")
    );
    drawn(&ended.dir.path().join("out"));
    resume(&ended.dir.path().join("out"), &found);
}

fn is_killed() {
    let target = queue();
    let run = under_way(&target, 2);
    let out = run.dir().join("out");
    for second in [format!("ceiling --out {}", out.display()), format!("-d 1s --out {}", out.display())] {
        loadgen(&format!("{second} {}", aim(&target))).refused(2, "another run writes to");
    }
    signal(run.pid(), Signal::KILL);
    let ended = run.wait();
    let found = read(&out.join("ceiling.json")).unwrap();
    assert_eq!((ended.code, &found["partial"]), (-1, &true.into()), "{ended:?}");
    assert_eq!(loadgen(&format!("report {}", out.display())).code, 0);
    resume(&out, &found);
}

#[test]
fn a_search_that_ends_too_early_leaves_what_it_has_and_goes_on() {
    let _shared = shared();
    std::thread::scope(|all| [dies, freezes, is_interrupted, is_killed].map(|how| drop(all.spawn(how))));
}

/// A search whose target's tier is observed at `endpoint`, which goes away when there are so many loads.
fn observed(says: fn(u64) -> String, away_after: Option<usize>, part: &str) {
    let (target, mut endpoint) = (queue(), Endpoint::start(says));
    let line = format!("{QUICK} --min-rps 20 --max-rps 90 --observe app={} {}", endpoint.url(), aim(&target));
    let run = Running::loadgen(&line);
    if let Some(loads) = away_after {
        until_loads(&run.dir().join("out"), loads);
        endpoint.go_away();
    }
    let ended = run.wait();
    let found = ended.json();
    adds_up(&found);
    assert_eq!((ended.code, &found["partial"]), (code(&found, 0), &false.into()), "{ended:?}");
    let said = ended.err.matches("cannot read metrics of app at http://").count();
    assert_eq!(
        said,
        usize::from(part == "no metrics text"),
        "what is dead at the start is said once: {ended:?}"
    );
    assert!(endpoint.asked() > 1 && reasons(&found).contains("metrics are incomplete"), "{found}");
    // Two loads may be under way or just done when it goes.
    for step in &steps(&found)[away_after.map_or(0, |loads| loads + 2)..] {
        let app = &step["observed"]["app"];
        assert!(app.is_null() || app["cpu_share"].is_null(), "nothing is made up: {step}");
        assert!(step["notes"].to_string().contains(part), "`{part}`: {step}");
    }
    // On a machine that is busy with other tests the generator may be the limit, but never a tier of which nothing is known.
    let by = &found["limited_by"];
    assert!(by["what"] != "target" && by["tier"].is_null(), "{by}");
    assert!(found["predicted_rps"].is_null() || away_after.is_some(), "{found}");
    drawn(&ended.dir.path().join("out"));
}

#[test]
fn an_endpoint_that_vanishes_or_lies_costs_its_metrics_and_nothing_else() {
    let _shared = shared();
    let grows = |n: u64| format!("process_cpu_seconds_total {}\n", n as f64 / 4.0);
    std::thread::scope(|all| {
        all.spawn(|| observed(grows, Some(2), "refused"));
        all.spawn(|| {
            observed(|_| String::from("<html><body>Welcome</body></html>"), None, "no metrics text")
        });
        all.spawn(|| observed(|_| String::from("process_cpu_seconds_total NaN\n"), None, ""));
        all.spawn(|| {
            observed(|n| format!("process_cpu_seconds_total {}\n", 1e6 - n as f64), None, "went back")
        });
    });
}

fn left_nothing(ended: &Ended) {
    let left: Vec<_> =
        std::fs::read_dir(ended.dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_target_that_is_down_is_said_in_one_line() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for options in ["--out out", "--out out/deeper --json out.json"] {
        let ended = loadgen(&format!("ceiling {options} http://{closed}/"));
        ended.refused(3, "refused");
        left_nothing(&ended);
    }
}

#[test]
fn a_disk_that_is_full_is_said_in_one_line() {
    use std::io::Write;
    let _shared = shared();
    let Some(small) = Small::mount("32k") else {
        let _ = writeln!(std::io::stderr(), "skipped: no file system can be mounted here");
        return;
    };
    let target = queue();
    let out = small.path().join("out");
    let line = format!("{QUICK} --min-rps 20 --max-rps 90 -q {}", aim(&target));
    let ended = loadgen(&line.replace("--out out", &format!("--out {}", out.display())));
    ended.refused(4, "No space left on device");
}
