//! Control groups that limit a tier's CPU time. Given a quota, it makes a group of its own under this process's own one,
//! in either version of the kernel's interface; a process enters a group before it starts threads, and says at each
//! scrape how the group was throttled. It touches no group that it did not make, and moves no other process.

mod place;
mod usage;

use crate::failure::{Failure, Outcome};
use crate::quota::Quota;
use place::{Place, Version};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names that are taken by what others left, until a free one is found.
const MOST_NAMES: u32 = 1_000;

/// The groups of one stack: a group for all, and in it one for each tier.
#[derive(Debug)]
pub(crate) struct Groups {
    dir: PathBuf,
}

/// A group whose CPU time is limited.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    dir: PathBuf,
}

impl Groups {
    /// Makes the group that all others will be in.
    ///
    /// # Errors
    /// Why it cannot be had, as a clause.
    pub(crate) fn make() -> Result<Self, String> {
        let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
        let (mounts, groups) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
        Self::make_in(place::places(&mounts, &groups))
    }

    fn make_in(places: Vec<Place>) -> Result<Self, String> {
        let mut refused = String::from("the controller cpu is mounted nowhere");
        for Place { version, mount, own } in places {
            let made = match version {
                Version::V1 => make_below(&own),
                Version::V2 => match unified(&mount, &own) {
                    Some(made) => made,
                    None => continue,
                },
            };
            match made {
                Ok(dir) => return Ok(Self { dir }),
                Err(e) => refused = e,
            }
        }
        Err(refused)
    }

    /// Makes the group `name`, which can have this quota, but has no limit yet.
    ///
    /// # Errors
    /// Why it cannot be had, as a clause.
    pub(crate) fn tier(&self, name: &str, quota: Quota) -> Result<Group, String> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).map_err(|e| said(&dir, &e))?;
        let group = Group { dir };
        group.limit(quota)?;
        group.lift()?;
        Ok(group)
    }

    /// What [`remove`] takes away.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Group {
    /// The group at `dir`.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where it is, for [`Group::at`].
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves this process in, and all that it will start. It must have one thread.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn enter(&self) -> Outcome {
        // 0 is whoever writes it.
        write(&self.dir.join("cgroup.procs"), "0")
            .map_err(|why| Failure::start(format!("cannot enter a control group: {why}")))
    }

    /// Limits the group from now on.
    ///
    /// # Errors
    /// Why it cannot be had, as a clause.
    pub(crate) fn limit(&self, Quota { quota_us, period_us }: Quota) -> Result<(), String> {
        if self.is_unified() {
            write(&self.dir.join("cpu.max"), &format!("{quota_us} {period_us}"))
        } else {
            write(&self.dir.join("cpu.cfs_period_us"), &period_us.to_string())?;
            write(&self.dir.join("cpu.cfs_quota_us"), &quota_us.to_string())
        }
    }

    fn lift(&self) -> Result<(), String> {
        if self.is_unified() {
            write(&self.dir.join("cpu.max"), "max")
        } else {
            write(&self.dir.join("cpu.cfs_quota_us"), "-1")
        }
    }

    fn is_unified(&self) -> bool {
        self.dir.join("cpu.max").exists()
    }
}

/// Makes the group that all others would be in, and removes it again.
///
/// # Errors
/// Exit 1, and why it cannot be had.
pub(crate) fn try_out() -> Outcome {
    let groups = Groups::make().map_err(|why| {
        Failure::dead(format!("limiting sizes needs the right to write control groups: {why}"))
    })?;
    remove(&groups.dir);
    Ok(())
}

/// Removes what [`Groups::make`] made, and gives whether nothing of it is left. While a process is in it, something is.
pub(crate) fn remove(dir: &Path) -> bool {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // A group's files are not to be removed: they go with it.
        let _ = fs::remove_dir(entry.path());
    }
    let _ = fs::remove_dir(dir);
    !dir.exists()
}

/// A new group of the unified hierarchy, as near to `own` as it goes, or `None` where the hierarchy has no such
/// controller. Only the root may have both processes and limited groups in it, so that another one above `own` is the
/// usual choice: the nearest that has limited groups already, and else the nearest that takes them.
fn unified(mount: &Path, own: &Path) -> Option<Result<PathBuf, String>> {
    let has_cpu = |base: &Path, file: &str| lists_cpu(&base.join(file));
    let mut bases: Vec<&Path> = own
        .ancestors()
        .take_while(|base| base.starts_with(mount))
        .filter(|base| has_cpu(base, "cgroup.controllers"))
        .collect();
    bases.sort_by_key(|base| !has_cpu(base, "cgroup.subtree_control"));
    let mut refused = None;
    for base in bases {
        match limited_below(base) {
            Ok(dir) => return Some(Ok(dir)),
            Err(e) => refused = refused.or(Some(Err(e))),
        }
    }
    refused
}

/// A new group in `base` whose own groups can be limited, by the unified interface.
fn limited_below(base: &Path) -> Result<PathBuf, String> {
    let enable = |dir: &Path| {
        let file = dir.join("cgroup.subtree_control");
        if lists_cpu(&file) { Ok(()) } else { write(&file, "+cpu") }
    };
    enable(base)?;
    let dir = make_below(base)?;
    enable(&dir).inspect_err(|_| {
        remove(&dir);
    })?;
    Ok(dir)
}

fn make_below(base: &Path) -> Result<PathBuf, String> {
    for number in 0..MOST_NAMES {
        let dir = base.join(format!("target-stack-{}-{number}", std::process::id()));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            // Not the name that it would have: that is another one each time.
            Err(e) => return Err(said(base, &e)),
        }
    }
    Err(format!("{}: too many groups of other stacks", base.display()))
}

/// Whether a list of controllers has the one that limits CPU time.
fn lists_cpu(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|list| list.split_whitespace().any(|name| name == "cpu"))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|e| said(file, &e))
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests;
