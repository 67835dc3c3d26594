//! The signed-rank test against tables, against all signs one by one, and by what has to hold of any data.

use super::*;
use crate::analyse::synthetic::normal;
use crate::random::SplitMix;
use proptest::prelude::*;

#[test]
fn all_of_one_sign_are_one_way_in_all() {
    for n in 1..=60 {
        let found = signed_rank(&vec![0.5; n]).unwrap();
        let all = 0.5_f64.powi(n as i32);
        assert_eq!((found.n, found.w_plus), (n, (n * (n + 1)) as f64 / 2.0));
        assert!((found.p_greater / all - 1.0).abs() < 1e-12 && close(found.p_less, 1.0), "{n}: {found:?}");
    }
}

#[test]
fn the_critical_values_are_those_of_the_tables() {
    // Hollander and Wolfe, "Nonparametric Statistical Methods", 1973, table A.4: P(T+ >= t) of n differences.
    for (n, t, p) in [(5, 15, 0.031), (6, 19, 0.047), (8, 30, 0.055), (10, 44, 0.053), (10, 50, 0.010)] {
        let ranks: Vec<usize> = (1..=n).map(|rank| 2 * rank).collect();
        assert!((exact(&ranks, 2 * t)[0] - p).abs() < 6e-4, "{n}, {t}: {}", exact(&ranks, 2 * t)[0]);
    }
}

#[test]
fn zeros_are_left_out_and_nothing_says_nothing() {
    assert_eq!(signed_rank(&[]), None);
    assert_eq!(signed_rank(&[0.0, -0.0]), None);
    assert_eq!(signed_rank(&[0.0, 2.0, -1.0, 0.0]), signed_rank(&[2.0, -1.0]));
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(signed_rank(&[1.0, wrong]), None);
    }
}

#[test]
fn the_approximation_takes_over_where_it_is_as_good() {
    let mut random = SplitMix::new(5);
    for shift in [-0.3, 0.0, 0.1, 0.3] {
        let rounded = |v: f64| (v * 10.0).round();
        let values: Vec<f64> = (0..EXACT_UP_TO).map(|_| rounded(normal(&mut random) + shift)).collect();
        let left: Vec<f64> = values.iter().map(|d| d.abs()).filter(|d| *d != 0.0).collect();
        let ranks = ranks::doubled(&left);
        let sum = (2.0 * signed_rank(&values).unwrap().w_plus) as usize;
        for (exact, near) in exact(&ranks, sum).into_iter().zip(approximate(&ranks, sum)) {
            assert!((exact - near).abs() < 5e-4, "{shift}: {exact} against {near}");
        }
    }
}

#[test]
fn the_normal_tail_is_that_of_the_tables() {
    let table = [
        (0.0, 0.5),
        (1.0, 0.158_655_253_931_457),
        (1.959_963_984_540_054, 0.025),
        (3.0, 1.349_898_031_630_095e-3),
        (3.001, 1.345_472_825_084_965_4e-3),
        (6.0, 9.865_876_450_376_946e-10),
        (-2.0, 0.977_249_868_051_821),
        (-4.0, 0.999_968_328_758_167),
    ];
    for (z, p) in table {
        assert!((upper_tail(z) / p - 1.0).abs() < 1e-12, "{z}: {} is not {p}", upper_tail(z));
    }
}

/// By trying each of the 2^n signs.
fn tried(differences: &[f64]) -> [f64; 2] {
    let left: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let rank = |d: f64| {
        let smaller = left.iter().filter(|other| other.abs() < d.abs()).count();
        let equal = left.iter().filter(|other| other.abs() == d.abs()).count();
        smaller as f64 + (equal + 1) as f64 / 2.0
    };
    let ranks: Vec<f64> = left.iter().map(|d| rank(*d)).collect();
    let sum = |positive: &dyn Fn(usize) -> bool| -> f64 {
        (0..ranks.len()).filter(|i| positive(*i)).map(|i| ranks[i]).sum()
    };
    let seen = sum(&|i| left[i] > 0.0);
    let all = 1u32 << left.len();
    let sums: Vec<f64> = (0..all).map(|signs| sum(&|i| signs >> i & 1 == 1)).collect();
    let share =
        |holds: &dyn Fn(f64) -> bool| sums.iter().filter(|sum| holds(**sum)).count() as f64 / f64::from(all);
    [share(&|sum| sum >= seen), share(&|sum| sum <= seen)]
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12
}

/// Of both ways of counting: few, and more than are counted exactly.
fn differences() -> impl Strategy<Value = Vec<f64>> {
    let of = |sizes| prop::collection::vec(-1e3..1e3_f64, sizes);
    prop_oneof![of(1..60), of(EXACT_UP_TO + 1..EXACT_UP_TO + 60)]
}

proptest! {
    #[test]
    fn the_p_values_are_the_shares_of_all_signs(whole in prop::collection::vec(-6i8..=6, 1..=10)) {
        let values: Vec<f64> = whole.into_iter().map(f64::from).collect();
        match signed_rank(&values) {
            None => prop_assert!(values.iter().all(|d| *d == 0.0)),
            Some(found) => {
                let [greater, less] = tried(&values);
                prop_assert!(close(found.p_greater, greater) && close(found.p_less, less), "{found:?}");
            }
        }
    }

    #[test]
    fn what_holds_of_any_differences_holds(values in differences(), power in -40i32..40) {
        let found = signed_rank(&values).unwrap();
        prop_assert!((0.0..=1.0).contains(&found.p_greater) && (0.0..=1.0).contains(&found.p_less));
        // What was seen is counted both ways.
        prop_assert!(found.p_greater + found.p_less >= 1.0 - 1e-12, "{found:?}");
        let mirrored = signed_rank(&values.iter().map(|d| -d).collect::<Vec<_>>()).unwrap();
        prop_assert!(close(mirrored.p_greater, found.p_less) && close(mirrored.p_less, found.p_greater));
        prop_assert_eq!(mirrored.w_plus + found.w_plus, (found.n * (found.n + 1)) as f64 / 2.0);
        let scaled: Vec<f64> = values.iter().map(|d| d * 2.0_f64.powi(power)).collect();
        prop_assert_eq!(signed_rank(&scaled).unwrap(), found);
    }

    #[test]
    fn no_differences_make_it_panic(values in prop::collection::vec(any::<f64>(), 0..30)) {
        let found = signed_rank(&values);
        prop_assert!(found.is_none_or(|found| found.p_greater > 0.0 && found.p_less > 0.0));
    }
}
