//! Whether a candidate fails in some of its runs. No median and no ranks show what happens in a few of them, and nobody would call it no
//! worse.

use crate::comparison::{Call, Metric, Pair};
use crate::number::counted;

/// The metric that is looked at.
pub(crate) const ANSWERED: &str = "answered";
/// Once may be anybody's accident.
const LEAST: usize = 2;

/// Takes back a pass of a candidate that failed where its base did not, more often than base and base beside each other.
pub(super) fn doubt(metrics: &mut [Metric]) {
    let Some(answered) = metrics.iter_mut().find(|metric| metric.name == ANSWERED) else { return };
    let Some(may) = answered.delta else { return };
    let failed = |worse: f64, better: f64| worse < (1.0 - may) * better;
    let of = |pairs: &[Pair], fails: &dyn Fn(&Pair) -> bool| pairs.iter().filter(|pair| fails(pair)).count();
    let own = of(&answered.pairs, &|pair| failed(pair.candidate, pair.base));
    let noise =
        of(&answered.control, &|pair| failed(pair.candidate, pair.base) || failed(pair.base, pair.candidate));
    if own >= LEAST && own > noise && matches!(answered.call, Call::Pass | Call::Improvement) {
        answered.call = Call::Inconclusive;
        let (own, pairs) = (counted(own as u64, "run"), answered.pairs.len());
        answered.doubt = Some(format!(
            "{}: in {own} of {pairs} the candidate failed requests that the base beside it answered",
            answered.what
        ));
    }
}
