//! Confidence intervals where requests depend on their neighbours: a queue that is long now is long in a millisecond too,
//! so a million answers may know no more than a hundred. The run is cut into blocks of a second, the percentile of each
//! is taken, and the spread of these says how well the run's is known: nonoverlapping batch quantiles, with Student's t
//! (B. Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 30, 1982, for the
//! number of blocks; C. Alexopoulos, D. Goldsman, A. C. Mokashi, J. R. Wilson, "Automated estimation of extreme
//! steady-state quantiles via the maximum transformation", ACM TOMACS 27(4), 2017, for batch quantiles around the
//! run's). It is given intervals, from a run as it goes on or from its log, and keeps two numbers for each block.

use crate::analyse::interval::{NS_PER_MS, distribution, needed};
use crate::histogram::{Histogram, Sparse};
use crate::log;
use crate::record::{self, Distribution};

/// The length of a block in seconds; of longer intervals, one is a block.
const LENGTH_S: f64 = 1.0;
/// With fewer blocks their spread is a guess (Schmeiser 1982: 10 to 30 do).
const LEAST: usize = 10;
/// The most blocks, as a share of all, that may be left out because too little ended in them.
const LEFT_OUT_MOST: f64 = 0.1;
/// The 95th percentile of the standard normal. The autocorrelation of n independent blocks is about normal with the
/// variance 1/n (M. S. Bartlett, "On the theoretical specification of the properties of autocorrelated time series", 1946).
const Z95: f64 = 1.644_854;
/// Requests depend on their neighbours within a block when its medians spread so much that the interval by blocks is wider
/// than this many of those by order statistics. Of independent requests in ten blocks it is one time in 200.
const TIMES_WIDER: f64 = 2.0;
const PERCENTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// The percentiles of the blocks of a run.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    interval_s: f64,
    /// Intervals in a block.
    width: u64,
    /// The block that is being filled.
    number: u64,
    filling: Histogram,
    /// Milliseconds, by [`PERCENTILES`] and block; `None` where too little ended.
    past: Vec<[Option<f64>; 2]>,
}

impl Blocks {
    /// For intervals of `interval_s` seconds.
    pub fn new(interval_s: f64) -> Self {
        let width = (LENGTH_S / interval_s).round();
        let width = if width.is_finite() { (width as u64).max(1) } else { 1 };
        Self { interval_s, width, ..Self::default() }
    }

    /// The blocks of a log.
    pub fn of_log(interval_s: f64, entries: &[log::Entry]) -> Self {
        let mut blocks = Self::new(interval_s);
        for entry in entries.iter().filter(|entry| entry.tag == "response") {
            let number = (entry.start_s / interval_s).round();
            if (0.0..MOST_INTERVALS).contains(&number) {
                blocks.add_sparse(number as u64, &entry.histogram);
            }
        }
        blocks
    }

    /// The response times that ended in the interval of this number; the numbers ascend.
    pub fn add(&mut self, number: u64, response: &Histogram) {
        self.turn_to(number);
        self.filling.add(response);
    }

    fn add_sparse(&mut self, number: u64, response: &Sparse) {
        self.turn_to(number);
        self.filling.add_sparse(response);
    }

    fn turn_to(&mut self, interval: u64) {
        let block = interval / self.width;
        while self.number < block {
            self.close();
        }
    }

    fn close(&mut self) {
        let of = |(_, q): (&str, f64)| {
            let known = self.filling.count() >= needed(q);
            known.then(|| self.filling.quantile(q) as f64 / NS_PER_MS)
        };
        self.past.push(PERCENTILES.map(of));
        if !self.filling.is_empty() {
            self.filling.clear();
        }
        self.number += 1;
    }

    /// The distribution of a run's response times, `total`, with its intervals by blocks; the measured part was
    /// `duration_s` long. Only blocks that lie in it as a whole are used.
    pub fn distribution(mut self, total: &Histogram, duration_s: f64) -> Distribution {
        let length_s = self.width as f64 * self.interval_s;
        let whole = (duration_s / length_s + 1e-6).floor().max(0.0);
        self.close();
        self.past.truncate(whole as usize);
        let mut said = distribution(total);
        for (n, (name, _)) in PERCENTILES.into_iter().enumerate() {
            let centre = [said.p50, said.p99][n];
            let known: Vec<f64> = self.past.iter().filter_map(|block| block[n]).collect();
            let left_out = self.past.len() - known.len();
            let enough = known.len() >= LEAST && left_out as f64 <= LEFT_OUT_MOST * self.past.len() as f64;
            let Some(centre) = centre.filter(|_| enough) else { continue };
            let lag1 = lag1(&known);
            said.ci95_blocks.insert(name.to_owned(), around(centre, &known, lag1));
            if n == 0 {
                let dependent = lag1 > Z95 / (known.len() as f64).sqrt() || much_wider(&said);
                said.blocks = Some(record::Blocks { length_s, count: known.len(), lag1, dependent });
            }
        }
        said
    }
}

/// What an interval is made by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    /// Order statistics.
    Ranks,
    /// Order statistics, for want of enough requests in each block, although requests depend on each other.
    RanksThoughDependent,
    /// Blocks of so many seconds.
    Blocks(f64),
}

/// The 95 % interval of the percentile `name` (`p50`, `p99`) to go by, in milliseconds: by blocks where requests depend on
/// their neighbours, by order statistics elsewhere.
pub fn preferred(times: &Distribution, name: &str) -> Option<(By, [f64; 2])> {
    let ranks = times.ci95.get(name).copied();
    let Some(blocks) = times.blocks.filter(|blocks| blocks.dependent) else {
        return Some((By::Ranks, ranks?));
    };
    match times.ci95_blocks.get(name) {
        Some(interval) => Some((By::Blocks(blocks.length_s), *interval)),
        None => Some((By::RanksThoughDependent, ranks?)),
    }
}

/// Far more than a run has: what a broken log asks for must not be made.
const MOST_INTERVALS: f64 = 1e6;

fn much_wider(said: &Distribution) -> bool {
    let width = |of: &std::collections::BTreeMap<String, [f64; 2]>| of.get("p50").map(|[a, b]| b - a);
    match (width(&said.ci95_blocks), width(&said.ci95)) {
        (Some(blocks), Some(ranks)) => blocks > TIMES_WIDER * ranks.max(said.p50.unwrap_or(0.0) * RESOLUTION),
        _ => false,
    }
}

/// Times are known to three digits, which a narrow interval by ranks may be narrower than.
const RESOLUTION: f64 = 2e-3;

/// The interval around `centre`: Student's t times the standard error of the blocks' mean, and that times the root of
/// (1 + r) / (1 - r) where they are correlated by r still, as a first-order autoregression is (A. Tafazzoli, J. R. Wilson,
/// "Skart: a skewness- and autoregression-adjusted batch-means procedure", IIE Transactions 43, 2011). No time is below 0.
fn around(centre: f64, blocks: &[f64], lag1: f64) -> [f64; 2] {
    let n = blocks.len() as f64;
    let mean = blocks.iter().sum::<f64>() / n;
    let variance = blocks.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let r = lag1.clamp(0.0, 0.95);
    let half = student(blocks.len() - 1) * (variance / n * (1.0 + r) / (1.0 - r)).sqrt();
    [(centre - half).max(0.0), centre + half]
}

/// The autocorrelation from one to the next; 0 of what does not vary.
fn lag1(series: &[f64]) -> f64 {
    let mean = series.iter().sum::<f64>() / series.len() as f64;
    let square = series.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let product = series.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>();
    if square > 0.0 { product / square } else { 0.0 }
}

/// The 97.5th percentile of Student's t with `freedom` degrees of it, at least 9: the expansion of G. W. Hill ("Algorithm
/// 396: Student's t-quantiles", CACM 13, 1970) as Abramowitz and Stegun have it (26.7.5).
fn student(freedom: usize) -> f64 {
    let (z, v) = (1.959_963_984_540_054_f64, freedom as f64);
    let g1 = (z.powi(3) + z) / 4.0;
    let g2 = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let g3 = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + g1 / v + g2 / v.powi(2) + g3 / v.powi(3)
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
