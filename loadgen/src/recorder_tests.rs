//! The recorder over the life of a request, thread by thread.

use super::*;
use crate::scenario::answer::Why;
use reports::histogram::Histogram;

const MS: u64 = 1_000_000;
const FAILED: Failed = Failed { entry: 1, place: 3, why: Why::Differs };

fn recorder(counted: Vec<bool>, origin_ms: u64, end_ms: u64) -> Recorder {
    let window = Window { origin: origin_ms * MS, end: end_ms * MS, length: 200 * MS };
    Recorder::new(counted, 2, window, Spares::default())
}

fn due(intended: u64, step: usize) -> Due {
    Due { entry: 1, ..Due::plain(0, intended, step) }
}

#[test]
fn intervals_are_numbered_from_the_measured_part() {
    for (origin, number, end) in [(0, 0, 200), (1000, -5, 200), (900, -5, 100), (100, -1, 100)] {
        let recorder = recorder(vec![true], origin, 9_000);
        assert_eq!((recorder.current.number, recorder.current_end), (number, end * MS), "{origin}");
    }
}

#[test]
fn a_request_is_counted_where_it_happens_and_timed_from_its_intended_instant() {
    let mut recorder = recorder(vec![false, true], 200, 400);
    recorder.planned(&due(100 * MS, 0), 100 * MS, 100 * MS);
    recorder.sent(&due(100 * MS, 0), 101 * MS);
    let warm = recorder.roll(Gauges::default());
    assert_eq!((warm.number, warm.planned, warm.sent, warm.times.send_lag.count()), (-1, 1, 1, 1));
    // A late answer of the warm-up is in the ledger, but not among the times of the measured part.
    recorder.done(&due(100 * MS, 0), Some(101 * MS), 210 * MS, Ending::Ok(200));
    recorder.planned(&due(220 * MS, 1), 220 * MS, 221 * MS);
    recorder.sent(&due(220 * MS, 1), 230 * MS);
    recorder.done(&due(220 * MS, 1), Some(230 * MS), 250 * MS, Ending::Status(503));
    let first = recorder.roll(Gauges { in_flight: 2, ..Gauges::default() });
    assert_eq!(
        (first.ok, first.errors, first.left_over, first.left_over_ok, first.gauges.in_flight),
        (0, 1, 1, 1, 2),
        "the warm-up's answer is counted beside them"
    );
    let near = |h: &Histogram, ms: u64| h.count() == 1 && h.max().abs_diff(ms * MS) < ms * MS / 1000;
    assert!(
        near(&first.times.response, 30) && near(&first.times.service, 20) && near(&first.times.send_lag, 10)
    );
    assert!(first.times.ok_response.is_empty());
    // The thread comes to two requests late, in the next interval: they belong to the one that they were due in.
    recorder.planned(&due(390 * MS, 1), 390 * MS, 410 * MS);
    recorder.planned(&due(190 * MS, 0), 190 * MS, 410 * MS);
    let second = recorder.roll(Gauges::default());
    assert_eq!((second.planned, second.planned_before), (0, [(0, 1), (-1, 1)].into()));
    recorder.unfinished(&due(390 * MS, 1), false);
    recorder.unfinished(&due(190 * MS, 0), false);
    let tally = recorder.finish();
    assert!(tally.steps.iter().all(Counts::conserved));
    assert_eq!((tally.never_sent, tally.sent_in_time, tally.ok_in_time), (1, 1, 0));
    assert_eq!(tally.steps[1].status, [(503, 1)].into());
    assert_eq!(tally.lateness.count(), 2);
    // The warm-up is in no entry.
    let [none, entry] = tally.entries.all() else { panic!("two entries") };
    assert_eq!((none.counts.planned, entry.counts.planned, entry.counts.sent), (0, 2, 1));
    assert!(entry.counts.conserved() && entry.response.count() == 1);
}

#[test]
fn what_is_taken_back_was_sent_in_no_ledger() {
    let mut recorder = recorder(vec![true], 0, 200);
    let due = due(10 * MS, 0);
    recorder.planned(&due, 10 * MS, 10 * MS);
    recorder.sent(&due, 11 * MS);
    recorder.taken_back(&due, 11 * MS);
    recorder.sent(&due, 12 * MS);
    recorder.done(&due, Some(12 * MS), 13 * MS, Ending::Ok(200));
    assert_eq!(recorder.roll(Gauges::default()).sent, 1);
    let tally = recorder.finish();
    assert_eq!((tally.steps[0].sent, tally.sent_in_time, tally.entries.all()[1].counts.sent), (1, 1, 1));
}

#[test]
fn a_thread_that_did_not_run_is_stalled_but_only_in_the_measured_part() {
    let mut recorder = recorder(vec![true], 100, 200);
    recorder.woken(110 * MS, 110 * MS + STALL_NS);
    assert_eq!(recorder.tally.stalled, 0);
    recorder.woken(50 * MS, 120 * MS);
    recorder.woken(190 * MS, 300 * MS);
    assert_eq!(recorder.tally.stalled, 30 * MS);
}

#[test]
fn the_time_of_death_is_the_first_failure_after_the_last_answer() {
    let mut recorder = recorder(vec![true], 0, 3);
    recorder.done(&due(0, 0), None, MS, Ending::Error(ErrorKind::Reset));
    recorder.done(&due(0, 0), Some(0), 2 * MS, Ending::Status(500));
    recorder.done(&due(0, 0), None, 3 * MS, Ending::Error(ErrorKind::Timeout));
    recorder.done(&due(0, 0), None, 4 * MS, Ending::Error(ErrorKind::Connect));
    let tally = recorder.finish();
    assert_eq!((tally.last_answer, tally.silent_since), (Some(2 * MS), Some(3 * MS)));
}

#[test]
fn sessions_and_failed_checks_count_where_their_step_does() {
    let mut recorder = recorder(vec![false, true], 0, 9_000);
    for step in [0, 1, 1] {
        recorder.session_begun(step);
    }
    recorder.session_ended(0, true);
    recorder.session_ended(1, true);
    recorder.session_ended(1, false);
    recorder.check_failed(&due(0, 0), FAILED);
    recorder.check_failed(&due(0, 1), FAILED);
    let tally = recorder.finish();
    let sessions = tally.sessions;
    assert_eq!((sessions.begun, sessions.completed, sessions.failed), (2, 1, 1));
    assert_eq!(tally.entries.all()[1].failed_checks, [(FAILED, 1)].into());
}
