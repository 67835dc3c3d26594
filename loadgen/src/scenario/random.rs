//! Chance without state. Given the seed and what a number is drawn for, it gives the number: the same for any number of
//! threads, in whatever order sessions go on, and again when a request is encoded a second time.

use reports::random::SplitMix;

/// What a number is drawn for, so that no two draws of a session depend on each other.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Draw {
    /// Which interaction a user begins.
    Interaction = 1,
    /// How long a user thinks.
    Think,
    /// Whether a user stays.
    Stay,
    /// Which row of a file a session is given.
    Row,
    /// What a generator gives.
    Value,
}

/// 64 random bits for `what`; `parts` say whose they are. Each part goes through SplitMix64's finalizer, which is a
/// bijection that mixes well, so that neighbouring sessions share nothing.
pub(super) fn draw(seed: u64, what: Draw, parts: &[u64]) -> u64 {
    let mix = |mixed: u64, part: &u64| SplitMix::new(mixed ^ part).bits();
    parts.iter().fold(mix(mix(0, &seed), &(what as u64)), mix)
}

/// A number from 0 to `n` - 1: multiply and shift (Lemire, 2019).
pub(super) fn below(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

/// A number in (0, 1], of which the logarithm is finite.
pub(super) fn unit(random: u64) -> f64 {
    ((random >> 11) + 1) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn draws_differ_in_every_part_and_come_again() {
        let mut seen = BTreeSet::new();
        for seed in 0..4 {
            for what in [Draw::Interaction, Draw::Think, Draw::Value] {
                for (index, visit) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)] {
                    assert!(seen.insert(draw(seed, what, &[index, visit])));
                    assert!(seen.contains(&draw(seed, what, &[index, visit])));
                }
            }
        }
    }

    #[test]
    fn neighbouring_sessions_are_spread_evenly() {
        let mut counts = [0u32; 10];
        (0..10_000).for_each(|index| counts[below(draw(1, Draw::Row, &[index]), 10) as usize] += 1);
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }
}
