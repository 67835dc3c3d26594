//! A database that dies and comes back: purchases meanwhile are refused and not lost, and each that was acknowledged is stored once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::{body, dir, purchase, tier};
use e2e::{Target, get, http, processes_with, runs, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const BUYERS: usize = 6;

/// The private server of a stack, whose keeper is told nothing: the stack restarts nothing, and would end.
struct Database {
    keeper: u32,
    command: Command,
    socket: PathBuf,
    again: Option<Child>,
}

impl Database {
    fn of(stack: &Target) -> (Self, u32) {
        let (pid, socket) = tier(stack, "db");
        let of_process = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
        let words: Vec<std::ffi::OsString> = of_process("cmdline")
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| std::ffi::OsString::from_vec(word.to_vec()))
            .collect();
        let status = String::from_utf8_lossy(&of_process("status")).into_owned();
        let id = |name: &str| -> u32 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        if rustix::process::getuid().is_root() {
            command.uid(id("Uid:")).gid(id("Gid:"));
        }
        let keepers = processes_with(&format!(" db --dir {}", dir(stack).join("db").display()));
        assert_eq!(keepers.len(), 1);
        signal(keepers[0], Signal::STOP);
        (Self { keeper: keepers[0], command, socket: PathBuf::from(socket), again: None }, pid)
    }

    /// Whether a server greets at its socket.
    fn greets(&self) -> bool {
        UnixStream::connect(&self.socket)
            .is_ok_and(|mut stream| std::io::Read::read(&mut stream, &mut [0; 16]).is_ok_and(|n| n > 4))
    }

    /// Starts the server again on the same data.
    fn start(&mut self) {
        self.again = Some(self.command.spawn().unwrap());
    }

    /// Orders with keys of this test's, and how many keys those are, by the database's own client, where that is installed.
    fn orders(&self) -> Option<(usize, usize)> {
        let sql = "SELECT COUNT(*), COUNT(DISTINCT idempotency_key) FROM shop.orders WHERE idempotency_key LIKE 'outage-%'";
        let program =
            ["/usr/bin/mariadb", "/usr/bin/mysql"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            let _ = writeln!(std::io::stderr(), "NOT COUNTED: no client of the database is installed");
            return None;
        };
        let mut client = Command::new(program);
        client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names", "-e", sql]);
        let out = client.arg("--socket").arg(&self.socket).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let mut counts = text.split_whitespace().map(|count| count.parse().unwrap());
        Some((counts.next().unwrap(), counts.next().unwrap()))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(mut again) = self.again.take() {
            let _ = again.kill();
            let _ = again.wait();
        }
        // It finds its server dead, and ends the stack in order.
        signal(self.keeper, Signal::CONT);
    }
}

/// What a buyer has seen.
#[derive(Default)]
struct Seen {
    orders: BTreeMap<String, u64>,
    /// Answers that were no order, by status, before and after the database was back.
    refused: [BTreeMap<String, usize>; 2],
}

struct Outage {
    proxy: String,
    stop: AtomicBool,
    back: AtomicBool,
    refused: AtomicUsize,
    bought: [AtomicUsize; BUYERS],
}

impl Outage {
    /// Buys one after the other, each until it is acknowledged.
    fn buy(&self, buyer: usize) -> Seen {
        let mut seen = Seen::default();
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let key = format!("outage-{buyer}-{n}");
            let id = loop {
                let after = self.back.load(Ordering::Relaxed);
                let answer = http(&self.proxy, &purchase(&key));
                if answer.starts_with("HTTP/1.1 200 ") {
                    let order: Value = serde_json::from_str(body(&answer)).unwrap();
                    break order["id"].as_u64().unwrap();
                }
                let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
                *seen.refused[usize::from(after)].entry(status).or_default() += 1;
                self.refused.fetch_add(1, Ordering::Relaxed);
                // As a person would, who tries once more.
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            };
            seen.orders.insert(key, id);
            self.bought[buyer].fetch_add(1, Ordering::Relaxed);
        }
        seen
    }

    /// How many each of the buyers has at least.
    fn least(&self) -> usize {
        self.bought.iter().map(|bought| bought.load(Ordering::Relaxed)).min().unwrap_or_default()
    }
}

#[test]
fn no_acknowledged_order_is_lost_or_doubled() {
    let stack = Target::start("up --scale small --servers 2");
    let (_, proxy) = tier(&stack, "proxy");
    let (mut database, pid) = Database::of(&stack);
    let outage = Outage {
        proxy: proxy.clone(),
        stop: AtomicBool::new(false),
        back: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
        bought: Default::default(),
    };
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let outage = &outage;
        let buyers: Vec<_> = (0..BUYERS).map(|buyer| scope.spawn(move || outage.buy(buyer))).collect();
        until("all buy", || outage.least() >= 5);
        signal(pid, Signal::KILL);
        // Its keeper, which stands still, does not reap it.
        until("it is dead", || !runs(pid) && !database.greets());
        let refused = outage.refused.load(Ordering::Relaxed);
        until("purchases are refused", || outage.refused.load(Ordering::Relaxed) > refused + 5 * BUYERS);
        for (path, status) in [("/db", "503"), ("/healthz", "503"), ("/plaintext", "200")] {
            let answer = get(&proxy, path, "");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        }
        database.start();
        until("it is back", || database.greets());
        outage.back.store(true, Ordering::Relaxed);
        let before = outage.least();
        until("all buy again, by themselves", || outage.least() > before + 5);
        outage.stop.store(true, Ordering::Relaxed);
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).collect()
    });
    for Seen { refused, .. } in &seen {
        // Refused, and not left waiting; once it is back, at most for the moment in which connections are made again.
        let [during, after] = refused;
        let kinds = |of: &BTreeMap<String, usize>| of.keys().all(|status| status == "503");
        assert!(kinds(during) && kinds(after), "{refused:?}");
        assert!(after.values().sum::<usize>() <= 16, "{refused:?}");
    }
    let orders: BTreeMap<&String, &u64> = seen.iter().flat_map(|seen| &seen.orders).collect();
    for (key, id) in &orders {
        let again: Value = serde_json::from_str(body(&http(&proxy, &purchase(key)))).unwrap();
        assert_eq!(again["id"].as_u64(), Some(**id), "{key}");
    }
    if let Some(counted) = database.orders() {
        assert_eq!(counted, (orders.len(), orders.len()));
    }
    drop(database);
    drop(stack);
}
