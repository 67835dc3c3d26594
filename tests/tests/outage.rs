//! A database that dies or hangs, and comes back: purchases meanwhile are refused and not lost, and each that was acknowledged is
//! stored once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::{body, dir, purchase, sample, scraped, tier, value};
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
    orders: BTreeMap<String, String>,
    /// Answers that were no order, by status, before and after the database was back.
    refused: [BTreeMap<String, usize>; 2],
}

struct Outage {
    proxy: String,
    stop: AtomicBool,
    /// The test has failed: nobody need be acknowledged any more.
    failed: AtomicBool,
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
                    break order["id"].as_str().unwrap().to_owned();
                }
                let status = answer.split(' ').nth(1).unwrap_or("none").to_owned();
                if self.failed.load(Ordering::Relaxed) {
                    return seen;
                }
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

/// Sends the buyers home, whatever becomes of the test.
struct Hours<'o>(&'o Outage);

impl Drop for Hours<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        self.0.failed.store(std::thread::panicking(), Ordering::Relaxed);
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
        failed: AtomicBool::new(false),
        back: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
        bought: Default::default(),
    };
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let outage = &outage;
        let buyers: Vec<_> = (0..BUYERS).map(|buyer| scope.spawn(move || outage.buy(buyer))).collect();
        let hours = Hours(outage);
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
        drop(hours);
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).collect()
    });
    for Seen { refused, .. } in &seen {
        // Refused, and not left waiting; once it is back, at most for the moment in which connections are made again.
        let [during, after] = refused;
        let kinds = |of: &BTreeMap<String, usize>| of.keys().all(|status| status == "503");
        assert!(kinds(during) && kinds(after), "{refused:?}");
        assert!(after.values().sum::<usize>() <= 16, "{refused:?}");
    }
    let orders: BTreeMap<&String, &String> = seen.iter().flat_map(|seen| &seen.orders).collect();
    for (key, id) in &orders {
        let again: Value = serde_json::from_str(body(&http(&proxy, &purchase(key)))).unwrap();
        assert_eq!(again["id"].as_str(), Some(id.as_str()), "{key}");
    }
    if let Some(counted) = database.orders() {
        assert_eq!(counted, (orders.len(), orders.len()));
    }
    drop(database);
    drop(stack);
}

#[test]
fn a_database_that_hangs_keeps_nobody_waiting_and_is_used_again_when_it_goes_on() {
    let stack = Target::start("up --scale small --workers 4");
    let (_, proxy) = tier(&stack, "proxy");
    let (pid, _) = tier(&stack, "db");
    let status = |path: &str| get(&proxy, path, "").split(' ').nth(1).unwrap_or("none").to_owned();
    assert_eq!(status("/db"), "200");
    signal(pid, Signal::STOP);
    std::thread::scope(|scope| {
        // More than there are workers: some hold a connection in the middle of a statement, some wait for their turn.
        let paths = ["/db", "/queries?n=5", "/updates?n=2", "/products/7", "/best-sellers"];
        let asked: Vec<_> = (0..20).map(|n| scope.spawn(move || status(paths[n % paths.len()]))).collect();
        let bought = scope.spawn(|| http(&proxy, &purchase("outage-hung")));
        let seen: Vec<String> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        assert!(seen.iter().all(|status| status == "503"), "{seen:?}");
        let bought = bought.join().unwrap();
        assert!(bought.starts_with("HTTP/1.1 503 ") && bought.contains("Retry-After: 1\r\n"), "{bought}");
    });
    // What needs no database needs none.
    assert_eq!((status("/plaintext"), status("/healthz")), ("200".into(), "503".into()));
    let down = scraped(&stack, "db");
    assert_eq!((value(&down, "mysql_up"), value(&down, "mysql_global_status_questions")), (Some(0.0), None));
    signal(pid, Signal::CONT);
    for path in ["/healthz", "/db", "/products/7"] {
        until("it is used again", || status(path) == "200");
    }
    // Whatever became of the purchase, it is there once.
    let order = || -> Value { serde_json::from_str(body(&http(&proxy, &purchase("outage-hung")))).unwrap() };
    let first = order();
    assert!(first["id"].is_string() && first == order(), "{first}");
    until("it is seen again", || value(&scraped(&stack, "db"), "mysql_up") == Some(1.0));
}

#[test]
fn a_shop_that_has_just_opened_has_all_its_goods_after_a_crash() {
    let stack = Target::start("up --scale small");
    let (_, proxy) = tier(&stack, "proxy");
    // Nothing was bought that would have taken the rest to the disk with it.
    let (mut database, pid) = Database::of(&stack);
    signal(pid, Signal::KILL);
    until("it is dead", || !runs(pid) && !database.greets());
    database.start();
    until("it is back", || database.greets());
    for path in ["/products/1000", "/orders/2592", "/queries?n=20", "/best-sellers"] {
        let mut answer = String::new();
        until("it is answered", || {
            answer = get(&proxy, path, "");
            !answer.starts_with("HTTP/1.1 503 ")
        });
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer:.300}");
    }
    drop(database);
}

#[test]
fn the_database_s_figures_are_where_dashboards_look() {
    let stack = Target::start("up --scale small");
    let (_, proxy) = tier(&stack, "proxy");
    assert!(get(&proxy, "/queries?n=20", "").starts_with("HTTP/1.1 200 "));
    let before = scraped(&stack, "db");
    for (name, least) in [
        ("mysql_up", 1.0),
        ("mysql_version_info", 1.0),
        ("mysql_exporter_scrapes_total", 1.0),
        ("mysql_global_variables_max_connections", 30.0),
        ("mysql_global_variables_innodb_buffer_pool_size", 6e7),
        ("mysql_global_status_uptime", 0.0),
        ("mysql_global_status_threads_running", 1.0),
        ("mysql_global_status_threads_connected", 2.0),
        ("mysql_global_status_questions", 20.0),
        ("mysql_global_status_bytes_sent", 1000.0),
        ("mysql_global_status_innodb_page_size", 4096.0),
        ("mysql_global_status_innodb_row_lock_waits", 0.0),
        ("mysql_global_status_buffer_pool_pages", 1000.0),
        ("mysql_global_status_buffer_pool_dirty_pages", 0.0),
        ("mysql_global_status_buffer_pool_page_changes_total", 0.0),
        ("mysql_global_status_handlers_total", 20.0),
        ("mysql_global_status_connection_errors_total", 0.0),
        ("process_cpu_seconds_total", 0.01),
    ] {
        assert!(value(&before, name) >= Some(least), "{name}: {:?}", value(&before, name));
    }
    assert_eq!(value(&before, "mysql_exporter_last_scrape_error"), Some(0.0));
    let selects = |samples: &[String]| {
        sample(samples, "mysql_global_status_commands_total{command=\"select\"}").unwrap()
    };
    assert!(get(&proxy, "/queries?n=20", "").starts_with("HTTP/1.1 200 "));
    let after = scraped(&stack, "db");
    // Twenty rows, and what the app server asks beside them.
    assert!(selects(&after) >= selects(&before) + 20.0, "{} {}", selects(&before), selects(&after));
    let asked = |samples: &[String]| value(samples, "mysql_global_status_questions").unwrap();
    assert!(asked(&after) - asked(&before) <= 45.0, "a scrape is one statement, and a row's read one or two");
    assert!(after.len() < 250, "{}", after.len());
}
