//! What happens in a few runs. No median and no ranks show it, and nobody would call a candidate no worse that fails in some of its runs,
//! or takes several times as long.

use crate::comparison::{Call, Metric, Pair};
use crate::number::counted;

/// The metric of what is answered; all others here are times.
pub(crate) const ANSWERED: &str = "answered";
/// The times that users feel.
const TIMES: [&str; 2] = ["p50_ms", "p99_ms"];
/// Once may be anybody's accident.
const LEAST: usize = 2;
/// A run in which less than this share was answered of what the base beside it answered, 0 to 1, is no accident of a few requests.
const BROKEN: f64 = 0.5;
/// A time that is longer by so many times what may be is no scatter.
const FAR: f64 = 10.0;

/// Takes back a pass of a candidate that failed or was far slower in a few of its runs, where base and base were not beside each other; one
/// that broke down in more than one of them is worse.
pub(super) fn doubt(metrics: &mut [Metric]) {
    for metric in metrics {
        let Some(may) = metric.delta else { continue };
        if metric.name == ANSWERED {
            failing(metric, may);
        } else if TIMES.contains(&metric.name.as_str()) {
            slow(metric, may);
        }
    }
}

fn failing(metric: &mut Metric, may: f64) {
    let less = |share: f64| move |worse: f64, better: f64| worse < share * better;
    let (own, same) = (times(metric, less(1.0 - may)), noise(metric, less(1.0 - may)));
    let (broken, broken_same) = (times(metric, less(BROKEN)), noise(metric, less(BROKEN)));
    let is_broken = broken >= LEAST && broken > broken_same;
    let failed = own >= LEAST && own > same || broken > broken_same;
    if !failed || metric.call == Call::Regression {
        return;
    }
    metric.call = if is_broken { Call::Regression } else { Call::Inconclusive };
    let runs = counted(own.max(broken) as u64, "run");
    metric.doubt = Some(format!(
        "{}: in {runs} of {} the candidate failed requests that the base beside it answered",
        metric.what,
        metric.pairs.len()
    ));
}

fn slow(metric: &mut Metric, may: f64) {
    let far = move |worse: f64, better: f64| worse > (1.0 + FAR * may) * better;
    let (own, same) = (times(metric, far), noise(metric, far));
    if own >= LEAST && own > same && matches!(metric.call, Call::Pass | Call::Improvement) {
        metric.call = Call::Inconclusive;
        metric.doubt = Some(format!(
            "{}: in {} of {} the candidate took over {:.1} times as long as the base beside it",
            metric.what,
            counted(own as u64, "run"),
            metric.pairs.len(),
            1.0 + FAR * may
        ));
    }
}

/// In how many pairs the candidate is that much worse.
fn times(metric: &Metric, worse: impl Fn(f64, f64) -> bool) -> usize {
    metric.pairs.iter().filter(|pair| worse(pair.candidate, pair.base)).count()
}

/// In how many pairs base and base are so far from each other, whichever of them is.
fn noise(metric: &Metric, worse: impl Fn(f64, f64) -> bool) -> usize {
    let differ = |pair: &&Pair| worse(pair.candidate, pair.base) || worse(pair.base, pair.candidate);
    metric.control.iter().filter(differ).count()
}
