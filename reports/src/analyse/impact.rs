//! What a failure or a change did to the visitors. From a trial's intervals and its events it gives how long it was felt, and how
//! much was lost; it knows nothing of what was done.

use crate::lesson::{EventKind, Impact, Moment, Trial};

/// Where something fails, or is overdue, and fewer than this share of the requests are answered well, the website is out.
const OUT: f64 = 0.5;
/// The end of what was before, in seconds: in the beginning connections are opened, and caches are cold.
const BEFORE_S: f64 = 2.0;
/// Everything has to be well for so long, in seconds, to be so for good.
const FOR_GOOD_S: f64 = 1.0;
/// The load ends so long, in seconds, before its last answers are all there; what is there of the time after it is not looked at.
const SLACK: f64 = 1e-6;

/// The impact on the visitors of `trial`, for whom a 99th percentile of up to `limit_ms` is good enough.
pub fn impact(trial: &Trial, limit_ms: f64) -> Impact {
    let counted = counted(trial);
    let bins = &trial.bins[..counted];
    let at = |kind| trial.events.iter().find(|event| event.kind == kind).map(|event| event.at_s);
    // An interval in which it began is neither before nor after it.
    let (begin_s, begin) = begin(trial);
    let (before, during) = bins.split_at(begin.min(counted));
    let start_of = |n: usize| (begin + n) as f64 * trial.interval_s;
    let settled = before.len().saturating_sub((BEFORE_S / trial.interval_s) as usize);
    let highest = |bins: &[Moment]| bins.iter().filter_map(|bin| bin.p99_ms).reduce(f64::max);
    // What came due last may fail after the load.
    let since = &trial.bins[begin.min(counted)..];
    let first_failed = since.iter().position(|bin| bin.failed > 0);
    let failed_after = trial.bins[counted..].iter().any(|bin| bin.failed > 0);
    let overdue = overdue(bins, trial.interval_s, limit_ms);
    let overdue = &overdue[before.len()..];
    let well = well_from(during, overdue, trial.interval_s, limit_ms).filter(|_| !failed_after);
    let failed_before = before.iter().map(|bin| bin.failed).fold(0, u64::saturating_add);
    let recovered_at = well.map(|n| if n == 0 { begin_s } else { start_of(n) });
    let slow_again = well.and_then(|n| Some(n + during[n..].iter().position(|bin| is_slow(bin, limit_ms))?));
    let lost = trial.planned.saturating_sub(trial.ok).saturating_sub(failed_before);
    let after = |from_s: f64| recovered_at.map(|at_s| (at_s - from_s).max(0.0));
    Impact {
        failed: lost,
        lost,
        failed_before,
        noticed_s: first_failed.map(|n| (start_of(n) - begin_s).max(0.0)),
        outage_s: out(during, overdue).iter().filter(|out| **out).count() as f64 * trial.interval_s,
        recovered_s: after(begin_s),
        after_end_s: at(EventKind::End).and_then(after),
        slow_again_s: slow_again.map(start_of),
        p99_before_ms: highest(&before[settled..]),
        p99_during_ms: highest(during),
    }
}

/// The number of the first interval from which on nothing fails, and no time is too long until all is well for good; `None` where there is
/// none, or where too little of the load is left to say so. A long time after that is another matter, which [`Impact::slow_again_s`] says:
/// an interval has so few requests that a single one decides.
fn well_from(bins: &[Moment], overdue: &[bool], interval_s: f64, limit_ms: f64) -> Option<usize> {
    let fails = |n: &usize| bins[*n].failed > 0 || overdue[*n] && bins[*n].ok == 0;
    let whole = (0..bins.len()).rfind(fails).map_or(0, |last| last + 1);
    let mut from = whole;
    for (n, bin) in bins.iter().enumerate().skip(whole) {
        if lasts(n - from, interval_s) {
            break;
        }
        if is_slow(bin, limit_ms) {
            from = n + 1;
        }
    }
    lasts(bins.len() - from, interval_s).then_some(from)
}

/// Whether so many intervals are for good.
fn lasts(intervals: usize, interval_s: f64) -> bool {
    intervals as f64 * interval_s + SLACK >= FOR_GOOD_S
}

fn is_slow(bin: &Moment, limit_ms: f64) -> bool {
    bin.p99_ms.is_some_and(|ms| ms > limit_ms)
}

/// Of each interval of the load from its beginning to its end whether the website is out in it, by [`Impact::outage_s`].
pub fn outages(trial: &Trial, limit_ms: f64) -> Vec<bool> {
    let bins = &trial.bins[..counted(trial)];
    let begin = begin(trial).1.min(bins.len());
    let overdue = overdue(bins, trial.interval_s, limit_ms);
    [vec![false; begin], out(&bins[begin..], &overdue[begin..])].concat()
}

/// Intervals that the load went on for to their end.
fn counted(trial: &Trial) -> usize {
    ((trial.duration_s / trial.interval_s + SLACK).floor().max(0.0) as usize).min(trial.bins.len())
}

/// When what was done began, in seconds, and in which interval.
fn begin(trial: &Trial) -> (f64, usize) {
    let begin = trial.events.iter().find(|event| event.kind == EventKind::Begin);
    let begin_s = begin.map_or(0.0, |event| event.at_s);
    (begin_s, (begin_s / trial.interval_s).max(0.0) as usize)
}

/// In which intervals the website is out. One in which nothing ends, and nothing is overdue, is as the one before it: at a low rate
/// nobody asks in some of them.
fn out(bins: &[Moment], overdue: &[bool]) -> Vec<bool> {
    let mut is_out = false;
    let each = bins.iter().zip(overdue).map(|(bin, overdue)| {
        let troubled = bin.failed > 0 || *overdue;
        if troubled || bin.ok > 0 {
            is_out = troubled && (bin.ok == 0 || (bin.ok as f64) < OUT * bin.planned as f64);
        }
        is_out
    });
    each.collect()
}

/// Of each interval whether at its end somebody has been waiting for longer than `limit_ms`: more came due before that than have ended.
/// Within an interval they are taken to come due evenly.
fn overdue(bins: &[Moment], interval_s: f64, limit_ms: f64) -> Vec<bool> {
    let limit = limit_ms / 1e3 / interval_s;
    let mut due = vec![0.0];
    let mut ended = 0.0;
    let mut overdue = Vec::new();
    for (n, bin) in bins.iter().enumerate() {
        due.push(due[n] + bin.planned as f64);
        ended += bin.ok as f64 + bin.failed as f64;
        let at = (n as f64 + 1.0 - limit).max(0.0);
        let whole = at as usize;
        let next = due.get(whole + 1).copied().unwrap_or(due[n + 1]);
        let by_then = due[whole] + (next - due[whole]) * at.fract();
        overdue.push(by_then.floor() > ended);
    }
    overdue
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::Event;
    use crate::outcome::Errors;

    /// A trial of intervals of 0.5 s: `.` is well, `x` fails, `h` fails half, `s` is slow, `_` is silence, and ` ` nobody asks. It begins at 1 s and ends at 2 s.
    fn trial(text: &str) -> Trial {
        let bin = |c: char| {
            let (ok, failed, p99_ms) = match c {
                '.' => (10, 0, Some(2.0)),
                's' => (10, 0, Some(80.0)),
                'h' => (5, 5, Some(2.0)),
                'x' => (0, 10, Some(1.0)),
                _ => (0, 0, None),
            };
            Moment { planned: if c == ' ' { 0 } else { 10 }, ok, failed, p99_ms }
        };
        let bins: Vec<Moment> = text.chars().map(bin).collect();
        let (planned, ok) = (bins.iter().map(|bin| bin.planned).sum(), bins.iter().map(|bin| bin.ok).sum());
        let status = bins.iter().map(|bin| bin.failed).sum();
        let event = |kind, at_s| Event { at_s, kind, what: String::new() };
        Trial {
            interval_s: 0.5,
            duration_s: bins.len() as f64 * 0.5,
            events: vec![event(EventKind::Begin, 1.0), event(EventKind::End, 2.0)],
            errors: Errors { status, ..Errors::default() },
            bins,
            planned,
            ok,
            ..Trial::default()
        }
    }

    #[test]
    fn an_outage_lasts_from_the_first_failure_to_the_last() {
        for (text, noticed_s, outage_s, recovered_s, after_end_s) in [
            ("..........", None, 0.0, Some(0.0), Some(0.0)),
            ("..xx......", Some(0.0), 1.0, Some(1.0), Some(0.0)),
            ("...xxx....", Some(0.5), 1.5, Some(2.0), Some(1.0)),
            // Half of the requests still had good answers.
            ("..hhh.....", Some(0.0), 0.0, Some(1.5), Some(0.5)),
            // Slow is not out, but not well either.
            ("..xs.s....", Some(0.0), 0.5, Some(2.0), Some(1.0)),
            ("..__x.....", Some(1.0), 1.5, Some(1.5), Some(0.5)),
            // Where nobody asks, it is as it was.
            ("..x x.. ..", Some(0.0), 1.5, Some(1.5), Some(0.5)),
            // A single failure later puts it off, and so does a long time before all was well for good, but none after that.
            ("..xx...h..", Some(0.0), 1.0, Some(3.0), Some(2.0)),
            ("..xx.s..s.", Some(0.0), 1.0, Some(2.0), Some(1.0)),
            ("...s......", None, 0.0, Some(1.0), Some(0.0)),
            ("......s...", None, 0.0, Some(0.0), Some(0.0)),
            // What ends well too late to say so, or does not.
            ("..xxxxxxx.", Some(0.0), 3.5, None, None),
            ("..xxxxxxxx", Some(0.0), 4.0, None, None),
        ] {
            let found = impact(&trial(text), 50.0);
            let got = (found.noticed_s, found.outage_s, found.recovered_s, found.after_end_s);
            assert_eq!(got, (noticed_s, outage_s, recovered_s, after_end_s), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_lost_and_times_are_told_apart() {
        let found = impact(&trial("..xxs....."), 50.0);
        assert_eq!((found.failed, found.failed_before), (20, 0));
        // What failed before anything was done, nothing that was done is to blame for.
        let found = impact(&trial("xh.......x"), 50.0);
        assert_eq!((found.failed, found.failed_before), (10, 15));
        let found = impact(&trial("..xxs....."), 50.0);
        assert_eq!((found.p99_before_ms, found.p99_during_ms), (Some(2.0), Some(80.0)));
        let dropped = Trial { dropped: 3, unfinished: 2, planned: 105, ..trial("..........") };
        assert_eq!(impact(&dropped, 50.0).failed, 5);
    }

    #[test]
    fn what_fails_after_the_load_has_failed() {
        let late = trial("..........x");
        let found = impact(&Trial { duration_s: 5.0, ..late }, 50.0);
        assert_eq!((found.failed, found.noticed_s, found.recovered_s), (10, Some(4.0), None));
    }

    /// A website that is well, but takes its time over each of few requests: none is out before somebody has waited for too long.
    #[test]
    fn few_requests_that_are_answered_in_the_next_interval_are_no_outage() {
        let moment = |planned, ok, failed| Moment { planned, ok, failed, p99_ms: Some(190.0) };
        let bins: Vec<Moment> =
            [(1, 0), (0, 1)].repeat(20).into_iter().map(|(due, ok)| moment(due, ok, 0)).collect();
        let duration_s = bins.len() as f64 * 0.2;
        let slow = Trial { interval_s: 0.2, duration_s, planned: 20, ok: 20, bins, ..Trial::default() };
        let found = impact(&slow, 500.0);
        assert_eq!((found.outage_s, found.recovered_s, found.failed), (0.0, Some(0.0), 0));
        // Down for 3 s, in which a request comes due every 400 ms and fails at once.
        let mut down = slow.clone();
        down.bins[10..25].iter_mut().filter(|bin| bin.planned == 0).for_each(|bin| *bin = moment(0, 0, 0));
        down.bins[10..25].iter_mut().filter(|bin| bin.planned > 0).for_each(|bin| *bin = moment(1, 0, 1));
        (down.errors, down.ok) = (Errors { status: 8, ..Errors::default() }, 12);
        let found = impact(&down, 500.0);
        assert!((found.outage_s - 3.0).abs() < 0.21 && found.failed == 8, "{found:?}");
    }

    #[test]
    fn what_is_slow_when_all_had_been_well_is_said() {
        for (text, want) in [
            ("..........", None),
            ("s.........", None),
            ("..xx.s..s.", Some(4.0)),
            ("......s.s.", Some(3.0)),
            ("...s......", None),
            ("..xxxxxxx.", None),
        ] {
            assert_eq!(impact(&trial(text), 50.0).slow_again_s, want, "{text}");
        }
    }

    #[test]
    fn nothing_is_said_of_an_empty_trial() {
        let found = impact(&Trial { interval_s: 0.5, ..Trial::default() }, 50.0);
        assert_eq!((found.recovered_s, found.p99_during_ms, found.outage_s), (None, None, 0.0));
        // Even an interval of no length, which no load has, is divided by without harm.
        assert_eq!(impact(&Trial::default(), 50.0).outage_s, 0.0);
    }
}
