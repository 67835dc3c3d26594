//! `loadgen lessons`: all experiments on what one server suffers from, one after the other, told as one story. Each is a process of its
//! own, as a person would start it, since each pins its threads; what is known of them is what they leave on disk.

use crate::cli::LessonsArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::default_dir;
use crate::show;
use crate::show::lessons::PARTS;
use crate::signals::Signals;
use crate::target;
use reports::store::SCALE_OUT_FILE;
use reports::terminal::printable;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitStatus;
use tokio::process::Command;

/// Carries them out.
///
/// # Errors
/// In one line: wrong use, an experiment that did not come about.
pub(crate) fn run(args: &LessonsArgs) -> Outcome<Exit> {
    if let Some(url) = &args.url {
        return Err(Failure::usage(format!(
            "`{url}`: the lessons need the reference target; of a website of yours, see loadgen spof and loadgen maintenance"
        )));
    }
    let dir = args.out.clone().unwrap_or_else(|| default_dir("lessons"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::host(format!("cannot start: {e}")))?;
    // From here on nobody's wish is lost, between two experiments either.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let mut worst = Exit::Passed;
    let mut asked = false;
    let mut told = Vec::new();
    // Before the first: who has waited for minutes is not to hear it then.
    let without = unlimited();
    for (number, (name, file)) in PARTS.iter().enumerate() {
        if !args.quiet {
            show::note(&format!("lesson {} of {}: loadgen {name}", number + 1, PARTS.len()));
        }
        if let Some(why) = without.as_ref().filter(|_| *file == SCALE_OUT_FILE) {
            worst = worse(worst, Exit::Invalid);
            if !args.quiet {
                show::note(&format!("lesson {} of {} is left out: {why}", number + 1, PARTS.len()));
            }
            continue;
        }
        let record = dir.join(name).join(file);
        let before = made(&record);
        let ended = runtime.block_on(one(args, name, &dir.join(name), &mut signals, &mut asked))?;
        let recorded = made(&record).is_some_and(|made| Some(made) != before);
        told.extend(recorded.then_some(*file));
        worst = worse(worst, exit(ended, name)?);
        // Who thought better of it wants no further one; and what failed for one would fail for the next.
        if asked || !recorded {
            break;
        }
    }
    if told.is_empty() {
        return Ok(worst);
    }
    let mut text = without.iter().map(|why| format!("\nleft out    {}", printable(why))).collect::<String>();
    let left_out = without.into_iter().map(|why| format!("Left out: {why}")).collect();
    let report = show::lessons::drawn(&dir, &told, left_out)?;
    if !args.quiet {
        text += &format!("\nstory       {}\n", report.display());
        show::write(&text, false)?;
    }
    Ok(worst)
}

/// Why scaling out is left out, if it has to be: its servers have sizes, which not everybody may limit.
fn unlimited() -> Option<String> {
    target::unlimited().map(|why| format!("scale-out, as the sizes of servers cannot be limited: {why}"))
}

/// Which file a record is, and since when: an experiment writes another one, and does not tell an older one as its own.
fn made(record: &Path) -> Option<(u64, i64, i64)> {
    let there = std::fs::metadata(record).ok()?;
    Some((there.ino(), there.mtime(), there.mtime_nsec()))
}

/// One experiment, to its end. `asked`: somebody thought better of it.
async fn one(
    args: &LessonsArgs,
    name: &str,
    dir: &Path,
    signals: &mut Signals,
    asked: &mut bool,
) -> Outcome<ExitStatus> {
    let failed = |e: std::io::Error| Failure::host(format!("cannot run loadgen {name}: {e}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = leashed(&program);
    command.arg(name).arg("--out").arg(dir).args(["--seed", &args.seed.to_string()]);
    if args.quiet {
        command.arg("--quiet");
    }
    let mut child = command.spawn().map_err(|e| {
        Failure::target(format!(
            "cannot start {}, which loadgen {name} needs: {e}",
            target::program().display()
        ))
    })?;
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map_err(failed),
            () = signals.asked() => {
                // At a terminal it has heard it itself; once more does no harm, as it ends in order at the first.
                if !*asked && let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::TERM);
                }
                *asked = true;
            }
        }
    }
}

/// The program, which is asked to end when this one is killed: it has a stack to take down.
fn leashed(program: &Path) -> Command {
    let mut command = Command::new(target::program());
    let own = std::process::id().to_string();
    command.args(["leash", "--gently", "--parent", &own, "--"]).arg(program);
    command
}

fn exit(ended: ExitStatus, name: &str) -> Outcome<Exit> {
    match ended.code() {
        Some(0) => Ok(Exit::Passed),
        Some(1) => Ok(Exit::Failed),
        Some(2) => Ok(Exit::Usage),
        Some(3) => Ok(Exit::Target),
        Some(4) => Ok(Exit::Invalid),
        _ => Err(Failure::host(format!("loadgen {name} ended with {ended}"))),
    }
}

/// The one that a reader has to know of first: a dead target before an answer that is none, before one that is not as wished.
fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Passed => 0,
        Exit::Failed => 1,
        Exit::Invalid => 2,
        Exit::Target => 3,
        Exit::Usage => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_is_the_end_of_all() {
        for (all, want) in [
            (vec![Exit::Passed, Exit::Passed], Exit::Passed),
            (vec![Exit::Invalid, Exit::Passed, Exit::Failed], Exit::Invalid),
            (vec![Exit::Invalid, Exit::Target, Exit::Passed], Exit::Target),
        ] {
            assert_eq!(all.into_iter().fold(Exit::Passed, worse), want);
        }
    }

    #[test]
    fn a_record_is_made_when_it_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let found = reports::lesson::Lesson::default();
        let keep = || reports::store::keep(dir.path(), &found).unwrap();
        let record = dir.path().join(reports::store::SPOF_FILE);
        assert_eq!(made(&record), None);
        keep();
        let first = made(&record);
        assert!(first.is_some() && first == made(&record));
        keep();
        assert!(made(&record).is_some_and(|second| Some(second) != first));
    }
}
