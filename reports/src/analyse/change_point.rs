//! Where a series took another level: E-divisive (D. S. Matteson, N. A. James, "A nonparametric approach for multiple change
//! point analysis of multivariate data", JASA 109, 2014), as it is used on nightly measurements by D. Daly, W. Brown, H.
//! Ingo, J. O'Leary, D. Bradford, "The use of change point detection to identify software performance regressions in a
//! continuous integration system", ICPE 2020. It is given the values in their order and gives the changes; it knows nothing
//! of what they measure.
//!
//! The method compares the distances between values of two neighbouring parts with those within each; here the values
//! are their ranks within the part of the series that is looked at. The largest value is then the same whether it is large
//! by little or by far, so that an outlier, however large, is no more than the highest of any noise. A permutation test
//! says whether so large a difference comes by chance: it assumes that values of one level could have come in any order.

use crate::analyse::statistics::bootstrap::median;
use crate::analyse::statistics::ranks;
use crate::random::SplitMix;

/// Fewer values are no level: of 4 and 4 the two most different orders are 2 in (8 over 4) = 70, which is never as rare as
/// [`SIGNIFICANT`]; of 5 and 5 they are 2 in 252. And fewer would let two odd nights be one.
pub const LEAST: usize = 5;
/// A change is one where chance makes it at most so often. Stricter than the usual 0.05: a few metrics are looked at
/// every night, and each level again on its own.
pub const SIGNIFICANT: f64 = 0.01;
/// The orders that a level is tried in. One so rare as [`SIGNIFICANT`] is at most the fifth of 500.
const ORDERS: usize = 499;
/// What a difference of nothing can come to by rounding, with room: as a share of the cube of the number of values, which is
/// about the sum of all distances between their ranks.
const ROUNDING: f64 = 1e-12;

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The index of the first value of the new level.
    pub at: usize,
    /// The median of the level before it, which begins at the change before, ...
    pub before: f64,
    /// ... and that of the level that begins with it, up to the next change; both in the unit of the values.
    pub after: f64,
    /// How often chance makes so large a difference, at most [`SIGNIFICANT`].
    pub p: f64,
}

/// The changes of level in `values`, ascending; the same from the same `seed`. What is no finite number is passed over, and is
/// counted in [`ChangePoint::at`] all the same. A level has at least [`LEAST`] values, so that fewer than twice
/// as many have no change. The time it takes grows with the square of their number.
pub fn change_points(values: &[f64], seed: u64) -> Vec<ChangePoint> {
    let known = || values.iter().enumerate().filter(|(_, v)| v.is_finite());
    let (indices, series): (Vec<usize>, Vec<f64>) = known().unzip();
    let mut found = Vec::new();
    divide(&series, 0, &mut SplitMix::new(seed), &mut found);
    found.sort_by_key(|(at, _)| *at);
    let end = |n: usize| found.get(n).map_or(series.len(), |(at, _)| *at);
    let change = |n: usize| {
        let (at, p) = found[n];
        let start = n.checked_sub(1).map_or(0, end);
        let [before, after] = [median(&series[start..at])?, median(&series[at..end(n + 1)])?];
        Some(ChangePoint { at: indices[at], before, after, p })
    };
    (0..found.len()).filter_map(change).collect()
}

/// Looks for a change in `part`, which begins at the index `from`, and then on both sides of it.
fn divide(part: &[f64], from: usize, random: &mut SplitMix, found: &mut Vec<(usize, f64)>) {
    let Some((at, p)) = change(part, random) else { return };
    found.push((from + at, p));
    divide(&part[..at], from, random, found);
    divide(&part[at..], from + at, random, found);
}

/// The greatest change of level in `part`, as the number of values before it, with its p-value; `None` where it is none.
fn change(part: &[f64], random: &mut SplitMix) -> Option<(usize, f64)> {
    let mut order: Vec<f64> = ranks::doubled(part).into_iter().map(|rank| rank as f64).collect();
    let (at, greatest) = greatest(&order)?;
    let nothing = ROUNDING * (part.len() as f64).powi(3);
    if greatest <= nothing {
        return None;
    }
    let mut as_great = 1;
    for _ in 0..ORDERS {
        shuffle(&mut order, random);
        as_great += usize::from(self::greatest(&order)?.1 >= greatest - nothing);
        // It is decided (J. Besag, P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991).
        if share(as_great) > SIGNIFICANT {
            return None;
        }
    }
    Some((at, share(as_great)))
}

/// The p-value, the order that was found being one of them.
fn share(as_great: usize) -> f64 {
    as_great as f64 / (ORDERS + 1) as f64
}

/// Of all pairs of neighbours, the first m values and the n after them, those that differ most: m, and how much by equation
/// 7 of Matteson and James with alpha = 1,
/// `m n / (m + n) (2 B / (m n) - W / (m over 2) - V / (n over 2))`, in which B, W and V are the sums of the distances
/// between the two, within the first and within the second. What lies behind the second is not looked at, so that a
/// level that is left again is seen too. `None` where there is no such pair.
fn greatest(values: &[f64]) -> Option<(usize, f64)> {
    // By m: the sum of the distances within the first m, and that between them and what has come after them.
    // As slices, which a test's build indexes several times faster than vectors.
    let within: &mut [f64] = &mut vec![0.0; values.len() + 1];
    let between: &mut [f64] = &mut vec![0.0; values.len() + 1];
    let per_value: &[f64] = &(0..=values.len()).map(|n| 1.0 / (n as f64 - 1.0)).collect::<Vec<_>>();
    let mut best: Option<(usize, f64)> = None;
    for (last, value) in values.iter().enumerate() {
        let mut distances = 0.0;
        for (other, between) in values[..last].iter().zip(&mut between[1..]) {
            distances += (value - other).abs();
            *between += distances;
        }
        let (count, whole) = (last + 1, within[last] + distances);
        within[count] = whole;
        let (mut at, mut most) = (0, f64::NEG_INFINITY);
        for m in LEAST..(count + 1).saturating_sub(LEAST) {
            let n = count - m;
            let first = within[m] * n as f64 * per_value[m];
            let second = (whole - within[m] - between[m]) * m as f64 * per_value[n];
            // The equation's difference times (m + n) / 2, which is the same for all m.
            let apart = between[m] - first - second;
            if apart > most {
                (at, most) = (m, apart);
            }
        }
        let difference = 2.0 * most / count as f64;
        if at > 0 && best.is_none_or(|(_, most)| difference > most) {
            best = Some((at, difference));
        }
    }
    best
}

/// Fisher and Yates.
fn shuffle(values: &mut [f64], random: &mut SplitMix) {
    for n in (1..values.len()).rev() {
        let other = (random.bits() % (n as u64 + 1)) as usize;
        values.swap(n, other);
    }
}

#[cfg(test)]
#[path = "change_point_tests.rs"]
mod tests;
