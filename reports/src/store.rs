//! The directory of a run: `run.json`, the record, and beside it `latency.hlog`, the histograms that its numbers
//! follow from. Saved so that a reader finds either the whole record or none; loaded whole or not at all.

mod caching;
mod ceiling;
mod comparison;
mod kept;
mod lesson;
mod pairs;
mod scale_out;
mod trace;

use crate::analyse::blocks::Blocks;
use crate::analyse::interval::distribution;
use crate::analyse::ledger;
use crate::histogram::{Distributions, Histogram};
use crate::log::{self, Entry};
use crate::record::{Distribution, RUN_SCHEMA, Run};
use crate::whole;
pub use caching::CACHE_FILE;
pub use ceiling::CEILING_FILE;
pub use comparison::COMPARE_FILE;
pub use kept::{Kept, keep, kept};
pub use lesson::{MAINTENANCE_FILE, SPOF_FILE, lesson_file};
pub use pairs::PAIRS_FILE;
pub use scale_out::SCALE_OUT_FILE;
use serde::Serialize;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
pub use trace::TRACE_FILE;

/// The record, as `loadgen.run/1`.
pub const RUN_FILE: &str = "run.json";
/// The histograms per interval, as an HdrHistogram log.
pub const LOG_FILE: &str = "latency.hlog";

/// A run with its histograms.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What is in [`RUN_FILE`].
    pub run: Run,
    /// The sum of the intervals.
    pub totals: Distributions,
    /// What is in [`LOG_FILE`].
    pub intervals: Vec<Entry>,
}

/// Writes `run` into `dir`, which is made where it is missing. An older record is replaced in one step.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save(dir: &Path, run: &Run) -> io::Result<()> {
    replace(dir, RUN_FILE, run)?;
    alone(dir, RUN_FILE)
}

/// Takes the records of other kinds away from `dir`, beside that in `file`: whoever reads the directory is to find one experiment.
fn alone(dir: &Path, file: &str) -> io::Result<()> {
    let records = [
        RUN_FILE,
        CEILING_FILE,
        CACHE_FILE,
        SPOF_FILE,
        MAINTENANCE_FILE,
        SCALE_OUT_FILE,
        TRACE_FILE,
        COMPARE_FILE,
        PAIRS_FILE,
    ];
    let logged = [RUN_FILE, CEILING_FILE].contains(&file);
    let log = (!logged).then_some(LOG_FILE);
    for other in records.into_iter().filter(|other| *other != file).chain(log) {
        match fs::remove_file(dir.join(other)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn replace(dir: &Path, name: &str, record: &impl Serialize) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut json = serde_json::to_vec_pretty(record)?;
    json.push(b'\n');
    whole::replace(&dir.join(name), &json)
}

/// Reads the record of a run in `dir` without its histograms.
///
/// # Errors
/// When it is missing, is not what it should be, or its ledger does not add up: with its path.
pub fn load_run(dir: &Path) -> Result<Run, String> {
    let run = read_run(dir)?;
    let broken = ledger::broken(&run).or_else(|| ledger::broken_steps(&run));
    broken.map_or(Ok(run), |what| Err(format!("{}: {what}", dir.join(RUN_FILE).display())))
}

fn read_run(dir: &Path) -> Result<Run, String> {
    read_with(&dir.join(RUN_FILE), |json| {
        let run: Run = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if run.schema == RUN_SCHEMA {
            Ok(run)
        } else {
            Err(format!("\"{}\" is not {RUN_SCHEMA}", run.schema))
        }
    })
}

/// Writes `record` into `dir` as a run leaves it, its histograms included.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn save_whole(dir: &Path, record: &Record, started_unix_s: f64) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut bytes = Vec::new();
    let mut log = log::IntervalLog::create(&mut bytes, started_unix_s)?;
    let mut one = Histogram::default();
    for Entry { tag, start_s, length_s, histogram } in &record.intervals {
        one.clear();
        one.add_sparse(histogram);
        log.append_one(tag, *start_s, *length_s, &one)?;
    }
    whole::replace(&dir.join(LOG_FILE), &bytes)?;
    save(dir, &record.run)
}

/// Reads the record and the histograms in `dir`.
///
/// # Errors
/// When a file is missing or is not what it should be, with its path; when the two are not of the same run, or the
/// record's own numbers contradict each other.
pub fn load(dir: &Path) -> Result<Record, String> {
    let run = read_run(dir)?;
    let intervals = read_with(&dir.join(LOG_FILE), log::read)?;
    let record = Record { run, totals: log::total(&intervals), intervals };
    agree(&record).map_err(|what| format!("{}: {what}", dir.join(RUN_FILE).display()))?;
    Ok(record)
}

/// Whether the record's distributions are those of the log, and its ledger adds up.
fn agree(record: &Record) -> Result<(), String> {
    let (run, totals) = (&record.run, &record.totals);
    let mut response = response(record);
    if run.response_ms.blocks.is_none() && run.response_ms.ci95_blocks.is_empty() {
        // A record of before there were blocks says nothing of them, and nothing wrong.
        response = distribution(&totals.response);
    }
    for (name, said, logged) in [
        ("response_ms", &run.response_ms, response),
        ("service_ms", &run.service_ms, distribution(&totals.service)),
        ("send_lag_ms", &run.send_lag_ms, distribution(&totals.send_lag)),
        ("ok_response_ms", &run.ok_response_ms, distribution(&totals.ok_response)),
    ] {
        if *said != logged {
            return Err(format!("{name} is not what {LOG_FILE} has"));
        }
    }
    for entry in &record.intervals {
        let Some(number) = log::interaction(&entry.tag) else { continue };
        let said = run.interactions.get(number).map(|one| one.response_ms.count);
        if said != Some(entry.histogram.count()) {
            return Err(format!("{} is not what {LOG_FILE} has", entry.tag));
        }
    }
    match ledger::broken(run).or_else(|| ledger::broken_steps(run)) {
        None => Ok(()),
        Some(what) => Err(what),
    }
}

/// The distribution of the response times as the log has them, in whole and in blocks.
fn response(record: &Record) -> Distribution {
    let blocks = Blocks::of_log(record.run.timeline.interval_s, &record.intervals);
    blocks.distribution(&record.totals.response, record.run.duration_s)
}

fn read_with<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, String>) -> Result<T, String> {
    let named = |what: String| format!("{}: {what}", path.display());
    let mut bytes = Vec::new();
    read_into(path, &mut bytes).map_err(|e| named(e.to_string()))?;
    if bytes.is_empty() {
        // A file that can be written to is made before anything is done.
        return Err(named(String::from(
            "the record is empty: what was to write it was ended before it had found anything",
        )));
    }
    parse(&bytes).map_err(named)
}

/// Appends what is in a file. Nothing else is opened, since whoever opens a pipe waits for whoever writes to it.
pub(crate) fn read_into(path: &Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    fs::File::open(path)?.read_to_end(bytes).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::Ceiling;
    use crate::fixture;

    fn write(dir: &Path, record: &Record) {
        save(dir, &record.run).unwrap();
        fs::write(dir.join(LOG_FILE), fixture::log_of(record)).unwrap();
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("runs/one");
        for record in [fixture::freeze(), fixture::died(), fixture::empty()] {
            write(&inner, &record);
            assert_eq!(load(&inner).unwrap(), record);
        }
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 2, "nothing temporary is left");
    }

    #[test]
    fn a_record_replaces_those_of_other_kinds_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        fs::write(dir.path().join("mine.json"), "{}").unwrap();
        write(dir.path(), &fixture::tiny());
        for (found, file) in
            [(fixture::lesson::spof(), SPOF_FILE), (fixture::lesson::maintenance(), MAINTENANCE_FILE)]
        {
            keep(dir.path(), &found).unwrap();
            let mut want = [file, "mine.json"];
            want.sort_unstable();
            assert_eq!(names(), want);
        }
        write(dir.path(), &fixture::tiny());
        assert_eq!(names(), [LOG_FILE, "mine.json", RUN_FILE]);
        // A search has such a log, too, and keeps its record while it is written.
        keep(dir.path(), &Ceiling::default()).unwrap();
        assert_eq!(names(), [CEILING_FILE, LOG_FILE, "mine.json"]);
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let fails_with = |part: &str| {
            let error = load(dir.path()).unwrap_err();
            assert!(error.contains(part) && error.contains(&dir.path().display().to_string()), "{error}");
        };
        fails_with("run.json: No such file");
        let mut record = fixture::tiny();
        write(dir.path(), &record);
        fs::remove_file(dir.path().join(LOG_FILE)).unwrap();
        fails_with("latency.hlog: No such file");
        fs::write(dir.path().join(LOG_FILE), "Tag=response,0").unwrap();
        fails_with("latency.hlog: line 1: cut off");
        record.run.schema = "loadgen.run/2".into();
        write(dir.path(), &record);
        fails_with("\"loadgen.run/2\" is not loadgen.run/1");
        fs::write(dir.path().join(RUN_FILE), "{").unwrap();
        fails_with("run.json: EOF");
        fs::write(dir.path().join(RUN_FILE), "").unwrap();
        fails_with("run.json: the record is empty: ");
    }
}
