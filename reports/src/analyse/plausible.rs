//! Whether a search's record can have come from a search: its numbers are such as a clock and counters give, and what is in it
//! twice is the same both times. It names what contradicts itself; it mends nothing. [`super::conclude`] says what follows.

use super::capacity::{answered, is_bad};
use super::objective::Objective;
use crate::ceiling::{Ceiling, Step, Window};

/// No rate in requests per second, time in milliseconds or length in seconds is above this.
const MOST: f64 = 1e9;
/// No count of a run is above this.
const MOST_COUNTED: u64 = 1_000_000_000_000;
/// What is computed again differs by no more than this share: a record keeps all digits of a double.
const SAME: f64 = 1e-6;
/// A percentile is known to a bucket of its histogram.
const BUCKET: f64 = 0.01;

/// What in `found` cannot be, if anything.
pub fn contradiction(found: &Ceiling, objective: &Objective) -> Option<String> {
    let whole =
        [("precision", found.precision), ("budget_s", found.budget_s), ("duration_s", found.duration_s)];
    let of_it = whole
        .into_iter()
        .find(|(_, value)| !is_amount(*value))
        .map(|(name, _)| format!("its {name} cannot be"));
    let named = |of: &'static str, steps: &[Step]| {
        let mut wrong = steps.iter().enumerate().filter_map(|(n, step)| Some((n, of_step(step, objective)?)));
        wrong.next().map(|(n, what)| format!("load {}{of}: {what}", n + 1))
    };
    let of_cause = || found.cause.as_ref().and_then(|cause| named(" of the cause", &cause.steps));
    of_it.or_else(|| named("", &found.steps)).or_else(of_cause)
}

/// Whether a rate, a time or a length can be so.
pub(super) fn is_amount(value: f64) -> bool {
    (0.0..=MOST).contains(&value)
}

/// Whether so many requests, or answers, can have been counted. Sums of such numbers are numbers, too.
pub(super) fn is_count(n: u64) -> bool {
    n <= MOST_COUNTED
}

fn of_step(step: &Step, objective: &Objective) -> Option<String> {
    let times = [step.p50_ms, step.p90_ms, step.p99_ms, step.p999_ms];
    let known = || times.into_iter().flatten();
    let numbers = [step.start_s, step.duration_s, step.offered_rps, step.ok_rps, step.in_flight];
    if !numbers.into_iter().chain(known()).chain(step.mean_ms).all(is_amount) || step.offered_rps == 0.0 {
        return Some("a number that no load has".into());
    }
    if !known().is_sorted() {
        return Some("its percentiles are not in order".into());
    }
    if !is_same(step.in_flight, step.offered_rps * step.mean_ms.unwrap_or(0.0) / 1e3) {
        return Some("in_flight is not what its rate and its mean time make".into());
    }
    if !is_same(step.ok_rps, answered(&step.windows)) {
        return Some("ok_rps is not what its windows have".into());
    }
    let mut before = None;
    step.windows.iter().enumerate().find_map(|(n, window)| {
        let wrong = of_window(window, before, step.offered_rps, objective);
        before = Some(window.in_flight);
        wrong.map(|what| format!("window {}: {what}", n + 1))
    })
}

/// A window of which `before` is known how many requests were in flight when it began.
fn of_window(
    window: &Window,
    before: Option<u64>,
    offered_rps: f64,
    objective: &Objective,
) -> Option<&'static str> {
    let times = [window.p50_ms, window.p99_ms];
    if !is_amount(window.length_s) || window.length_s == 0.0 || !times.into_iter().flatten().all(is_amount) {
        return Some("a number that no window has");
    }
    if ![window.planned, window.ended, window.in_flight].into_iter().all(is_count) {
        return Some("a number that no window has");
    }
    if window.ok > window.ended || window.broke.iter().any(|broke| *broke > window.ended) {
        return Some("more requests than ended in it");
    }
    if window.broke.len() != objective.rules().count() {
        return Some("it was judged by another objective");
    }
    if before.is_some_and(|before| window.bad != is_bad(window, before, offered_rps, objective)) {
        return Some("its verdict is not what its counts say");
    }
    let limited = objective.rules().zip(&window.broke).filter_map(|((rule, allowed), broke)| {
        let quantile = rule.metric().quantile()?;
        let index = [0.5, 0.99].iter().position(|q| (q - quantile).abs() < SAME)?;
        Some((times[index]?, rule.at_most_ms()?, allowed, *broke))
    });
    let mut limited = limited.filter(|(time, limit, allowed, broke)| {
        let most = allowed * window.ended as f64 + 1.0;
        *time > limit * (1.0 + BUCKET) && *broke == 0
            || *time < limit * (1.0 - BUCKET) && *broke as f64 > most
    });
    limited.next().map(|_| "its percentiles are on the other side of the objective than its counts")
}

fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs()).max(SAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done to a record, and a part of what is then said.
    type Case = (fn(&mut Ceiling), &'static str);

    fn window() -> Window {
        Window {
            length_s: 1.0,
            planned: 100,
            ended: 100,
            ok: 99,
            broke: vec![1, 1],
            in_flight: 2,
            p50_ms: Some(10.0),
            p99_ms: Some(20.0),
            bad: false,
        }
    }

    fn found() -> Ceiling {
        let step = Step {
            duration_s: 2.5,
            offered_rps: 100.0,
            ok_rps: 99.0,
            p50_ms: Some(10.0),
            p99_ms: Some(20.0),
            mean_ms: Some(11.0),
            in_flight: 1.1,
            passed: true,
            valid: true,
            windows: vec![window(), window()],
            ..Step::default()
        };
        let cause = crate::ceiling::Cause { steps: vec![step.clone()], ..Default::default() };
        Ceiling {
            precision: 0.02,
            budget_s: 60.0,
            duration_s: 3.0,
            steps: vec![step],
            cause: Some(cause),
            ..Ceiling::default()
        }
    }

    fn said(change: impl Fn(&mut Ceiling)) -> Option<String> {
        let mut found = found();
        change(&mut found);
        contradiction(&found, &Objective::parse("p99<50ms,errors<1%").unwrap())
    }

    #[test]
    fn what_can_be_is_not_doubted() {
        assert_eq!(said(|_| ()), None);
        assert_eq!(
            said(|found| found.steps[0].windows[0].bad = true),
            None,
            "what was in flight before it is not kept"
        );
        assert_eq!(said(|found| found.steps.clear()), None);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let changes: [Case; 15] = [
            (|found| found.budget_s = -1.0, "its budget_s cannot be"),
            (|found| found.duration_s = f64::NAN, "its duration_s cannot be"),
            (|found| found.steps[0].offered_rps = -100.0, "load 1: a number that no load has"),
            (|found| found.steps[0].offered_rps = 1e308, "load 1: a number that no load has"),
            (|found| found.steps[0].p999_ms = Some(1e300), "load 1: a number that no load has"),
            (|found| found.steps[0].p99_ms = Some(9.0), "load 1: its percentiles are not in order"),
            (|found| found.steps[0].mean_ms = Some(12.0), "load 1: in_flight is not what"),
            (|found| found.steps[0].ok_rps = 100.0, "load 1: ok_rps is not what"),
            (|found| found.steps[0].windows[1].ended = u64::MAX, "window 2: a number that no window has"),
            (|found| found.steps[0].windows[1].ended = 98, "window 2: more requests than ended"),
            (|found| found.steps[0].windows[1].bad = true, "load 1: window 2: its verdict is not what"),
            (
                |found| {
                    let window = &mut found.steps[0].windows[0];
                    (window.p99_ms, window.broke) = (Some(60.0), vec![0, 1]);
                },
                "its percentiles are on the other side",
            ),
            (|found| found.steps[0].windows[0].p50_ms = Some(-1.0), "window 1: a number that no window has"),
            (|found| found.steps[0].windows[0].broke.truncate(1), "it was judged by another objective"),
            (|found| found.cause.as_mut().unwrap().steps[0].start_s = -1.0, "load 1 of the cause: a number"),
        ];
        for (change, part) in changes {
            let said = said(change).unwrap_or_default();
            assert!(said.contains(part), "`{part}`: `{said}`");
        }
        // A window with p99 above the limit, and some that broke it: nothing is wrong with the percentile.
        let slow = said(|found| {
            let window = &mut found.steps[0].windows[0];
            (window.p99_ms, window.broke) = (Some(60.0), vec![4, 1]);
        });
        assert_eq!(slow, None);
    }
}
