//! `scripts/scale`: what it prints follows from what it is told, and numbers that cannot be are refused.

use crate::desk::says;
use crate::top;
use std::process::{Command, Output};

fn scale(words: &[&str]) -> Output {
    Command::new(top().join("scripts/scale")).args(words).output().unwrap()
}

#[test]
fn machines_are_as_many_as_the_narrower_wall_takes() {
    for (cores, nic, machines) in
        [("100000", "1000000", "1 machine with a shard each"), ("100000", "0.02128", "1,000 machines with")]
    {
        // 2,480 bytes are two frames, 2,660 bytes on the wire: 21,280 Mbit/s for a million of them in a second.
        let ended = scale(&["--cores", cores, "--nic", nic, "--answer", "2480"]);
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success() && said.contains(machines), "{said}{}", says(&ended));
    }
}

#[test]
fn numbers_that_cannot_be_are_refused_in_one_line() {
    for (option, value) in [
        ("--busy", "0"),
        ("--busy", "2"),
        ("--nic", "0"),
        ("--rps", "0"),
        ("--rps", "-5"),
        ("--rps", "nan"),
        ("--cores", "0"),
        ("--answer", "1.5"),
    ] {
        let ended = scale(&[option, value]);
        let said = says(&ended);
        assert_eq!(ended.status.code(), Some(2), "{option} {value}: {said}");
        assert!(said.contains(&format!("{option}: `{value}` is no ")) && said.lines().count() == 1, "{said}");
    }
}
