//! From when on a run was in its steady state: from its timeline to the end of the warm-up part, or to "never". It is
//! given intervals and gives one time; it changes no figure of the run, for what was asked for was measured.
//!
//! The rule is MSER-5: of all points at which the beginning could be cut off, the one at which the mean of the rest is
//! known best (K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation heuristics for
//! simulation", Winter Simulation Conference 2000; White, "An effective truncation heuristic for bias reduction in
//! simulation output", Simulation 69, 1997). Cut-offs in the last batches are not considered, and one in the second half
//! is no answer (K. Hoad, S. Robinson, R. Davies, "Automating warm-up length estimation", JORS 61, 2010).
//!
//! The series is the median response time of each interval: a mean follows a single slow answer, which is a matter of
//! the tail and none of warming up. In a closed loop the goodput is looked at as well; in an open one it is the plan's.

use crate::number::{percent, seconds};
use crate::record::{Bin, Loop, Run, Steady};

/// Intervals in a batch: the 5 in MSER-5.
const BATCH: usize = 5;
/// With fewer batches the rule has nothing to choose from.
const LEAST_BATCHES: usize = 10;
/// So many batches at the end are no place to begin at: the mean of fewer looks exact by chance.
const LAST_BATCHES: usize = 5;
/// A trend counts where it is as unlikely by chance as one in a hundred (the standard normal's 99.5th percentile), ...
const TREND_Z: f64 = 2.575_829;
/// ... and where it carries the series by more than this share of its median from end to end. A beginning that is
/// nowhere further from the rest than this is none: MSER alone cuts off whatever makes the smallest noise smaller.
const MATTERS: f64 = 0.1;

/// When the run became steady.
pub fn steady(run: &Run) -> Steady {
    let interval_s = run.timeline.interval_s;
    let grain_s = interval_s * BATCH as f64;
    let whole = (run.duration_s / interval_s + 1e-6).floor();
    let whole = if whole.is_finite() { (whole.max(0.0) as usize).min(run.timeline.bins.len()) } else { 0 };
    let bins = &run.timeline.bins[..whole];
    let mut found = batches(bins, |bin| bin.p50_ms).and_then(|of| cut_off(&of, "median response time"));
    if run.load_loop == Loop::Closed {
        let goodput = batches(bins, |bin| Some(bin.ok as f64)).and_then(|of| cut_off(&of, "goodput"));
        found = found.and_then(|batch| Ok(batch.max(goodput?)));
    }
    match found {
        Ok(batch) => Steady { from_s: Some(batch as f64 * grain_s), grain_s, reason: None },
        Err(why) => Steady { from_s: None, grain_s, reason: Some(why.in_words(interval_s)) },
    }
}

/// Why there is no time.
#[derive(Clone, Debug, PartialEq)]
enum Why {
    TooFew,
    Silence,
    Late(&'static str),
    Trend(&'static str, f64),
}

impl Why {
    fn in_words(&self, interval_s: f64) -> String {
        match self {
            Self::TooFew if interval_s.is_finite() => {
                let least = seconds((LEAST_BATCHES * BATCH) as f64 * interval_s);
                format!("not known: fewer than {least} were measured")
            }
            Self::TooFew => String::from("not known: nothing was measured"),
            Self::Silence => String::from("never: for a time nothing ended"),
            Self::Late(what) => format!("never: the {what} settled in the second half, if at all"),
            Self::Trend(what, share) => {
                let way = if *share < 0.0 { "fell" } else { "rose" };
                format!("never: the {what} {way} by {} to the end", percent(share.abs()))
            }
        }
    }
}

/// The means of each [`BATCH`] intervals; what is left over at the end is left out. An interval in which nothing ended
/// has no value; a batch of such ones ends the matter.
fn batches(bins: &[Bin], of: impl Fn(&Bin) -> Option<f64>) -> Result<Vec<f64>, Why> {
    let mean = |batch: &[Bin]| {
        let known: Vec<f64> = batch.iter().filter_map(&of).filter(|v| v.is_finite()).collect();
        if known.is_empty() { Err(Why::Silence) } else { Ok(known.iter().sum::<f64>() / known.len() as f64) }
    };
    if bins.len() < LEAST_BATCHES * BATCH {
        return Err(Why::TooFew);
    }
    bins.chunks_exact(BATCH).map(mean).collect()
}

/// The number of batches to cut off.
fn cut_off(series: &[f64], what: &'static str) -> Result<usize, Why> {
    let candidates = 0..=series.len().saturating_sub(LAST_BATCHES);
    let scored = candidates.map(|d| (d, mser(&series[d..])));
    let best = scored.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(d, _)| d);
    let best = if differs(&series[..best], &series[best..]) { best } else { 0 };
    if best > series.len() / 2 {
        return Err(Why::Late(what));
    }
    match trend(&series[best..]) {
        Some(share) => Err(Why::Trend(what, share)),
        None => Ok(best),
    }
}

/// Whether a part of `beginning` is far enough from the mean of `rest` to matter.
fn differs(beginning: &[f64], rest: &[f64]) -> bool {
    let mean = rest.iter().sum::<f64>() / rest.len() as f64;
    beginning.iter().any(|v| (v - mean).abs() > MATTERS * mean.abs())
}

/// The marginal standard error's square: the sum of the squares about the mean over the number squared (White 1997,
/// equation 3).
fn mser(rest: &[f64]) -> f64 {
    let n = rest.len() as f64;
    let mean = rest.iter().sum::<f64>() / n;
    rest.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * n)
}

/// How far a trend carries the series from its first value to its last, as a share of its median; `None` where there is
/// none that counts. Whether there is one says Mann's test (H. B. Mann, "Nonparametric tests against trend", Econometrica
/// 13, 1945, with Kendall's variance and continuity correction), how steep it is Sen's median of slopes (P. K. Sen, JASA
/// 63, 1968).
fn trend(series: &[f64]) -> Option<f64> {
    let n = series.len();
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for (i, a) in series.iter().enumerate() {
        slopes.extend(series.iter().enumerate().skip(i + 1).map(|(j, b)| (b - a) / (j - i) as f64));
    }
    let ups = slopes.iter().filter(|slope| **slope > 0.0).count() as f64;
    let downs = slopes.iter().filter(|slope| **slope < 0.0).count() as f64;
    let variance = (n * n.saturating_sub(1) * (2 * n + 5)) as f64 / 18.0;
    let score = ups - downs;
    let z = (score.abs() - 1.0).max(0.0) / variance.sqrt();
    let share = median(&mut slopes)? * n.saturating_sub(1) as f64 / median(&mut series.to_vec())?;
    (z > TREND_Z && share.abs() > MATTERS).then_some(share)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(values[middle - 1], upper)) }
}

#[cfg(test)]
#[path = "steady_tests.rs"]
mod tests;
