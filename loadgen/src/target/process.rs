//! A target as a process. Given a command, it starts it, waits for the line with which it says that it answers, and takes it down again.

use super::group::Group;
use super::lines::Lines;
use super::{Death, guardian, program};
use crate::failure::{Failure, Outcome};
use crate::pace;
use rustix::process::{Pid, Signal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// How long a target may take to come up: a new database on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end in order.
pub(super) const END_LIMIT: Duration = Duration::from_secs(20);
/// How long the end of a command's pipes is waited for when it has ended: something else may hold them.
const PIPES: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Of a command of a user's, all that it has started.
    group: Option<Group>,
    /// By whose end the guardian of that group knows of ours.
    _lifeline: Option<ChildStdin>,
    out: Option<ChildStdout>,
    /// Hears of deaths from when it answers until it ends.
    deaths: Option<JoinHandle<Vec<Death>>>,
    /// The last line on its standard error, once that is closed.
    last_words: Option<JoinHandle<String>>,
    /// How long it may take to come up.
    limit: Duration,
    /// In words, for messages.
    what: String,
}

impl Process {
    /// Starts `target-stack` with these arguments; must be called within a runtime.
    ///
    /// # Errors
    /// The target's fault: there is no such program.
    pub(crate) fn start(what: &str, arguments: &[&str]) -> Outcome<Self> {
        let program = program();
        let mut command = Command::new(&program);
        command.args(arguments).args(["--die-with", &std::process::id().to_string()]).stdin(Stdio::null());
        Self::spawn(what, command).map_err(|e| {
            Failure::target(format!(
                "cannot start {what} {}: {e}; build it (cargo build --release), or give a URL",
                program.display()
            ))
        })
    }

    /// Starts a line of the shell's, which ends with all that it starts, at the latest when this program has ended; likewise.
    ///
    /// # Errors
    /// The host's fault: there is no shell.
    pub(crate) fn of_shell(what: &str, line: &str) -> Outcome<Self> {
        let mut process = Self::spawn(what, guardian::command(line, &[String::from("sh")], END_LIMIT))
            .map_err(|e| Failure::host(format!("cannot start a shell for {what}: {e}")))?;
        process.group = Some(Group::led_by(process.child.id()));
        Ok(process)
    }

    fn spawn(what: &str, mut command: Command) -> std::io::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C at the terminal is for this program, which then ends the target in order.
            .process_group(0)
            .spawn()?;
        // Taken, since whoever waits for a child closes what it still has of it.
        let (lifeline, out, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let last_words = Some(tokio::spawn(last_line(errors.map(Lines::of))));
        let (deaths, limit, what) = (None, START_LIMIT, what.to_owned());
        Ok(Self { child, group: None, _lifeline: lifeline, out, deaths, last_words, limit, what })
    }

    /// Waits for the line with which it says that it answers.
    ///
    /// # Errors
    /// The target's fault, in its own words: it did not start.
    pub(crate) async fn ready(&mut self) -> Outcome<String> {
        let mut lines = self.out.take().map(Lines::of);
        let line = match &mut lines {
            Some(lines) => pace::within(self.limit, lines.next()).await,
            None => None,
        };
        match line {
            Some(Some(line)) => {
                self.deaths = lines.map(|lines| tokio::spawn(deaths(lines)));
                Ok(line)
            }
            Some(None) => {
                // Its standard output is closed, so it is ending, or will never say anything.
                let why = match pace::within(END_LIMIT, self.child.wait()).await {
                    Some(how) => self.last_words(how.ok()).await,
                    None => String::from("it closed its standard output and said nothing"),
                };
                let why = why.strip_prefix("target-stack: ").unwrap_or(&why);
                Err(Failure::target(format!("{} did not start: {why}", self.what)))
            }
            None => {
                // A user's command has to be told what it is to print.
                let missed = if self.group.is_some() { ": it printed no line with its URL" } else { "" };
                Err(Failure::target(format!("{} did not answer within {:?}{missed}", self.what, self.limit)))
            }
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
            Some(said) => pace::within(self.pipes(), said).await.and_then(Result::ok).unwrap_or_default(),
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
        match &self.group {
            Some(group) => group.tell(Signal::TERM),
            // It may have ended in between; then there is nothing to do.
            None => drop(pid.map(|pid| rustix::process::kill_process(pid, Signal::TERM))),
        }
        if pid.is_some() && pace::within(END_LIMIT, self.child.wait()).await.is_none() {
            let _ = self.child.kill().await;
        }
        let pipes = self.pipes();
        if let Some(group) = self.group.take() {
            group.end(END_LIMIT).await;
        }
        match self.deaths.take() {
            Some(deaths) => pace::within(pipes, deaths).await.and_then(Result::ok).unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// How long the end of its pipes is waited for: nothing else has those of a program of ours.
    fn pipes(&self) -> Duration {
        if self.group.is_some() { PIPES } else { END_LIMIT }
    }
}

/// How a process ended, as a clause.
pub(super) fn ended(how: ExitStatus) -> String {
    match (how.code(), how.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => String::from("it ended"),
    }
}

/// Hears what a target says that answers, to its end, so that it never waits for somebody to read.
async fn deaths(mut lines: Lines<ChildStdout>) -> Vec<Death> {
    let mut deaths = Vec::new();
    while let Some(line) = lines.next().await {
        deaths.extend(Death::read(&line));
    }
    deaths
}

/// Reads standard error to its end, likewise, and keeps the last line.
async fn last_line(lines: Option<Lines<ChildStderr>>) -> String {
    let mut last = String::new();
    if let Some(mut lines) = lines {
        while let Some(line) = lines.next().await {
            last = line;
        }
    }
    last.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(line: &str) -> Result<String, String> {
        let mut process = Process::of_shell("it", line).unwrap();
        let said = process.ready().await.map_err(|failure| failure.message);
        process.stop().await;
        said
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_says_a_line_or_why_it_does_not() {
        assert_eq!(said("echo http://h/; exec sleep 600").await, Ok("http://h/".into()));
        for (line, why) in [
            ("echo no port >&2; exit 3", "it did not start: no port"),
            ("exit 3", "it did not start: it ended with exit code 3"),
            ("kill -9 $$", "it did not start: it was killed by signal 9"),
        ] {
            assert_eq!(said(line).await, Err(why.into()), "{line}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_prints_no_line_is_told_what_it_has_to_print() {
        let mut process = Process::of_shell("it", "printf http://h/; sleep 600").unwrap();
        process.limit = Duration::from_millis(10);
        let why = process.ready().await.unwrap_err().message;
        process.stop().await;
        assert_eq!(why, "it did not answer within 10ms: it printed no line with its URL");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_command_logs_is_read_to_its_end() {
        // More than a pipe holds, behind a byte that is no text; whoever is not read to the end waits, or is killed by SIGPIPE.
        let log = "echo http://h/; printf '\\377\\n'; head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 7";
        let mut process = Process::of_shell("it", log).unwrap();
        process.ready().await.unwrap();
        let how = pace::within(END_LIMIT, process.child.wait()).await.unwrap().unwrap();
        process.stop().await;
        assert_eq!(how.code(), Some(7));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_command_has_started_ends_with_it() {
        // One of them does something first, as a server that lets its requests end; it says that it is there once it would.
        let dir = tempfile::tempdir().unwrap();
        let (mark, pids) = (dir.path().join("ended"), dir.path().join("pids"));
        let line = format!(
            "sleep 600 & echo $! >{pids}; (trap 'touch {mark}; exit' TERM; echo $$ >>{pids}; echo; sleep 600 & wait) & wait",
            pids = pids.display(),
            mark = mark.display()
        );
        let mut process = Process::of_shell("it", &line).unwrap();
        process.ready().await.unwrap();
        process.stop().await;
        assert!(mark.exists());
        for pid in std::fs::read_to_string(&pids).unwrap().lines() {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
        }
    }
}
