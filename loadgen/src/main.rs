//! `loadgen`: an open-loop HTTP load generator that tells the truth.

mod aggregate;
mod aim;
mod cli;
mod client;
mod compare;
mod crew;
mod digest;
mod entries;
mod experiment;
mod exporter;
mod failure;
mod interval;
mod job;
mod limits;
mod load;
mod merge;
mod nearest;
mod network;
mod observe;
mod output;
mod pace;
mod plan;
mod progress;
mod record;
mod recorder;
mod request;
mod run;
mod scenario;
mod schedule;
mod shard;
mod show;
mod signals;
mod status;
mod stream;
mod tally;
mod target;
mod terminal;
mod transport;
mod units;
mod work;
mod worker;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use failure::{Exit, Outcome};
use std::process::ExitCode;

fn main() -> ExitCode {
    let begun = pace::now();
    let words: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(e) if e.use_stderr() => return end(Err(failure::Failure::usage(cli::one_line(&e, &words)))),
        Err(help) => {
            // Help or the version was asked for; a closed pipe is no error of ours.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    end(match cli.command {
        None => load::run(cli.run, begun),
        Some(Command::Report { dir, json }) => show::again(&dir, json.as_deref()),
        Some(Command::Ceiling(args)) => experiment::ceiling::run(*args, begun),
        Some(Command::Compare(args)) => compare::run(&args, begun),
        Some(Command::Cache(args)) => experiment::cache::run(&args, begun),
        Some(Command::ScaleOut(args)) => experiment::scale_out::run(&args, begun),
        Some(Command::Spof(args)) => experiment::lesson::spof(&args, begun),
        Some(Command::Lessons(args)) => experiment::lessons::run(&args),
        Some(Command::Maintenance(args)) => experiment::lesson::maintenance(&args, begun),
        Some(Command::Calibrate(args)) => experiment::calibrate::run(args, begun),
        Some(Command::Merge(args)) => merge::run(&args, begun),
        Some(Command::Pairs(args)) => experiment::pairs::run(&args, begun),
        Some(Command::Trace(args)) => experiment::trace::run(*args, begun),
        Some(Command::Trend(args)) => show::trend::run(&args),
        Some(Command::Completions { shell }) => show::completions(shell, &mut Cli::command()),
        Some(Command::Man) => show::manual(Cli::command()),
    })
}

fn end(outcome: Outcome<Exit>) -> ExitCode {
    let exit = outcome.unwrap_or_else(|failure| {
        show::error(&failure);
        failure.exit
    });
    ExitCode::from(exit as u8)
}
