//! What a sending thread is given: its share of the load and the target, and what all threads of a run share. It does nothing
//! itself.

use crate::request::Requests;
use crate::schedule::Schedule;
use crate::transport::address::Address;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What a thread is to do.
#[derive(Debug)]
pub(crate) struct Job {
    /// The share's number, and how many shares there are.
    pub(crate) share: (usize, usize),
    /// When requests are sent.
    pub(crate) source: Source,
    /// When the run ends if nothing is under way any more, whether requests are due until then or not.
    pub(crate) end_ns: u64,
    /// What is sent.
    pub(crate) requests: Arc<Requests>,
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
}

/// When a thread sends.
#[derive(Debug)]
pub(crate) enum Source {
    /// At the instants of a schedule: an open loop.
    Open(Schedule),
    /// As fast as the connections go, until these ends of the plan's steps: a closed loop.
    Closed(Vec<u64>),
}

impl Source {
    /// Whether requests are due at instants of their own.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

/// What all threads of a run share; none of it is touched per request.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Set when the run is to stop early.
    pub(crate) stop: AtomicBool,
    /// Connections open now.
    pub(crate) open: AtomicU64,
    /// The most that ever were.
    pub(crate) most_open: AtomicU64,
}
