//! The caches of a configuration, shared by its workers. Given what the configuration says, it makes each with its directory and the
//! thread that manages it; given the caches of another configuration, it goes on with those that are the same.

use super::manager;
use super::metrics::Exhibit;
use super::zone::Zone;
use crate::failure::{Failure, Outcome};
use crate::proxy::config::{CacheZone, os_error};
use crate::proxy::error_log::ErrorLog;
use std::io;
use std::sync::{Arc, PoisonError};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caches(Arc<[Arc<Zone>]>);

impl Caches {
    /// The caches `zones`, with what their directories hold. Those of `previous` that are the same go on as they are.
    ///
    /// # Errors
    /// When a directory or a thread cannot be made.
    pub(crate) fn open(zones: &[CacheZone], errors: &Arc<ErrorLog>, previous: &Self) -> Outcome<Self> {
        let same = |spec: &CacheZone| previous.0.iter().find(|zone| zone.spec() == spec).map(Arc::clone);
        let open = |spec: &CacheZone| same(spec).map_or_else(|| open(spec, errors), Ok);
        Ok(Self(zones.iter().map(open).collect::<Outcome<Vec<_>>>()?.into()))
    }

    /// Has what a registry shows be what they count.
    pub(crate) fn show(&self, exhibit: &Exhibit) {
        *exhibit.0.lock().unwrap_or_else(PoisonError::into_inner) = self.0.to_vec();
    }

    /// The cache at an index of the configuration's.
    pub(crate) fn zone(&self, index: usize) -> Option<&Arc<Zone>> {
        self.0.get(index)
    }
}

fn open(spec: &CacheZone, errors: &Arc<ErrorLog>) -> Outcome<Arc<Zone>> {
    let root = &spec.place.root;
    let failed = |what: &str, error: &io::Error| {
        Failure::start(format!("[emerg] {what} \"{}\" failed ({})", root.display(), os_error(error)))
    };
    match std::fs::create_dir(root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("mkdir()", &error)),
        _ => {}
    }
    let (zone, woken) = Zone::new(spec, errors);
    let managed = Arc::downgrade(&zone);
    let manage = move || manager::run(&managed, &woken);
    std::thread::Builder::new()
        .name("cache".to_owned())
        .spawn(manage)
        .map_err(|error| failed("the manager of", &error))?;
    Ok(zone)
}
