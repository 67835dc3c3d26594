//! What p-values are worth when several are looked at together (S. Holm, "A simple sequentially rejective multiple test
//! procedure", Scandinavian Journal of Statistics 6, 1979). It assumes nothing of how they depend on each other.

/// `p`, adjusted, in the order given: who calls a change where an adjusted one is below alpha calls one where there is none
/// with the probability alpha at most, over all of them. The smallest is multiplied by how many there are, the next by
/// one less, and so on; none becomes smaller than one before it, or larger than 1. What is no number counts as 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let known: Vec<f64> = p.iter().map(|p| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }).collect();
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by(|a, b| known[*a].total_cmp(&known[*b]));
    let mut adjusted = known.clone();
    let mut least = 0.0_f64;
    for (before, index) in order.into_iter().enumerate() {
        least = least.max((known.len() - before) as f64 * known[index]).min(1.0);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_pays_for_all_of_them() {
        let near = |p: &[f64], want: &[f64]| {
            let found = holm(p);
            let same = found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(same && found.len() == want.len(), "{p:?}: {found:?}");
        };
        near(&[], &[]);
        near(&[0.03], &[0.03]);
        near(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
        // Equal ones stay equal, and none is above 1.
        near(&[0.2, 0.2, 0.9], &[0.6, 0.6, 0.9]);
        near(&[0.6, 0.7], &[1.0, 1.0]);
        near(&[f64::NAN, 0.01, -1.0, 2.0], &[1.0, 0.03, 0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn no_adjusted_value_is_smaller_and_none_overtakes(p in prop::collection::vec(0.0..=1.0_f64, 0..30)) {
            let adjusted = holm(&p);
            prop_assert_eq!(adjusted.len(), p.len());
            for (raw, one) in p.iter().zip(&adjusted) {
                // Never more than Bonferroni's.
                prop_assert!(raw <= one && *one <= (raw * p.len() as f64).min(1.0) + 1e-12);
                for (other_raw, other) in p.iter().zip(&adjusted) {
                    prop_assert!(raw > other_raw || one <= other);
                }
            }
        }

        #[test]
        fn the_order_given_does_not_matter(p in prop::collection::vec(0.0..=1.0_f64, 1..20), by in 0usize..20) {
            let by = by % p.len();
            let (mut turned, mut adjusted) = (p.clone(), holm(&p));
            turned.rotate_left(by);
            adjusted.rotate_left(by);
            prop_assert_eq!(holm(&turned), adjusted);
        }
    }
}
