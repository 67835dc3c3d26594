//! A history as series of numbers: each metric's, in segments of nights that can be compared. What was measured on another machine
//! cannot, and so a series begins anew where the fingerprint changes; nor can what was measured at another load: a series begins anew
//! there, too. For a ceiling, which is searched and not offered, it is another load only if the requests are others.

use super::{Machine, Night};
use std::ops::Range;

/// The metrics that do not depend on the rate that is offered.
const AT_ANY_RATE: &str = "ceiling";

/// What a metric was in a night.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The night, from 0.
    pub night: usize,
    /// The candidate's median.
    pub value: f64,
}

/// Nights on one machine that follow each other, and for most metrics with one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The machine's.
    pub fingerprint: String,
    /// The first night, whether it has a value or not.
    pub from: usize,
    /// In ascending order; a night that has no value has no point.
    pub points: Vec<Point>,
}

/// The machines in the order in which they were used, each with its nights; one that comes back is there again.
pub fn machines(nights: &[Night]) -> Vec<(&Machine, Range<usize>)> {
    let stretches = stretches(nights, |one, next| one.host == next.host);
    stretches.into_iter().map(|range| (&nights[range.start].host, range)).collect()
}

/// Nights on one machine with one load that follow each other.
pub fn loads(nights: &[Night]) -> Vec<Range<usize>> {
    stretches(nights, |one, next| one.host == next.host && is_one_load(one, next))
}

fn is_one_load(one: &Night, next: &Night) -> bool {
    match (&one.offered, &next.offered) {
        (Some(one), Some(next)) => one.is_at_the_rate_of(next) && one.rest == next.rest,
        // Of old lines nobody knows, and they are as comparable as they always were.
        (None, None) => true,
        _ => false,
    }
}

fn has_one_kind_of_request(one: &Night, next: &Night) -> bool {
    match (&one.offered, &next.offered) {
        (Some(one), Some(next)) => one.requests() == next.requests(),
        _ => true,
    }
}

/// Nights that follow each other, each the `same` as the one before it.
fn stretches(nights: &[Night], same: impl Fn(&Night, &Night) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for n in 0..nights.len() {
        match found.last_mut().filter(|_| same(&nights[n - 1], &nights[n])) {
            Some(range) => range.end = n + 1,
            None => found.push(n..n + 1),
        }
    }
    found
}

/// The metric of this name: a segment for each of [`loads`] in their order; of a ceiling, for the nights on one machine with the
/// same requests.
pub fn segments(nights: &[Night], name: &str) -> Vec<Segment> {
    let value =
        |n: usize| nights[n].metrics.get(name)?.candidate.filter(|value| value.is_finite() && *value > 0.0);
    let segment = |range: Range<usize>| Segment {
        fingerprint: nights[range.start].host.fingerprint(),
        from: range.start,
        points: range.filter_map(|night| Some(Point { night, value: value(night)? })).collect(),
    };
    let stretches = if name.starts_with(AT_ANY_RATE) {
        stretches(nights, |one, next| one.host == next.host && has_one_kind_of_request(one, next))
    } else {
        loads(nights)
    };
    stretches.into_iter().map(segment).collect()
}
