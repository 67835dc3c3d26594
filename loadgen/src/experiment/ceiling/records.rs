//! What a job has left: from the directory that it was to put its records in to the one record of its load, and whether that is the load
//! that was asked for. It measures nothing.

use super::jobs::too_early;
use crate::plan::Plan;
use reports::merge::{Merged, Terms, merge};
use reports::number::{exact_rate, seconds};
use reports::record::{Loop, Run};
use reports::store::{RUN_FILE, Record, load};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So deep below the directory records are looked for: engines put them beside what they have merged themselves.
const DEEP: usize = 2;
/// A load may have begun so long before its job by its machine's clock.
const EARLY_S: f64 = 2.0;
/// Rates that differ by less are the same: a machine's is cut at the millionth.
const SAME: f64 = 1e-5;

/// The load of a job.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) record: Record,
    /// Why it is not all of that load, in words.
    pub(super) faults: Vec<String>,
    /// Whose record it is, or the first of them.
    dir: PathBuf,
}

/// The load whose records are in `out` or below it; `None` where there is no record.
///
/// # Errors
/// With their paths: records that do not belong together, or cannot be read.
pub(super) fn of(out: &Path) -> Result<Option<Load>, String> {
    let mut dirs = Vec::new();
    look(out, DEEP, &mut dirs);
    dirs.sort();
    // Beside shards, the others are what somebody has made of them.
    let (shards, whole): (Vec<PathBuf>, Vec<PathBuf>) = dirs.into_iter().partition(|dir| is_shard(dir));
    let load = match (&shards[..], &whole[..]) {
        ([], []) => return Ok(None),
        ([], [one]) => Load { record: load(one)?, faults: Vec::new(), dir: one.clone() },
        ([], [one, two, ..]) => {
            let (one, two) = (one.display(), two.display());
            return Err(format!(
                "{one} and {two}: each is of a whole load, and none of a shard (loadgen --shard I/N)"
            ));
        }
        ([first, ..], _) => {
            let Merged { record, faults } = merge(&shards, &Terms::default())?;
            Load { record, faults, dir: first.clone() }
        }
    };
    Ok(Some(load))
}

fn look(dir: &Path, deep: usize, found: &mut Vec<PathBuf>) {
    if dir.join(RUN_FILE).is_file() {
        found.push(dir.to_owned());
    }
    let below = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in below.filter(|path| deep > 0 && path.is_dir()) {
        look(&path, deep - 1, found);
    }
}

/// Whether a record is a shard's; one that cannot be read is named when they are merged.
fn is_shard(dir: &Path) -> bool {
    #[derive(Deserialize)]
    struct Head {
        shard: Option<serde::de::IgnoredAny>,
    }
    let text = fs::read(dir.join(RUN_FILE)).unwrap_or_default();
    serde_json::from_slice::<Head>(&text).map_or(true, |head| head.shard.is_some())
}

impl Load {
    /// In what this is another load than `plan`'s, if it is: one that asks for what has the digest `known`, and whose job began at
    /// `begun_at`, since 1970.
    pub(super) fn is_of_another(
        &self,
        plan: &Plan,
        known: Option<&str>,
        begun_at: Duration,
    ) -> Option<String> {
        let run = &self.record.run;
        let early_s = begun_at.as_secs_f64() - began(run);
        let why = match differs(run, plan, known) {
            None if early_s > EARLY_S => too_early(early_s),
            None => return None,
            Some(what) => format!("it is of another load than was asked for: {what}"),
        };
        Some(format!("{}: {why}", self.dir.display()))
    }
}

/// When the first of its machines began, in seconds since 1970, each by its own clock.
fn began(run: &Run) -> f64 {
    let shards = run.shards.iter().map(|shard| shard.shard.began_unix_s);
    let started = run.started_at.parse::<jiff::Timestamp>();
    let started = started.map_or(0.0, |at| at.as_millisecond() as f64 / 1e3);
    shards.fold(started, f64::min)
}

fn differs(run: &Run, plan: &Plan, known: Option<&str>) -> Option<String> {
    let mut counted = run.steps.iter().filter(|step| step.counted);
    let (Some(step), None) = (counted.next(), counted.next()) else {
        return Some(String::from("it has steps of its own"));
    };
    // Of shards that are missing the rest has its part.
    let (of, there) = run.shards.first().map_or((1, 1), |shard| (shard.shard.of, run.shards.len()));
    let whole = |rps: f64| rps * f64::from(of) / there as f64;
    let asked = plan.steps.first().map_or(0.0, |step| step.from.rps());
    let same = |rps: f64| (whole(rps) - asked).abs() <= SAME * (asked + f64::from(of));
    let load_loop = if plan.open { Loop::Open } else { Loop::Closed };
    if run.load_loop != load_loop || !same(step.from_rps) || !same(step.to_rps) {
        let rate = |rps: f64| {
            if rps > 0.0 { format!("{}/s", exact_rate(rps)) } else { String::from("a closed loop") }
        };
        return Some(format!("{} in place of {}", rate(whole(step.to_rps)), rate(asked)));
    }
    let length_s = plan.measured().as_secs_f64();
    if (step.duration_s - length_s).abs() > SAME {
        return Some(format!("{} in place of {}", seconds(step.duration_s), seconds(length_s)));
    }
    let url = plan.url.as_ref().map(ToString::to_string).unwrap_or_default();
    let arrivals = format!("{:?}", plan.arrivals).to_lowercase();
    let pairs = [
        (run.target.url.clone(), url),
        (format!("seed {}", run.seed), format!("seed {}", plan.seed)),
        (
            format!("{} arrivals", run.arrivals),
            format!("{} arrivals", if plan.open { &arrivals } else { &run.arrivals }),
        ),
        (
            format!("intervals of {} s", run.timeline.interval_s),
            format!("intervals of {} s", plan.window().length_s()),
        ),
    ];
    let mut other = pairs.into_iter().filter(|(there, asked)| there != asked);
    other.next().map(|(there, asked)| format!("{there} in place of {asked}")).or_else(|| {
        known
            .filter(|known| *known != run.load_digest)
            .map(|_| String::from("other requests than in the loads before"))
    })
}
