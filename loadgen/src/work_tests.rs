//! What is due when, for plain runs and for sessions, without a socket.

use super::*;
use crate::interval::{Spares, Window};
use crate::scenario::Scenario;
use crate::schedule::{Arrivals, Step};
use crate::transport::address::Address;
use crate::units::Rate;
use std::time::Duration;

const MS: u64 = 1_000_000;

fn what(text: &str) -> What {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("s.toml"), text).unwrap();
    let scenario = Scenario::load(&dir.path().join("s.toml")).unwrap_or_else(|e| panic!("{e}"));
    What::Script(Arc::new(Script::new(Arc::new(scenario), "shop.test", &[], 1)))
}

/// A second in two steps, of which the first does not count.
fn work(what: What, source: Source) -> (Work, Recorder) {
    let window = Window { origin: 500 * MS, end: 1000 * MS, length: 200 * MS };
    let mut recorder = Recorder::new(vec![false, true], 2, window, Spares::default());
    let job = Job {
        share: (0, 1),
        source,
        ends: vec![500 * MS, 1000 * MS],
        end_ns: 1000 * MS,
        what,
        address: Address::Unix("nowhere".into()),
        connections: 1,
        backlog: 1,
        timeout_ns: 1000 * MS,
        expected: Arc::new(std::array::from_fn(|code| code == 200)),
        sources: Vec::new(),
        requests_per_connection: u64::MAX,
        client: None,
    };
    (Work::of(&job, &mut recorder), recorder)
}

fn ten_a_second() -> Source {
    let rate = Rate { micro: 10_000_000 };
    let half = |counted| Step { length: Duration::from_millis(500), from: rate, to: rate, counted };
    Source::Open(Schedule::new(&[half(false), half(true)], Arrivals::Even, 1, 0, 1))
}

const TWO_STEPS: &str = "[[interaction]]\nname = 'a'\nthink = '30ms'\n[[interaction.step]]\npath = '/1'\n[[interaction.step]]\npath = '/2'\n";

#[test]
fn a_later_step_is_due_between_the_arrivals_and_none_after_the_end() {
    let (mut work, mut recorder) = work(what(TWO_STEPS), ten_a_second());
    let first = work.take_due(0, &mut recorder).unwrap();
    assert_eq!((first.intended, first.entry, first.step, work.next()), (0, 0, 0, 100 * MS));
    // Sent 5 ms late and answered in 10 ms: due at 0 + 10 + 30 ms.
    let ending = work.answered(&first, 200, None, (5 * MS, 15 * MS), &mut recorder);
    assert!(matches!(ending, Ending::Ok(200)));
    assert_eq!(work.next(), 40 * MS);
    assert!(work.take_due(39 * MS, &mut recorder).is_none());
    let second = work.take_due(40 * MS, &mut recorder).unwrap();
    assert_eq!((second.intended, second.entry, second.session), (40 * MS, 1, first.session));
    assert_eq!(String::from_utf8_lossy(work.encode(&second)).lines().next(), Some("GET /2 HTTP/1.1"));
    // The last arrival's second step would be due after the plan.
    let mut last = None;
    while let Some(due) = work.take_due(999 * MS, &mut recorder) {
        last = Some(due);
    }
    let last = last.unwrap();
    assert_eq!((last.intended, last.step), (900 * MS, 1));
    work.answered(&last, 200, None, (900 * MS, 990 * MS), &mut recorder);
    assert_eq!(work.next(), u64::MAX);
}

#[test]
fn what_is_not_expected_ends_its_session() {
    let (mut work, mut recorder) = work(what(TWO_STEPS), ten_a_second());
    let first = work.take_due(0, &mut recorder).unwrap();
    let ending = work.answered(&first, 503, None, (0, MS), &mut recorder);
    assert!(matches!(ending, Ending::Status(503)) && work.next() == 100 * MS);
    let next = work.take_due(100 * MS, &mut recorder).unwrap();
    work.failed(&next, 101 * MS, &mut recorder);
    assert_eq!(work.next(), 200 * MS);
    let (begun, failed) = (recorder.tally_mut().sessions.begun, recorder.tally_mut().sessions.failed);
    assert_eq!((begun, failed), (0, 0), "the warm-up's are not counted");
}

#[test]
fn a_user_whose_target_is_dead_does_not_ask_at_once() {
    let text = "[sessions]\narrivals = 'closed'\nusers = 2\n[[interaction]]\nname = 'a'\npath = '/'\n";
    let (mut work, mut recorder) = work(what(text), Source::Users(2));
    let users = [(); 2].map(|()| work.take_due(0, &mut recorder).unwrap());
    assert!(work.take_due(0, &mut recorder).is_none());
    work.answered(&users[0], 200, None, (0, 10 * MS), &mut recorder);
    work.failed(&users[1], 10 * MS, &mut recorder);
    assert_eq!(work.next(), 10 * MS);
    assert!(work.take_due(10 * MS, &mut recorder).is_some());
    assert_eq!(work.next(), 10 * MS + PAUSE_NS);
}

#[test]
fn a_closed_loop_is_due_when_asked_until_the_plan_has_ended() {
    let (mut work, mut recorder) = work(what(TWO_STEPS), Source::Closed);
    let due = |at| work.next_of_closed(at, &mut recorder).map(|due| (due.index, due.intended, due.step));
    assert_eq!([0, 600 * MS, 1000 * MS].map(due), [Some((0, 0, 0)), Some((1, 600 * MS, 1)), None]);
}

#[test]
fn a_step_that_the_target_has_made_late_is_no_lateness_of_the_thread_s() {
    let (mut work, mut recorder) = work(what(&TWO_STEPS.replace("think = '30ms'\n", "")), ten_a_second());
    // The fifth arrival, in the part that counts.
    while work.take_due(499 * MS, &mut recorder).is_some() {}
    let first = work.take_due(500 * MS, &mut recorder).unwrap();
    // It waited for a connection for 300 ms: its successor was due 300 ms before anybody could know of it.
    work.answered(&first, 200, None, (800 * MS, 820 * MS), &mut recorder);
    assert_eq!(work.next(), 520 * MS);
    let second = work.take_due(821 * MS, &mut recorder).unwrap();
    assert_eq!((second.entry, second.intended), (1, 520 * MS));
    let lateness = &recorder.tally_mut().lateness;
    assert!(lateness.count() == 2 && lateness.max().abs_diff(MS) < MS / 100, "{}", lateness.max());
}
