//! Whether differences lie about zero: the signed-rank test (F. Wilcoxon, "Individual comparisons by ranking methods",
//! Biometrics Bulletin 1, 1945). It assumes that the differences are independent and, where nothing has changed, as
//! likely to have the one sign as the other.

use super::ranks;
use std::f64::consts::PI;

/// Up to so many differences all signs are counted; past them the normal approximation is as good.
const EXACT_UP_TO: usize = 200;

/// What the signs and the ranks of differences say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRank {
    /// How many differences are not zero; the others are left out.
    pub n: usize,
    /// The sum of the ranks of the positive ones, by magnitude; equal magnitudes have the mean of their ranks.
    pub w_plus: f64,
    /// The probability of a `w_plus` so large or larger where nothing has changed: against a shift above zero.
    pub p_greater: f64,
    /// That of one so small or smaller: against a shift below zero.
    pub p_less: f64,
}

/// The test of `differences`, one-sided both ways; `None` where none of them differs from zero, or one is no finite number.
///
/// Up to 200 differences the p-values are shares of all 2^n signs, with ties as well (B. Streitberg, J. Roehmel,
/// "Exact distributions for permutations and rank tests", Statistical Software Newsletter 12, 1986); past them they are those of a normal variable with the variance by ties and the correction for continuity.
pub fn signed_rank(differences: &[f64]) -> Option<SignedRank> {
    if !differences.iter().all(|d| d.is_finite()) {
        return None;
    }
    let left: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if left.is_empty() {
        return None;
    }
    let magnitudes: Vec<f64> = left.iter().map(|d| d.abs()).collect();
    let ranks = ranks::doubled(&magnitudes);
    let positive = ranks.iter().zip(&left).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let [p_greater, p_less] =
        if left.len() <= EXACT_UP_TO { exact(&ranks, positive) } else { approximate(&ranks, positive) };
    Some(SignedRank { n: left.len(), w_plus: positive as f64 / 2.0, p_greater, p_less })
}

/// The shares of all signs with which the sum of the positive `ranks` is at least, and at most, `sum`.
fn exact(ranks: &[usize], sum: usize) -> [f64; 2] {
    let mut shares = vec![0.0; ranks.iter().sum::<usize>() + 1];
    shares[0] = 1.0;
    let mut highest = 0;
    for rank in ranks {
        highest += rank;
        // Downwards, so that each sum is made of those without this rank.
        for of in (0..=highest).rev() {
            let with = of.checked_sub(*rank).map_or(0.0, |without| shares[without]);
            shares[of] = (shares[of] + with) / 2.0;
        }
    }
    [&shares[sum..], &shares[..=sum]].map(|tail| tail.iter().sum::<f64>().min(1.0))
}

/// The same of a normal variable. A sum of ranks r, each with an even chance, has the variance of their squares' sum over
/// four, whether or not there are ties.
fn approximate(ranks: &[usize], sum: usize) -> [f64; 2] {
    let mean = ranks.iter().sum::<usize>() as f64 / 2.0;
    let deviation = ranks.iter().map(|rank| (*rank as f64).powi(2)).sum::<f64>().sqrt() / 2.0;
    let above = sum as f64 - mean;
    // Half a rank towards the middle is 1 here, where ranks are doubled.
    [above, -above].map(|distance| upper_tail((distance - 1.0) / deviation))
}

/// The probability of a standard normal variable above `z`: near 0 by a series (G. Marsaglia, "Evaluating the normal
/// distribution", Journal of Statistical Software 11, 2004), further out by Laplace's continued fraction (Abramowitz and
/// Stegun, "Handbook of Mathematical Functions", 1964, 26.2.14).
fn upper_tail(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z.abs() > 3.0 {
        let fraction = (1..=60).rev().fold(0.0, |below, k| f64::from(k) / (z.abs() + below));
        let tail = density / (z.abs() + fraction);
        return if z > 0.0 { tail } else { 1.0 - tail };
    }
    let (mut sum, mut term) = (z, z);
    for k in 1..60 {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 - density * sum
}

#[cfg(test)]
#[path = "wilcoxon_tests.rs"]
mod tests;
