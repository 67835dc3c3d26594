//! From the loads of a ceiling search to all that its record concludes from them: the ceiling and its interval, the goodputs, what
//! the limit is made of, and whether to believe it. The same loads give the same conclusions, now and when the record is
//! read again.

use super::capacity::{estimate, excess, rises};
use super::objective::Objective;
use super::threshold::Threshold;
use super::{bottleneck, forecast, little, usl};
use crate::ceiling::{Bound, Ceiling, Phase, Step};
use crate::number::{counted, rate, seconds};

/// An overload is at least this many times the ceiling.
const OVERLOAD: f64 = 1.4;
/// Loads whose ratios to the ceiling differ by no more than this are about the same overload.
const ABOUT: f64 = 0.1;
/// What a forecast is for, unless it was said, relative to the ceiling.
const WANTED: f64 = 2.0;
/// A load that fails at a rate so much lower than one that held before says that the target has changed.
const CHANGED: f64 = 1.08;
/// Rates that differ by less are the same.
const SAME: f64 = 0.0005;
/// Loads that held below the ceiling by no more than this ratio say that it holds there.
const NEAR: f64 = 1.3;
/// A load that breaks the objective by this factor has not done so by chance.
const CLEARLY: f64 = 5.0;
/// A target that answered nothing in so many windows at the end may have stopped for good.
const SILENT: usize = 2;

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
    found.peak_goodput_rps =
        found.steps.iter().filter(|step| step.valid).map(|step| step.ok_rps).reduce(f64::max);
    found.overload_goodput_rps = overload(found).map(|step| step.ok_rps);
    found.resources = bottleneck::resources(found, found.target.cpus.len());
    found.predicted_rps = bottleneck::predicted_rps(&found.resources);
    found.limited_by = bottleneck::explain(found, &found.resources);
    found.audits = little::audits(&found.steps);
    let usl = usl::usl(&found.steps, found.head.seed);
    let wanted_rps = found.wanted_rps.or(found.ceiling_rps.map(|rps| WANTED * rps));
    found.forecast = wanted_rps.and_then(|rps| forecast::forecast(found, &found.resources, rps));
    let faults = faults(found, &objective);
    found.verdict.valid = faults.is_empty();
    found.verdict.reasons = faults;
    found.verdict.reasons.extend(found.cut.iter().cloned());
    found.verdict.reasons.extend(disagreement(found));
    found.verdict.reasons.extend(unobserved(&found.steps));
    found.usl = match usl {
        Ok(usl) => Some(usl),
        Err(why) => {
            found.verdict.reasons.push(why);
            None
        }
    };
    Ok(())
}

/// The load past the ceiling that is nearest to 1.5 times it, and of several about as near the one that was answered least: a
/// target that collapses does so from time to time. `None` where no load is clearly past the ceiling.
pub(crate) fn overload(found: &Ceiling) -> Option<&Step> {
    let ceiling = found.ceiling_rps.filter(|_| found.bound == Bound::Exact)?;
    // What the generator or the host did not let through says nothing of the target.
    let above = || found.steps.iter().filter(|step| step.valid && step.offered_rps >= OVERLOAD * ceiling);
    let distance = |step: &Step| (step.offered_rps / ceiling - 1.5).abs();
    let nearest = above().map(distance).reduce(f64::min)?;
    above().filter(|step| distance(step) <= nearest + ABOUT).min_by(|a, b| a.ok_rps.total_cmp(&b.ok_rps))
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
    if found.bound == Bound::Below
        && faults.is_empty()
        && let Some(step) = found.steps.iter().find(|step| step.valid && step.passed)
    {
        faults.push(format!("the loads contradict each other: {}/s held", rate(step.offered_rps)));
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
    if let Some(rps) = failed_once(found) {
        faults.push(format!("{}/s failed once, and there was no time to try it again", rate(rps)));
    }
    if let Some((rule, requests)) = too_few(found, objective) {
        faults.push(format!(
            "{rule} cannot be told from {} that were looked at near the ceiling",
            counted(requests, "request")
        ));
    }
    if let Some(step) = silent(&found.steps) {
        faults.push(format!(
            "the target answered nothing at the end of the last load, of {}/s: it may have stopped, rather than had enough",
            rate(step.offered_rps)
        ));
    }
    if found.partial {
        faults.push(String::from("the search was cut short"));
    }
    faults
}

/// The last load, where a target that had answered before ended it with nothing but silence.
fn silent(steps: &[Step]) -> Option<&Step> {
    let answers = |step: &Step| step.windows.iter().any(|window| window.ok > 0);
    let last = steps.last().filter(|_| steps.iter().any(answers))?;
    let silence = last.windows.iter().rev().take_while(|window| window.ok == 0).count();
    (silence >= SILENT).then_some(last)
}

/// The lowest rate, where no load held, if it was tried once only: the target may have been busy with what came before.
fn failed_once(found: &Ceiling) -> Option<f64> {
    let lowest = found.steps.iter().map(|step| step.offered_rps).reduce(f64::min)?;
    let times = found.steps.iter().filter(|step| step.offered_rps == lowest).count();
    let doubted = found.bound == Bound::Below && found.steps.iter().all(|step| step.phase == Phase::Bracket);
    (doubted && times < 2).then_some(lowest)
}

/// A rule about a percentile, and the requests of the loads at and just below the ceiling that held, where these are so few that
/// one of them would have broken it.
fn too_few<'a>(found: &Ceiling, objective: &'a Objective) -> Option<(&'a Threshold, u64)> {
    let ceiling = found.ceiling_rps.filter(|_| found.bound != Bound::Below)?;
    let near = |step: &&Step| step.valid && step.passed && step.offered_rps > ceiling / NEAR;
    let windows = found.steps.iter().filter(near).flat_map(|step| &step.windows);
    let requests: u64 = windows.map(|window| window.ended).sum();
    let untold = |(rule, allowed): &(&Threshold, f64)| {
        rule.metric().quantile().is_some() && requests as f64 * allowed < 1.0
    };
    objective.rules().find(untold).map(|(rule, _)| (rule, requests))
}

/// That metrics were missing or wrong, of all loads in one sentence; none where nothing was.
fn unobserved(steps: &[Step]) -> Option<String> {
    let mut lacking = steps.iter().filter(|step| !step.notes.is_empty());
    let first = lacking.next()?;
    let loads = 1 + lacking.count();
    let note = first.notes.first().map_or("", String::as_str);
    Some(format!(
        "metrics are incomplete in {loads} of {} loads; in that of {}/s {note}",
        steps.len(),
        rate(first.offered_rps)
    ))
}

/// That a load failed although a higher one held, outside of the ceiling's interval, in words: the target is not the same from
/// time to time. A rate that held when it was tried again did not fail.
fn disagreement(found: &Ceiling) -> Option<String> {
    let [from, to] = found.ci95?;
    let valid = || found.steps.iter().filter(|step| step.valid);
    let high = valid().filter(|step| step.passed).max_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps))?;
    let held = |rps: f64| valid().any(|step| step.passed && (step.offered_rps / rps - 1.0).abs() < SAME);
    let failed = valid().filter(|step| !step.passed && !held(step.offered_rps));
    let low = failed.min_by(|a, b| a.offered_rps.total_cmp(&b.offered_rps))?;
    let outside = low.offered_rps < from || high.offered_rps > to;
    (low.offered_rps < high.offered_rps && outside).then(|| {
        format!(
            "the loads disagree: {}/s failed at {}, {}/s held at {}",
            rate(low.offered_rps),
            seconds(low.start_s),
            rate(high.offered_rps),
            seconds(high.start_s)
        )
    })
}

/// A load that held, and one of a clearly lower rate that clearly failed after it.
fn changed<'a>(steps: &'a [Step], objective: &Objective) -> Option<(&'a Step, &'a Step)> {
    let clearly =
        |step: &Step| excess(&step.windows, objective) > CLEARLY || rises(&step.windows, step.offered_rps);
    // A load of the sweep is short: a hiccup may spoil a part of it.
    let whole = |step: &Step| step.phase != Phase::Sweep || step.windows.iter().all(|window| window.bad);
    let failed = |step: &Step| step.valid && !step.passed && whole(step) && clearly(step);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::Window;

    fn load(offered_rps: f64, passed: bool) -> Step {
        let (ended, broke) = (offered_rps as u64, if passed { 0 } else { offered_rps as u64 });
        let window = Window {
            length_s: 1.0,
            planned: ended,
            ended,
            ok: ended,
            broke: vec![broke],
            ..Window::default()
        };
        Step { offered_rps, passed, valid: true, windows: vec![window; 2], ..Step::default() }
    }

    /// A load of the sweep that failed.
    fn swept(offered_rps: f64) -> Step {
        let mut step = Step { phase: Phase::Sweep, ..load(offered_rps, false) };
        step.windows.iter_mut().for_each(|window| window.bad = true);
        step
    }

    #[test]
    fn silence_at_the_end_is_no_ceiling() {
        let silent = |windows: usize| {
            let mut step = load(200.0, false);
            step.windows.extend(vec![Window { ok: 0, ..step.windows[0].clone() }; windows]);
            step
        };
        let said = |steps: Vec<Step>| {
            let mut found = Ceiling { slo: "errors<1%".into(), steps, ..Ceiling::default() };
            conclude(&mut found).unwrap();
            found
                .verdict
                .reasons
                .iter()
                .any(|reason| reason.contains("answered nothing at the end of the last load, of 200/s"))
        };
        assert!(said(vec![load(100.0, true), silent(2)]) && !said(vec![load(100.0, true), silent(1)]));
        assert!(!said(vec![silent(5), load(100.0, true)]), "it has come back");
        let mut never = load(200.0, false);
        never.windows.iter_mut().for_each(|window| window.ok = 0);
        assert!(!said(vec![never]), "what answers only errors has not stopped");
    }

    #[test]
    fn what_the_loads_do_not_show_is_not_concluded() {
        for (slo, steps, part) in [
            ("p99<50ms", vec![load(100.0, true)], None),
            ("p99<50ms", vec![load(30.0, true)], Some("p99<50ms cannot be told from 60 requests")),
            ("p9999<50ms", vec![load(1000.0, true)], Some("2,000 requests")),
            ("max<1s", vec![load(3.0, true)], None),
            ("p99<50ms", vec![load(100.0, false)], Some("100/s failed once")),
            ("p99<50ms", vec![load(100.0, false), load(100.0, false)], None),
            ("p99<50ms", vec![load(100.0, true), load(50.0, false)], Some("the target changed: 100/s held")),
            ("p99<50ms", vec![load(100.0, true), swept(20.0)], Some("the target changed: 100/s held")),
            ("p99<50ms", vec![], Some("no load was offered")),
        ] {
            let mut found = Ceiling { slo: slo.to_owned(), steps, ..Ceiling::default() };
            conclude(&mut found).unwrap();
            let (valid, reasons) = (found.verdict.valid, found.verdict.reasons.join("; "));
            assert!(valid == part.is_none() && reasons.contains(part.unwrap_or("")), "{slo}: {reasons}");
        }
    }

    #[test]
    fn loads_that_disagree_are_named() {
        let [held, failed] = [true, false].map(|passed| move |rps| load(rps, passed));
        for (steps, said) in [
            (vec![held(1000.0), failed(1500.0), held(1200.0)], false),
            // It was cold, and held when it was tried again.
            (vec![failed(1000.0), held(1000.0), failed(1500.0), held(1200.0)], false),
            (vec![held(1000.0), held(1250.0), failed(1200.0), held(1300.0), failed(1500.0)], true),
        ] {
            let mut found = Ceiling { slo: "p99<50ms".into(), steps, ..Ceiling::default() };
            conclude(&mut found).unwrap();
            let reasons = found.verdict.reasons.join("; ");
            assert_eq!(reasons.contains("the loads disagree: 1,200/s failed"), said, "{reasons}");
        }
    }

    #[test]
    fn metrics_that_were_missing_are_said_once() {
        let mut lacking = load(100.0, true);
        lacking.notes = vec![String::from("the metrics of app were missing from 1 s on: refused")];
        let mut found = Ceiling {
            slo: "p99<1s".into(),
            steps: vec![load(50.0, true), lacking.clone(), lacking],
            ..Ceiling::default()
        };
        conclude(&mut found).unwrap();
        let said = "metrics are incomplete in 2 of 3 loads; in that of 100/s the metrics of app were missing from 1 s on: refused";
        assert!(
            found.verdict.valid && found.verdict.reasons.contains(&said.to_owned()),
            "{:?}",
            found.verdict
        );
    }
}
