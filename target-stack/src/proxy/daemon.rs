//! The background. Given this process's own command line, it starts the same again as a process of its own session, and waits until
//! that one serves or has said why it cannot; so errors of the start are seen at the terminal, as with nginx.

use crate::failure::{Failure, Outcome};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The subcommand whose options are passed on.
const SUBCOMMAND: &str = "proxy";

/// Starts the process in the background, and passes on the line with which it says that it serves.
///
/// # Errors
/// When it does not come to that; it has said why.
pub(crate) fn start() -> Outcome {
    let failed = |e: std::io::Error| Failure::start(format!("[emerg] cannot go to the background: {e}"));
    // What stands before the subcommand binds a process to the one that started it.
    let options = std::env::args_os().skip_while(|word| word != SUBCOMMAND).skip(1);
    let mut child = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .arg("--background")
        .args(options.collect::<Vec<OsString>>())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    if line.is_empty() {
        let status = child.wait().map_err(failed)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(3);
        return Err(Failure { code, message: "the process in the background has ended".to_owned() });
    }
    // Nobody has to read it.
    let _ = std::io::stdout().write_all(line.as_bytes());
    Ok(())
}

/// Leaves the session of whoever started this process: signals of its terminal are not for it.
///
/// # Errors
/// When this process leads a session already.
pub(crate) fn settle() -> Outcome {
    rustix::process::setsid().map(drop).map_err(|e| Failure::start(format!("[emerg] setsid() failed ({e})")))
}

/// Lets the terminal go.
pub(crate) fn let_go() {
    // A process without /dev/null has other troubles.
    let Ok(null) = File::options().read(true).write(true).open("/dev/null") else { return };
    let _ = rustix::stdio::dup2_stdin(&null);
    let _ = rustix::stdio::dup2_stdout(&null);
    let _ = rustix::stdio::dup2_stderr(&null);
}
