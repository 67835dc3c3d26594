//! Whether a candidate is worse than its base: from the paired values of a comparison to what follows from them. Each metric is
//! judged by itself (`judge`), with p-values adjusted for how many decide; what all of them say together, and what explains it, is
//! said here. Pure: the same pairs give the same answer.

mod attribute;
mod few;
mod judge;
mod late;
mod power;
mod words;

#[cfg(test)]
mod tests;

use crate::analyse::statistics::holm::holm;
use crate::comparison::{Call, Comparison, Found, Metric};
use crate::number::counted;
use crate::record::Verdict;
pub use words::{call_in_words, change_in_words, checked, finding, self_tests, why_not};

/// An adjusted p-value has to be below it.
pub const ALPHA: f64 = 0.005;
/// With fewer pairs no p-value of the signed ranks can be below [`ALPHA`]: of seven the smallest is 1/128.
pub const LEAST_PAIRS: usize = 8;
/// Where base and base differ by more than so many times what may be, it cannot be seen what is asked for.
const NOISE_MOST: f64 = 2.0;

/// Concludes from the pairs of `found`, in place of whatever was concluded before.
pub fn conclude(found: &mut Comparison) {
    judge(&mut found.metrics, found.least_pairs, found.alpha);
    let is_tested = |metric: &&Metric| metric.delta.is_some() && metric.found.is_some();
    let deciding = found.metrics.iter().filter(is_tested).count();
    for metric in found.metrics.iter_mut().filter(|metric| metric.delta.is_some()) {
        let signed = judge::signed(metric.better, &metric.pairs);
        metric.found.iter_mut().for_each(|known| {
            known.detectable = power::detectable(&signed, known.delta, found.alpha, deciding);
        });
    }
    found.call = together(&found.metrics);
    for check in &mut found.checks {
        judge(&mut check.metrics, found.least_pairs, found.alpha);
        check.call = together(&check.metrics);
    }
    found.attribution = attribute::attribution(found);
    found.verdict = verdict(found);
}

/// What each metric says by itself, in the light of how many decide.
fn judge(metrics: &mut [Metric], least_pairs: usize, alpha: f64) {
    metrics.iter_mut().for_each(|metric| metric.found = judge::found(metric, least_pairs));
    adjust(metrics);
    for metric in metrics.iter_mut() {
        let call = metric.found.as_ref().map(|known| judge::call(metric, known, alpha));
        metric.call = call.unwrap_or(Call::Inconclusive);
        metric.doubt = None;
    }
    late::doubt(metrics);
    few::doubt(metrics);
}

/// Adjusts the p-values of the metrics that decide for how many they are, in each direction (Holm, 1979).
fn adjust(metrics: &mut [Metric]) {
    let mut deciding: Vec<&mut Found> = metrics
        .iter_mut()
        .filter(|metric| metric.delta.is_some())
        .filter_map(|metric| metric.found.as_mut())
        .collect();
    for (n, of) in [|found: &Found| found.p_worse, |found: &Found| found.p_better].into_iter().enumerate() {
        let p: Vec<f64> = deciding.iter().map(|found| of(found)).collect();
        deciding.iter_mut().zip(holm(&p)).for_each(|(found, p)| found.adjusted[n] = p);
    }
}

/// What the metrics that decide say together: one that is worse is enough, and of what is not known nothing is promised. What users feel has
/// to be known; a tier's CPU time whose noise is too large tonight is named as not judged, and takes nothing from the rest, unless all of its interval is
/// worse than may be.
fn together(metrics: &[Metric]) -> Call {
    let deciding = metrics.iter().filter(|metric| metric.delta.is_some());
    let deciding: Vec<&Metric> = deciding.filter(|metric| !is_unjudged(metric)).collect();
    let calls = || deciding.iter().map(|metric| metric.call);
    let any = |call| calls().any(|one| one == call);
    if any(Call::Regression) {
        Call::Regression
    } else if calls().next().is_none() || any(Call::Inconclusive) {
        Call::Inconclusive
    } else if any(Call::Improvement) {
        Call::Improvement
    } else {
        Call::Pass
    }
}

/// Whether a metric that decides says nothing tonight, and takes nothing from the rest.
fn is_unjudged(metric: &Metric) -> bool {
    let noisy = metric.found.as_ref().is_some_and(|known| !judge::is_worse_for_all(metric, known));
    metric.delta.is_some() && metric.call == Call::Inconclusive && noisy && attribute::is_of_a_tier(metric)
}

/// Whether there is an answer, why not, and what has to be known beside it.
fn verdict(found: &Comparison) -> Verdict {
    let mut reasons = Vec::new();
    let deciding = || found.metrics.iter().filter(|metric| metric.delta.is_some());
    if deciding().next().is_none() {
        reasons.push(String::from("there is no metric that decides: the two have no pair of valid records"));
    }
    if found.call != Call::Regression {
        let unsaid = || deciding().filter(|metric| metric.call == Call::Inconclusive);
        let why = |metric: &Metric| why_not(found, metric);
        // What there is no answer for comes before what there would have been one without.
        reasons.extend(unsaid().filter(|metric| !is_unjudged(metric)).map(why));
        let aside = unsaid().filter(|metric| is_unjudged(metric));
        reasons.extend(aside.map(|metric| format!("not judged: {}", why(metric))));
    }
    reasons.extend(found.notes.iter().cloned());
    reasons.extend(words::other_answers(found));
    reasons.extend(found.marks.iter().map(|mark| format!("not the same on both sides: {mark}")));
    if found.control.is_none() {
        reasons.push(String::from(
            "there is no control of base against base: how far the noise alone goes is not known",
        ));
    }
    if found.control.is_some() {
        let unheld =
            deciding().filter(|metric| metric.found.as_ref().is_some_and(|known| known.floor.is_none()));
        reasons.extend(unheld.map(|metric| words::no_floor(metric, found.least_pairs)));
    }
    if !found.left_out.is_empty() {
        let left_out = counted(found.left_out.len() as u64, "record");
        reasons.push(format!("{left_out} left out: {}", words::grouped(&found.left_out)));
    }
    Verdict { valid: found.call != Call::Inconclusive, reasons }
}
