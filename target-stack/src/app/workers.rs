//! The bounded pool of workers with its bounded queue. A request that does work holds one of K workers from start to
//! end, at most N wait for one, first come first served, and whoever arrives beyond that is refused at once. It only
//! counts: the work is done by whoever holds the [`Worker`].

use tokio::sync::{Semaphore, SemaphorePermit};

/// K workers and N places to wait for one.
#[derive(Debug)]
pub(crate) struct Workers {
    /// tokio's semaphore is fair: a free worker goes to the oldest who waits, never to a newcomer.
    free: Semaphore,
    places: Semaphore,
    size: usize,
    queue: usize,
}

/// A held worker; dropping it frees it.
#[derive(Debug)]
#[must_use = "the worker is free again when this is dropped"]
pub(crate) struct Worker<'a>(#[expect(dead_code, reason = "held, not used")] SemaphorePermit<'a>);

/// All workers are busy and all places to wait are taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Workers {
    pub(crate) fn new(size: usize, queue: usize) -> Self {
        Self { free: Semaphore::new(size), places: Semaphore::new(queue), size, queue }
    }

    /// Waits for a worker. Dropping the future gives the place in the queue back.
    ///
    /// # Errors
    /// When there is no place to wait.
    pub(crate) async fn enter(&self) -> Result<Worker<'_>, Full> {
        if let Ok(worker) = self.free.try_acquire() {
            return Ok(Worker(worker));
        }
        let _place = self.places.try_acquire().map_err(|_| Full)?;
        self.free.acquire().await.map(Worker).map_err(|_| Full)
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn busy(&self) -> usize {
        self.size - self.free.available_permits()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue - self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_arrival_is_refused_when_workers_and_places_are_taken() {
        let workers = Workers::new(1, 1);
        let Poll::Ready(Ok(held)) = poll(pin!(workers.enter())) else { panic!("a worker is free") };
        let mut waiter = pin!(workers.enter());
        assert!(poll(waiter.as_mut()).is_pending());
        assert_eq!((workers.busy(), workers.waiting()), (1, 1));
        assert!(matches!(poll(pin!(workers.enter())), Poll::Ready(Err(Full))));
        drop(held);
        assert!(matches!(poll(waiter.as_mut()), Poll::Ready(Ok(_))));
    }

    #[test]
    fn without_a_queue_nobody_waits() {
        let workers = Workers::new(1, 0);
        let Poll::Ready(Ok(_held)) = poll(pin!(workers.enter())) else { panic!("a worker is free") };
        assert!(matches!(poll(pin!(workers.enter())), Poll::Ready(Err(Full))));
    }

    #[test]
    fn a_waiter_that_gives_up_frees_its_place() {
        let workers = Workers::new(1, 1);
        let Poll::Ready(Ok(held)) = poll(pin!(workers.enter())) else { panic!("a worker is free") };
        {
            let mut waiter = pin!(workers.enter());
            assert!(poll(waiter.as_mut()).is_pending());
        }
        assert_eq!(workers.waiting(), 0);
        drop(held);
        assert_eq!(workers.busy(), 0);
    }

    #[test]
    fn the_oldest_waiter_goes_first_and_no_newcomer_overtakes() {
        let workers = Workers::new(1, 8);
        let Poll::Ready(Ok(held)) = poll(pin!(workers.enter())) else { panic!("a worker is free") };
        let (mut first, mut second) = (pin!(workers.enter()), pin!(workers.enter()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        drop(held);
        assert!(poll(pin!(workers.enter())).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert!(matches!(poll(first.as_mut()), Poll::Ready(Ok(_))));
    }
}
