//! Changes of level in series that are made with and without them, with and without outliers.

use super::*;
use crate::analyse::synthetic::normal;
use proptest::prelude::*;

/// Noise about 100 with the standard deviation 1, and so many more from each of the indices on.
fn series(length: usize, steps: &[(usize, f64)], seed: u64) -> Vec<f64> {
    let mut random = SplitMix::new(seed);
    let level = |i: usize| steps.iter().filter(|(at, _)| *at <= i).map(|(_, by)| by).sum::<f64>();
    (0..length).map(|i| 100.0 + level(i) + normal(&mut random)).collect()
}

fn places(values: &[f64]) -> Vec<usize> {
    change_points(values, 1).into_iter().map(|change| change.at).collect()
}

/// Whether each of `at` has one change within `off` of it; more than these there may be, as chance has it.
fn has(found: &[usize], at: &[usize], off: usize) -> bool {
    at.iter().all(|at| found.iter().filter(|place| place.abs_diff(*at) <= off).count() == 1)
}

#[test]
fn a_step_of_two_deviations_is_found_where_it_is() {
    let mut more = 0;
    for seed in 0..40 {
        let found = places(&series(60, &[(30, 2.0)], seed));
        assert!(has(&found, &[30], 3), "{found:?} with seed {seed}");
        more += usize::from(found.len() > 1);
    }
    assert!(more <= 3, "{more} of 40 have another");
}

#[test]
fn two_steps_are_found_up_and_up_and_up_and_down() {
    for second in [3.0, -3.0] {
        let mut more = 0;
        for seed in 0..20 {
            let found = places(&series(75, &[(25, 3.0), (50, second)], seed));
            assert!(has(&found, &[25, 50], 3), "{found:?} with {second} and seed {seed}");
            more += usize::from(found.len() > 2);
        }
        assert!(more <= 2, "{more} of 20 have another");
    }
}

#[test]
fn levels_are_told_by_their_medians() {
    let found = change_points(&series(75, &[(25, 3.0), (50, -3.0)], 1), 1);
    assert_eq!(found.len(), 2);
    let levels = [found[0].before, found[0].after, found[1].before, found[1].after];
    let near =
        levels.iter().zip([100.0, 103.0, 103.0, 100.0]).all(|(level, want)| (level - want).abs() < 0.7);
    assert!(near && levels[1] == levels[2], "{levels:?}");
}

#[test]
fn a_late_step_is_found_within_some_nights() {
    let late = series(100, &[(92, 5.0)], 3);
    assert_eq!(places(&late), [92]);
    assert_eq!(places(&late[..97]), [92]);
    // With fewer nights than make a level, there is none yet.
    assert_eq!(places(&late[..95]), [0; 0]);
}

#[test]
fn noise_has_changes_about_as_rarely_as_is_said() {
    for length in [20, 60, 120] {
        let found = (0..100).filter(|seed| !places(&series(length, &[], 1_000 + seed)).is_empty()).count();
        // One is expected, and more than five have a chance of one in 2,000.
        assert!(found <= 5, "{found} of 100 with {length} values");
    }
}

#[test]
fn noise_with_an_outlier_has_them_no_more_often() {
    for length in [20, 60] {
        for by in [10.0, -1e9] {
            let with = |seed: u64| {
                let mut values = series(length, &[], 2_000 + seed);
                values[seed as usize * 7 % length] += by;
                values
            };
            let found = (0..100).filter(|seed| !places(&with(*seed)).is_empty()).count();
            assert!(found <= 5, "{found} of 100 with {length} values and one off by {by}");
        }
    }
}

#[test]
fn an_outlier_hides_no_step_and_moves_none_far() {
    for place in (0..60).step_by(3) {
        for by in [-1e6, 1e6] {
            let mut values = series(60, &[(30, 3.0)], 4);
            values[place] += by;
            let found = places(&values);
            assert!(found.len() == 1 && found[0].abs_diff(30) <= 2, "{found:?}, {place} off by {by}");
        }
    }
}

#[test]
fn little_and_nothing_has_no_change() {
    for values in [vec![], vec![1.0], vec![1.0, 9.0], vec![1.0, 1.0, 9.0], vec![1.0, 1.0, 9.0, 9.0]] {
        assert!(change_points(&values, 1).is_empty());
    }
    assert!(change_points(&[f64::NAN; 40], 1).is_empty());
    for length in [5, 9, 10, 11, 900] {
        let mut same = vec![3.5; length];
        assert!(change_points(&same, 1).is_empty());
        same[length / 2] = -1e300;
        assert!(change_points(&same, 1).is_empty());
    }
}

#[test]
fn what_is_no_number_is_passed_over_and_counted() {
    let values = series(60, &[(30, 4.0)], 5);
    let found = change_points(&values, 1);
    let mut torn = values.clone();
    for (n, at) in [0, 10, 30, 62].into_iter().enumerate() {
        torn.insert(at, [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN][n]);
    }
    let change = change_points(&torn, 1);
    assert_eq!(change, [ChangePoint { at: 33, ..found[0] }]);
    assert_eq!(found[0].at, 30);
}

#[test]
fn without_noise_a_step_is_where_it_is() {
    let values: Vec<f64> = (0..40).map(|i| if i < 15 { 2.0 } else { 3.0 }).collect();
    let p = 1.0 / (ORDERS + 1) as f64;
    assert_eq!(change_points(&values, 9), [ChangePoint { at: 15, before: 2.0, after: 3.0, p }]);
}

#[test]
fn hundreds_of_values_have_their_changes() {
    let found = places(&series(400, &[(100, 2.0), (220, 1.5), (300, -3.0)], 6));
    assert!(has(&found, &[100, 220, 300], 4) && found.len() <= 4, "{found:?}");
}

/// By the equation, sum by sum.
fn by_the_equation(values: &[f64]) -> Option<(usize, f64)> {
    let sum = |a: &[f64], b: &[f64]| a.iter().flat_map(|x| b.iter().map(move |y| (x - y).abs())).sum::<f64>();
    let mut best: Option<(usize, f64)> = None;
    for m in LEAST..values.len() {
        for end in m + LEAST..=values.len() {
            let (x, y) = (&values[..m], &values[m..end]);
            let (first, second) = (m as f64, (end - m) as f64);
            let within = |of: &[f64], n: f64| sum(of, of) / 2.0 / (n * (n - 1.0) / 2.0);
            let distance = 2.0 / (first * second) * sum(x, y) - within(x, first) - within(y, second);
            let difference = first * second / (first + second) * distance;
            if best.is_none_or(|(_, most)| difference > most + 1e-9) {
                best = Some((m, difference));
            }
        }
    }
    best
}

proptest! {
    #[test]
    fn the_greatest_difference_is_that_of_the_equation(whole in prop::collection::vec(0u16..500, 0..30)) {
        let values: Vec<f64> = whole.into_iter().map(f64::from).collect();
        match (greatest(&values), by_the_equation(&values)) {
            (Some((_, ours)), Some((_, plain))) => prop_assert!((ours - plain).abs() < 1e-6, "{ours} {plain}"),
            (ours, plain) => prop_assert_eq!(ours, plain),
        }
    }

    #[test]
    fn an_outlier_in_what_is_steady_is_no_change(length in 1usize..80, place in 0usize..80, by in any::<f64>()) {
        let mut values = vec![100.0; length];
        values[place % length] = by;
        prop_assert!(change_points(&values, 1).is_empty());
    }

    #[test]
    fn an_outlier_in_even_noise_is_no_change(
        length in 10usize..80, place in 0usize..80, by in prop_oneof![-1e12..1e12_f64, 90.0..110.0],
    ) {
        // Up and down by turns, with the seventh a little off: nothing in it depends on when.
        let mut values: Vec<f64> = (0..length).map(|i| 100.0 + (i % 2) as f64 + (i % 7) as f64 / 10.0).collect();
        values[place % length] = by;
        prop_assert!(change_points(&values, 1).is_empty(), "{:?}", change_points(&values, 1));
    }

    #[test]
    fn how_far_off_an_outlier_is_does_not_matter(seed: u64, place in 0usize..40, by in 1e2..1e15_f64) {
        let with = |by: f64| {
            let mut values = series(40, &[], seed);
            values[place] = by;
            places(&values)
        };
        prop_assert_eq!(with(by), with(1e3));
        prop_assert_eq!(with(-by), with(-1e3));
    }

    #[test]
    fn what_is_found_is_in_order_and_far_enough_apart(values in prop::collection::vec(any::<f64>(), 0..40), seed: u64) {
        let mut ends: Vec<usize> = change_points(&values, seed).iter().map(|change| change.at).collect();
        ends.insert(0, 0);
        ends.push(values.len());
        prop_assert!(ends.len() == 2 || ends.windows(2).all(|pair| pair[0] + LEAST <= pair[1]), "{ends:?}");
    }
}
