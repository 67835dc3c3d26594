//! Visitors of a shop who look, fill a cart and buy over connections that they keep, while something is done to it: what went wrong for
//! them, and which versions of the app answered.

use crate::kept::Kept;
use crate::shopper::JSON;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What visitors have seen together.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answers by the version that gave them.
    pub versions: BTreeMap<String, usize>,
    /// What was no good answer: its status, or why there was none.
    pub failures: Vec<String>,
}

/// The visitors' day.
#[derive(Debug, Default)]
pub struct Visit {
    over: AtomicBool,
    answers: AtomicUsize,
    seen: Mutex<Seen>,
}

/// Between two requests of a visitor: a few hundred requests a second of all together.
const PAUSE: Duration = Duration::from_millis(10);

impl Visit {
    /// Answers so far, good or not.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// One visitor's day: asks at `address` until it is over.
    fn walk(&self, address: &str, visitor: usize) {
        let mut kept = None;
        for n in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let path = format!("/products/{}", (visitor * 131 + n) % 1000 + 1);
            let key = format!("{JSON}Idempotency-Key: visit-{visitor}-{n}\r\n");
            let (method, path, headers, form) = match n % 4 {
                0 | 1 => ("GET", path.as_str(), JSON, ""),
                2 => ("POST", "/cart", JSON, "item=7&quantity=2"),
                _ => ("POST", "/buy", key.as_str(), "email=ada%40example.com&item=9&quantity=1"),
            };
            let answer = kept.take().map_or_else(|| Kept::connect(address), Ok).and_then(|mut open| {
                let answer = open.ask(method, path, headers, form)?;
                let closes = answer.field("connection") == Some("close");
                kept = (!closes).then_some(open);
                Ok(answer)
            });
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(answer) => {
                    let version = answer.field("x-app-version").unwrap_or("none").to_owned();
                    *seen.versions.entry(version).or_default() += 1;
                    if answer.status != 200 {
                        seen.failures.push(format!("{method} {path}: {}", answer.status));
                    }
                }
                Err(e) => seen.failures.push(format!("{method} {path}: {e}")),
            }
            drop(seen);
            self.answers.fetch_add(1, Ordering::Relaxed);
            std::thread::park_timeout(PAUSE);
        }
    }
}

/// Has visitors at each of these addresses while `act` is done, to which the visit is shown.
pub fn during(addresses: &[String], each: usize, act: impl FnOnce(&Visit)) -> Seen {
    /// Sends them home, whatever becomes of the test.
    struct Hours<'v>(&'v Visit);
    impl Drop for Hours<'_> {
        fn drop(&mut self) {
            self.0.over.store(true, Ordering::Relaxed);
        }
    }
    let visit = Visit::default();
    std::thread::scope(|scope| {
        let visit = &visit;
        for visitor in 0..each * addresses.len() {
            let address = &addresses[visitor % addresses.len()];
            scope.spawn(move || visit.walk(address, visitor));
        }
        let _hours = Hours(visit);
        act(visit);
    });
    visit.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}
