//! Before a run: waiting for a quiet machine. Nobody waits for minutes to hear then that a target is not there: before the first
//! waiting each of them is started and reached once.

use super::Bench;
use super::arms::Arm;
use super::there::There;
use crate::failure::Outcome;
use crate::plan::Plan;
use crate::signals::Signals;
use crate::units::Rate;
use std::time::Duration;

impl Bench<'_> {
    /// Waits, and gives the time that it took; `None` when it was asked to end meanwhile.
    ///
    /// # Errors
    /// The target's fault: one does not start, or cannot be reached.
    pub(super) async fn quiet(&self, signals: &mut Signals) -> Outcome<Option<Duration>> {
        if !self.tried.get() && self.patience.is_needed() {
            self.tried.set(true);
            for (n, arm) in self.arms.iter().enumerate() {
                let same = self.arms.iter().take(n).any(|earlier| earlier.target == arm.target);
                if !same && self.try_out(arm, signals).await?.is_none() {
                    return Ok(None);
                }
            }
        }
        let status = &self.output.status;
        let told = |text: &str| {
            // Who sees the line is told by it.
            if !status.is_seen() {
                self.output.say(text);
            }
        };
        let waited = self.patience.wait(status, &told, signals).await;
        if self.args.budget.is_none() {
            status.takes_longer(waited.unwrap_or_default());
        }
        Ok(waited)
    }

    /// Starts the target and reaches it, and takes it down again; `None` when it was asked to end before.
    async fn try_out(&self, arm: &Arm, signals: &mut Signals) -> Outcome<Option<()>> {
        self.output.status.does(&format!("{}: starting the target", arm.name));
        let Some(there) = There::start(arm, &self.room, signals).await? else { return Ok(None) };
        let rate = Rate { micro: 1_000_000 };
        let load = there.load(&self.args.load);
        let reached = match Plan::at(&load, Some(rate), self.args.warmup, self.args.duration) {
            Ok(plan) => there.reach(&plan, &self.room).await.map(drop),
            Err(failure) => Err(failure),
        };
        there.stop().await;
        reached.map(Some)
    }
}
