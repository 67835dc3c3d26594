//! What a load test leaves behind: the run record, its analysis, its pictures.
//!
//! Given a [`record::Run`] and the histograms beside it, this crate judges them, writes them to a directory, reads
//! them again, and draws them. It never measures, and knows nothing of sockets or clocks.

pub mod analyse;
pub mod cache;
pub mod calibration;
pub mod ceiling;
pub mod chart;
pub mod charts;
pub mod comparison;
pub mod draw;
pub mod exports;
pub mod fnv;
pub mod histogram;
pub mod history;
pub mod html;
pub mod junit;
pub mod lesson;
pub mod log;
pub mod merge;
pub mod number;
pub mod offered;
pub mod outcome;
pub mod pairs;
pub mod pictures;
pub mod random;
pub mod record;
pub mod scale_out;
pub mod set;
pub mod store;
pub mod terminal;
pub mod text;
pub mod ticks;
pub mod trace;
mod whole;

#[cfg(test)]
mod fixture;
