//! What the tiers and the stack say of themselves, each on one line of JSON on standard output: the descriptor when all
//! answer, and then, of the stack, a line for each process that dies.

use crate::failure::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file with the descriptor in a running stack's directory.
pub(crate) const FILE: &str = "stack.json";

/// Far more than the descriptor of the largest stack.
const LONGEST: u64 = 1 << 20;

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
    /// The versions of the programs that it runs and that are not this one, such as `mariadb`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) versions: BTreeMap<String, String>,
}

/// A line of the stack's behind the descriptor: one of its processes has ended that should not have.
#[derive(Debug, Serialize)]
pub(crate) struct Death {
    /// `tier_died`.
    pub(crate) event: &'static str,
    /// The tier's name, as in the descriptor; `sweep` is the process that would clean up.
    pub(crate) tier: &'static str,
    /// The pid in the descriptor.
    pub(crate) pid: u32,
    /// How the tier's process ended: one of these. The database's server and nginx have a keeper, which tells of their end by its
    /// own, and in words.
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// How many of the tier's processes are left. With none the stack ends.
    pub(crate) left: usize,
    /// What a person is told.
    pub(crate) reason: String,
    /// Seconds since 1970.
    pub(crate) at_unix_s: f64,
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

    /// Reads what was kept in `dir`, which may be anybody's: a file of a descriptor's size, and nothing that would be waited for.
    ///
    /// # Errors
    /// Why it cannot be read, or is none: `InvalidData`.
    pub(crate) fn kept(dir: &Path) -> std::io::Result<Self> {
        let invalid = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
        let at_once = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(at_once).open(dir.join(FILE))?;
        if !file.metadata()?.is_file() {
            return Err(invalid(String::from("not a file")));
        }
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text)?;
        serde_json::from_str(&text).map_err(|e| invalid(e.to_string()))
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
