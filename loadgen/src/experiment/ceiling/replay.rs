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
