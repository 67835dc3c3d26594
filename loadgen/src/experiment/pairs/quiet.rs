//! Waiting for a quiet machine before a run: what a hypervisor or a neighbour takes of the CPUs comes in phases of minutes, and runs that
//! are repeated at once fall into the same one. It looks whether a thread that wants to compute can, on each CPU, and waits as long
//! as there is patience left. It knows nothing of what is measured, so no arm is preferred.

use crate::signals::Signals;
use crate::status::Status;
use crate::{limits, pace};
use reports::number::percent;
use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// More of a CPU than this share, 0 to 1, is somebody else's use of it.
const TAKEN_MOST: f64 = 0.1;
/// How long it is left alone between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Who has waited so long is told what for.
const SILENT: Duration = Duration::from_secs(5);

/// The time that is left for waiting.
pub(super) struct Patience {
    left: Cell<Duration>,
    cpus: Vec<usize>,
    silent: Duration,
}

/// What somebody else has of a CPU.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// Its share of it, 0 to 1.
    share: f64,
    cpu: usize,
}

impl Patience {
    /// To wait `most` in all for these CPUs.
    pub(super) fn new(most: Duration, cpus: Vec<usize>) -> Self {
        Self { left: Cell::new(most), cpus, silent: SILENT }
    }

    /// Whether there is patience, and something to wait for.
    pub(super) fn is_needed(&self) -> bool {
        !self.left.get().is_zero() && too_much(&self.cpus).is_some()
    }

    /// Waits until nobody else uses the machine, or there is no patience left; the time that it took. `None` when it was asked to end
    /// meanwhile. If that is long, it is `told` once what for.
    pub(super) async fn wait(
        &self,
        status: &Status,
        told: &dyn Fn(&str),
        signals: &mut Signals,
    ) -> Option<Duration> {
        let (begun, mut silent) = (pace::now(), true);
        while !self.left.get().is_zero() {
            let looked = pace::now();
            let busy = too_much(&self.cpus);
            if let Some(Taken { share, cpu }) = busy {
                let what =
                    format!("waiting for a quiet machine: others take {} of CPU {cpu}", percent(share));
                status.does(&what);
                if silent && looked - begun >= self.silent {
                    told(&what);
                    silent = false;
                }
                tokio::select! {
                    () = pace::pause(PAUSE.min(self.left.get())) => {}
                    () = signals.asked() => return None,
                }
            }
            self.left.set(self.left.get().saturating_sub(pace::now() - looked));
            if busy.is_none() {
                break;
            }
        }
        Some(pace::now() - begun)
    }
}

/// The largest share of one of `cpus` that others have while a thread on each wants all of it, where that is too much. A CPU that
/// this process may not use is not looked at.
fn too_much(cpus: &[usize]) -> Option<Taken> {
    let share_of = |cpu| limits::pin(&[cpu]).map_or(0.0, |()| taken_of_this());
    let looked: Vec<Taken> = thread::scope(|scope| {
        let looks: Vec<_> =
            cpus.iter().map(|&cpu| scope.spawn(move || Taken { share: share_of(cpu), cpu })).collect();
        looks.into_iter().filter_map(|look| look.join().ok()).collect()
    });
    let busiest = looked.into_iter().max_by(|one, other| one.share.total_cmp(&other.share));
    busiest.filter(|taken| taken.share > TAKEN_MOST)
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
    use std::cell::RefCell;

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
        let taken = too_much(&[cpu, cpu]).unwrap();
        assert!(taken.share > TAKEN_MOST && taken.cpu == cpu, "{taken:?}");
        assert!(too_much(&[]).is_none() && too_much(&[NO_CPU]).is_none());
    }

    #[tokio::test]
    async fn patience_ends_and_is_used_up_once() {
        let cpu = limits::allowed_cpus()[0];
        let mut signals = Signals::listen().unwrap();
        let patience = Patience::new(LOOK * 2, vec![cpu, cpu]);
        assert!(patience.is_needed());
        let told = |text: &str| panic!("it was not long: {text}");
        let waited = patience.wait(&Status::new(false), &told, &mut signals).await.unwrap();
        assert!(waited >= LOOK, "{waited:?}");
        assert!(patience.left.get().is_zero() && !patience.is_needed());
    }

    #[tokio::test]
    async fn who_waits_long_is_told_once_what_for() {
        let cpu = limits::allowed_cpus()[0];
        let mut signals = Signals::listen().unwrap();
        let patience = Patience { silent: LOOK, ..Patience::new(PAUSE * 3, vec![cpu, cpu]) };
        let told = RefCell::new(Vec::new());
        let tell = |text: &str| told.borrow_mut().push(text.to_owned());
        patience.wait(&Status::new(false), &tell, &mut signals).await.unwrap();
        let told = told.into_inner();
        let [line] = &told[..] else { panic!("{told:?}") };
        assert!(line.starts_with("waiting for a quiet machine: others take "), "{line}");
        assert!(line.ends_with(&format!(" % of CPU {cpu}")), "{line}");
    }
}
