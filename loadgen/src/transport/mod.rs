//! The ways of sending a request and reading its answer.

pub(crate) mod http1;
