//! A history as series of numbers: each metric's, in segments of nights on one machine. What was measured on another one is not
//! compared, so a series begins anew where the fingerprint changes.

use super::{Machine, Night};
use std::ops::Range;

/// What a metric was in a night.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The night, from 0.
    pub night: usize,
    /// The candidate's median.
    pub value: f64,
}

/// Nights on one machine that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The machine's.
    pub fingerprint: String,
    /// In ascending order; a night that has no value has no point.
    pub points: Vec<Point>,
}

/// The machines in the order in which they were used, each with its nights; one that comes back is there again.
pub fn machines(nights: &[Night]) -> Vec<(&Machine, Range<usize>)> {
    let mut found: Vec<(&Machine, Range<usize>)> = Vec::new();
    for (n, night) in nights.iter().enumerate() {
        match found.last_mut().filter(|(machine, _)| **machine == night.host) {
            Some((_, range)) => range.end = n + 1,
            None => found.push((&night.host, n..n + 1)),
        }
    }
    found
}

/// The metric of this name: a segment for each of [`machines`], in their order.
pub fn segments(nights: &[Night], name: &str) -> Vec<Segment> {
    let value =
        |n: usize| nights[n].metrics.get(name)?.candidate.filter(|value| value.is_finite() && *value > 0.0);
    let points =
        |range: Range<usize>| range.filter_map(|night| Some(Point { night, value: value(night)? })).collect();
    let segment = |(machine, range): (&Machine, Range<usize>)| Segment {
        fingerprint: machine.fingerprint(),
        points: points(range),
    };
    machines(nights).into_iter().map(segment).collect()
}
