//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): small, fast,
//! deterministic numbers from a seed. Given a seed, it gives the same sequence everywhere; never for secrets.

/// One sequence of numbers.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

/// The odd number nearest to 2^64 divided by the golden ratio: how far the state moves at each step.
pub(crate) const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer: neighbouring states come out far apart.
pub(crate) fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `random`, a uniform 64-bit number, brought into `0..bound` by multiplication (Lemire, 2019); its bias is below
/// bound / 2^64. A `bound` of 0 gives 0.
pub(crate) fn below(random: u64, bound: u32) -> u32 {
    ((u128::from(random) * u128::from(bound)) >> 64) as u32
}

impl SplitMix64 {
    /// The sequence of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// The next number of `0..bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        below(self.next(), bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut numbers = SplitMix64::new(1_234_567);
        let want = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([numbers.next(), numbers.next(), numbers.next()], want);
    }

    #[test]
    fn bounds_hold_at_both_ends() {
        assert_eq!((below(0, 7), below(u64::MAX, 7), below(u64::MAX, 0)), (0, 6, 0));
    }
}
