//! What the end-to-end tests share: the binaries beside this test, started as a user starts them, and the traces that
//! they must not leave. It waits for conditions, never for a length of time.
#![expect(clippy::disallowed_methods, reason = "a test that waits for another process has to poll a clock")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub mod beside;
pub mod endpoint;
pub mod haproxy;
pub mod kept;
pub mod names;
pub mod nginx;
pub mod origin;
pub mod pair;
pub mod rogue;
pub mod shopper;
pub mod small;
pub mod stack;
pub mod visitors;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What any single wait may take on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary `name`, built beside the tests.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test");
    let path = test.parent().and_then(Path::parent).expect("target/PROFILE/deps").join(name);
    assert!(path.is_file(), "{} is missing: cargo build --workspace --bins", path.display());
    path
}

/// What a command left behind when it ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; -1 of a signal.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// Where it ran: a directory of its own.
    pub dir: TempDir,
}

impl Ended {
    /// The JSON on its standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// Asserts that it ended with `code` and one line on standard error that says `part`; gives that line.
    pub fn refused(&self, code: i32, part: &str) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one line: {self:?}");
        assert!(self.err.contains(part), "`{part}`: {self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.err.clone()
    }
}

/// Runs `loadgen` with arguments, separated by blanks, in an empty directory, to its end.
pub fn loadgen(arguments: &str) -> Ended {
    Running::loadgen(arguments).wait()
}

/// A command that is still running.
#[derive(Debug)]
pub struct Running {
    child: Child,
    dir: TempDir,
}

impl Running {
    /// Starts `loadgen`, as [`loadgen`] does.
    pub fn loadgen(arguments: &str) -> Self {
        let mut command = Command::new(binary("loadgen"));
        command.args(arguments.split_whitespace());
        Self::start(command)
    }

    /// Starts any command in an empty directory.
    pub fn start(command: Command) -> Self {
        Self::start_on(command, Stdio::piped())
    }

    /// The same with this standard error.
    pub fn start_on(mut command: Command, err: Stdio) -> Self {
        let dir = TempDir::new().unwrap();
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err);
        let child = command.spawn().unwrap();
        Self { child, dir }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it runs.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits for its end, which has to come.
    pub fn wait(self) -> Ended {
        let (pid, (done, ended)) = (self.pid(), mpsc::channel());
        std::thread::spawn(move || done.send(self.child.wait_with_output()));
        let out = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            signal(pid, Signal::KILL);
            panic!("process {pid} does not end");
        });
        let out = out.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = out.status.code().unwrap_or(-1);
        Ended { code, out: text(out.stdout), err: text(out.stderr), dir: self.dir }
    }
}

/// A `target-stack` process that has said that it answers.
#[derive(Debug)]
pub struct Target {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The line with which it said so.
    pub said: Value,
}

impl Target {
    /// Starts `target-stack` with arguments, separated by blanks.
    pub fn start(arguments: &str) -> Self {
        Self::try_start(arguments).unwrap_or_else(|code| panic!("it ends with {code:?}"))
    }

    /// The same, or the exit code with which it refuses.
    ///
    /// # Errors
    /// When it ends before it answers.
    pub fn try_start(arguments: &str) -> Result<Self, Option<i32>> {
        Self::of(Command::new(binary("target-stack")), arguments)
    }

    /// The same of one that minds SIGHUP, as it would not if whoever runs the tests does not (nohup).
    pub fn start_minding_hangups(arguments: &str) -> Self {
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(binary("target-stack"));
        Self::of(command, arguments).unwrap_or_else(|code| panic!("it ends with {code:?}"))
    }

    /// The same of one that may have so many descriptors open.
    pub fn start_with_descriptors(most: u64, arguments: &str) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {most}; exec \"$0\" \"$@\"")).arg(binary("target-stack"));
        Self::of(command, arguments).unwrap_or_else(|code| panic!("it ends with {code:?}"))
    }

    fn of(mut command: Command, arguments: &str) -> Result<Self, Option<i32>> {
        command.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            return Err(child.wait().unwrap().code());
        }
        let said = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: `{line}`"));
        Ok(Self { child, out, said })
    }

    /// What it says next, or nothing at the end.
    pub fn says(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: `{line}`")))
    }

    /// The address that it listens on.
    pub fn address(&self) -> &str {
        self.said["address"].as_str().expect("an address")
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All pids that a stack descriptor names, and its supervisor's.
    pub fn pids(&self) -> Vec<u32> {
        let tiers = self.said["tiers"].as_object().expect("tiers");
        let pid = |tier: &Value| u32::try_from(tier["pid"].as_u64().expect("a pid")).unwrap();
        let named = tiers.values().flat_map(|tiers| tiers.as_array().expect("a list")).map(pid);
        named.chain([self.pid()]).collect()
    }

    /// Sends it a signal, and waits for its end.
    pub fn end(mut self, with: Signal) -> ExitStatus {
        signal(self.pid(), with);
        self.child.wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(self.child.id(), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a process that a test started.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs (a zombie does not).
pub fn runs(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The state of a process, as proc_pid_stat(5) has it, while there is one.
pub fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The processes whose command line has `part` in it.
pub fn processes_with(part: &str) -> Vec<u32> {
    let own = std::process::id();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&pid| pid != own && runs(pid))
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").contains(part)
        })
        .collect()
}

/// One HTTP exchange on a connection of its own: the whole answer as text.
pub fn http(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// `GET path` with these further header lines, each ended by CRLF.
pub fn get(address: &str, path: &str, headers: &str) -> String {
    http(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: close\r\n{headers}\r\n"),
    )
}

/// The ledger of a run: whether planned = ok + errors + dropped + unfinished.
pub fn conserved(run: &Value) -> bool {
    let n = |v: &Value| v.as_u64().expect("a count");
    let errors: u64 = run["errors"].as_object().expect("errors").values().map(n).sum();
    n(&run["planned"]) == n(&run["ok"]) + errors + n(&run["dropped"]) + n(&run["unfinished"])
}

/// Whether the search says that this machine was the limit, which is then true: others use it too.
pub fn is_of_the_machine(found: &Value) -> bool {
    ["host", "generator"].iter().any(|what| found["limited_by"]["what"] == *what)
}
