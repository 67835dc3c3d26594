//! Many cases at once, and no more than can be served at once. Given how many there are and what to do with each, it gives what came of
//! them, in their order.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `case` with every number below `count`, on so many threads.
pub(crate) fn run<T: Send>(count: usize, lanes: usize, case: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let lane = || {
            let number = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count);
            std::iter::from_fn(number).map(|n| (n, case(n))).collect::<Vec<_>>()
        };
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
