//! One popular page whose copy expires again and again, before an app that takes long over it: who reaches the app then.

use super::offer::{Offer, ledger, samples};
use super::stack::Stack;
use super::{Bench, EXPIRIES, STAMPEDE, catalogue};
use crate::cli::{LoadArgs, Sizes};
use crate::failure::Outcome;
use crate::pace;
use crate::signals::Signals;
use reports::cache::Stampede;
use std::cell::RefCell;
use std::time::Duration;

/// How often the app is asked how many requests have reached it.
const PERIOD: Duration = Duration::from_millis(100);
/// The page is fetched once before the load, by one client, which takes as long as the app and a little longer.
const FETCHING: Duration = Duration::from_millis(300);

impl Bench<'_> {
    /// A stampede, and what the stack emulates; `None` when it was asked to end.
    ///
    /// # Errors
    /// The target's fault: it does not start, or dies; the host's fault: threads that cannot be started.
    pub(super) async fn stampede(
        &self,
        lock: bool,
        signals: &mut Signals,
    ) -> Outcome<Option<(Stampede, Vec<String>)>> {
        let (how, words) = if lock { ("lock", "with a lock") } else { ("on", "without a lock") };
        self.say(&format!("a popular page that expires {words}"));
        let sizes = Sizes { service: Some(self.args.slow), ..self.small() };
        let cache = (how, self.args.short_valid);
        let Some(stack) = Stack::start(self, cache, &[], &sizes, signals).await? else { return Ok(None) };
        let done = self.expire(&stack, lock, signals).await;
        let emulated = stack.descriptor.emulated.clone();
        Ok(stack.end(done).await?.map(|stampede| (stampede, emulated)))
    }

    async fn expire(
        &self,
        stack: &Stack,
        lock: bool,
        signals: &mut Signals,
    ) -> Outcome<Option<Stampede>> {
        let (meters, load) = (stack.meters()?, catalogue::page(self.args.target_proxy)?);
        let alone = LoadArgs { connections: Some(1), ..load.clone() };
        let fetch = Offer { load: &alone, rate: None, length: FETCHING + self.args.slow };
        if fetch.carry_out(&stack.descriptor, &self.cpus, signals, async {}).await?.partial {
            return Ok(None);
        }
        self.output.status.does("a popular page expires");
        let reached = RefCell::new(Vec::new());
        let sampling = async {
            loop {
                // One that does not come is one fewer.
                if let Ok(n) = meters.reached().await {
                    reached.borrow_mut().push((pace::wall_clock(), n));
                }
                pace::pause(PERIOD).await;
            }
        };
        let length = self.lasting(STAMPEDE, EXPIRIES);
        let offer = Offer { load: &load, rate: Some(self.args.rps), length };
        let run = offer.carry_out(&stack.descriptor, &self.cpus, signals, sampling).await?;
        if run.partial {
            return Ok(None);
        }
        let reached = samples(&run, &reached.take());
        Ok(Some(Stampede {
            lock,
            offered_rps: self.args.rps.rps(),
            duration_s: run.duration_s,
            ledger: ledger(&run),
            p50_ms: run.response_ms.p50,
            p99_ms: run.response_ms.p99,
            max_ms: run.response_ms.max,
            reached,
            valid: run.verdict.valid,
            reasons: if run.verdict.valid { Vec::new() } else { run.verdict.reasons },
            ..Stampede::default()
        }))
    }
}
