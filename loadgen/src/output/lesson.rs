//! What an experiment with failures or changes leaves and shows: its record after each trial, and at the end the picture and the
//! summary.

use super::Output;
use crate::failure::{Failure, Outcome};
use crate::{show, terminal};
use reports::lesson::Lesson;
use reports::store;

impl Output {
    /// Writes what has been found so far.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn keep_lesson(&self, found: &Lesson) -> Outcome {
        let Some(dir) = &self.dir else { return Ok(()) };
        store::save_lesson(dir, found)
            .map_err(|e| Failure::host(format!("the record in {} is incomplete: {e}", dir.display())))?;
        self.kept.set(true);
        Ok(())
    }

    /// Writes what was found, draws it and shows it; `note` is what stopped it.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn finish_lesson(&self, found: &Lesson, note: Option<&str>) -> Outcome {
        let mut lines = Vec::new();
        let mut kept = self.keep_lesson(found);
        if let Some(dir) = &self.dir {
            lines.push(format!("record      {}", dir.join(self.file).display()));
            match show::lesson::drawn(dir, found) {
                Ok(drawn) => lines.extend(drawn),
                Err(failure) => kept = kept.and(Err(failure)),
            }
        }
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(found, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        if !self.quiet && terminal::columns().is_some() {
            // Between what was said on the way and the summary.
            show::note("");
        }
        let shown = if self.quiet { Ok(()) } else { show::lesson::summary(found, note, &lines, beside_json) };
        kept.and(told).and(shown)
    }
}
