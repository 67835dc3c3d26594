//! What the tiers and the machine said of themselves while a run went on, in time.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One metric in time: seconds since the beginning of the measured part, ascending, and the value over the span from the
/// point before. The first point only says where the first span begins; where a span has no value, nothing is known of it.
pub type Points = Vec<(f64, Option<f64>)>;

/// The series behind the means in `observed` and `machine`; of a long run, of fewer and longer spans.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// By tier and metric, under the names of `observed`.
    pub tiers: BTreeMap<String, BTreeMap<String, Points>>,
    /// By metric, under the names of `machine`.
    pub machine: BTreeMap<String, Points>,
    /// When metrics were missing and what was wrong with them, in words; the verdict's reasons have it too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
