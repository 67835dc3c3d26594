//! Whether to believe a run: were its figures made by the target, or by the generator and its host? Given the record
//! and what the generator noticed about itself, it gives the reasons against the run, and after them the notes that
//! a reader needs. It never judges the target: a target that fails or is slow makes a run bad, not invalid.
//!
//! The one hard case is lateness. A request waits to be sent either because the generator was late or because every
//! connection was busy, and in an open loop the second is the target's doing: it is measured as response time and
//! must not be blamed on the generator. They are told apart by two findings that only the generator can make:
//! - `wakeup_lag_p99_ms`, how late its own pacer woke. Whatever the target does, a pacer that wakes in time is in time.
//! - `connect_limited`, whether every allowed connection was busy at some time. Where it is false, a request always
//!   had a connection to go out on, so any lateness, drop or missing request is the generator's.

use crate::analyse::stream::{CV_MOST, P_LEAST};
use crate::analyse::threshold::{Metric, Threshold};
use crate::analyse::{interval, ledger};
use crate::number::{count, counted, ms, percent, rate, seconds};
use crate::record::{Distribution, Loop, Run, Verdict};

/// The most that the 99th percentile of the send lag may be, in milliseconds: many times what a wake-up from idle takes,
/// so it is late by any measure.
pub const SEND_LAG_LIMIT_MS: f64 = 1.0;
/// The most that it may be as a share of the objective, where p99 has one: more of it, and the generator's lateness
/// decides whether the objective holds.
pub const SEND_LAG_SHARE_OF_OBJECTIVE: f64 = 0.05;
/// The least share of the planned requests that has to be sent, or to have failed by the target's doing.
pub const SENT_SHARE_LEAST: f64 = 0.99;
/// The most that the busiest sending thread may use of its CPU: past it, work queues inside the generator.
pub const CPU_SHARE_MOST: f64 = 0.8;
/// The most that a sending thread may have been kept from running, as a share of the measured part: past it, the 99th
/// percentile is the generator's own, also where no request was due in the meantime.
pub const STALLED_SHARE_MOST: f64 = 0.01;
/// The most that a sending thread may have waited for its CPU, as a share of the measured part: past it, answers are read
/// late as well, which no send lag shows.
pub const STARVED_SHARE_MOST: f64 = 0.05;
/// The most that a hypervisor may have taken from this machine's CPUs.
pub const STEAL_SHARE_MOST: f64 = 0.05;

/// The most segments that may be sent again, as a share of those sent: past it, more than one request in a thousand or so
/// has waited for a timer of TCP's, 200 ms or longer, which is what p99.9 then shows.
pub const RETRANSMITTED_SHARE_MOST: f64 = 0.001;

/// A connection whose first segment was lost waits this long for the second, in milliseconds (RFC 6298).
const LOST_SYN_MS: f64 = 1_000.0;
/// A segment that was lost is sent again after this long at least, in milliseconds (TCP_RTO_MIN).
const RETRANSMITTED_MS: f64 = 200.0;

/// What TCP counted on this host during a run, for everything in its network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Connections that a listener had no room for in its queue of accepted ones.
    pub listen_overflows: u64,
    /// Connections that a listener did not take, for this or another reason.
    pub listen_drops: u64,
    /// Segments sent.
    pub segments: u64,
    /// Segments sent again.
    pub retransmitted: u64,
    /// Segments sent again that were lost again.
    pub lost_retransmits: u64,
}

/// What the generator found out about itself and its host during a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFindings {
    /// A connection could not be opened for want of a file descriptor.
    pub out_of_descriptors: bool,
    /// A connection could not be opened for want of a local port.
    pub out_of_ports: bool,
    /// The share of CPU time that the hypervisor gave to others, 0 to 1.
    pub steal_share: f64,
    /// The 99th percentile of how late the pacer woke for an intended instant, in milliseconds.
    pub wakeup_lag_p99_ms: f64,
    /// At some time every allowed connection was busy.
    pub connect_limited: bool,
    /// More than one request in a hundred had a connection that took over a millisecond to open, which is the target's doing.
    pub slow_connects: bool,
    /// Requests that failed, or were unfinished, before they were sent: refused, or still waiting for a connection.
    pub never_sent: u64,
    /// The share of the measured part in which a sending thread did not run although it had meant to, 0 to 1.
    pub stalled_share: f64,
    /// What TCP counted on this host.
    pub network: Network,
    /// Whether the target is on this host.
    pub local_target: bool,
    /// The share of the measured part in which a sending thread was ready to run while something else had its CPU, 0 to 1.
    pub starved_share: f64,
}

impl HostFindings {
    /// Whether requests had to wait for connections by the target's doing.
    fn waits_for_connections(&self) -> bool {
        self.connect_limited || self.slow_connects
    }
}

/// Judges `run` in the light of `findings`. What speaks against it comes first in the reasons, then the notes.
pub fn verdict(run: &Run, findings: &HostFindings) -> Verdict {
    let mut against = Vec::new();
    against.extend(nothing_planned(run));
    against.extend(ledger::broken(run));
    against.extend(generator_busy(run));
    against.extend(host_exhausted(findings));
    against.extend(stalled(findings));
    against.extend(starved(run, findings));
    against.extend(own_lateness_decided(run, findings));
    if run.load_loop == Loop::Open {
        against.extend(late(run, findings));
        against.extend(unsent(run, findings));
    }
    let mut notes = Vec::new();
    let (asked_in_vain, too_few) = sample_too_small(run);
    if asked_in_vain {
        against.extend(too_few)
    } else {
        notes.extend(too_few)
    }
    notes.extend(waited_for_the_target(run, findings));
    notes.extend(own_share_of_p99(run, findings));
    notes.extend(not_as_planned(run, findings));
    notes.extend(overflowed(run, findings));
    notes.extend(retransmitted(run, findings));
    notes.extend(fewer_than_asked(run));
    if run.ok == 0 && run.planned > 0 {
        notes.push("nothing was answered correctly".to_owned());
    }
    if run.partial {
        notes.push(format!("cut short: only the first {} were measured", seconds(run.duration_s)));
    }
    if run.load_loop == Loop::Closed {
        let connections = counted(run.connections_max, "connection");
        notes.push(format!(
            "closed loop: the rate is what {connections} allowed, and a slow target is asked less often, so the \
             latencies leave out what a user at a fixed rate would have waited"
        ));
    }
    let valid = against.is_empty();
    against.append(&mut notes);
    Verdict { valid, reasons: against }
}

fn nothing_planned(run: &Run) -> Option<String> {
    match run.response_ms.count {
        _ if run.planned == 0 => Some("no request was due: there is nothing to judge".to_owned()),
        0 if run.dropped < run.planned => Some("no request has ended: there is nothing to judge".to_owned()),
        _ => None,
    }
}

/// Where the 99th percentile is mostly the generator's own lateness, however small, a reader has to know.
fn own_share_of_p99(run: &Run, findings: &HostFindings) -> Option<String> {
    let (lag, response) = (run.send_lag_ms.p99?, run.response_ms.p99?);
    let own = lag > response / 2.0 && run.load_loop == Loop::Open && !findings.waits_for_connections();
    own.then(|| {
        format!("most of p99 is the generator's own lateness: send lag {} of {}", ms(lag), ms(response))
    })
}

fn generator_busy(run: &Run) -> Option<String> {
    let share = run.generator.cpu_share_max;
    (share > CPU_SHARE_MOST)
        .then(|| format!("the generator used {} of a CPU, over {}", percent(share), percent(CPU_SHARE_MOST)))
}

fn host_exhausted(findings: &HostFindings) -> Vec<String> {
    let mut reasons = Vec::new();
    if findings.out_of_descriptors {
        reasons.push("the generator ran out of file descriptors (see ulimit -n)".to_owned());
    }
    if findings.out_of_ports {
        reasons.push("the generator ran out of local ports (see net.ipv4.ip_local_port_range)".to_owned());
    }
    if findings.steal_share > STEAL_SHARE_MOST {
        let (share, most) = (percent(findings.steal_share), percent(STEAL_SHARE_MOST));
        reasons.push(format!("the hypervisor took {share} of the CPU time, over {most}"));
    }
    reasons
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
fn own_lateness_decided(run: &Run, findings: &HostFindings) -> Option<String> {
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

/// The most that send lag may be in milliseconds, and why.
fn send_lag_limit(run: &Run) -> (f64, String) {
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

fn late(run: &Run, findings: &HostFindings) -> Option<String> {
    let (limit, limit_text) = send_lag_limit(run);
    if findings.wakeup_lag_p99_ms > limit {
        let lag = ms(findings.wakeup_lag_p99_ms);
        return Some(format!(
            "the generator woke late: p99 {lag} after the intended instant, over {limit_text}"
        ));
    }
    let lag = run.send_lag_ms.p99.filter(|lag| *lag > limit && !findings.waits_for_connections())?;
    Some(format!("requests were sent late though connections were free: p99 {}, over {limit_text}", ms(lag)))
}

/// Requests that were not sent, without those of which the target is the cause: connections and streams that it refused or
/// left open in the air, waits for one that outlasted the timeout or the run, and, where all connections were busy, what
/// was dropped.
fn unsent(run: &Run, findings: &HostFindings) -> Option<String> {
    let dropped = if findings.connect_limited { run.dropped } else { 0 };
    let excused = findings.never_sent + dropped;
    let missing = run.planned.saturating_sub(run.sent).saturating_sub(excused);
    let most = run.planned as f64 * (1.0 - SENT_SHARE_LEAST);
    (missing as f64 > most).then(|| {
        let share = percent(missing as f64 / run.planned as f64);
        format!("{share} of the planned requests were not sent though connections were free")
    })
}

/// The percentiles that the sample is too small for in one line, and whether a threshold asked for one of them.
fn sample_too_small(run: &Run) -> (bool, Option<String>) {
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

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
