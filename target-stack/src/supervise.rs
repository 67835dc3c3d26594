//! The processes of a stack. Given what a tier's process is started with, it starts this program again as that tier, waits for the
//! line with which the tier says that it answers, tells of one that dies, kills or ends one, and ends all of them in order. It
//! does not know what the tiers do, and starts nothing again by itself.

use crate::cgroup::Group;
use crate::descriptor::{Death, Tier};
use crate::failure::{Failure, Outcome};
use crate::{pace, procfs};
use rustix::process::{Pid, Signal, WaitOptions};
use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};

/// How long a tier may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a tier may take to end when it is asked to; the database writes its pages out.
const END_LIMIT: Duration = Duration::from_secs(12);
/// How long what a dead tier said may take to arrive.
const WORDS_LIMIT: Duration = Duration::from_secs(1);
/// How long an orphan may take to die of SIGKILL.
const REAP_LIMIT: Duration = Duration::from_secs(5);

/// What a tier's process is started with.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) tier: &'static str,
    /// Which of the tier's, from 1 on.
    pub(crate) number: usize,
    /// The subcommand of this program.
    pub(crate) command: &'static str,
    /// The control group that it is started in.
    pub(crate) group: Option<Group>,
    pub(crate) arguments: Vec<String>,
}

/// The processes of a stack.
#[derive(Debug)]
pub(crate) struct Processes {
    living: Rc<RefCell<Vec<Rc<Process>>>>,
    /// The places that processes have had, in the order in which each was taken first.
    places: RefCell<Vec<(&'static str, usize)>>,
    deaths: mpsc::UnboundedSender<Death>,
}

/// Where the deaths of processes are told that should not have died, a line each.
pub(crate) type Deaths = mpsc::UnboundedReceiver<Death>;

#[derive(Debug)]
struct Process {
    tier: &'static str,
    number: usize,
    /// What it says its pid is, once it has: that of the process that does the tier's work.
    pid: Cell<u32>,
    /// Its own, until it has ended and was waited for.
    child: Cell<Option<u32>>,
    /// It has said that it answers.
    serves: Cell<bool>,
    /// Its end is wanted, and no news.
    unwanted: Cell<bool>,
    last_words: Rc<RefCell<String>>,
    /// Reads them, until its standard error is closed.
    listening: RefCell<Option<JoinHandle<()>>>,
    ended: watch::Sender<Option<Result<ExitStatus, String>>>,
}

impl Processes {
    /// No process yet, and where to hear of deaths. From now on, orphans of this process's children become its own children, so
    /// that it can see that they are gone.
    ///
    /// # Errors
    /// When the kernel does not do that.
    pub(crate) fn new() -> Outcome<(Self, Deaths)> {
        adopt_orphans()?;
        let (deaths, told) = mpsc::unbounded_channel();
        Ok((Self { living: Rc::default(), places: RefCell::default(), deaths }, told))
    }

    /// Starts a process by `recipe`, and waits until it says that it answers. Must be called on the main thread: a tier dies
    /// with the thread that started it.
    ///
    /// # Errors
    /// When it does not start or does not answer, with its own last words. It has been ended then.
    pub(crate) async fn start(&self, recipe: &Recipe) -> Outcome<Tier> {
        let (process, out) = self.spawn(recipe)?;
        let tier = process.answers(out).await;
        match &tier {
            Ok(tier) => {
                process.pid.set(tier.pid);
                process.serves.set(true);
            }
            Err(_) => process.end().await,
        }
        tier
    }

    fn spawn(&self, recipe: &Recipe) -> Outcome<(Rc<Process>, Option<ChildStdout>)> {
        let &Recipe { tier, number, .. } = recipe;
        // This binary, even when its file has been replaced since, by the name that it was called by.
        let name = std::env::args_os().next().unwrap_or_else(|| "target-stack".into());
        let mut child = Command::new("/proc/self/exe")
            .arg0(name)
            .args(["--die-with", &std::process::id().to_string()])
            .args(recipe.group.iter().flat_map(|group| [OsStr::new("--group"), group.dir().as_os_str()]))
            .arg(recipe.command)
            .args(&recipe.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at the terminal is for the supervisor, which then ends its tiers in order.
            .process_group(0)
            .spawn()
            .map_err(|e| Failure::start(format!("cannot start the {tier} tier: {e}")))?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let last_words = Rc::new(RefCell::new(String::new()));
        let words = Rc::clone(&last_words);
        let listening = spawn_local(async move {
            let Some(errors) = errors else { return };
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                words.replace(line);
            }
        });
        let process = Rc::new(Process {
            tier,
            number,
            pid: Cell::new(child.id().unwrap_or_default()),
            child: Cell::new(child.id()),
            serves: Cell::new(false),
            unwanted: Cell::new(false),
            last_words,
            listening: RefCell::new(Some(listening)),
            ended: watch::Sender::new(None),
        });
        let mut places = self.places.borrow_mut();
        if !places.contains(&(tier, number)) {
            places.push((tier, number));
        }
        self.living.borrow_mut().push(Rc::clone(&process));
        spawn_local(watch_over(Rc::clone(&process), child, Rc::clone(&self.living), self.deaths.clone()));
        Ok((process, out))
    }

    /// The pid of the process at a place, while it lives: that of the process that does the tier's work.
    pub(crate) fn pid(&self, tier: &str, number: usize) -> Option<u32> {
        self.at(tier, number).map(|process| process.pid.get())
    }

    fn at(&self, tier: &str, number: usize) -> Option<Rc<Process>> {
        self.living.borrow().iter().find(|one| one.tier == tier && one.number == number).cloned()
    }

    /// Kills the process at a place, that one which does the tier's work, and waits until nothing of it is left.
    pub(crate) async fn kill(&self, tier: &str, number: usize) {
        let Some(process) = self.at(tier, number) else { return };
        // Whoever does the work leads a group, with all that it has started.
        if let Some(group) = pid(process.pid.get()) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        if pace::within(END_LIMIT, process.has_ended()).await.is_none() {
            signal(process.child.get(), Signal::KILL);
            let _ = process.has_ended().await;
        }
    }

    /// Ends the processes of a tier at these places, all at once, and has them `hurry` or not: who can leave without losing a request
    /// does so at SIGTERM, and takes less time for it when SIGINT comes too.
    pub(crate) async fn stop(&self, tier: &str, numbers: &[usize], hurry: bool) {
        let all: Vec<_> = numbers.iter().filter_map(|&number| self.at(tier, number)).collect();
        for process in &all {
            process.ask_to_end();
            if hurry {
                signal(process.child.get(), Signal::INT);
            }
        }
        for process in all {
            process.leaves().await;
        }
    }

    /// Ends all processes, those first whose places were taken last, and what they may have left behind. Before the first one's
    /// turn, which outlives all others, `then` is called.
    pub(crate) async fn end(&self, then: impl Fn()) {
        let places = self.places.take();
        for (n, (tier, number)) in places.into_iter().enumerate().rev() {
            if n == 0 {
                then();
            }
            while let Some(process) = self.at(tier, number) {
                process.end().await;
            }
        }
        end_orphans().await;
    }
}

impl Process {
    /// What it says when it answers.
    async fn answers(&self, out: Option<ChildStdout>) -> Outcome<Tier> {
        let name = self.tier;
        let line = match out {
            Some(out) => pace::within(READY_LIMIT, BufReader::new(out).lines().next_line()).await,
            None => None,
        };
        match line {
            Some(Ok(Some(line))) if self.child.get().is_some() => serde_json::from_str(&line)
                .map_err(|e| Failure::start(format!("the {name} tier said something unexpected: {e}"))),
            Some(_) => {
                // Its standard output is closed, so it is ending; what it says last is why.
                let words = self.last_words(END_LIMIT).await;
                let why = if words.is_empty() { self.how_it_ends().await } else { words };
                Err(Failure::start(format!("the {name} tier did not start: {why}")))
            }
            None => Err(Failure::start(format!("the {name} tier did not answer within {READY_LIMIT:?}"))),
        }
    }

    /// What it said last, once it can say no more.
    async fn last_words(&self, limit: Duration) -> String {
        let listening = self.listening.borrow_mut().take();
        if let Some(listening) = listening {
            let _ = pace::within(limit, listening).await;
        }
        let words = self.last_words.borrow();
        words.strip_prefix("target-stack: ").unwrap_or(&words).to_owned()
    }

    async fn how_it_ends(&self) -> String {
        match pace::within(END_LIMIT, self.has_ended()).await {
            Some(Ok(status)) => format!("it {}", ended(status)),
            _ => String::from("it said nothing"),
        }
    }

    async fn has_ended(&self) -> Result<ExitStatus, String> {
        let mut ended = self.ended.subscribe();
        let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| how.clone());
        how.unwrap_or_else(|| Err(String::from("was lost sight of")))
    }

    fn ask_to_end(&self) {
        self.unwanted.set(true);
        signal(self.child.get(), Signal::TERM);
    }

    async fn end(&self) {
        self.ask_to_end();
        self.leaves().await;
    }

    /// Waits for the end that it was asked for, and not for ever. Who is asked twice may take it that there is a hurry.
    async fn leaves(&self) {
        if pace::within(END_LIMIT, self.has_ended()).await.is_none() {
            signal(self.child.get(), Signal::KILL);
            let _ = self.has_ended().await;
        }
    }
}

/// Waits for the end of `process`, and tells of it if nobody wanted that.
async fn watch_over(
    process: Rc<Process>,
    mut child: Child,
    living: Rc<RefCell<Vec<Rc<Process>>>>,
    deaths: mpsc::UnboundedSender<Death>,
) {
    let status = child.wait().await;
    let at_unix_s = pace::wall_clock().as_secs_f64();
    process.child.set(None);
    living.borrow_mut().retain(|one| !Rc::ptr_eq(one, &process));
    let Process { tier, ref pid, .. } = *process;
    let left = living.borrow().iter().filter(|one| one.tier == tier).count();
    let (exit_code, signal) = status.as_ref().map_or((None, None), |how| (how.code(), how.signal()));
    let status = status.map_err(|e| e.to_string());
    process.ended.send_replace(Some(status.clone()));
    if process.unwanted.get() || !process.serves.get() {
        return;
    }
    let how = status.map_or_else(|e| e, ended);
    let words = process.last_words(WORDS_LIMIT).await;
    let why = !words.is_empty() && says_why(exit_code, signal);
    let words = if why { format!(": {words}") } else { String::new() };
    let reason = match left {
        0 => format!("the {tier} tier {how}{words}"),
        _ => format!("one of the {tier} tier {how}{words}; {left} left"),
    };
    let (event, pid) = ("tier_died", pid.get());
    // Nobody listens any more once the stack ends.
    let _ = deaths.send(Death { event, tier, pid, exit_code, signal, left, reason, at_unix_s });
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

fn pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Sends a signal to a process that may have ended.
pub(crate) fn signal(to: Option<u32>, signal: Signal) {
    if let Some(pid) = to.and_then(pid) {
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
