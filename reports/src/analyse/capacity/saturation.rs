//! What a target answers when it is offered more than it can serve.

use super::load::{answered, settled};
use crate::ceiling::Step;

/// A load that is answered less than this share of it saturates the target.
const BEHIND: f64 = 0.97;
/// Loads further above the one that held than this ratio may have made the target collapse.
const FAR: f64 = 1.6;
/// What a target served before is more than it answers now, where the difference is over so many standard errors and this share.
const COLLAPSED: (f64, f64) = (3.0, 0.002);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saturation {
    /// Correct answers per second.
    pub(super) rps: f64,
    /// The standard error of that, relative to it.
    pub(super) error: f64,
    /// The same without how the loads differ from each other.
    pub(super) within: f64,
    /// The same of the load that was answered most: more than the mean where the target is not the same from load to load.
    pub(super) most_rps: f64,
}

/// By the windows of the loads that the target fell behind of, but for those far above `low`, which held; `None` where there are
/// none.
pub(super) fn saturation(valid: &[&Step], low: &Step, high: &Step) -> Option<Saturation> {
    let most = high.offered_rps.max(FAR * low.offered_rps);
    let mut loads: Vec<Vec<f64>> = Vec::new();
    for step in valid.iter().filter(|step| !step.passed && step.offered_rps <= most) {
        // The first window has what the target took in before it was full.
        let windows = if step.windows.len() > 1 { &step.windows[1..] } else { &step.windows };
        if answered(windows) < BEHIND * step.offered_rps {
            loads.push(windows.iter().map(|window| answered(std::slice::from_ref(window))).collect());
        }
    }
    let windows: Vec<f64> = loads.iter().flatten().copied().collect();
    let (n, rps) = (windows.len() as f64, mean(&windows));
    let scatter = |rates: &[f64]| rates.iter().map(|rate| (rate - mean(rates)).powi(2)).sum::<f64>();
    let error = |scatter: f64, degrees: f64| (scatter / degrees.max(1.0) / n).sqrt() / rps;
    let inside = loads.iter().map(|rates| scatter(rates)).sum();
    let all = error(scatter(&windows), n - 1.0);
    // Loads of one window each do not say how windows differ.
    let within = if loads.len() < windows.len() { error(inside, n - loads.len() as f64) } else { all };
    let most_rps = loads.iter().map(|rates| mean(rates)).fold(0.0, f64::max);
    // A target that answers nothing at all is no saturated one.
    (n > 0.0 && rps > 0.0).then_some(Saturation { rps, error: all, within, most_rps })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Saturation {
    /// Whether it can be what `low`, which held, is below; else the target collapsed when it was offered too much.
    pub(super) fn is_above(&self, low: &Step) -> bool {
        let (errors, share) = COLLAPSED;
        answered(settled(&low.windows)) <= self.most_rps * (1.0 + errors * self.error + share)
    }
}
