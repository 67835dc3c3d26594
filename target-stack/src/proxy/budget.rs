//! A retry budget: retries are allowed as a share of the requests of the last seconds, with a floor beside it, so that a group that
//! fails for being overloaded is not asked twice as much for it. The form is that of Finagle's `RetryBudget` (Twitter, 2016):
//! what is earned is forgotten after ten seconds. Given instants, it gives yes or no; it knows no clock, and is a worker's own.

use super::config::RetryBudget;
use std::time::Instant;

/// Seconds that are remembered.
const WINDOW: usize = 10;

/// A worker's share of a group's budget.
#[derive(Debug)]
pub(crate) struct Budget {
    percent: u64,
    /// Hundredths of a retry that the window has in any case.
    floor: u64,
    epoch: Instant,
    /// What was asked in each of the last seconds; the one of second n is at n modulo their number.
    seconds: [Second; WINDOW],
    /// The latest second since the epoch.
    latest: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    requests: u64,
    retries: u64,
}

impl Budget {
    /// The share of one of so many workers; no instant given later is before `epoch`.
    pub(crate) fn new(budget: RetryBudget, workers: usize, epoch: Instant) -> Self {
        let floor = u64::from(budget.floor) * 100 * WINDOW as u64;
        Self {
            percent: u64::from(budget.percent),
            floor: floor / u64::try_from(workers.max(1)).unwrap_or(1),
            epoch,
            seconds: [Second::default(); WINDOW],
            latest: 0,
        }
    }

    /// A request has come.
    pub(crate) fn request(&mut self, now: Instant) {
        self.second(now).requests += 1;
    }

    /// Whether one more retry may be sent, which is then counted.
    pub(crate) fn retry(&mut self, now: Instant) -> bool {
        self.second(now);
        let sum = |part: fn(&Second) -> u64| self.seconds.iter().map(part).sum::<u64>();
        let (requests, retries) = (sum(|second| second.requests), sum(|second| second.retries));
        let allowed = (retries + 1) * 100 <= requests * self.percent + self.floor;
        self.second(now).retries += u64::from(allowed);
        allowed
    }

    /// The second of `now`, with those forgotten that are too long ago.
    fn second(&mut self, now: Instant) -> &mut Second {
        let since = now.saturating_duration_since(self.epoch).as_secs();
        // An instant that was read a moment before the latest one belongs to that one's second.
        let passed = since.saturating_sub(self.latest);
        for step in 1..=passed.min(WINDOW as u64) {
            let index = (self.latest + step) % WINDOW as u64;
            self.seconds[usize::try_from(index).unwrap_or_default()] = Second::default();
        }
        self.latest += passed;
        let index = self.latest % WINDOW as u64;
        &mut self.seconds[usize::try_from(index).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;
    use std::time::Duration;

    const MEMORY: Duration = Duration::from_secs(WINDOW as u64);

    fn budget(percent: u32, floor: u32, workers: usize) -> (Budget, Instant) {
        let epoch = pace::now();
        (Budget::new(RetryBudget { percent, floor }, workers, epoch), epoch)
    }

    fn allowed(budget: &mut Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.retry(now)).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests_with_a_floor() {
        for (percent, floor, workers, requests, want) in [
            (20, 0, 1, 100, 20),
            (20, 0, 1, 4, 0),
            (20, 0, 1, 5, 1),
            (0, 0, 1, 1000, 0),
            (20, 10, 1, 0, 100),
            (20, 10, 1, 100, 120),
            (20, 10, 4, 100, 45),
            (100, 0, 1, 50, 50),
        ] {
            let (mut budget, now) = budget(percent, floor, workers);
            (0..requests).for_each(|_| budget.request(now));
            assert_eq!(allowed(&mut budget, now), want, "{percent}% floor={floor} {requests}");
        }
    }

    #[test]
    fn what_is_long_ago_neither_allows_nor_forbids() {
        let (mut budget, start) = budget(50, 0, 1);
        (0..100).for_each(|_| budget.request(start));
        let almost = start + MEMORY - Duration::from_millis(1);
        assert!(budget.retry(almost));
        let later = start + MEMORY;
        assert!(!budget.retry(later), "the requests are forgotten");
        (0..10).for_each(|_| budget.request(later));
        assert_eq!(allowed(&mut budget, later), 4, "and the retry is not yet");
        let much_later = start + MEMORY * 1000;
        (0..10).for_each(|_| budget.request(much_later));
        assert_eq!(allowed(&mut budget, much_later), 5);
    }

    #[test]
    fn an_overload_is_not_doubled() {
        // All of 1,000 requests a second fail, for a minute, and each would be sent again.
        let (mut budget, start) = budget(20, 10, 1);
        let mut retries = 0;
        for n in 0..60_000 {
            let now = start + Duration::from_millis(n);
            budget.request(now);
            retries += u32::from(budget.retry(now));
        }
        // A fifth, ten a second, and what the floor of the first ten seconds allowed at once.
        assert!((12_000..=12_000 + 600 + 100).contains(&retries), "{retries}");
    }
}
