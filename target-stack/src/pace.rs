//! The clock. Given nothing, it gives instants and waits for them; it is the only room of this program that
//! reads a clock or sleeps, so that everything else can be tested with instants as arguments.
#![expect(clippy::disallowed_methods, reason = "this is the module that the rule points to")]

use nix::time::ClockId;
use nix::unistd::Pid;
use rustix::time::{
    ClockId as KernelClock, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
    clock_gettime, timerfd_create, timerfd_settime,
};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::has_budget_remaining;

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time since 1970, for log lines and for nothing that is measured.
pub(crate) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What all threads of a process have had of the CPUs, those that ended included, to the nanosecond.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    clock.now().ok().map(Duration::from)
}

/// What the calling thread has had of the CPUs.
fn thread_cpu() -> Duration {
    let t = clock_gettime(KernelClock::ThreadCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// What `work` gives, and the CPU time that its polls have taken, on whichever threads.
pub(crate) async fn with_cpu_time<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let mut work = pin!(work);
    let mut used = Duration::ZERO;
    let done = poll_fn(|cx| {
        let before = thread_cpu();
        let polled = work.as_mut().poll(cx);
        used += thread_cpu().saturating_sub(before);
        polled
    });
    (done.await, used)
}

/// Computes nothing for so much CPU time of this thread.
pub(crate) fn compute(length: Duration) {
    let end = thread_cpu() + length;
    while thread_cpu() < end {
        std::hint::spin_loop();
    }
}

/// The wall clock beside the monotonic one, to read the kernel's timestamps by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    now: Instant,
    wall: Duration,
}

impl WallClock {
    /// Both as they are now.
    pub(crate) fn read() -> Self {
        Self { now: now(), wall: wall_clock() }
    }

    /// The instant at which the wall clock showed `wall`, time since 1970, if it has not been set since.
    pub(crate) fn instant(&self, wall: Duration) -> Instant {
        let ago = self.wall.saturating_sub(wall);
        self.now.checked_sub(ago).unwrap_or(self.now)
    }
}

/// Waits for `length`, with the millisecond grain of tokio's timer.
pub(crate) async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

/// What `work` gives, or `None` when it has not ended within `limit`.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// A deadline that moves with what is waited for. Moving it further costs nothing: the timer beneath goes off where it was set
/// first, and is then set again.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    deadline: Option<Instant>,
    /// Made when a deadline is first waited for.
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    /// The timer has this task to wake.
    listening: bool,
}

impl Alarm {
    /// From now on it goes off at `deadline`, or never.
    pub(crate) fn set(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// From now on it may be another task that polls.
    pub(crate) fn listen_anew(&mut self) {
        self.listening = false;
    }

    /// Resolves once the deadline has passed. It has to be polled by one task alone, until it is told otherwise.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let at = tokio::time::Instant::from_std(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
            self.listening = false;
        }
        loop {
            if self.listening && !timer.is_elapsed() {
                return Poll::Pending;
            }
            // Without budget the timer wakes the task at once and does not listen.
            self.listening = has_budget_remaining();
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
            self.listening = false;
        }
    }
}

/// A timer with the kernel's precision, where tokio's milliseconds are too coarse.
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

    /// Waits until `deadline`; returns at once when it has passed. May be cancelled and called again.
    ///
    /// # Errors
    /// When the kernel refuses the timer, which it does not do for a valid descriptor.
    pub(crate) async fn sleep_until(&self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return Ok(());
        }
        let value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        // Setting the timer again resets its expiry count, so the count need not be read.
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cpu_time_is_that_of_the_work_and_of_all_its_polls() {
        let length = Duration::from_micros(200);
        let work = async {
            compute(length);
            tokio::task::yield_now().await;
            compute(length);
            7
        };
        let before = thread_cpu();
        let (given, used) = with_cpu_time(work).await;
        assert!(given == 7 && used >= 2 * length && used <= thread_cpu() - before, "{used:?}");
    }
}
