//! One popular page of which there is no copy at first, and whose copy expires again and again, before an app that takes long over it: who
//! reaches the app then.

use super::offer::{Offer, goes_back, ledger, samples};
use super::stack::{Stack, WENT_BACK, grown};
use super::{Bench, EXPIRIES, STAMPEDE, catalogue};
use crate::cli::Sizes;
use crate::failure::Outcome;
use crate::pace;
use crate::signals::Signals;
use crate::target::Descriptor;
use reports::cache::{Cure, Stampede};
use std::cell::RefCell;
use std::time::Duration;

/// How often the app is asked how many requests have reached it.
const PERIOD: Duration = Duration::from_millis(100);

impl Bench<'_> {
    /// A stampede, and where it was; `None` when it was asked to end.
    ///
    /// # Errors
    /// The target's fault: it does not start, or dies; the host's fault: threads that cannot be started.
    pub(super) async fn stampede(
        &self,
        cure: Cure,
        signals: &mut Signals,
    ) -> Outcome<Option<(Stampede, Descriptor)>> {
        let how = match cure {
            Cure::None => "on",
            Cure::Lock => "lock",
            Cure::Full => "full",
        };
        self.say(&format!("a popular page, {}", cure.words()));
        let sizes = Sizes { service: Some(self.args.slow), ..self.small() };
        let cache = (how, self.args.short_valid);
        let Some(stack) = Stack::start(self, cache, &[], &sizes, signals).await? else { return Ok(None) };
        let done = self.expire(&stack, cure, signals).await;
        let descriptor = stack.descriptor.clone();
        Ok(stack.end(done).await?.map(|stampede| (stampede, descriptor)))
    }

    async fn expire(&self, stack: &Stack, cure: Cure, signals: &mut Signals) -> Outcome<Option<Stampede>> {
        let (meters, load) = (stack.meters()?, catalogue::page(self.args.target_proxy)?);
        self.output.status.does("a popular page expires");
        // Nobody has asked for the page yet.
        let before = meters.fared().await?;
        let reached = RefCell::new(vec![(pace::wall_clock(), meters.reached().await?)]);
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
        // Requests that reach the app are counted as often.
        let resolution = PERIOD;
        let offer = Offer { load: &load, rate: Some(self.args.rps), length, resolution };
        let run = offer.carry_out(&stack.descriptor, &self.cpus, signals, sampling).await?;
        if run.partial {
            return Ok(None);
        }
        let (reached, after) = (reached.take(), meters.fared().await?);
        let fared = grown(&after, &before).filter(|_| !goes_back(&reached));
        let reached = samples(&run, &reached);
        let valid = run.verdict.valid && fared.is_some();
        let mut reasons = if run.verdict.valid { Vec::new() } else { run.verdict.reasons.clone() };
        reasons.extend(fared.is_none().then(|| WENT_BACK.to_owned()));
        Ok(Some(Stampede {
            cure,
            offered_rps: self.args.rps.rps(),
            duration_s: run.duration_s,
            ledger: ledger(&run),
            p50_ms: run.response_ms.p50,
            p99_ms: run.response_ms.p99,
            max_ms: run.response_ms.max,
            reached,
            fared: fared.unwrap_or_default(),
            valid,
            reasons,
            ..Stampede::default()
        }))
    }
}
