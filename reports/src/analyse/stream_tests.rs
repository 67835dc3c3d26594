//! The tests of the stream against published critical values, and against streams that are and are not as planned.

use super::*;
use proptest::prelude::*;

/// Unit exponentials from a seed.
fn exponentials(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..n).map(|_| -(1.0 - next()).ln()).collect()
}

#[test]
fn the_probabilities_are_the_published_ones() {
    // Stephens 1974, table 1, case 0: the upper points of A² for more than five values.
    for (z, upper) in [(1.610, 0.15), (1.933, 0.10), (2.492, 0.05), (3.070, 0.025), (3.857, 0.01)] {
        for n in [100, 1_000] {
            let got = 1.0 - probability(n, z);
            assert!((got - upper).abs() < 0.0025, "{z} of {n}: {got}");
        }
    }
    // Marsaglia and Marsaglia 2004: the limit at 1/4, and the ends.
    assert_eq!(
        (probability(10, 0.0), probability(1_000, 1e6)),
        (correction(10.0, 0.0), 1.0 + correction(1_000.0, 1.0))
    );
}

#[test]
fn a_square_of_few_values_by_hand() {
    // n = 1, u = 1/2: -1 - 2 ln(1/2).
    assert!((anderson_darling(&[0.5]) - (2.0 * 2f64.ln() - 1.0)).abs() < 1e-12);
    assert!(anderson_darling(&[0.0, 1.0]).is_finite());
}

#[test]
fn erlang_of_one_is_exponential_and_of_many_has_its_median_near_its_mean() {
    assert!((erlang(1, 1.0) - (1.0 - (-1f64).exp())).abs() < 1e-12);
    assert!((erlang(2, 3.0) - (1.0 - 4.0 * (-3f64).exp())).abs() < 1e-12);
    assert!((erlang(256, 255.666_7) - 0.5).abs() < 1e-3);
    assert_eq!((erlang(256, 5_000.0), erlang(64, 0.0)), (1.0, 0.0));
}

#[test]
fn poisson_streams_pass_and_others_do_not() {
    let sent = |gaps: &[f64]| gaps.iter().map(|gap| Gap { sent: *gap, planned: *gap }).collect::<Vec<_>>();
    // What is held against the sending has a plan that is beyond doubt.
    let planned = exponentials(1, 1_000);
    let late = |gaps: &[f64]| -> Vec<Gap> {
        gaps.iter().zip(&planned).map(|(gap, planned)| Gap { sent: *gap, planned: *planned }).collect()
    };
    let passed = |gaps: &[f64], shape| poisson(&late(gaps), shape).unwrap().passed;
    let likely = |gaps: &[f64], shape| poisson(&sent(gaps), shape).unwrap().p_value.unwrap() >= P_LEAST;
    let rightly = (0..100).filter(|seed| likely(&exponentials(*seed, 5_000), 1)).count();
    assert!(rightly >= 99, "{rightly} of 100");
    let sums = |seed| exponentials(seed, 4_000).chunks(4).map(|four| four.iter().sum()).collect::<Vec<f64>>();
    let rightly = (0..100).filter(|seed| likely(&sums(*seed), 4)).count();
    assert!(rightly >= 99, "{rightly} of 100 shares");
    for (name, gaps, shape) in [
        ("even", vec![1.0; 1_000], 1),
        ("too slow", planned.iter().map(|gap| gap * 1.4).collect(), 1),
        (
            "in pairs",
            planned.iter().enumerate().map(|(i, g)| if i % 2 == 0 { 0.0 } else { 2.0 * g }).collect(),
            1,
        ),
    ] {
        assert!(!passed(&gaps, shape), "{name}");
    }
    assert!(!likely(&planned, 2), "it is no share of two");
    let long = poisson(&sent(&exponentials(3, 100_000)), 1).unwrap();
    assert_eq!(long.gaps, GAPS_TESTED as u64);
    assert!(poisson(&sent(&planned[..49]), 1).is_none() && poisson(&sent(&planned[..50]), 1).is_some());
    assert!(poisson(&sent(&[f64::NAN; 100]), 1).is_none());
    // An unlikely plan, carried out as it is.
    let unlikely = poisson(&sent(&planned.iter().map(|gap| gap * 1.4).collect::<Vec<_>>()), 1).unwrap();
    assert!(unlikely.passed && unlikely.p_value.unwrap() < P_LEAST);
}

#[test]
fn even_streams_pass_up_to_a_quarter() {
    let of = |off: f64| {
        let mut spread = Spread::default();
        (0..1_000).for_each(|i| spread.add(if i % 2 == 0 { 1.0 - off } else { 1.0 + off }));
        even(&spread).unwrap()
    };
    assert!(of(0.0).passed && of(0.249).passed && !of(0.251).passed);
    assert!((of(0.2).value - 0.2).abs() < 1e-3 && of(0.2).gaps == 1_000);
    let mut few = Spread::default();
    (0..49).for_each(|_| few.add(1.0));
    assert!(even(&few).is_none());
}

proptest! {
    #[test]
    fn parts_make_up_the_whole(values in prop::collection::vec(0.0..50.0f64, 0..60), cut in 0..60usize) {
        let spread = |of: &[f64]| of.iter().fold(Spread::default(), |mut spread, v| { spread.add(*v); spread });
        let (a, b) = values.split_at(cut.min(values.len()));
        let mut both = spread(a);
        both.merge(&spread(b));
        let whole = spread(&values);
        prop_assert_eq!(both.count(), whole.count());
        prop_assert!((both.deviation() - whole.deviation()).abs() < 1e-9);
    }

    #[test]
    fn a_larger_square_is_less_likely(n in 50..1_000usize, z in 0.1..20.0f64) {
        prop_assert!(probability(n, z + 0.1) >= probability(n, z) - 1e-3);
    }
}
