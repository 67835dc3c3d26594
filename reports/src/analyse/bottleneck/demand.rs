//! Service demands: busy seconds per correct answer at low load. From readings of a resource at the loads of a search to
//! its demand, what it uses without any load, and what they predict with the range over the loads. It says which loads it
//! went by, since a demand at a high load is no prediction.

use crate::ceiling::{Ceiling, Step};

/// The highest load that counts as low, as a share of the ceiling: the sweep's at 0.6 of what the ceiling was taken for then.
pub(super) const LOW_MOST: f64 = 0.66;
/// What is found from higher loads than this is no prediction of the ceiling.
const INDEPENDENT_MOST: f64 = 0.75;
/// Where fewer than two loads are low, so many of the lowest are taken.
const FALLBACK: usize = 3;
/// The range leaves out loads of less than this share of the highest: there, a request too few is a large difference.
const RANGE_LEAST: f64 = 0.25;

/// A reading at one load.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    /// The load's length in seconds, which is its weight.
    seconds: f64,
    offered: f64,
    /// Correct answers per second.
    rate: f64,
    /// How many of the resource were busy.
    busy: f64,
    held: bool,
}

/// The readings that a demand is computed from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Basis {
    readings: Vec<Reading>,
    /// Whether the loads were low enough to predict the ceiling from.
    pub(super) low: bool,
}

/// What a request takes of a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    /// Busy seconds per correct answer.
    pub(super) seconds: f64,
    /// What is busy at no load.
    pub(super) idle: f64,
}

impl Demand {
    /// The requests per second at which all of `capacity` is busy.
    pub(super) fn ceiling(&self, capacity: f64) -> Option<f64> {
        let rate = (capacity - self.idle) / self.seconds;
        (self.seconds > 0.0 && rate > 0.0 && rate.is_finite()).then_some(rate)
    }
}

impl Basis {
    /// The readings by `busy` at the low loads of `found`: those that passed, up to [`LOW_MOST`] of the ceiling, and where
    /// there are fewer than two of these, the lowest. `None` where there is no reading at all.
    pub(super) fn of(found: &Ceiling, busy: impl Fn(&Step) -> Option<f64>) -> Option<Self> {
        let reading = |step: &Step| {
            let usable = |value: f64| value.is_finite() && value > 0.0;
            let numbers = usable(step.ok_rps) && usable(step.duration_s) && usable(step.offered_rps);
            let busy = busy(step).filter(|_| numbers)?;
            let (seconds, offered, rate) = (step.duration_s, step.offered_rps, step.ok_rps);
            Some(Reading { seconds, offered, rate, busy, held: step.passed && step.valid })
        };
        let mut readings: Vec<Reading> = found.steps.iter().filter_map(reading).collect();
        readings.sort_by(|a, b| a.offered.total_cmp(&b.offered));
        let ceiling = found.ceiling_rps.filter(|rps| rps.is_finite() && *rps > 0.0).unwrap_or(f64::INFINITY);
        let held: Vec<Reading> = readings.iter().filter(|reading| reading.held).copied().collect();
        let mut chosen: Vec<Reading> =
            held.iter().filter(|reading| reading.offered <= LOW_MOST * ceiling).copied().collect();
        if chosen.len() < 2 {
            let from = if held.is_empty() { readings } else { held };
            // Several loads at one rate, as those that confirm the ceiling, are one.
            let limit = from.first()?.offered * 2.0;
            chosen = from.into_iter().take(FALLBACK).filter(|reading| reading.offered <= limit).collect();
        }
        let highest = chosen.last()?.offered;
        let low = chosen.iter().all(|reading| reading.held) && highest <= INDEPENDENT_MOST * ceiling;
        Some(Self { readings: chosen, low })
    }

    /// The demand: of what may be busy `without_load` by a straight line over the rates, where there are three of them.
    /// Weighted by 1 / variance, which for independent requests grows with rate / length; so the line through nothing is
    /// the ratio of all busy seconds to all answers.
    pub(super) fn demand(&self, without_load: bool) -> Demand {
        let sum = |of: fn(&Reading) -> f64| self.readings.iter().map(of).sum::<f64>();
        let (time, answers) = (sum(|r| r.seconds), sum(|r| r.seconds * r.rate));
        let (weight, busy) = (sum(|r| r.seconds / r.rate), sum(|r| r.seconds * r.busy / r.rate));
        let seconds_busy = sum(|r| r.seconds * r.busy);
        let ratio = Demand { seconds: seconds_busy / answers, idle: 0.0 };
        if !without_load || self.distinct_rates() < 3 {
            return ratio;
        }
        let determinant = weight * answers - time * time;
        let seconds = (weight * seconds_busy - time * busy) / determinant;
        let idle = (busy * answers - time * seconds_busy) / determinant;
        let line = seconds.is_finite() && seconds > 0.0 && idle.is_finite() && idle >= 0.0;
        if line { Demand { seconds, idle } } else { ratio }
    }

    /// The lowest and the highest ceiling of `capacity` that a single load predicts, with `demand`'s use at no load.
    pub(super) fn range(&self, demand: &Demand, capacity: f64) -> [f64; 2] {
        let highest = self.readings.iter().map(|reading| reading.rate).fold(0.0, f64::max);
        let whole = demand.ceiling(capacity).unwrap_or(0.0);
        let alone = |reading: &Reading| {
            let seconds = (reading.busy - demand.idle) / reading.rate;
            Demand { seconds, ..*demand }.ceiling(capacity)
        };
        let counted = self.readings.iter().filter(|reading| reading.rate >= RANGE_LEAST * highest);
        counted.filter_map(alone).fold([whole, whole], |[low, high], one| [low.min(one), high.max(one)])
    }

    /// The demand at the upper half of the loads over that at the lower half: 1 of what a request takes alone, more of what it
    /// waits for too.
    pub(super) fn growth(&self) -> f64 {
        let (lower, upper) = self.readings.split_at(self.readings.len() / 2);
        let ratio = |readings: &[Reading]| {
            let sum = |of: fn(&Reading) -> f64| readings.iter().map(of).sum::<f64>();
            sum(|r| r.seconds * r.busy) / sum(|r| r.seconds * r.rate)
        };
        if lower.is_empty() { 1.0 } else { ratio(upper) / ratio(lower) }
    }

    /// How many loads, and the lowest and the highest, in requests per second.
    pub(super) fn loads(&self) -> (usize, f64, f64) {
        let offered = |reading: Option<&Reading>| reading.map_or(0.0, |reading| reading.offered);
        (self.readings.len(), offered(self.readings.first()), offered(self.readings.last()))
    }

    fn distinct_rates(&self) -> usize {
        let mut last = 0.0;
        let mut count = 0;
        for reading in &self.readings {
            if reading.offered > last * 1.05 {
                last = reading.offered;
                count += 1;
            }
        }
        count
    }
}
