//! The targets of ours as processes. Given arguments, it starts `target-stack`, waits for the line with which it says that it
//! answers, and takes it down again; it knows of a target only what that line says.

use crate::cli::TargetProxy;
use crate::failure::{Failure, Outcome};
use crate::pace;
use rustix::process::{Pid, Signal};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

/// The descriptor's schema that this program reads.
const SCHEMA: &str = "target-stack.up/1";
/// How long a stack may take to come up: a new database on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end in order.
const END_LIMIT: Duration = Duration::from_secs(20);

/// What a stack says of itself; users may write one for a system of their own.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Descriptor {
    schema: String,
    /// The website's root.
    pub(crate) url: String,
    /// The name server of its zone.
    pub(crate) resolver: Option<SocketAddr>,
    /// The processes of each tier.
    pub(crate) tiers: BTreeMap<String, Vec<Tier>>,
    /// The CPUs that it is pinned to.
    #[serde(default)]
    pub(crate) cpus: Vec<usize>,
    /// What of it stands in for something else, in words.
    #[serde(default)]
    pub(crate) emulated: Vec<String>,
    /// Its directory, where it has one.
    #[serde(default)]
    pub(crate) dir: Option<PathBuf>,
    /// How many products the catalogue holds.
    #[serde(default = "one")]
    pub(crate) items: u32,
}

/// One process of a tier.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tier {
    /// Where it is reached.
    pub(crate) address: String,
    /// Its Prometheus endpoint.
    pub(crate) metrics: Option<String>,
}

fn one() -> u32 {
    1
}

impl Descriptor {
    fn read(line: &str) -> Result<Self, String> {
        let descriptor: Self = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if descriptor.schema == SCHEMA {
            Ok(descriptor)
        } else {
            Err(format!("schema {}", descriptor.schema))
        }
    }

    /// The product pages of the whole catalogue, as request targets.
    pub(crate) fn product_pages(&self) -> Vec<String> {
        (1..=self.items).map(|id| format!("/products/{id}")).collect()
    }

    /// The proxy's own address, for a stack without a zone.
    pub(crate) fn proxy_address(&self) -> Option<SocketAddr> {
        self.tiers.get("proxy")?.first()?.address.parse().ok()
    }
}

/// What a stack says of a process of its own that died without having been asked to end.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Death {
    event: String,
    /// That of the descriptor.
    pub(crate) pid: u32,
    /// In words.
    pub(crate) reason: String,
}

impl Death {
    const EVENT: &str = "tier_died";

    fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().filter(|death: &Self| death.event == Self::EVENT)
    }
}

/// A `target-stack` of ours, whatever its subcommand.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    out: Option<ChildStdout>,
    /// Hears of deaths from when it answers until it ends.
    deaths: Option<JoinHandle<Vec<Death>>>,
    /// The last line on its standard error, once that is closed.
    last_words: Option<JoinHandle<String>>,
    /// In words, for messages.
    what: &'static str,
}

impl Process {
    /// Starts `target-stack` with these arguments; must be called within a runtime.
    ///
    /// # Errors
    /// The target's fault: there is no such program.
    pub(crate) fn start(what: &'static str, arguments: &[&str]) -> Outcome<Self> {
        let program = program();
        let mut child = Command::new(&program)
            .args(arguments)
            .args(["--die-with", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C at the terminal is for this program, which then ends the stack in order.
            .process_group(0)
            .spawn()
            .map_err(|e| {
                Failure::target(format!(
                    "cannot start {what} {}: {e}; build it (cargo build --release), or give a URL",
                    program.display()
                ))
            })?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let last_words = tokio::spawn(last_line(errors.map(|e| BufReader::new(e).lines())));
        Ok(Self { child, out, deaths: None, last_words: Some(last_words), what })
    }

    /// Waits for the line with which it says that it answers.
    ///
    /// # Errors
    /// The target's fault, in its own words: it did not start.
    pub(crate) async fn ready(&mut self) -> Outcome<String> {
        let mut lines = self.out.take().map(|out| BufReader::new(out).lines());
        let line = match &mut lines {
            Some(lines) => pace::within(START_LIMIT, lines.next_line()).await,
            None => None,
        };
        match line {
            Some(Ok(Some(line))) => {
                self.deaths = lines.map(|lines| tokio::spawn(deaths(lines)));
                Ok(line)
            }
            Some(_) => {
                // Its standard output is closed, so it is ending.
                let how = pace::within(END_LIMIT, self.child.wait()).await.and_then(Result::ok);
                let why = self.last_words(how).await;
                let why = why.strip_prefix("target-stack: ").unwrap_or(&why);
                Err(Failure::target(format!("{} did not start: {why}", self.what)))
            }
            None => Err(Failure::target(format!("{} did not answer within {START_LIMIT:?}", self.what))),
        }
    }

    /// What it said when it ended by itself, or how it did; `None` while it runs.
    pub(crate) async fn died(&mut self) -> Option<String> {
        let how = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(how) => how,
            Err(_) => None,
        };
        Some(self.last_words(how).await)
    }

    /// Why it ended as it did, in its own words where they can be of that: whoever was killed has said nothing of it.
    async fn last_words(&mut self, how: Option<ExitStatus>) -> String {
        let said = match self.last_words.take() {
            Some(said) => said.await.unwrap_or_default(),
            None => String::new(),
        };
        match how {
            Some(how) if said.is_empty() || how.code().is_none() => ended(how),
            _ => said,
        }
    }

    /// Takes it down and waits until it is gone; gives the deaths that it has told of.
    pub(crate) async fn stop(mut self) -> Vec<Death> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended in between; then there is nothing to do.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
            if pace::within(END_LIMIT, self.child.wait()).await.is_none() {
                let _ = self.child.kill().await;
            }
        }
        // Nothing else has its standard output, so that is closed.
        match self.deaths.take() {
            Some(deaths) => pace::within(END_LIMIT, deaths).await.and_then(Result::ok).unwrap_or_default(),
            None => Vec::new(),
        }
    }
}

/// A `target-stack up` of ours.
#[derive(Debug)]
pub(crate) struct Reference {
    process: Process,
}

impl Reference {
    /// What is being loaded, in words.
    pub(crate) const WHAT: &str = "random products, one database read each";

    /// What is started, in words.
    pub(crate) fn in_words(proxy: Option<TargetProxy>) -> String {
        let proxy = if proxy == Some(TargetProxy::Nginx) { "nginx" } else { "proxy" };
        format!("the reference target: DNS zone, {proxy}, app server, private MariaDB")
    }

    /// Starts the stack on `cpus`, with this proxy and further options of `target-stack up`.
    ///
    /// # Errors
    /// The target's fault: there is no such program.
    pub(crate) fn start(cpus: &[usize], proxy: Option<TargetProxy>, options: &[String]) -> Outcome<Self> {
        let list = list(cpus);
        let mut arguments = vec!["up", "--cpus", &list];
        arguments.extend(match proxy {
            None => &[][..],
            Some(TargetProxy::Builtin) => &["--proxy", "builtin"],
            Some(TargetProxy::Nginx) => &["--proxy", "nginx"],
        });
        arguments.extend(options.iter().map(String::as_str));
        let process = Process::start("the reference target", &arguments)?;
        Ok(Self { process })
    }

    /// Waits until all tiers answer.
    ///
    /// # Errors
    /// The target's fault, in its own words: it did not start, or did not say anything that can be read.
    pub(crate) async fn ready(&mut self) -> Outcome<Descriptor> {
        let line = self.process.ready().await?;
        Descriptor::read(&line)
            .map_err(|e| Failure::target(format!("the reference target's descriptor cannot be read: {e}")))
    }

    /// What it said when it ended by itself, or how it did; `None` while it runs.
    pub(crate) async fn died(&mut self) -> Option<String> {
        self.process.died().await
    }

    /// Takes the stack down and waits until it is gone; gives the deaths that it has told of since it answered, also those that it was
    /// asked for.
    pub(crate) async fn stop(self) -> Vec<Death> {
        self.process.stop().await
    }
}

/// Has `target-stack` do something to the stack in `dir`, such as `kill app`; gives what it prints.
///
/// # Errors
/// The target's fault, in its own words: it could not be done.
pub(crate) async fn operate(dir: &Path, words: &[&str]) -> Outcome<String> {
    let mut command = Command::new(program());
    let (verb, others) = words.split_first().unwrap_or((&"status", &[]));
    command.arg(verb).arg("--dir").arg(dir).args(others).stdin(Stdio::null()).kill_on_drop(true);
    // Ctrl-C at the terminal is for this program.
    command.process_group(0);
    let said =
        command.output().await.map_err(|e| Failure::target(format!("cannot start target-stack: {e}")))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    Err(Failure::target(why.strip_prefix("target-stack: ").unwrap_or(&why).to_owned()))
}

/// CPUs as an option has them.
pub(crate) fn list(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Why the sizes of a reference target cannot be limited here, if they cannot. What cannot be asked, it will say itself.
pub(crate) fn unlimited() -> Option<String> {
    let asked = std::process::Command::new(program()).arg("limits").output().ok()?;
    let said = String::from_utf8_lossy(&asked.stderr);
    let why = said.split_once("needs the right to write control groups: ")?.1.trim();
    (!asked.status.success()).then(|| format!("no right to write control groups ({why})"))
}

/// `target-stack` beside this executable, else the one on PATH.
pub(crate) fn program() -> PathBuf {
    let name = PathBuf::from("target-stack");
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&name)));
    beside.filter(|path| path.is_file()).unwrap_or(name)
}

/// How a process ended, as a clause.
fn ended(how: ExitStatus) -> String {
    match (how.code(), how.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => String::from("it ended"),
    }
}

/// Hears what a stack says that answers, to its end.
async fn deaths(mut lines: Lines<BufReader<ChildStdout>>) -> Vec<Death> {
    let mut deaths = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        deaths.extend(Death::read(&line));
    }
    deaths
}

/// Reads standard error to its end, so that the child never waits for it, and keeps the last line.
async fn last_line(lines: Option<Lines<BufReader<ChildStderr>>>) -> String {
    let mut last = String::new();
    if let Some(mut lines) = lines {
        while let Ok(Some(line)) = lines.next_line().await {
            last = line;
        }
    }
    last
}
