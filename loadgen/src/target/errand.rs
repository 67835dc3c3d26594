//! A user's command that does something and ends, as a process group that ends with it: no target, and beside one. Given its words and where
//! what it says goes, it starts it, waits for its end, or has it end.

use super::group::Group;
use super::guardian;
use super::process::{END_LIMIT, ended};
use crate::failure::{Failure, Outcome};
use rustix::process::Signal;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use tokio::process::{Child, ChildStdin, Command};

/// See the module.
#[derive(Debug)]
pub(crate) struct Errand {
    child: Child,
    group: Group,
    /// By whose end the guardian of that group knows of ours.
    _lifeline: Option<ChildStdin>,
}

/// How a command has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// With which exit code, if with one.
    pub(crate) code: Option<i32>,
    /// As a clause.
    pub(crate) how: String,
}

impl Errand {
    /// Starts a line of the shell's, of which `$0` is the first of `words` and `$@` are the others, with this in its environment beside all
    /// that is in ours. What it says goes into the new file `said`.
    ///
    /// # Errors
    /// The host's fault: there is no shell, or the file cannot be written.
    pub(crate) fn start(
        line: &str,
        words: &[String],
        (name, value): (&str, &Path),
        said: &Path,
    ) -> Outcome<Self> {
        let lost = |e: io::Error| Failure::host(format!("cannot write {}: {e}", said.display()));
        let out = File::options().create_new(true).append(true).open(said).map_err(lost)?;
        let err = out.try_clone().map_err(lost)?;
        let mut command: Command = guardian::command(line, words, END_LIMIT);
        // A group of its own: Ctrl-C at the terminal is for this program, which then ends it in order.
        command.env(name, value).stdout(out).stderr(err).process_group(0);
        let mut child =
            command.spawn().map_err(|e| Failure::host(format!("cannot start a shell for `{line}`: {e}")))?;
        let (lifeline, group) = (child.stdin.take(), Group::led_by(child.id()));
        Ok(Self { child, group, _lifeline: lifeline })
    }

    /// Waits until it has ended; what it has left in the background is still there then.
    pub(crate) async fn ended(&mut self) -> End {
        let how: Option<ExitStatus> = self.child.wait().await.ok();
        let code = how.and_then(|how| how.code());
        End { code, how: how.map_or_else(|| String::from("it ended"), ended) }
    }

    /// Has all of it end, and waits until it has; who does not is killed.
    pub(crate) async fn stop(mut self) {
        self.group.tell(Signal::TERM);
        self.group.end(END_LIMIT).await;
        // It has ended, or was killed.
        let _ = self.child.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn words_stay_words_whatever_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let said = dir.path().join("said");
        let words = ["me", "a b", "$(id)", "'", "--x=*"].map(String::from);
        let line = r#"echo "$0 $OUT"; printf '<%s>' "$@"; echo oops >&2; cat; sleep 600 & exit 4"#;
        let mut errand = Errand::start(line, &words, ("OUT", Path::new("/x y")), &said).unwrap();
        let end = errand.ended().await;
        errand.stop().await;
        assert_eq!((end.code, &end.how[..]), (Some(4), "it ended with exit code 4"));
        let text = std::fs::read_to_string(&said).unwrap();
        assert_eq!(text, "me /x y\n<a b><$(id)><'><--x=*>oops\n");
        assert!(Errand::start(line, &words, ("OUT", Path::new("/")), &said).is_err(), "it is kept");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_does_not_end_is_ended_with_all_that_it_has_started() {
        let dir = tempfile::tempdir().unwrap();
        let (said, mark) = (dir.path().join("said"), dir.path().join("ended"));
        let line =
            format!("sleep 600 & sleep 600 & trap 'touch {}; exit' TERM; echo $!; wait", mark.display());
        let errand = Errand::start(&line, &[String::from("me")], ("OUT", dir.path()), &said).unwrap();
        let pid = loop {
            let text = std::fs::read_to_string(&said).unwrap();
            if let Some(pid) = text.strip_suffix('\n') {
                break pid.to_owned();
            }
            tokio::task::yield_now().await;
        };
        errand.stop().await;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(mark.exists() && (stat.is_empty() || stat.contains(") Z ")), "{stat}");
    }
}
