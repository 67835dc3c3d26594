//! What an operator may ask of a running stack, and what is said to that: a line of JSON each way through a socket in the stack's
//! directory, then a line for each thing that happens, and one that says how it ended.

use crate::descriptor;
use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::status::show::plain;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;

/// The socket in a running stack's directory.
pub(crate) const SOCKET: &str = "control.sock";

/// A tier of the website.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// The zone
    Dns,
    /// The proxies
    Proxy,
    /// The app servers
    App,
    /// The database
    Db,
}

impl Part {
    /// As the descriptor has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::App => "app",
            Self::Db => "db",
        }
    }
}

/// One process of a tier, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    pub(crate) tier: Part,
    pub(crate) number: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tier.name(), self.number)
    }
}

/// A version of the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    pub(crate) version: String,
    /// It fails its health check.
    pub(crate) sick: bool,
}

/// How a new version comes to take the place of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// One server after the other, each out of use while it is replaced
    Rolling,
    /// All servers are ended, and started anew
    StopAndStart,
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wish {
    Kill(Spot),
    Start(Spot),
    Deploy {
        strategy: Strategy,
        /// The next number where there is none.
        version: Option<String>,
        sick: bool,
    },
    Reload,
}

impl Wish {
    /// Its subcommand.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Start(_) => "start",
            Self::Deploy { .. } => "deploy",
            Self::Reload => "reload",
        }
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// It got SIGKILL, and is gone.
    Killed,
    /// It answers.
    Started,
    /// It works on no request any more, and gets none.
    Drained,
    /// It was asked to end, and has.
    Stopped,
    /// Another version is in its place, is well, and may get requests.
    Replaced,
    /// It serves by a configuration that was read again.
    Reloaded,
    /// It is not well, and its version goes no further.
    Refused,
}

/// A line for the operator's program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) event: What,
    #[serde(flatten)]
    pub(crate) at: Spot,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// Of an app server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// Of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Seconds since 1970.
    pub(crate) at_unix_s: f64,
}

impl Event {
    /// It has happened now.
    pub(crate) fn now(event: What, at: Spot) -> Self {
        let at_unix_s = pace::wall_clock().as_secs_f64();
        Self { event, at, pid: None, version: None, reason: None, at_unix_s }
    }

    pub(crate) fn pid(self, pid: Option<u32>) -> Self {
        Self { pid, ..self }
    }

    pub(crate) fn version(self, version: Option<String>) -> Self {
        Self { version, ..self }
    }
}

/// A line of the stack's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Event(Event),
    /// What could not be done beside what was asked, which goes on.
    Warning(String),
    Done,
    Failed {
        code: u8,
        message: String,
    },
}

impl Answer {
    /// How it ended, if this says so; what happens before is printed.
    ///
    /// # Errors
    /// When it failed, or standard output is closed.
    pub(super) fn heed(self) -> Outcome<bool> {
        match self {
            Self::Event(event) => descriptor::announce(&event).map(|()| false),
            Self::Warning(what) => {
                // Whoever closes standard error does not want to know.
                let _ = writeln!(std::io::stderr(), "target-stack: {}", plain(&what));
                Ok(false)
            }
            Self::Done => Ok(true),
            Self::Failed { code, message } => Err(Failure { code: ours(code), message: plain(&message) }),
        }
    }
}

/// What comes through a socket may be anybody's: an exit code that this program has, whatever it says.
fn ours(code: u8) -> u8 {
    if (1..=3).contains(&code) { code } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_in_printable_words_and_by_an_exit_code_of_this_program() {
        for (code, want) in [(0, 1), (1, 1), (2, 2), (3, 3), (77, 1)] {
            let failed = Answer::Failed { code, message: String::from("no\u{1b}]0;gone\u{7}\nroom\u{9b}2J") };
            let failure = failed.heed().expect_err("a failure");
            assert_eq!((failure.code, &*failure.message), (want, "no?]0;gone??room?2J"));
        }
    }

    #[test]
    fn a_line_is_what_was_agreed() {
        let at = Spot { tier: Part::App, number: 2 };
        let event = Event { at_unix_s: 1.5, ..Event::now(What::Started, at).pid(Some(7)) };
        let line = |event: &Event| serde_json::to_string(event).expect("a line");
        assert_eq!(line(&event), r#"{"event":"started","tier":"app","number":2,"pid":7,"at_unix_s":1.5}"#);
        let named = event.version(Some(String::from("3")));
        assert!(line(&named).contains(r#""version":"3","#), "{}", line(&named));
    }

    #[test]
    fn what_is_asked_and_answered_is_read_as_it_was_written() {
        let at = Spot { tier: Part::Db, number: 1 };
        let deploy = |version| Wish::Deploy { strategy: Strategy::StopAndStart, version, sick: true };
        for wish in [Wish::Kill(at), Wish::Start(at), Wish::Reload, deploy(None), deploy(Some("2".into()))] {
            let line = serde_json::to_string(&wish).expect("a line");
            let read: Wish = serde_json::from_str(&line).expect("a wish");
            assert_eq!(serde_json::to_string(&read).expect("a line"), line);
        }
        let event = Answer::Event(Event::now(What::Refused, at));
        for answer in [
            event,
            Answer::Warning("full".into()),
            Answer::Done,
            Answer::Failed { code: 1, message: "no".into() },
        ] {
            let line = serde_json::to_string(&answer).expect("a line");
            let read: Answer = serde_json::from_str(&line).expect("an answer");
            assert_eq!(serde_json::to_string(&read).expect("a line"), line);
        }
    }
}
