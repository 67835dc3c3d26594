//! In which order the arms of each pair are measured: in blocks of two pairs, a random order and then the same backwards, so that what
//! drifts in the course of time is no arm's advantage (of two arms: ABBA or BAAB). A pure function.

use reports::random::SplitMix;

/// The arms of each of so many pairs, by number, in the order in which they are measured: of an odd number of pairs the last one has
/// no counterpart.
pub(super) fn orders(arms: usize, pairs: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = SplitMix::new(seed ^ 0xabba);
    let mut orders = Vec::with_capacity(pairs + 1);
    while orders.len() < pairs {
        let there = shuffled(arms, &mut random);
        let back = there.iter().rev().copied().collect();
        orders.extend([there, back]);
    }
    orders.truncate(pairs);
    orders
}

/// Fisher and Yates.
fn shuffled(arms: usize, random: &mut SplitMix) -> Vec<usize> {
    let mut order: Vec<usize> = (0..arms).collect();
    for n in (1..arms).rev() {
        let other = (random.bits() % (n as u64 + 1)) as usize;
        order.swap(n, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_order_comes_up_and_the_seed_decides() {
        for (arms, permutations) in [(1, 1), (2, 2), (3, 6), (4, 24)] {
            let all: BTreeSet<Vec<usize>> = orders(arms, 400, 7).into_iter().collect();
            assert_eq!(all.len(), permutations, "{arms} arms");
        }
        assert_eq!(orders(3, 12, 1), orders(3, 12, 1));
        assert!((2..20).any(|seed| orders(3, 12, seed) != orders(3, 12, 1)));
        // Neither of two comes first much more often in the blocks.
        let first = orders(2, 2000, 1).iter().step_by(2).filter(|order| order[0] == 0).count();
        assert!((400..600).contains(&first), "{first}");
    }

    proptest! {
        #[test]
        fn each_pair_has_each_arm_once_and_its_counterpart_backwards(arms in 1usize..7, pairs in 0usize..40, seed: u64) {
            let orders = orders(arms, pairs, seed);
            prop_assert_eq!(orders.len(), pairs);
            for order in &orders {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..arms).collect::<Vec<_>>());
            }
            for block in orders.chunks_exact(2) {
                let back: Vec<usize> = block[1].iter().rev().copied().collect();
                prop_assert_eq!(&block[0], &back);
            }
        }
    }
}
