//! The rule on series of known shape, and on whole records.

use super::*;
use crate::fixture;
use proptest::prelude::*;

/// A number from 0 to 1 without a visible pattern.
fn noise(i: usize) -> f64 {
    (i as f64 * 0.618_034 + (i * i) as f64 * 0.414_214).fract()
}

/// A run of `n` intervals of 200 ms with these medians.
fn run(n: usize, p50: impl Fn(usize) -> Option<f64>) -> Run {
    let mut run = fixture::empty().run;
    run.duration_s = n as f64 * 0.2;
    run.timeline.interval_s = 0.2;
    run.timeline.bins = (0..n).map(|i| Bin { p50_ms: p50(i), ok: 100, ..Bin::default() }).collect();
    run
}

#[test]
fn shapes() {
    type Shape = fn(usize) -> Option<f64>;
    let table: [(&str, usize, Shape, Option<f64>, &str); 9] = [
        ("flat", 100, |_| Some(1.0), Some(0.0), ""),
        (
            "a warm-up of three seconds",
            100,
            |i| Some(if i < 15 { 20.0 - i as f64 } else { 1.0 }),
            Some(3.0),
            "",
        ),
        (
            "one with noise after it",
            150,
            |i| Some(1.0 + 9.0 * (-(i as f64) / 5.0).exp() + noise(i) * 0.1),
            None,
            "?",
        ),
        ("a rise to the end", 100, |i| Some(1.0 + i as f64 * 0.05 + noise(i) * 0.2), None, "never: "),
        ("a step near the end", 100, |i| Some(if i < 70 { 1.0 } else { 9.0 }), None, "second half"),
        ("silence", 100, |i| (!(40..50).contains(&i)).then_some(1.0), None, "nothing ended"),
        ("a single silent interval", 100, |i| (i != 40).then_some(1.0), Some(0.0), ""),
        ("too few", 49, |_| Some(1.0), None, "fewer than 10 s were measured"),
        ("just enough", 50, |_| Some(1.0), Some(0.0), ""),
    ];
    for (name, n, shape, from_s, part) in table {
        let said = steady(&run(n, shape));
        if part == "?" {
            assert!(said.from_s.is_some_and(|at| (1.0..=8.0).contains(&at)), "{name}: {said:?}");
            continue;
        }
        assert_eq!(said.from_s, from_s, "{name}: {said:?}");
        assert!(said.reason.unwrap_or_default().contains(part), "{name}");
        assert_eq!(said.grain_s, 1.0);
    }
}

#[test]
fn a_rise_that_is_cut_off_nowhere_is_a_trend() {
    let series: Vec<f64> = (0..20).map(|i| 10.0 + f64::from(i)).collect();
    assert!(trend(&series).unwrap() > 0.5);
    assert!(trend(&series.iter().rev().copied().collect::<Vec<_>>()).unwrap() < -0.5);
    // Certain, and too small to matter.
    assert_eq!(trend(&series.iter().map(|v| v + 1_000.0).collect::<Vec<_>>()), None);
    assert_eq!((trend(&[]), trend(&[1.0])), (None, None));
}

#[test]
fn a_closed_loop_is_steady_when_its_goodput_is() {
    let mut closed = run(100, |_| Some(1.0));
    closed.load_loop = Loop::Closed;
    closed.timeline.bins[..20].iter_mut().for_each(|bin| bin.ok = 10);
    assert_eq!(steady(&closed).from_s, Some(4.0));
    closed.load_loop = Loop::Open;
    assert_eq!(steady(&closed).from_s, Some(0.0));
}

#[test]
fn known_records() {
    assert_eq!(steady(&fixture::healthy().run).from_s, Some(0.0));
    for never in [fixture::freeze(), fixture::died(), fixture::overload()] {
        let said = steady(&never.run);
        assert_eq!(said.from_s, None);
        assert!(said.reason.unwrap().starts_with("never: "));
    }
    for few in [fixture::tiny(), fixture::empty()] {
        assert!(steady(&few.run).reason.unwrap().starts_with("not known: "));
    }
}

proptest! {
    #[test]
    fn the_answer_is_in_the_first_half_and_the_unit_does_not_matter(
        values in prop::collection::vec(0.1..100.0f64, 0..200), scale in 0.01..1e3f64,
    ) {
        let said = steady(&run(values.len(), |i| Some(values[i])));
        if let Some(at) = said.from_s {
            prop_assert!(at >= 0.0 && at <= values.len() as f64 * 0.2 / 2.0);
        }
        prop_assert_eq!(said.from_s.is_none(), said.reason.is_some());
        // Powers of two scale without rounding.
        let scale = 2f64.powi(scale.log2() as i32);
        let scaled = steady(&run(values.len(), |i| Some(values[i] * scale)));
        prop_assert_eq!(scaled.from_s, said.from_s);
    }

    #[test]
    fn no_timeline_makes_it_panic(interval_s: f64, duration_s: f64, n in 0..80usize, p50: f64) {
        let mut strange = run(n, |_| Some(p50));
        (strange.timeline.interval_s, strange.duration_s) = (interval_s, duration_s);
        let _ = steady(&strange);
    }
}
