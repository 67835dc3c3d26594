//! Where a series changes its level. A stand-in: one split, where the medians of both sides lie further apart than their noise.

/// A change of the level of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The first value of the new level, from 0.
    pub at: usize,
    /// The level before it.
    pub before: f64,
    /// That from it on.
    pub after: f64,
    /// That there is none.
    pub p: f64,
}

/// The changes of `values`, in ascending order.
pub fn change_points(values: &[f64], _seed: u64) -> Vec<ChangePoint> {
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    };
    let spread = |values: &[f64]| {
        let middle = median(values);
        median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())
    };
    let around = |values: &[f64]| {
        let middle = median(values);
        values.iter().map(|value| (value - middle).abs()).sum::<f64>()
    };
    let split = |at: usize| {
        let (left, right) = values.split_at(at);
        let (before, after) = (median(left), median(right));
        let score = (after - before).abs() / (spread(left) + spread(right)).max(1e-9);
        (around(left) + around(right), score, ChangePoint { at, before, after, p: 0.001 })
    };
    let splits = (5..values.len().saturating_sub(4)).map(split);
    splits
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|best| best.1 > 4.0)
        .map(|best| best.2)
        .into_iter()
        .collect()
}
