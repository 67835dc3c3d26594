//! What is done to a target while it is loaded. Given deeds with their instants, it carries them out by commands, the reference
//! target's own or the user's, and gives what happened when, by the words of those commands. It loads nothing.

use crate::pace;
use reports::lesson::EventKind;
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// More of a command's complaint than this is not read.
const LONGEST_COMPLAINT: u64 = 4096;
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
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Happened {
    /// Since 1970.
    pub(super) at: Duration,
    pub(super) kind: EventKind,
    pub(super) what: String,
}

/// All that came of the deeds.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) happened: Vec<Happened>,
    /// What could not be done, in words.
    pub(super) failed: Vec<String>,
}

/// A line of the reference target's, as far as it is of interest here.
#[derive(Deserialize)]
struct Line {
    event: String,
    tier: Option<String>,
    number: Option<u64>,
    version: Option<String>,
    at_unix_s: f64,
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

/// Carries `deeds` out, one after the other, in a load that begins at `origin`.
pub(super) async fn all(deeds: &[Deed], origin: Instant) -> Done {
    let mut done = Done::default();
    for deed in deeds {
        pace::pause((origin + deed.at).saturating_duration_since(pace::now())).await;
        let begun = pace::wall_clock();
        let before = done.happened.len();
        let result = pace::within(LIMIT, carry_out(deed, &mut done.happened)).await;
        let outcome = result.unwrap_or_else(|| Err(format!("it took more than {LIMIT:?}")));
        // What a command says that only begins something is when it did; what goes on for longer begins with it.
        let silent = done.happened.len() == before;
        if deed.begins && (deed.ends || silent) {
            let what = deed.what.clone();
            done.happened.insert(before, Happened { at: begun, kind: EventKind::Begin, what });
        } else if deed.begins {
            done.happened[before].kind = EventKind::Begin;
        }
        if deed.ends {
            let what = if deed.begins { format!("{}: through", deed.what) } else { deed.what.clone() };
            let last = done.happened.last().filter(|last| last.kind == EventKind::Step && !deed.begins);
            let at = last.map_or_else(pace::wall_clock, |last| last.at);
            done.happened.push(Happened { at, kind: EventKind::End, what });
        }
        match (outcome, deed.refused) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => done.failed.push(format!("{}: it was not refused", deed.what)),
            (Err(why), false) => done.failed.push(format!("{}: {why}", deed.what)),
        }
    }
    done
}

/// Runs the command of `deed`, and notes what it says.
async fn carry_out(deed: &Deed, happened: &mut Vec<Happened>) -> Result<(), String> {
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
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    let complaint = async {
        let mut text = Vec::new();
        if let Some(errors) = errors {
            // What cannot be read is not there.
            let _ = errors.take(LONGEST_COMPLAINT).read_to_end(&mut text).await;
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    };
    let words = async {
        let Some(out) = out else { return };
        let mut lines = BufReader::new(out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            happened.extend(read(&line));
        }
    };
    let (complaint, ()) = tokio::join!(complaint, words);
    let status = child.wait().await.map_err(|e| e.to_string())?;
    if status.success() {
        return Ok(());
    }
    let complaint = complaint.lines().last().unwrap_or_default();
    let complaint = complaint.strip_prefix("target-stack: ").unwrap_or(complaint);
    Err(if complaint.is_empty() { format!("it ended with {status}") } else { complaint.to_owned() })
}

/// What a line tells, if it tells of something that happened.
fn read(line: &str) -> Option<Happened> {
    let line: Line = serde_json::from_str(line).ok()?;
    let at = Duration::try_from_secs_f64(line.at_unix_s).ok()?;
    let number = line.number.map_or_else(String::new, |number| format!(" {number}"));
    let version = line.version.map_or_else(String::new, |version| format!(", version {version}"));
    let what = format!("{}{number} {}{version}", line.tier.as_deref().unwrap_or("stack"), line.event);
    Some(Happened { at, kind: EventKind::Step, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(line: &str, begins: bool, ends: bool) -> Deed {
        let command = of_shell(line);
        Deed { at: Duration::ZERO, command, what: "it".into(), begins, ends, refused: false }
    }

    #[test]
    fn a_line_of_the_target_is_something_that_happened() {
        for (line, want) in [
            (r#"{"event":"killed","tier":"app","number":1,"pid":7,"at_unix_s":2.5}"#, Some("app 1 killed")),
            (
                r#"{"event":"replaced","tier":"app","number":2,"version":"3","at_unix_s":2.5}"#,
                Some("app 2 replaced, version 3"),
            ),
            (r#"{"event":"reloaded","at_unix_s":2.5}"#, Some("stack reloaded")),
            (r#"{"event":"reloaded"}"#, None),
            (r#"{"event":"reloaded","at_unix_s":-1}"#, None),
            ("done", None),
        ] {
            let found = read(line);
            assert!(found.iter().all(|one| one.at == Duration::from_millis(2500)));
            assert_eq!(found.map(|one| one.what).as_deref(), want, "{line}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_done_begins_and_ends_when_its_command_says() {
        use EventKind::{Begin, End, Step};
        let killed = r#"echo '{"event":"killed","tier":"app","number":1,"at_unix_s":2.5}'"#;
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
        for (line, refused, want) in [
            ("echo no such thing >&2; exit 1", false, Some("it: no such thing")),
            ("exit 3", false, Some("it: it ended with exit status: 3")),
            ("exit 1", true, None),
            ("true", true, Some("it: it was not refused")),
        ] {
            let deed = Deed { refused, ..deed(line, true, false) };
            let done = all(&[deed], pace::now()).await;
            assert_eq!(done.failed.first().map(String::as_str), want, "{line}");
        }
    }
}
