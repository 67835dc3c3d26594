//! What a sending thread is given before the run, and what it shares with the others.

use crate::client;
use crate::schedule::Schedule;
use crate::transport::address::Address;
use crate::work::What;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a thread is to do.
#[derive(Debug)]
pub(crate) struct Job {
    /// The share's number, and how many shares there are.
    pub(crate) share: (usize, usize),
    /// When requests are sent.
    pub(crate) source: Source,
    /// When the steps of the plan end.
    pub(crate) ends: Vec<u64>,
    /// When the run ends if nothing is under way any more, whether requests are due until then or not.
    pub(crate) end_ns: u64,
    /// What is sent.
    pub(crate) what: What,
    /// Where it is sent.
    pub(crate) address: Address,
    /// At most so many connections.
    pub(crate) connections: usize,
    /// At most so many requests wait for a connection.
    pub(crate) backlog: usize,
    /// From the intended instant.
    pub(crate) timeout_ns: u64,
    /// Which status codes are expected, by code.
    pub(crate) expected: Arc<[bool; 1000]>,
    /// Addresses that connections come from, in turn; none: as the kernel chooses.
    pub(crate) sources: Vec<IpAddr>,
    /// A connection is closed after so many requests.
    pub(crate) requests_per_connection: u64,
    /// The client library that sends; `None`: this worker.
    pub(crate) client: Option<Arc<client::Settings>>,
}

/// When a thread sends.
#[derive(Debug)]
pub(crate) enum Source {
    /// At the instants of a schedule: an open loop.
    Open(Schedule),
    /// As fast as the connections go: a closed loop.
    Closed,
    /// So many users in all, each at their own pace: a closed loop whose requests have instants.
    Users(u64),
}

/// What all threads of a run share; none of it is touched per request.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Set when the run is to stop early.
    pub(crate) stop: AtomicBool,
    /// When the load is to end before its plan does, in nanoseconds after the start; 0: as planned.
    cut: AtomicU64,
    /// Connections open now.
    pub(crate) open: AtomicU64,
    /// The most that ever were.
    pub(crate) most_open: AtomicU64,
}

impl Source {
    /// Whether requests have instants of their own, whatever connections there are.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }
}

impl Common {
    /// Nothing is due any more from this instant on, which all threads have to come to know before.
    pub(crate) fn cut(&self, at_ns: u64) {
        self.cut.store(at_ns, Ordering::Relaxed);
    }

    /// From when on nothing is due any more, where that is before `end_ns`.
    pub(crate) fn cut_before(&self, end_ns: u64) -> Option<u64> {
        let at_ns = self.cut.load(Ordering::Relaxed);
        (at_ns > 0 && at_ns < end_ns).then_some(at_ns)
    }
}
