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

/// So many requests may end between the readings of two counters.
const READING: u64 = 5;

/// A load.
pub(super) struct Offer<'a> {
    /// What is sent.
    pub(super) load: &'a LoadArgs,
    /// Requests per second; without it, in a closed loop.
    pub(super) rate: Option<Rate>,
    /// How long.
    pub(super) length: Duration,
    /// See [`Plan::resolution`].
    pub(super) resolution: Duration,
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
        let plan = Plan { resolution: Some(self.resolution), ..plan };
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

/// Whether a counter was begun anew between two samples: by more than two counters that are read one after the other seem to go back.
pub(super) fn goes_back(samples: &[(Duration, u64)]) -> bool {
    samples.windows(2).any(|pair| pair[1].1.saturating_add(READING) < pair[0].1)
}

/// Samples of a counter, with the instants of a run's own clock: from its beginning to its end, less what was counted before. Two counters
/// that are read one after the other may seem to go back by a request, which is no news.
pub(super) fn samples(run: &Run, samples: &[(Duration, u64)]) -> Vec<(f64, u64)> {
    let timed: Vec<(f64, u64)> = samples.iter().map(|(at, n)| (since_start(run, *at), *n)).collect();
    counted(&timed, run.duration_s)
}

fn counted(timed: &[(f64, u64)], end_s: f64) -> Vec<(f64, u64)> {
    let before = timed.iter().take_while(|(at, _)| *at <= 0.0).last();
    let Some(&(_, first)) = before.or(timed.first()) else { return Vec::new() };
    let mut most = 0;
    let grown = |(at, n): &(f64, u64)| {
        most = most.max(n.saturating_sub(first));
        (*at, most)
    };
    let within = timed.iter().filter(|(at, _)| *at > 0.0 && *at <= end_s).map(grown);
    std::iter::once((0.0, 0)).chain(within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_goes_back_by_more_than_its_reading_was_begun_anew() {
        let at = |counts: &[u64]| counts.iter().map(|n| (Duration::ZERO, *n)).collect::<Vec<_>>();
        assert!(!goes_back(&at(&[])) && !goes_back(&at(&[7, 9, 8, 12])));
        assert!(goes_back(&at(&[7, 90, 3, 95])));
    }

    #[test]
    fn a_counter_is_told_from_the_beginning_of_the_load_to_its_end() {
        for (timed, want) in [
            (&[][..], &[][..]),
            (
                &[(-1.0, 5), (-0.2, 7), (0.1, 9), (0.2, 8), (0.3, 12), (2.5, 99)],
                &[(0.0, 0), (0.1, 2), (0.2, 2), (0.3, 5)],
            ),
            (&[(0.1, 9), (0.2, 10)], &[(0.0, 0), (0.1, 0), (0.2, 1)]),
        ] {
            assert_eq!(counted(timed, 1.0), want, "{timed:?}");
        }
    }
}
