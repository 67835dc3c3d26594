//! What the queue saw itself: given the times of arrivals and the lengths of stays, it gives the evenness of the gaps and the
//! percentiles of the response times. It reads no clock.

use hdrhistogram::Histogram;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Connections are read in any order; arrivals are put into theirs within so many.
const REORDERED: usize = 64;

/// Arrival gaps (mean and variance by Welford, 1962) and response times.
#[derive(Clone, Default)]
pub(super) struct Seen {
    arrivals: u64,
    recent: BinaryHeap<Reverse<Instant>>,
    last: Option<Instant>,
    gaps: u64,
    mean_ns: f64,
    squares: f64,
    response: Option<Histogram<u64>>,
}

impl Seen {
    /// A request arrived at `at`.
    pub(super) fn arrival(&mut self, at: Instant) {
        self.arrivals += 1;
        self.recent.push(Reverse(at));
        if self.recent.len() > REORDERED {
            self.gap();
        }
    }

    /// The gap before the first of the recent arrivals.
    fn gap(&mut self) {
        let Some(Reverse(at)) = self.recent.pop() else { return };
        if let Some(last) = self.last.replace(at) {
            let gap = at.saturating_duration_since(last).as_nanos() as f64;
            self.gaps += 1;
            let off = gap - self.mean_ns;
            self.mean_ns += off / self.gaps as f64;
            self.squares += off * (gap - self.mean_ns);
        }
    }

    /// An answer went, this long after its request had arrived.
    pub(super) fn departure(&mut self, response: Duration) {
        if self.response.is_none() {
            self.response = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).ok();
        }
        if let Some(histogram) = &mut self.response {
            histogram.saturating_record(u64::try_from(response.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// As `/stats` shows it.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let mut all = self.clone();
        (0..self.recent.len()).for_each(|_| all.gap());
        let deviation = if all.gaps > 1 { (all.squares / (all.gaps - 1) as f64).sqrt() } else { 0.0 };
        let cv = if all.mean_ns > 0.0 { deviation / all.mean_ns } else { 0.0 };
        let ms = |q: f64| self.response.as_ref().map(|h| h.value_at_quantile(q) as f64 / 1e6);
        json!({
            "arrivals": all.arrivals,
            "gap_mean_ms": all.mean_ns / 1e6,
            "gap_cv": cv,
            "response_ms": { "p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "p999": ms(0.999), "max": ms(1.0) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;

    #[test]
    fn even_gaps_have_no_variation_in_whatever_order_they_are_told() {
        let start = pace::now();
        let mut seen = Seen::default();
        for n in 0..200u64 {
            seen.arrival(start + Duration::from_millis(5 * (n ^ 1)));
        }
        let json = seen.to_json();
        assert_eq!((json["arrivals"].as_u64(), json["gap_mean_ms"].as_f64()), (Some(200), Some(5.0)));
        assert!(json["gap_cv"].as_f64().unwrap() < 1e-9);
    }
}
