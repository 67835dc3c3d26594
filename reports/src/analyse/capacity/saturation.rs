//! What a target answers when it is offered more than it can serve.

use super::load::{answered, settled};
use crate::ceiling::Step;

/// A load that is answered less than this share of it saturates the target.
const BEHIND: f64 = 0.97;
/// One that is answered less than this share of it shows what the target could do at that time.
const HARDLY_BEHIND: f64 = 0.995;
/// Loads further above the one that held than this ratio may have made the target collapse.
const FAR: f64 = 1.6;
/// What a target served before is more than it answers now, where the difference is over so many standard errors and this share.
const COLLAPSED: (f64, f64) = (3.0, 0.002);

/// Quantiles (97.5 %) of Student's distribution for 2, 3, ... degrees of freedom; with one, two loads that differ would bound nothing.
const STUDENT: [f64; 9] = [4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saturation {
    /// Correct answers per second.
    pub(super) rps: f64,
    /// The standard error of that, relative to it.
    pub(super) error: f64,
    /// The same without how the loads differ from each other.
    pub(super) within: f64,
    /// Correct answers per second of the load that was answered most: more than the mean where the target is not the same from load
    /// to load.
    pub(super) most_rps: f64,
    /// The 95 % interval of a target that wanders, in correct answers per second.
    pub(super) wander: Option<[f64; 2]>,
}

/// By the windows of the loads that the target fell behind of, but for those far above `low`, which held; `None` where there are
/// none.
pub(super) fn saturation(valid: &[&Step], low: &Step, high: &Step) -> Option<Saturation> {
    let most = high.offered_rps.max(FAR * low.offered_rps);
    // The first window has what the target took in before it was full.
    let full = |step: &&Step| {
        step.windows.get(1..).filter(|later| !later.is_empty()).unwrap_or(&step.windows).to_vec()
    };
    let failed = valid.iter().filter(|step| !step.passed && step.offered_rps <= most);
    let behind = |share: f64| -> Vec<Vec<f64>> {
        let loads = failed.clone().map(|step| (step, full(step)));
        let loads = loads.filter(|(step, windows)| answered(windows) < share * step.offered_rps);
        loads
            .map(|(_, windows)| windows.iter().map(|window| answered(std::slice::from_ref(window))).collect())
            .collect()
    };
    let loads = behind(BEHIND);
    let windows: Vec<f64> = loads.iter().flatten().copied().collect();
    let (n, rps) = (windows.len() as f64, mean(&windows));
    let scatter = |rates: &[f64]| rates.iter().map(|rate| (rate - mean(rates)).powi(2)).sum::<f64>();
    let error = |scatter: f64, degrees: f64| (scatter / degrees.max(1.0) / n).sqrt() / rps;
    let inside = loads.iter().map(|rates| scatter(rates)).sum();
    let all = error(scatter(&windows), n - 1.0);
    // Loads of one window each do not say how windows differ.
    let within = if loads.len() < windows.len() { error(inside, n - loads.len() as f64) } else { all };
    let most_rps = loads.iter().map(|rates| mean(rates)).fold(0.0, f64::max);
    let wander = wander(&behind(HARDLY_BEHIND));
    // A target that answers nothing at all is no saturated one.
    (n > 0.0 && rps > 0.0).then_some(Saturation { rps, error: all, within, most_rps, wander })
}

/// The 95 % interval of the mean of `loads` by how they differ from each other, less what their windows' scatter explains; none where
/// it explains all.
fn wander(loads: &[Vec<f64>]) -> Option<[f64; 2]> {
    let means: Vec<f64> = loads.iter().map(|rates| mean(rates)).collect();
    let (n, whole) = (means.len() as f64, mean(&means));
    let degrees = means.len().checked_sub(1).filter(|degrees| *degrees > 0)?;
    let squares = |values: &[f64]| values.iter().map(|value| (value - mean(values)).powi(2)).sum::<f64>();
    let windows: usize = loads.iter().map(Vec::len).sum();
    let inside =
        loads.iter().map(|rates| squares(rates)).sum::<f64>() / (windows - loads.len()).max(1) as f64;
    let explained = loads.iter().map(|rates| inside / rates.len() as f64).sum::<f64>() / n;
    let excess = squares(&means) / degrees as f64 - explained;
    let half = STUDENT[degrees.saturating_sub(2).min(STUDENT.len() - 1)] * (excess.max(0.0) / n).sqrt();
    (half > 0.0).then_some([whole - half, whole + half])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_that_differ_by_more_than_their_windows_scatter_show_a_target_that_wanders() {
        let scatter: Vec<Vec<f64>> = vec![vec![800.0, 804.0], vec![796.0, 800.0], vec![802.0, 798.0]];
        assert_eq!(wander(&scatter), None);
        let [from, to] = wander(&[vec![758.0, 759.0], vec![762.0, 761.0], vec![742.0, 741.0]]).unwrap();
        assert!(from < 742.0 && to > 762.0 && from > 700.0, "{from} {to}");
        assert_eq!(wander(&[vec![758.0, 759.0]]), None, "one load says nothing of others");
        assert_eq!(wander(&[]), None);
    }
}
