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

mod lateness;
mod notes;

use crate::analyse::ledger;
use crate::number::percent;
use crate::record::{Loop, Run, Verdict};

/// The most that the 99th percentile of the send lag may be, in milliseconds: many times what a wake-up from idle takes,
/// so it is late by any measure.
pub const SEND_LAG_LIMIT_MS: f64 = 1.0;
/// The most that it may be as a share of the objective, where p99 has one: more of it, and the generator's lateness
/// decides whether the objective holds.
pub const SEND_LAG_SHARE_OF_OBJECTIVE: f64 = 0.05;
/// The most that it may be as a share of the resolution, where what is read off a run has one; and no request may be late by all of it.
pub const SEND_LAG_SHARE_OF_RESOLUTION: f64 = 0.1;
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
///
/// Of an experiment that reads nothing finer than `resolution_ms` milliseconds off a run, such as whether a percentile is over a limit, or
/// in which interval a request failed, lateness far below that decides nothing: then it is judged by how late requests were, and what
/// made them late is a note. Without it, the percentiles themselves have to be the target's.
pub fn verdict(run: &Run, findings: &HostFindings, resolution_ms: Option<f64>) -> Verdict {
    let resolution_ms = resolution_ms.filter(|_| run.load_loop == Loop::Open);
    let mut against = Vec::new();
    let mut notes = Vec::new();
    against.extend(nothing_planned(run));
    against.extend(ledger::broken(run));
    against.extend(generator_busy(run));
    against.extend(host_exhausted(findings));
    let disturbed = lateness::disturbed(run, findings);
    if resolution_ms.is_some() { &mut notes } else { &mut against }.extend(disturbed);
    against.extend(lateness::own_lateness_decided(run, findings));
    if run.load_loop == Loop::Open {
        against.extend(lateness::late(run, findings, resolution_ms));
        against.extend(lateness::unsent(run, findings));
    }
    let (asked_in_vain, too_few) = notes::sample_too_small(run);
    if asked_in_vain { &mut against } else { &mut notes }.extend(too_few);
    notes.extend(notes::all(run, findings));
    let valid = against.is_empty();
    against.append(&mut notes);
    Verdict { valid, reasons: against }
}

/// What the record of a load says by itself, of which nobody was the one generator: what speaks against it, and the notes.
pub(crate) fn of_record(run: &Run) -> (Vec<String>, Vec<String>) {
    let (asked_in_vain, too_few) = notes::sample_too_small(run);
    let (against, few) = if asked_in_vain { (too_few, None) } else { (None, too_few) };
    let late = lateness::of_the_latest(run);
    (
        nothing_planned(run).into_iter().chain(late).chain(against).collect(),
        few.into_iter().chain(notes::of_record(run)).collect(),
    )
}

/// Why percentiles of the record are not known, which of a larger part of the load may be.
pub(crate) fn too_few(run: &Run) -> Option<String> {
    notes::sample_too_small(run).1
}

fn nothing_planned(run: &Run) -> Option<String> {
    // Of few requests one of many machines may have none.
    let one_of_several = run.shard.as_ref().is_some_and(|shard| shard.of > 1);
    match run.response_ms.count {
        _ if run.planned == 0 && one_of_several => None,
        _ if run.planned == 0 => Some("no request was due: there is nothing to judge".to_owned()),
        0 if run.dropped < run.planned => Some("no request has ended: there is nothing to judge".to_owned()),
        _ => None,
    }
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
    reasons
}

#[cfg(test)]
mod tests;
