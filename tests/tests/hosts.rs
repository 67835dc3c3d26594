//! Generators on hosts of their own, as the kernel has them: a network namespace each, joined by a bridge. Where the right to make them is
//! missing, that is said and nothing is judged.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it could not judge"
)]
#![expect(clippy::disallowed_methods, reason = "an instant that hosts agree on is one of the wall clock")]

use e2e::{Ended, Running, binary, conserved, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// So far ahead all have to be ready.
const AHEAD: Duration = Duration::from_secs(3);

/// Some hosts on one wire: the first has the target, the others a generator each.
struct Hosts {
    names: Vec<String>,
    bridge: String,
    target: Option<Child>,
    address: String,
}

fn ip(words: &str) -> bool {
    let ended = Command::new("ip").args(words.split_whitespace()).stdin(Stdio::null()).output();
    ended.is_ok_and(|ended| ended.status.success())
}

impl Hosts {
    /// A target and so many generators; `None` where that is not allowed here.
    fn new(generators: usize) -> Option<Self> {
        let own = std::process::id();
        let mut hosts =
            Self { names: Vec::new(), bridge: format!("lgb{own}"), target: None, address: String::new() };
        // The wire lies in a namespace of its own, too: nothing of it is seen outside.
        let wire = format!("lgw{own}");
        if !ip(&format!("netns add {wire}")) {
            eprintln!("NOT TESTED: no network namespaces may be made here");
            return None;
        }
        hosts.names.push(wire.clone());
        let bridge = hosts.bridge.clone();
        let mut made = ip(&format!("-n {wire} link add {bridge} type bridge"))
            && ip(&format!("-n {wire} link set {bridge} up"));
        for n in 0..=generators {
            let (name, inner) = (format!("lgh{own}-{n}"), format!("lg{own}p{n}"));
            made = made
                && ip(&format!("netns add {name}"))
                && ip(&format!("-n {wire} link add {inner} type veth peer name eth0 netns {name}"))
                && ip(&format!("-n {wire} link set {inner} master {bridge} up"))
                && ip(&format!("-n {name} addr add 10.77.0.{}/24 dev eth0", n + 1))
                && ip(&format!("-n {name} link set eth0 up"))
                && ip(&format!("-n {name} link set lo up"));
            hosts.names.push(name);
        }
        if !made {
            eprintln!("NOT TESTED: no veth or bridge can be made here");
            return None;
        }
        Some(hosts)
    }

    /// A command on host `n`, of which 0 has the target.
    fn on(&self, n: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[n + 1]]).arg(program);
        command
    }

    /// Starts the target.
    fn serve(&mut self) {
        let mut command = self.on(0, &binary("target-stack"));
        command.args("queue --listen 10.77.0.1:0 --workers 8 --service 1ms".split(' '));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        self.address = said["address"].as_str().unwrap().to_owned();
        self.target = Some(child);
    }

    /// Delay and loss on the wire of a host, where the kernel can.
    fn disturb(&self, n: usize) -> bool {
        let netem = "netem delay 5ms loss 1%";
        let words = format!("-n {} qdisc add dev eth0 root {netem}", self.names[n + 1]);
        Command::new("tc").args(words.split_whitespace()).output().is_ok_and(|ended| ended.status.success())
    }

    /// Starts shard `n` of `of` at `start_at`, with its record in `out`.
    fn shard(&self, (n, of): (usize, usize), start_at: &str, out: &Path) -> Running {
        let mut command = self.on(n, &binary("loadgen"));
        let options = format!(
            "--rps 300 -d 3s --shard {n}/{of} --start-at {start_at} --no-progress --out {} http://{}/",
            out.display(),
            self.address
        );
        command.args(options.split(' '));
        Running::start(command)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if let Some(mut target) = self.target.take() {
            let _ = target.kill();
            let _ = target.wait();
        }
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

/// An instant that is so far ahead, RFC 3339.
fn at(ahead: Duration) -> String {
    let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead;
    let seconds = then.as_secs() + 1;
    let out = Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn merged(dir: &Path) -> (Ended, Value) {
    let ended = e2e::loadgen(&format!("merge {0} --out {0}/out", dir.display()));
    let record = serde_json::from_slice(&std::fs::read(dir.join("out/run.json")).unwrap()).unwrap();
    (ended, record)
}

#[test]
fn three_hosts_send_one_load() {
    let Some(mut hosts) = Hosts::new(3) else { return };
    hosts.serve();
    if !hosts.disturb(3) {
        eprintln!("NOT TESTED: delay and loss: this kernel has no netem");
    }
    let (dir, start_at) = (TempDir::new().unwrap(), at(AHEAD));
    let all: Vec<Running> =
        (1..=3).map(|n| hosts.shard((n, 3), &start_at, &dir.path().join(n.to_string()))).collect();
    for ended in all.into_iter().map(Running::wait) {
        assert!([0, 4].contains(&ended.code), "{ended:?}");
    }
    let (ended, run) = merged(dir.path());
    assert!(conserved(&run) && run["planned"] == 900, "{ended:?}");
    assert_eq!(run["shards"].as_array().unwrap().len(), 3);
    for one in run["shards"].as_array().unwrap() {
        assert_eq!((&one["planned"], &one["start_at"]), (&Value::from(300), &Value::from(start_at.clone())));
    }
}

#[test]
fn a_host_that_is_killed_and_one_that_begins_late_are_named() {
    let Some(mut hosts) = Hosts::new(3) else { return };
    hosts.serve();
    let (dir, start_at) = (TempDir::new().unwrap(), at(AHEAD));
    let out = |n: usize| dir.path().join(n.to_string());
    let fine = hosts.shard((1, 3), &start_at, &out(1));
    let killed = hosts.shard((2, 3), &start_at, &out(2));
    // Two seconds after the others.
    let late = hosts.shard((3, 3), &at(AHEAD + Duration::from_secs(2)), &out(3));
    let log = out(2).join("latency.hlog");
    until("the second one sends", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Tag=")));
    signal(killed.pid(), Signal::KILL);
    killed.wait();
    for ended in [fine, late].map(Running::wait) {
        assert!([0, 4].contains(&ended.code), "{ended:?}");
    }
    // What was agreed on differently is no one load.
    e2e::loadgen(&format!("merge {} {}", out(1).display(), out(3).display()))
        .refused(2, "not of one load: begin");
    std::fs::remove_dir_all(out(3)).unwrap();
    let ended =
        e2e::loadgen(&format!("merge {} --out {}", dir.path().display(), dir.path().join("out").display()));
    assert!(ended.code == 4 && ended.out.contains("2 shards of 3 missing: 2, 3"), "{ended:?}");
}
