//! Each rule of the verdict at its border, and the cases in which lateness is the target's.

use super::*;
use crate::analyse::threshold::Threshold;
use crate::fixture;
use crate::record::ThresholdResult;

/// A run that nothing speaks against, with every percentile known.
fn sound() -> Run {
    let mut run = fixture::healthy().run;
    run.response_ms.p9999 = Some(9.0);
    run.verdict = Verdict::default();
    run.thresholds.clear();
    run
}

fn asked(rule: &str, run: &Run) -> ThresholdResult {
    Threshold::parse(rule).unwrap().judge(run)
}

/// Changes to a run, what was found, and a part of the reason against it; `None` where it stays valid.
type Case = (&'static str, fn(&mut Run, &mut HostFindings), Option<&'static str>);

const CASES: [Case; 31] = [
    ("sound", |_, _| {}, None),
    ("nothing", |run, _| *run = fixture::empty().run, Some("no request was due")),
    ("ledger", |run, _| run.ok -= 1, Some("does not add up")),
    ("busy", |run, _| run.generator.cpu_share_max = 0.81, Some("81 % of a CPU, over 80 %")),
    ("nearly busy", |run, _| run.generator.cpu_share_max = 0.8, None),
    ("descriptors", |_, found| found.out_of_descriptors = true, Some("file descriptors")),
    ("ports", |_, found| found.out_of_ports = true, Some("local ports")),
    ("steal", |_, found| found.steal_share = 0.06, Some("took 6 % of the CPU time")),
    ("little steal", |_, found| found.steal_share = 0.05, None),
    (
        "sent late, since connections took long to open",
        |run, found| (run.send_lag_ms.p99, found.slow_connects) = (Some(22.0), true),
        None,
    ),
    ("woke late", |_, found| found.wakeup_lag_p99_ms = 1.1, Some("woke late: p99 1.1 ms")),
    ("woke in time", |_, found| found.wakeup_lag_p99_ms = 1.0, None),
    ("stalled", |_, found| found.stalled_share = 0.011, Some("kept from running for 1.1 % of the time")),
    ("hardly stalled", |_, found| found.stalled_share = 0.01, None),
    (
        "starved",
        |run, found| {
            run.generator.receive_clock = "process".into();
            found.starved_share = 0.06;
        },
        Some("waited for its CPU for 6 % of the time"),
    ),
    ("starved, but timed by the kernel", |_, found| found.starved_share = 0.06, None),
    ("hardly starved", |_, found| found.starved_share = 0.05, None),
    (
        "its own lateness decided a threshold",
        |run, _| {
            run.response_ms.max = Some(120.0);
            run.send_lag_ms.max = Some(99.0);
            run.thresholds.push(asked("max<100ms", run));
        },
        Some("max<100ms does not hold, but the generator itself was late by 99 ms there"),
    ),
    (
        "its own lateness is not what decided",
        |run, _| {
            run.response_ms.max = Some(120.0);
            run.send_lag_ms.max = Some(4.0);
            run.thresholds.push(asked("max<100ms", run));
        },
        None,
    ),
    ("a step's ledger", |run, _| run.steps[0].counts.ok += 1, Some("the ledger of step 1 does not add up")),
    ("sent late", |run, _| run.send_lag_ms.p99 = Some(1.5), Some("though connections were free: p99 1.5 ms")),
    (
        "late for the objective",
        |run, found| {
            run.thresholds.push(asked("p99<10ms", run));
            found.wakeup_lag_p99_ms = 0.6;
        },
        Some("over 0.5 ms, 5 % of the objective"),
    ),
    (
        "a loose objective does not loosen the limit",
        |run, found| {
            run.thresholds.push(asked("p99<10s", run));
            found.wakeup_lag_p99_ms = 2.0;
        },
        Some("over 1 ms"),
    ),
    (
        "waiting for busy connections",
        |run, found| {
            run.send_lag_ms.p99 = Some(900.0);
            found.connect_limited = true;
        },
        None,
    ),
    (
        "late, and connections busy too",
        |_, found| {
            found.wakeup_lag_p99_ms = 5.0;
            found.connect_limited = true;
        },
        Some("woke late"),
    ),
    ("not sent", |run, _| drop_share(run, 0.02), Some("2 % of the planned requests were not sent")),
    ("nearly all sent", |run, _| drop_share(run, 0.01), None),
    (
        "dropped by a target that did not keep up",
        |run, found| {
            drop_share(run, 0.5);
            found.connect_limited = true;
        },
        None,
    ),
    (
        "refused by the target",
        |run, found| {
            (run.errors.connect, found.never_sent) = (run.ok, run.ok);
            (run.ok, run.sent) = (0, 0);
        },
        None,
    ),
    (
        "closed loops are late by nature",
        |run, found| {
            run.load_loop = Loop::Closed;
            found.wakeup_lag_p99_ms = 5.0;
        },
        None,
    ),
    (
        "asked for more than the sample holds",
        |run, _| {
            run.response_ms.p9999 = None;
            run.thresholds.push(asked("p9999<1s", run));
        },
        Some("p99.99 needs 29,956 requests"),
    ),
];

#[test]
fn each_rule_at_its_border() {
    for (name, change, against) in CASES {
        let (mut run, mut found) = (sound(), HostFindings::default());
        change(&mut run, &mut found);
        let verdict = verdict(&run, &found, None);
        assert_eq!(verdict.valid, against.is_none(), "{name}: {verdict:?}");
        if let Some(part) = against {
            assert!(verdict.reasons[0].contains(part), "{name}: {verdict:?}");
        }
    }
}

/// Changes to a run of which nothing finer than 50 ms is read, and the same as in [`CASES`].
const COARSE: [Case; 9] = [
    ("stolen from", |_, found| found.steal_share = 0.2, None),
    ("kept from running", |_, found| found.stalled_share = 0.05, None),
    (
        "woke late",
        |_, found| found.wakeup_lag_p99_ms = 5.1,
        Some("woke late: p99 5.1 ms after the intended instant, over 5 ms"),
    ),
    ("woke in time", |_, found| found.wakeup_lag_p99_ms = 5.0, None),
    (
        "sent late",
        |run, _| run.send_lag_ms.p99 = Some(5.1),
        Some("p99 5.1 ms, over 5 ms, 10 % of the 50 ms that are told apart"),
    ),
    (
        "once very late",
        |run, _| run.send_lag_ms.max = Some(51.0),
        Some("a request was sent 51 ms late though"),
    ),
    (
        "very late by the target's doing",
        |run, found| (run.send_lag_ms.max, found.connect_limited) = (Some(900.0), true),
        None,
    ),
    ("busy", |run, _| run.generator.cpu_share_max = 0.81, Some("81 % of a CPU, over 80 %")),
    ("ledger", |run, _| run.ok -= 1, Some("does not add up")),
];

#[test]
fn lateness_decides_nothing_where_little_is_told_apart() {
    for (name, change, against) in COARSE {
        let (mut run, mut found) = (sound(), HostFindings::default());
        change(&mut run, &mut found);
        let coarse = verdict(&run, &found, Some(50.0));
        assert_eq!(coarse.valid, against.is_none(), "{name}: {coarse:?}");
        assert!(against.is_none_or(|part| coarse.reasons[0].contains(part)), "{name}: {coarse:?}");
        // What is no reason any more, is told as a note.
        let fine = verdict(&run, &found, None);
        assert!(
            fine.valid || !coarse.reasons.is_empty() || found.wakeup_lag_p99_ms > 0.0,
            "{name}: {fine:?}"
        );
        run.load_loop = Loop::Closed;
        assert_eq!(verdict(&run, &found, Some(50.0)), verdict(&run, &found, None), "{name}");
    }
}

fn drop_share(run: &mut Run, share: f64) {
    let dropped = (run.planned as f64 * share) as u64;
    run.dropped = dropped;
    run.ok -= dropped;
    run.sent -= dropped;
}

#[test]
fn notes_leave_a_run_valid() {
    let mut run = sound();
    run.load_loop = Loop::Closed;
    run.partial = true;
    run.response_ms.count = 1000;
    (run.response_ms.p999, run.response_ms.p9999) = (None, None);
    let verdict = verdict(&run, &HostFindings::default(), None);
    assert!(verdict.valid);
    assert_eq!(verdict.reasons[0], "p99.9 needs 2,995 requests, there were 1,000; p99.99 needs 29,956");
    assert!(verdict.reasons[1].starts_with("cut short"));
    assert!(verdict.reasons[2].starts_with("closed loop: the rate is what"));
    assert_eq!(verdict.reasons.len(), 3);
}

/// What was found, and the note that it gives, if any.
type Note = (fn(&mut Run, &mut HostFindings), Option<&'static str>);

#[test]
fn each_note_at_its_border() {
    let stream = |test: &str, value, p_value| crate::record::ArrivalStream {
        test: test.into(),
        value,
        p_value,
        passed: false,
        gaps: 1_000,
    };
    let cases: [Note; 9] = [
        (|_, found| found.network.listen_overflows = 1, None),
        (
            |_, found| {
                (found.local_target, found.network.listen_overflows, found.network.listen_drops) =
                    (true, 3, 3);
            },
            Some("did not take a connection 3 times (its queue was full)"),
        ),
        (
            |_, found| (found.local_target, found.network.listen_drops) = (true, 1),
            Some("did not take a connection 1 time (dropped by the kernel)"),
        ),
        (|_, found| (found.network.segments, found.network.retransmitted) = (100_000, 100), None),
        (
            |_, found| (found.network.segments, found.network.retransmitted) = (100_000, 101),
            Some("sent 0.1 % of its segments again: "),
        ),
        (
            |_, found| {
                (found.network.segments, found.network.retransmitted) = (100, 10);
                found.network.lost_retransmits = 2;
            },
            Some("sent 10 % of its segments again, 2 of them lost once more"),
        ),
        (
            |run, found| {
                run.response_ms.max = Some(199.0);
                found.local_target = true;
                (found.network.listen_drops, found.network.segments, found.network.retransmitted) =
                    (9, 100, 10);
            },
            None,
        ),
        (|run, _| run.arrival_stream.iter_mut().for_each(|stream| stream.passed = true), None),
        (|_, found| found.connect_limited = true, Some("go out evenly, as connections were busy: ")),
    ];
    for (n, (change, part)) in cases.into_iter().enumerate() {
        let (mut run, mut found) = (sound(), HostFindings::default());
        run.response_ms.max = Some(1_000.0);
        run.arrival_stream = (n > 6).then(|| stream("cv", 0.31, None));
        change(&mut run, &mut found);
        let verdict = verdict(&run, &found, None);
        assert!(verdict.valid, "{n}: a note is no reason");
        assert_eq!(verdict.reasons.len(), usize::from(part.is_some()), "{n}: {verdict:?}");
        assert!(part.is_none_or(|part| verdict.reasons[0].contains(part)), "{n}: {verdict:?}");
    }
    let mut run = sound();
    run.arrival_stream = Some(stream("anderson-darling", 9.0, Some(0.00002)));
    let reasons = verdict(&run, &HostFindings::default(), None).reasons;
    assert!(
        reasons[0]
            .contains("as a Poisson stream: Anderson and Darling's test gives p = 0.00002, below 0.001")
    );
}
