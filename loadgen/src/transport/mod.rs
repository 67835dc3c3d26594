//! The ways of sending a request and reading its answer, and the pool of connections that they share.

pub(crate) mod address;
pub(crate) mod capture;
pub(crate) mod http1;
pub(crate) mod names;
pub(crate) mod poll;
pub(crate) mod pool;
pub(crate) mod raw;
pub(crate) mod reach;
pub(crate) mod resolve;
pub(crate) mod socket;
