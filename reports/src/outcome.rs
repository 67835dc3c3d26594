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

    /// All errors; the largest number there is, where they are more than that.
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, n)| *n).fold(0, u64::saturating_add)
    }
}

impl AddAssign for Errors {
    fn add_assign(&mut self, other: Self) {
        for (sum, n) in [
            (&mut self.connect, other.connect),
            (&mut self.timeout, other.timeout),
            (&mut self.reset, other.reset),
            (&mut self.protocol, other.protocol),
            (&mut self.tls, other.tls),
            (&mut self.dns, other.dns),
            (&mut self.status, other.status),
            (&mut self.check, other.check),
        ] {
            *sum = sum.saturating_add(n);
        }
    }
}

/// Whether each of `planned` requests has one outcome: `others` are those that are no errors. Numbers from outside may be of any size:
/// sums that are too large are none.
pub fn is_conserved(planned: u64, others: [u64; 3], errors: &Errors) -> bool {
    let all = others.into_iter().chain(errors.named().map(|(_, n)| n));
    all.into_iter().try_fold(0, u64::checked_add) == Some(planned)
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
        is_conserved(self.planned, [self.ok, self.dropped, self.unfinished], &self.errors)
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        for (sum, n) in [
            (&mut self.planned, other.planned),
            (&mut self.sent, other.sent),
            (&mut self.ok, other.ok),
            (&mut self.dropped, other.dropped),
            (&mut self.unfinished, other.unfinished),
        ] {
            *sum = sum.saturating_add(n);
        }
        self.errors += other.errors;
        for (&code, n) in &other.status {
            let sum = self.status.entry(code).or_default();
            *sum = sum.saturating_add(*n);
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

    #[test]
    fn sums_that_no_number_holds_are_no_sums() {
        let errors = |status| Errors { status, ..Errors::default() };
        let counts = Counts { planned: 900, ok: u64::MAX, errors: errors(901), ..Counts::default() };
        assert!(!counts.conserved());
        let most = Errors { reset: u64::MAX, ..errors(901) };
        assert_eq!(most.total(), u64::MAX);
        assert!(!Counts { planned: u64::MAX, errors: most, ..Counts::default() }.conserved());
        let mut sum = Counts { status: [(200, 5)].into(), ..counts.clone() };
        sum += &Counts { status: [(200, u64::MAX)].into(), ..counts };
        assert_eq!((sum.ok, sum.status[&200]), (u64::MAX, u64::MAX));
        let mut twice = most;
        twice += most;
        assert_eq!(twice.reset, u64::MAX);
    }
}
