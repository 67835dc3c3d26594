//! The ways of sending a request and reading its answer, and the pool of connections that they share.

pub(crate) mod http1;
pub(crate) mod names;
pub(crate) mod pool;
pub(crate) mod raw;
pub(crate) mod resolve;
