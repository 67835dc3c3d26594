//! What the tiers and the stack say of themselves, each on one line of JSON on standard output.

use crate::failure::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file with the descriptor in a running stack's directory.
pub(crate) const FILE: &str = "stack.json";

/// One tier's process, said once it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tier {
    /// The process that does the tier's work (of `db`: the database server's own).
    pub(crate) pid: u32,
    /// Where the tier is reached: `IP:PORT`, or the path of a unix socket.
    pub(crate) address: String,
    /// The URL of its Prometheus endpoint.
    pub(crate) metrics: String,
    /// The CPUs that a quota lets it use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_limit: Option<f64>,
}

/// The stack descriptor, `target-stack.up/1`: all that a client needs to know of a running stack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stack {
    /// `target-stack.up/1`.
    pub(crate) schema: String,
    /// The supervisor, `up` itself.
    pub(crate) pid: u32,
    /// The website's root, by name.
    pub(crate) url: String,
    /// The zone's name server, `IP:PORT`.
    pub(crate) resolver: String,
    /// The processes of each tier.
    pub(crate) tiers: BTreeMap<String, Vec<Tier>>,
    /// The directory of this stack, removed when it ends.
    pub(crate) dir: PathBuf,
    /// The CPUs that all tiers are pinned to.
    pub(crate) cpus: Vec<usize>,
    /// How many items the catalogue holds.
    pub(crate) items: u32,
    /// What stands in for something else, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) emulated: Vec<String>,
}

impl Stack {
    /// Keeps the descriptor in the stack's directory, whole at any time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn keep(&self) -> Outcome {
        let (file, new) = (self.dir.join(FILE), self.dir.join(format!("{FILE}.new")));
        let line = serde_json::to_string(self).map_err(|e| Failure::start(e.to_string()))?;
        std::fs::write(&new, line + "\n")
            .and_then(|()| std::fs::rename(&new, &file))
            .map_err(|e| Failure::start(format!("cannot write {}: {e}", file.display())))
    }

    /// Reads what was kept in `dir`.
    ///
    /// # Errors
    /// Why it cannot be read, as a clause.
    pub(crate) fn kept(dir: &Path) -> Result<Self, String> {
        let file = dir.join(FILE);
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))
    }
}

/// Prints `value` as one line of JSON, the sign that its part is ready.
///
/// # Errors
/// When standard output is closed: whoever waited for the line has gone.
pub(crate) fn announce(value: &impl Serialize) -> Outcome {
    let line = serde_json::to_string(value).map_err(|e| Failure::start(e.to_string()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|e| Failure::start(format!("standard output: {e}")))
}
