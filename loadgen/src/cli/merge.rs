//! The options of a merge.

use super::ResultArgs;
use clap::Args;
use reports::analyse::threshold::Threshold;
use std::path::PathBuf;

/// The options of a merge.
#[derive(Clone, Debug, Args)]
pub(crate) struct MergeArgs {
    /// The records of the shards, or directories with such below them
    #[arg(value_name = "DIR", required = true)]
    pub(crate) dirs: Vec<PathBuf>,
    /// Fails the load when it does not hold, such as 'p99<50ms', 'errors<0.1%' or 'rps>4900'; repeatable
    #[arg(long = "threshold", value_name = "RULE", value_parser = Threshold::parse, help_heading = "Result")]
    pub(crate) thresholds: Vec<Threshold>,
    /// Write the thresholds and the verdict as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(crate) junit: Option<PathBuf>,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}
