//! The nightly gate in small: the history in a branch of a repository beside this test, which no writer may shorten; what a night is held
//! against and how it ends; and the gate itself from two commands to all that it leaves. How fast anything is, is not asked.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it could not judge"
)]

mod build;
mod ends;
mod gate;
mod history;
mod job;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts")
}

/// A checkout with scripts of its own, and the bare repository that it pushes to.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: TempDir::new().unwrap() };
        let own = place.checkout().join("scripts");
        std::fs::create_dir_all(&own).unwrap();
        for name in ["history", "nightly-ci"] {
            std::fs::copy(scripts().join(name), own.join(name)).unwrap();
        }
        place.git("init --quiet --bare ../remote");
        place.git("init --quiet .");
        place.git("remote add origin ../remote");
        for name in ["first", "second", "third"] {
            place.git("add scripts");
            place.git(&format!(
                "-c user.name=a -c user.email=a@b commit --quiet --allow-empty -m {name} --date 2026-01-01T00:00:00Z"
            ));
        }
        place
    }

    fn checkout(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    /// A command in the checkout, of a user who has set nothing.
    fn command(&self, program: &str, words: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(self.checkout());
        command.env("HOME", self.dir.path()).env("GIT_CONFIG_NOSYSTEM", "1").env_remove("GIT_DIR");
        for name in
            ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_REPOSITORY", "NIGHTLY_BASE", "NIGHTLY_QUICK"]
        {
            command.env_remove(name);
        }
        command
    }

    fn git(&self, words: &str) -> String {
        let ended = self.command("git", words).output().unwrap();
        assert!(ended.status.success(), "git {words}: {}", told(&ended));
        String::from_utf8_lossy(&ended.stdout).trim().to_owned()
    }

    fn history(&self, words: &str) -> Output {
        self.command("scripts/history", words).output().unwrap()
    }

    /// Writes what one writer has in his directory.
    fn has(&self, dir: &str, lines: &str) {
        std::fs::create_dir_all(self.checkout().join(dir)).unwrap();
        std::fs::write(self.checkout().join(dir).join("nightly.ndjson"), lines).unwrap();
    }

    fn published(&self) -> String {
        let shown = self.command("git", "--git-dir ../remote show history:nightly.ndjson").output().unwrap();
        String::from_utf8_lossy(&shown.stdout).into_owned()
    }

    /// `scripts/nightly-ci` with a night that is not measured, but has this verdict and ends with this code.
    fn night(&self, call: &str, code: i32, words: &str) -> Output {
        let stand_in = self.dir.path().join("stand-in");
        std::fs::write(&stand_in, STAND_IN).unwrap();
        let mut command = self.command("scripts/nightly-ci", words);
        let nights = self.published().lines().count();
        let line = night(&format!("n{nights}"), "BASE", &self.git("rev-parse --short HEAD"), call);
        command.env("NIGHTLY", "../stand-in").env("LINE", line).env("CODE", code.to_string());
        Command::new("chmod").arg("+x").arg(&stand_in).status().unwrap();
        command.output().unwrap()
    }
}

/// Stands in for scripts/nightly: says what it is told, and leaves a line and pictures.
const STAND_IN: &str = r#"#!/usr/bin/env bash
echo "told: $*"
while [ $# -gt 1 ]; do
    case $1 in --history) history=$2 ;; --out) out=$2 ;; esac
    shift
done
[ -z "$LINE" ] || echo "${LINE/BASE/$(git rev-parse --short "$1")}" >>"$history"
mkdir -p "$out/first/compare" "$out/trend"
echo picture >"$out/first/compare/compare.png"
echo picture >"$out/trend/trend.png"
exit "$CODE"
"#;

/// A line of a history.
fn night(id: &str, base: &str, candidate: &str, call: &str) -> String {
    format!(
        r#"{{"schema":"loadgen.history/1","id":"{id}","at":"2026-01-01T00:00:00Z","base":"{base}","candidate":"{candidate}","host":{{"cpu":"of {{braces}}","cpus":2,"kernel":"6.1","extra":""}},"load":"60 \"{{\" per second","call":"{call}","alarm":false,"self_test":[],"metrics":{{"p50_ms":{{"what":"p50","unit":"ms","better":"lower","delta":0.05,"base":2.0,"candidate":3.0,"ratio":1.5,"ci95":[1.4,1.6],"call":"regression"}}}}}}"#
    )
}

fn told(ended: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

fn ended_with(ended: &Output, code: i32) -> String {
    assert_eq!(ended.status.code(), Some(code), "{}", told(ended));
    told(ended)
}

/// Asserts that there are these files, and something in them.
fn has(dir: &Path, names: &[&str]) {
    for name in names {
        let file = dir.join(name);
        assert!(std::fs::metadata(&file).is_ok_and(|file| file.len() > 0), "{} is missing", file.display());
    }
}
