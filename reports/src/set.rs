//! A set of records: a directory with a record in each directory below it, whose name says which record of another set it is to be
//! compared with. What cannot be read is named, and left out.

use crate::ceiling::Ceiling;
use crate::pairs::{BASE, CANDIDATE};
use crate::record::Run;
use crate::store::{CEILING_FILE, PAIRS_FILE, RUN_FILE, kept, load};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set {
    /// The directory, as it was given.
    pub dir: PathBuf,
    /// Its runs, by name.
    pub runs: BTreeMap<String, Run>,
    /// Its searches for the ceiling, by name.
    pub ceilings: BTreeMap<String, Ceiling>,
    /// What is no record that can be read, by name.
    pub unread: BTreeMap<String, String>,
}

impl Set {
    /// Reads the set in `dir`. A directory that is a record itself is a set of one, without a name.
    ///
    /// # Errors
    /// When the directory cannot be read, or has no record in it.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let named = |what: String| format!("{}: {what}", dir.display());
        let mut set = Self { dir: dir.to_owned(), ..Self::default() };
        if is_record(dir) {
            set.take(String::new(), dir);
        }
        for entry in fs::read_dir(dir).map_err(|e| named(e.to_string()))? {
            let path = entry.map_err(|e| named(e.to_string()))?.path();
            if let Some(name) = path.file_name().filter(|_| is_record(&path)) {
                set.take(name.to_string_lossy().into_owned(), &path);
            }
        }
        let empty = set.runs.is_empty() && set.ceilings.is_empty();
        match set.unread.values().next() {
            _ if !empty => Ok(set),
            Some(why) => Err(why.clone()),
            None if dir.join(PAIRS_FILE).exists() => {
                let (base, candidate) = (dir.join(BASE), dir.join(CANDIDATE));
                let both = format!("{} {}", base.display(), candidate.display());
                Err(named(format!("it has a set for each of its arms: `loadgen compare {both}`")))
            }
            None => Err(named(format!(
                "there is no record: what is compared is a directory with {RUN_FILE} or {CEILING_FILE} in each directory below it, \
                 as `loadgen pairs` leaves it"
            ))),
        }
    }

    fn take(&mut self, name: String, dir: &Path) {
        let read = match dir.join(RUN_FILE).exists() {
            true => load(dir).map(|record| drop(self.runs.insert(name.clone(), record.run))),
            false => kept(dir, CEILING_FILE).map(|found| drop(self.ceilings.insert(name.clone(), found))),
        };
        if let Err(why) = read {
            self.unread.insert(name, why);
        }
    }
}

fn is_record(dir: &Path) -> bool {
    dir.join(RUN_FILE).exists() || dir.join(CEILING_FILE).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::store::{LOG_FILE, save};

    fn write(dir: &Path) {
        let record = fixture::healthy();
        save(dir, &record.run).unwrap();
        fs::write(dir.join(LOG_FILE), fixture::log_of(&record)).unwrap();
    }

    #[test]
    fn each_record_has_the_name_of_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("01"));
        write(&dir.path().join("02"));
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/ceiling/workers");
        fs::create_dir(dir.path().join("01-ceiling")).unwrap();
        fs::copy(recorded.join(CEILING_FILE), dir.path().join("01-ceiling").join(CEILING_FILE)).unwrap();
        fs::create_dir(dir.path().join("notes")).unwrap();
        let set = Set::read(dir.path()).unwrap();
        assert_eq!(set.runs.keys().collect::<Vec<_>>(), ["01", "02"]);
        assert_eq!(set.ceilings.keys().collect::<Vec<_>>(), ["01-ceiling"]);
        let one = Set::read(&dir.path().join("01")).unwrap();
        assert_eq!(one.runs.keys().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_a_set_of_nothing_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let none = Set::read(dir.path()).unwrap_err();
        assert!(none.contains("there is no record"), "{none}");
        write(&dir.path().join("01"));
        write(&dir.path().join("02"));
        fs::write(dir.path().join("02").join(RUN_FILE), "{\"schema\": ").unwrap();
        let set = Set::read(dir.path()).unwrap();
        assert_eq!(set.runs.len(), 1);
        assert!(set.unread["02"].contains("run.json: EOF"), "{:?}", set.unread);
        fs::remove_dir_all(dir.path().join("01")).unwrap();
        assert!(Set::read(dir.path()).unwrap_err().contains("EOF"));
        assert!(Set::read(&dir.path().join("nowhere")).unwrap_err().contains("No such file"));
    }
}
