//! The socket by which a running stack is told what to do. Given the stack's directory, it gives calls: a wish each, and the way to
//! say what comes of it. It fulfils none.

use crate::failure::{Failure, Outcome};
use crate::operate::words::{Answer, Event, SOCKET, Wish};
use crate::pace;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

/// How long a caller may take to say what it wants, and to take what it is told.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than any wish has.
const LONGEST: u64 = 4096;

/// A wish, and who has it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) wish: Wish,
    pub(super) caller: Caller,
}

/// Who waits to be told what comes of a wish; `None` once it has gone, which changes nothing of that.
#[derive(Debug)]
pub(super) struct Caller(Option<UnixStream>);

/// Listens in `dir` for as long as the stack runs, to this user's programs alone.
///
/// # Errors
/// When the socket cannot be had.
pub(super) fn listen(dir: &Path) -> Outcome<mpsc::UnboundedReceiver<Call>> {
    let socket = dir.join(SOCKET);
    let listening = UnixListener::bind(&socket).and_then(|listener| {
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))?;
        Ok(listener)
    });
    let listener =
        listening.map_err(|e| Failure::start(format!("cannot listen at {}: {e}", socket.display())))?;
    let (calls, called) = mpsc::unbounded_channel();
    spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(spawn_local(hear(stream, calls.clone()))),
                Err(_) => pace::pause(PATIENCE).await,
            }
        }
    });
    Ok(called)
}

async fn hear(stream: UnixStream, calls: mpsc::UnboundedSender<Call>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let heard = pace::within(PATIENCE, (&mut stream).take(LONGEST).read_line(&mut line)).await;
    let mut caller = Caller(Some(stream.into_inner()));
    match serde_json::from_str(&line) {
        // Nobody fulfils any more once the stack ends.
        Ok(wish) => drop(calls.send(Call { wish, caller })),
        Err(_) if line.is_empty() || heard.is_none() => {}
        Err(e) => caller.end(Err(Failure::usage(format!("this is no wish: {e}")))).await,
    }
}

impl Caller {
    /// Says that something has happened.
    pub(super) async fn tell(&mut self, event: Event) {
        self.say(&Answer::Event(event)).await;
    }

    /// Says what could not be done beside it.
    pub(super) async fn warn(&mut self, what: String) {
        self.say(&Answer::Warning(what)).await;
    }

    /// Says how it ended.
    pub(super) async fn end(&mut self, outcome: Outcome) {
        let answer = match outcome {
            Ok(()) => Answer::Done,
            Err(Failure { code, message }) => Answer::Failed { code, message },
        };
        self.say(&answer).await;
    }

    async fn say(&mut self, answer: &Answer) {
        let (Some(stream), Ok(line)) = (&mut self.0, serde_json::to_string(answer)) else { return };
        let line = line + "\n";
        if !matches!(pace::within(PATIENCE, stream.write_all(line.as_bytes())).await, Some(Ok(()))) {
            self.0 = None;
        }
    }
}
