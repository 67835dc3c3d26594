//! Runs against a server that misbehaves: nothing is lost, every fault has its name, and every run ends.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and being away takes its time"
)]

use e2e::rogue::{ALL, Deed, Outcome, Rogue, Script};
use e2e::{Running, conserved, loadgen, signal, state, until};
use rustix::net::addr::SocketAddrArg;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, getsockname, listen, socket_with,
};
use rustix::process::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// What a run may take that keeps nothing of what it sends and receives, and has a few connections. A build for tests has
/// half of it in pages of its own file.
const LITTLE: u64 = 80_000_000;
/// How long a target is away.
const OUTAGE: Duration = Duration::from_millis(500);

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

#[test]
fn a_closed_loop_goes_on_after_requests_that_have_timed_out() {
    let rogue = Rogue::tcp(Script::Always(Deed::Silence));
    let run = run("-c 3 -d 1s -t 100ms", &rogue);
    adds_up(&run);
    assert_eq!(errors(&run), [("timeout", n(&run["planned"]))], "{run}");
    assert!(n(&run["planned"]) > 3 * 3, "each connection is worth one request a timeout: {run}");
    assert!(run["connections_max"] == 3, "{run}");
}

/// A run whose target goes away in the middle, and which is ended when it has found it again.
fn left_alone(options: &str, mut rogue: Rogue) {
    let line = format!("{options} -d 60s -t 10s --no-report -q --json - {}", rogue.aim());
    let run = Running::loadgen(&line);
    until("the load has begun", || rogue.requests() > 20);
    let left = Instant::now();
    rogue.go_away();
    std::thread::sleep(OUTAGE);
    rogue.come_back();
    let away_s = left.elapsed().as_secs_f64();
    let good = |deed: Deed| deed.outcome() == Outcome::Ok;
    let before = rogue.did(good);
    until("it is found again", || rogue.did(good) > before + 20);
    signal(run.pid(), Signal::INT);
    let run = run.wait().json();
    adds_up(&run);
    assert!(n(&run["errors"]["connect"]) > 0 && n(&run["ok"]) > 40, "{line}: {run}");
    assert!(errors(&run).iter().all(|(kind, _)| ["connect", "reset"].contains(kind)), "{line}: {run}");
    // What a closed loop has lost comes back after a pause; until then nothing hammers.
    assert!(n(&run["errors"]["connect"]) as f64 <= 40.0 + 400.0 * away_s, "{away_s} {line}: {run}");
}

#[test]
fn a_target_that_goes_away_and_comes_back_is_found_again() {
    let script = Script::Always(Deed::Length);
    std::thread::scope(|all| {
        for options in ["--rps 200", "-c 4"] {
            all.spawn(|| left_alone(options, Rogue::tcp(script)));
            all.spawn(|| left_alone(options, Rogue::unix(script)));
        }
    });
}

#[test]
fn an_end_that_comes_with_an_answer_costs_no_further_request() {
    let rogue = Rogue::tcp(Script::Always(Deed::Unannounced));
    let run = run("-c 4 -d 1s", &rogue);
    adds_up(&run);
    // The kernel queues the bytes of a segment before its end, and may be asked just between the two.
    assert!(n(&run["errors"]["reset"]) * 100 <= n(&run["ok"]) && n(&run["ok"]) > 0, "{run}");
    assert!(n(&run["ok"]) <= rogue.did(|deed| deed.outcome() == Outcome::Ok), "{run}");
}

/// A file of five megabytes.
fn large(dir: &tempfile::TempDir) -> String {
    let body = dir.path().join("body");
    std::fs::write(&body, vec![b'x'; 5_000_000]).unwrap();
    body.display().to_string()
}

#[test]
fn an_answer_that_comes_before_the_body_has_gone_counts() {
    let dir = tempfile::TempDir::new().unwrap();
    let body = large(&dir);
    let script = Script::Always(Deed::TooLarge);
    for rogue in [Rogue::tcp(script), Rogue::unix(script)] {
        let run = run(&format!("-X POST --body-file {body} --rps 50 -d 1s -t 5s"), &rogue);
        adds_up(&run);
        assert_eq!(errors(&run), [("status", 50)], "{run}");
    }
}

#[test]
fn a_large_body_is_shared_and_arrives_whole() {
    let dir = tempfile::TempDir::new().unwrap();
    let post = format!("-X POST --body-file {} -d 1s", large(&dir));
    let script = Script::Always(Deed::Upload);
    for reader in [Rogue::tcp(script), Rogue::unix(script)] {
        let run = run(&format!("{post} --rps 10 -t 20s"), &reader);
        adds_up(&run);
        assert_eq!((n(&run["ok"]), errors(&run)), (10, vec![]), "{run}");
        assert!(n(&run["bytes"]["sent"]) > 10 * 5_000_000, "{run}");
    }
    let deaf = || Rogue::tcp(Script::Always(Deed::Hold));
    let without = run("-X POST -d 1s --rps 100 -t 300ms", &deaf());
    let run = run(&format!("{post} --rps 100 -t 300ms"), &deaf());
    adds_up(&run);
    assert_eq!(errors(&run), [("timeout", 100)], "{run}");
    assert!(n(&run["connections_max"]) > 20, "{run}");
    // The body as it was read and as it is sent, not once a connection.
    let more =
        n(&run["generator"]["max_rss_bytes"]).saturating_sub(n(&without["generator"]["max_rss_bytes"]));
    assert!(more < 3 * 5_000_000, "{more}: {run}");
}

#[test]
fn what_came_in_time_is_ok_however_late_it_is_read() {
    let rogue = Rogue::tcp(Script::Always(Deed::Hold));
    let line = format!("--rps 600 -d 1s -t 2s -c 500 --no-report -q --json - {}", rogue.aim());
    let run = Running::loadgen(&line);
    until("more requests are under way than are looked at together", || rogue.requests() > 350);
    signal(run.pid(), Signal::STOP);
    let held = rogue.requests();
    rogue.let_go();
    until("all are answered", || rogue.did(|deed| deed == Deed::Hold) >= held);
    std::thread::sleep(Duration::from_millis(2_200));
    signal(run.pid(), Signal::CONT);
    let run = run.wait().json();
    adds_up(&run);
    assert!(n(&run["ok"]) >= held, "{held} were answered in time: {run}");
    assert!(run["ok_response_ms"]["max"].as_f64() < Some(2_002.0), "{run}");
}

#[test]
fn a_run_that_was_stopped_goes_back_to_sleep() {
    let rogue = Rogue::tcp(Script::Always(Deed::Silence));
    let run = Running::loadgen(&format!("-c 1 -d 2s -t 1s --no-report -q --json - {}", rogue.aim()));
    until("it waits for an answer", || rogue.requests() > 0);
    for _ in 0..60 {
        signal(run.pid(), Signal::STOP);
        until("it is stopped", || state(run.pid()) == Some('T'));
        signal(run.pid(), Signal::CONT);
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = run.wait().json();
    // Each time it is continued its wait is cut short. One that waited for the rest without sleeping would use all of a CPU.
    assert!(run["generator"]["cpu_s"].as_f64() < Some(0.5), "{run}");
}

/// A run under random faults, of a kind that the seed chooses: open or closed, one thread or two, a port or a unix socket,
/// even or Poisson, and a target that goes away in the middle.
fn random(seed: u64) {
    const LENGTH_S: u64 = 1;
    let has = |bit: u32| seed >> bit & 1 == 1;
    let script = Script::Random(seed, &ALL);
    let mut rogue = if has(0) { Rogue::unix(script) } else { Rogue::tcp(script) };
    rogue.let_go();
    let (open, rate) = (!has(1), 150 + 50 * (seed % 5));
    let load = if open { format!("--rps {rate}") } else { String::from("-c 8") };
    let threads = if has(2) { 2 } else { 1 };
    let line = format!(
        "{load} -d {LENGTH_S}s --timeout 300ms --threads {threads} --seed {seed} --no-report -q --json - {}",
        rogue.aim()
    );
    let run = Running::loadgen(&line);
    if has(3) {
        until("the load has begun", || rogue.requests() > 20);
        rogue.go_away();
        std::thread::sleep(Duration::from_millis(100));
        rogue.come_back();
    }
    let run = run.wait().json();
    adds_up(&run);
    if open {
        assert_eq!(n(&run["planned"]), rate * LENGTH_S, "{line}: {run}");
    }
    let (ok, unfinished) = (n(&run["ok"]), n(&run["unfinished"]));
    let error = |kind: &str| n(&run["errors"][kind]);
    let did = |outcome: Outcome| rogue.did(|deed| deed.outcome() == outcome);
    // Nothing is made up: no answer, and no fault that the server did not commit.
    assert!(ok > 0 && ok <= did(Outcome::Ok), "{line}: {run}");
    assert!(error("status") <= did(Outcome::Status), "{line}: {run}");
    assert!(error("protocol") <= did(Outcome::Protocol), "{line}: {run}");
    let ends = did(Outcome::Reset) + rogue.did(Deed::closes_kept);
    // Those that were open when it went away, or came to it while it was.
    let lost = if has(3) { rogue.connections() } else { 0 };
    assert!(error("reset") <= ends + lost, "{line}: {run}");
    assert!(has(3) || error("connect") == 0, "{line}: {run}");
    assert_eq!(error("tls") + error("dns") + error("check") + unfinished, 0, "{line}: {run}");
    // Nothing is lost: what it did has come to an outcome, if not that one, then because its time was over or it went away.
    let late = error("timeout") + lost;
    for (outcome, count) in
        [(Outcome::Ok, ok), (Outcome::Status, error("status")), (Outcome::Protocol, error("protocol"))]
    {
        assert!(count + late >= did(outcome), "{outcome:?} of {line}: {run}");
    }
    assert!(run["ok_response_ms"]["max"].as_f64() <= Some(301.0), "{line}: {run}");
}

#[test]
fn under_random_faults_nothing_is_lost_and_nothing_is_made_up() {
    for four in (0..16).collect::<Vec<u64>>().chunks(4) {
        std::thread::scope(|all| four.iter().for_each(|seed| drop(all.spawn(|| random(*seed)))));
    }
}

/// A server that never comes to an end with any answer.
fn endless(deed: Deed, kind: &str, load: &str) {
    let rogue = Rogue::tcp(Script::Always(deed));
    let run = run(&format!("{load} -d 1s -t 400ms"), &rogue);
    adds_up(&run);
    assert_eq!(errors(&run), [(kind, n(&run["planned"]))], "{deed:?} {load}: {run}");
    let rss = n(&run["generator"]["max_rss_bytes"]);
    assert!(rss < LITTLE, "{deed:?} {load}: {rss}");
    // More than the kernel alone would have taken.
    assert!(n(&run["bytes"]["received"]) > 1_000_000, "{deed:?} {load}: {run}");
}

#[test]
fn an_answer_without_an_end_takes_time_and_no_memory() {
    for (deed, kind) in [
        (Deed::Flood, "timeout"),
        (Deed::EndlessChunks, "timeout"),
        (Deed::EndlessInterim, "timeout"),
        (Deed::EndlessHead, "protocol"),
    ] {
        std::thread::scope(|all| {
            all.spawn(|| endless(deed, kind, "--rps 40 --threads 2"));
            all.spawn(|| endless(deed, kind, "-c 10"));
        });
    }
}

/// A listener whose queue has room for one connection, which the look at whether the target is there takes.
fn narrow(family: AddressFamily, address: &impl SocketAddrArg) -> OwnedFd {
    let listener = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&listener, address).unwrap();
    listen(&listener, 0).unwrap();
    listener
}

#[test]
fn a_target_that_accepts_no_more_is_waited_for_or_refuses() {
    let ends = |load: &str, aim: &str, kind: &str| {
        let run = loadgen(&format!("{load} -d 1s -t 300ms --no-report -q --json - {aim}")).json();
        adds_up(&run);
        assert_eq!(errors(&run), [(kind, n(&run["planned"]))], "{load}: {run}");
        assert!(n(&run["planned"]) >= 10 && n(&run["planned"]) <= 100, "{load}: {run}");
    };
    std::thread::scope(|all| {
        for load in ["--rps 50", "-c 5"] {
            all.spawn(move || {
                let listener = narrow(AddressFamily::INET, &SocketAddr::from(([127, 0, 0, 1], 0)));
                let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
                ends(load, &format!("http://{address}/"), "timeout");
            });
            // The kernel keeps nobody waiting for a unix socket: connections are refused, and the run goes on.
            all.spawn(move || {
                let dir = tempfile::TempDir::new().unwrap();
                let path = dir.path().join("s");
                let _listener = narrow(AddressFamily::UNIX, &SocketAddrUnix::new(&path).unwrap());
                ends(load, &format!("--unix-socket {} http://rogue.test/", path.display()), "connect");
            });
        }
    });
}
