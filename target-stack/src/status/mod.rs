//! What a running stack looks like from outside. Given its directory, it asks every tier's metrics twice and shows who is
//! alive and what each has to do; it changes nothing, and needs nothing of the supervisor but its descriptor.

mod find;
mod sample;
pub(crate) mod show;

use crate::descriptor::{FILE, Stack, Tier, announce};
use crate::failure::{Failure, Outcome};
use crate::{pace, procfs};
use sample::{Load, Sample};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time over which load is measured.
const SPAN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The stack's directory [default: that of the one stack that runs among the temporary files]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The same, as all others take it
    #[arg(long = "dir", id = "named", value_name = "DIR", conflicts_with = "dir")]
    named: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// `target-stack.status/1`.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    url: String,
    dir: PathBuf,
    /// The supervisor, `up`.
    pid: u32,
    alive: bool,
    tiers: BTreeMap<String, Vec<Process>>,
}

/// One process of a tier.
#[derive(Clone, Debug, Serialize)]
struct Process {
    pid: u32,
    address: String,
    /// Whether the process is there.
    alive: bool,
    /// Whether its metrics came, the second time.
    answers: bool,
    cpu_limit: Option<f64>,
    #[serde(flatten)]
    load: Load,
}

/// Shows the stack.
///
/// # Errors
/// Exit 1 when a process of it is dead, exit 2 when there is no stack.
pub(crate) fn run(args: &Args) -> Outcome {
    let stack = descriptor(&directory(args.named.as_deref().or(args.dir.as_deref()))?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let report = runtime.block_on(look(stack));
    if args.json {
        announce(&report)?
    } else {
        show::print(&show::table(&report))?
    }
    match dead(&report) {
        None => Ok(()),
        Some(dead) => Err(Failure::dead(dead)),
    }
}

/// The directory of the stack that is meant: the one that is named, or else the one that runs.
///
/// # Errors
/// When none is named, and not exactly one is there.
pub(crate) fn directory(named: Option<&Path>) -> Outcome<PathBuf> {
    match named {
        Some(dir) => Ok(dir.to_owned()),
        None => find::the_one(&std::env::temp_dir(), procfs::runs),
    }
}

/// The descriptor of the stack in a directory.
///
/// # Errors
/// When no stack is there whose tiers have answered.
pub(crate) fn descriptor(dir: &Path) -> Outcome<Stack> {
    Stack::kept(dir).map_err(|why| unread(dir, &why))
}

/// Why there is nothing to show, and what can be done.
fn unread(dir: &Path, why: &std::io::Error) -> Failure {
    let what = show::plain(&format!("{}: {why}", dir.join(FILE).display()));
    Failure::usage(match why.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => format!(
            "no stack runs in this directory ({what}): a stack is there once all of its tiers have answered"
        ),
        ErrorKind::PermissionDenied => {
            format!("cannot look into this directory ({what}): the stack is another user's")
        }
        _ => format!("no stack's descriptor ({what})"),
    })
}

/// Asks all processes at once, waits, and asks again.
async fn look(stack: Stack) -> Report {
    let tiers = || stack.tiers.iter().flat_map(|(name, tiers)| tiers.iter().map(move |tier| (name, tier)));
    let before = samples(tiers().map(|(_, tier)| tier)).await;
    pace::pause(SPAN).await;
    let after = samples(tiers().map(|(_, tier)| tier)).await;
    let mut all: BTreeMap<String, Vec<Process>> = BTreeMap::new();
    for ((name, tier), (before, after)) in tiers().zip(before.iter().zip(&after)) {
        all.entry(name.clone()).or_default().push(Process {
            pid: tier.pid,
            address: tier.address.clone(),
            alive: procfs::runs(tier.pid),
            answers: after.is_some_and(|sample| sample.up),
            cpu_limit: tier.cpu_limit,
            load: Load::between(before.as_ref(), after.as_ref()),
        });
    }
    let alive = procfs::runs(stack.pid);
    Report {
        schema: "target-stack.status/1",
        url: stack.url,
        dir: stack.dir,
        pid: stack.pid,
        alive,
        tiers: all,
    }
}

async fn samples(tiers: impl Iterator<Item = &Tier>) -> Vec<Option<Sample>> {
    let asked: Vec<_> = tiers.map(|tier| tokio::spawn(sample::take(tier.metrics.clone()))).collect();
    let mut samples = Vec::new();
    for sample in asked {
        samples.push(sample.await.ok().flatten());
    }
    samples
}

/// Who is dead, in words.
fn dead(report: &Report) -> Option<String> {
    if !report.alive && report.tiers.values().flatten().all(|tier| !tier.alive) {
        let dir = show::plain(&report.dir.display().to_string());
        return Some(format!("nothing of this stack is alive: {dir} was left behind, and can be removed"));
    }
    let tiers = report.tiers.iter().flat_map(|(name, tiers)| tiers.iter().map(move |tier| (name, tier)));
    let tiers = tiers.filter(|(_, tier)| !tier.alive);
    let dead = tiers.map(|(name, tier)| format!("the {} tier (pid {}) is dead", show::plain(name), tier.pid));
    let up = (!report.alive).then(|| format!("the supervisor (pid {}) is dead", report.pid));
    let all: Vec<String> = up.into_iter().chain(dead).collect();
    if all.is_empty() { None } else { Some(all.join(", ")) }
}

#[cfg(test)]
mod tests;
