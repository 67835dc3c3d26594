//! What a thread has to say at the end of a run beside its intervals: its ledgers, and what it noticed about itself and its
//! connections. Several become one by merging.

use crate::entries::Entries;
use crate::stream::Gaps;
use reports::histogram::Histogram;
use reports::outcome::{Counts, ErrorKind};
use reports::record::{Bytes, Sessions};
use std::time::Duration;

/// A connection that takes longer than this to open is one that requests have to wait for.
const SLOW_CONNECT_NS: u64 = 1_000_000;

/// What one thread, or all of them, have to say at the end of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The ledger of each step of the plan.
    pub(crate) steps: Vec<Counts>,
    /// What became of each kind of counted request.
    pub(crate) entries: Entries,
    /// The gaps between the counted requests that were sent.
    pub(crate) gaps: Gaps,
    /// What became of the sessions.
    pub(crate) sessions: Sessions,
    /// How many sessions could not be begun, and why.
    pub(crate) not_begun: Option<(u64, String)>,
    /// How late the thread itself came to each counted request, whether a connection was free or not.
    pub(crate) lateness: Histogram,
    /// Bytes of counted requests and of all answers after the warm-up.
    pub(crate) bytes: Bytes,
    /// How long the thread did not run although it had meant to, in the measured part; of several, the longest.
    pub(crate) stalled: u64,
    /// How long the thread was ready to run while something else had its CPU, in the measured part; of several, the
    /// longest.
    pub(crate) starved: u64,
    /// CPU time of the busiest thread in the measured part.
    pub(crate) cpu: Duration,
    /// Whether a request had to wait although as many connections were open as allowed.
    pub(crate) saturated: bool,
    /// How many connections took long to open, by the target's doing.
    pub(crate) slow_connects: u64,
    /// Whether a connection failed for want of file descriptors.
    pub(crate) out_of_descriptors: bool,
    /// Whether a connection failed for want of local ports.
    pub(crate) out_of_ports: bool,
    /// When the last whole answer came.
    pub(crate) last_answer: Option<u64>,
    /// When the first failure after a thread's last answer came.
    pub(crate) silent_since: Option<u64>,
    /// Correct answers of counted requests that came before the measured part was over.
    pub(crate) ok_in_time: u64,
    /// Counted requests that were sent before the measured part was over.
    pub(crate) sent_in_time: u64,
    /// Counted requests that failed, or were unfinished, before they were sent.
    pub(crate) never_sent: u64,
    /// Answers whose end the kernel has put a time on.
    pub(crate) stamped: u64,
    /// Answers timed when they were read.
    pub(crate) unstamped: u64,
    /// In words, the first error of each kind, where the transport knows more than the kind.
    pub(crate) first_errors: Vec<(ErrorKind, String)>,
}

impl Tally {
    /// Takes in what another thread has to say.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.steps.is_empty() {
            self.steps = vec![Counts::default(); other.steps.len()];
        }
        self.steps.iter_mut().zip(&other.steps).for_each(|(mine, theirs)| *mine += theirs);
        self.entries.merge(&other.entries);
        self.gaps.merge(&other.gaps);
        self.sessions.begun += other.sessions.begun;
        self.sessions.completed += other.sessions.completed;
        self.sessions.failed += other.sessions.failed;
        if let Some((times, why)) = &other.not_begun {
            let before = self.not_begun.take().map_or(0, |(times, _)| times);
            self.not_begun = Some((before + times, why.clone()));
        }
        self.lateness.add(&other.lateness);
        self.bytes.sent += other.bytes.sent;
        self.bytes.received += other.bytes.received;
        self.stalled = self.stalled.max(other.stalled);
        self.starved = self.starved.max(other.starved);
        self.cpu = self.cpu.max(other.cpu);
        self.saturated |= other.saturated;
        self.slow_connects += other.slow_connects;
        self.out_of_descriptors |= other.out_of_descriptors;
        self.out_of_ports |= other.out_of_ports;
        self.last_answer = self.last_answer.max(other.last_answer);
        self.silent_since = [self.silent_since, other.silent_since].into_iter().flatten().min();
        self.ok_in_time += other.ok_in_time;
        self.sent_in_time += other.sent_in_time;
        self.never_sent += other.never_sent;
        self.stamped += other.stamped;
        self.unstamped += other.unstamped;
        other.first_errors.iter().for_each(|(kind, why)| self.explain(*kind, || why.clone()));
    }

    /// Whose clock said when answers came: all but those that came before the kernel had begun to put times on them.
    pub(crate) fn receive_clock(&self) -> &'static str {
        if self.stamped > 0 && self.unstamped * 100 <= self.stamped { "kernel" } else { "process" }
    }

    /// Keeps the reason of the first error of a kind.
    pub(crate) fn explain(&mut self, kind: ErrorKind, why: impl FnOnce() -> String) {
        if !self.first_errors.iter().any(|(known, _)| *known == kind) {
            self.first_errors.push((kind, why()));
        }
    }

    /// A connection was open so long after it was begun.
    pub(crate) fn opened(&mut self, took_ns: u64) {
        self.slow_connects += u64::from(took_ns > SLOW_CONNECT_NS);
    }
}
