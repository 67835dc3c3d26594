//! Searches for the ceiling whose loads other machines send, from outside: a command that starts shards here stands for them. Also one that
//! leaves nothing, ignores what it is told, loses a machine, or does not end: each is named, and no number is made up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Ended, Running, Target, binary, loadgen, processes_with, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What sends a load from two machines, and of which the second one may be lost.
const TWO: &str = r#"at=$(date -u -d '+1 second' +%FT%T.%NZ)
for shard in $SHARDS; do
    "$LOADGEN" --shard "$shard/2" --start-at "$at" --out "$OUT/shards/$shard" --no-report --quiet "$@" &
done
wait"#;

/// The same, of which the second one is told to end as soon as it sends.
const CUT_SHORT: &str = r#"at=$(date -u -d '+1 second' +%FT%T.%NZ)
for shard in 1 2; do
    "$LOADGEN" --shard "$shard/2" --start-at "$at" --out "$OUT/shards/$shard" --no-report --quiet "$@" &
done
until grep -qs Tag= "$OUT/shards/2/latency.hlog"; do sleep 0.05; done
kill $!
wait"#;

/// The rate that the target below can serve, in requests per second.
const CAPACITY: f64 = 100.0;

fn queue() -> Target {
    Target::start("queue --workers 1 --service 10ms")
}

/// A search by `runner`, with these further options, of which the last may be a URL.
fn search(runner: &str, shards: &str, options: &str, target: &Target) -> Running {
    let mut command = Command::new(binary("loadgen"));
    command.args(["ceiling", "--runner", runner]).args(options.split_whitespace());
    command.args([
        "--slo",
        "p99<100ms,errors<5%",
        "-t",
        "2s",
        "--connections",
        "64",
        "--out",
        "out",
        "--json",
        "-",
    ]);
    command.arg(format!("http://{}/", target.address()));
    Running::start({
        command.env("LOADGEN", binary("loadgen")).env("SHARDS", shards);
        command
    })
}

fn steps(found: &Value) -> &Vec<Value> {
    found["steps"].as_array().unwrap()
}

/// What holds for each of them: every load is a job whose records are kept, and which was looked at from its second second on.
fn adds_up(ended: &Ended) -> Value {
    let found = ended.json();
    for step in steps(&found) {
        let n = |value: &Value| value.as_u64().unwrap();
        let windows = step["windows"].as_array().unwrap();
        for pair in windows.windows(2) {
            let (before, after) = (n(&pair[0]["in_flight"]), n(&pair[1]["in_flight"]));
            assert_eq!(before + n(&pair[1]["planned"]), after + n(&pair[1]["ended"]), "{step}");
        }
        let seconds: f64 = windows.iter().map(|window| window["length_s"].as_f64().unwrap()).sum();
        assert!(seconds + 1.0 <= step["duration_s"].as_f64().unwrap() + 1e-6, "{step}");
        assert!(step["machine"]["generator_cpu"].is_number(), "{step}");
    }
    let out = ended.dir.path().join("out");
    assert_eq!(loadgen(&format!("report {}", out.display())).code, 0, "{found}");
    assert!(found["self_check"].is_null() && found["cpus"] == Value::Array(Vec::new()), "{found}");
    found
}

fn is_there(job: &Path) -> bool {
    job.is_dir() && job.with_extension("txt").is_file()
}

#[test]
fn the_ceiling_of_a_known_queue_is_found_by_jobs_of_two_machines() {
    let target = queue();
    let options = "--budget 40s --precision 20% --min-rps 20 --max-rps 150";
    let ended = search(TWO, "1 2", options, &target).wait();
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let found = adds_up(&ended);
    assert_eq!(found["runner"]["machines"], 2, "{found}");
    assert!(found["runner"]["pause_s"].as_f64() >= Some(1.0) && found["budget_s"] == 40.0, "{found}");
    assert_eq!(found["target"]["what"], "GET /");
    let jobs = ended.dir.path().join("out/jobs");
    assert!(
        !steps(&found).is_empty() && is_there(&jobs.join((steps(&found).len() + 1).to_string())),
        "{found}"
    );
    // No queue serves more than it can, whoever asks.
    assert!(found["peak_goodput_rps"].as_f64().is_none_or(|rps| rps < 1.05 * CAPACITY), "{found}");
    assert!(found["ceiling_rps"].as_f64().is_none_or(|rps| rps < 1.1 * CAPACITY), "{found}");
    let shards = |n: usize| jobs.join(n.to_string()).join("shards").read_dir().unwrap().count();
    assert!((1..=steps(&found).len()).all(|n| shards(n) == 2), "{found}");
    let said = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("each load a job of 2 machines by"), "{ended:?}");
    // The histograms of all loads are in the log, each at its time.
    let log = std::fs::read_to_string(ended.dir.path().join("out/latency.hlog")).unwrap();
    assert!(log.lines().filter(|line| line.starts_with("Tag=response,")).count() > 20 * steps(&found).len());
}

#[test]
fn a_job_that_loses_a_machine_or_a_part_of_its_load_says_nothing_of_the_target() {
    let target = queue();
    for (runner, shards, why) in [
        (TWO, "2", "1 shard of 2 missing: 1"),
        (CUT_SHORT, "", "shard 2: cut short, so that less was offered than was asked for"),
    ] {
        let ended = search(runner, shards, "--budget 20s --max-rps 90", &target).wait();
        let found = adds_up(&ended);
        assert!(ended.code == 4 && found["ceiling_rps"].is_null(), "{ended:?}");
        let lost = |step: &Value| step["valid"] == false && step["reasons"][0] == why;
        assert!(!steps(&found).is_empty() && steps(&found).iter().all(lost), "{why}: {found}");
    }
}

#[test]
fn a_command_that_does_not_do_as_it_is_told_is_refused_by_name() {
    let target = queue();
    let url = format!("http://{}/", target.address());
    let other = format!("\"$LOADGEN\" --rps 7 -d 1s --quiet --no-report --out \"$OUT\" {url}");
    let nowhere = "\"$LOADGEN\" --rps 7 -d 1s --quiet --out \"$OUT\" http://127.0.0.1:1/";
    for (runner, code, part) in [
        (
            "echo no hosts; exit 7",
            4,
            "left no record of a run in $OUT: it ended with exit code 7: no hosts (what",
        ),
        ("mkdir -p \"$OUT/a/b\"", 4, "left no record of a run in $OUT: it ended with exit code 0 (what"),
        (nowhere, 3, "cannot reach http://127.0.0.1:1/"),
        (&other, 2, "out/jobs/1: it is of another load than was asked for: 7/s in place of a closed loop"),
        (
            "\"$LOADGEN\" --quiet --out \"$OUT/a\" \"$@\"; cp -r \"$OUT/a\" \"$OUT/b\"",
            2,
            "each is of a whole load",
        ),
        (
            "\"$LOADGEN\" --quiet --no-report --out \"$OUT\" --expect-status=200-599 \"$@\"",
            2,
            "other requests, connections, time-out or expected statuses",
        ),
    ] {
        let ended = search(runner, "", "--budget 20s --quiet", &target).wait();
        ended.refused(code, part);
        assert!(ended.dir.path().join("out/jobs/1.txt").is_file(), "{ended:?}");
    }
    loadgen("ceiling --runner true").refused(2, "URL");
}

#[test]
fn what_was_found_before_a_command_fails_stays() {
    let target = queue();
    let line = "[ \"${OUT##*/}\" -lt 3 ] || { echo no more hosts; exit 1; }; \"$LOADGEN\" --quiet --no-report --out \"$OUT\" \"$@\"";
    let ended = search(line, "", "--budget 40s --max-rps 80 --quiet", &target).wait();
    ended.refused(4, "it ended with exit code 1: no more hosts");
    let file = ended.dir.path().join("out/ceiling.json");
    let found: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&found["partial"], steps(&found).len()), (&true.into(), 1), "{found}");
}

#[test]
fn one_machine_is_enough_and_a_search_that_is_interrupted_goes_on() {
    let target = queue();
    let one = "\"$LOADGEN\" --quiet --no-report --out \"$OUT\" \"$@\"";
    let run = search(one, "", "--budget 40s --precision 20% --min-rps 20 --max-rps 80", &target);
    let out = run.dir().join("out");
    let read = || serde_json::from_slice::<Value>(&std::fs::read(out.join("ceiling.json")).ok()?).ok();
    until("there is a load in the record", || read().is_some_and(|found| !steps(&found).is_empty()));
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    let earlier = adds_up(&ended);
    assert_eq!((ended.code, &earlier["partial"]), (4, &true.into()), "{ended:?}");
    let mut command = Command::new(binary("loadgen"));
    command.args(["ceiling", "--resume"]).arg(ended.dir.path().join("out")).env("LOADGEN", binary("loadgen"));
    let again = Running::start(command).wait();
    let found = again.json();
    let many = steps(&earlier).len();
    assert!([0, 4].contains(&again.code) && found["partial"] == false, "{again:?}");
    assert!(steps(&found).len() > many && steps(&found)[..many] == steps(&earlier)[..], "{found}");
    assert_eq!(found["runner"]["machines"], 1, "{found}");
}

#[test]
fn a_command_that_does_not_end_ends_with_the_search() {
    let target = queue();
    let mark = format!("sleep {}.5", std::process::id());
    let run = search(&format!("{mark} & {mark}; wait"), "", "--budget 20s", &target);
    until("the command runs", || processes_with(&mark).len() >= 2);
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    assert_eq!((ended.code, steps(&ended.json()).len()), (4, 0), "{ended:?}");
    assert_eq!(processes_with(&mark), [0u32; 0]);
}

#[test]
fn shards_that_were_started_by_ssh_sh_end_with_the_search() {
    let parallel = Command::new("parallel").arg("--version").output();
    if !parallel.is_ok_and(|said| said.stdout.starts_with(b"GNU parallel")) {
        return;
    }
    let (target, hosts) = (queue(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(&hosts, ":\n:\n").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/deploy/ssh.sh");
    let line = format!("{} --ahead 300 {} \"$OUT\" -- \"$@\"", script.display(), hosts.path().display());
    let mark = format!("X-Mark:{}", std::process::id());
    let run = search(&line, "", &format!("--budget 20s -H {mark}"), &target);
    until("both shards wait", || {
        ["1/2", "2/2"].iter().all(|shard| {
            processes_with(&format!("loadgen --shard {shard} "))
                .iter()
                .any(|pid| processes_with(&mark).contains(pid))
        })
    });
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    assert_eq!((ended.code, steps(&ended.json()).len()), (4, 0), "{ended:?}");
    until("none is left", || processes_with(&mark).is_empty());
}

#[test]
fn a_job_that_takes_longer_than_the_budget_is_ended_and_named() {
    let target = queue();
    // It asks the target, as it is told, and then sleeps for longer than anybody waits.
    let line = "case \"$*\" in *--rps*) exec sleep 5000 ;; esac; \"$LOADGEN\" --quiet --no-report --out \"$OUT\" \"$@\"";
    let ended = search(line, "", "--budget 20s", &target).wait();
    let found = adds_up(&ended);
    assert!(ended.code == 4 && found["partial"] == false && steps(&found).is_empty(), "{ended:?}");
    assert!(found["cut"][0].as_str().unwrap().contains("had not ended when the budget was spent"), "{found}");
}
