//! Times as High Dynamic Range histograms: nanoseconds from 1 ns to an hour at three significant digits, whatever
//! the length of a run. The coding is HdrHistogram's own (V2, zlib, base64), so its public tools read our logs.

mod quick;
mod tally;

pub use tally::{Places, Tally};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

/// The largest time that is told apart, one hour; longer ones count as this long.
pub const MAX_NS: u64 = 3_600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Of a coarse histogram.
const FEWER_DIGITS: u8 = 2;

/// A distribution of times in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    inner: hdrhistogram::Histogram<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::with_digits(SIGNIFICANT_DIGITS)
    }
}

impl Histogram {
    /// One that takes an eighth of the memory and keeps two significant digits.
    pub fn coarse() -> Self {
        Self::with_digits(FEWER_DIGITS)
    }

    fn with_digits(digits: u8) -> Self {
        #[expect(clippy::expect_used, reason = "the three bounds are constants, and valid ones")]
        let inner =
            hdrhistogram::Histogram::new_with_bounds(1, MAX_NS, digits).expect("constant bounds are valid");
        Self { inner }
    }

    /// Counts one time of `ns` nanoseconds.
    pub fn record(&mut self, ns: u64) {
        self.inner.saturating_record(ns);
    }

    /// Counts all that `other` has counted.
    pub fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            #[expect(clippy::expect_used, reason = "all histograms have the same range")]
            self.inner.add(&other.inner).expect("equal ranges");
        }
    }

    /// Counts all that `other` has counted.
    pub fn add_sparse(&mut self, other: &Sparse) {
        for &(ns, n) in &other.recorded {
            self.inner.saturating_record_n(ns, n);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.inner.reset();
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.inner.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The smallest recorded value, in nanoseconds, that a share `q` (0 to 1) of all values does not exceed.
    pub fn quantile(&self, q: f64) -> u64 {
        self.inner.value_at_quantile(q)
    }

    /// The mean in nanoseconds; 0 of nothing.
    pub fn mean(&self) -> f64 {
        self.inner.mean()
    }

    /// The largest value in nanoseconds, exact to the histogram's digits; 0 of nothing.
    pub fn max(&self) -> u64 {
        self.inner.max()
    }

    /// The standard deviation in nanoseconds; 0 of nothing.
    pub fn deviation(&self) -> f64 {
        self.inner.stdev()
    }

    /// Value in nanoseconds, percentile (0 to 100) and the count of all values up to it, at `ticks` steps for each half of
    /// the distance that is left to 100; the last is at 100. Step by step as HdrHistogram's PercentileIterator, in percent,
    /// where its steps are exact: in shares of 1 the third of ten is past 0.3.
    pub fn percentile_steps(&self, ticks: u32) -> Vec<(u64, f64, u64)> {
        let all = self.count();
        let (mut steps, mut total, mut level) = (Vec::new(), 0, 0.0);
        for (ns, n) in self.recorded() {
            total += n;
            let reached = 100.0 * total as f64 / all as f64;
            while reached >= level {
                steps.push((ns, level, total));
                let halves = (100.0 / (100.0 - level)).log2().floor() as i32 + 1;
                level += 100.0 / (f64::from(ticks) * 2f64.powi(halves));
                // What the last values reach is said once, and then at 100.
                if total == all {
                    break;
                }
            }
        }
        steps.extend((all > 0).then(|| (self.max(), 100.0, all)));
        steps
    }

    /// The number of its buckets, each of which spans a power of two, and into how many parts they are divided.
    pub fn buckets(&self) -> (u8, u32) {
        // A power of two, and fine enough to tell apart twice as many values as the digits do.
        let least = 2 * 10u32.pow(u32::from(self.inner.sigfig()));
        (self.inner.buckets(), least.next_power_of_two())
    }

    /// The value at `rank` (1-based) of the ordered sample, in nanoseconds.
    pub fn at_rank(&self, rank: u64) -> u64 {
        let mut seen = 0;
        for step in self.inner.iter_recorded() {
            seen += step.count_since_last_iteration();
            if seen >= rank {
                return step.value_iterated_to();
            }
        }
        self.max()
    }

    /// The recorded values with their counts, in ascending order, in nanoseconds.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.inner.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// As HdrHistogram's V2 coding in base64. Its zlib stream is stored and not squeezed: a few hundred values squeeze to six tenths, and
    /// the tables that this takes cost more than all else, whoever writes or reads them.
    ///
    /// # Errors
    /// When the coder cannot write, with its own words.
    pub fn encode(&self) -> Result<String, String> {
        let mut plain = Vec::new();
        V2Serializer::new().serialize(&self.inner, &mut plain).map_err(|e| format!("{e:?}"))?;
        Ok(STANDARD.encode(quick::enclose(&plain)))
    }

    /// The reverse of [`Histogram::encode`].
    ///
    /// # Errors
    /// When `text` is no such coding, or has values past [`MAX_NS`].
    pub fn decode(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text).map_err(|e| e.to_string())?;
        let read: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|e| format!("{e:?}"))?;
        let mut histogram = Self::default();
        histogram.inner.add(&read).map_err(|e| format!("{e:?}"))?;
        Ok(histogram)
    }
}

/// A histogram at rest: only what occurred in it. A [`Histogram`] takes a quarter of a megabyte however little it has
/// counted, which is too much for each interval of a long run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    recorded: Vec<(u64, u64)>,
}

impl From<&Histogram> for Sparse {
    fn from(histogram: &Histogram) -> Self {
        Self { recorded: histogram.recorded().collect() }
    }
}

impl FromIterator<(u64, u64)> for Sparse {
    /// Of values in ascending order, as a [`Histogram`] says them, with their counts.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(recorded: I) -> Self {
        Self { recorded: recorded.into_iter().collect() }
    }
}

impl Sparse {
    /// The reverse of [`Histogram::encode`].
    ///
    /// # Errors
    /// As [`Histogram::decode`].
    pub fn decode(text: &str) -> Result<Self, String> {
        let mut found = Vec::new();
        match quick::decode(text, &mut found) {
            Some(filled) => {
                let value = |(place, n): &(u32, u32)| Some((quick::value(*place as usize)?, (*n).into()));
                Ok(found[..filled].iter().filter_map(value).collect())
            }
            None => Histogram::decode(text).map(|histogram| Self::from(&histogram)),
        }
    }

    /// The recorded values with their counts, in ascending order, in nanoseconds.
    pub fn recorded(&self) -> &[(u64, u64)] {
        &self.recorded
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.recorded.iter().map(|(_, n)| n).sum()
    }
}

/// The three distributions of every run, and the one of its correct answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distributions {
    /// Done minus intended, of all planned requests that ended.
    pub response: Histogram,
    /// Done minus sent, of all requests that were sent and ended.
    pub service: Histogram,
    /// Sent minus intended, of all requests that were sent.
    pub send_lag: Histogram,
    /// Done minus intended, of the correct answers.
    pub ok_response: Histogram,
}

impl Distributions {
    /// Counts all that `other` has counted.
    pub fn add(&mut self, other: &Self) {
        self.response.add(&other.response);
        self.service.add(&other.service);
        self.send_lag.add(&other.send_lag);
        self.ok_response.add(&other.ok_response);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.response.clear();
        self.service.clear();
        self.send_lag.clear();
        self.ok_response.clear();
    }

    /// Each with its tag in the interval log.
    pub fn tagged(&self) -> [(&'static str, &Histogram); 4] {
        [
            ("response", &self.response),
            ("service", &self.service),
            ("send_lag", &self.send_lag),
            ("ok_response", &self.ok_response),
        ]
    }

    /// The one with this tag.
    pub fn by_tag_mut(&mut self, tag: &str) -> Option<&mut Histogram> {
        match tag {
            "response" => Some(&mut self.response),
            "service" => Some(&mut self.service),
            "send_lag" => Some(&mut self.send_lag),
            "ok_response" => Some(&mut self.ok_response),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn coding_and_back_loses_nothing(values in proptest::collection::vec(0..2 * MAX_NS, 0..200)) {
            let mut histogram = Histogram::default();
            for v in &values {
                histogram.record(*v);
            }
            let mut from_sparse = Histogram::default();
            from_sparse.add_sparse(&Sparse::from(&histogram));
            prop_assert!(from_sparse == histogram);
            prop_assert!(Histogram::decode(&histogram.encode().unwrap()).unwrap() == histogram);
        }

        #[test]
        fn quantiles_are_the_ordered_sample_within_three_digits(
            mut values in proptest::collection::vec(1..MAX_NS, 1..300),
            q in 0.0..1.0f64,
        ) {
            let mut histogram = Histogram::default();
            for v in &values {
                histogram.record(*v);
            }
            values.sort_unstable();
            let rank = ((values.len() as f64 * q).ceil() as usize).max(1);
            let (exact, got) = (values[rank - 1] as f64, histogram.at_rank(rank as u64) as f64);
            prop_assert!((got - exact).abs() <= exact / 1000.0 + 1.0, "{} for {}", got, exact);
        }
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        for text in ["", "!", "AAAA", "SGVsbG8="] {
            assert!(Histogram::decode(text).is_err(), "{text}");
        }
    }
}
