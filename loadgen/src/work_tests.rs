//! Whose lateness it is when a session goes on.

use super::*;
use crate::interval::{Spares, Window};
use crate::job::Job;
use crate::scenario::Scenario;
use crate::transport::address::Address;

const MS: u64 = 1_000_000;

fn recorder() -> Recorder {
    let window = Window { origin: 0, end: 10_000 * MS, length: 10_000 * MS };
    Recorder::new(vec![true], 2, window, Spares::default())
}

/// One user, whose session has two steps without think time between them.
fn work(recorder: &mut Recorder) -> Work {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.toml");
    let text = "[sessions]\narrivals = 'closed'\nusers = 1\n[[interaction]]\nname = 'a'\n\
                [[interaction.step]]\nname = 'b'\npath = '/b'\n[[interaction.step]]\nname = 'c'\npath = '/c'\n";
    std::fs::write(&path, text).unwrap();
    let scenario = Arc::new(Scenario::load(&path).unwrap());
    let job = Job {
        share: (0, 1),
        source: Source::Users(1),
        ends: vec![10_000 * MS],
        end_ns: 10_000 * MS,
        what: What::Script(Arc::new(Script::new(scenario, "shop.test", &[], 1))),
        address: Address::Unix("/nonexistent".into()),
        connections: 1,
        backlog: 1,
        timeout_ns: 10_000 * MS,
        expected: Arc::new([true; 1000]),
        sources: Vec::new(),
        requests_per_connection: u64::MAX,
        client: None,
    };
    Work::of(&job, recorder)
}

#[test]
fn a_wait_for_a_connection_is_no_lateness_of_the_thread_s_in_the_steps_that_follow() {
    for (sent, done, taken, late) in [
        // In time.
        (0, 100, 100, 0),
        // Sent when a connection came free, so that the second step is expected at 100 ms; nobody knew it before 900.
        (800, 900, 900, 0),
        // The thread came to it 5 ms after the answer: that much is its own.
        (800, 900, 905, 5),
        (0, 100, 105, 5),
    ] {
        let mut recorder = recorder();
        let mut work = work(&mut recorder);
        let first = work.take_due(0, &mut recorder).unwrap();
        work.answered(&first, 200, None, (sent * MS, done * MS), &mut recorder);
        assert_eq!(work.next(), (done - sent) * MS);
        let second = work.take_due(taken * MS, &mut recorder).unwrap();
        assert_eq!((second.entry, second.intended), (1, (done - sent) * MS));
        let lateness = recorder.finish().lateness;
        assert_eq!(lateness.count(), 2);
        assert!(lateness.max().abs_diff(late * MS) <= late * MS / 1000, "{}: {late} ms", lateness.max());
    }
}
