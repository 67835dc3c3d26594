//! What a job has left: from the directory that it was to put its records in to the one record of its load, and whether that is the load
//! that was asked for. It measures nothing.

use crate::plan::Plan;
use reports::merge::{Merged, Terms, below, merge};
use reports::number::{exact_rate, seconds};
use reports::record::{Loop, Run};
use reports::store::{RUN_FILE, Record, load};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    // Where a job has put nothing there may be no directory.
    let dirs = below(out).unwrap_or_default();
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
            None if early_s > EARLY_S => {
                format!("it began {} before its job: it is an old one, or a clock is wrong", seconds(early_s))
            }
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
            .map(|_| String::from("other requests, connections, time-out or expected statuses"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::experiment::ceiling::jobs::elsewhere;
    use crate::units::Rate;
    use clap::Parser;
    use reports::record::Shard;
    use reports::store::{LOG_FILE, save};

    fn recorded() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/reference/main")
    }

    /// Writes a record at `dir`: the shard `index` of `of`, or a whole load.
    fn write(dir: &Path, shard: Option<(u32, u32)>) {
        let mut run = load(&recorded()).unwrap().run;
        let began_unix_s = began(&run);
        run.shard = shard.map(|(index, of)| {
            let began_unix_s = began_unix_s + f64::from(index) * 1e-3;
            Shard { index, of, began_unix_s, ..Shard::default() }
        });
        let rate = 6_000.0 / f64::from(shard.map_or(1, |(_, of)| of));
        (run.steps[0].from_rps, run.steps[0].to_rps) = (rate, rate);
        save(dir, &run).unwrap();
        fs::copy(recorded().join(LOG_FILE), dir.join(LOG_FILE)).unwrap();
    }

    fn found(records: &[(&str, Option<(u32, u32)>)]) -> Result<Option<(usize, Vec<String>, f64)>, String> {
        let out = tempfile::tempdir().unwrap();
        records.iter().for_each(|(dir, shard)| write(&out.path().join(dir), *shard));
        let load = of(out.path())?;
        Ok(load.map(|load| {
            assert_eq!(load.is_of_another(&plan("", 6_000, 10), None, Duration::ZERO), None);
            (load.record.run.shards.len(), load.faults, load.record.run.steps[0].from_rps)
        }))
    }

    fn plan(options: &str, rps: u64, seconds: u64) -> Plan {
        let words = ["loadgen"].into_iter().chain(options.split_whitespace());
        let url = recorded_url();
        let load = elsewhere(Cli::parse_from(words.chain([url.as_str()])).run.load);
        let rate = Some(Rate { micro: rps * 1_000_000 }).filter(|_| rps > 0);
        Plan::at(&load, rate, Duration::ZERO, Duration::from_secs(seconds)).unwrap()
    }

    fn recorded_url() -> String {
        load(&recorded()).unwrap().run.target.url
    }

    #[test]
    fn a_job_leaves_the_shards_of_a_load_or_one_record() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(of(Path::new("/nowhere/at/all")).map(|load| load.is_none()), Ok(true));
        for dir in ["", "a", "a/b"] {
            assert_eq!(found(&[(dir, None)]), Ok(Some((0, Vec::new(), 6_000.0))), "{dir}");
        }
        assert_eq!(found(&[("a/b/c", None)]), Ok(None), "so deep is somebody else's");
        let both = [("shards/1", Some((1, 2))), ("shards/2", Some((2, 2))), ("merged", None)];
        assert_eq!(found(&both), Ok(Some((2, Vec::new(), 6_000.0))));
        let lost = found(&both[1..]).unwrap().unwrap();
        assert_eq!((lost.0, &lost.1[..]), (1, &[String::from("1 shard of 2 missing: 1")][..]));
        let why = found(&[("a", None), ("b", None)]).unwrap_err();
        assert!(why.contains("/a and ") && why.contains("/b: each is of a whole load"), "{why}");
        let why = found(&[("a", Some((1, 2))), ("b", Some((1, 2)))]).unwrap_err();
        assert!(why.contains("both are shard 1 of 2"), "{why}");
    }

    #[test]
    fn a_record_that_is_broken_is_no_part_of_the_load_and_named() {
        let out = tempfile::tempdir().unwrap();
        write(&out.path().join("1"), Some((1, 2)));
        fs::create_dir(out.path().join("2")).unwrap();
        fs::write(out.path().join("2/run.json"), "{").unwrap();
        let load = of(out.path()).unwrap().unwrap();
        assert!(
            load.faults[0].starts_with("left out: ") && load.faults[1].contains("missing: 2"),
            "{load:?}"
        );
        fs::remove_dir_all(out.path().join("1")).unwrap();
        assert!(of(out.path()).unwrap_err().contains("run.json: EOF"));
    }

    #[test]
    fn a_record_of_another_load_is_not_this_ones() {
        let out = tempfile::tempdir().unwrap();
        write(&out.path().join("1"), Some((1, 2)));
        write(&out.path().join("2"), Some((2, 2)));
        let load = of(out.path()).unwrap().unwrap();
        let said = |plan: &Plan| load.is_of_another(plan, None, Duration::ZERO).unwrap_or_default();
        for (options, rps, seconds, part) in [
            ("", 5_999, 10, "it is of another load than was asked for: 6,000/s in place of 5,999/s"),
            ("", 0, 10, "6,000/s in place of a closed loop"),
            ("", 6_000, 11, "10 s in place of 11 s"),
            ("--seed 2", 6_000, 10, "seed 1 in place of seed 2"),
            ("--arrivals poisson", 6_000, 10, "even arrivals in place of poisson arrivals"),
        ] {
            let why = said(&plan(options, rps, seconds));
            assert!(why.contains(part) && why.contains("/1: "), "{why}");
        }
        let mut other = plan("", 6_000, 10);
        other.url = Some(http::Uri::from_static("http://127.0.0.1:1/"));
        assert!(said(&other).contains("in place of http://127.0.0.1:1/"));
        let same = plan("", 6_000, 10);
        let began = Duration::from_secs_f64(began(&load.record.run));
        assert_eq!(load.is_of_another(&same, Some(&load.record.run.load_digest), began), None);
        let later = load.is_of_another(&same, None, began + Duration::from_secs(30)).unwrap();
        assert!(later.contains("it began 30 s before its job"), "{later}");
        let other = load.is_of_another(&same, Some("x"), began).unwrap();
        assert!(other.contains("other requests, connections, time-out or expected statuses"), "{other}");
    }
}
