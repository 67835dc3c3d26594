//! What explains a change: the metrics of the tiers that moved with it. They do not decide, so their p-values are looked at one by one,
//! and what they say is a hint where to look, with its figure.

use crate::comparison::{Call, Comparison, Found, Metric};
use crate::number::change;

/// An explaining metric moved if chance alone would move it so far in one of so many comparisons.
const P_MOST: f64 = 0.05;
/// What moved by less explains nothing, as a share.
const LEAST: f64 = 0.02;
/// So many of them are named.
const NAMED: usize = 3;

/// A sentence for the changes for the worse and one for those for the better, such as `ceiling -8 %: app CPU per request +9 %`.
pub(super) fn attribution(found: &Comparison) -> Vec<String> {
    [Call::Regression, Call::Improvement].into_iter().filter_map(|call| sentence(found, call)).collect()
}

fn sentence(found: &Comparison, call: Call) -> Option<String> {
    let deciding = found.metrics.iter().filter(|metric| metric.delta.is_some() && metric.call == call);
    // What a tier takes is a change and its own explanation.
    let (own, felt): (Vec<_>, Vec<_>) = deciding.partition(|metric| is_of_a_tier(metric));
    if own.is_empty() && felt.is_empty() {
        return None;
    }
    let mut moved: Vec<(&Metric, &Found)> = found
        .metrics
        .iter()
        .filter(|metric| is_of_a_tier(metric))
        .filter_map(|metric| Some((metric, metric.found.as_ref()?)))
        .filter(|(metric, known)| metric.call == call || has_moved(known, call))
        .collect();
    moved.sort_by(|a, b| b.1.ratio.ln().abs().total_cmp(&a.1.ratio.ln().abs()));
    let named: Vec<String> = moved.iter().take(NAMED).map(|(metric, known)| said(metric, known)).collect();
    let felt: Vec<String> =
        felt.iter().filter_map(|metric| Some(said(metric, metric.found.as_ref()?))).collect();
    Some(match (felt.is_empty(), named.is_empty()) {
        (true, _) => named.join(", "),
        // Where nobody was asked, nobody has said nothing.
        (false, true) if !found.metrics.iter().any(is_of_a_tier) => return None,
        (false, true) => format!(
            "{}: nothing that the tiers say of themselves moved with it: a wait that no counter shows, such as a lock or \
             the disk, or what is not observed",
            felt.join(", ")
        ),
        (false, false) => format!("{}: {}", felt.join(", "), named.join(", ")),
    })
}

/// Whether it is what a tier says of itself, and no user feels.
pub(super) fn is_of_a_tier(metric: &Metric) -> bool {
    metric.name.contains('.')
}

fn has_moved(known: &Found, call: Call) -> bool {
    let [low, high] = known.ci95;
    let p = if call == Call::Regression { known.p_worse } else { known.p_better };
    p < P_MOST && (low > 1.0 || high < 1.0) && (known.ratio - 1.0).abs() > LEAST
}

fn said(metric: &Metric, known: &Found) -> String {
    format!("{} {}", metric.what, change(known.ratio))
}
