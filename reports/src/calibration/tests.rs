//! Calibrations as values: their judgement, their text, and errors by arithmetic.

use super::*;
use crate::fixture;

fn percentile(name: &str, measured: f64) -> Percentile {
    Percentile {
        name: name.to_owned(),
        measured_ms: Some(measured),
        logged_ms: Some(1.0),
        perfect_ms: Some(1.0),
        theory_ms: 1.0,
        theory_ci95_ms: Some([0.9, 1.1]),
        error_to_logged_ms: Some(measured - 1.0),
        error_to_perfect_ms: Some(measured - 1.0),
        ..Percentile::default()
    }
}

fn whole() -> Calibration {
    let step = |offered_rps, valid| Attempt { offered_rps, valid };
    let queue = QueueCheck {
        model: String::from("M/D/1"),
        workers: 1,
        service_ms: 1.0,
        utilisation: 0.5,
        offered_rps: 500.0,
        count: 123_456,
        percentiles: vec![percentile("p50", 1.25), percentile("p999", 1234.5)],
        valid: true,
    };
    let gaps = Gaps { arrivals: String::from("even"), offered_rps: 2000.0, valid: true, ..Gaps::default() };
    Calibration {
        schema: CALIBRATE_SCHEMA.to_owned(),
        threads: 1,
        head: Head { cpus: vec![1], ..Head::default() },
        target_cpus: vec![0],
        closed: Some(Closed { rps: 123_456.0, connections: 64, ..Closed::default() }),
        ceiling: Ceiling {
            rps: Some(1e6),
            bound: String::from("exact"),
            limited_by: vec![String::from("the generator used 83 % of a CPU, over 80 %")],
            steps: vec![step(1000.0, true)],
        },
        floor: Some(Floor { valid: true, ..Floor::default() }),
        lag: vec![Lag {
            offered_rps: 1e6,
            sent_rps: 1e6,
            p999_ms: Some(12_345.0),
            valid: true,
            ..Lag::default()
        }],
        gaps: vec![gaps.clone(), gaps],
        queues: vec![queue.clone(), queue],
        ..Calibration::default()
    }
}

#[test]
fn every_line_fits_a_terminal() {
    let mut all = whole();
    for valid in [true, false] {
        all.lag[0].valid = valid;
        all.queues[0].valid = valid;
        all.judge();
        let text = summary(&all);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.contains("p99.9") && text.contains("+25.0 %") && text.contains("0.90-1.10 ms"),
            "{text}"
        );
        assert_eq!(text.contains(" !\n"), !valid, "{text}");
    }
}

#[test]
fn a_machine_is_judged_by_the_lowest_rate() {
    let step = |valid| Attempt { offered_rps: 1000.0, valid };
    let mut quiet = whole();
    quiet.judge();
    assert_eq!(quiet.verdict, Verdict { valid: true, reasons: vec![] });
    let mut noisy = whole();
    noisy.ceiling = Ceiling {
        rps: None,
        steps: vec![step(false), step(false)],
        limited_by: vec!["it".into()],
        ..noisy.ceiling
    };
    noisy.judge();
    assert!(!noisy.verdict.valid && noisy.verdict.reasons[0].contains("1,000 requests/s was valid: it"));
    assert!(summary(&noisy).starts_with("INVALID"));
    let mut short = whole();
    short.queues.clear();
    short.judge();
    assert!(short.verdict.valid && short.verdict.reasons[0].contains("--budget"), "{:?}", short.verdict);
    short.partial = true;
    short.judge();
    assert!(short.verdict.reasons[0].contains("cut short"), "{:?}", short.verdict);
    assert!(summary(&short).starts_with("PARTIAL"));
}

#[test]
fn errors_are_measured_minus_true() {
    let run = fixture::healthy().run;
    let queue = Queue::md1(0.5, 1.0).unwrap();
    let truth = Truth {
        queue: &queue,
        offered_rps: 500.0,
        perfect: vec![3.0, 1.0, 2.0],
        logged: [Some(0.5), None, Some(2.0)],
    };
    let check = QueueCheck::of(&run, 1, 1.0, truth, 1);
    let [p50, p99, p999] = &check.percentiles[..] else { panic!("{check:?}") };
    let measured = run.response_ms.p50.unwrap();
    assert_eq!((check.model.as_str(), check.count, p50.perfect_ms), ("M/D/1", 50_000, Some(2.0)));
    assert_eq!(p50.measured_ci95_ms, run.response_ms.ci95.get("p50").copied());
    assert!(p50.measured_ci95_ms.is_some() && p999.measured_ci95_ms.is_none());
    assert_eq!(p50.error_to_logged_ms, Some(measured - 0.5));
    assert_eq!(p50.error_to_perfect_ms, Some(measured - 2.0));
    assert_eq!((p99.error_to_logged_ms, p999.perfect_ms), (None, Some(3.0)));
    assert_eq!(p99.error_to_theory_ms, Some(p99.measured_ms.unwrap() - queue.quantile(0.99).unwrap()));
    assert!(p99.theory_ci95_ms.unwrap()[0] < p99.theory_ms && p99.theory_ms < p99.theory_ci95_ms.unwrap()[1]);
}

#[test]
fn it_can_be_read_again() {
    let all = whole();
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), all);
}
