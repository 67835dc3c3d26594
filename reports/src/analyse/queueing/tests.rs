//! Closed forms against tables, against each other, and against perfect runs.

use super::*;
use proptest::prelude::*;

/// P(W <= t) of M/D/1 in services: Erlang's series of 1909, evaluated with 200 decimal digits.
const ERLANG: [(f64, [(f64, f64); 6]); 3] = [
    (
        0.5,
        [
            (0.0, 0.5),
            (0.5, 0.642_012_708_344),
            (1.0, 0.824_360_635_350),
            (2.5, 0.971_359_369_637),
            (10.0, 0.999_997_690_121),
            (40.0, 1.0),
        ],
    ),
    (
        0.7,
        [
            (0.0, 0.3),
            (0.5, 0.425_720_264_578),
            (1.0, 0.604_125_812_241),
            (2.5, 0.852_296_066_817),
            (10.0, 0.999_068_874_296),
            (40.0, 0.999_999_999_999),
        ],
    ),
    (
        0.9,
        [
            (0.0, 0.1),
            (0.5, 0.156_831_218_549),
            (1.0, 0.245_960_311_116),
            (2.5, 0.443_900_297_870),
            (10.0, 0.882_403_020_430),
            (40.0, 0.999_764_755_937),
        ],
    ),
];

#[test]
fn fixed_services_are_erlangs_of_1909() {
    for (load, rows) in ERLANG {
        let queue = Queue::md1(load / 3.0, 3.0).unwrap();
        for (wait, want) in rows {
            let got = 1.0 - queue.longer(3.0 * (1.0 + wait));
            assert!((got - want).abs() < 2e-12, "{load} {wait}: {got} for {want}");
        }
        assert!((queue.longer(2.999) - 1.0).abs() < 1e-12, "no response is shorter than its service");
    }
}

#[test]
fn percentiles_of_fixed_services() {
    // From the same series, by bisection.
    for (load, rows) in [
        (0.5, [(0.5, 0.0), (0.9, 1.515_744_841), (0.99, 3.336_255_957), (0.999, 5.168_385_031)]),
        (0.7, [(0.5, 0.729_750_891), (0.9, 3.077_086_873), (0.99, 6.485_499_429), (0.999, 9.894_353_824)]),
        (0.9, [(0.5, 3.013_047_519), (0.9, 10.782_504_956), (0.99, 21.898_237_350), (0.999, 33.013_969_743)]),
    ] {
        let queue = Queue::md1(load, 1.0).unwrap();
        for (q, wait) in rows {
            let got = queue.quantile(q).unwrap() - 1.0;
            assert!((got - wait).abs() < 1e-6, "{load} {q}: {got} for {wait}");
        }
    }
}

#[test]
fn erlangs_delay_formula() {
    // C(1, a) = a; C(2, a) = a² / (2 + a) by hand; the others from the definition in exact fractions.
    for (servers, offered, want) in
        [(1, 0.3, 0.3), (2, 1.0, 1.0 / 3.0), (4, 2.0, 4.0 / 23.0), (3, 2.0, 4.0 / 9.0), (10, 8.0, 0.409_180)]
    {
        let got = erlang_c(servers, offered);
        assert!((got - want).abs() < 5e-7, "C({servers}, {offered}) = {got}, not {want}");
    }
    assert!(erlang_c(100_000, 99_000.0).is_finite());
}

#[test]
fn one_exponential_server_is_exponential() {
    // M/M/1: P(T > t) = e^(-(µ - λ) t).
    let queue = Queue::mmc(0.5, 1.0, 1).unwrap();
    for t in [0.0, 0.1, 1.0, 7.0] {
        assert!((queue.longer(t) - f64::exp(-0.5 * t)).abs() < 1e-14, "{t}");
    }
    assert!((queue.quantile(0.99).unwrap() - 100f64.ln() * 2.0).abs() < 1e-9);
    // Where c - 1 = λ/µ the formula is a limit: on both sides of it are the same values.
    let value = |rate| Queue::mmc(rate, 1.0, 2).unwrap().longer(2.5);
    assert!((value(1.0) - value(1.0 + 1e-7)).abs() < 1e-6 && (value(1.0) - value(1.0 - 1e-7)).abs() < 1e-6);
}

#[test]
fn what_is_no_queue_is_none() {
    for (rate, service) in [(1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (1.0, 0.0), (-1.0, -0.5), (f64::NAN, 1.0)] {
        assert!(Queue::md1(rate, service).is_none() && Queue::mmc(rate, service, 1).is_none(), "{rate}");
    }
    assert!(Queue::mmc(1.0, 1.0, 0).is_none());
    let queue = Queue::md1(0.5, 1.0).unwrap();
    assert_eq!((queue.quantile(0.0), queue.quantile(1.0), queue.quantile(f64::NAN)), (None, None, None));
    assert!(queue.sampling_intervals(0, &[0.5], 1).is_empty());
}

/// The mean by integrating the tail, as a second way to it.
fn integrated(queue: &Queue) -> f64 {
    let end = queue.quantile(1.0 - 1e-10).unwrap();
    let steps = 200_000;
    let width = end / f64::from(steps);
    (0..steps).map(|n| queue.longer((f64::from(n) + 0.5) * width) * width).sum()
}

#[test]
fn means_are_those_of_the_tails() {
    for load in [0.1, 0.5, 0.9] {
        for queue in [Queue::md1(load, 1.0).unwrap(), Queue::mmc(4.0 * load, 1.0, 4).unwrap()] {
            let (mean, area) = (queue.mean(), integrated(&queue));
            assert!((mean - area).abs() < 1e-4 * mean, "{} at {load}: {mean}, {area}", queue.name());
        }
        // Pollaczek and Khinchine with exponential services is M/M/1.
        let wait = mean_wait(load, 1.0, 1.0);
        assert!((wait + 1.0 - Queue::mmc(load, 1.0, 1).unwrap().mean()).abs() < 1e-12);
    }
}

#[test]
fn perfect_runs_agree_with_the_closed_forms() {
    // The busier, the more a response depends on those before it, and the less a million of them say.
    for (load, close) in [(0.5, 0.02), (0.7, 0.04), (0.9, 0.12)] {
        for queue in [Queue::md1(load, 1.0).unwrap(), Queue::mmc(4.0 * load, 1.0, 4).unwrap()] {
            let mut times = queue.perfect_run(1_000_000, &mut SplitMix::new(1));
            let mean = times.iter().sum::<f64>() / times.len() as f64;
            assert!((mean / queue.mean() - 1.0).abs() < close, "{} {load}: {mean}", queue.name());
            times.sort_unstable_by(f64::total_cmp);
            for q in [0.5, 0.9, 0.99] {
                let (got, want) = (at(&times, q), queue.quantile(q).unwrap());
                assert!((got / want - 1.0).abs() < close, "{} {load} {q}: {got} for {want}", queue.name());
            }
        }
    }
}

#[test]
fn a_queue_by_hand() {
    let one = responses([(0.0, 2.0), (1.0, 2.0), (1.5, 1.0), (9.0, 1.0)].into_iter(), 1);
    assert_eq!(one, [2.0, 3.0, 3.5, 1.0]);
    let two = responses([(0.0, 2.0), (1.0, 2.0), (1.5, 1.0), (9.0, 1.0)].into_iter(), 2);
    assert_eq!(two, [2.0, 2.0, 1.5, 1.0]);
}

#[test]
fn intervals_hold_the_truth_and_shrink_with_the_sample() {
    let queue = Queue::mmc(2.0, 1.0, 4).unwrap();
    let quantiles = [0.5, 0.99];
    let (few, many) =
        (queue.sampling_intervals(500, &quantiles, 7), queue.sampling_intervals(20_000, &quantiles, 7));
    for (n, q) in quantiles.into_iter().enumerate() {
        let truth = queue.quantile(q).unwrap();
        assert!(many[n][0] < truth && truth < many[n][1], "{q}: {:?} without {truth}", many[n]);
        assert!(few[n][1] - few[n][0] > 2.0 * (many[n][1] - many[n][0]), "{q}: {few:?} {many:?}");
    }
    assert_eq!(many, queue.sampling_intervals(20_000, &quantiles, 7), "from its seed");
}

proptest! {
    #[test]
    fn tails_fall_from_one_to_nothing_and_percentiles_are_their_inverse(
        load in 0.01..0.99f64, service in 0.01..100.0f64, servers in 1u32..40, q in 0.01..0.9999f64,
    ) {
        let exponential = Queue::mmc(load * f64::from(servers) / service, service, servers).unwrap();
        for queue in [Queue::md1(load / service, service).unwrap(), exponential] {
            let mut last = 1.0;
            for step in 0..60 {
                let tail = queue.longer(service * f64::from(step) * 0.37);
                prop_assert!((0.0..=last + 1e-12).contains(&tail), "{} {tail} after {last}", queue.name());
                last = tail;
            }
            let at = queue.quantile(q).unwrap();
            prop_assert!(queue.longer(at) <= 1.0 - q + 1e-9);
            prop_assert!(at <= service * (1.0 + 1e-9) || queue.longer(at * (1.0 - 1e-6)) >= 1.0 - q - 1e-6);
            prop_assert!(queue.longer(f64::MAX) < 1e-12);
        }
    }
}
