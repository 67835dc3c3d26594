//! One load of the experiment, with something done beside it while it goes on.

use crate::cli::LoadArgs;
use crate::failure::Outcome;
use crate::plan::Plan;
use crate::run::{self, Manner};
use crate::signals::Signals;
use crate::target::Descriptor;
use crate::units::Rate;
use crate::{aim, limits, pace};
use jiff::Timestamp;
use reports::cache::Ledger;
use reports::record::Run;
use std::time::Duration;

/// A load.
pub(super) struct Offer<'a> {
    /// What is sent.
    pub(super) load: &'a LoadArgs,
    /// Requests per second; without it, in a closed loop.
    pub(super) rate: Option<Rate>,
    /// How long.
    pub(super) length: Duration,
}

impl Offer<'_> {
    /// Carries it out, and what is to be done beside it as far as that comes meanwhile.
    ///
    /// # Errors
    /// The target's fault: it cannot be reached; the host's fault: threads that cannot be started.
    pub(super) async fn carry_out(
        &self,
        descriptor: &Descriptor,
        cpus: &[usize],
        signals: &mut Signals,
        beside: impl Future<Output = ()>,
    ) -> Outcome<Run> {
        let plan = Plan::at(self.load, self.rate, Duration::ZERO, self.length)?;
        let aim = aim::reference(&plan, descriptor, cpus.to_vec()).await?;
        let wire = run::reach(&plan, &aim).await?;
        limits::pin(cpus)?;
        let manner = Manner {
            log: None,
            referee: None,
            wire,
            visible: false,
            exporter: None,
            command: Vec::new(),
            begun: pace::now(),
            deadline: None,
        };
        let mut run = std::pin::pin!(run::carry_out(&plan, &aim, signals, manner));
        tokio::select! {
            run = &mut run => run,
            () = beside => run.await,
        }
    }
}

/// What became of the requests of a run.
pub(super) fn ledger(run: &Run) -> Ledger {
    Ledger {
        planned: run.planned,
        ok: run.ok,
        errors: run.errors.total(),
        dropped: run.dropped,
        unfinished: run.unfinished,
    }
}

/// Seconds from the beginning of `run` to an instant, both by the wall clock.
pub(super) fn since_start(run: &Run, at: Duration) -> f64 {
    let begun = run.started_at.parse::<Timestamp>().map_or(0.0, |begun| begun.as_microsecond() as f64 / 1e6);
    at.as_secs_f64() - begun
}

/// Samples of a counter, with the instants of a run's own clock: those from its beginning to its end, less what was counted before.
/// Two counters that are read one after the other may seem to go back by a request, which is no news.
pub(super) fn samples(run: &Run, samples: &[(Duration, u64)]) -> Vec<(f64, u64)> {
    let timed = samples.iter().map(|(at, n)| (since_start(run, *at), *n));
    let within: Vec<(f64, u64)> = timed.filter(|(at, _)| (0.0..=run.duration_s).contains(at)).collect();
    let first = within.first().map_or(0, |sample| sample.1);
    let mut most = 0;
    let grown = |(at, n): (f64, u64)| {
        most = most.max(n.saturating_sub(first));
        (at, most)
    };
    within.into_iter().map(grown).collect()
}
