//! Experiments: several runs that together answer a question. Each only arranges runs and asks for their analysis.

pub(crate) mod calibrate;
mod null_target;
mod queue;
mod search;
