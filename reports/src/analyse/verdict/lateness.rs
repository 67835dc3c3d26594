//! Whether the generator did what it was asked to do, when it was asked to: requests that went out late, or not at all, by its own
//! doing or its machine's.

use super::{HostFindings, STALLED_SHARE_MOST, STARVED_SHARE_MOST, STEAL_SHARE_MOST};
use super::{SEND_LAG_LIMIT_MS, SEND_LAG_SHARE_OF_OBJECTIVE, SEND_LAG_SHARE_OF_RESOLUTION, SENT_SHARE_LEAST};
use crate::analyse::threshold::{Metric, Threshold};
use crate::number::{ms, percent};
use crate::record::{Loop, Run};

/// What kept the generator from its work.
pub(super) fn disturbed(run: &Run, findings: &HostFindings) -> Vec<String> {
    [stolen(findings), stalled(findings), starved(run, findings)].into_iter().flatten().collect()
}

fn stolen(findings: &HostFindings) -> Option<String> {
    let share = findings.steal_share;
    (share > STEAL_SHARE_MOST).then(|| {
        format!("the hypervisor took {} of the CPU time, over {}", percent(share), percent(STEAL_SHARE_MOST))
    })
}

fn stalled(findings: &HostFindings) -> Option<String> {
    let share = findings.stalled_share;
    (share > STALLED_SHARE_MOST).then(|| {
        let most = percent(STALLED_SHARE_MOST);
        format!("the generator was kept from running for {} of the time, over {most}", percent(share))
    })
}

/// Where the kernel says when answers came, it does not matter when they were read; that requests went out late, send lag
/// shows in any case.
fn starved(run: &Run, findings: &HostFindings) -> Option<String> {
    let share = findings.starved_share;
    let read_late = run.generator.receive_clock != "kernel";
    (share > STARVED_SHARE_MOST && read_late).then(|| {
        let most = percent(STARVED_SHARE_MOST);
        format!(
            "the generator waited for its CPU for {} of the time, over {most}: something else runs there",
            percent(share)
        )
    })
}

/// A threshold on a percentile that does not hold, where the generator's own lateness at that percentile is more than its
/// share of the objective: then nobody knows whose failure it is.
pub(super) fn own_lateness_decided(run: &Run, findings: &HostFindings) -> Option<String> {
    if run.load_loop == Loop::Closed || findings.waits_for_connections() {
        return None;
    }
    let lag = &run.send_lag_ms;
    run.thresholds.iter().filter(|asked| !asked.passed).find_map(|asked| {
        let rule = Threshold::parse(&asked.rule).ok()?;
        let late = match rule.metric() {
            Metric::P50 => lag.p50,
            Metric::P90 => lag.p90,
            Metric::P95 => lag.p95,
            Metric::P99 => lag.p99,
            Metric::P999 => lag.p999,
            Metric::P9999 => lag.p9999,
            Metric::Max => lag.max,
            _ => None,
        }?;
        let share = late / rule.at_most_ms()?;
        (share > SEND_LAG_SHARE_OF_OBJECTIVE).then(|| {
            format!("{} does not hold, but the generator itself was late by {} there", asked.rule, ms(late))
        })
    })
}

/// Of a load that several machines sent, whose thresholds none of them was told: that the latest of them was too late for one. What they
/// waited for is not in the record, so only what their own lateness explains is taken for it.
pub(super) fn of_the_latest(run: &Run) -> Option<String> {
    const EXPLAINS: f64 = 2.0;
    let late_ms = run.generator.late_p99_ms.unwrap_or(0.0);
    let (limit, limit_text) = send_lag_limit(run, None);
    // Up to that each has judged itself.
    if late_ms > limit && limit < SEND_LAG_LIMIT_MS {
        let late = ms(late_ms);
        return Some(format!(
            "the latest of the generators sent p99 {late} after the intended instant, over {limit_text}"
        ));
    }
    let own = run.send_lag_ms.p99.is_some_and(|lag| lag <= EXPLAINS * late_ms);
    own.then(|| own_lateness_decided(run, &HostFindings::default())).flatten()
}

/// The most that send lag may be in milliseconds, and why.
fn send_lag_limit(run: &Run, resolution_ms: Option<f64>) -> (f64, String) {
    if let Some(resolution_ms) = resolution_ms {
        let most = resolution_ms * SEND_LAG_SHARE_OF_RESOLUTION;
        let part = percent(SEND_LAG_SHARE_OF_RESOLUTION);
        return (most, format!("{}, {part} of the {} that are told apart", ms(most), ms(resolution_ms)));
    }
    let tightest = run
        .thresholds
        .iter()
        .filter_map(|asked| Threshold::parse(&asked.rule).ok())
        .filter(|rule| rule.metric() == Metric::P99)
        .filter_map(|rule| rule.at_most_ms())
        .fold(f64::INFINITY, f64::min);
    let share = tightest * SEND_LAG_SHARE_OF_OBJECTIVE;
    if share < SEND_LAG_LIMIT_MS {
        let part = percent(SEND_LAG_SHARE_OF_OBJECTIVE);
        (share, format!("{}, {part} of the objective", ms(share)))
    } else {
        (SEND_LAG_LIMIT_MS, ms(SEND_LAG_LIMIT_MS))
    }
}

pub(super) fn late(run: &Run, findings: &HostFindings, resolution_ms: Option<f64>) -> Option<String> {
    let (limit, limit_text) = send_lag_limit(run, resolution_ms);
    if findings.wakeup_lag_p99_ms > limit {
        let lag = ms(findings.wakeup_lag_p99_ms);
        return Some(format!(
            "the generator woke late: p99 {lag} after the intended instant, over {limit_text}"
        ));
    }
    if findings.waits_for_connections() {
        return None;
    }
    let most = run.send_lag_ms.max.zip(resolution_ms).filter(|(lag, most)| lag > most);
    if let Some((lag, most)) = most {
        let (lag, most) = (ms(lag), ms(most));
        return Some(format!("a request was sent {lag} late though connections were free, over {most}"));
    }
    let lag = run.send_lag_ms.p99.filter(|lag| *lag > limit)?;
    Some(format!("requests were sent late though connections were free: p99 {}, over {limit_text}", ms(lag)))
}

/// Requests that were not sent, without those of which the target is the cause: connections and streams that it refused or
/// left open in the air, waits for one that outlasted the timeout or the run, and, where all connections were busy, what
/// was dropped.
pub(super) fn unsent(run: &Run, findings: &HostFindings) -> Option<String> {
    let dropped = if findings.connect_limited { run.dropped } else { 0 };
    let excused = findings.never_sent + dropped;
    let missing = run.planned.saturating_sub(run.sent).saturating_sub(excused);
    let most = run.planned as f64 * (1.0 - SENT_SHARE_LEAST);
    (missing as f64 > most).then(|| {
        let share = percent(missing as f64 / run.planned as f64);
        format!("{share} of the planned requests were not sent though connections were free")
    })
}
