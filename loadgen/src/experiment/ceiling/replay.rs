//! A load that has been sent, as its referee and its search would have seen it go by. From its record; what is in that it believes.

use crate::interval::Interval;
use crate::run::Referee;
use reports::histogram::{Distributions, Sparse};
use reports::log::IntervalLog;
use reports::store::Record;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::time::Duration;

/// Has the referee see the intervals of a load of this length one by one, of which the first `lead_in` is not looked at.
pub(super) fn replay(record: &Record, lead_in: Duration, length: Duration, referee: &mut impl Referee) {
    let interval_s = record.run.timeline.interval_s;
    let intervals = |time: Duration| (time.as_secs_f64() / interval_s).round() as usize;
    let (lead, all) = (intervals(lead_in), intervals(length));
    let mut times: BTreeMap<usize, Vec<&Sparse>> = BTreeMap::new();
    for entry in record.intervals.iter().filter(|entry| entry.tag == "response") {
        times.entry((entry.start_s / interval_s).round() as usize).or_default().push(&entry.histogram);
    }
    // What ended after it is not of the time that is looked at.
    for (n, bin) in record.run.timeline.bins.iter().enumerate().take(all) {
        let mut interval = Interval {
            number: n as i64 - lead as i64,
            planned: bin.planned,
            sent: bin.sent,
            ok: bin.ok,
            errors: bin.errors,
            dropped: bin.dropped,
            ..Interval::default()
        };
        times.get(&n).into_iter().flatten().for_each(|sparse| interval.times.response.add_sparse(sparse));
        // A job cannot be ended early any more.
        let _ = referee.see(&interval);
    }
}

/// Appends the histograms of a load to the log of a search that began at `begun`, since 1970.
pub(super) fn keep(record: &Record, log: &File, begun: Duration) -> io::Result<()> {
    let started = record.run.started_at.parse::<jiff::Timestamp>();
    let started_s = started.map_or(0.0, |at| at.as_millisecond() as f64 / 1e3);
    let offset_s = (started_s - begun.as_secs_f64()).max(0.0);
    let mut log = IntervalLog::resume(log.try_clone()?);
    let mut one = Distributions::default();
    for group in record.intervals.chunk_by(|a, b| a.start_s == b.start_s) {
        one.clear();
        for entry in group {
            one.by_tag_mut(&entry.tag).into_iter().for_each(|sum| sum.add_sparse(&entry.histogram));
        }
        log.append(offset_s + group[0].start_s, group[0].length_s, &one)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::course::Load;
    use super::super::windows::Windows;
    use super::*;
    use reports::analyse::capacity::Patience;
    use reports::analyse::objective::Objective;
    use reports::ceiling::Phase;
    use reports::log::{self, Entry};
    use reports::record::Bin;
    use reports::store;
    use std::io::Read;
    use std::path::Path;

    const MS: u64 = 1_000_000;

    /// A load that goes by: its target takes longer from second to second, drops a little, and answers the rest when it is over.
    fn live() -> Vec<Interval> {
        let of = |n: u64| {
            let (planned, ok, dropped) = if n < 30 { (20, 20 - n % 2, n % 2) } else { (0, 40, 0) };
            let mut interval =
                Interval { number: n as i64, planned, sent: planned, ok, dropped, ..Interval::default() };
            (0..ok).for_each(|i| interval.times.response.record((n + i + 1) * 2 * MS));
            interval.times.send_lag.record(MS);
            interval
        };
        (0..32).map(of).collect()
    }

    /// What is left of it on disk.
    fn record(live: &[Interval]) -> Record {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/reference/main");
        let mut record = store::load(&recorded).unwrap();
        record.run.timeline.bins = live
            .iter()
            .map(|one| Bin { planned: one.planned, ok: one.ok, dropped: one.dropped, ..Bin::default() })
            .collect();
        let entries = live.iter().enumerate().flat_map(|(n, one)| {
            let entry = move |(tag, histogram): (&str, _)| Entry {
                tag: tag.to_owned(),
                start_s: n as f64 * 0.2,
                length_s: 0.2,
                histogram: Sparse::from(histogram),
            };
            one.times.tagged().into_iter().filter(|(_, one)| !one.is_empty()).map(entry).collect::<Vec<_>>()
        });
        record.intervals = entries.collect();
        record
    }

    #[test]
    fn a_load_that_was_sent_is_what_its_referee_would_have_seen() {
        let objective = Objective::parse("p99<100ms,errors<20%").unwrap();
        let load = Load {
            phase: Phase::Search,
            rps: 100.0,
            patience: Patience { least: 5, most: 5 },
            window_s: 1.0,
        };
        let (mut seen, mut replayed) =
            (Windows::new(load, 0.2, &objective), Windows::new(load, 0.2, &objective));
        let all = live();
        let record = record(&all);
        for mut interval in all {
            interval.number -= 5;
            seen.see(&interval);
        }
        let (lead_in, length) = (Duration::from_secs(1), Duration::from_secs(6));
        replay(&record, lead_in, length, &mut replayed);
        assert_eq!((replayed.windows.len(), &replayed.windows), (5, &seen.windows));
        assert_eq!(replayed.settled, seen.settled);
        let (judged, live) = (replayed.times.judged(), seen.times.judged());
        assert_eq!(judged.recorded().collect::<Vec<_>>(), live.recorded().collect::<Vec<_>>());
        // Of one that is shorter, what came after its end is not looked at.
        let mut shorter = Windows::new(load, 0.2, &objective);
        replay(&record, lead_in, Duration::from_secs(3), &mut shorter);
        assert_eq!(shorter.windows[..], seen.windows[..2]);
    }

    #[test]
    fn its_histograms_are_in_the_log_of_the_search_at_their_times() {
        let record = record(&live());
        let started = record.run.started_at.parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
        let mut file = tempfile::tempfile().unwrap();
        keep(&record, &file, Duration::from_millis(started - 7_000)).unwrap();
        let mut text = Vec::new();
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut text).unwrap();
        let kept = log::read(&text).unwrap();
        assert_eq!((kept.len(), kept[0].start_s), (record.intervals.len(), 7.0));
        assert!(log::total(&kept) == log::total(&record.intervals));
    }
}
