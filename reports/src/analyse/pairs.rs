//! What measuring in pairs has come to: how many of the pairs can be compared, and why the others cannot.

use super::compare::ALPHA;
use crate::number::counted;
use crate::pairs::{BASE, CANDIDATE, Pairs};

/// Concludes from the runs in `found`, in place of whatever was concluded before.
pub fn conclude(found: &mut Pairs) {
    let valid = |pair: &u32| {
        [BASE, CANDIDATE].iter().all(|arm| found.run_of(arm, *pair).is_some_and(|run| run.valid))
    };
    let valid_pairs = (1..=found.pairs).filter(valid).count() as u64;
    let wanted = counted(found.pairs.into(), "pair");
    let mut reasons = Vec::new();
    if valid_pairs == 0 {
        reasons.push(format!("none of {wanted} is valid"));
    } else if valid_pairs < u64::from(found.pairs) {
        reasons.push(format!("{valid_pairs} of {wanted} are valid"));
    }
    if found.partial {
        reasons.push(String::from("it was cut short"));
    }
    found.valid_pairs = u32::try_from(valid_pairs).unwrap_or(u32::MAX);
    found.verdict.valid = valid_pairs > 0 && !found.partial;
    found.verdict.reasons = reasons;
}

/// What is needed for a comparison that says something, where so many valid pairs may be too few.
pub fn few_pairs(pairs: u32) -> Option<String> {
    let [two, four, seven] = [2, 4, 7].map(least_pairs);
    (pairs < four).then(|| {
        format!(
            "to find a difference a comparison needs {two} valid pairs where 2 metrics decide, {four} where 4 do, {seven} where 7 do"
        )
    })
}

/// The fewest pairs with which one of so many metrics that decide can differ: the smallest p-value of the signed ranks of n pairs is
/// 1/2^n, and the first of the metrics has to be below its share of the level (Holm 1979).
fn least_pairs(metrics: u32) -> u32 {
    (1..).find(|n| f64::from(metrics) * 0.5_f64.powi(*n) < ALPHA).map_or(0, i32::unsigned_abs)
}

/// A pair on a line, such as `pair 3 of 12: base p50 4.1 ms, candidate 4.6 ms`.
pub fn pair_in_words(found: &Pairs, pair: u32) -> String {
    let mut parts = Vec::new();
    for arm in &found.arms {
        let Some(run) = found.run_of(&arm.name, pair) else { continue };
        let what = if parts.is_empty() { "p50 " } else { "" };
        let p50 = run.p50_ms.map_or_else(|| String::from("none"), crate::number::ms);
        let invalid = if run.valid { "" } else { " (INVALID)" };
        parts.push(format!("{} {what}{p50}{invalid}", arm.name));
    }
    format!("pair {pair} of {}: {}", found.pairs, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::{Arm, Kind, Made};

    fn made(arm: &str, pair: u32, attempt: u32, valid: bool) -> Made {
        let p50_ms = Some(4.1 * f64::from(attempt));
        Made { arm: arm.into(), pair, attempt, valid, p50_ms, ..Made::default() }
    }

    fn found(runs: Vec<Made>) -> Pairs {
        let arm = |name: &str| Arm { name: name.into(), ..Arm::default() };
        let mut found = Pairs { pairs: 2, arms: vec![arm(BASE), arm(CANDIDATE)], runs, ..Pairs::default() };
        conclude(&mut found);
        found
    }

    #[test]
    fn the_last_attempt_counts_and_both_arms_have_to_be_valid() {
        let both = |pair, valid| [made(BASE, pair, 1, true), made(CANDIDATE, pair, 1, valid)];
        for (runs, valid_pairs, reasons) in [
            ([both(1, true), both(2, true)].concat(), 2, vec![]),
            ([both(1, true), both(2, false)].concat(), 1, vec!["1 of 2 pairs are valid"]),
            (
                [both(1, true).to_vec(), both(2, false).to_vec(), vec![made(CANDIDATE, 2, 2, true)]].concat(),
                2,
                vec![],
            ),
            ([both(1, false), both(2, false)].concat(), 0, vec!["none of 2 pairs is valid"]),
            (vec![made(CANDIDATE, 1, 1, true)], 0, vec!["none of 2 pairs is valid"]),
        ] {
            let found = found(runs);
            assert_eq!(
                (found.valid_pairs, &found.verdict.reasons[..]),
                (valid_pairs, &reasons.iter().map(|s| String::from(*s)).collect::<Vec<_>>()[..])
            );
            assert_eq!(found.verdict.valid, valid_pairs > 0);
        }
        let mut cut = found([both(1, true), both(2, true)].concat());
        cut.partial = true;
        conclude(&mut cut);
        assert!(!cut.verdict.valid && cut.verdict.reasons == ["it was cut short"]);
    }

    #[test]
    fn a_comparison_of_few_pairs_says_nothing() {
        for (metrics, pairs) in [(1, 8), (2, 9), (4, 10), (7, 11)] {
            assert_eq!(least_pairs(metrics), pairs, "{metrics}");
        }
        assert!(few_pairs(9).unwrap().contains("needs 9 valid pairs where 2"));
        assert_eq!(few_pairs(10), None);
    }

    #[test]
    fn a_pair_is_a_line() {
        let search = Made { kind: Kind::Ceiling, ..made(BASE, 1, 1, false) };
        let found = found(vec![
            made(CANDIDATE, 1, 1, false),
            made(CANDIDATE, 1, 2, false),
            made(BASE, 1, 1, true),
            search,
        ]);
        assert_eq!(pair_in_words(&found, 1), "pair 1 of 2: base p50 4.1 ms, candidate 8.2 ms (INVALID)");
    }
}
