//! What an experiment that leaves one record leaves and shows: the record after each of its parts, and at the end the picture and
//! the summary.

use super::Output;
use crate::failure::Outcome;
use crate::show::found::{Found, drawn, summary};
use crate::{show, terminal};
use reports::store;

impl Output {
    /// Writes what has been found so far.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn keep_found(&self, found: &impl Found) -> Outcome {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.keeps(dir, store::keep(dir, found))
    }

    /// Writes what was found, draws it and shows it; `note` is what stopped it, and `more` is said after where it all is.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn finish_found(&self, found: &impl Found, note: Option<&str>, more: &[String]) -> Outcome {
        let mut lines = Vec::new();
        let mut kept = self.keep_found(found);
        if let Some(dir) = &self.dir {
            lines.push(format!("record      {}", dir.join(self.file).display()));
            match drawn(dir, found) {
                Ok(drawn) => lines.extend(drawn),
                Err(failure) => kept = kept.and(Err(failure)),
            }
        }
        lines.extend_from_slice(more);
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(found, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        if !self.quiet && terminal::columns().is_some() {
            // Between what was said on the way and the summary.
            show::note("");
        }
        let shown = if self.quiet { Ok(()) } else { summary(found, note, &lines, beside_json) };
        kept.and(told).and(shown)
    }
}
