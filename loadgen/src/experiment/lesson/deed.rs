//! What is done to a target while it is loaded. Given deeds with their instants, it carries them out by commands, the reference
//! target's own or the user's, and gives what happened when, by the words of those commands. It loads nothing.

use super::heard::{Heard, Span};
use crate::pace;
use crate::show::note;
use reports::lesson::EventKind;
use rustix::process::{Pid, Signal, kill_process_group};
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

/// More of a command's complaint than this, from its end, is not kept.
const LONGEST_COMPLAINT: usize = 4096;
/// How long the end of its pipes is waited for when a command has ended: it is there, unless something else holds them.
const PIPES: Duration = Duration::from_millis(200);
/// A command that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// Something to be done.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    /// When, after the load has begun.
    pub(super) at: Duration,
    /// The program, and its arguments.
    pub(super) command: Vec<String>,
    /// In words, such as `app server 1 is killed`.
    pub(super) what: String,
    /// What the first word of it means.
    pub(super) begins: bool,
    /// Whether the cause of what it does to visitors ends with it.
    pub(super) ends: bool,
    /// It is meant to be refused.
    pub(super) refused: bool,
    /// It is done to a website of the user's, which is still there afterwards.
    pub(super) hook: bool,
}

/// How many deeds of a list have begun, and how many have ended.
#[derive(Debug, Default)]
pub(super) struct Progress {
    begun: Cell<usize>,
    ended: Cell<usize>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Happened {
    pub(super) at: Instant,
    pub(super) kind: EventKind,
    pub(super) what: String,
}

/// All that came of the deeds.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) happened: Vec<Happened>,
    /// The processes that were killed.
    pub(super) killed: Vec<u32>,
    /// What could not be done, in words.
    pub(super) failed: Vec<String>,
}

/// `target-stack`, with these words.
pub(super) fn of_stack(program: &Path, dir: &str, words: &str) -> Vec<String> {
    let mut words = words.split_whitespace().map(str::to_owned);
    let verb = words.next();
    let first = [program.display().to_string()].into_iter().chain(verb);
    first.chain([String::from("--dir"), dir.to_owned()]).chain(words).collect()
}

/// A line of the user's, for the shell.
pub(super) fn of_shell(line: &str) -> Vec<String> {
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

/// Puts right what was done to the user's website, where `deeds` were broken off: what was to end its trouble is carried out now.
pub(super) async fn put_right(deeds: &[Deed], progress: &Progress) {
    if progress.begun.get() == 0 {
        return;
    }
    for deed in deeds[progress.ended.get()..].iter().filter(|deed| deed.hook && deed.ends && !deed.begins) {
        note(&format!("before it ends: {}", deed.what));
        let result = pace::within(LIMIT, carry_out(deed, &mut Heard::default())).await;
        if let Err(why) = result.unwrap_or_else(|| Err(format!("it took more than {LIMIT:?}"))) {
            note(&format!("the website may still be down: {why}"));
        }
    }
}

/// Carries `deeds` out, one after the other, in a load that begins at `origin`.
pub(super) async fn all(deeds: &[Deed], origin: Instant, progress: &Progress) -> Done {
    let mut done = Done::default();
    for (number, deed) in deeds.iter().enumerate() {
        pace::pause((origin + deed.at).saturating_duration_since(pace::now())).await;
        progress.begun.set(number + 1);
        let begun = pace::now();
        let mut heard = Heard::default();
        let result = pace::within(LIMIT, carry_out(deed, &mut heard)).await;
        let outcome = result.unwrap_or_else(|| Err(format!("it took more than {LIMIT:?}")));
        progress.ended.set(number + 1);
        let (span, refused) = (Span::since(begun), heard.of_refusal());
        done.killed.extend(heard.killed());
        let (mut happened, wrong) = heard.happened(&span);
        frame(deed, &mut happened, &span);
        done.happened.extend(happened);
        let failed = match (outcome, deed.refused) {
            (Ok(()), false) => None,
            // Whatever else may go wrong is not what was to be tried.
            (Err(_), true) if refused => None,
            (Err(why), true) => Some(format!("it was not refused: {why}")),
            (Ok(()), true) => Some(String::from("it was not refused")),
            (Err(why), false) => Some(why),
        };
        done.failed.extend(failed.into_iter().chain(wrong).map(|why| format!("{}: {why}", deed.what)));
    }
    done
}

/// Marks in what `happened` when `deed` began and when it ended, as far as it does either.
fn frame(deed: &Deed, happened: &mut Vec<Happened>, span: &Span) {
    // What a command says that only begins something is when it did; what goes on for longer begins with it.
    match happened.first_mut() {
        Some(first) if deed.begins && !deed.ends => first.kind = EventKind::Begin,
        _ if deed.begins => {
            let what = deed.what.clone();
            happened.insert(0, Happened { at: span.begun, kind: EventKind::Begin, what });
        }
        _ => {}
    }
    if deed.ends {
        let how = if deed.refused { "given up" } else { "through" };
        let what = if deed.begins { format!("{}: {how}", deed.what) } else { deed.what.clone() };
        let last = happened.last().filter(|_| !deed.begins);
        let at = last.map_or(span.ended, |last| last.at);
        happened.push(Happened { at, kind: EventKind::End, what });
    }
}

/// Runs the command of `deed`, and notes what it says.
async fn carry_out(deed: &Deed, heard: &mut Heard) -> Result<(), String> {
    let Some((program, arguments)) = deed.command.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // Ctrl-C at the terminal is for this program.
        .process_group(0)
        .spawn()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    let complaint = RefCell::new(Vec::new());
    {
        let words = async {
            if let Some(out) = out {
                heard.listen(BufReader::new(out)).await;
            }
        };
        let mut said = std::pin::pin!(async { tokio::join!(last_words(errors, &complaint), words) });
        tokio::select! {
            biased;
            _ = &mut said => {}
            // What it leaves behind in the background may hold its pipes for as long as it likes; its own words are in them.
            _ = child.wait() => {
                let _ = pace::within(PIPES, said).await;
            }
        }
    }
    let status = child.wait().await.map_err(|e| e.to_string())?;
    group.0 = None;
    if status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&complaint.take()).trim().to_owned();
    let complaint = complaint.lines().last().unwrap_or_default();
    let complaint = complaint.strip_prefix("target-stack: ").unwrap_or(complaint);
    Err(if complaint.is_empty() { format!("it ended with {status}") } else { complaint.to_owned() })
}

/// Reads all that is said, for whoever is not listened to may die of it, and keeps the end of it.
async fn last_words(errors: Option<ChildStderr>, kept: &RefCell<Vec<u8>>) {
    let Some(mut errors) = errors else { return };
    let mut some = [0; LONGEST_COMPLAINT];
    while let Ok(n @ 1..) = errors.read(&mut some).await {
        let mut kept = kept.borrow_mut();
        kept.extend_from_slice(&some[..n]);
        let over = kept.len().saturating_sub(LONGEST_COMPLAINT);
        kept.drain(..over);
    }
}

/// The processes of a command that has not ended: they end with it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // There may be none any more.
        let _ = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(line: &str, begins: bool, ends: bool) -> Deed {
        let command = of_shell(line);
        Deed { at: Duration::ZERO, command, what: "it".into(), begins, ends, refused: false, hook: true }
    }

    /// [`super::all`], of which nobody has to know how far it is.
    async fn all(deeds: &[Deed], origin: Instant) -> Done {
        super::all(deeds, origin, &Progress::default()).await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_was_broken_is_put_right_and_nothing_else() {
        for (begun, ended, repaired) in
            [(0, 0, false), (1, 0, true), (1, 1, true), (2, 1, true), (2, 2, false)]
        {
            let dir = tempfile::tempdir().unwrap();
            let mark = dir.path().join("repaired");
            let deeds = [deed("false", true, false), deed(&format!("touch {}", mark.display()), false, true)];
            let progress = Progress { begun: Cell::new(begun), ended: Cell::new(ended) };
            put_right(&deeds, &progress).await;
            assert_eq!(mark.is_file(), repaired, "{progress:?}");
            std::fs::remove_file(&mark).ok();
            // The reference target ends anyway.
            put_right(&deeds.map(|deed| Deed { hook: false, ..deed }), &progress).await;
            assert!(!mark.is_file());
        }
    }

    /// The shell's command that tells of `event` of app server 1, `s` seconds from now.
    fn tells(event: &str, s: i64) -> String {
        let line = format!(r#"{{"event":"{event}","tier":"app","number":1,"pid":7,"at_unix_s":%s}}"#);
        format!("printf '{line}\\n' $(date -d '{s} seconds' +%s.%N)")
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_done_begins_and_ends_when_its_command_says() {
        use EventKind::{Begin, End, Step};
        let killed = &*tells("killed", 0);
        for (deed, want) in [
            (deed("true", true, false), vec![Begin]),
            (deed(killed, true, false), vec![Begin]),
            (deed("true", true, true), vec![Begin, End]),
            (deed(killed, true, true), vec![Begin, Step, End]),
            (deed(killed, false, true), vec![Step, End]),
        ] {
            let done = all(std::slice::from_ref(&deed), pace::now()).await;
            assert_eq!(done.happened.iter().map(|one| one.kind).collect::<Vec<_>>(), want, "{deed:?}");
            assert!(done.failed.is_empty(), "{:?}", done.failed);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_fails_is_said() {
        let refuses = format!("{}; exit 1", tells("refused", 0));
        let busy = "echo 'target-stack: the stack is busy' >&2; exit 1";
        for (line, refused, want) in [
            ("echo no such thing >&2; exit 1", false, Some("it: no such thing")),
            ("exit 3", false, Some("it: it ended with exit status: 3")),
            (&*refuses, true, None),
            (busy, true, Some("it: it was not refused: the stack is busy")),
            ("true", true, Some("it: it was not refused")),
        ] {
            let deed = Deed { refused, ..deed(line, true, false) };
            let done = all(&[deed], pace::now()).await;
            assert_eq!(done.failed.first().map(String::as_str), want, "{line}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_ends_does_so_by_its_own_words_and_not_by_those_of_another() {
        let kills = format!("{}; {}", tells("killed", 0), tells("noticed", 0));
        let origin = pace::now();
        let done = all(&[deed(&kills, true, false), deed("true", false, true)], origin).await;
        let [begin, step, end] = &done.happened[..] else { panic!("{:?}", done.happened) };
        assert!(origin <= begin.at && begin.at <= step.at && step.at < end.at, "{:?}", done.happened);
        assert_eq!(end.kind, EventKind::End);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_time_at_which_it_did_not_run_is_not_believed() {
        for (s, words) in [(7, "after it had ended"), (-7, "before it had begun")] {
            let begun = pace::now();
            let done = all(&[deed(&tells("killed", s), true, false)], begun).await;
            let [begin] = &done.happened[..] else { panic!("{:?}", done.happened) };
            assert!((begun..=pace::now()).contains(&begin.at), "{begin:?}");
            let [why] = &done.failed[..] else { panic!("{:?}", done.failed) };
            assert!(why.starts_with("it: it says `app 1 killed`") && why.contains(words), "{why}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_has_ended_when_it_has_whatever_it_leaves_running() {
        let dir = tempfile::tempdir().unwrap();
        let noted = dir.path().join("pid");
        let line = format!("sleep 300 & echo $! > {}", noted.display());
        let done = all(&[deed(&line, true, true)], pace::now()).await;
        let pid = std::fs::read_to_string(noted).unwrap().trim().parse().unwrap();
        // What was started is the user's, and goes on.
        let running = rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        assert!(done.failed.is_empty() && running.is_ok(), "{:?} {running:?}", done.failed);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_that_says_much_is_heard_to_its_end() {
        let much = "i=0; while [ $i -lt 20000 ]; do echo complaint >&2; i=$((i+1)); done; printf '\\377\\n'";
        let done = all(&[deed(&format!("{much}; echo last >&2; exit 3"), true, true)], pace::now()).await;
        assert_eq!(done.failed, ["it: last"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_command_that_is_given_up_takes_what_it_has_started_along() {
        let dir = tempfile::tempdir().unwrap();
        let noted = dir.path().join("pid");
        let line = format!("sleep 300 & echo $! > {0}.part; mv {0}.part {0}; wait", noted.display());
        let deeds = [deed(&line, true, true)];
        let there = async {
            while !noted.is_file() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = all(&deeds, pace::now()) => panic!("{:?}", done.failed),
            () = there => {}
        }
        let pid: i32 = std::fs::read_to_string(noted).unwrap().trim().parse().unwrap();
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
        };
        while runs() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_what_is_refused_has_been_refused() {
        let says = tells("refused", 0);
        for (line, failed) in [
            (format!("{says}; exit 3"), None),
            (says.clone(), Some("it: it was not refused")),
            (
                // The name of a version is no event.
                format!("{}; exit 3", tells("started\",\"version\":\"2 refused", 0)),
                Some("it: it was not refused: it ended with exit status: 3"),
            ),
        ] {
            let deed = Deed { refused: true, ..deed(&line, true, true) };
            let done = all(&[deed], pace::now()).await;
            assert_eq!(done.failed.first().map(String::as_str), failed, "{line}");
        }
    }
}
