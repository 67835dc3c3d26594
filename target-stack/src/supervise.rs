//! The processes of a stack. Given a tier's arguments, it starts this program again as that tier, waits for the line
//! with which the tier says that it answers, notices when one dies, and ends all of them in order. It does not know
//! what the tiers do.

use crate::cgroup::Group;
use crate::descriptor::{Death, Tier};
use crate::failure::{Failure, Outcome};
use crate::{pace, procfs};
use rustix::process::{Pid, Signal, WaitOptions};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// How long a tier may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a tier may take to end when it is asked to; the database writes its pages out.
const END_LIMIT: Duration = Duration::from_secs(12);
/// How long what a dead tier said may take to arrive.
const WORDS_LIMIT: Duration = Duration::from_secs(1);
/// How long an orphan may take to die of SIGKILL.
const REAP_LIMIT: Duration = Duration::from_secs(5);

/// The tiers of a stack, in the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    all: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    name: &'static str,
    /// What it says its pid is, once it has: that of the process that does the tier's work.
    pid: u32,
    child: Child,
    last_words: Rc<RefCell<String>>,
    /// Reads them, until its standard error is closed.
    listening: JoinHandle<()>,
}

impl Processes {
    /// No process yet. From now on, orphans of this process's children become its own children, so that it can see
    /// that they are gone.
    ///
    /// # Errors
    /// When the kernel does not do that.
    pub(crate) fn new() -> Outcome<Self> {
        adopt_orphans()?;
        Ok(Self::default())
    }

    /// Starts the tier `name` by this program's subcommand `command`, in a control group if one is given, and waits until it
    /// says that it answers. Must be called on the main thread: a tier dies with the thread that started it.
    ///
    /// # Errors
    /// When it does not start or does not answer, with its own last words.
    pub(crate) async fn start(
        &mut self,
        name: &'static str,
        command: &str,
        group: Option<&Group>,
        arguments: &[String],
    ) -> Outcome<Tier> {
        let program =
            std::env::current_exe().map_err(|e| Failure::start(format!("cannot find this program: {e}")))?;
        let mut child = Command::new(program)
            .args(["--die-with", &std::process::id().to_string()])
            .args(group.iter().flat_map(|group| [OsStr::new("--group"), group.dir().as_os_str()]))
            .arg(command)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for the supervisor, which then ends its tiers in order.
            .process_group(0)
            .spawn()
            .map_err(|e| Failure::start(format!("cannot start the {name} tier: {e}")))?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let last_words = Rc::new(RefCell::new(String::new()));
        let words = Rc::clone(&last_words);
        let listening = tokio::task::spawn_local(async move {
            let Some(errors) = errors else { return };
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                words.replace(line);
            }
        });
        let pid = child.id().unwrap_or_default();
        self.all.push(Process { name, pid, child, last_words, listening });
        let line = match out {
            Some(out) => pace::within(READY_LIMIT, BufReader::new(out).lines().next_line()).await,
            None => None,
        };
        match line {
            Some(Ok(Some(line))) => {
                let tier: Tier = serde_json::from_str(&line)
                    .map_err(|e| Failure::start(format!("the {name} tier said something unexpected: {e}")))?;
                self.all.iter_mut().next_back().into_iter().for_each(|process| process.pid = tier.pid);
                Ok(tier)
            }
            Some(_) => {
                // Its standard output is closed, so it is ending; what it says last is why.
                let words = self.last_words(self.all.len() - 1, END_LIMIT).await;
                let why = if words.is_empty() { self.how_last_ended().await } else { words };
                Err(Failure::start(format!("the {name} tier did not start: {why}")))
            }
            None => Err(Failure::start(format!("the {name} tier did not answer within {READY_LIMIT:?}"))),
        }
    }

    /// What the process of this number said last, once it can say no more.
    async fn last_words(&mut self, number: usize, limit: Duration) -> String {
        let process = &mut self.all[number];
        if !process.listening.is_finished() {
            let _ = pace::within(limit, &mut process.listening).await;
        }
        let words = process.last_words.borrow();
        words.strip_prefix("target-stack: ").unwrap_or(&words).to_owned()
    }

    /// How the process started last has ended, which it is about to.
    async fn how_last_ended(&mut self) -> String {
        let Some(process) = self.all.last_mut() else { return String::new() };
        match pace::within(END_LIMIT, process.child.wait()).await {
            Some(Ok(status)) => format!("it {}", ended(status)),
            _ => String::from("it said nothing"),
        }
    }

    /// Waits until a tier has lost its last process, and says how that ended. Of a tier with several, the others go on. `lost`
    /// is told of each that dies.
    pub(crate) async fn last_of_a_tier(&mut self, lost: impl Fn(&Death)) -> Failure {
        loop {
            let (n, status) = std::future::poll_fn(|cx| {
                for (n, process) in self.all.iter_mut().enumerate() {
                    let waiting = std::pin::pin!(process.child.wait());
                    if let std::task::Poll::Ready(status) = waiting.poll(cx) {
                        return std::task::Poll::Ready((n, status));
                    }
                }
                std::task::Poll::Pending
            })
            .await;
            let at_unix_s = pace::wall_clock().as_secs_f64();
            let (exit_code, signal) = status.as_ref().map_or((None, None), |how| (how.code(), how.signal()));
            let how = status.map_or_else(|e| e.to_string(), ended);
            let words = self.last_words(n, WORDS_LIMIT).await;
            let why = !words.is_empty() && says_why(exit_code, signal);
            let words = if why { format!(": {words}") } else { String::new() };
            let Process { name, pid, .. } = self.all.remove(n);
            let left = self.all.iter().filter(|process| process.name == name).count();
            let reason = match left {
                0 => format!("the {name} tier {how}{words}"),
                _ => format!("one of the {name} tier {how}{words}; {left} left"),
            };
            let event = "tier_died";
            lost(&Death {
                event,
                tier: name,
                pid,
                exit_code,
                signal,
                left,
                reason: reason.clone(),
                at_unix_s,
            });
            if left == 0 {
                return Failure::start(reason);
            }
        }
    }

    /// Ends all processes, the last started first, and what they may have left behind. Before the first one's turn,
    /// which outlives all others, `then` is called.
    pub(crate) async fn end(mut self, then: impl Fn()) {
        while let Some(mut process) = self.all.pop() {
            if self.all.is_empty() {
                then();
            }
            signal(process.child.id(), Signal::TERM);
            if pace::within(END_LIMIT, process.child.wait()).await.is_none() {
                // It may have ended in between; then there is nothing to kill.
                let _ = process.child.kill().await;
            }
        }
        end_orphans().await;
    }
}

/// From now on, orphans of this process's children become its own children.
///
/// # Errors
/// When the kernel does not do that.
pub(crate) fn adopt_orphans() -> Outcome {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|e| Failure::start(format!("cannot adopt orphans: {e}")))
}

/// Kills and reaps all children that are left: those that this process adopted.
pub(crate) async fn end_orphans() {
    let _ = pace::within(REAP_LIMIT, reap_orphans()).await;
}

async fn reap_orphans() {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => {
                let own = procfs::children(std::process::id());
                own.into_iter().for_each(|pid| signal(Some(pid), Signal::KILL));
                pace::pause(Duration::from_millis(5)).await;
            }
            // No child is left.
            Err(_) => return,
        }
    }
}

/// Sends a signal to a process that may have ended.
pub(crate) fn signal(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
        // A process that has ended needs no signal.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Whether what a process said last can be why it ended. Whoever was killed, or asked to end, has said nothing of that: the words are
/// an older story.
fn says_why(exit_code: Option<i32>, signal: Option<i32>) -> bool {
    signal == Some(Signal::ABORT.as_raw()) || exit_code.is_some_and(|code| code != 0)
}

/// How a process ended, behind its name.
pub(crate) fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => String::from("ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_failed_has_said_why() {
        for (exit_code, signal, want) in [
            (Some(3), None, true),
            (Some(101), None, true),
            (None, Some(6), true),
            (Some(0), None, false),
            (None, Some(9), false),
            (None, Some(11), false),
            (None, Some(15), false),
        ] {
            assert_eq!(says_why(exit_code, signal), want, "{exit_code:?} {signal:?}");
        }
    }
}
