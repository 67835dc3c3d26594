//! What pairs of measurements can say by themselves: the signed-rank test, the interval of a median, and what is left of
//! p-values when several are looked at. Pure functions over slices; what is compared, and what follows, is for others.

pub mod bootstrap;
pub mod holm;
pub(super) mod ranks;
pub mod wilcoxon;

#[cfg(test)]
#[path = "statistics/fixture_tests.rs"]
mod fixture_tests;
