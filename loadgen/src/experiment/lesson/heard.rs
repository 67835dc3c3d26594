//! What a command says of what it does. Given what it prints and when it ran, it gives what happened, by the clock of the load. It
//! believes no time at which the command did not run, and keeps neither long lines nor many.

use super::deed::Happened;
use crate::pace;
use reports::lesson::EventKind;
use reports::number::seconds;
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Two clocks may differ by as much.
const TOLERANCE: Duration = Duration::from_secs(1);

/// More than this of a line is not kept: no event takes as much.
const LONGEST_LINE: usize = 4096;
/// Further events than so many of one command are not kept.
const MOST: usize = 256;

/// A line of the reference target's, as far as it is of interest here.
#[derive(Debug, Deserialize)]
struct Line {
    event: String,
    tier: Option<String>,
    number: Option<u64>,
    version: Option<String>,
    pid: Option<u32>,
    at_unix_s: f64,
}

/// Something that a command has told of.
#[derive(Debug, PartialEq)]
struct Told {
    /// Since 1970, by whatever clock the command goes.
    at: Duration,
    /// In one word, such as `killed`.
    event: String,
    pid: Option<u32>,
    what: String,
}

/// All that a command has told of so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    told: Vec<Told>,
    /// There was more to be told of.
    more: bool,
}

/// When a command ran.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    /// What the wall clock showed at the end.
    wall: Duration,
}

impl Span {
    /// From `begun` until now.
    pub(super) fn since(begun: Instant) -> Self {
        Self { begun, ended: pace::now(), wall: pace::wall_clock() }
    }

    /// When it was what the wall clock shows as `at`, or that end of the span that is nearest; and why that cannot have been, if so.
    fn place(&self, at: Duration) -> (Instant, Option<String>) {
        let (ahead, ago) = (at.saturating_sub(self.wall), self.wall.saturating_sub(at));
        let early = ago.saturating_sub(self.ended - self.begun);
        let far = |by: Duration, words: &str| {
            (by > TOLERANCE).then(|| format!("{} {words}", seconds(by.as_secs_f64())))
        };
        if !ahead.is_zero() {
            (self.ended, far(ahead, "after it had ended"))
        } else if !early.is_zero() {
            (self.begun, far(early, "before it had begun"))
        } else {
            (self.ended - ago, None)
        }
    }
}

impl Heard {
    /// Reads what is said, to its end: whoever is not listened to may die of it.
    pub(super) async fn listen(&mut self, mut out: impl AsyncBufRead + Unpin) {
        let mut line = Vec::new();
        while let Ok(some @ [_, ..]) = out.fill_buf().await {
            let end = some.iter().position(|byte| *byte == b'\n');
            let part = &some[..end.unwrap_or(some.len())];
            line.extend_from_slice(&part[..part.len().min(LONGEST_LINE - line.len())]);
            let used = part.len() + usize::from(end.is_some());
            out.consume(used);
            if end.is_some() {
                self.note(&line);
                line.clear();
            }
        }
        self.note(&line);
    }

    fn note(&mut self, line: &[u8]) {
        let told = read(&String::from_utf8_lossy(line));
        self.more |= told.is_some() && self.told.len() == MOST;
        self.told.extend(told.filter(|_| !self.more));
    }

    /// Whether a version was refused.
    pub(super) fn of_refusal(&self) -> bool {
        self.told.iter().any(|told| told.event == "refused")
    }

    /// The processes that were killed.
    pub(super) fn killed(&self) -> impl Iterator<Item = u32> {
        self.told.iter().filter(|told| told.event == "killed").filter_map(|told| told.pid)
    }

    /// What happened in `span`, in the order in which it was said; and why that is not to be believed, where it is not.
    pub(super) fn happened(self, span: &Span) -> (Vec<Happened>, Option<String>) {
        let mut wrong = self.more.then(|| format!("it tells of more than {MOST} events"));
        let happened = self.told.into_iter().map(|Told { at, what, .. }| {
            let (at, why) = span.place(at);
            let why = why.map(|why| format!("it says `{what}` of a time {why}: it goes by another clock"));
            wrong = wrong.take().or(why);
            Happened { at, kind: EventKind::Step, what }
        });
        (happened.collect(), wrong)
    }
}

/// What a line tells, if it tells of something that happened.
fn read(line: &str) -> Option<Told> {
    let line: Line = serde_json::from_str(line).ok()?;
    let at = Duration::try_from_secs_f64(line.at_unix_s).ok()?;
    let number = line.number.map_or_else(String::new, |number| format!(" {number}"));
    let version = line.version.map_or_else(String::new, |version| format!(", version {version}"));
    let what = format!("{}{number} {}{version}", line.tier.as_deref().unwrap_or("stack"), line.event);
    Some(Told { at, event: line.event, pid: line.pid, what })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    async fn neither_a_long_line_nor_many_are_kept() {
        let event = |s: usize| format!("{{\"event\":\"{s}\",\"at_unix_s\":{s}}}\n");
        let long = format!("{}{}", " ".repeat(LONGEST_LINE), event(1));
        let heard = async |said: String| {
            let mut heard = Heard::default();
            heard.listen(tokio::io::BufReader::with_capacity(100, said.as_bytes())).await;
            heard
        };
        let some = heard(format!("{long}{}{}", event(2), event(3).trim_end())).await;
        assert_eq!(some.told.iter().map(|one| &*one.event).collect::<Vec<_>>(), ["2", "3"]);
        let span = Span { begun: pace::now(), ended: pace::now(), wall: Duration::from_secs(3) };
        assert_eq!(some.happened(&span).1, None);
        let many = heard((0..=MOST).map(event).collect()).await;
        assert_eq!((many.told.len(), many.more), (MOST, true));
        assert_eq!(many.happened(&span).1.as_deref(), Some("it tells of more than 256 events"));
        let enough = heard((0..MOST).map(event).collect()).await;
        assert_eq!((enough.told.len(), enough.more), (MOST, false));
    }

    #[test]
    fn nothing_happened_when_the_command_did_not_run() {
        let s = Duration::from_secs_f64;
        let begun = pace::now();
        let span = Span { begun, ended: begun + s(4.0), wall: s(1000.0) };
        for (at, want, why) in [
            (997.5, 1.5, None),
            (1000.0, 4.0, None),
            (996.0, 0.0, None),
            (1000.75, 4.0, None),
            (995.25, 0.0, None),
            (1005.0, 4.0, Some("5 s after it had ended")),
            (1.0, 0.0, Some("995 s before it had begun")),
        ] {
            let (found, said) = span.place(s(at));
            assert_eq!((found - begun, said.as_deref()), (s(want), why), "{at}");
        }
    }
}
