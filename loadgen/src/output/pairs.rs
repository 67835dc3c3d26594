//! What measuring in pairs leaves and shows beside the records of its runs: the record after each of them, and at the end the summary
//! with what to type next.

use super::Output;
use crate::failure::Outcome;
use crate::show;
use reports::pairs::{BASE, CANDIDATE, CONTROL, Pairs};
use reports::store;
use reports::terminal::shell;
use std::path::Path;

impl Output {
    /// Where records go; of an experiment, always somewhere.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.as_deref().unwrap_or(Path::new("."))
    }

    /// Writes what has been measured so far.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn keep_pairs(&self, found: &Pairs) -> Outcome {
        self.keeps(self.dir(), store::keep(self.dir(), found))
    }

    /// Writes what was measured, and shows it; `note` is what stopped it.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn finish_pairs(&self, found: &Pairs, note: Option<&str>) -> Outcome {
        let kept = self.keep_pairs(found);
        let mut lines = vec![format!("record      {}", self.dir().join(self.file).display())];
        if found.valid_pairs > 0 {
            lines.push(format!("next        {}", comparison(self.dir(), found)));
        }
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(found, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        let shown = if self.quiet { Ok(()) } else { show::pairs(found, note, &lines, beside_json) };
        kept.and(told).and(shown)
    }
}

/// The command that compares what is in `dir`.
fn comparison(dir: &Path, found: &Pairs) -> String {
    let of = |arm: &str| dir.join(arm).display().to_string();
    let mut words = vec![String::from("loadgen"), String::from("compare"), of(BASE), of(CANDIDATE)];
    if found.arms.iter().any(|arm| arm.name == CONTROL) {
        words.extend([String::from("--control"), of(CONTROL)]);
    }
    shell(&words)
}
