//! What an operator does to a running stack. Given a wish, it puts that to the supervisor through the socket in the stack's
//! directory, prints a line for each thing that happens, and ends as the supervisor says. It touches no process itself.

pub(crate) mod words;

use crate::app;
use crate::failure::{Failure, Outcome};
use crate::status;
use crate::status::show::plain;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use words::{Answer, Part, SOCKET, Spot, Strategy, Wish};

/// More than any line of the supervisor's has.
const LONGEST: u64 = 64 << 10;
/// A stack that says nothing for longer is stuck: no step of a deployment takes as long, and each is told.
const SILENCE: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The stack's directory [default: that of the one stack that runs among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    place: Place,
    #[arg(value_enum)]
    tier: Part,
    /// Which of the tier's processes
    #[arg(long, value_name = "N", default_value_t = 1)]
    number: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    place: Place,
    #[arg(long, value_enum, default_value_t = Strategy::Rolling)]
    strategy: Strategy,
    /// What the new version says of itself in the header x-app-version [default: 2, and one more each time]
    #[arg(long = "version", id = "app-version", value_name = "V", value_parser = app::parse_version)]
    version: Option<String>,
    /// The new version fails its health check
    #[arg(long)]
    sick: bool,
}

/// Kills a process.
pub(crate) fn kill(args: &OneArgs) -> Outcome {
    put(&args.place, &Wish::Kill(args.spot()))
}

/// Starts a process again that is dead.
pub(crate) fn start(args: &OneArgs) -> Outcome {
    put(&args.place, &Wish::Start(args.spot()))
}

/// Puts another version of the app in the place of the one that runs.
pub(crate) fn deploy(args: DeployArgs) -> Outcome {
    let DeployArgs { place, strategy, version, sick } = args;
    put(&place, &Wish::Deploy { strategy, version, sick })
}

/// Has the proxies read their configuration again.
pub(crate) fn reload(place: &Place) -> Outcome {
    put(place, &Wish::Reload)
}

impl OneArgs {
    fn spot(&self) -> Spot {
        Spot { tier: self.tier, number: self.number }
    }
}

/// Puts a wish to the stack's supervisor, and waits until it is done.
///
/// # Errors
/// Exit 1 when it could not be done, exit 2 when there is no such stack or no such process.
fn put(place: &Place, wish: &Wish) -> Outcome {
    let dir = status::directory(place.dir.as_deref())?;
    status::descriptor(&dir)?;
    let stream = UnixStream::connect(dir.join(SOCKET)).map_err(|e| deaf(&dir, &e))?;
    converse(stream, wish, SILENCE)
}

/// Says the wish, and hears what comes of it, for as long as the other side is not silent for `silence`.
fn converse(mut stream: UnixStream, wish: &Wish, silence: Duration) -> Outcome {
    let gone = |e: std::io::Error| match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::dead(format!(
            "the stack has said nothing for {} s, and its supervisor may be stopped: what was asked for may still be done",
            silence.as_secs()
        )),
        ErrorKind::InvalidData => Failure::start("the stack said something unexpected: no text"),
        _ => Failure::dead(format!("the stack has ended meanwhile ({e})")),
    };
    let patient =
        stream.set_read_timeout(Some(silence)).and_then(|()| stream.set_write_timeout(Some(silence)));
    patient.map_err(gone)?;
    let line = serde_json::to_string(wish).map_err(|e| Failure::start(e.to_string()))?;
    stream.write_all((line + "\n").as_bytes()).map_err(gone)?;
    let mut answers = BufReader::new(stream);
    loop {
        let mut line = String::new();
        std::io::Read::take(&mut answers, LONGEST).read_line(&mut line).map_err(gone)?;
        if line.is_empty() {
            return Err(Failure::dead("the stack has ended meanwhile"));
        }
        let answer: Answer = serde_json::from_str(&line)
            .map_err(|e| Failure::start(plain(&format!("the stack said something unexpected: {e}"))))?;
        if answer.heed()? {
            return Ok(());
        }
    }
}

/// Why nobody listens.
fn deaf(dir: &Path, why: &std::io::Error) -> Failure {
    let socket = dir.join(SOCKET).display().to_string();
    match why.kind() {
        ErrorKind::PermissionDenied => {
            Failure::usage(format!("cannot use {socket}: {why}: the stack is another user's"))
        }
        _ => Failure::dead(format!("nobody listens at {socket} ({why}): the stack's supervisor is dead")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a wish that is answered by these words, and by nothing after them.
    fn told(words: &str, silence: Duration) -> (Outcome, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.write_all(words.as_bytes()).expect("room for a line");
        (converse(ours, &Wish::Reload, silence), theirs)
    }

    #[test]
    fn whoever_says_nothing_is_not_waited_for_for_ever() {
        for words in ["", "{\"warning\":\"full\"}\n", "\"do"] {
            let failure = told(words, Duration::from_millis(20)).0.expect_err("silence");
            assert!(failure.code == 1 && failure.message.contains("has said nothing for 0 s"), "{failure}");
        }
        assert!(told("{\"warning\":\"full\"}\n\"done\"\n", SILENCE).0.is_ok());
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        let failure = told("{\"\u{1b}[2J\":1}\n", SILENCE).0.expect_err("nonsense");
        assert!(failure.code == 3 && !failure.message.contains('\u{1b}'), "{failure}");
    }
}
