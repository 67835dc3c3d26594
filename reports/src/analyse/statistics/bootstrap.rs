//! How well a median is known: the bootstrap's percentile interval (B. Efron, "Bootstrap methods: another look at the
//! jackknife", Annals of Statistics 7, 1979), exactly. A resample draws as many values as there are, each of them with the
//! same chance; how its median is distributed follows from how many of its values lie below each (J. S. Maritz, R. G.
//! Jarrett, "A note on estimating the variance of the sample median", JASA 73, 1978), so that nothing is left to chance.

use crate::analyse::interval::cumulative_binomial;

/// What the 95 % interval leaves out at each end.
const TAIL: f64 = 0.025;
/// A share of all resamples that is not looked for: all of them together change no end.
const NEGLIGIBLE: f64 = 1e-20;

/// The median; of an even number the mean of the middle two. `None` of no values, or where one is no finite number.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values)?;
    let middle = sorted.len() / 2;
    let upper = sorted[middle];
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

/// The 95 % interval of the median of `values`, in their unit: no more than one in 40 of all n^n resamples has its median
/// below the first end, and no more than one in 40 above the second. `None` where there is no [`median`].
pub fn median_interval(values: &[f64]) -> Option<[f64; 2]> {
    Some(ends(&medians(&sorted(values)?), TAIL))
}

fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    let known = !values.is_empty() && values.iter().all(|v| v.is_finite());
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    known.then_some(sorted)
}

/// Of medians with their shares, ascending: the first up to which the shares are `tail`, from below and from above.
pub(super) fn ends(medians: &[(f64, f64)], tail: f64) -> [f64; 2] {
    let from = |towards: &mut dyn Iterator<Item = &(f64, f64)>| {
        let (mut sum, mut end) = (0.0, f64::NAN);
        for (median, share) in towards {
            (sum, end) = (sum + share, *median);
            if sum >= tail {
                break;
            }
        }
        end
    };
    [from(&mut medians.iter()), from(&mut medians.iter().rev())]
}

/// The medians of all resamples of `sorted`, ascending, each with its share of the resamples.
pub(super) fn medians(sorted: &[f64]) -> Vec<(f64, f64)> {
    let n = sorted.len();
    if n % 2 == 1 {
        let shares = shares_of_rank(n, n / 2 + 1);
        return sorted.iter().copied().zip(shares).collect();
    }
    // The middle two of a resample, the lower one of which is the i-th of `sorted`.
    let mut medians = Vec::new();
    for (i, share) in (1..).zip(shares_of_rank(n, n / 2)) {
        let mut left = share;
        for j in i + 1..=n {
            let apart = middle_two(n, i, j);
            if apart < NEGLIGIBLE {
                break;
            }
            medians.push((f64::midpoint(sorted[i - 1], sorted[j - 1]), apart));
            left -= apart;
        }
        medians.push((sorted[i - 1], left.max(0.0)));
    }
    medians.sort_by(|a, b| a.0.total_cmp(&b.0));
    medians
}

/// Of n sorted values, the shares of resamples whose `rank`-th smallest is the first, the second, and so on: that it is at
/// most the i-th means that at least `rank` of n draws, each with the chance i / n, are among the first i.
fn shares_of_rank(n: usize, rank: usize) -> Vec<f64> {
    let at_most = |i: usize| {
        let fewer = |i: usize| cumulative_binomial(n as u64, i as f64 / n as f64)[rank - 1];
        if i < n { 1.0 - fewer(i) } else { 1.0 }
    };
    let mut before = 0.0;
    (1..=n)
        .map(at_most)
        .map(|share| {
            let one = (share - before).max(0.0);
            before = share;
            one
        })
        .collect()
}

/// The share of resamples of an even number n of sorted values whose middle two are the i-th and the j-th, i < j: a half of the
/// draws is among the first i and not all of them below the i-th, the other half is among the last k = n - j + 1 and not all of
/// them above the j-th. With m = n / 2 this is (n over m) (i^m - (i - 1)^m) (k^m - (k - 1)^m) / n^n; it becomes less with j.
fn middle_two(n: usize, i: usize, j: usize) -> f64 {
    let (m, size, first, last) = (n as f64 / 2.0, n as f64, i as f64, (n - j + 1) as f64);
    // (n over m) / 2^n, of which neither part can be a float where n is large.
    let halves: f64 = (1..=n / 2).map(|k| 1.0 - 0.5 / k as f64).product();
    let not_all = |of: f64| 1.0 - ((of - 1.0) / of).powf(m);
    halves * (m * (4.0 * first * last / (size * size)).ln()).exp() * not_all(first) * not_all(last)
}

#[cfg(test)]
#[path = "bootstrap_tests.rs"]
mod tests;
