//! What a comparison could have seen: the smallest change that would have been called one, if the pairs scattered as they do. The pairs'
//! residuals are drawn again and again with a change added, and judged (the bootstrap's way to a power: Efron, Tibshirani, "An
//! introduction to the bootstrap", 1993, section 25.5).

use crate::analyse::statistics::bootstrap::median;
use crate::analyse::statistics::wilcoxon::signed_rank;
use crate::random::SplitMix;

/// How often pairs are drawn.
const DRAWS: usize = 200;
/// So many of them may be missed, one in five.
const MISSED_MOST: usize = DRAWS / 5;
/// No larger change is looked for: the logarithm of a doubling.
const MOST: f64 = std::f64::consts::LN_2;
/// So often the span in which the answer lies is halved: to less than a hundredth of a percent, since what may be is as little as a tenth.
const HALVINGS: usize = 14;
/// The same pairs have the same power.
const SEED: u64 = 1;

/// The smallest change for the worse, as a share, that would be called a regression in four of five comparisons whose pairs scatter as
/// `signed` do, where more than `delta` counts and `deciding` metrics share the p-value `alpha`. Where median and p-value say so, the
/// interval is clear of no change as good as always, and is not computed.
pub(super) fn detectable(signed: &[f64], delta: f64, alpha: f64, deciding: usize) -> Option<f64> {
    let middle = median(signed)?;
    let residuals: Vec<f64> = signed.iter().map(|value| value - middle).collect();
    // What decides alone has the smallest p-value of all, which is the one that is multiplied by their number.
    let alpha = alpha / deciding.max(1) as f64;
    let margin = (1.0 + delta).ln();
    let called = |draw: &[f64]| {
        median(draw).is_some_and(|middle| middle > margin)
            && signed_rank(draw).is_some_and(|test| test.p_greater < alpha)
    };
    let seen = |change: f64| {
        let mut random = SplitMix::new(SEED);
        let mut any = || residuals[(random.bits() % residuals.len() as u64) as usize] + change;
        let mut missed = 0;
        for _ in 0..DRAWS {
            let draw: Vec<f64> = residuals.iter().map(|_| any()).collect();
            missed += usize::from(!called(&draw));
            if missed > MISSED_MOST {
                return false;
            }
        }
        true
    };
    if !seen(MOST) {
        return None;
    }
    // No median lies beyond the margin in most draws before the change does.
    let (mut unseen, mut enough) = (margin.min(MOST), MOST);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(unseen, enough);
        *(if seen(middle) { &mut enough } else { &mut unseen }) = middle;
    }
    Some(enough.exp() - 1.0)
}
