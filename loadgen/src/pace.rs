//! The clock, and waiting for it. Given instants, it waits for them with the precision of the kernel's own timers;
//! it is the only room that reads a clock or sleeps, and it never decides what happens at an instant.
#![expect(clippy::disallowed_methods, reason = "this is the module that the rule points to")]

use rustix::thread::{clock_nanosleep_relative, set_current_timer_slack};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::future::Future;
use std::io;
use std::num::NonZeroU64;
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

    /// What the wall clock shows when this one shows zero, in nanoseconds since 1970: it turns the kernel's timestamps into
    /// times of the run. It only changes when somebody sets the wall clock. To be asked once this clock runs.
    pub(crate) fn zero_on_the_wall(&self) -> u64 {
        let reading = || {
            let before = self.ns();
            let wall = clock_gettime(ClockId::Realtime);
            let after = self.ns();
            let wall = wall.tv_sec.unsigned_abs() * 1_000_000_000 + wall.tv_nsec.unsigned_abs();
            (after - before, wall.saturating_sub(before + (after - before) / 2))
        };
        // Of several, the one that was interrupted least.
        let best = (0..3).map(|_| reading()).min_by_key(|(took, _)| *took);
        best.map_or(0, |(_, zero)| zero)
    }

    /// Waits until `ns` nanoseconds after the start without giving the CPU away: for what is left after an early wake-up.
    pub(crate) fn wait_out(&self, ns: u64) {
        while self.ns() < ns {
            std::hint::spin_loop();
        }
    }

    /// Sleeps until `ns` nanoseconds after the start, and blocks the thread for it.
    pub(crate) fn sleep_until(&self, ns: u64) {
        let left = self.instant(ns).saturating_duration_since(now());
        if let Ok(left) = Timespec::try_from(left) {
            // A signal may cut it short: whoever sleeps looks at the clock afterwards anyway.
            let _ = clock_nanosleep_relative(ClockId::Monotonic, &left);
        }
    }
}

/// How much before its deadline a thread has itself woken, since waking takes its time. It follows the tenth percentile of what
/// wake-ups have taken (Robbins and Monro, "A stochastic approximation method", 1951), so that nine of ten come after the
/// deadline as before, only sooner after it; what the others are early, a few microseconds, is waited out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lead {
    ns: u64,
}

impl Lead {
    /// Never more than this: a host that takes longer is busy, and a wait for that long is a CPU taken from it.
    const MOST_NS: u64 = 50_000;
    const UP_NS: u64 = 100;
    const DOWN_NS: u64 = 900;

    /// As it is now, in nanoseconds.
    pub(crate) fn ns(self) -> u64 {
        self.ns
    }

    /// A wake-up came `took_ns` after the time that it was asked for.
    pub(crate) fn learn(&mut self, took_ns: u64) {
        self.ns = if took_ns > self.ns {
            (self.ns + Self::UP_NS).min(Self::MOST_NS)
        } else {
            self.ns.saturating_sub(Self::DOWN_NS)
        };
    }
}

/// Lets the kernel wake this thread when it is due: by default it may be 50 us late, to save wake-ups.
pub(crate) fn wake_precisely() {
    // Refused by no kernel that has it; without it the thread is later, which its send lag shows.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
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

    /// Waits until `deadline`; when it has passed, only lets the runtime's other tasks have their turn. After a wait that was
    /// given up, the next one may end early, once.
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

    #[test]
    fn the_lead_is_what_nine_of_ten_wake_ups_exceed() {
        let mut lead = Lead::default();
        // Wake-ups that take 10 to 29 us, in turn.
        (0..20_000u64).for_each(|n| lead.learn(10_000 + n % 20 * 1_000));
        assert!((10_000..14_000).contains(&lead.ns()), "{lead:?}");
        (0..20_000).for_each(|_| lead.learn(5_000_000));
        assert_eq!(lead.ns(), Lead::MOST_NS);
        (0..200).for_each(|_| lead.learn(0));
        assert_eq!(lead.ns(), 0);
    }

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
