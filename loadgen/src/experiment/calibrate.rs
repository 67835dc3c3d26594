//! `loadgen calibrate`: what the generator can do on this machine, and how far from the truth it is. It arranges runs against
//! a target that does nothing and against queues whose truth is known, within a budget, and gives a
//! [`Calibration`]. It measures nothing that an ordinary run does not.

mod queues;

use super::null_target::NullTarget;
use super::search::{Bounds, Search};
use crate::cli::{CalibrateArgs, ResultArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::limits::{self, Cpus};
use crate::load::{self, Site};
use crate::output::Output;
use crate::signals::Signals;
use crate::{aim, pace, record};
use reports::calibration::{self, Attempt, CALIBRATE_SCHEMA, Calibration, Ceiling, Closed, Floor, Lag};
use reports::record::Run;
use std::time::{Duration, Instant};

/// What it leaves.
const FILE: &str = "calibrate.json";
/// What starting and ending all runs and queues takes.
const OVERHEAD: Duration = Duration::from_secs(3);
/// The lengths of the parts, below, are in seconds of a budget of this many beside the overhead; of another, in proportion.
const WHOLE_S: f64 = 57.0;
const CLOSED_S: f64 = 2.0;
const FLOOR_S: f64 = 3.0;
const ATTEMPT_S: f64 = 1.2;
const LAG_S: f64 = 1.4;
const GAPS_S: f64 = 2.5;
const QUEUE_S: f64 = 8.0;
/// Every run is a multiple of this, the interval over which a thread counts its CPU time.
const GRAIN: Duration = Duration::from_millis(200);
/// A smaller budget leaves no time for any part.
const LEAST_BUDGET: Duration = Duration::from_secs(5);

/// Descriptors of both ends of a run's connections, which are all in this process.
const DESCRIPTORS: u64 = 4096;
/// Connections of the closed loop.
const CONNECTIONS: u32 = 64;
/// A request that takes longer than this has failed: no run may outlast its length by much.
const TIMEOUT: &str = "1s";
/// A rate at which nothing waits for anything.
const FLOOR_RPS: f64 = 500.0;
/// The rate that any machine has to be able to offer.
const LOWEST_RPS: f64 = 1000.0;
/// The search for the ceiling ends here where no closed loop has shown what is possible.
const HIGHEST_RPS: f64 = 1e6;
/// A closed loop that was told less of its answers by a busy target may be beaten by an open one, but not by this much.
const OPEN_TO_CLOSED: f64 = 2.0;
const ATTEMPTS: u32 = 14;
const PRECISION: f64 = 1.05;
/// At so many rates send lag is measured.
const LAGS: u32 = 8;

/// Calibrates; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that cannot be started, a host that does not let us.
pub(crate) fn run(args: CalibrateArgs, begun: Instant) -> Outcome<Exit> {
    if args.budget < LEAST_BUDGET {
        return Err(Failure::usage(format!("--budget: a calibration needs at least {LEAST_BUDGET:?}")));
    }
    let (cpus, target_cpus) = share(args.cpus.as_ref())?;
    let result = ResultArgs { out: args.out, json: args.json, quiet: args.quiet };
    let mut output = Output::of_experiment("calibrate", FILE, &result, begun);
    output.prepare()?;
    limits::raise_descriptors(DESCRIPTORS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::host(format!("cannot start: {e}")))?;
    let work = calibrate(args.budget, args.seed, (cpus, target_cpus), &output, begun);
    match runtime.block_on(tokio::task::LocalSet::new().run_until(work)) {
        Ok(found) => {
            output.finish_experiment(&found, calibration::summary(&found))?;
            Ok(if found.verdict.valid { Exit::Passed } else { Exit::Invalid })
        }
        Err(failure) => {
            output.unmake();
            Err(failure)
        }
    }
}

/// The generator's CPUs and the targets'.
fn share(asked: Option<&Cpus>) -> Outcome<(Vec<usize>, Vec<usize>)> {
    let Some(Cpus(cpus)) = asked else { return Ok(limits::share_with_target(&limits::allowed_cpus())) };
    limits::check_cpus(cpus)?;
    Ok((cpus.clone(), aim::others(cpus)))
}

async fn calibrate(
    budget: Duration,
    seed: u64,
    (cpus, target_cpus): (Vec<usize>, Vec<usize>),
    output: &Output,
    begun: Instant,
) -> Outcome<Calibration> {
    let found = Calibration {
        schema: CALIBRATE_SCHEMA.to_owned(),
        head: record::head(seed, pace::wall_clock(), &cpus),
        budget_s: budget.as_secs_f64(),
        threads: cpus.len(),
        target_cpus,
        ..Calibration::default()
    };
    let signals = Signals::listen()?;
    let scale = budget.saturating_sub(OVERHEAD).as_secs_f64() / WHOLE_S;
    let mut bench = Bench { signals, output, end: begun + budget, scale, found };
    bench.against_nothing().await?;
    bench.against_queues().await?;
    bench.found.duration_s = (pace::now() - begun).as_secs_f64();
    bench.found.judge();
    Ok(bench.found)
}

/// A calibration under way.
struct Bench<'a> {
    signals: Signals,
    output: &'a Output,
    /// When the budget is used up.
    end: Instant,
    /// This budget in units of [`WHOLE_S`].
    scale: f64,
    found: Calibration,
}

impl Bench<'_> {
    /// How long a part takes that takes `of_whole_s` of the whole budget; `None` when it would not end in time.
    fn length(&self, of_whole_s: f64) -> Option<Duration> {
        let grains = (of_whole_s * self.scale / GRAIN.as_secs_f64()).floor().max(1.0);
        let length = GRAIN * grains as u32;
        (!self.found.partial && pace::now() + length < self.end).then_some(length)
    }

    /// One run of `of_whole_s` of the whole budget; `None` when there is no time for it, or the user thought better of it.
    async fn load(&mut self, site: &Site, of_whole_s: f64, options: &str) -> Outcome<Option<Run>> {
        let Some(length) = self.length(of_whole_s) else { return Ok(None) };
        let options = format!(
            "--duration {}ms --timeout {TIMEOUT} --seed {} {options}",
            length.as_millis(),
            self.found.head.seed
        );
        let run = load::once(&options, site, &mut self.signals).await?;
        self.found.partial |= run.partial;
        Ok((!run.partial).then_some(run))
    }

    fn site(&self, what: &'static str) -> Site {
        Site {
            addresses: Vec::new(),
            what,
            target_cpus: self.found.target_cpus.clone(),
            cpus: self.found.head.cpus.clone(),
            not_ours: Vec::new(),
        }
    }

    /// What the generator can do when the target costs nothing.
    async fn against_nothing(&mut self) -> Outcome {
        // Its threads take their CPUs before this one gives them up.
        let target = NullTarget::start(&self.found.target_cpus)?;
        limits::pin(&self.found.head.cpus)?;
        let site = Site {
            addresses: target.addresses.clone(),
            not_ours: target.threads.clone(),
            ..self.site("nothing, answered at once")
        };
        self.say("a closed loop against a target that does nothing");
        self.closed(&site).await?;
        self.floor(&site).await?;
        self.say("the highest rate that can be offered and believed");
        self.ceiling(&site).await?;
        self.say("send lag at rates up to it");
        self.lags(&site).await
    }

    /// What comes next, unless it was asked to end.
    fn say(&self, next: &str) {
        if !self.found.partial {
            self.output.say(&format!("calibrating: {next}"));
        }
    }

    async fn closed(&mut self, site: &Site) -> Outcome {
        let options = format!("--connections {CONNECTIONS} --warmup 200ms");
        let run = self.load(site, CLOSED_S, &options).await?;
        self.found.closed = run.map(|run| Closed {
            rps: run.rps.ok,
            cpu_us_per_request: run.generator.cpu_us_per_request,
            cpu_share_max: run.generator.cpu_share_max,
            connections: run.connections_max,
        });
        Ok(())
    }

    async fn floor(&mut self, site: &Site) -> Outcome {
        let run = self.load(site, FLOOR_S, &format!("--rps {FLOOR_RPS}")).await?;
        self.found.floor = run.map(|run| Floor {
            offered_rps: run.rps.planned,
            count: run.response_ms.count,
            p50_ms: run.response_ms.p50,
            p99_ms: run.response_ms.p99,
            valid: run.verdict.valid,
        });
        Ok(())
    }

    async fn ceiling(&mut self, site: &Site) -> Outcome {
        let closed = self.found.closed.as_ref().map(|closed| closed.rps);
        let most = closed.map_or(HIGHEST_RPS, |rps| (OPEN_TO_CLOSED * rps).max(LOWEST_RPS));
        let bounds = Bounds { first: LOWEST_RPS, most, precision: PRECISION, tries: ATTEMPTS };
        let mut search = Search::new(bounds);
        let (mut lowest_invalid, mut limited_by) = (f64::INFINITY, Vec::new());
        let mut steps = Vec::new();
        while let Some(rate) = search.next() {
            // A whole rate is one that can be asked for again.
            let Some(run) = self.load(site, ATTEMPT_S, &format!("--rps {}", rate.round())).await? else {
                break;
            };
            let valid = run.verdict.valid;
            steps.push(Attempt { offered_rps: rate.round(), valid });
            if !valid && rate <= lowest_invalid {
                (lowest_invalid, limited_by) = (rate, run.verdict.reasons);
            }
            search.tell(valid);
        }
        let (rps, bound) = search.found();
        self.found.ceiling = Ceiling { rps: rps.map(f64::round), bound: bound.to_owned(), limited_by, steps };
        Ok(())
    }

    async fn lags(&mut self, site: &Site) -> Outcome {
        for rate in lag_rates(self.found.ceiling.rps.unwrap_or(LOWEST_RPS)) {
            let Some(run) = self.load(site, LAG_S, &format!("--rps {rate}")).await? else { break };
            self.found.lag.push(Lag::of(&run));
        }
        Ok(())
    }
}

/// Rates from the lowest to `most`, each the same multiple of the one before.
fn lag_rates(most: f64) -> Vec<f64> {
    let ratio = (most / LOWEST_RPS).max(1.0);
    let rate = |n: u32| (LOWEST_RPS * ratio.powf(f64::from(n) / f64::from(LAGS - 1))).round();
    let mut rates: Vec<f64> = (0..LAGS).map(rate).collect();
    rates.dedup();
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_go_up_evenly_to_the_ceiling() {
        for (most, want) in [
            (128_000.0, vec![1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 64e3, 128e3]),
            (1000.0, vec![1e3]),
            (5.0, vec![1e3]),
        ] {
            assert_eq!(lag_rates(most), want);
        }
    }

    #[test]
    fn the_parts_fit_the_whole() {
        let parts = CLOSED_S
            + FLOOR_S
            + ATTEMPT_S * f64::from(ATTEMPTS)
            + LAG_S * f64::from(LAGS)
            + queues::LENGTHS_S.iter().sum::<f64>();
        assert!(parts <= WHOLE_S, "{parts}");
    }

    #[test]
    fn cpus_that_are_not_ours_are_refused() {
        let failure = share(Some(&Cpus(vec![4095]))).unwrap_err();
        assert!(failure.exit == Exit::Usage && failure.message.contains("4095"));
        let allowed = limits::allowed_cpus();
        let (generator, target) = share(Some(&Cpus(vec![allowed[0]]))).unwrap();
        assert_eq!(generator, [allowed[0]]);
        assert!(!target.is_empty() && (allowed.len() == 1 || !target.contains(&allowed[0])));
    }
}
