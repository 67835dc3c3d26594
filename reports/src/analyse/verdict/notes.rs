//! What a reader of a run has to know that does not speak against it: what there is too little of, what waited for the target, and
//! what the network lost.

use super::{HostFindings, Network, RETRANSMITTED_SHARE_MOST, SEND_LAG_LIMIT_MS};
use crate::analyse::interval;
use crate::analyse::stream::{CV_MOST, P_LEAST};
use crate::analyse::threshold::{Metric, Threshold};
use crate::number::{count, counted, ms, percent, rate, seconds};
use crate::record::{Distribution, Loop, Run};

/// A connection whose first segment was lost waits this long for the second, in milliseconds (RFC 6298).
const LOST_SYN_MS: f64 = 1_000.0;
/// A segment that was lost is sent again after this long at least, in milliseconds (TCP_RTO_MIN).
const RETRANSMITTED_MS: f64 = 200.0;

/// All notes on `run`, but for [`sample_too_small`], which may speak against it.
pub(super) fn all(run: &Run, findings: &HostFindings) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(waited_for_the_target(run, findings));
    notes.extend(own_share_of_p99(run, findings));
    notes.extend(not_as_planned(run, findings));
    notes.extend(overflowed(run, findings));
    notes.extend(retransmitted(run, findings));
    if run.partial {
        notes.push(format!("cut short: only the first {} were measured", seconds(run.duration_s)));
    }
    notes.extend(of_record(run));
    notes
}

/// Those that are seen from the record alone, whoever sent the load.
pub(super) fn of_record(run: &Run) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(fewer_than_asked(run));
    if run.ok == 0 && run.planned > 0 {
        notes.push("nothing was answered correctly".to_owned());
    }
    if run.load_loop == Loop::Closed {
        let connections = counted(run.connections_max, "connection");
        notes.push(format!(
            "closed loop: the rate is what {connections} allowed, and a slow target is asked less often, so the \
             latencies leave out what a user at a fixed rate would have waited"
        ));
    }
    notes
}

/// Where the 99th percentile is mostly the generator's own lateness, however small, a reader has to know.
fn own_share_of_p99(run: &Run, findings: &HostFindings) -> Option<String> {
    let (lag, response) = (run.send_lag_ms.p99?, run.response_ms.p99?);
    let own = lag > response / 2.0 && run.load_loop == Loop::Open && !findings.waits_for_connections();
    own.then(|| {
        format!("most of p99 is the generator's own lateness: send lag {} of {}", ms(lag), ms(response))
    })
}

/// The percentiles that the sample is too small for in one line, and whether a threshold asked for one of them.
pub(super) fn sample_too_small(run: &Run) -> (bool, Option<String>) {
    let times = &run.response_ms;
    let mut missing = missing_percentiles(times).into_iter();
    let Some((first, q)) = missing.next() else { return (false, None) };
    let there_were = match times.count {
        1 => "there was 1".to_owned(),
        n => format!("there were {}", count(n)),
    };
    let mut reason = format!("{first} needs {} requests, {there_were}", count(interval::needed(q)));
    if let Some((next, next_q)) = missing.next() {
        let next_needs = count(interval::needed(next_q));
        let rest = match missing.last() {
            None => format!("{next} needs {next_needs}"),
            Some((last, q)) => {
                format!("{next} to {last} need {next_needs} to {}", count(interval::needed(q)))
            }
        };
        reason = format!("{reason}; {rest}");
    }
    let asked_in_vain = run.thresholds.iter().any(|asked| {
        let metric = Threshold::parse(&asked.rule).ok().map(|rule| rule.metric());
        asked.actual.is_none() && metric.and_then(Metric::quantile).is_some()
    });
    (asked_in_vain, Some(reason))
}

fn missing_percentiles(times: &Distribution) -> Vec<(&'static str, f64)> {
    [
        ("p50", 0.5, times.p50),
        ("p90", 0.9, times.p90),
        ("p95", 0.95, times.p95),
        ("p99", 0.99, times.p99),
        ("p99.9", 0.999, times.p999),
        ("p99.99", 0.9999, times.p9999),
    ]
    .into_iter()
    .filter(|(_, _, value)| value.is_none())
    .map(|(name, q, _)| (name, q))
    .collect()
}

fn waited_for_the_target(run: &Run, findings: &HostFindings) -> Option<String> {
    if run.load_loop == Loop::Closed || !findings.waits_for_connections() {
        return None;
    }
    let busy = match run.connections_max {
        _ if !findings.connect_limited => "connections took long to open".to_owned(),
        1 => "the one connection was busy at times".to_owned(),
        n => format!("all {} connections were busy at times", count(n)),
    };
    if run.dropped > 0 {
        let dropped = percent(run.dropped as f64 / run.planned.max(1) as f64);
        return Some(format!(
            "{busy}: {dropped} of the requests were dropped because the target did not keep up"
        ));
    }
    let lag = run.send_lag_ms.p99.filter(|lag| *lag > SEND_LAG_LIMIT_MS)?;
    Some(format!("{busy}: the send lag, p99 {}, is waiting for the target", ms(lag)))
}

/// The stream that the target got was not the one that was asked for. That makes it another load, not a wrong figure: each
/// time still counts from its own intended instant, and what lateness the generator is to blame for has rules of its own.
fn not_as_planned(run: &Run, findings: &HostFindings) -> Option<String> {
    let stream = run.arrival_stream.as_ref().filter(|stream| !stream.passed)?;
    let busy = if findings.connect_limited { ", as connections were busy" } else { "" };
    Some(match stream.p_value {
        Some(p) => format!(
            "requests did not go out as a Poisson stream{busy}: Anderson and Darling's test gives p = {}, below {P_LEAST}",
            rate(p)
        ),
        None => format!(
            "requests did not go out evenly{busy}: the coefficient of variation of their gaps was {}, over {CV_MOST}",
            rate(stream.value)
        ),
    })
}

/// A full queue is the target's doing, and what comes of it is measured as response time; a reader has to know where a
/// second comes from. The counters are those of this host, and say nothing of a target elsewhere; nor of this run, where
/// none of its requests took that long.
fn overflowed(run: &Run, findings: &HostFindings) -> Option<String> {
    let Network { listen_overflows, listen_drops, .. } = findings.network;
    let lost = listen_overflows.max(listen_drops);
    (lost > 0 && findings.local_target && took_ms(run, LOST_SYN_MS)).then(|| {
        let times = counted(lost, "time");
        let why = if listen_overflows > 0 { "its queue was full" } else { "dropped by the kernel" };
        format!(
            "a listener on this host did not take a connection {times} ({why}): each waited a second or more"
        )
    })
}

/// Whether a request took this long, or failed.
fn took_ms(run: &Run, ms: f64) -> bool {
    run.errors.total() > 0 || run.response_ms.max.is_some_and(|max| max >= ms)
}

/// In a scenario a rate can only be offered as long as sessions go on.
fn fewer_than_asked(run: &Run) -> Option<String> {
    let steps = run.steps.iter().filter(|step| step.counted);
    let asked: f64 = steps.map(|step| (step.from_rps + step.to_rps) / 2.0 * step.duration_s).sum();
    let fewer = !run.interactions.is_empty() && !run.partial && (run.planned as f64) < asked * 0.97;
    (fewer && run.load_loop == Loop::Open).then(|| {
        format!(
            "{} requests were asked for and {} came due: sessions ended early, or were not over at the end",
            count(asked as u64),
            count(run.planned)
        )
    })
}

fn retransmitted(run: &Run, findings: &HostFindings) -> Option<String> {
    let Network { segments, retransmitted, lost_retransmits, .. } = findings.network;
    let share = retransmitted as f64 / segments.max(1) as f64;
    (share > RETRANSMITTED_SHARE_MOST && took_ms(run, RETRANSMITTED_MS)).then(|| {
        let again = if lost_retransmits > 0 {
            format!(", {} of them lost once more", count(lost_retransmits))
        } else {
            String::new()
        };
        format!(
            "TCP on this host sent {} of its segments again{again}: what is lost waits 200 ms or longer",
            percent(share)
        )
    })
}
