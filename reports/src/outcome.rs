//! How a planned request ended: the kinds, and how many of each. Every planned request has exactly one outcome,
//! and [`Counts::conserved`] is the sum that shows that none was lost.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// What went wrong with a request that did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection could be opened.
    Connect,
    /// No whole answer within the timeout, counted from the intended instant.
    Timeout,
    /// The connection was closed or reset before the whole answer had come.
    Reset,
    /// What came was not HTTP.
    Protocol,
    /// The TLS handshake failed.
    Tls,
    /// The host's name could not be resolved.
    Dns,
    /// The answer's status was not one of the expected.
    Status,
    /// The answer did not pass a check.
    Check,
}

impl ErrorKind {
    /// Its name in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Status => "status",
            Self::Check => "check",
        }
    }
}

/// How many requests ended in each [`ErrorKind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// See [`ErrorKind::Connect`].
    pub connect: u64,
    /// See [`ErrorKind::Timeout`].
    pub timeout: u64,
    /// See [`ErrorKind::Reset`].
    pub reset: u64,
    /// See [`ErrorKind::Protocol`].
    pub protocol: u64,
    /// See [`ErrorKind::Tls`].
    pub tls: u64,
    /// See [`ErrorKind::Dns`].
    pub dns: u64,
    /// See [`ErrorKind::Status`].
    pub status: u64,
    /// See [`ErrorKind::Check`].
    pub check: u64,
}

impl Errors {
    /// Counts one more error of `kind`.
    pub fn add(&mut self, kind: ErrorKind) {
        *match kind {
            ErrorKind::Connect => &mut self.connect,
            ErrorKind::Timeout => &mut self.timeout,
            ErrorKind::Reset => &mut self.reset,
            ErrorKind::Protocol => &mut self.protocol,
            ErrorKind::Tls => &mut self.tls,
            ErrorKind::Dns => &mut self.dns,
            ErrorKind::Status => &mut self.status,
            ErrorKind::Check => &mut self.check,
        } += 1;
    }

    /// The kinds by name with their counts, in the order of the JSON.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("connect", self.connect),
            ("timeout", self.timeout),
            ("reset", self.reset),
            ("protocol", self.protocol),
            ("tls", self.tls),
            ("dns", self.dns),
            ("status", self.status),
            ("check", self.check),
        ]
    }

    /// All errors.
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, n)| n).sum()
    }
}

impl AddAssign for Errors {
    fn add_assign(&mut self, other: Self) {
        self.connect += other.connect;
        self.timeout += other.timeout;
        self.reset += other.reset;
        self.protocol += other.protocol;
        self.tls += other.tls;
        self.dns += other.dns;
        self.status += other.status;
        self.check += other.check;
    }
}

/// The ledger of a run, or of a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Requests of which the first byte was written.
    pub sent: u64,
    /// Requests answered in full with an expected status.
    pub ok: u64,
    /// Requests given up because too many were waiting for a connection already.
    pub dropped: u64,
    /// Requests without an outcome when the run was cut short.
    pub unfinished: u64,
    /// Requests that failed.
    pub errors: Errors,
    /// Whole answers by status code, expected or not.
    pub status: BTreeMap<u16, u64>,
}

impl Counts {
    /// Whether `planned = ok + errors + dropped + unfinished`.
    pub fn conserved(&self) -> bool {
        self.planned == self.ok + self.errors.total() + self.dropped + self.unfinished
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.ok += other.ok;
        self.dropped += other.dropped;
        self.unfinished += other.unfinished;
        self.errors += other.errors;
        for (&code, n) in &other.status {
            *self.status.entry(code).or_default() += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ErrorKind; 8] = [
        ErrorKind::Connect,
        ErrorKind::Timeout,
        ErrorKind::Reset,
        ErrorKind::Protocol,
        ErrorKind::Tls,
        ErrorKind::Dns,
        ErrorKind::Status,
        ErrorKind::Check,
    ];

    #[test]
    fn each_kind_has_a_counter_of_its_own() {
        let mut errors = Errors::default();
        for (n, kind) in KINDS.into_iter().enumerate() {
            for _ in 0..=n {
                errors.add(kind);
            }
        }
        assert_eq!(errors.named().map(|(_, n)| n), [1, 2, 3, 4, 5, 6, 7, 8]);
        let mut twice = errors;
        twice += errors;
        assert_eq!(twice.total(), 72);
    }

    #[test]
    fn a_lost_request_breaks_the_sum() {
        let mut counts = Counts { planned: 4, ok: 1, dropped: 1, unfinished: 1, ..Counts::default() };
        assert!(!counts.conserved());
        counts.errors.add(ErrorKind::Reset);
        assert!(counts.conserved());
        let mut sum = counts.clone();
        sum += &counts;
        assert!(sum.conserved() && sum.planned == 8);
    }
}
