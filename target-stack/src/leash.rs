//! A leash: this process takes another identity, binds its life to its parent's, and becomes the program that it
//! was given. The order matters: the kernel forgets the parent death signal when credentials change, so a server
//! that drops its privileges by itself would outlive us. It also spares the other user from having to reach our
//! own binary, which may lie in a home directory. It never returns unless something failed.

use crate::db::account::Account;
use crate::failure::{Failure, Outcome};
use crate::limits;
use rustix::process::Signal;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pid of the process that the program must not outlive.
    #[arg(long, value_name = "PID")]
    parent: u32,
    /// Ask the program to end instead of killing it: it has processes of its own to end first.
    #[arg(long)]
    gently: bool,
    /// The identity that the program runs with.
    #[arg(long, value_name = "UID:GID")]
    account: Option<Account>,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes the program of `args`.
///
/// # Errors
/// When the identity, the leash or the program cannot be had.
pub(crate) fn run(args: Args) -> Outcome {
    if let Some(account) = args.account {
        // Groups first: afterwards the right to change them is gone. The calls are per thread, and this process
        // has only one.
        set_thread_groups(&[])
            .and_then(|()| set_thread_res_gid(account.gid, account.gid, account.gid))
            .and_then(|()| set_thread_res_uid(account.uid, account.uid, account.uid))
            .map_err(|e| Failure::start(format!("cannot run as {account}: {e}")))?;
    }
    let signal = if args.gently { Signal::TERM } else { Signal::KILL };
    limits::die_with_parent(signal, args.parent)?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::usage("no program to run"));
    };
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::start(format!("cannot run {}: {error}", program.display())))
}
