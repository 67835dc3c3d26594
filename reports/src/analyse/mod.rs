//! What a record means: percentiles with their intervals, thresholds, the verdict, the finding in one sentence. Pure
//! functions over [`crate::record`] and [`crate::histogram`]; none reads a clock or a file.

pub mod blocks;
pub mod bottleneck;
pub mod caching;
pub mod capacity;
pub mod change_point;
pub mod compare;
pub mod conclude;
pub mod credible;
pub mod finding;
pub mod forecast;
pub mod impact;
pub mod interval;
pub mod ledger;
pub mod lesson;
pub mod little;
pub mod objective;
mod others;
pub mod pairing;
pub mod pairs;
pub mod plausible;
pub mod queueing;
pub mod scale_out;
pub mod server_timing;
pub mod statistics;
pub mod steady;
pub mod stream;
pub mod threshold;
pub mod trend;
pub mod usl;
pub mod verdict;
pub mod waterfall;

#[cfg(test)]
mod synthetic;
