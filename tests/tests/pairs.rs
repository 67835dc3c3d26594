//! Measuring in pairs from outside: all arms of a pair get the same arrivals, their records can be drawn, and what was started for them
//! is gone, also of one that is killed; a target that is none is named before anybody waits; what is interrupted keeps what it has;
//! wrong use is one line. How fast anything is, and whether the machine was quiet enough, is not asked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use e2e::rogue::{Deed, Rogue, Script};
use e2e::{Ended, Running, Target, binary, conserved, loadgen, processes_with, runs, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whoever measures has the machine to himself.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `loadgen pairs` with these words, of which some are whole commands.
fn pairs(words: &[&str]) -> Running {
    let mut command = Command::new(binary("loadgen"));
    // Whoever else uses this machine, no test waits for.
    command.args(["pairs", "--patience", "0s"]).args(words);
    Running::start(command)
}

/// A command that starts a queue whose processes are known by `seed`. Its line is a tier's.
fn queue(service: &str, seed: u64) -> String {
    let program = binary("target-stack");
    format!("{} queue --cpus {{cpus}} --workers 8 --service {service} --seed {seed}", program.display())
}

/// The same by a pipeline of several processes, whose line is a URL.
fn piped(service: &str, seed: u64) -> String {
    format!(r#"{} | sed -u 's|.*"address":"\([^"]*\)".*|http://\1/|'"#, queue(service, seed))
}

fn seed(n: u64) -> u64 {
    u64::from(std::process::id()) * 100 + n
}

/// Whether nothing is left of what was started with such a seed.
fn gone(n: u64) -> bool {
    processes_with(&format!("--seed {}", seed(n))).is_empty()
}

fn read(file: &Path) -> Value {
    let text = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn list(found: &Value) -> &Vec<Value> {
    found.as_array().unwrap()
}

/// The arms of a pair in the order in which they were first measured.
fn order(found: &Value, pair: u64) -> Vec<String> {
    let first = |run: &&Value| run["pair"] == pair && run["attempt"] == 1 && run["kind"] == "run";
    list(&found["runs"]).iter().filter(first).map(|run| run["arm"].as_str().unwrap().to_owned()).collect()
}

/// What holds for the record of each run that is said to be there.
fn adds_up(out: &Path, found: &Value) {
    let mut planned: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for run in list(&found["runs"]).iter().filter(|run| run["kind"] == "run") {
        let (arm, pair) = (run["arm"].as_str().unwrap(), run["pair"].as_u64().unwrap());
        let dir = out.join(arm).join(format!("{pair:02}"));
        let kept = read(&dir.join("run.json"));
        assert!(conserved(&kept) && kept["partial"] == false, "{kept}");
        assert_eq!(kept["seed"], found["seed"].as_u64().unwrap() + pair, "{arm} {pair}");
        assert_eq!(kept["arrivals"], "poisson");
        planned.entry(pair).or_default().push(kept["planned"].clone());
        assert!((1..=3).contains(&run["attempt"].as_u64().unwrap()), "{run}");
        let again = loadgen(&format!("report {}", dir.display()));
        assert_eq!(again.code, 0, "{again:?}");
        assert!(std::fs::read(dir.join("timeline.png")).unwrap().starts_with(b"\x89PNG"));
    }
    for (pair, planned) in planned {
        assert!(planned.iter().all(|n| *n == planned[0]), "pair {pair}: {planned:?}");
    }
}

/// Programs that use all CPUs, until this is dropped.
struct Busy(Vec<Running>);

impl Busy {
    fn all() -> Self {
        let spin = |_| {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]);
            Running::start(command)
        };
        Self((0..std::thread::available_parallelism().map_or(1, usize::from)).map(spin).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.iter().for_each(|spinning| signal(spinning.pid(), Signal::KILL));
    }
}

fn told(ended: &Ended) -> String {
    format!("{}{}", ended.out, ended.err)
}

#[test]
fn all_arms_of_a_pair_get_the_same_and_nothing_of_them_is_left() {
    let _alone = alone();
    let (base, candidate) = (queue("1ms", seed(1)), piped("2ms", seed(2)));
    let slow = format!("slow={}", queue("3ms", seed(3)));
    let words = [
        "--base",
        &base,
        "--candidate",
        &candidate,
        "--arm",
        &slow,
        "--control",
        "--revision",
        "base=1a2b3c4",
    ];
    let load = "--pairs 2 --rps 150 -d 600ms --warmup 200ms --out out --json -";
    let words: Vec<&str> = words.into_iter().chain(load.split(' ')).collect();
    let ended = pairs(&words).wait();
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let (out, found) = (ended.dir.path().join("out"), ended.json());
    assert_eq!(read(&out.join("pairs.json")), found);
    assert_eq!((&found["schema"], &found["partial"]), (&"loadgen.pairs/1".into(), &false.into()));
    let arms: Vec<_> = list(&found["arms"]).iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    assert_eq!(arms, ["base", "candidate", "control", "slow"]);
    assert_eq!(
        (&found["arms"][0]["revision"], &found["arms"][2]["revision"]),
        (&"1a2b3c4".into(), &"1a2b3c4".into())
    );
    assert!(ended.err.contains("few pairs: to find a difference"), "{ended:?}");
    assert_eq!(ended.code == 0, found["valid_pairs"].as_u64().unwrap() > 0, "{found}");
    let (there, mut back) = (order(&found, 1), order(&found, 2));
    back.reverse();
    assert!(there == back && there.len() == 4, "{found}");
    adds_up(&out, &found);
    for n in 1..=3 {
        assert!(gone(n), "{n}");
    }
    if ended.code == 0 {
        assert!(
            ended.err.contains("loadgen compare out/base out/candidate --control out/control"),
            "{ended:?}"
        );
    }
    let again = loadgen(&format!("report {}", out.display()));
    assert!(again.code == 0 && again.out.contains("pairs can be compared"), "{again:?}");
    // Records of two experiments would be taken for one.
    let mixed =
        format!("pairs --base http://127.0.0.1:1/ --candidate http://127.0.0.1:1/ --out {}", out.display());
    loadgen(&mixed).refused(2, "records of other pairs");
}

#[test]
fn a_search_on_the_same_target_follows_a_run() {
    let _alone = alone();
    let base = Target::start("queue --workers 2 --service 10ms");
    let url = format!("http://{}/", base.address());
    let candidate = queue("1ms", seed(4));
    let words = ["--base", &url, "--candidate", &candidate];
    let load = "--pairs 1 --rps 50 -d 400ms --warmup 0s --ceilings --ceiling-budget 8s --slo p50<200ms --out out --json -";
    let ended = pairs(&words.into_iter().chain(load.split(' ')).collect::<Vec<_>>()).wait();
    assert!([0, 4].contains(&ended.code), "{ended:?}");
    let (out, found) = (ended.dir.path().join("out"), ended.json());
    let searches: Vec<&Value> =
        list(&found["runs"]).iter().filter(|made| made["kind"] == "ceiling").collect();
    assert_eq!(searches.len(), 2, "{found}");
    for search in searches {
        let dir = out.join(search["arm"].as_str().unwrap()).join("01-ceiling");
        let kept = read(&dir.join("ceiling.json"));
        assert_eq!(kept["ceiling_rps"], search["ceiling_rps"], "{search}");
        assert_eq!(loadgen(&format!("report {}", dir.display())).code, 0);
    }
    assert!(runs(base.pid()), "what runs already goes on");
}

#[test]
fn the_rate_of_an_earlier_night_is_known_again() {
    let _alone = alone();
    // Its ceiling is 200/s by construction.
    let queue = |n| {
        format!(
            "{} queue --cpus {{cpus}} --workers 2 --service 10ms --seed {}",
            binary("target-stack").display(),
            seed(n)
        )
    };
    let (base, candidate) = (queue(8), queue(9));
    let words = ["--base", &base, "--candidate", &candidate];
    let night = |load: &str| pairs(&words.into_iter().chain(load.split(' ')).collect::<Vec<_>>()).wait();
    let short = "--pairs 1 -d 400ms --warmup 0s --out out --json -";
    let first = night(&format!("{short} --rps 100"));
    assert!([0, 4].contains(&first.code), "{first:?}");
    let (out, file) = (first.dir.path().join("out"), first.dir.path().join("nights"));
    let judged = loadgen(&format!(
        "compare {out}/base {out}/candidate --history {} --out {out}/compare",
        file.display(),
        out = out.display()
    ));
    assert_eq!(judged.code, 4, "one pair says nothing: {judged:?}");
    let line = read(&file);
    assert_eq!(line["offered"]["rps"], 100.0, "{line}");
    let second = night(&format!("{short} --load 50% --slo p99<100ms --history {}", file.display()));
    assert!([0, 4].contains(&second.code), "{second:?}");
    // Whether it is near depends on what else the machine does.
    let said = second.err.split_whitespace().collect::<Vec<_>>().join(" ");
    if said.contains("keeping an earlier night's 100/s, ") {
        assert_eq!(second.json()["load"]["rps"], 100.0, "{second:?}");
    } else {
        let other = ["since an earlier night's 100/s would be ", "the base's ceiling was not found"];
        assert!(other.iter().any(|part| said.contains(part)), "{second:?}");
    }
    for n in [8, 9] {
        assert!(gone(n), "{n}");
    }
}

#[test]
fn a_target_that_is_none_is_named() {
    let _alone = alone();
    for (command, part) in [
        ("echo no port >&2; exit 7", "did not start: no port"),
        ("exit 7", "did not start: it ended with exit code 7"),
        ("no-such-program-here", "did not start: "),
        ("printf '\\377\\n'; exec sleep 600", "has to be its URL and nothing else"),
        ("echo listening; exec sleep 600", "does not say where it is: `listening` is neither a URL nor"),
        ("echo http://127.0.0.1:1/; exec sleep 600", "cannot reach http://127.0.0.1:1/"),
        ("http://127.0.0.1:1/", "cannot reach http://127.0.0.1:1/"),
    ] {
        let words = ["--base", command, "--candidate", command, "--rps", "10", "--out", "out"];
        let ended = pairs(&words).wait();
        let said = ended.refused(3, part);
        assert!(["the base", "the candidate"].iter().any(|arm| said.contains(arm)), "{said}");
        assert!(
            std::fs::read_dir(ended.dir.path()).unwrap().next().is_none(),
            "{command}: something is left"
        );
    }
    // One of two, whichever is first.
    let base = queue("1ms", seed(5));
    let mut measured = Vec::new();
    for n in ["0", "1", "2", "3"] {
        let words = ["--base", &base, "--candidate", "exit 7", "--rps", "50", "-d", "300ms", "--out", "out"];
        let ended = pairs(&words.into_iter().chain(["--seed", n]).collect::<Vec<_>>()).wait();
        assert!(ended.code == 3 && ended.err.contains("the candidate did not start"), "{ended:?}");
        assert!(!told(&ended).contains("INVALID") && ended.out.is_empty(), "{ended:?}");
        assert!(gone(5));
        measured.push(ended.dir.path().join("out/base/01").exists());
    }
    assert!(measured.contains(&true) && measured.contains(&false), "{measured:?}");
}

#[test]
fn a_target_that_is_none_is_named_before_anybody_waits() {
    let _alone = alone();
    // Somebody else uses all CPUs, so that there would be a wait.
    let _busy = Busy::all();
    for command in ["http://127.0.0.1:1/", "no-such-program-here"] {
        let mut wait = Command::new(binary("loadgen"));
        wait.args([
            "pairs",
            "--patience",
            "60s",
            "--rps",
            "10",
            "--base",
            command,
            "--candidate",
            command,
            "--out",
            "out",
        ]);
        let ended = Running::start(wait).wait();
        ended.refused(3, "the base");
    }
}

#[test]
fn a_base_that_answers_only_errors_is_told_so() {
    let _alone = alone();
    let wrong = Rogue::tcp(Script::Always(Deed::Busy));
    let ended = pairs(&["--base", &wrong.aim(), "--candidate", &wrong.aim(), "--out", "out"]).wait();
    assert_eq!(ended.code, 4, "{ended:?}");
    let said = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("x status 503") && !said.contains("say the rate"), "{said}");
}

#[test]
fn what_a_killed_one_has_started_ends_with_it() {
    let _alone = alone();
    let (base, candidate) = (piped("1ms", seed(10)), queue("1ms", seed(11)));
    let words = ["--base", &base, "--candidate", &candidate, "--rps", "50", "-d", "60s", "--out", "out"];
    let run = pairs(&words);
    let out = run.dir().join("out");
    until("a run is under way", || ["base", "candidate"].iter().any(|arm| out.join(arm).join("01").exists()));
    signal(run.pid(), Signal::KILL);
    assert_eq!(run.wait().code, -1);
    until("what it has started is gone", || gone(10) && gone(11));
}

#[test]
fn what_is_interrupted_keeps_what_it_has() {
    let _alone = alone();
    let (base, candidate) = (queue("1ms", seed(6)), piped("1ms", seed(7)));
    let words = ["--base", &base, "--candidate", &candidate];
    let load = "--pairs 50 --rps 100 -d 400ms --warmup 0s --out out --json -";
    let run = pairs(&words.into_iter().chain(load.split(' ')).collect::<Vec<_>>());
    let file = run.dir().join("out/pairs.json");
    until("a run is recorded", || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0));
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    let (out, found) = (ended.dir.path().join("out"), ended.json());
    assert_eq!((ended.code, &found["partial"]), (4, &true.into()), "{ended:?}");
    assert!(found["verdict"]["reasons"].to_string().contains("cut short"), "{found}");
    assert!(!list(&found["runs"]).is_empty());
    adds_up(&out, &found);
    // A run that was under way is not there in halves.
    let logs =
        ["base", "candidate"].iter().flat_map(|arm| std::fs::read_dir(out.join(arm)).into_iter().flatten());
    assert!(logs.flatten().all(|dir| dir.path().join("run.json").is_file()));
    for n in [6, 7] {
        assert!(gone(n), "{n}");
    }
}

#[test]
fn wrong_use_is_said_in_one_line() {
    let both = "--base http://127.0.0.1:1/ --candidate http://127.0.0.1:1/";
    for (arguments, part) in [
        ("--base http://127.0.0.1:1/".to_owned(), "--candidate"),
        (format!("{both} http://127.0.0.1:1/"), "is one too many"),
        (format!("{both} --arm control=x"), "`control` is taken"),
        (format!("{both} --arm a=x --arm a=y"), "two of the name a"),
        (format!("{both} --revision slow=x"), "no arm of the name slow"),
        (format!("{both} --pairs 0"), "from 1 to 999"),
        (format!("{both} --rps 5 --load 50%"), "cannot be used with"),
        (format!("{both} --rps 5 --history h"), "cannot be used with"),
        (format!("{both} --load 200%"), "from 1% to 100%"),
        (format!("{both} --ceilings --ceiling-budget 5s"), "needs at least 8s"),
        (format!("{both} --target-proxy nginx"), "in the command that starts the target"),
        (format!("{both} --rps 5 --scenario none.toml"), "cannot read the scenario none.toml"),
        (format!("{both} --rps 5 --cpus 1000"), "may not use CPU 1000"),
        (format!("{both} --rps 5 --out /proc/nowhere"), "/proc/nowhere"),
        (
            "--base serve --candidate serve --scenario none.toml".to_owned(),
            "cannot read the scenario none.toml",
        ),
        ("--base 127.0.0.1:80 --candidate serve".to_owned(), "write it as http://127.0.0.1:80"),
        ("--base http://h:0/ --candidate http://h/".to_owned(), "its port has to be"),
    ] {
        let ended = loadgen(&format!("pairs {arguments}"));
        ended.refused(2, part);
        assert!(
            std::fs::read_dir(ended.dir.path()).unwrap().next().is_none(),
            "{arguments}: something is left"
        );
    }
}
