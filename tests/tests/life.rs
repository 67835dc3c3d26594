//! The proxy as a process: its signals and flags, and reloads under load. Where nginx is installed, what it says to the same flags
//! is held beside it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::stack::{nginx_is_installed, value};
use e2e::{Running, Target, binary, conserved, get, http, runs, signal, until};
use rustix::process::{Resource, Rlimit, Signal};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A directory with a configuration, and the proxy that serves it.
struct Site {
    dir: TempDir,
    target: Target,
}

impl Site {
    /// Serves `text`, with the logs and the pid file beside it.
    fn start(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        write(dir.path(), text);
        let target = Target::start(&format!("proxy -p {} -c nginx.conf", dir.path().display()));
        Self { dir, target }
    }

    fn address(&self) -> &str {
        self.target.address()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A metric, summed over its labels but for those of the name itself.
    fn metric(&self, name: &str) -> f64 {
        let endpoint = self.target.said["metrics"].as_str().unwrap();
        let address = endpoint.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let samples: Vec<String> = get(address, "/metrics", "").lines().map(str::to_owned).collect();
        let labelled = |line: &&String| line.starts_with(&format!("{name} "));
        match samples.iter().find(labelled) {
            Some(line) => line.rsplit_once(' ').unwrap().1.parse().unwrap(),
            None => value(&samples, name).unwrap_or_default(),
        }
    }

    /// Has it serve `text` from now on, and waits until it does.
    fn reload(&self, text: &str) {
        write(self.dir.path(), text);
        let before = self.metric(RELOADED);
        signal(self.target.pid(), Signal::HUP);
        until("it is reloaded", || self.metric(RELOADED) > before);
    }

    /// The same binary with `-s`.
    fn tell(&self, wish: &str) {
        let dir = self.dir.path().display();
        let (code, said) = run(&binary("target-stack"), &format!("proxy -p {dir} -c nginx.conf -s {wish}"));
        assert_eq!((code, said.as_str()), (Some(0), ""), "{wish}");
    }
}

const RELOADED: &str = "proxy_reloads_total{result=\"ok\"}";
const FAILED: &str = "proxy_reloads_total{result=\"failed\"}";

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("nginx.conf"), text).unwrap();
}

/// A configuration with `http` in it.
fn configuration(top: &str, http: &str) -> String {
    format!(
        "daemon off; error_log error.log; pid proxy.pid; {top}\nevents {{ worker_connections 4096; }}\n\
         http {{ access_log access.log; {http} }}"
    )
}

fn saying(word: &str) -> String {
    configuration("", &format!("server {{ listen 127.0.0.1:0; return 200 {word}; }}"))
}

/// Runs a program to its end: its exit code, and what it said on standard error.
fn run(program: &Path, arguments: &str) -> (Option<i32>, String) {
    let out = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn reloads_under_load_lose_no_request() {
    let upstream = Target::start("queue --workers 64 --service 100us");
    let text = |round: usize| {
        let workers = [2, 3, 1][round % 3];
        let other =
            if round.is_multiple_of(2) { "server { listen 127.0.0.1:0; return 200 other; }" } else { "" };
        let http = format!(
            "keepalive_requests 1000000; server {{ listen 127.0.0.1:0 backlog=4096; location / {{ \
             proxy_pass http://{}; }} }} {other}",
            upstream.address()
        );
        configuration(&format!("worker_processes {workers};"), &http)
    };
    let site = Site::start(&text(0));
    let url = format!("http://{}/", site.address());
    let load = Running::loadgen(&format!("--rps 2000 -d 5s -c 64 --no-report -q --json - {url}"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Beside the load's connections, which are kept, one for each request.
        let single = scope.spawn(|| {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) && asked < 5000 {
                let answer = get(site.address(), "/", "");
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                asked += 1;
            }
            asked
        });
        let mut reloads = 0;
        while reloads < 20 || site.metric("nginx_http_requests_total") < 9000.0 {
            reloads += 1;
            site.reload(&text(reloads));
        }
        let ended = load.wait();
        over.store(true, Ordering::Relaxed);
        assert!(single.join().unwrap() > 20);
        let run = ended.json();
        assert!(conserved(&run), "{run}");
        let errors = run["errors"].as_object().unwrap();
        assert!(errors.values().all(|count| count == 0) && run["unfinished"] == 0, "{reloads}: {run}");
        // Nothing was closed and opened again either: the load has its connections from the beginning, and the one by which it
        // looked whether anybody is there.
        let accepted = site.metric("nginx_connections_accepted_total");
        let of_load = accepted - site.metric("nginx_http_requests_total") + run["sent"].as_f64().unwrap();
        assert!(of_load <= 65.0, "{of_load} connections");
    });
    until("the old workers are gone", || site.metric("proxy_workers{state=\"leaving\"}") == 0.0);
    assert!(!site.log("error.log").contains("[alert]"), "{}", site.log("error.log"));
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_in_the_log() {
    let site = Site::start(&saying("one"));
    let address = site.address();
    for (round, (text, why)) in [
        ("events {}\nfoo;".to_owned(), "[emerg]", "unknown directive \"foo\" in "),
        (saying("two").replace(":0;", &format!(":0; listen {address};")), "[emerg]", "bind() to 127.0.0.1:"),
        (saying("two").replace("access.log", "none/access.log"), "[emerg]", "open() \""),
    ]
    .map(|(text, level, why)| (text, format!("{level} {pid}#{pid}: {why}", pid = site.target.pid())))
    .into_iter()
    .enumerate()
    {
        write(site.dir.path(), &text);
        signal(site.target.pid(), Signal::HUP);
        until("it is refused", || site.metric(FAILED) == (round + 1) as f64);
        assert!(get(address, "/", "").ends_with("\r\n\r\none"));
        until("the log says why", || site.log("error.log").contains(&why));
    }
    site.reload(&saying("three"));
    until("the new one serves", || get(address, "/", "").ends_with("\r\n\r\nthree"));
}

#[test]
fn a_port_comes_and_goes_with_the_configuration() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = |listen: &str| format!("server {{ listen {listen}; return 200 {listen}; }}");
    let both = configuration("", &(server("127.0.0.1:0") + &server(&free.to_string())));
    let site = Site::start(&saying("alone"));
    site.reload(&both);
    assert!(get(&free.to_string(), "/", "").ends_with(&free.to_string()));
    site.reload(&saying("alone"));
    until("the port is closed", || TcpStream::connect(free).is_err());
    assert!(get(site.address(), "/", "").ends_with("alone"));
}

#[test]
fn signals_are_sent_by_name() {
    let mut site = Site::start(&saying("one"));
    let (pid, address) = (site.target.pid(), site.address().to_owned());
    assert_eq!(site.log("proxy.pid"), format!("{pid}\n"));

    write(site.dir.path(), &saying("two"));
    site.tell("reload");
    until("it is reloaded", || get(&address, "/", "").ends_with("two"));

    until("the request is logged", || site.log("access.log").contains("GET / "));
    for name in ["access.log", "error.log"] {
        std::fs::rename(site.path(name), site.path(&format!("{name}.1"))).unwrap();
    }
    site.tell("reopen");
    until("the logs are there again", || site.path("access.log").exists() && site.path("error.log").exists());
    get(&address, "/after", "");
    until("they are written", || site.log("access.log").contains("GET /after "));
    assert!(!site.log("access.log.1").contains("/after"));

    site.tell("quit");
    assert!(site.target.wait().success());
    assert!(!site.path("proxy.pid").exists());

    site = Site::start(&saying("three"));
    site.tell("stop");
    assert!(site.target.wait().success());
}

#[test]
fn a_stop_is_sudden_and_a_quit_is_not() {
    let upstream = Target::start("queue --workers 1 --service 2s");
    let text = configuration(
        "worker_shutdown_timeout 30s;",
        &format!(
            "server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://{}; }} }}",
            upstream.address()
        ),
    );
    for (with, answered) in [(Signal::QUIT, true), (Signal::TERM, false), (Signal::INT, false)] {
        let mut site = Site::start(&text);
        let address = site.address().to_owned();
        let client = std::thread::spawn(move || {
            http(&address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 ")
        });
        until("the request is under way", || site.metric("nginx_connections_writing") == 1.0);
        signal(site.target.pid(), with);
        assert!(site.target.wait().success());
        // A connection that is broken off may be reset.
        assert_eq!(client.join().unwrap_or(false), answered, "{with:?}");
    }
}

#[test]
fn the_line_with_which_it_says_that_it_serves_names_all_that_it_listens_on() {
    let listens = "127.0.0.1:0; listen 127.0.0.2:0; listen 0.0.0.0:0;";
    let site = Site::start(&saying("here").replace("127.0.0.1:0;", listens));
    let addresses: Vec<&str> =
        site.target.said["addresses"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!((addresses.len(), addresses[0]), (3, site.address()));
    assert!(
        addresses[1].starts_with("127.0.0.2:") && addresses[2].starts_with("127.0.0.1:"),
        "{addresses:?}"
    );
    for address in addresses {
        assert!(get(address, "/", "").ends_with("here"), "{address}");
    }
}

#[test]
fn it_goes_to_the_background_when_told_to() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), &saying("behind").replace("daemon off;", "daemon on;"));
    let arguments = format!("proxy -p {} -c nginx.conf", dir.path().display());
    let ended = {
        let mut command = Command::new(binary("target-stack"));
        command.args(arguments.split_whitespace());
        Running::start(command).wait()
    };
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let said = ended.json();
    let pid = u32::try_from(said["pid"].as_u64().unwrap()).unwrap();
    assert!(get(said["address"].as_str().unwrap(), "/", "").ends_with("behind"));
    // It leads a session of its own: field 6 of proc_pid_stat(5).
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap(), pid.to_string());
    let (code, _) = run(&binary("target-stack"), &format!("{arguments} -s stop"));
    assert_eq!(code, Some(0));
    until("it has ended", || !runs(pid));

    // What is wrong is said at the terminal.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    write(dir.path(), &saying("x").replace("daemon off;", "daemon on;").replace("127.0.0.1:0", &listen));
    let (code, said) = run(&binary("target-stack"), &arguments);
    assert!(code != Some(0) && said.contains(&format!("[emerg] bind() to {listen} failed (98: ")), "{said}");
}

/// Connections that are idle at once, and what the process may hold with them, in bytes.
const MANY: u64 = 10_000;
const LITTLE: f64 = 100e6;

#[test]
fn ten_thousand_idle_connections_cost_little() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < MANY + 1000) {
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {limit:?} leaves no room for {MANY} connections");
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).unwrap();
    let text = saying("ok").replace("4096", "20000").replace("http {", "http { keepalive_timeout 600;");
    let site = Site::start(&text);
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut clients: Vec<TcpStream> =
        (0..MANY).map(|_| TcpStream::connect(site.address()).unwrap()).collect();
    // One after the other, and then as many at once as there are.
    for client in &mut clients {
        client.write_all(request).unwrap();
        assert!(client.read(&mut [0; 1024]).unwrap() > 0);
    }
    clients.iter_mut().for_each(|client| client.write_all(request).unwrap());
    clients.iter_mut().for_each(|client| assert!(client.read(&mut [0; 1024]).unwrap() > 0));
    assert_eq!(site.metric("nginx_connections_active"), MANY as f64);
    let held = site.metric("process_resident_memory_bytes");
    assert!(held < LITTLE, "{held}");
}

#[test]
fn more_connections_than_descriptors_are_warned_of() {
    let site =
        Site::start(&saying("ok").replace("4096", "4000000000").replace("error.log", "error.log warn"));
    let log = site.log("error.log");
    assert!(log.contains("4000000000 worker_connections exceed open file resource limit: "), "{log}");
    site.reload(&saying("ok").replace("error.log", "error.log warn"));
    assert_eq!(site.log("error.log").matches(" exceed ").count(), 1);
}

/// What nginx says, without the time and pid that it puts before, and what we say, without our name.
fn plain(said: &str) -> Vec<String> {
    let bare = |line: &str| {
        let line = line.strip_prefix("nginx: ").or(line.strip_prefix("target-stack: ")).unwrap_or(line);
        let from = ["[emerg]", "[error]", "[alert]", "[warn]"].iter().find_map(|level| line.find(level));
        let line = from.map_or(line, |from| &line[from..]);
        match line.split_once("#") {
            Some((level, rest)) if line.starts_with('[') => {
                let level = level.split_once(' ').map_or(level, |(level, _)| level);
                format!("{level} {}", rest.split_once(": ").map_or(rest, |(_, message)| message))
            }
            _ => line.to_owned(),
        }
    };
    said.lines().filter(|line| !line.contains("[notice]")).map(bare).collect()
}

#[test]
fn flags_mean_what_they_mean_to_nginx() {
    if !nginx_is_installed() {
        return;
    }
    let nginx =
        ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].iter().map(PathBuf::from).find(|path| path.is_file());
    let Some(nginx) = nginx else { panic!("nginx is somewhere else") };
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    // Nothing that nginx would put into directories of the system.
    file("good.conf", "error_log e.log; pid n.pid; events {}\n");
    file("bad.conf", "error_log e.log; pid n.pid;\nfoo;\nevents {}\n");
    file("listed.conf", "error_log e.log; pid listed.pid; events {}\n");
    let prefix = dir.path().display();
    let rows = [
        "-t -c good.conf",
        "-tq -c good.conf",
        "-t -q -c bad.conf",
        "-t -c bad.conf",
        "-t -c none.conf",
        "-tc good.conf -g foo;",
        "-tc good.conf -g worker_processes",
        "-tc good.conf -g pid_x;",
        "-tc good.conf -g pid;",
        "-tc good.conf -e other.log",
        "-Tc good.conf",
        "-c good.conf -s foo",
        "-c listed.conf -s stop",
        "-c listed.conf -s reload",
        "-c bad.conf -s stop",
    ];
    for pid in ["999999999\n", "abc\n", ""] {
        for row in rows {
            file("listed.pid", pid);
            let theirs = run(&nginx, &format!("-p {prefix} -e stderr {row}"));
            file("listed.pid", pid);
            let ours = run(&binary("target-stack"), &format!("proxy -p {prefix} -e stderr {row}"));
            assert_eq!((ours.0, plain(&ours.1)), (theirs.0, plain(&theirs.1)), "{row} {pid:?}");
        }
    }
    let dumped = |program: &Path, before: &str| {
        let arguments = format!("{before} -p {prefix} -e stderr -Tqc good.conf");
        let out = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(dumped(&binary("target-stack"), "proxy"), dumped(&nginx, ""));
}
