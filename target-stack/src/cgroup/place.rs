//! Where this process's control groups are, from what /proc says of mounts and groups. Pure: text in, paths out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// The two interfaces of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// A hierarchy of its own for the controller `cpu`.
    V1,
    /// One hierarchy for all controllers, which may or may not have `cpu`.
    V2,
}

/// A hierarchy in which CPU quotas may be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// The group of the process, at or under the mount.
    pub(super) own: PathBuf,
}

/// The places that a process has, the unified one first, from its /proc/PID/mountinfo and /proc/PID/cgroup.
pub(super) fn places(mountinfo: &str, groups: &str) -> Vec<Place> {
    let mut places: Vec<Place> = mountinfo
        .lines()
        .filter_map(mounted)
        .filter_map(|Mounted { version, root, mount }| {
            let group = groups.lines().find_map(|line| group(line, version))?;
            // In a container, less than the whole hierarchy may be mounted; what is outside cannot be reached.
            let below = Path::new(group).strip_prefix(&root).ok()?;
            let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
            plain.then(|| Place { version, own: mount.join(below), mount })
        })
        .collect();
    places.sort_by_key(|place| place.version == Version::V1);
    places
}

struct Mounted {
    version: Version,
    root: PathBuf,
    mount: PathBuf,
}

/// A line of proc_pid_mountinfo(5): id, parent, device, root, mount point, options, optional fields, `-`, type, source,
/// options of the file system.
fn mounted(line: &str) -> Option<Mounted> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, mount) = (path(left.next()?), path(left.next()?));
    let mut right = right.split(' ');
    let version = match right.next()? {
        "cgroup2" => Version::V2,
        "cgroup" if right.nth(1)?.split(',').any(|option| option == "cpu") => Version::V1,
        _ => return None,
    };
    Some(Mounted { version, root, mount })
}

/// The path in a line of cgroups(7)'s /proc/PID/cgroup, number:controllers:path, if it is of this version.
fn group(line: &str, version: Version) -> Option<&str> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = match version {
        Version::V1 => controllers.split(',').any(|controller| controller == "cpu"),
        Version::V2 => number == "0" && controllers.is_empty(),
    };
    fits.then_some(path)
}

/// A path in which blanks and the like stand as three octal digits.
fn path(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| byte == b'\\');
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &after[3..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "22 1 0:5 / /proc rw - proc proc rw\n\
        31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
        33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct\n";

    #[test]
    fn a_process_finds_its_groups() {
        let hybrid = format!("{V1}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let both = "3:cpu,cpuacct:/a\n2:cpuset:/b\n0::/c/d\n";
        let v1 = (Version::V1, "/sys/fs/cgroup/cpu,cpuacct");
        let v2 = |mount| (Version::V2, mount);
        type Row<'a> = (&'a str, &'a str, &'a str, Vec<(Version, &'a str, &'a str)>);
        let rows: [Row; 11] = [
            ("v1", V1, "3:cpu,cpuacct:/\n", vec![(v1.0, v1.1, "")]),
            ("v1, a group", V1, "3:cpuacct,cpu:/a:b\n", vec![(v1.0, v1.1, "a:b")]),
            ("v1, without cpu", V1, "2:cpuset:/b\n1:cpuacct:/x\n", vec![]),
            ("v2", V2, "0::/user.slice/x\n", vec![(Version::V2, "/sys/fs/cgroup", "user.slice/x")]),
            ("v2, the root", V2, "0::/\n", vec![(Version::V2, "/sys/fs/cgroup", "")]),
            (
                "hybrid, the unified one first",
                &hybrid,
                both,
                vec![(Version::V2, v2("/sys/fs/cgroup/unified").1, "c/d"), (v1.0, v1.1, "a")],
            ),
            ("nothing mounted", "22 1 0:5 / /proc rw - proc proc rw\n", both, vec![]),
            ("no groups", &hybrid, "", vec![]),
            ("outside of the namespace", V2, "0::/../../x\n", vec![]),
            ("lines that are none", "x\n1 2 - \n - cgroup\n", "::\nx\n", vec![]),
            ("nothing", "", "", vec![]),
        ];
        for (name, mountinfo, groups, want) in rows {
            let want: Vec<Place> = want
                .into_iter()
                .map(|(version, mount, below)| Place {
                    version,
                    mount: mount.into(),
                    own: Path::new(mount).join(below),
                })
                .collect();
            assert_eq!(places(mountinfo, groups), want, "{name}");
        }
    }

    #[test]
    fn a_part_of_a_hierarchy_is_told_from_the_whole() {
        let part = "25 1 0:22 /docker/1 /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw\n";
        let found = places(part, "0::/docker/1/app\n");
        assert_eq!(found[0].own, Path::new("/sys/fs/my groups/app"));
        assert_eq!(places(part, "0::/docker/12\n"), []);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(mountinfo in "[ -~\n]{0,200}", groups in "[ -~\n]{0,100}") {
            places(&mountinfo, &groups);
        }
    }
}
