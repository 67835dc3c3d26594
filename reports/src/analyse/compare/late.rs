//! Whether a change of a response time is the generator's own. Times count from the instants at which requests were due, so what the
//! generator is late by is in them: where one side was offered its load later than the other, that is no change of the target. Waiting
//! for a connection is, and not in it.

use crate::analyse::statistics::bootstrap::median;
use crate::comparison::{Call, Metric};
use crate::number::percent;

/// The percentiles of the response time that decide, and those of the lateness.
const LATENESS: [(&str, &str); 2] = [("p50_ms", "late_p50_ms"), ("p99_ms", "late_p99_ms")];
/// The share of a change, 0 to 1, that lateness may have before nobody knows whose change it is.
const SHARE_MOST: f64 = 0.25;

/// Takes back what was said of response times whose change is the generator's as much as the target's, and says why.
pub(super) fn doubt(metrics: &mut [Metric]) {
    for (time, lag) in LATENESS {
        let of = |name: &str| metrics.iter().position(|metric| metric.name == name);
        let (Some(time), lag) = (of(time), of(lag)) else { continue };
        let share = lag.and_then(|lag| share(&metrics[time], &metrics[lag]));
        let hides = lag.is_some_and(|lag| hides(&metrics[time], &metrics[lag]));
        let metric = &mut metrics[time];
        if metric.call == Call::Pass && hides {
            let what = &metric.what;
            metric.doubt = Some(format!(
                "{what}: the generator was less late for the candidate, by as much as would hide a slowdown"
            ));
            metric.call = Call::Inconclusive;
        }
        let says_more = matches!(metric.call, Call::Regression | Call::Improvement);
        if let Some(share) = share.filter(|share| says_more && *share > SHARE_MOST) {
            let (what, share) = (&metric.what, percent(share));
            metric.doubt =
                Some(format!("{what}: the generator's own lateness changed, too, by {share} of the change"));
            metric.call = Call::Inconclusive;
        }
    }
}

/// Whether the lateness fell, and by so much that a target which is slower by what counts would look the same.
fn hides(time: &Metric, lag: &Metric) -> bool {
    let (Some(time), Some(known)) = (&time.found, &lag.found) else { return false };
    let fell = lag.pairs.iter().map(|pair| pair.base - pair.candidate).collect::<Vec<_>>();
    known.ci95[1] < 1.0 && median(&fell).is_some_and(|fell| fell > SHARE_MOST * time.delta * time.base)
}

/// The change of the lateness as a share of that of the time: medians of the pairs' differences.
fn share(time: &Metric, lag: &Metric) -> Option<f64> {
    let both = time
        .pairs
        .iter()
        .filter_map(|time| Some((time, lag.pairs.iter().find(|lag| lag.name == time.name)?)));
    let (times, lags): (Vec<f64>, Vec<f64>) =
        both.map(|(time, lag)| (time.candidate - time.base, lag.candidate - lag.base)).unzip();
    Some(median(&lags)? / median(&times)?).filter(|share| share.is_finite())
}
