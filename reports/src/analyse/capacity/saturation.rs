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
    /// The standard error of that, relative to it, by how the windows of each load differ.
    pub(super) error: f64,
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
    let n = loads.iter().map(Vec::len).sum::<usize>() as f64;
    let rps = loads.iter().flatten().sum::<f64>() / n;
    let means: Vec<f64> = loads.iter().map(|rates| rates.iter().sum::<f64>() / rates.len() as f64).collect();
    let scatter =
        |(rates, mean): (&Vec<f64>, &f64)| rates.iter().map(|r| (r / mean - 1.0).powi(2)).sum::<f64>();
    let variance = loads.iter().zip(&means).map(scatter).sum::<f64>() / (n - loads.len() as f64).max(1.0);
    let most_rps = means.into_iter().fold(0.0, f64::max);
    (n > 0.0).then(|| Saturation { rps, error: (variance / n).sqrt(), most_rps })
}

impl Saturation {
    /// Whether it can be what `low`, which held, is below; else the target collapsed when it was offered too much.
    pub(super) fn is_above(&self, low: &Step) -> bool {
        let (errors, share) = COLLAPSED;
        answered(settled(&low.windows)) <= self.rps * (1.0 + errors * self.error + share)
    }
}
