//! What makes the app server slower than it is. Given a time, each request that holds a worker waits so much longer,
//! as if the application had more to do; and, for tests, it waits its turn at a lock that no counter shows. It
//! uses no CPU time to speak of.

use crate::failure::{Failure, Outcome};
use crate::pace::{self, Timer};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The waits of each request.
pub(crate) struct Burden {
    service: Option<Duration>,
    /// The way to the database and back.
    latency: Option<Duration>,
    /// One request at a time holds the lock for so long.
    lock: Option<(Duration, tokio::sync::Mutex<()>)>,
    /// Timers that nobody waits for.
    idle: Mutex<Vec<Timer>>,
}

impl Burden {
    /// A burden of `service` for each request, of a lock that is held for `lock`, and of `latency` for each use of a connection to
    /// the database.
    ///
    /// # Errors
    /// When there is no timer to be had.
    pub(crate) fn new(
        service: Option<Duration>,
        lock: Option<Duration>,
        latency: Option<Duration>,
    ) -> Outcome<Self> {
        let lock = lock.map(|length| (length, tokio::sync::Mutex::default()));
        let burden = Self { service, latency, lock, idle: Mutex::default() };
        let timer = Timer::new().map_err(|e| Failure::start(format!("cannot make a timer: {e}")))?;
        burden.idle().push(timer);
        Ok(burden)
    }

    /// Whether a request has to wait at all.
    pub(crate) fn weighs(&self) -> bool {
        self.service.is_some() || self.lock.is_some()
    }

    /// Waits as long as one request has to.
    pub(crate) async fn carry(&self) {
        if let Some((length, lock)) = &self.lock {
            let _turn = lock.lock().await;
            self.pause(*length).await;
        }
        if let Some(length) = self.service {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn without_a_burden_nothing_waits() {
        let burden = Burden::new(None, None, None).expect("a timer");
        assert!(!pending(pin!(burden.carry())));
    }

    #[tokio::test]
    async fn services_go_on_side_by_side_and_their_timers_are_used_again() {
        let length = Duration::from_millis(1);
        let burden = Burden::new(Some(length), None, None).expect("a timer");
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
        let burden = Burden::new(None, Some(length), None).expect("a timer");
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
