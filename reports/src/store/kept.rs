//! Records that are one file of JSON: how they are written, and how they are read. A reader concludes again from what was measured,
//! and takes a record only if what is in it follows.

use super::{alone, read_with, replace};
use crate::ceiling::Ceiling;
use crate::record::{Head, Host, Verdict};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::Path;

/// A record whose conclusions follow from its measurements.
pub trait Kept: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The schemas that it may have, each with the file that such a record is kept in.
    const FILES: &'static [(&'static str, &'static str)];

    /// The schema that it says it has.
    fn schema(&self) -> &str;

    /// Where it was measured, and by which version.
    fn host(&self) -> &Host;

    /// Whether it was cut short, and the verdict on it.
    fn end(&self) -> (bool, &Verdict);

    /// Whether what was measured can be so at all.
    ///
    /// # Errors
    /// In words, what in it cannot be.
    fn check(&self) -> Result<(), String>;

    /// Concludes from what was measured, in place of whatever was concluded before.
    ///
    /// # Errors
    /// When it asks for what is none, such as an objective that is not one.
    fn conclude(&mut self) -> Result<(), String>;

    /// Why its verdict is what it is.
    fn reasons(&mut self) -> &mut Vec<String>;

    /// Takes away the sentences that were concluded, which another version may word otherwise: what is left are numbers.
    fn hush(&mut self) {
        self.reasons().clear();
    }
}

/// Writes `found` into `dir`, which is made where it is missing. An older record is replaced in one step,
/// and one of another kind goes.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn keep<K: Kept>(dir: &Path, found: &K) -> io::Result<()> {
    let file = K::FILES.iter().find(|(schema, _)| *schema == found.schema()).or(K::FILES.first());
    let file = file.map_or("", |(_, file)| file);
    replace(dir, file, found)?;
    alone(dir, file)
}

/// Reads the record in `file` of `dir`, and concludes from its measurements again: the numbers that are in it have to come out.
///
/// # Errors
/// When the file is missing, is not what it should be, or its conclusions do not follow from what was measured.
pub fn kept<K: Kept>(dir: &Path, file: &str) -> Result<K, String> {
    read_with(&dir.join(file), |json| {
        let found: K = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let schema = K::FILES.iter().find(|(_, of)| *of == file).map_or("", |(schema, _)| schema);
        if found.schema() != schema {
            return Err(format!("\"{}\" is not {schema}", found.schema()));
        }
        again(&found)
    })
}

/// `found` with what follows from its measurements, which has to be what is in it.
pub(super) fn again<K: Kept>(found: &K) -> Result<K, String> {
    found.check()?;
    let mut again = found.clone();
    again.conclude()?;
    // One that was killed has not come to its conclusions.
    let (partial, verdict) = found.end();
    if partial && *verdict == Verdict::default() {
        return Ok(again);
    }
    let hushed = |found: &K| {
        let mut found = found.clone();
        found.hush();
        found
    };
    if hushed(&again) == hushed(found) {
        return Ok(again);
    }
    let by = format!("{} {}", found.host().version, found.host().commit);
    Err(format!(
        "its conclusions do not follow from its loads: it was changed, or the version that it comes from ({}) \
         concluded otherwise",
        by.trim()
    ))
}

/// A search that is a part of a record with this objective and this seed, which has to be what it was made with.
pub(super) fn of_search(search: &Ceiling, slo: &str, head: &Head) -> Result<(), String> {
    let others = search.slo != slo || search.head.seed != head.seed;
    changed(others.then(|| String::from("it has another objective or seed than the record that it is in")))?;
    again(search).map(drop)
}

/// What cannot be in a record that nobody has changed.
pub(super) fn changed(what: Option<String>) -> Result<(), String> {
    what.map_or(Ok(()), |what| Err(format!("{what}: it was changed")))
}

/// The part of [`Kept`] that all records have in the same fields; `whole`: that of one that cannot be cut short.
macro_rules! fields {
    () => {
        fields!(of_all);

        fn end(&self) -> (bool, &crate::record::Verdict) {
            (self.partial, &self.verdict)
        }
    };
    (whole) => {
        fields!(of_all);

        fn end(&self) -> (bool, &crate::record::Verdict) {
            (false, &self.verdict)
        }
    };
    (of_all) => {
        fn schema(&self) -> &str {
            &self.schema
        }

        fn host(&self) -> &crate::record::Host {
            &self.head.host
        }

        fn reasons(&mut self) -> &mut Vec<String> {
            &mut self.verdict.reasons
        }
    };
}
pub(super) use fields;
