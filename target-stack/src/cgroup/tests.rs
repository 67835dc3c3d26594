//! Groups in trees of ordinary files, which behave like the kernel's as far as writing and reading go.

use super::place::{Place, Version};
use super::usage::{Throttled, parse_limit};
use super::*;
use prometheus_client::registry::Registry;
use std::time::Duration;
use tempfile::TempDir;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let tree = TempDir::new().expect("a directory");
    for (name, text) in files {
        let file = tree.path().join(name);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        fs::write(file, text).expect("a file");
    }
    tree
}

fn place(version: Version, tree: &TempDir, own: &str) -> Place {
    Place { version, mount: tree.path().to_owned(), own: tree.path().join(own) }
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).expect("a file")
}

const QUARTER: Quota = Quota { quota_us: 2_500, period_us: 10_000 };

#[test]
fn a_group_of_version_1_is_made_under_the_own_one() {
    let tree = tree(&[("a/cgroup.procs", "")]);
    let groups = Groups::make_in(vec![place(Version::V1, &tree, "a")]).expect("a group");
    assert_eq!(groups.dir().parent(), Some(&*tree.path().join("a")));
    let second = Groups::make_in(vec![place(Version::V1, &tree, "a")]).expect("a group");
    assert_ne!(groups.dir(), second.dir());
    let tier = groups.tier("app-1", QUARTER).expect("a group");
    assert_eq!(tier.limited(), None, "no limit while it starts");
    tier.limit(QUARTER).expect("a limit");
    assert_eq!(text(tier.dir().join("cpu.cfs_quota_us")), "2500");
    assert_eq!(text(tier.dir().join("cpu.cfs_period_us")), "10000");
    assert_eq!(tier.limited(), Some(QUARTER));
    assert!(groups.tier("app-1", QUARTER).is_err(), "it is there already");
}

#[test]
fn the_unified_hierarchy_is_taken_where_it_has_the_controller() {
    let with = tree(&[("u/cgroup.controllers", "cpuset cpu io\n"), ("u/cgroup.subtree_control", "cpu\n")]);
    let without = tree(&[("u/cgroup.controllers", "cpuset\n")]);
    let v1 = tree(&[("a/cgroup.procs", "")]);
    for (unified, want) in [(&with, &with), (&without, &v1)] {
        let places = vec![place(Version::V2, unified, "u"), place(Version::V1, &v1, "a")];
        let groups = Groups::make_in(places).expect("a group");
        assert!(groups.dir().starts_with(want.path()), "{groups:?}");
    }
    let groups = Groups::make_in(vec![place(Version::V2, &with, "u")]).expect("a group");
    assert_eq!(text(groups.dir().join("cgroup.subtree_control")), "+cpu");
    let tier = Group::at(groups.dir().join("app-1"));
    // The kernel makes this file with the group.
    fs::create_dir(tier.dir()).expect("a directory");
    fs::write(tier.dir().join("cpu.max"), "max 100000\n").expect("a file");
    assert_eq!(tier.limited(), None);
    tier.limit(QUARTER).expect("a limit");
    assert_eq!((text(tier.dir().join("cpu.max")).as_str(), tier.limited()), ("2500 10000", Some(QUARTER)));
    tier.lift().expect("no limit");
    assert_eq!(tier.limited(), None);
}

#[test]
fn a_unified_group_is_as_near_as_limited_groups_can_be() {
    // Where the kernel says EBUSY, a directory says EISDIR: neither can be written.
    const BUSY: &str = "cgroup.subtree_control/x";
    const FREE: &str = "cgroup.subtree_control";
    let (cpu, none) = ("cpu io\n", "\n");
    for (name, [top, middle, own], want) in [
        ("where there are some", [(FREE, cpu), (FREE, cpu), (FREE, none)], Some("m")),
        ("and not nearer", [(FREE, cpu), (FREE, none), (FREE, none)], Some("")),
        ("where there could be some", [(FREE, none), (FREE, none), (FREE, none)], Some("m/u")),
        ("above processes", [(FREE, none), (FREE, none), (BUSY, "")], Some("m")),
        ("at the root", [(FREE, none), (BUSY, ""), (BUSY, "")], Some("")),
        ("nowhere", [(BUSY, ""), (BUSY, ""), (BUSY, "")], None),
    ] {
        let tree = TempDir::new().expect("a directory");
        for (dir, (control, text)) in [("", top), ("m", middle), ("m/u", own)] {
            let dir = tree.path().join(dir);
            let control = dir.join(control);
            fs::create_dir_all(control.parent().expect("a parent")).expect("a directory");
            fs::write(control, text).expect("a file");
            fs::write(dir.join("cgroup.controllers"), "cpuset cpu\n").expect("a file");
        }
        let made = Groups::make_in(vec![place(Version::V2, &tree, "m/u")]);
        match want {
            Some(base) => {
                let groups = made.unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(groups.dir().parent(), Some(&*tree.path().join(base)), "{name}");
            }
            None => assert!(made.expect_err("no group").contains("m/u/cgroup.subtree_control"), "{name}"),
        }
    }
    assert!(Groups::make_in(vec![]).expect_err("no group").contains("nowhere"));
}

#[test]
fn groups_are_removed_when_nobody_is_in_them() {
    let tree = TempDir::new().expect("a directory");
    let (stack, busy) = (tree.path().join("stack"), tree.path().join("stack/app-1/inhabited"));
    fs::create_dir_all(&busy).expect("a directory");
    fs::create_dir(stack.join("db")).expect("a directory");
    assert!(!remove(&stack) && busy.exists() && !stack.join("db").exists());
    fs::remove_dir(&busy).expect("removed");
    assert!(remove(&stack) && !stack.exists());
    assert!(remove(&stack), "whoever comes second finds nothing");
}

#[test]
fn what_the_kernel_says_of_throttling_is_read() {
    let v1 = "nr_periods 7\nnr_throttled 3\nthrottled_time 1500000\nnr_bursts 0\nburst_time 0\n";
    let v2 = "usage_usec 9\nuser_usec 5\nnr_periods 7\nnr_throttled 3\nthrottled_usec 1500\nnr_bursts 0\n";
    let want = Throttled { periods: 7, throttled: 3, stood: Duration::from_micros(1500) };
    for stat in [v1, v2] {
        assert_eq!(Throttled::parse(stat), want, "{stat}");
    }
    assert_eq!(Throttled::parse("nr_periods\nnr_throttled x\n\n"), Throttled::default());
    for (text, want) in [
        ("2500 10000\n", Some(QUARTER)),
        ("2500\n 10000\n", Some(QUARTER)),
        ("max 100000\n", None),
        ("-1\n 100000\n", None),
        ("", None),
    ] {
        assert_eq!(parse_limit(text), want, "{text:?}");
    }
}

#[test]
fn a_limit_and_its_throttling_are_exported_and_nothing_without_a_limit() {
    let group = |quota: &str| {
        tree(&[
            ("cpu.cfs_quota_us", quota),
            ("cpu.cfs_period_us", "10000\n"),
            ("cpu.stat", "nr_periods 7\nnr_throttled 3\nthrottled_time 1500000\n"),
        ])
    };
    let render = |tree: &TempDir| {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Group::at(tree.path().to_owned())));
        crate::metrics::render(&registry)
    };
    let exported = render(&group("2500\n"));
    for line in [
        "container_spec_cpu_quota 2500",
        "container_spec_cpu_period 10000",
        "container_cpu_cfs_periods_total 7",
        "container_cpu_cfs_throttled_periods_total 3",
        "container_cpu_cfs_throttled_seconds_total 0.0015",
    ] {
        assert!(exported.lines().any(|l| l == line), "{line} in {exported}");
    }
    assert_eq!(render(&group("-1\n")), "# EOF\n");
}
