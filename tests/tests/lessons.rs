//! The lessons of failure and of maintenance from outside: what is killed is missed where it stands alone, and not where another one
//! does; a rolling deployment loses nothing; no acknowledged order is lost. What is interrupted keeps what it has, hooks do to a website of the
//! user's what this program does not, and wrong use is one line. Nothing of the stacks is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Running, Target, binary, loadgen, processes_with, runs, signal, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whoever measures has the machine to himself.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

const SPOF: &str =
    "spof --tiers app --rps 100 -d 5s --kill-after 1500ms --repair-after 1500ms --limit 1s --timeout 5s";
const MAINTENANCE: &str = "maintenance --ways stop-and-start,rolling --start-up 700ms --rps 100 -d 8s --deploy-after 1s --timeout 5s";

fn n(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The trials of a record, each of which adds up. Whether the machine was quiet enough for a verdict is not asked.
fn trials(found: &Value) -> &Vec<Value> {
    let trials = found["trials"].as_array().unwrap();
    for trial in trials {
        let errors: u64 = trial["errors"].as_object().unwrap().values().map(n).sum();
        let ended = n(&trial["ok"]) + errors + n(&trial["dropped"]) + n(&trial["unfinished"]);
        assert_eq!(n(&trial["planned"]), ended, "{trial}");
        assert_eq!(n(&trial["impact"]["failed"]), ended - n(&trial["ok"]), "{trial}");
        let kinds: Vec<_> = trial["events"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
        assert!(kinds.contains(&&"begin".into()) && kinds.contains(&&"end".into()), "{trial}");
    }
    trials
}

fn orders_agree(trial: &Value) {
    let orders = &trial["orders"];
    let [acknowledged, unanswered, stored] =
        ["acknowledged", "unanswered", "stored"].map(|name| n(&orders[name]));
    assert!(acknowledged > 0 && stored >= acknowledged && stored <= acknowledged + unanswered, "{orders}");
}

fn drawn_again(dir: &Path, name: &str) {
    let record = std::fs::read(dir.join(name)).unwrap();
    std::fs::remove_file(dir.join("availability.png")).unwrap();
    let again = loadgen(&format!("report {}", dir.display()));
    assert_eq!(again.code, 0, "{again:?}");
    assert!(std::fs::read(dir.join("availability.png")).unwrap().starts_with(b"\x89PNG"));
    let changed = String::from_utf8(record).unwrap().replacen("\"outage_s\": ", "\"outage_s\": 1", 1);
    std::fs::write(dir.join(name), changed).unwrap();
    loadgen(&format!("report {}", dir.display())).refused(2, "it was changed");
}

#[test]
fn one_server_is_missed_and_one_of_two_is_not() {
    let _alone = alone();
    let running = Running::loadgen(&format!("{SPOF} --out out --json -"));
    let stacks = format!("--die-with {}", running.pid());
    let ended = running.wait();
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let found = ended.json();
    let trials = trials(&found);
    let names: Vec<_> = trials.iter().map(|trial| trial["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["killing the only app server", "killing one of 2 app servers"]);
    // For as long as nothing answers behind the proxy, each request fails; where another server does, none does.
    assert!(n(&trials[0]["impact"]["failed"]) > 50, "{}", trials[0]["impact"]);
    assert!(trials[0]["impact"]["outage_s"].as_f64().unwrap() > 0.5, "{}", trials[0]["impact"]);
    assert_eq!(n(&trials[1]["impact"]["failed"]), 0, "{}", trials[1]);
    trials.iter().for_each(orders_agree);
    drawn_again(&ended.dir.path().join("out"), "spof.json");
    until("no stack is left", || processes_with(&stacks).is_empty());
}

#[test]
fn stopping_and_starting_is_missed_and_a_rolling_deployment_is_not() {
    let _alone = alone();
    let ended = loadgen(&format!("{MAINTENANCE} --out out --json -"));
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let found = ended.json();
    let (stopped, rolling) = (&trials(&found)[0], &trials(&found)[1]);
    assert_eq!(stopped["name"], "stopping and starting the only app server");
    // Nobody listens for 700 ms at least, in which 70 requests come due.
    assert!(n(&stopped["impact"]["failed"]) >= 60, "{}", stopped["impact"]);
    assert!(found["emulated"][0].as_str().unwrap().contains("takes 700ms longer"), "{}", found["emulated"]);
    assert_eq!(rolling["name"], "rolling over 2 app servers");
    assert_eq!(n(&rolling["impact"]["failed"]), 0, "{rolling}");
    let versions = rolling["versions"].as_array().unwrap();
    let seen = |version: &str| versions.iter().any(|seen| seen["version"] == version);
    assert!(seen("2") && !versions.first().unwrap()["version"].is_null(), "{versions:?}");
    drawn_again(&ended.dir.path().join("out"), "maintenance.json");
}

#[test]
fn what_is_interrupted_keeps_its_trials() {
    let _alone = alone();
    let running = Running::loadgen(&format!("{SPOF} --out out"));
    let (record, stacks) = (running.dir().join("out/spof.json"), format!("--die-with {}", running.pid()));
    until("the first trial is there", || std::fs::metadata(&record).is_ok_and(|file| file.len() > 0));
    signal(running.pid(), Signal::INT);
    let ended = running.wait();
    assert!(ended.code == 4 && ended.out.contains("PARTIAL"), "{ended:?}");
    assert!(ended.out.contains("it was cut short, after 1 trial"), "{ended:?}");
    until("no stack is left", || processes_with(&stacks).is_empty());
}

#[test]
fn hooks_do_to_a_website_of_the_users_what_they_say() {
    let _alone = alone();
    let queue = Target::start("queue --workers 4 --service 1ms");
    let url = format!("http://{}/", queue.address());
    let words = [
        "--rps 50 -d 4s --kill-after 1s --repair-after 500ms",
        "--kill-cmd true --repair-cmd true --out out --json -",
    ];
    let ended = loadgen(&format!("spof {url} {}", words.join(" ")));
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let found = ended.json();
    let trial = &trials(&found)[0];
    assert_eq!((n(&trial["impact"]["failed"]), &trial["orders"]), (0, &Value::Null), "{trial}");
    let ended = loadgen(&format!(
        "maintenance {url} --rps 50 -d 3s --deploy-after 1s --deploy-cmd false --out out --json -"
    ));
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.json()["verdict"]["reasons"][0].as_str().unwrap().contains("exit status: 1"), "{ended:?}");
}

/// The processes of a tier of the stack that this one has started.
fn tier_of(loadgen: u32, tier: &str) -> Vec<u32> {
    let supervisors = processes_with(&format!("--die-with {loadgen} "));
    supervisors.iter().flat_map(|pid| processes_with(&format!("--die-with {pid} {tier} "))).collect()
}

#[test]
fn a_supervisor_that_is_killed_ends_it_with_the_reason() {
    let _alone = alone();
    let running = Running::loadgen(&format!("{SPOF} --out out"));
    let pid = running.pid();
    until("the load is on", || sends(pid));
    let [supervisor] = processes_with(&format!("--die-with {pid} "))[..] else { panic!("one stack") };
    signal(supervisor, Signal::KILL);
    running.wait().refused(3, "the reference target ended: it was killed by signal 9");
}

#[test]
fn no_lesson_outlives_all_of_them() {
    let _alone = alone();
    let running = Running::loadgen("lessons --out out");
    let (pid, mark) = (running.pid(), String::from("loadgen spof --out out/spof"));
    until("the first lesson has begun", || processes_with(&mark).iter().any(|pid| sends(*pid)));
    let stack = format!("--die-with {} ", processes_with(&mark)[0]);
    assert!(!processes_with(&stack).is_empty());
    signal(pid, Signal::KILL);
    running.wait();
    until("the lesson has ended", || processes_with(&mark).is_empty());
    until("no stack is left", || processes_with(&stack).is_empty());
}

#[test]
fn a_death_that_nobody_meant_spoils_the_trial() {
    let _alone = alone();
    let spof = SPOF.replace("--tiers app", "--tiers dns");
    let running = Running::loadgen(&format!("{spof} --out out --json -"));
    let pid = running.pid();
    until("the load is on", || sends(pid));
    until("the name server has been killed", || tier_of(pid, "dns").is_empty());
    let [app] = tier_of(pid, "app")[..] else { panic!("one app server") };
    signal(app, Signal::KILL);
    let ended = running.wait();
    assert_eq!(ended.code, 4, "{ended:?}");
    let why = "killing the name server: a process died that was not to: the app tier was killed by signal 9";
    assert_eq!(ended.json()["verdict"]["reasons"][0], why, "{ended:?}");
}

/// Whether a process has threads that send.
fn sends(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok())
        .any(|name| name.starts_with("send-"))
}

#[test]
fn what_is_interrupted_waits_for_no_hook() {
    let _alone = alone();
    let queue = Target::start("queue --workers 4 --service 1ms");
    let mut command = Command::new(binary("loadgen"));
    command.arg("maintenance").arg(format!("http://{}/", queue.address()));
    command.args(["--deploy-cmd", "echo $$ > part; mv part hook; sleep 300; true"]);
    command.args("--rps 50 -d 2s --deploy-after 500ms --out out --json -".split_whitespace());
    let running = Running::start(command);
    let (pid, hook) = (running.pid(), running.dir().join("hook"));
    until("the hook runs", || hook.is_file());
    let hook: u32 = std::fs::read_to_string(hook).unwrap().trim().parse().unwrap();
    until("the load is over", || !sends(pid));
    signal(pid, Signal::INT);
    let ended = running.wait();
    let found = ended.json();
    assert_eq!((ended.code, &found["partial"], &found["trials"]), (4, &true.into(), &json!([])), "{found}");
    until("the hook has ended", || !runs(hook));
}

#[test]
fn wrong_use_is_one_line() {
    for (words, part) in [
        ("spof http://127.0.0.1:1/", "does not kill: say how with --kill-cmd"),
        ("maintenance http://127.0.0.1:1/", "does not deploy: say how with --deploy-cmd"),
        ("spof --kill-cmd true", "<URL>"),
        ("spof -d 2s", "is over before the part is started again"),
        ("maintenance -d 2s", "is over before the change begins"),
        ("maintenance --servers 1", "needs at least 2"),
        ("maintenance http://127.0.0.1:1/ --deploy-cmd true --start-up 1s", "--start-up"),
        ("spof --tiers cellar", "cellar"),
        ("spof http://127.0.0.1:1/ --kill-cmd=", "there is no command in it"),
        ("spof http://127.0.0.1:1/ --kill-cmd true --repair-cmd=", "there is no command in it"),
        ("maintenance http://127.0.0.1:1/ --deploy-cmd=", "there is no command in it"),
        ("spof http://127.0.0.1:1/ --kill-cmd true --tiers db", "--tiers"),
        ("spof http://127.0.0.1:1/ --kill-cmd true --servers 3", "--servers"),
        ("maintenance http://127.0.0.1:1/ --deploy-cmd true --ways sick", "--ways"),
        ("maintenance http://127.0.0.1:1/ --deploy-cmd true --servers 3", "--servers"),
        ("maintenance http://127.0.0.1:1/ --deploy-cmd true --scale large", "--scale"),
        ("spof --servers 1", "--servers"),
        ("lessons http://127.0.0.1:1/", "need the reference target"),
    ] {
        loadgen(words).refused(2, part);
    }
}

#[test]
fn too_few_descriptors_can_only_be_raised() {
    for words in ["spof", "maintenance http://127.0.0.1:1/ --deploy-cmd true"] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n 64; exec {} {words}", binary("loadgen").display())]);
        let said = Running::start(command).wait().refused(2, "the hard limit is 64: raise it (ulimit -Hn)");
        assert!(!said.contains("--connections"), "{said}");
    }
}
