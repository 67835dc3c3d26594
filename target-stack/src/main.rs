//! `target-stack`: a reference website to load. One binary, one subcommand a tier, and `up`, which runs them all.

mod app;
mod ask;
mod caching;
mod cgroup;
mod db;
mod descriptor;
mod dns;
mod failure;
mod integral;
mod leash;
mod limits;
mod metrics;
mod nginx;
mod nginx_conf;
mod operate;
mod orders;
mod pace;
mod procfs;
mod programs;
mod proxy;
mod queue;
mod quota;
mod signals;
mod spare;
mod splitmix;
mod status;
mod supervise;
mod units;
mod up;

use cgroup::Group;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use failure::{Failure, Outcome};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A reference website to load: DNS zone, Nginx-like proxy, app server, MySQL.
#[derive(Debug, Parser)]
#[command(name = "target-stack", version, arg_required_else_help = true)]
struct Cli {
    /// The pid of the process that this one must not outlive.
    #[arg(long, global = true, hide = true, value_name = "PID")]
    die_with: Option<u32>,
    /// The control group that this process puts itself into; of `db` and `nginx`, their servers.
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    group: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all tiers until SIGINT or SIGTERM, and print the stack descriptor when they answer
    Up(up::Args),
    /// Show the tiers of a running stack, whether they are alive, and their load
    Status(status::Args),
    /// Kill a process of a running stack
    Kill(operate::OneArgs),
    /// Start a process of a running stack again that is dead
    Start(operate::OneArgs),
    /// Put another version of the app in the place of the one that a running stack has
    Deploy(operate::DeployArgs),
    /// Have the proxies of a running stack read their configuration again
    Reload(operate::Place),
    /// Count the orders in the database of a running stack
    Orders(orders::Args),
    /// Remove a stack's directory when its supervisor has gone
    #[command(hide = true)]
    Sweep(up::SweepArgs),
    /// Serve the zone foobar.com
    Dns(dns::Args),
    /// Serve HTTP as nginx does, from an nginx.conf
    Proxy(proxy::Args),
    /// Run the installed nginx as the stack's proxy
    #[command(hide = true)]
    Nginx(nginx::Args),
    /// Run the shop's app server
    App(app::Args),
    /// Run a private MariaDB with the shop's schema and data
    Db(db::Args),
    /// Run a target whose ceiling is known: WORKERS / SERVICE
    Queue(queue::Args),
    /// Try whether the sizes of tiers can be limited here
    #[command(hide = true)]
    Limits,
    /// Become another program that dies with the process that asked for it
    #[command(hide = true)]
    Leash(leash::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(e) if e.use_stderr() && e.kind() != NO_COMMAND => {
            Err(Failure::usage(one_line(&e, std::env::args_os().nth(1).as_deref())))
        }
        Err(help) => {
            // Help or the version was asked for; a closed pipe is no error of ours.
            let _ = help.print();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            use std::io::Write;
            // Nothing is left to tell it to when standard error is closed.
            let _ = writeln!(std::io::stderr(), "target-stack: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

/// So many descriptors have room from the start: clients of a tier, and its connections to the next one.
const DESCRIPTORS: u64 = 16_384;

/// What clap calls a command line without a subcommand: the help is the answer.
const NO_COMMAND: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

/// One line of what is wrong with a command line whose first word is `command`, from clap's several.
fn one_line(error: &clap::Error, command: Option<&OsStr>) -> String {
    let text = error.to_string();
    let said: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"))
        .filter(|line| !line.is_empty() && !line.starts_with("For more") && !line.contains("as a value"))
        .collect();
    let said = said.join(" ").replace(" tip: ", "; ");
    let cli = Cli::command();
    let command = command.and_then(|command| cli.find_subcommand(command));
    let command = command.map(|command| format!(" {}", command.get_name())).unwrap_or_default();
    format!("{} (see target-stack{command} --help)", said.strip_prefix("error: ").unwrap_or(&said))
}

fn run(cli: Cli) -> Outcome {
    if let Some(parent) = cli.die_with {
        limits::die_with_parent(rustix::process::Signal::TERM, parent)?;
    }
    let group = cli.group.map(Group::at);
    // While there is one thread, which takes all later ones with it.
    if let Some(group) = group.as_ref().filter(|_| !matches!(cli.command, Command::Db(_) | Command::Nginx(_)))
    {
        group.enter()?;
    }
    limits::raise_descriptors(DESCRIPTORS);
    match cli.command {
        Command::Up(args) => up::run(args),
        Command::Status(args) => status::run(&args),
        Command::Kill(args) => operate::kill(&args),
        Command::Start(args) => operate::start(&args),
        Command::Deploy(args) => operate::deploy(args),
        Command::Reload(place) => operate::reload(&place),
        Command::Orders(args) => orders::run(&args),
        Command::Sweep(args) => up::sweep(args),
        Command::Dns(args) => dns::run(args),
        Command::Proxy(args) => proxy::run(args, group),
        Command::Nginx(args) => nginx::run(&args, group),
        Command::App(args) => app::run(args, group),
        Command::Db(args) => db::run(args, group),
        Command::Queue(args) => queue::run(args),
        Command::Limits => cgroup::try_out(),
        Command::Leash(args) => leash::run(args),
    }
}
