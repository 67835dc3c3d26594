//! The rules of the house that no compiler knows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines of a source file; longer ones are two rooms.
const LONGEST_FILE: usize = 400;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files under `dir` whose names end with `ending`, without what is built or left by runs.
fn files(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | "runs") {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&top(), ".rs", &mut found);
    assert!(found.len() > 50, "{}", found.len());
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_top_level_is_as_it_was_agreed() {
    // What is kept, not what a user has lying about. Outside a checkout there is nothing to hold it against.
    let kept = std::process::Command::new("git").args(["ls-files"]).current_dir(top()).output();
    let Ok(kept) = kept.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()) else { return };
    if kept.is_empty() {
        return;
    }
    let names = kept.lines().map(|path| path.split('/').next().unwrap());
    let names: BTreeSet<&str> =
        names.filter(|name| !name.starts_with('.') && *name != "Cargo.lock").collect();
    let agreed = [
        "ARCHITECTURE.md",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "deny.toml",
        "loadgen",
        "reports",
        "scripts",
        "target-stack",
        "tests",
    ];
    assert_eq!(names, agreed.into());
}

#[test]
fn no_forbidden_crate_is_in_the_tree() {
    let lock = std::fs::read_to_string(top().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"tokio\""));
    for name in ["goblin", "openssl", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn the_named_crates_are_in_use() {
    for (member, name) in [
        ("loadgen", "tokio"),
        ("loadgen", "reqwest"),
        ("target-stack", "hyper-util"),
        ("loadgen", "indicatif"),
        ("reports", "plotters"),
    ] {
        let mut files_of = Vec::new();
        files(&top().join(member).join("src"), ".rs", &mut files_of);
        let word = format!("{}::", name.replace('-', "_"));
        let used = files_of.iter().any(|file| std::fs::read_to_string(file).unwrap().contains(&word));
        assert!(used, "{name} in {member}");
    }
    // A headless machine draws text with the bundled font, and no crate may bring the system's back.
    let lock = std::fs::read_to_string(top().join("Cargo.lock")).unwrap();
    for name in ["font-kit", "fontconfig-sys", "yeslogic-fontconfig-sys"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn every_room_is_small_and_says_what_it_is() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//! "), "{} does not begin by saying what it is", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    // In halves, so that this file does not find itself.
    for (path, text) in sources() {
        for (first, second) in [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("#[ig", "nore")] {
            assert!(!text.contains(&format!("{first}{second}")), "{first}{second} in {}", path.display());
        }
    }
}

#[test]
fn crates_know_each_other_as_designed() {
    let depends = |name: &str| std::fs::read_to_string(top().join(name).join("Cargo.toml")).unwrap();
    assert!(depends("loadgen").contains("reports.workspace") && !depends("loadgen").contains("target-stack"));
    for name in ["target-stack", "reports", "tests"] {
        let text = depends(name);
        for other in ["loadgen", "reports", "target-stack"].into_iter().filter(|other| *other != name) {
            let named = text.lines().any(|line| line.trim_start_matches('"').starts_with(other));
            assert!(!named, "{name} knows {other}");
        }
    }
}
