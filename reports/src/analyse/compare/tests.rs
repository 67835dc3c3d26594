//! What a comparison says of pairs that are made up, against what anybody would say of them; and how often it is wrong.

use super::*;
use crate::comparison::{Better, Pair};
use crate::fixture::comparison::{Made, made, pairs};
use crate::random::SplitMix;

fn metric(name: &str, better: Better, delta: Option<f64>, pairs: Vec<Pair>) -> Metric {
    Metric { name: name.into(), what: name.into(), better, delta, pairs, ..Metric::default() }
}

fn of(metrics: Vec<Metric>) -> Comparison {
    let mut found = Comparison { alpha: ALPHA, least_pairs: LEAST_PAIRS, metrics, ..Comparison::default() };
    conclude(&mut found);
    found
}

fn of_one(metric: Metric) -> Comparison {
    of(vec![metric])
}

fn call(better: Better, ratio: f64, noise: f64) -> Call {
    of(vec![metric("p50_ms", better, Some(0.05), pairs(12, 5.0, ratio, noise))]).call
}

#[test]
fn what_changed_is_seen_in_its_direction() {
    for (better, ratio, expected) in [
        (Better::Lower, 1.10, Call::Regression),
        (Better::Lower, 0.90, Call::Improvement),
        (Better::Higher, 0.90, Call::Regression),
        (Better::Higher, 1.10, Call::Improvement),
        (Better::Lower, 1.00, Call::Pass),
        // Worse without a doubt, and by no more than may be.
        (Better::Lower, 1.02, Call::Pass),
    ] {
        assert_eq!(call(better, ratio, 0.01), expected, "{better:?} {ratio}");
    }
    // Neither proved nor excluded.
    assert_eq!(call(Better::Lower, 1.05, 0.06), Call::Inconclusive);
}

#[test]
fn the_two_deltas_are_the_same_change() {
    // A fifth more time and a sixth less throughput are one slowdown.
    let slower = of(vec![metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 5.0, 1.2, 0.0001))]);
    let fewer = of(vec![metric("rps", Better::Higher, Some(0.05), pairs(12, 5.0, 1.0 / 1.2, 0.0001))]);
    let of = |found: &Comparison| found.metrics[0].found.clone().unwrap();
    assert!((of(&slower).ratio * of(&fewer).ratio - 1.0).abs() < 0.01);
    assert_eq!((slower.call, fewer.call), (Call::Regression, Call::Regression));
}

#[test]
fn few_pairs_say_nothing_however_clear_they_are() {
    for count in 0..LEAST_PAIRS {
        let found = of(vec![metric("p50_ms", Better::Lower, Some(0.05), pairs(count, 5.0, 2.0, 0.01))]);
        assert_eq!((found.call, found.metrics[0].found.clone()), (Call::Inconclusive, None), "{count}");
        assert!(
            !found.verdict.valid && found.verdict.reasons[0].contains("are needed"),
            "{:?}",
            found.verdict
        );
    }
    assert_eq!(of(Vec::new()).call, Call::Inconclusive);
}

#[test]
fn what_only_explains_decides_nothing() {
    let worse = metric("cpu_us.app", Better::Lower, None, pairs(12, 100.0, 1.3, 0.01));
    let same = metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 5.0, 1.0, 0.01));
    assert_eq!(of(vec![worse, same]).call, Call::Pass);
}

#[test]
fn a_change_that_is_the_generators_is_not_called_the_targets() {
    let time = |ratio| metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 5.0, ratio, 0.01));
    let lag = |base, ratio| metric("late_p50_ms", Better::Lower, None, pairs(12, base, ratio, 0.01));
    for (time, lag, expected) in [
        // By 1 ms, of which the lateness is a tenth, nearly all, nothing, and the other way.
        (time(1.2), lag(0.1, 2.0), Call::Regression),
        (time(1.2), lag(0.1, 9.0), Call::Inconclusive),
        (time(1.2), lag(3.0, 1.0), Call::Regression),
        (time(1.2), lag(2.0, 0.5), Call::Regression),
        (time(0.8), lag(2.0, 0.5), Call::Inconclusive),
        (time(0.8), lag(2.0, 1.5), Call::Improvement),
        (time(1.0), lag(0.1, 9.0), Call::Pass),
        // A target that is slower by as much as the generator was less late looks the same.
        (time(1.0), lag(0.8, 0.1), Call::Inconclusive),
        (time(1.0), lag(0.05, 0.1), Call::Pass),
    ] {
        let found = of(vec![time, lag]);
        let doubted = expected == Call::Inconclusive;
        assert_eq!((found.call, found.metrics[0].doubt.is_some()), (expected, doubted), "{found:?}");
        assert_eq!(found.verdict.reasons.iter().any(|reason| reason.contains("the generator")), doubted);
    }
}

#[test]
fn failures_in_a_few_runs_are_not_passed() {
    let answered = |failed: usize, of: f64, control: usize| {
        let pair = |n: usize, failed: usize| Pair {
            name: n.to_string(),
            base: 1.0,
            candidate: if n < failed { of } else { 1.0 },
        };
        let mut metric = metric("answered", Better::Higher, Some(0.001), Vec::new());
        metric.pairs = (0..12).map(|n| pair(n, failed)).collect();
        metric.control = (0..12).map(|n| pair(n, control)).collect();
        of_one(metric)
    };
    for (failed, of, control, expected) in [
        (0, 0.5, 0, Call::Pass),
        (1, 0.5, 0, Call::Pass),
        (2, 0.5, 0, Call::Inconclusive),
        (12, 0.5, 0, Call::Regression),
        // A run in which nothing is answered is more than a few failures, and two are no accident.
        (1, 0.01, 0, Call::Inconclusive),
        (2, 0.01, 0, Call::Regression),
        (2, 0.01, 2, Call::Pass),
        // Less than may be, and what base and base have, too.
        (2, 0.9995, 0, Call::Pass),
        (2, 0.5, 2, Call::Pass),
    ] {
        let found = answered(failed, of, control);
        assert_eq!(found.call, expected, "{failed} {of} {control}: {found:?}");
        let said = found.verdict.reasons.iter().any(|reason| reason.contains("failed requests"));
        assert_eq!(said, expected == Call::Inconclusive);
        let named = finding(&found).contains("in 2 runs of 12 the candidate failed");
        assert_eq!(named, expected == Call::Regression && failed == 2, "{}", finding(&found));
    }
}

#[test]
fn a_candidate_that_is_far_slower_in_a_few_runs_is_not_passed() {
    let slow = |many: usize, control: usize| {
        let mut metric = metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 30.0, 1.0, 0.001));
        metric.control = pairs(12, 30.0, 1.0, 0.001);
        metric.pairs.iter_mut().take(many).for_each(|pair| pair.candidate *= 10.0);
        metric.control.iter_mut().take(control).for_each(|pair| pair.base *= 10.0);
        of_one(metric)
    };
    for (many, control, expected) in
        [(0, 0, Call::Pass), (1, 0, Call::Pass), (2, 0, Call::Inconclusive), (2, 2, Call::Pass)]
    {
        let found = slow(many, control);
        assert_eq!(found.call, expected, "{many} {control}: {found:?}");
        let said = found.verdict.reasons.iter().any(|reason| reason.contains("times as long"));
        assert_eq!(said, expected == Call::Inconclusive);
    }
}

#[test]
fn what_is_worse_than_was_asked_for_is_not_passed_for_the_controls_noise() {
    let mut metric = metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 10.0, 1.07, 0.001));
    metric.control = pairs(12, 10.0, 1.0, 0.001);
    assert_eq!(of_one(metric.clone()).call, Call::Regression);
    metric.control.iter_mut().step_by(2).for_each(|pair| pair.candidate *= 1.083);
    let found = of_one(metric);
    assert_eq!(found.call, Call::Inconclusive);
    let why = &found.verdict.reasons[0];
    assert!(why.contains("which is more than 5 %, but base and base differ by up to 8."), "{why}");
}

#[test]
fn how_many_pairs_are_needed_is_said_before_they_are_there() {
    let worse = |count, name: &str| metric(name, Better::Lower, Some(0.05), pairs(count, 5.0, 1.3, 0.01));
    let found =
        of(vec![worse(8, "p50_ms"), worse(8, "p99_ms"), worse(8, "cpu_us.app"), worse(8, "cpu_us.db")]);
    assert!(
        found.verdict.reasons[0].ends_with("10 pairs are needed, and there are 8"),
        "{:?}",
        found.verdict
    );
    let found = of(vec![worse(3, "p50_ms"), worse(3, "p99_ms")]);
    assert!(found.verdict.reasons[0].ends_with("3 pairs, and 9 are needed"), "{:?}", found.verdict);
}

#[test]
fn a_tier_that_is_too_noisy_takes_nothing_from_what_users_feel() {
    let p50 = |noise| metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 5.0, 1.0, noise));
    let cpu = |noise| metric("cpu_us.app", Better::Lower, Some(0.05), pairs(12, 300.0, 1.0, noise));
    let found = of(vec![p50(0.01), cpu(0.5)]);
    assert_eq!((found.call, found.metrics[1].call), (Call::Pass, Call::Inconclusive), "{found:?}");
    assert!(found.verdict.reasons[0].starts_with("not judged: cpu_us.app"), "{:?}", found.verdict);
    assert!(!finding(&found).contains("cpu_us.app"));
    assert_eq!(of(vec![p50(0.5), cpu(0.01)]).call, Call::Inconclusive);
    assert_eq!(of(vec![cpu(0.5)]).call, Call::Inconclusive);
    // What is much worse in nearly all of too few pairs is more than noise.
    let clear = metric("cpu_us.app", Better::Lower, Some(0.05), pairs(8, 300.0, 1.3, 0.01));
    assert_eq!(of(vec![p50(0.01), clear]).call, Call::Inconclusive);
    // One that the candidate has lost is not noise.
    let lost = metric("cpu_us.app", Better::Lower, Some(0.05), Vec::new());
    assert_eq!(of(vec![p50(0.01), lost]).call, Call::Inconclusive);
}

#[test]
fn more_metrics_need_better_evidence() {
    // Eight pairs of one sign are 1/256, which is enough for one metric and not for two.
    let slower = || metric("p50_ms", Better::Lower, Some(0.05), pairs(8, 5.0, 1.2, 0.01));
    assert_eq!(of(vec![slower()]).call, Call::Regression);
    let same = metric("p99_ms", Better::Lower, Some(0.1), pairs(8, 9.0, 1.0, 0.01));
    let found = of(vec![slower(), same]);
    assert_eq!(found.metrics[0].call, Call::Inconclusive);
    let why = &found.verdict.reasons[0];
    assert!(why.contains(", of which p, 0.00781, is not below 0.005: "), "{why}");
    let known = found.metrics[0].found.clone().unwrap();
    assert!((known.p_worse - 1.0 / 256.0).abs() < 1e-12 && (known.adjusted[0] - 2.0 / 256.0).abs() < 1e-12);
}

#[test]
fn what_does_not_scatter_is_seen_as_soon_as_it_counts() {
    let same = |delta| metric("answered", Better::Higher, Some(delta), pairs(12, 1.0, 1.0, 0.0));
    for delta in [0.001, 0.05] {
        let seen = of(vec![same(delta)]).metrics[0].found.clone().and_then(|known| known.detectable).unwrap();
        assert!((delta..delta + 1e-4).contains(&seen), "{seen} of {delta}");
    }
}

#[test]
fn a_delta_is_never_under_the_floor() {
    let mut slower = metric("p50_ms", Better::Lower, Some(0.05), pairs(12, 5.0, 1.08, 0.005));
    assert_eq!(of(vec![slower.clone()]).call, Call::Regression);
    // Base and base differ by a tenth: 8 % is nothing.
    slower.control = pairs(12, 5.0, 1.095, 0.001);
    let found = of(vec![slower.clone()]);
    let known = found.metrics[0].found.clone().unwrap();
    assert!(known.floor.unwrap() > 0.09 && known.delta == known.floor.unwrap());
    // It is no regression, and all of it is worse than was asked for.
    assert_eq!(found.call, Call::Inconclusive);
    // By a quarter: then nothing can be seen that was asked for, and passing would be a promise.
    slower.control = pairs(12, 5.0, 1.25, 0.001);
    let found = of(vec![slower]);
    assert_eq!(found.call, Call::Inconclusive);
    assert!(found.verdict.reasons[0].contains("base and base differ"), "{:?}", found.verdict.reasons);
}

#[test]
fn a_change_is_explained_by_what_moved_with_it() {
    let slower = made(Made::Slower);
    assert_eq!(slower.attribution.len(), 1, "{:?}", slower.attribution);
    let said = &slower.attribution[0];
    assert!(said.starts_with("ceiling -") && said.contains(": app CPU per request +"), "{said}");
    assert!(!said.contains("dns"), "{said}");
    let mut unexplained = slower;
    unexplained.metrics.retain(|metric| !metric.name.starts_with("cpu_us.app"));
    conclude(&mut unexplained);
    assert!(
        unexplained.attribution[0].contains("nothing that the tiers say"),
        "{:?}",
        unexplained.attribution
    );
    assert!(made(Made::Same).attribution.is_empty());
}

#[test]
fn each_kind_is_called_what_it_is() {
    for (which, expected) in [
        (Made::Slower, Call::Regression),
        (Made::Same, Call::Pass),
        (Made::Better, Call::Improvement),
        (Made::Noisy, Call::Inconclusive),
        (Made::Few, Call::Inconclusive),
        (Made::Empty, Call::Inconclusive),
    ] {
        let found = made(which);
        assert_eq!(found.call, expected, "{which:?}: {:?}", found.verdict);
        assert_eq!(found.verdict.valid, expected != Call::Inconclusive);
        assert!(!finding(&found).is_empty());
    }
}

/// A normal variate (Box and Muller, 1958).
fn normal(random: &mut SplitMix) -> f64 {
    let uniform = |random: &mut SplitMix| ((random.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let (a, b) = (uniform(random), uniform(random));
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// Five metrics of so many pairs that scatter by `sd`, of which the first one's candidate is `ratio` times the base.
fn night(random: &mut SplitMix, ratio: f64, sd: f64) -> Vec<Metric> {
    let mut drawn = |ratio: f64| -> Vec<Pair> {
        let pair = |n: usize| {
            let mut value = || (sd * normal(random)).exp();
            Pair { name: n.to_string(), base: value(), candidate: ratio * value() }
        };
        (0..12).map(pair).collect()
    };
    let metrics = (0..5).map(|n| Metric {
        control: drawn(1.0),
        ..metric(&format!("m{n}"), Better::Lower, Some(0.05), drawn(if n == 0 { ratio } else { 1.0 }))
    });
    let mut metrics: Vec<Metric> = metrics.collect();
    judge(&mut metrics, LEAST_PAIRS, ALPHA);
    metrics
}

#[test]
fn false_alarms_are_as_rare_as_promised_and_what_could_be_seen_is_seen() {
    let mut random = SplitMix::new(7);
    let nights = 300;
    let alarms = (0..nights).filter(|_| together(&night(&mut random, 1.0, 0.05)) == Call::Regression).count();
    // At most one in 200, whatever the noise: of 300 seven are one time in ten thousand.
    assert!(alarms < 7, "{alarms}");
    let found = of(night(&mut random, 1.0, 0.03));
    let detectable = found.metrics[0].found.clone().and_then(|known| known.detectable).unwrap();
    assert!((0.05..0.2).contains(&detectable), "{detectable}");
    let seen =
        (0..100).filter(|_| night(&mut random, 1.0 + detectable, 0.03)[0].call == Call::Regression).count();
    // Said to be seen in four of five.
    assert!((60..=97).contains(&seen), "{seen} of 100 at {detectable}");
}
