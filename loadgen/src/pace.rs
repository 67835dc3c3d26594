//! The clock, and waiting for it. Given instants, it waits for them with the precision of the kernel's own timers;
//! it is the only room that reads a clock or sleeps, and it never decides what happens at an instant.
#![expect(clippy::disallowed_methods, reason = "this is the module that the rule points to")]

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time since 1970, for the record's date and for nothing that is measured.
pub(crate) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// CPU time that the calling thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// CPU time that all threads of this process have used.
pub(crate) fn process_cpu() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// Time since the start of a run, in nanoseconds: what schedules, deadlines and records are in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that reads zero at `start`.
    pub(crate) fn starting_at(start: Instant) -> Self {
        Self { start }
    }

    /// Nanoseconds since the start; zero before it.
    pub(crate) fn ns(&self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant that is `ns` nanoseconds after the start.
    pub(crate) fn instant(&self, ns: u64) -> Instant {
        self.start + Duration::from_nanos(ns)
    }
}

/// Waits for `length` with the millisecond grain of tokio's timer, where that is enough.
pub(crate) async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

/// What `work` gives, or `None` when it has not ended within `limit`; the grain is a millisecond.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// A timer with the kernel's precision. tokio's own is of milliseconds, and a request every 200 us is far below it.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    /// A timer of the current runtime.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; the descriptor is owned here and never replaced"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// Waits until `deadline`; when it has passed, only lets the runtime's other tasks have their turn.
    ///
    /// # Errors
    /// When the kernel refuses the timer, which it does not do for a valid descriptor.
    pub(crate) async fn sleep_until(&self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        // A relative time: std does not show an Instant's own seconds. What passes between reading the clock and
        // setting the timer is well under a microsecond.
        let value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        // Setting the timer again resets its expiry count, so the count need not be read: one system call less.
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_timer_never_returns_early_and_can_be_used_again() {
        let timer = Timer::new().unwrap();
        for us in [0, 50, 300, 1_000] {
            let deadline = now() + Duration::from_micros(us);
            timer.sleep_until(deadline).await.unwrap();
            assert!(now() >= deadline);
        }
    }
}
