//! What other tools read of a run, beside its record: the timeline as CSV, and the distributions of response and service
//! time as HdrHistogram's percentile text (`.hgrm`), which its plotters take. From a record to text and files; every number
//! in them is in the record, or follows from the log. What GitHub and others are given of a comparison and of a history is in rooms
//! of its own, a pure function each.

mod annotations;
mod benchmark;
mod markdown;
mod otava;
mod words;

use crate::analyse::interval::NS_PER_MS;
use crate::histogram::Histogram;
use crate::record::{Bin, Timeline};
use crate::store::Record;
use crate::whole;
pub use annotations::annotations;
pub use benchmark::{bigger_file, github_benchmark};
pub use markdown::{MOST_BYTES, markdown};
pub use otava::{otava, otava_config};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
pub(crate) use words::{sentence, valued};

/// The timeline as CSV.
pub const TIMELINE_FILE: &str = "timeline.csv";
/// The response time's percentiles.
pub const RESPONSE_FILE: &str = "response.hgrm";
/// The service time's percentiles.
pub const SERVICE_FILE: &str = "service.hgrm";

/// Ticks per half distance to 100 %, as the public tools have it.
const TICKS: u32 = 5;

/// Writes the files of `record` into `dir`, which is made where it is missing, and gives their paths.
///
/// # Errors
/// When a file cannot be written, with its path.
pub fn write(dir: &Path, record: &Record) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(dir).map_err(|e| format!("cannot write {}: {e}", dir.display()))?;
    let files = [
        (TIMELINE_FILE, csv(&record.run.timeline)),
        (RESPONSE_FILE, hgrm(&record.totals.response)),
        (SERVICE_FILE, hgrm(&record.totals.service)),
    ];
    let keep = |(name, text): (&str, String)| {
        let path = dir.join(name);
        let written = whole::replace(&path, text.as_bytes());
        written.map_err(|e| format!("cannot write {}: {e}", path.display())).map(|()| path)
    };
    files.into_iter().map(keep).collect()
}

/// The columns of the CSV: counts in the interval, times in milliseconds, gauges at its end, and the busiest sending
/// thread's share of a CPU.
const COLUMNS: &str = "start_s,planned,sent,ok,errors,dropped,p50_ms,p99_ms,max_ms,send_lag_p99_ms,in_flight,backlog,\
                       connections,generator_cpu";

/// One line for each interval, under a line of names. What is not known is empty.
pub fn csv(timeline: &Timeline) -> String {
    let mut out = format!("{COLUMNS}\n");
    for (n, bin) in timeline.bins.iter().enumerate() {
        // What is left over by multiplying is no part of a start: intervals are of whole milliseconds.
        let start_s = (n as f64 * timeline.interval_s * 1e3).round() / 1e3;
        let Bin {
            planned, sent, ok, errors, dropped, in_flight, backlog, connections, generator_cpu, ..
        } = bin;
        let times = [bin.p50_ms, bin.p99_ms, bin.max_ms, bin.send_lag_p99_ms];
        let times = times.map(|ms| ms.map_or_else(String::new, |ms| ms.to_string())).join(",");
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{start_s},{planned},{sent},{ok},{errors},{dropped},{times},{in_flight},{backlog},{connections},{generator_cpu}"
        );
    }
    out
}

/// `histogram` (nanoseconds) as the public tools print percentiles, in milliseconds: AbstractHistogram's
/// outputPercentileDistribution, line by line.
pub fn hgrm(histogram: &Histogram) -> String {
    let mut out =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for (ns, percentile, total) in histogram.percentile_steps(TICKS) {
        let q = percentile / 100.0;
        let _ = write!(out, "{:12.3} {q:2.12} {total:10}", ns as f64 / NS_PER_MS);
        let _ = if q < 1.0 { writeln!(out, " {:14.2}", 1.0 / (1.0 - q)) } else { writeln!(out) };
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.deviation() / NS_PER_MS);
    let (max, count) = (histogram.max() as f64 / NS_PER_MS, histogram.count());
    let (buckets, sub_buckets) = histogram.buckets();
    let _ = writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(out, "#[Max     = {max:12.3}, Total count    = {count:12}]");
    let _ = writeln!(out, "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_percentiles_are_printed_as_the_public_tools_do() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|ms| histogram.record(ms * 1_000_000));
        let text = hgrm(&histogram);
        let lines: Vec<&str> = text.lines().collect();
        // By hand from AbstractHistogram.java: ticks at a fifth of each half distance, the highest equivalent value.
        assert_eq!(
            lines[..9],
            [
                "       Value     Percentile TotalCount 1/(1-Percentile)",
                "",
                "       1.000 0.000000000000          1           1.00",
                "     100.008 0.100000000000        100           1.11",
                "     200.016 0.200000000000        200           1.25",
                "     300.155 0.300000000000        300           1.43",
                "     400.032 0.400000000000        400           1.67",
                "     500.171 0.500000000000        500           2.00",
                "     550.502 0.550000000000        550           2.22",
            ]
        );
        assert_eq!(
            lines[lines.len() - 4..],
            [
                "    1000.342 1.000000000000       1000",
                "#[Mean    =      500.500, StdDeviation   =      288.675]",
                "#[Max     =     1000.342, Total count    =         1000]",
                "#[Buckets =           32, SubBuckets     =         2048]",
            ]
        );
    }

    #[test]
    fn of_nothing_there_is_a_whole_file_without_a_line() {
        let text = hgrm(&Histogram::default());
        assert!(text.ends_with("SubBuckets     =         2048]\n") && !text.contains("NaN"), "{text}");
        assert_eq!(csv(&Timeline::default()), format!("{COLUMNS}\n"));
    }

    #[test]
    fn a_line_of_csv_has_a_cell_for_each_name_and_sums_are_those_of_the_record() {
        let run = fixture::died().run;
        let text = csv(&run.timeline);
        let names: Vec<_> = COLUMNS.split(',').collect();
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert!(rows.iter().all(|row| row.len() == names.len()));
        let column = |name: &str| {
            let at = names.iter().position(|one| *one == name).unwrap();
            rows.iter().map(move |row| row[at])
        };
        assert_eq!(column("ok").map(|n| n.parse::<u64>().unwrap()).sum::<u64>(), run.ok);
        assert_eq!(column("start_s").take(4).collect::<Vec<_>>(), ["0", "0.1", "0.2", "0.3"]);
        let mut silent = run.timeline;
        silent.bins = vec![Bin::default()];
        assert_eq!(csv(&silent).lines().nth(1), Some("0,0,0,0,0,0,,,,,0,0,0,0"));
    }

    #[test]
    fn the_files_lie_beside_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("run");
        let paths = write(&inner, &fixture::healthy()).unwrap();
        assert_eq!(paths, [TIMELINE_FILE, RESPONSE_FILE, SERVICE_FILE].map(|name| inner.join(name)));
        fs::remove_file(&paths[0]).unwrap();
        fs::create_dir(&paths[0]).unwrap();
        assert!(write(&inner, &fixture::healthy()).unwrap_err().contains("timeline.csv: "));
    }
}
