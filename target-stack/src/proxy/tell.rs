//! The option `-s`: a wish to the process that serves. Given its name and the file that names the process, it sends the signal that
//! stands for it. It waits for nothing.

use super::config::os_error;
use crate::failure::{Failure, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

/// What is wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish(Signal);

impl Wish {
    /// The wish of this name.
    ///
    /// # Errors
    /// When nginx knows none, in its words.
    pub(crate) fn read(name: &str) -> Outcome<Self> {
        match name {
            "stop" => Ok(Self(Signal::TERM)),
            "quit" => Ok(Self(Signal::QUIT)),
            "reload" => Ok(Self(Signal::HUP)),
            "reopen" => Ok(Self(Signal::USR1)),
            other => Err(Failure::config(format!("invalid option: \"-s {other}\""))),
        }
    }

    /// Tells the process that `file` names.
    ///
    /// # Errors
    /// When there is none, in nginx's words.
    pub(crate) fn tell(self, file: Option<&Path>) -> Outcome {
        let file = file.ok_or_else(|| {
            Failure::config("[error] the configuration has no \"pid\", which names the process to tell")
        })?;
        let text = std::fs::read_to_string(file).map_err(|e| {
            Failure::config(format!("[error] open() \"{}\" failed ({})", file.display(), os_error(&e)))
        })?;
        let text = text.trim_end_matches(['\r', '\n']);
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let pid = number.and_then(Pid::from_raw).ok_or_else(|| {
            Failure::config(format!("[error] invalid PID number \"{text}\" in \"{}\"", file.display()))
        })?;
        kill_process(pid, self.0).map_err(|e| {
            let signal = self.0.as_raw();
            Failure::config(format!("[alert] kill({text}, {signal}) failed ({})", os_error(&e.into())))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_said_as_nginx_says_it() {
        assert_eq!(Wish::read("foo").expect_err("no wish").message, "invalid option: \"-s foo\"");
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pid");
        let name = file.display();
        let stop = Wish::read("stop").expect("a wish");
        let told = || stop.tell(Some(&file)).expect_err("nobody").message;
        assert_eq!(told(), format!("[error] open() \"{name}\" failed (2: No such file or directory)"));
        for (text, want) in [
            ("\n", format!("[error] invalid PID number \"\" in \"{name}\"")),
            ("abc\n", format!("[error] invalid PID number \"abc\" in \"{name}\"")),
            ("-1\n", format!("[error] invalid PID number \"-1\" in \"{name}\"")),
            // Larger than any that Linux gives.
            ("999999999\n", "[alert] kill(999999999, 15) failed (3: No such process)".to_owned()),
        ] {
            std::fs::write(&file, text).expect("a file");
            assert_eq!(told(), want, "{text:?}");
        }
        assert!(stop.tell(None).is_err());
    }
}
