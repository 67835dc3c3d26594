//! The scalability law against points that are made from known parameters, without and with noise, and against its own edges.

use super::*;
use crate::analyse::synthetic::normal;
use proptest::prelude::*;

const AT: [f64; 12] = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0];

fn gunther(lambda: f64, sigma: f64, kappa: f64, n: f64) -> f64 {
    lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0))
}

fn step(n: f64, x: f64) -> Step {
    Step { in_flight: n, ok_rps: x, stationary: true, valid: true, ..Step::default() }
}

fn steps(at: &[f64], rate: impl Fn(f64) -> f64) -> Vec<Step> {
    at.iter().map(|n| step(*n, rate(*n))).collect()
}

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-6 * want.abs().max(1e-3)
}

#[test]
fn a_law_comes_back_from_its_own_points() {
    let table = [
        (1_000.0, 0.05, 0.001),
        (995.6, 0.0267, 0.000_769),
        (10.0, 0.2, 0.0),
        (10.0, 0.0, 0.001),
        (50_000.0, 0.0, 0.0),
        (0.3, 1.0, 0.0),
        (120.0, 0.9, 0.02),
    ];
    for (lambda, sigma, kappa) in table {
        let found = usl(&steps(&AT, |n| gunther(lambda, sigma, kappa, n)), 1).unwrap();
        let all = [(found.lambda, lambda), (found.sigma, sigma), (found.kappa, kappa)];
        assert!(all.iter().all(|(got, want)| close(*got, *want)), "{all:?}");
        assert!(found.r2 > 1.0 - 1e-9 || sigma == 1.0, "{}", found.r2);
        for (name, want) in [("lambda", lambda), ("sigma", sigma), ("kappa", kappa)] {
            let [low, high] = found.ci95[name];
            assert!(close(low, want) && close(high, want), "{name} {low} {high}");
        }
    }
}

#[test]
fn the_peak_is_gunthers() {
    // N* = sqrt((1 - σ) / κ).
    let found = usl(&steps(&AT, |n| gunther(1_000.0, 0.1, 0.001, n)), 1).unwrap();
    assert!(close(found.peak_n.unwrap(), 30.0), "{found:?}");
    assert!(close(found.peak_rps.unwrap(), gunther(1_000.0, 0.1, 0.001, 30.0)));
    assert!(found.ci95.contains_key("peak_n") && found.ci95.contains_key("peak_rps"));
    // One server with random arrivals, X = μ N / (1 + N): no peak, and the rate that it approaches is μ.
    let queue = usl(&steps(&AT, |n| 800.0 * n / (1.0 + n)), 1).unwrap();
    assert!(close(queue.lambda, 400.0) && close(queue.sigma, 0.5), "{queue:?}");
    assert_eq!((queue.kappa, queue.peak_n), (0.0, None));
    assert!(close(queue.peak_rps.unwrap(), 800.0), "{queue:?}");
}

#[test]
fn what_the_law_forbids_is_at_its_edge() {
    // A rate that grows faster than the number in flight: neither contention nor coherency.
    let faster = usl(&steps(&AT, |n| 100.0 * n * (1.0 + 0.01 * n)), 1).unwrap();
    assert_eq!((faster.sigma, faster.kappa, faster.peak_n, faster.peak_rps), (0.0, 0.0, None, None));
    assert!(!faster.ci95.contains_key("peak_n"));
    // Less and less contention with more in flight: all of the loss is contention.
    let flat = usl(&steps(&AT, |n| 100.0 * n.powf(0.6)), 1).unwrap();
    assert!(flat.sigma > 0.0 && flat.kappa == 0.0 && flat.peak_n.is_none(), "{flat:?}");
    assert!(flat.r2 < 1.0 && flat.r2 > 0.8);
}

#[test]
fn no_law_nearby_is_closer() {
    let mut random = SplitMix::new(11);
    let noisy = AT.map(|n| [n, gunther(1_000.0, 0.08, 0.002, n) * (1.0 + 0.2 * normal(&mut random))]);
    let law = fit::fit(&noisy).unwrap();
    let squares = |lambda: f64, sigma: f64, kappa: f64| -> f64 {
        noisy.iter().map(|[n, x]| (gunther(lambda, sigma, kappa, *n) / x - 1.0).powi(2)).sum()
    };
    let (lambda, sigma, kappa) = (law.lambda(), law.sigma(), law.kappa());
    let least = squares(lambda, sigma, kappa);
    for share in [0.99, 1.01] {
        assert!(squares(lambda * share, sigma, kappa) > least);
        assert!(squares(lambda, sigma * share, kappa) > least);
        assert!(squares(lambda, sigma, kappa * share) > least);
    }
}

#[test]
fn the_intervals_cover_the_truth_as_often_as_they_say() {
    let truth = [("lambda", 1_000.0), ("sigma", 0.08), ("kappa", 0.002)];
    let mut covered = [0; 3];
    let seeds = 100;
    for seed in 0..seeds {
        let mut random = SplitMix::new(1_000 + seed);
        let noisy: Vec<Step> = AT
            .iter()
            .map(|n| step(*n, gunther(1_000.0, 0.08, 0.002, *n) * (1.0 + 0.02 * normal(&mut random))))
            .collect();
        let found = usl(&noisy, seed).unwrap();
        for (count, (name, value)) in covered.iter_mut().zip(truth) {
            let [low, high] = found.ci95[name];
            *count += u64::from(low <= value && value <= high);
        }
    }
    // Twelve points are few for a bootstrap, whose intervals are then somewhat narrow; 100 of 100 would be far too wide.
    assert!(covered.iter().all(|count| (84..100).contains(count)), "{covered:?}");
}

#[test]
fn the_curve_goes_to_twice_what_was_measured() {
    let mut random = SplitMix::new(5);
    let noisy: Vec<Step> = AT
        .iter()
        .map(|n| step(*n, gunther(1_000.0, 0.08, 0.002, *n) * (1.0 + 0.02 * normal(&mut random))))
        .collect();
    let found = usl(&noisy, 7).unwrap();
    assert_eq!((found.curve.len(), found.points.len()), (CURVE + 1, AT.len()));
    assert_eq!(found.curve[0], [0.0; 4]);
    assert_eq!(found.curve[CURVE][0], 64.0);
    for [n, rate, low, high] in &found.curve[1..] {
        assert!(low <= rate && rate <= high && *low > 0.0 && high > low, "{n}");
    }
    // The band is wider where nothing was measured.
    let width = |i: usize| found.curve[i][3] / found.curve[i][2];
    assert!(width(CURVE) > 2.0 * width(CURVE / 4) - 1.0);
    assert_eq!(found, usl(&noisy, 7).unwrap());
    assert_ne!(found.ci95, usl(&noisy, 8).unwrap().ci95);
}

#[test]
fn what_is_too_little_is_said() {
    let law = |n: f64| gunther(1_000.0, 0.1, 0.001, n);
    let good = steps(&AT[..6], law);
    assert!(usl(&good, 1).is_ok());
    type Spoil = fn(&mut Step);
    let spoilt: [(&str, Spoil); 6] = [
        ("growing", |step| step.stationary = false),
        ("invalid", |step| step.valid = false),
        ("no answers", |step| step.ok_rps = 0.0),
        ("no number", |step| step.ok_rps = f64::NAN),
        ("nothing in flight", |step| step.in_flight = 0.0),
        ("the same again", |step| step.in_flight = 2.001),
    ];
    for (what, spoil) in spoilt {
        let mut few = good.clone();
        spoil(&mut few[5]);
        let error = usl(&few, 1).unwrap_err();
        assert!(error.ends_with("there are 5 steady loads"), "{what}: {error}");
    }
    assert!(usl(&good[..1], 1).unwrap_err().ends_with("there is 1 steady load"));
    assert!(usl(&[], 1).unwrap_err().ends_with("there are 0 steady loads"));
    let alone = steps(&[0.1, 0.2, 0.4, 0.8, 1.2, 1.6], law);
    assert!(usl(&alone, 1).unwrap_err().contains("at most 1.6 were in flight"));
}

proptest! {
    #[test]
    fn any_law_comes_back(lambda in 0.1..1e5f64, sigma in 0.0..1.0f64, kappa in 0.0..0.05f64) {
        let points: Vec<[f64; 2]> = AT.iter().map(|n| [*n, gunther(lambda, sigma, kappa, *n)]).collect();
        let law = fit::fit(&points).unwrap();
        prop_assert!(close(law.lambda(), lambda) && close(law.sigma(), sigma), "{law:?}");
        prop_assert!((law.kappa() - kappa).abs() < 1e-8, "{law:?}");
    }

}

proptest! {
    // Each case is five hundred fits.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_points_give_a_law_that_is_allowed_or_none(
        points in prop::collection::vec((1e-3..1e4f64, 1e-3..1e6f64), 6..20),
    ) {
        let steps: Vec<Step> = points.iter().map(|(n, x)| step(*n, *x)).collect();
        if let Ok(found) = usl(&steps, 3) {
            prop_assert!(found.lambda > 0.0 && found.sigma >= 0.0 && found.sigma <= 1.0 + 1e-12 && found.kappa >= 0.0);
            prop_assert!(found.curve.iter().flatten().all(|value| value.is_finite()), "{found:?}");
            let finite = |[low, high]: &[f64; 2]| low <= high && high.is_finite();
            prop_assert!(found.ci95.values().all(finite), "{found:?}");
        }
    }
}
