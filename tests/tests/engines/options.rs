//! The options that manifests, scripts and examples give to the binaries are ones that these have.

use crate::{containers, deploy, files, list, objects, pod, read, text};
use std::collections::BTreeSet;
use std::process::Command;

/// The long options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        let before = text[..at].chars().next_back();
        let name: String =
            text[at + 2..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        let begins = before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-' && c != '$');
        if begins && !name.is_empty() && !name.starts_with('-') {
            found.insert(format!("--{name}"));
        }
    }
    found
}

/// What a binary knows behind these words.
fn known(program: &str, words: &[&str]) -> BTreeSet<String> {
    let help = Command::new(e2e::binary(program)).args(words).arg("--help").output().unwrap();
    assert!(help.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&help.stderr));
    options(&String::from_utf8_lossy(&help.stdout))
}

/// What a text says to `loadgen`: to it alone, and to `loadgen merge`.
fn said(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut own, mut merging) = (BTreeSet::new(), BTreeSet::new());
    let whole = text.replace("\\\n", " ");
    for line in whole.lines() {
        // Behind the program's name, in quotes or not, up to what is the shell's.
        for (at, name) in line.match_indices("loadgen") {
            let before = line[..at].chars().next_back();
            let rest = line[at + name.len()..].trim_start_matches('"').strip_prefix(' ');
            let Some(rest) = rest.filter(|_| before.is_none_or(|c| matches!(c, ' ' | '$'))) else { continue };
            let rest = [" < <(", " | ", " || ", "; ", " >"]
                .iter()
                .fold(rest, |rest, end| rest.split_once(end).map_or(rest, |(before, _)| before));
            if let Some(rest) = rest.strip_prefix("merge ") {
                merging.extend(options(rest));
            } else if rest.starts_with("--") {
                own.extend(options(rest));
            }
        }
        // What the scripts are to hand on.
        if let Some((_, rest)) = line.split_once(".sh ").and_then(|(_, rest)| rest.split_once(" -- ")) {
            own.extend(options(rest));
        }
    }
    (own, merging)
}

#[test]
fn the_generator_has_the_options_that_it_is_given() {
    let (own, merging) = (known("loadgen", &[]), known("loadgen", &["merge"]));
    let (mut seen, mut seen_merging) = (BTreeSet::new(), BTreeSet::new());
    // What is said in the Containerfile is said to its builder and to cargo.
    for path in files(&deploy()).into_iter().filter(|path| !path.ends_with("Containerfile")) {
        let (asked, asked_merging) = said(&read(&path));
        for option in &asked {
            assert!(own.contains(option), "{}: loadgen has no {option}", path.display());
        }
        for option in &asked_merging {
            assert!(merging.contains(option), "{}: loadgen merge has no {option}", path.display());
        }
        seen.extend(asked);
        seen_merging.extend(asked_merging);
    }
    for option in
        ["--shard", "--start-at", "--out", "--no-report", "--rps", "--duration", "--threads", "--resolver"]
    {
        assert!(seen.contains(option), "{option} is nowhere: {seen:?}");
    }
    for option in ["--out", "--threshold"] {
        assert!(seen_merging.contains(option), "{option} is nowhere: {seen_merging:?}");
    }
}

#[test]
fn the_target_has_the_options_that_it_is_given() {
    let mut tiers = BTreeSet::new();
    let objects = objects();
    for container in objects.iter().filter_map(|(_, object)| pod(object)).flat_map(containers) {
        let given: Vec<&str> = list(&container["args"]).iter().map(text).collect();
        if !text(&container["image"]).starts_with("target-stack:") || !container["command"].is_badvalue() {
            continue;
        }
        let (tier, given) = given.split_first().unwrap();
        tiers.insert((*tier).to_owned());
        given_are_known(tier, given);
    }
    assert_eq!(tiers, ["app", "dns", "proxy"].map(str::to_owned).into());
    let seed = read(&deploy().join("kubernetes/target/seed.sh"));
    let line = seed.lines().find_map(|line| line.strip_prefix("target-stack db ")).unwrap();
    let known = known("target-stack", &["db"]);
    assert!(options(line).is_subset(&known) && options(line).len() == 2, "{line}");
}

fn given_are_known(tier: &str, given: &[&str]) {
    let known = known("target-stack", &[tier]);
    for option in given.iter().filter(|word| word.starts_with("--")) {
        let (name, value) = option.split_once('=').unwrap_or_else(|| panic!("{tier}: {option} has no value"));
        assert!(known.contains(name) && !value.is_empty(), "target-stack {tier} has no {name}");
    }
}

#[test]
fn options_are_seen_where_they_are() {
    let (own, merging) = said(
        "exec \"$loadgen\" --shard \"$I/$N\" \\\n  ${R:+--resolver \"$R\"} < <(tail --pid=1)\n\
         #   loadgen merge a/* --out b --threshold 'p99<5ms' | tee --append x\n\
         x/ssh.sh --ahead 5 hosts out -- --rps 3 http://a--b/\nloadgen-merge --no --name=loadgen --no\n",
    );
    assert_eq!(own, ["--resolver", "--rps", "--shard"].map(str::to_owned).into());
    assert_eq!(merging, ["--out", "--threshold"].map(str::to_owned).into());
}
