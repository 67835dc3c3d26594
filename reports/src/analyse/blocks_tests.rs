//! The intervals by blocks against tables, against simulated coverage, and from a log against from a run.

use super::*;
use crate::fixture;
use crate::store::Record;
use proptest::prelude::*;

const MS: f64 = 1e6;

#[test]
fn students_t_is_that_of_the_tables() {
    for (freedom, t) in [(9, 2.262), (10, 2.228), (19, 2.093), (29, 2.045), (99, 1.984), (599, 1.964)] {
        assert!((student(freedom) - t).abs() < 6e-4, "{freedom}: {}", student(freedom));
    }
}

/// Normal numbers by the central limit, from a seed: mean 0, variance 1.
struct Normal(u64);

impl Normal {
    fn next(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }
}

/// `seconds` blocks of 400 response times about 10 ms, each correlated by `r` with the one before it.
fn played(seconds: u64, r: f64, seed: u64) -> Distribution {
    let (mut normal, mut state) = (Normal(seed), 0.0);
    let (mut blocks, mut total) = (Blocks::new(0.5), Histogram::default());
    for number in 0..2 * seconds {
        let mut one = Histogram::default();
        for _ in 0..200 {
            state = r * state + (1.0 - r * r).sqrt() * normal.next();
            one.record(((10.0 + state) * MS) as u64);
        }
        total.add(&one);
        blocks.add(number, &one);
    }
    blocks.distribution(&total, seconds as f64)
}

#[test]
fn independent_requests_are_told_from_dependent_ones_and_the_median_is_covered() {
    for (r, dependent, least, most) in [(0.0, false, 0, 4), (0.98, true, 36, 40)] {
        let runs: Vec<_> = (0..40).map(|seed| played(20, r, seed)).collect();
        let said = runs.iter().filter(|said| said.blocks.unwrap().dependent).count();
        assert!((least..=most).contains(&said), "{said} of 40 dependent with r {r}");
        let holds = |said: &Distribution| {
            let by = if dependent { &said.ci95_blocks } else { &said.ci95 };
            (by["p50"][0]..=by["p50"][1]).contains(&10.0)
        };
        let held = runs.iter().filter(|said| holds(said)).count();
        assert!(held >= 34, "{held} of 40 intervals hold the median with r {r}");
    }
}

#[test]
fn too_few_blocks_or_too_few_requests_in_them_are_no_interval() {
    assert!(played(9, 0.0, 1).ci95_blocks.is_empty());
    let ten = played(10, 0.0, 1);
    assert_eq!((ten.blocks.unwrap().count, ten.blocks.unwrap().length_s), (10, 1.0));
    assert_eq!(ten.ci95_blocks.keys().collect::<Vec<_>>(), ["p50", "p99"]);
    // Three requests a second bound no median of a second.
    let (mut blocks, mut total) = (Blocks::new(1.0), Histogram::default());
    (0..100).for_each(|n| {
        let mut three = Histogram::default();
        (1..4).for_each(|i| three.record(i * 1_000_000));
        total.add(&three);
        blocks.add(n, &three);
    });
    let few = blocks.distribution(&total, 100.0);
    assert!(few.ci95_blocks.is_empty() && few.blocks.is_none() && few.ci95.contains_key("p50"));
}

#[test]
fn a_silent_second_is_left_out_but_two_in_ten_are_not() {
    for (silent, known) in [(1, true), (2, false)] {
        let (mut blocks, mut total) = (Blocks::new(1.0), Histogram::default());
        for number in (0..12).filter(|n| *n >= silent) {
            let mut one = Histogram::default();
            (0..400).for_each(|i| one.record(1_000_000 + i * 1_000));
            total.add(&one);
            blocks.add(number, &one);
        }
        assert_eq!(blocks.distribution(&total, 12.0).blocks.is_some(), known, "{silent}");
    }
}

#[test]
fn what_does_not_vary_does_not_depend() {
    let (mut blocks, mut total) = (Blocks::new(0.2), Histogram::default());
    for number in 0..100 {
        let mut one = Histogram::default();
        (0..100).for_each(|_| one.record(1_000_000));
        total.add(&one);
        blocks.add(number, &one);
    }
    let said = blocks.distribution(&total, 20.0);
    assert!(!said.blocks.unwrap().dependent && said.blocks.unwrap().lag1 == 0.0);
    assert_eq!(said.ci95_blocks["p50"][0], said.ci95_blocks["p50"][1]);
}

#[test]
fn the_log_says_what_the_run_said() {
    for Record { run, totals, intervals } in [fixture::healthy(), fixture::freeze(), fixture::died()] {
        let blocks = Blocks::of_log(run.timeline.interval_s, &intervals);
        assert_eq!(blocks.distribution(&totals.response, run.duration_s), run.response_ms);
    }
    assert!(fixture::healthy().run.response_ms.ci95_blocks.contains_key("p99"));
}

proptest! {
    #[test]
    fn no_log_makes_it_panic(interval_s: f64, starts in prop::collection::vec(any::<f64>(), 0..9), duration_s: f64) {
        let entry = |start_s| log::Entry { tag: "response".into(), start_s, length_s: 1.0, histogram: Sparse::default() };
        let mut entries: Vec<_> = starts.into_iter().map(entry).collect();
        entries.push(entry(1e5));
        let _ = Blocks::of_log(interval_s, &entries).distribution(&Histogram::default(), duration_s);
    }
}
