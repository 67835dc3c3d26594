//! From the loads of a ceiling search to all that its record concludes from them: the ceiling and its interval, the goodputs, what
//! the limit is made of, and whether to believe it. The same loads give the same conclusions, now and when the record is
//! read again.

use super::capacity::{estimate, excess, rises};
use super::objective::Objective;
use super::{bottleneck, forecast, little, usl};
use crate::ceiling::{Bound, Ceiling, Phase, Step};
use crate::number::{rate, seconds};

/// An overload is at least this many times the ceiling.
const OVERLOAD: f64 = 1.4;
/// What a forecast is for, unless it was said, relative to the ceiling.
const WANTED: f64 = 2.0;
/// A load that fails at a rate so much lower than one that held before says that the target has changed.
const CHANGED: f64 = 1.08;
/// A load that breaks the objective by this factor has not done so by chance.
const CLEARLY: f64 = 5.0;

/// Concludes from the loads in `found`, in place of whatever was concluded before.
///
/// # Errors
/// When its objective is none.
pub fn conclude(found: &mut Ceiling) -> Result<(), String> {
    let objective = Objective::parse(&found.slo)?;
    let known = estimate(&found.steps, &objective);
    found.bound = known.bound;
    found.ceiling_rps = known.rps;
    found.ci95 = known.ci95;
    found.peak_goodput_rps = found.steps.iter().map(|step| step.ok_rps).reduce(f64::max);
    found.overload_goodput_rps = overload(found);
    found.resources = bottleneck::resources(found, found.target.cpus.len());
    found.predicted_rps = bottleneck::predicted_rps(&found.resources);
    found.limited_by = bottleneck::explain(found, &found.resources);
    found.audits = little::audits(&found.steps);
    let usl = usl::usl(&found.steps, found.seed);
    let wanted_rps = found.wanted_rps.or(found.ceiling_rps.map(|rps| WANTED * rps));
    found.forecast = wanted_rps.and_then(|rps| forecast::forecast(found, &found.resources, rps));
    let faults = faults(found, &objective);
    found.verdict.valid = faults.is_empty();
    found.verdict.reasons = faults;
    found.verdict.reasons.extend(found.cut.iter().cloned());
    found.usl = match usl {
        Ok(usl) => Some(usl),
        Err(why) => {
            found.verdict.reasons.push(why);
            None
        }
    };
    Ok(())
}

/// Correct answers per second at the load that is nearest to 1.5 times the ceiling.
fn overload(found: &Ceiling) -> Option<f64> {
    let ceiling = found.ceiling_rps.filter(|_| found.bound == Bound::Exact)?;
    let above = found.steps.iter().filter(|step| step.offered_rps >= OVERLOAD * ceiling);
    let distance = |step: &&Step| (step.offered_rps / ceiling - 1.5).abs();
    above.min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|step| step.ok_rps)
}

/// Why the search has no answer that can be relied on; none where it has.
fn faults(found: &Ceiling, objective: &Objective) -> Vec<String> {
    let mut faults = Vec::new();
    if found.steps.is_empty() {
        faults.push(String::from("no load was offered"));
        return faults;
    }
    if !found.steps.iter().any(|step| step.valid) {
        let why = found.steps.iter().flat_map(|step| step.reasons.first()).next();
        faults.push(format!("no load was valid: {}", why.map_or("", String::as_str)));
        return faults;
    }
    if let Some((before, after)) = changed(&found.steps, objective) {
        faults.push(format!(
            "the target changed: {}/s held at {}, and {}/s failed at {}",
            rate(before.offered_rps),
            seconds(before.start_s),
            rate(after.offered_rps),
            seconds(after.start_s)
        ));
    }
    if found.bound == Bound::AtLeast
        && let Some(step) = found.steps.iter().find(|step| !step.valid && !step.passed)
    {
        faults.push(format!(
            "{}/s could not be offered: {}",
            rate(step.offered_rps),
            step.reasons.first().map_or("", String::as_str)
        ));
    }
    if found.partial {
        faults.push(String::from("the search was cut short"));
    }
    faults
}

/// A load that held, and one of a clearly lower rate that clearly failed after it.
fn changed<'a>(steps: &'a [Step], objective: &Objective) -> Option<(&'a Step, &'a Step)> {
    let clearly =
        |step: &Step| excess(&step.windows, objective) > CLEARLY || rises(&step.windows, step.offered_rps);
    let failed = |step: &Step| step.valid && !step.passed && step.phase != Phase::Sweep && clearly(step);
    steps.iter().enumerate().find_map(|(n, after)| {
        let held = |before: &&Step| {
            before.passed
                && before.valid
                && before.phase != Phase::Sweep
                && before.offered_rps > CHANGED * after.offered_rps
        };
        let before = steps[..n].iter().find(held)?;
        failed(after).then_some((before, after))
    })
}
