//! Whole numbers of which the first is the most popular, by Zipf's law: the k-th is drawn in proportion to 1 / k^s. Given random bits it
//! gives a rank, exactly by that law for any number of ranks, without a table: by rejection-inversion (Hörmann and Derflinger,
//! "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6, 1996).

use super::random;
use reports::random::SplitMix;

/// The law, with what all draws need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Zipf {
    /// How many ranks there are.
    ranks: u64,
    exponent: f64,
    /// The integral of the hat from its beginning, and at its end.
    begin: f64,
    end: f64,
    /// A rank this far from its point is taken without a look.
    near: f64,
}

/// Ranks and twice as many are told apart as floating-point numbers.
pub(super) const MOST_RANKS: u64 = 1 << 50;
/// With more than this, all but the first rank are as good as never drawn.
pub(super) const MOST_EXPONENT: f64 = 20.0;

impl Zipf {
    /// Over the ranks from 1 to `ranks`, of which there is one at least and [`MOST_RANKS`] at most; with an `exponent` from 0, which
    /// makes all of them as likely, to [`MOST_EXPONENT`].
    pub(super) fn new(ranks: u64, exponent: f64) -> Self {
        let law = Self { ranks, exponent, begin: 0.0, end: 0.0, near: 0.0 };
        Self {
            begin: law.integral(1.5) - 1.0,
            end: law.integral(ranks as f64 + 0.5),
            near: 2.0 - law.inverse(law.integral(2.5) - law.weight(2.0)),
            ..law
        }
    }

    /// The rank for these random bits, from 1 on.
    pub(super) fn rank(&self, key: u64) -> u64 {
        let mut random = SplitMix::new(key);
        // Two draws in the worst case are enough in the mean (1996, table III); each is taken with more than an even chance.
        loop {
            let at = self.end + random::unit(random.bits()) * (self.begin - self.end);
            let point = self.inverse(at);
            let rank = point.round().clamp(1.0, self.ranks as f64);
            if rank - point <= self.near || at >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u64;
            }
        }
    }

    /// The weight of a rank: x^-s.
    fn weight(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The integral of the weight from 1 to `x`: (x^(1-s) - 1) / (1 - s), and ln x where s is 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let exponent = (1.0 - self.exponent) * log;
        // exp(y) - 1 over y, by its series where that is next to 0 over 0.
        let ratio = if exponent.abs() > 1e-8 { exponent.exp_m1() / exponent } else { 1.0 + exponent / 2.0 };
        ratio * log
    }

    /// Where the integral is `area`.
    fn inverse(&self, area: f64) -> f64 {
        // Rounding may lead below the pole.
        let scaled = (area * (1.0 - self.exponent)).max(-1.0);
        let ratio = if scaled.abs() > 1e-8 { scaled.ln_1p() / scaled } else { 1.0 - scaled / 2.0 };
        (ratio * area).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::{Draw, draw};
    use super::*;
    use proptest::prelude::*;

    /// How often each rank is drawn, of so many draws.
    fn counts(law: &Zipf, seed: u64, draws: u64) -> Vec<u64> {
        let mut counts = vec![0; law.ranks as usize];
        (0..draws).for_each(|n| counts[law.rank(draw(seed, Draw::Value, &[n])) as usize - 1] += 1);
        counts
    }

    /// The probability of each rank, by the definition.
    fn exact(ranks: u64, exponent: f64) -> Vec<f64> {
        let weights: Vec<f64> = (1..=ranks).map(|rank| (rank as f64).powf(-exponent)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    #[test]
    fn ranks_are_drawn_as_often_as_the_law_says() {
        const DRAWS: u64 = 200_000;
        for (ranks, exponent) in [(1, 1.0), (2, 1.0), (10, 0.0), (10, 0.7), (100, 1.0), (100, 1.3), (30, 3.0)]
        {
            let counts = counts(&Zipf::new(ranks, exponent), 1, DRAWS);
            let expected = exact(ranks, exponent).into_iter().map(|share| share * DRAWS as f64);
            // Pearson's statistic over the ranks that are drawn at all: its mean is their number, its variance twice that.
            let (chi2, many) = counts
                .iter()
                .zip(expected)
                .filter(|(_, e)| *e >= 5.0)
                .fold((0.0, 0.0), |(sum, many), (n, e)| (sum + (*n as f64 - e).powi(2) / e, many + 1.0));
            assert!(chi2 < many + 5.0 * f64::sqrt(2.0 * many) + 5.0, "{ranks} {exponent}: {chi2} of {many}");
            assert_eq!(counts.iter().sum::<u64>(), DRAWS);
        }
    }

    #[test]
    fn the_integral_and_its_inverse_belong_together() {
        for exponent in [0.0, 0.5, 0.999_999_999, 1.0, 1.000_000_001, 1.5, 5.0] {
            let law = Zipf::new(1000, exponent);
            for x in [0.6, 1.0, 1.5, 2.0, 7.25, 100.0] {
                let again = law.inverse(law.integral(x));
                assert!((again / x - 1.0).abs() < 1e-6, "{exponent} {x}: {again}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_rank_is_one_of_those_there_are_and_comes_again(
            ranks in 1..=MOST_RANKS, exponent in 0.0..=MOST_EXPONENT, key: u64,
        ) {
            let law = Zipf::new(ranks, exponent);
            let rank = law.rank(key);
            prop_assert!((1..=ranks).contains(&rank));
            prop_assert_eq!(Zipf::new(ranks, exponent).rank(key), rank);
        }

        #[test]
        fn the_more_popular_is_drawn_more_often(ranks in 2u64..200, exponent in 0.8..2.0, seed: u64) {
            let counts = counts(&Zipf::new(ranks, exponent), seed, 4_000);
            let (first, others) = counts.split_first().unwrap();
            let last = others.last().unwrap();
            prop_assert!(first > last, "{counts:?}");
        }
    }
}
