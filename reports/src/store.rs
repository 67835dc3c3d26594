//! The directory of a run: `run.json`, the record, and beside it `latency.hlog`, the histograms that its numbers
//! follow from. Saved so that a reader finds either the whole record or none; loaded whole or not at all.

mod caching;
mod scale_out;

use crate::analyse::blocks::Blocks;
use crate::analyse::conclude::conclude;
use crate::analyse::interval::distribution;
use crate::analyse::ledger;
use crate::analyse::lesson;
use crate::analyse::objective::Objective;
use crate::analyse::plausible::contradiction;
use crate::analyse::waterfall;
use crate::ceiling::{CEILING_SCHEMA, Ceiling};
use crate::histogram::Distributions;
use crate::lesson::{Lesson, MAINTENANCE_SCHEMA, SPOF_SCHEMA};
use crate::log;
use crate::record::{Distribution, Host, RUN_SCHEMA, Run, Verdict};
use crate::trace::{TRACE_SCHEMA, Trace};
pub use caching::{CACHE_FILE, load_caching, save_caching};
pub use scale_out::{SCALE_OUT_FILE, load_scale_out, save_scale_out};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The record of a ceiling search, as `loadgen.ceiling/1`.
pub const CEILING_FILE: &str = "ceiling.json";
/// The record of trials with failures, as `loadgen.spof/1`.
pub const SPOF_FILE: &str = "spof.json";
/// The record of trials with changes, as `loadgen.maintenance/1`.
pub const MAINTENANCE_FILE: &str = "maintenance.json";
/// The record of a traced request, as `loadgen.trace/1`.
pub const TRACE_FILE: &str = "trace.json";
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
    pub intervals: Vec<log::Entry>,
}

/// Writes `run` into `dir`, which is made where it is missing. An older record is replaced in one step.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save(dir: &Path, run: &Run) -> io::Result<()> {
    replace(dir, RUN_FILE, run)
}

/// Writes `found` into `dir` in the same way.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save_ceiling(dir: &Path, found: &Ceiling) -> io::Result<()> {
    replace(dir, CEILING_FILE, found)
}

/// The file of a lesson of this schema.
pub fn lesson_file(schema: &str) -> &'static str {
    if schema == MAINTENANCE_SCHEMA { MAINTENANCE_FILE } else { SPOF_FILE }
}

/// Writes `found` into `dir` in the same way.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save_lesson(dir: &Path, found: &Lesson) -> io::Result<()> {
    replace(dir, lesson_file(&found.schema), found)
}

/// Reads the trials in `file` of `dir`, and concludes from them again: the numbers that are in it have to come out.
///
/// # Errors
/// When the file is missing, is not what it should be, or its conclusions do not follow from its trials.
pub fn load_lesson(dir: &Path, file: &str) -> Result<Lesson, String> {
    read_with(&dir.join(file), |json| {
        let found: Lesson = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if ![SPOF_SCHEMA, MAINTENANCE_SCHEMA].contains(&found.schema.as_str())
            || lesson_file(&found.schema) != file
        {
            return Err(format!(
                "\"{}\" is not {}",
                found.schema,
                if file == SPOF_FILE { SPOF_SCHEMA } else { MAINTENANCE_SCHEMA }
            ));
        }
        let mut again = found.clone();
        lesson::conclude(&mut again);
        let same = again.verdict.valid == found.verdict.valid
            && again
                .trials
                .iter()
                .map(|trial| trial.impact)
                .eq(found.trials.iter().map(|trial| trial.impact));
        if same {
            Ok(again)
        } else {
            Err(String::from("its conclusions do not follow from its trials: it was changed"))
        }
    })
}

/// Writes `trace` into `dir` in the same way.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save_trace(dir: &Path, trace: &Trace) -> io::Result<()> {
    replace(dir, TRACE_FILE, trace)
}

fn replace(dir: &Path, name: &str, record: &impl Serialize) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let unfinished = dir.join(format!("{name}.part"));
    let mut json = serde_json::to_vec_pretty(record)?;
    json.push(b'\n');
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(&json)?;
        file.sync_all()
    });
    if let Err(e) = written.and_then(|()| fs::rename(&unfinished, dir.join(name))) {
        // What is half written helps nobody, and may be what fills the disk.
        let _ = fs::remove_file(unfinished);
        return Err(e);
    }
    Ok(())
}

/// Reads the record of a ceiling search in `dir`, and concludes from its loads again: the numbers that are in it have to come
/// out.
///
/// # Errors
/// When the file is missing, is not what it should be, or its conclusions do not follow from its loads.
pub fn load_ceiling(dir: &Path) -> Result<Ceiling, String> {
    read_with(&dir.join(CEILING_FILE), |json| {
        let found: Ceiling = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if found.schema != CEILING_SCHEMA {
            return Err(format!("\"{}\" is not {CEILING_SCHEMA}", found.schema));
        }
        again(&found)
    })
}

/// `found` with what follows from its loads, which has to be what is in it.
fn again(found: &Ceiling) -> Result<Ceiling, String> {
    if let Some(what) = contradiction(found, &Objective::parse(&found.slo)?) {
        return Err(format!("{what}: it was changed"));
    }
    let mut again = found.clone();
    conclude(&mut again)?;
    // A search that was killed has not come to its conclusions.
    if found.partial && found.verdict == Verdict::default() || numbers(&again) == numbers(found) {
        return Ok(again);
    }
    Err(otherwise(&found.host))
}

/// That a record's conclusions do not follow from its loads.
fn otherwise(host: &Host) -> String {
    let by = format!("{} {}", host.version, host.commit);
    format!(
        "its conclusions do not follow from its loads: it was changed, or the version that it comes from ({}) \
         concluded otherwise",
        by.trim()
    )
}

/// Reads the record of a traced request in `dir`, and concludes from its requests again: the same has to come out.
///
/// # Errors
/// When the file is missing, is not what it should be, or its parts do not follow from its requests.
pub fn load_trace(dir: &Path) -> Result<Trace, String> {
    read_with(&dir.join(TRACE_FILE), |json| {
        let trace: Trace = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if trace.schema != TRACE_SCHEMA {
            return Err(format!("\"{}\" is not {TRACE_SCHEMA}", trace.schema));
        }
        if let Some(what) = waterfall::contradiction(&trace) {
            return Err(format!("{what}: it was changed"));
        }
        let mut again = trace.clone();
        waterfall::conclude(&mut again);
        let same = again.drawn == trace.drawn
            && again.parts == trace.parts
            && again.verdict.valid == trace.verdict.valid;
        if same {
            Ok(again)
        } else {
            Err("its parts do not follow from its requests: it was changed".to_owned())
        }
    })
}

/// What was concluded but for the sentences, which another version may word otherwise.
fn numbers(found: &Ceiling) -> Ceiling {
    let mut found = found.clone();
    found.limited_by.evidence.clear();
    found.verdict.reasons.clear();
    found.forecast.iter_mut().for_each(|forecast| forecast.wall.clear());
    found
}

/// Reads the record and the histograms in `dir`.
///
/// # Errors
/// When a file is missing or is not what it should be, with its path; when the two are not of the same run, or the
/// record's own numbers contradict each other.
pub fn load(dir: &Path) -> Result<Record, String> {
    let run: Run = read_with(&dir.join(RUN_FILE), |json| {
        let run: Run = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if run.schema == RUN_SCHEMA {
            Ok(run)
        } else {
            Err(format!("\"{}\" is not {RUN_SCHEMA}", run.schema))
        }
    })?;
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
    let bytes = fs::read(path).map_err(|e| named(e.to_string()))?;
    parse(&bytes).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn the_recorded_searches_follow_from_their_loads() {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/ceiling");
        for name in ["database", "workers"] {
            let found = load_ceiling(&recorded.join(name)).unwrap();
            assert!(found.verdict.valid && !found.steps.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_lesson_is_read_as_it_was_written_and_not_if_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        for found in [fixture::lesson::spof(), fixture::lesson::maintenance()] {
            let file = lesson_file(&found.schema);
            save_lesson(dir.path(), &found).unwrap();
            assert_eq!(load_lesson(dir.path(), file).unwrap(), found);
            let mut changed = found.clone();
            changed.trials[0].impact.outage_s = 0.0;
            save_lesson(dir.path(), &changed).unwrap();
            assert!(load_lesson(dir.path(), file).unwrap_err().contains("it was changed"));
            changed = Lesson { schema: "loadgen.run/1".into(), ..found };
            fs::write(dir.path().join(file), serde_json::to_vec(&changed).unwrap()).unwrap();
            assert!(load_lesson(dir.path(), file).unwrap_err().contains("\"loadgen.run/1\" is not loadgen."));
        }
    }

    #[test]
    fn a_traced_request_follows_from_what_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        for trace in [fixture::trace::home(), fixture::trace::contradictory(), fixture::trace::unanswered()] {
            save_trace(dir.path(), &trace).unwrap();
            assert_eq!(load_trace(dir.path()).unwrap(), trace);
        }
        let changed = |change: fn(&mut Trace)| {
            let mut trace = fixture::trace::home();
            change(&mut trace);
            save_trace(dir.path(), &trace).unwrap();
            load_trace(dir.path()).unwrap_err()
        };
        assert!(changed(|trace| trace.requests[2].wait_ms += 0.5).contains("it was changed"));
        assert!(changed(|trace| trace.parts[4].took_ms += 0.5).contains("it was changed"));
        assert!(changed(|trace| trace.requests[2].server_timing.clear()).contains("it was changed"));
        assert!(changed(|trace| trace.schema.clear()).contains("is not loadgen.trace/1"));
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
    }
}
