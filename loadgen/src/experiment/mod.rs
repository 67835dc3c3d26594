//! Experiments: several runs that together answer a question. Each only arranges runs and asks for their analysis.

pub(crate) mod calibrate;
pub(crate) mod ceiling;
mod null_target;
mod queue;
mod search;
pub(crate) mod trace;
