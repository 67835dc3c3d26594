//! How far a sample reaches: from a histogram of times to percentiles in milliseconds, each only where the sample can
//! bound it, and distribution-free 95 % confidence intervals by order statistics. It assumes independent samples and
//! nothing about their distribution, and never fills a gap with a guess.

use crate::histogram::Histogram;
use crate::record::Distribution;
use std::collections::BTreeMap;

/// One minus the confidence of every interval here.
const ALPHA: f64 = 0.05;
/// Up to this size the binomial is summed exactly. Past it, p99 has over 200 samples above it and the normal
/// approximation's ranks are within one of the exact ones.
const EXACT_UP_TO: u64 = 20_000;
/// The standard normal's 97.5th percentile.
const Z: f64 = 1.959_963_984_540_054;
/// The histograms' nanoseconds in a millisecond.
pub(crate) const NS_PER_MS: f64 = 1e6;

/// `histogram` (nanoseconds) as a distribution in milliseconds. A percentile `q` is `None` below [`needed`]`(q)`
/// samples, the mean and the largest of nothing are `None`, and an interval is left out where its percentile is
/// `None` or no pair of ranks has 95 % coverage.
pub fn distribution(histogram: &Histogram) -> Distribution {
    let some = !histogram.is_empty();
    let ci95 = [("p50", 0.5), ("p99", 0.99)]
        .into_iter()
        .filter_map(|(name, q)| Some((name.to_owned(), confidence_ms(histogram, q)?)))
        .collect::<BTreeMap<_, _>>();
    Distribution {
        count: histogram.count(),
        mean: some.then(|| histogram.mean() / NS_PER_MS),
        p50: percentile_ms(histogram, 0.5),
        p90: percentile_ms(histogram, 0.9),
        p95: percentile_ms(histogram, 0.95),
        p99: percentile_ms(histogram, 0.99),
        p999: percentile_ms(histogram, 0.999),
        p9999: percentile_ms(histogram, 0.9999),
        max: some.then(|| histogram.max() as f64 / NS_PER_MS),
        ci95,
        ..Distribution::default()
    }
}

/// How many samples it takes to bound the percentile `q` (0 to 1) from above with 95 % confidence: the smallest n at
/// which the largest of n samples exceeds it with that probability, 1 - q^n >= 0.95 (Hahn & Meeker 1991, Statistical
/// Intervals, section 5.3.2; Conover 1999, Practical Nonparametric Statistics, section 3.3).
pub fn needed(q: f64) -> u64 {
    if q <= 0.0 {
        1
    } else if q < 1.0 {
        (ALPHA.ln() / q.ln()).ceil() as u64
    } else {
        u64::MAX
    }
}

/// The highest percentile (0 to 1) that `n` samples bound from above: the reverse of [`needed`]; 0 of none.
pub fn reach(n: u64) -> f64 {
    if n == 0 { 0.0 } else { (ALPHA.ln() / n as f64).exp() }
}

/// The percentile `q` (0 to 1) in milliseconds; `None` below [`needed`]`(q)` samples.
pub fn percentile_ms(histogram: &Histogram, q: f64) -> Option<f64> {
    (histogram.count() >= needed(q)).then(|| histogram.quantile(q) as f64 / NS_PER_MS)
}

fn confidence_ms(histogram: &Histogram, q: f64) -> Option<[f64; 2]> {
    if histogram.count() < needed(q) {
        return None;
    }
    let (low, high) = ranks(histogram.count(), q)?;
    Some([low, high].map(|rank| histogram.at_rank(rank) as f64 / NS_PER_MS))
}

/// The ranks (1-based) of the two order statistics of `n` samples that enclose the percentile `q` (0 to 1) with at
/// least 95 % confidence, as evenly split as the sample allows; `None` where no two do. With B samples at or below
/// the percentile, B ~ Binomial(n, q), ranks l < u have the coverage P(l <= B <= u - 1) (Hahn & Meeker 1991, section
/// 5.2; Conover 1999, section 3.2).
pub fn ranks(n: u64, q: f64) -> Option<(u64, u64)> {
    if n < 2 || !(q > 0.0 && q < 1.0) {
        None
    } else if n <= EXACT_UP_TO {
        exact_ranks(&cumulative_binomial(n, q))
    } else {
        Some(approximate_ranks(n, q))
    }
}

/// `cumulative[k]` = P(B <= k), for k = 0 to n - 1.
fn exact_ranks(cumulative: &[f64]) -> Option<(u64, u64)> {
    let n = cumulative.len();
    // The largest l with P(B <= l - 1) <= tail, and the smallest u with P(B >= u) <= tail; where they exist.
    let lower = |tail: f64| Some(cumulative.partition_point(|c| *c <= tail)).filter(|l| *l > 0);
    let upper = |tail: f64| Some(cumulative.partition_point(|c| 1.0 - c > tail) + 1).filter(|u| *u <= n);
    let (below_first, above_last) = (cumulative[0], 1.0 - cumulative[n - 1]);
    // In the corners one tail is larger than its half even at the last rank: the other has what is left.
    let (low, high) = match (lower(ALPHA / 2.0), upper(ALPHA / 2.0)) {
        (Some(low), Some(high)) => (low, high),
        (Some(_), None) => (lower(ALPHA - above_last)?, n),
        (None, Some(_)) => (1, upper(ALPHA - below_first)?),
        (None, None) => (below_first + above_last <= ALPHA).then_some((1, n))?,
    };
    Some((low as u64, high as u64))
}

/// By the normal approximation with continuity correction: P(B <= k) = Phi((k + 0.5 - n q) / sqrt(n q (1 - q))).
fn approximate_ranks(n: u64, q: f64) -> (u64, u64) {
    let centre = n as f64 * q + 0.5;
    let spread = Z * (n as f64 * q * (1.0 - q)).sqrt();
    let low = (centre - spread).floor().max(1.0) as u64;
    let high = (centre + spread).ceil() as u64;
    (low, high.min(n))
}

/// P(B <= k) for k = 0 to n - 1, B ~ Binomial(n, q). Summed from logarithms, for (1 - q)^n is below the smallest
/// float long before n is large.
pub(super) fn cumulative_binomial(n: u64, q: f64) -> Vec<f64> {
    let log_odds = (q / (1.0 - q)).ln();
    let mut log_probability = n as f64 * (1.0 - q).ln();
    let mut sum = 0.0;
    (0..n)
        .map(|k| {
            sum += log_probability.exp();
            log_probability += ((n - k) as f64 / (k + 1) as f64).ln() + log_odds;
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// P(B = k) for k = 0 to n by adding one Bernoulli trial after the other: slow, and by another way.
    fn brute_force_binomial(n: u64, q: f64) -> Vec<f64> {
        let mut probability = vec![1.0];
        for _ in 0..n {
            let mut next = vec![0.0; probability.len() + 1];
            for (k, p) in probability.iter().enumerate() {
                next[k] += p * (1.0 - q);
                next[k + 1] += p * q;
            }
            probability = next;
        }
        probability
    }

    fn coverage(probability: &[f64], (low, high): (u64, u64)) -> f64 {
        probability[low as usize..high as usize].iter().sum()
    }

    proptest! {
        #[test]
        fn ranks_cover_and_no_tighter_pair_on_either_side_does(n in 2..400u64, q in 0.01..0.999f64) {
            let probability = brute_force_binomial(n, q);
            match ranks(n, q) {
                Some((low, high)) => {
                    prop_assert!(1 <= low && low < high && high <= n);
                    prop_assert!(coverage(&probability, (low, high)) >= 0.95 - 1e-9);
                    let spare = coverage(&probability, (low + 1, high)).min(coverage(&probability, (low, high - 1)));
                    prop_assert!(spare < 0.975, "{spare}");
                }
                None => prop_assert!(coverage(&probability, (1, n)) < 0.95 + 1e-9),
            }
        }

        #[test]
        fn the_approximation_joins_the_exact_ranks(n in 10_000..EXACT_UP_TO, q in prop::sample::select(vec![0.5, 0.99])) {
            let (exact, near) = (ranks(n, q).unwrap(), approximate_ranks(n, q));
            prop_assert!(exact.0.abs_diff(near.0) <= 2 && exact.1.abs_diff(near.1) <= 2, "{exact:?} {near:?}");
        }
    }

    #[test]
    fn samples_needed() {
        let table = [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2_995), (0.9999, 29_956)];
        for (q, n) in table {
            assert_eq!(needed(q), n, "{q}");
            assert!(reach(n) >= q && reach(n - 1) < q, "{q}");
        }
        assert_eq!((needed(0.0), needed(1.0), reach(0)), (1, u64::MAX, 0.0));
    }

    #[test]
    fn a_percentile_is_left_out_where_the_sample_ends() {
        let mut histogram = Histogram::default();
        assert_eq!(distribution(&histogram), Distribution::default());
        for i in 1..=298u64 {
            histogram.record(i * 1_000_000);
        }
        let almost = distribution(&histogram);
        assert!(almost.p95.is_some() && almost.p99.is_none() && !almost.ci95.contains_key("p99"));
        histogram.record(299_000_000);
        let enough = distribution(&histogram);
        assert_eq!((enough.count, enough.p999), (299, None));
        let close = |got: Option<f64>, want: f64| (got.unwrap() - want).abs() <= want / 500.0;
        assert!(close(enough.p50, 150.0) && close(enough.p99, 297.0) && close(enough.max, 299.0));
        // Tables for the median: ranks 133 and 167 of 299. For p99, the last is needed and almost enough.
        assert!(close(Some(enough.ci95["p50"][0]), 133.0) && close(Some(enough.ci95["p50"][1]), 167.0));
        assert!(close(Some(enough.ci95["p99"][1]), 299.0));
    }
}
