//! What makes the app server slower than it is. Given a time, each request that holds a worker waits so much longer,
//! as if the application had more to do; given a share, it computes and waits longer by that share of what it has computed and
//! waited; and, for tests, it waits its turn at a lock that no counter shows. But for that share it uses no CPU time to speak of.

use crate::failure::{Failure, Outcome};
use crate::pace::{self, Timer};
use crate::units::Share;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The waits of each request.
pub(crate) struct Burden {
    service: Option<Duration>,
    /// The way to the database and back.
    latency: Option<Duration>,
    /// One request at a time holds the lock for so long.
    lock: Option<(Duration, tokio::sync::Mutex<()>)>,
    /// How much longer everything takes.
    slow_down: Option<Share>,
    /// Timers that nobody waits for.
    idle: Mutex<Vec<Timer>>,
}

impl Burden {
    /// A burden of `service` for each request, of a lock that is held for `lock`, of `latency` for each use of a connection to
    /// the database, and of `slow_down` on all of it.
    ///
    /// # Errors
    /// When there is no timer to be had.
    pub(crate) fn new(
        service: Option<Duration>,
        lock: Option<Duration>,
        latency: Option<Duration>,
        slow_down: Option<Share>,
    ) -> Outcome<Self> {
        let lock = lock.map(|length| (length, tokio::sync::Mutex::default()));
        let burden = Self { service, latency, lock, slow_down, idle: Mutex::default() };
        let timer = Timer::new().map_err(|e| Failure::start(format!("cannot make a timer: {e}")))?;
        burden.idle().push(timer);
        Ok(burden)
    }

    /// Whether a request has to wait at all.
    pub(crate) fn weighs(&self) -> bool {
        self.service.is_some() || self.lock.is_some()
    }

    /// How much longer everything takes that a request with a worker does, if it does.
    pub(crate) fn slow_down(&self) -> Option<Share> {
        self.slow_down
    }

    /// What a request's `work` gives, which got its worker at `begun`, after so much longer.
    pub(crate) async fn drag<T>(&self, share: Share, begun: Instant, work: impl Future<Output = T>) -> T {
        let (given, cpu) = pace::with_cpu_time(work).await;
        let service = self.service.unwrap_or_default();
        // What `carry` has left for here is waited with the rest: a wait of its own would be late by a wake-up of its own.
        let (computes, waits) = longer(cpu, pace::now() - begun + service, share);
        pace::compute(computes);
        self.pause(service + waits).await;
        given
    }

    /// Waits as long as one request has to; where everything takes longer, but for what [`Burden::drag`] waits.
    pub(crate) async fn carry(&self) {
        if let Some((length, lock)) = &self.lock {
            let _turn = lock.lock().await;
            self.pause(*length).await;
        }
        if let Some(length) = self.service.filter(|_| self.slow_down.is_none()) {
            self.pause(length).await;
        }
    }

    /// Waits as long as a database that is further away would take longer to answer.
    pub(crate) async fn travel(&self) {
        if let Some(length) = self.latency {
            self.pause(length).await;
        }
    }

    async fn pause(&self, length: Duration) {
        if self.exactly(length).await.is_err() {
            // Out of descriptors. To the millisecond, then.
            pace::pause(length).await;
        }
    }

    async fn exactly(&self, length: Duration) -> io::Result<()> {
        let deadline = pace::now() + length;
        let kept = self.idle().pop();
        let timer = kept.map_or_else(Timer::new, Ok)?;
        timer.sleep_until(deadline).await?;
        // A wait that is cancelled never comes here: a timer that may still go off is not used again.
        self.idle().push(timer);
        Ok(())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Timer>> {
        // A list of timers cannot be half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much longer a request computes and waits that has computed for `cpu` of the `wall` time for which it had its worker.
fn longer(cpu: Duration, wall: Duration, share: Share) -> (Duration, Duration) {
    (share.of(cpu), share.of(wall.saturating_sub(cpu)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn what_was_computed_is_computed_longer_and_what_was_waited_is_waited_longer() {
        for (cpu_ms, wall_ms, share, want) in [
            (2, 10, "10%", (200, 800)),
            (2, 2, "50%", (1_000, 0)),
            (0, 10, "1000%", (0, 100_000)),
            // By two clocks, which may differ a little.
            (3, 2, "100%", (3_000, 0)),
        ] {
            let share = units::share(share).expect("a share");
            let got = longer(Duration::from_millis(cpu_ms), Duration::from_millis(wall_ms), share);
            assert_eq!(
                got,
                (Duration::from_micros(want.0), Duration::from_micros(want.1)),
                "{cpu_ms} {wall_ms}"
            );
        }
    }

    #[tokio::test]
    async fn a_request_that_has_waited_waits_longer_before_it_ends() {
        let burden = Burden::new(None, None, None, units::share("10%").ok()).expect("a timer");
        let share = burden.slow_down().expect("a share");
        let begun = pace::now().checked_sub(Duration::from_secs(600)).expect("the machine runs for longer");
        assert!(pending(pin!(burden.drag(share, begun, async {}))) && burden.idle().is_empty());
        let waited = pace::now();
        assert_eq!(burden.drag(share, waited, async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn without_a_burden_nothing_waits() {
        let burden = Burden::new(None, None, None, None).expect("a timer");
        assert!(!pending(pin!(burden.carry())));
    }

    #[tokio::test]
    async fn services_go_on_side_by_side_and_their_timers_are_used_again() {
        let length = Duration::from_millis(1);
        let burden = Burden::new(Some(length), None, None, None).expect("a timer");
        let start = pace::now();
        tokio::join!(burden.carry(), burden.carry());
        assert!(pace::now() - start >= length && burden.idle().len() == 2);
        burden.carry().await;
        assert_eq!(burden.idle().len(), 2);
        {
            let mut given_up = pin!(burden.carry());
            assert!(pending(given_up.as_mut()));
        }
        assert_eq!(burden.idle().len(), 1, "a timer that was not waited for is thrown away");
    }

    #[tokio::test]
    async fn the_lock_lets_one_request_through_at_a_time() {
        let length = Duration::from_millis(1);
        let burden = Burden::new(None, Some(length), None, None).expect("a timer");
        {
            let mut first = pin!(burden.carry());
            assert!(pending(first.as_mut()));
            let mut second = pin!(burden.carry());
            assert!(pending(second.as_mut()) && burden.idle().is_empty(), "it has not begun to wait");
            first.await;
            second.await;
        }
        let Some((_, lock)) = &burden.lock else { panic!("a lock") };
        assert!(matches!(pin!(lock.lock()).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_)));
    }
}
