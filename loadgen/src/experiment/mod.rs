//! Experiments: several runs that together answer a question. Each only arranges runs and asks for their analysis.

mod carry_out;

pub(crate) mod cache;
pub(crate) mod calibrate;
pub(crate) mod ceiling;
pub(crate) mod lesson;
pub(crate) mod lessons;
mod null_target;
pub(crate) mod pairs;
mod queue;
pub(crate) mod scale_out;
mod search;
pub(crate) mod trace;
