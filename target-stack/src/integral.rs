//! Holders over time. Given the instants at which something is taken and given back, by any number of threads, it gives
//! the holder-seconds up to an instant, what is held at that instant included, so that the difference of two readings
//! is exactly what was held between them. It knows neither what is held nor by whom.

use crate::pace;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The low bits of the word count holders, a quarter of a million at most; descriptors run out long before.
const COUNT_BITS: u32 = 18;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// The other bits are holder-microseconds, modulo this.
const MICROS: u64 = u64::MAX >> COUNT_BITS;

/// The integral over time of how many hold something. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Integral(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// Time is counted from here.
    epoch: Instant,
    /// With n holders who came at t1 ... tn and all who left, the integral up to t is the sum of what the latter had,
    /// less t1 + ... + tn, plus n x t. The part without t and the count n stand in one word, so that a change is one
    /// addition, and no reading sees one of them without the other. Micros are whole at either end, which evens out:
    /// a span's expectation is its length.
    word: AtomicU64,
    /// The highest reading so far, which the word's modulus has no part in.
    shown: AtomicU64,
}

/// Something that is held until this is dropped.
#[derive(Debug)]
#[must_use = "it is given back when this is dropped"]
pub(crate) struct Held<'a>(&'a Integral);

impl Integral {
    /// Nobody holds anything; no instant given later is before `epoch`.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self(Arc::new(Cells { epoch, word: AtomicU64::new(0), shown: AtomicU64::new(0) }))
    }

    /// Someone holds one more since `now`.
    pub(crate) fn enter(&self, now: Instant) {
        let change = 1_u64.wrapping_sub(self.micros(now) << COUNT_BITS);
        self.0.word.fetch_add(change, Ordering::Release);
    }

    /// Someone holds one less since `now`.
    pub(crate) fn leave(&self, now: Instant) {
        let change = (self.micros(now) << COUNT_BITS).wrapping_sub(1);
        self.0.word.fetch_add(change, Ordering::Release);
    }

    /// Holds one from `now` on, for as long as what this gives lives.
    pub(crate) fn hold(&self, now: Instant) -> Held<'_> {
        self.enter(now);
        Held(self)
    }

    /// What was held up to `now`, in holder-time. It never goes back, even where a thread was stopped between an instant
    /// and its noting; and it must be asked once in a holder-year.
    pub(crate) fn until(&self, now: Instant) -> Duration {
        let word = self.0.word.load(Ordering::Acquire);
        let held = self.micros(now).wrapping_mul(word & COUNT);
        let sum = (word >> COUNT_BITS).wrapping_add(held) & MICROS;
        let before = self.0.shown.load(Ordering::Relaxed);
        let ahead = sum.wrapping_sub(before) & MICROS;
        // More than half-way round is a little behind.
        let after = if ahead <= MICROS / 2 { before + ahead } else { before };
        Duration::from_micros(after.max(self.0.shown.fetch_max(after, Ordering::Relaxed)))
    }

    fn micros(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.0.epoch).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.leave(pace::now());
    }
}

/// A counter of seconds, up to the scrape.
impl EncodeMetric for Integral {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let seconds = self.until(pace::now()).as_secs_f64();
        encoder.encode_counter::<[(&str, &str); 0], _, f64>(&seconds, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain sum over all spans, cut off at the reading. Times are in microseconds, so it is exact.
        #[test]
        fn it_is_the_sum_of_what_each_one_held(
            spans in proptest::collection::vec((0_u64..1_000_000, 0_u64..1_000_000), 0..40),
            readings in proptest::collection::vec(0_u64..2_500_000, 1..10),
        ) {
            let epoch = pace::now();
            let at = |micros: u64| epoch + Duration::from_micros(micros);
            let mut events: Vec<(u64, i32)> = Vec::new();
            for &(start, length) in &spans {
                events.extend([(start, 1), (start + length, -1)]);
            }
            events.extend(readings.iter().map(|&reading| (reading, 0)));
            // At the same instant what comes goes before what leaves.
            events.sort_by_key(|&(time, change)| (time, -change));
            let integral = Integral::new(epoch);
            for (time, change) in events {
                match change {
                    1 => integral.enter(at(time)),
                    -1 => integral.leave(at(time)),
                    _ => {
                        let part = |&(start, length): &(u64, u64)| time.clamp(start, start + length) - start;
                        let naive: u64 = spans.iter().map(part).sum();
                        prop_assert_eq!(integral.until(at(time)), Duration::from_micros(naive));
                    }
                }
            }
        }
    }

    #[test]
    fn no_reading_sees_half_a_change() {
        // A day after the epoch, at one and the same instant: any count without its instant would show as a day.
        let epoch = pace::now();
        let now = epoch + Duration::from_secs(86_400);
        let integral = Integral::new(epoch);
        std::thread::scope(|scope| {
            let changing: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..50_000 {
                            integral.enter(now);
                            integral.leave(now);
                        }
                    })
                })
                .collect();
            while !changing.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                assert_eq!(integral.until(now), Duration::ZERO);
            }
        });
        assert_eq!(integral.until(now + Duration::from_secs(1)), Duration::ZERO, "all have left");
    }

    #[test]
    fn it_never_goes_back_and_goes_on_past_its_modulus() {
        let epoch = pace::now();
        let at = |seconds: u64| epoch + Duration::from_secs(seconds);
        let integral = Integral::new(epoch);
        // Read before the instant at which it was taken: nothing, and no wrapping round.
        integral.enter(at(2));
        assert_eq!(integral.until(at(1)), Duration::ZERO);
        assert_eq!(integral.until(at(5)), Duration::from_secs(3));
        // Noted late: it had been given back before the last reading.
        integral.leave(at(4));
        assert_eq!(integral.until(at(6)), Duration::from_secs(3));
        let (holders, year) = (10_u64, 31_536_000);
        (0..holders).for_each(|_| integral.enter(at(10)));
        for month in 1..=36 {
            let held = integral.until(at(10 + month * year / 12));
            assert_eq!(held, Duration::from_secs(2 + holders * month * year / 12), "month {month}");
        }
    }

    #[test]
    fn it_is_exported_as_a_counter_of_seconds() {
        let integral = Integral::new(pace::now());
        let held = integral.hold(pace::now());
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register("x_seconds", "x", integral.clone());
        let text = crate::metrics::render(&registry);
        let value = text.lines().find_map(|line| line.strip_prefix("x_seconds_total "));
        assert!(value.is_some_and(|value| value.parse::<f64>().is_ok()), "{text}");
        drop(held);
        assert_eq!(integral.0.word.load(Ordering::Relaxed) & COUNT, 0);
    }
}
