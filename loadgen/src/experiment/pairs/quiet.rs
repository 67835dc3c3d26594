//! Waiting for a quiet machine before a run: what a hypervisor or a neighbour takes of the CPUs comes in phases of minutes, and runs that
//! are repeated at once fall into the same one. It looks whether a thread that wants to compute can, on each CPU, and waits as long
//! as there is patience left. It knows nothing of what is measured, so no arm is preferred.

use crate::signals::Signals;
use crate::status::Status;
use crate::{limits, pace};
use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// More of a CPU than this share, 0 to 1, is somebody else's use of it.
const TAKEN_MOST: f64 = 0.1;
/// How long it is left alone between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The time that is left for waiting.
pub(super) struct Patience {
    left: Cell<Duration>,
    cpus: Vec<usize>,
}

impl Patience {
    /// To wait `most` in all for these CPUs.
    pub(super) fn new(most: Duration, cpus: Vec<usize>) -> Self {
        Self { left: Cell::new(most), cpus }
    }

    /// Waits until nobody else uses the machine, or there is no patience left; the time that it took. `None` when it was asked to end
    /// meanwhile.
    pub(super) async fn wait(&self, status: &Status, signals: &mut Signals) -> Option<Duration> {
        let begun = pace::now();
        while !self.left.get().is_zero() {
            let looked = pace::now();
            let quiet = taken(&self.cpus) <= TAKEN_MOST;
            if !quiet {
                status.does("waiting for a quiet machine");
                tokio::select! {
                    () = pace::pause(PAUSE.min(self.left.get())) => {}
                    () = signals.asked() => return None,
                }
            }
            self.left.set(self.left.get().saturating_sub(pace::now() - looked));
            if quiet {
                break;
            }
        }
        Some(pace::now() - begun)
    }
}

/// The largest share of one of `cpus`, 0 to 1, that others have while a thread on each wants all of it. A CPU that this process
/// may not use is not looked at.
fn taken(cpus: &[usize]) -> f64 {
    thread::scope(|scope| {
        let looks: Vec<_> = cpus
            .iter()
            .map(|cpu| scope.spawn(move || limits::pin(&[*cpu]).map_or(0.0, |()| taken_of_this())))
            .collect();
        looks.into_iter().filter_map(|look| look.join().ok()).fold(0.0, f64::max)
    })
}

/// The same of the CPU that the calling thread is pinned to.
fn taken_of_this() -> f64 {
    let (begun, used_before) = (pace::now(), pace::thread_cpu());
    spin_until(begun + LOOK);
    let (passed, used) = (pace::now() - begun, pace::thread_cpu() - used_before);
    share_taken(passed, used)
}

fn spin_until(end: Instant) {
    while pace::now() < end {
        std::hint::spin_loop();
    }
}

/// The share, 0 to 1, of a time that others had when this much CPU time was had in it.
fn share_taken(passed: Duration, used: Duration) -> f64 {
    let share = 1.0 - used.as_secs_f64() / passed.as_secs_f64();
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The highest that can be asked for.
    const NO_CPU: usize = 1023;

    #[test]
    fn what_is_not_had_was_taken() {
        for (passed_ms, used_ms, share) in
            [(100, 100, 0.0), (100, 80, 0.2), (400, 100, 0.75), (100, 101, 0.0), (0, 0, 0.0)]
        {
            let taken = share_taken(Duration::from_millis(passed_ms), Duration::from_millis(used_ms));
            assert!((taken - share).abs() < 1e-12, "{passed_ms} ms, {used_ms} ms: {taken}");
        }
    }

    #[test]
    fn two_threads_that_want_the_same_cpu_take_it_from_each_other() {
        let cpu = limits::allowed_cpus()[0];
        // Both look at it at once, so that each is the other's neighbour.
        assert!(taken(&[cpu, cpu]) > TAKEN_MOST);
        assert!(taken(&[]) == 0.0 && taken(&[NO_CPU]) == 0.0);
    }

    #[tokio::test]
    async fn patience_ends_and_is_used_up_once() {
        let cpu = limits::allowed_cpus()[0];
        let mut signals = Signals::listen().unwrap();
        let patience = Patience::new(LOOK * 2, vec![cpu, cpu]);
        let waited = patience.wait(&Status::new(false), &mut signals).await.unwrap();
        assert!(waited >= LOOK, "{waited:?}");
        assert!(patience.left.get().is_zero());
    }
}
