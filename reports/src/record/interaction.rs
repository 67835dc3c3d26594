//! What became of each kind of request of a scenario, and of its sessions.

use super::Distribution;
use crate::outcome::{Errors, is_conserved};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One kind of request of a scenario: an interaction, or a step of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// The interaction or session.
    pub name: String,
    /// The step in it; empty where there is only one.
    pub step: String,
    /// Requests whose intended instant came.
    pub planned: u64,
    /// Requests of which the first byte was written.
    pub sent: u64,
    /// Requests answered in full, as expected.
    pub ok: u64,
    /// Requests that failed, by kind.
    pub errors: Errors,
    /// Requests given up because too many were waiting for a connection.
    pub dropped: u64,
    /// Requests without an outcome when the run was cut short.
    pub unfinished: u64,
    /// Its share of the run's planned requests, 0 to 1.
    pub share_planned: f64,
    /// Done minus intended, of all planned requests that ended. Of a scenario with very many kinds of request its times
    /// are known to two digits only.
    pub response_ms: Distribution,
    /// Failed checks by the name of the check.
    pub failed_checks: BTreeMap<String, u64>,
}

impl Interaction {
    /// Whether `planned = ok + errors + dropped + unfinished`.
    pub fn conserved(&self) -> bool {
        is_conserved(self.planned, [self.ok, self.dropped, self.unfinished], &self.errors)
    }
}

/// What became of the sessions that were begun in the measured part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Begun.
    pub begun: u64,
    /// Ended after their last step.
    pub completed: u64,
    /// Given up, because a step failed on which others depend.
    pub failed: u64,
}
