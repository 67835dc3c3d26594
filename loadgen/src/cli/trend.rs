//! The options of a trend.

use super::ResultArgs;
use crate::units;
use clap::Args;
use std::path::PathBuf;

/// The options of a trend.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrendArgs {
    /// The history: a line of JSON for each night
    #[arg(value_name = "HISTORY")]
    pub(crate) history: PathBuf,
    /// What the change points' permutations come from
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Trend")]
    pub(crate) seed: u64,
    /// Write the last night for github-action-benchmark: what is better when it is smaller to FILE, the rest beside it (.bigger)
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(crate) github_benchmark: Option<PathBuf>,
    /// Write the nights on the last machine for Apache Otava as CSV, and beside it (.yaml) the test that it needs
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(crate) otava: Option<PathBuf>,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}
