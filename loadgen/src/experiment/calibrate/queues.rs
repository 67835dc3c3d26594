//! The half of a calibration that has a truth to be held against: the evenness of the stream as a target saw it, and
//! percentiles against queues whose response times are known in closed form.

use super::{Bench, GAPS_S, QUEUE_S};
use crate::experiment::queue::{Queue, Seen, Shape};
use crate::failure::Outcome;
use crate::load::Site;
use crate::schedule::{Arrivals, Schedule, Step};
use crate::units::Rate;
use reports::analyse::queueing;
use reports::calibration::{Gaps, QueueCheck, Truth};
use reports::record::Run;
use std::time::Duration;

/// The lengths of all runs here, in seconds of the whole budget.
#[cfg(test)]
pub(super) const LENGTHS_S: [f64; 4] = [GAPS_S, GAPS_S, QUEUE_S, QUEUE_S];
/// The rate at which the stream's evenness is looked at.
const GAPS_RPS: u32 = 2000;
/// A queue in which nothing waits.
const WIDE: Shape = Shape { workers: 64, service_ms: 1, exponential: false, seed: 1 };
/// One server busy half of the time at 500/s, and four of them at the same rate: long services, so that the way there and
/// back is small beside them, and enough requests for p99.9.
const SHAPES: [(u32, u32, bool); 2] = [(1, 1, false), (4, 4, true)];
const UTILISATION: f64 = 0.5;

impl Bench<'_> {
    /// The arrival stream, and percentiles.
    pub(super) async fn against_queues(&mut self) -> Outcome {
        self.say("the evenness of the stream, as a queue sees it");
        for arrivals in [Arrivals::Even, Arrivals::Poisson] {
            self.gaps(arrivals).await?;
        }
        self.say("percentiles against queues whose truth is known");
        for (workers, service_ms, exponential) in SHAPES {
            let seed = self.found.head.seed;
            self.percentiles(Shape { workers, service_ms, exponential, seed }).await?;
        }
        Ok(())
    }

    /// A run against a new queue, and what that saw of it; `None` when there is no time for it.
    async fn with_queue(
        &mut self,
        shape: Shape,
        of_whole_s: f64,
        options: &str,
    ) -> Outcome<Option<(Run, Seen)>> {
        if self.length(of_whole_s).is_none() {
            return Ok(None);
        }
        let queue = Queue::start(shape, &self.found.target_cpus).await?;
        let site = Site { addresses: vec![queue.address], ..self.site("a queue whose truth is known") };
        let both = match self.load(&site, of_whole_s, options).await {
            Ok(Some(run)) => queue.seen().await.map(|seen| Some((run, seen))),
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        };
        queue.stop().await;
        both
    }

    async fn gaps(&mut self, arrivals: Arrivals) -> Outcome {
        let (name, cv_intended) = match arrivals {
            Arrivals::Even => ("even", 0.0),
            Arrivals::Poisson => ("poisson", 1.0),
        };
        let options = format!("--rps {GAPS_RPS} --arrivals {name}");
        if let Some((run, seen)) = self.with_queue(WIDE, GAPS_S, &options).await? {
            self.found.gaps.push(Gaps {
                arrivals: name.to_owned(),
                offered_rps: f64::from(GAPS_RPS),
                count: seen.arrivals,
                cv: seen.gap_cv,
                cv_intended,
                valid: run.verdict.valid,
            });
        }
        Ok(())
    }

    async fn percentiles(&mut self, shape: Shape) -> Outcome {
        let service_ms = f64::from(shape.service_ms);
        let per_ms = UTILISATION * f64::from(shape.workers) / service_ms;
        let model = match shape.exponential {
            true => queueing::Queue::mmc(per_ms, service_ms, shape.workers),
            false => queueing::Queue::md1(per_ms, service_ms),
        };
        let Some(model) = model else { return Ok(()) };
        let rps = per_ms * 1e3;
        let options = format!("--rps {rps} --arrivals poisson");
        if let Some((run, seen)) = self.with_queue(shape, QUEUE_S, &options).await? {
            let truth = Truth {
                queue: &model,
                offered_rps: rps,
                perfect: perfect(shape, rps, run.duration_s, self.found.head.seed),
                logged: [seen.response_ms.p50, seen.response_ms.p99, seen.response_ms.p999],
            };
            let check = QueueCheck::of(&run, shape.workers, service_ms, truth, self.found.head.seed);
            self.found.queues.push(check);
        }
        Ok(())
    }
}

/// What the response times of a run would be, in milliseconds, if every request reached the queue at its intended instant
/// and nothing else took time: the schedule and the services are known, since both come from seeds.
fn perfect(shape: Shape, rps: f64, length_s: f64, seed: u64) -> Vec<f64> {
    let rate = Rate { micro: (rps * 1e6).round() as u64 };
    let length = Duration::from_secs_f64(length_s);
    let step = Step { length, from: rate, to: rate, counted: true };
    let arrivals = Schedule::new(&[step], Arrivals::Poisson, seed, 0, 1).map(|a| a.offset_ns as f64 / 1e6);
    queueing::responses(arrivals.zip(shape.services()), shape.workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_know_nothing_of_the_gaps_before_them_though_both_come_from_one_seed() {
        let shape = Shape { workers: 1, service_ms: 1, exponential: true, seed: 7 };
        let rate = Rate { micro: 1_000_000_000 };
        let step = Step { length: Duration::from_secs(10), from: rate, to: rate, counted: true };
        let (mut last, mut count, mut product) = (0.0, 0.0, 0.0);
        for (arrival, service) in Schedule::new(&[step], Arrivals::Poisson, 7, 0, 1).zip(shape.services()) {
            let at = arrival.offset_ns as f64 / 1e6;
            product += (at - last - 1.0) * (service - 1.0);
            (last, count) = (at, count + 1.0);
        }
        // Both have the variance 1: this is their correlation.
        assert!(count > 9_000.0 && (product / count).abs() < 0.05, "{}", product / count);
    }

    #[test]
    fn a_perfect_run_is_that_of_its_seeds_and_of_its_model() {
        for (workers, service_ms, exponential) in SHAPES {
            let shape = Shape { workers, service_ms, exponential, seed: 7 };
            let rps = UTILISATION * f64::from(workers) / f64::from(service_ms) * 1e3;
            let mut times = perfect(shape, rps, 100.0, 7);
            assert_eq!(times, perfect(shape, rps, 100.0, 7));
            assert_ne!(times, perfect(shape, rps, 100.0, 8));
            times.sort_unstable_by(f64::total_cmp);
            let per_ms = rps / 1e3;
            let model = match exponential {
                true => queueing::Queue::mmc(per_ms, service_ms.into(), workers),
                false => queueing::Queue::md1(per_ms, service_ms.into()),
            };
            for q in [0.9, 0.99] {
                let (got, want) = (queueing::at(&times, q), model.as_ref().unwrap().quantile(q).unwrap());
                assert!((got / want - 1.0).abs() < 0.1, "{shape:?} {q}: {got} for {want}");
            }
        }
    }
}
