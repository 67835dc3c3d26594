//! The exact interval against all resamples one by one, and by what has to hold of any data.

use super::*;
use crate::analyse::synthetic::normal;
use crate::random::SplitMix;
use proptest::prelude::*;

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    for none in [vec![], vec![f64::NAN, 1.0], vec![f64::INFINITY]] {
        assert_eq!((median(&none), median_interval(&none)), (None, None));
    }
}

/// All n^n resamples' medians, ascending, each with its share.
fn tried(values: &[f64]) -> Vec<(f64, f64)> {
    let n = values.len();
    let all = n.pow(n as u32);
    let draw = |mut number: usize| -> Vec<f64> {
        let mut next = || {
            let digit = number % n;
            number /= n;
            values[digit]
        };
        (0..n).map(|_| next()).collect()
    };
    let mut medians: Vec<_> =
        (0..all).map(|number| (median(&draw(number)).unwrap(), 1.0 / all as f64)).collect();
    medians.sort_by(|a, b| a.0.total_cmp(&b.0));
    medians
}

/// The share of the resamples with a median of at most `value`.
fn up_to(medians: &[(f64, f64)], value: f64) -> f64 {
    medians.iter().filter(|(median, _)| *median <= value).map(|(_, share)| share).sum()
}

#[test]
fn the_shares_are_those_of_all_resamples() {
    let samples: [&[f64]; 9] = [
        &[7.0],
        &[1.0, 4.0],
        &[1.0, 4.0, 9.0],
        &[-3.0, 1.0, 4.0, 9.0],
        &[1.0, 2.0, 3.0, 4.0],
        &[0.0, 0.5, 2.0, 3.0, 11.0],
        &[1.0, 1.0, 2.0, 2.0, 2.0],
        &[0.0, 1.0, 2.5, 4.0, 8.0, 16.0],
        &[1.0, 1.0, 1.0, 2.0, 3.0, 3.0],
    ];
    for sample in samples {
        let (exact, tried) = (medians(sample), tried(sample));
        for (value, _) in tried.chunk_by(|a, b| a.0 == b.0).map(|same| &same[0]) {
            assert!((up_to(&exact, *value) - up_to(&tried, *value)).abs() < 1e-9, "{sample:?}, {value}");
        }
        assert_eq!(median_interval(sample), Some(ends(&tried, TAIL)), "{sample:?}");
    }
}

#[test]
fn many_values_are_no_matter() {
    for n in [200, 201, 1_999, 2_000] {
        let mut random = SplitMix::new(n);
        let mut values: Vec<f64> = (0..n).map(|_| normal(&mut random)).collect();
        values.sort_by(f64::total_cmp);
        let found = medians(&values);
        let all: f64 = found.iter().map(|(_, share)| share).sum();
        assert!((all - 1.0).abs() < 1e-9 && found.len() < 100 * n as usize, "{n}: {all}");
        // About the order statistics that hold any median (Conover 1999, section 3.2).
        let (low, high) = crate::analyse::interval::ranks(n, 0.5).unwrap();
        let [from, to] = median_interval(&values).unwrap();
        let rank = |end: f64| values.partition_point(|v| *v < end) as f64 + 1.0;
        assert!((rank(from) - low as f64).abs() <= 2.0 && (rank(to) - high as f64).abs() <= 2.0, "{n}");
    }
}

#[test]
fn the_interval_holds_the_true_median_about_as_often_as_it_says() {
    for n in [10, 15, 20] {
        let mut random = SplitMix::new(n);
        let held = (0..400).filter(|_| {
            let values: Vec<f64> = (0..n).map(|_| normal(&mut random)).collect();
            let [low, high] = median_interval(&values).unwrap();
            low <= 0.0 && 0.0 <= high
        });
        let held = held.count();
        // 95 % of 400, less four standard errors.
        assert!(held >= 362, "{held} of 400 with {n} values");
    }
}

proptest! {
    #[test]
    fn the_interval_holds_the_median_and_lies_within(values in prop::collection::vec(-1e6..1e6_f64, 1..80)) {
        let [low, high] = median_interval(&values).unwrap();
        let middle = median(&values).unwrap();
        prop_assert!(low <= middle && middle <= high, "{low} {middle} {high}");
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(lowest <= low && high <= highest);
        let mirrored = median_interval(&values.iter().map(|v| -v).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(mirrored, [-high, -low]);
        let doubled = median_interval(&values.iter().map(|v| v * 2.0).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(doubled, [low * 2.0, high * 2.0]);
    }

    #[test]
    fn no_values_make_it_panic(values in prop::collection::vec(any::<f64>(), 0..30)) {
        prop_assert_eq!(median_interval(&values).is_some(), median(&values).is_some());
    }
}
