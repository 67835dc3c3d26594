//! A user's command in a shell, with somebody beside it in its process group who ends the group when this program has ended, however that
//! was: nobody can do so himself who is killed. It knows of it by a pipe whose other end this program alone has.

use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The shell becomes the command, so that its process, its exit code and its pipes are the command's; the guardian is no child of
/// it, lest somebody who waits for all of his children waits for him, and has none of its pipes.
const BESIDE: &str = r#"
exec 3<&0
(sh -c "$2" guardian $$ "$3" <&3 >/dev/null 2>&1 3<&- &)
line=$1
shift 3
exec sh -c "$line" "$@" </dev/null 3<&-
"#;

/// Nothing is ever written into the pipe. SIGTERM ends the guardian as it ends the others, until he sends it himself.
const GUARDIAN: &str = r#"read -r _; trap "" TERM; kill -s TERM -- "-$1"; sleep "$2"; kill -s KILL -- "-$1""#;

/// What starts the line `line` of the shell's, to be made the leader of a group: it ends when the standard input of the process is
/// closed, and who has not ended in time is killed. In the line `$0` is the first of `words`, and `$@` are the others.
pub(super) fn command(line: &str, words: &[String], time_to_end: Duration) -> Command {
    let mut command = Command::new("sh");
    let seconds = time_to_end.as_secs().to_string();
    command.args(["-c", BESIDE, "sh", line, GUARDIAN, &seconds]).args(words).stdin(Stdio::piped());
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;
    use tokio::io::AsyncReadExt;

    /// How a group ends whose line is `line` when the pipe is closed, once it has printed a line.
    async fn ended(line: &str, time_to_end: Duration) -> Option<String> {
        let mut command = command(line, &[], time_to_end);
        let mut child = command.stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let (lifeline, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        assert_eq!(out.read_u8().await.unwrap(), b'\n');
        assert!(child.try_wait().unwrap().is_none());
        drop(lifeline);
        let mut rest = String::new();
        // The pipe's end is that of all who have it.
        pace::within(Duration::from_secs(60), out.read_to_string(&mut rest)).await?.unwrap();
        Some(rest)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_group_ends_with_whoever_has_started_it() {
        let long = Duration::from_secs(20);
        assert_eq!(ended("echo; exec sleep 600", long).await, Some(String::new()));
        assert_eq!(ended("sleep 600 & sleep 600 & echo; wait", long).await, Some(String::new()));
        let in_order = "trap 'echo bye; exit' TERM; sleep 600 & echo; wait";
        assert_eq!(ended(in_order, long).await, Some("bye\n".into()));
        assert_eq!(ended("trap '' TERM; echo; sleep 600", Duration::from_secs(1)).await, Some(String::new()));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_command_is_alone_with_its_pipes_and_children() {
        // It has no child, nothing to read, and not the pipe; other files it may have from whoever runs this.
        let line = "wait; cat; test -e /proc/$$/fd/3 || echo alone; exit 3";
        let mut command = command(line, &[], Duration::from_secs(1));
        let mut child = command.stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let (_lifeline, mut out, mut said) =
            (child.stdin.take(), child.stdout.take().unwrap(), String::new());
        out.read_to_string(&mut said).await.unwrap();
        assert_eq!((&said[..], child.wait().await.unwrap().code()), ("alone\n", Some(3)));
    }
}
