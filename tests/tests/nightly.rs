//! The nightly gate in small: the history in a branch of a repository beside this test, which no writer may shorten; what a night is held
//! against and how it ends; and the gate itself from two commands to all that it leaves. How fast anything is, is not asked.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it could not judge"
)]

use e2e::binary;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// So often a machine may be too busy before nothing is judged.
const TRIES: usize = 3;

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

#[test]
fn a_history_begins_and_grows_and_stays_as_it_is() {
    let place = Place::new();
    ended_with(&place.history("fetch a"), 0);
    assert_eq!(std::fs::read_to_string(place.checkout().join("a/nightly.ndjson")).unwrap(), "");
    let [one, two, three] = ["1", "2", "3"].map(|id| night(id, "aaaa", "bbbb", "pass") + "\n");
    place.has("a", &one);
    std::fs::write(place.checkout().join("a/trend.png"), "picture").unwrap();
    ended_with(&place.history("publish a"), 0);
    assert_eq!(place.published(), one);
    let files = place.git("--git-dir ../remote ls-tree --name-only history");
    assert_eq!(files.split('\n').collect::<Vec<_>>(), ["README.md", "nightly.ndjson", "trend.png"]);
    // Once more is no more, and what somebody has not is not taken away.
    ended_with(&place.history("publish a"), 0);
    place.has("b", &two);
    ended_with(&place.history("publish b"), 0);
    assert_eq!(place.published(), format!("{one}{two}"));
    assert_eq!(place.git("--git-dir ../remote rev-list --count history"), "2");
    // What a writer that was stopped has left is no night; a line that only lacks its end is one. The clock went back: order is that of
    // publishing.
    place.has("c", &format!("{one}{two}{}", three.trim_end()));
    ended_with(&place.history("publish c"), 0);
    place.has(
        "c",
        &format!("{}{}", night("0", "aaaa", "bbbb", "pass") + "\n", &night("9", "a", "b", "pass")[..90]),
    );
    ended_with(&place.history("publish c"), 0);
    let all = format!("{one}{two}{three}{}\n", night("0", "aaaa", "bbbb", "pass"));
    assert_eq!(place.published(), all);
    ended_with(&place.history("fetch d"), 0);
    assert_eq!(std::fs::read_to_string(place.checkout().join("d/nightly.ndjson")).unwrap(), all);
    assert_eq!(place.git("status --porcelain --untracked-files=no"), "", "the checkout is as it was");
    place.git("fetch --quiet origin");
    place.git("remote set-url origin ../nowhere");
    ended_with(&place.history("fetch e --as-fetched"), 0);
    assert_eq!(std::fs::read_to_string(place.checkout().join("e/nightly.ndjson")).unwrap(), all);
    assert!(ended_with(&place.history("fetch e"), 3).contains("cannot fetch history of origin"));
}

#[test]
fn a_branch_whose_last_line_is_torn_is_given_an_end() {
    let place = Place::new();
    let torn = &night("2", "aaaa", "bbbb", "pass")[..120];
    let before = format!("{}\n{torn}", night("1", "aaaa", "bbbb", "pass"));
    place.has("a", &before);
    let blob = place.git("hash-object -w a/nightly.ndjson");
    place.git(&format!("update-index --add --cacheinfo 100644,{blob},nightly.ndjson"));
    let tree = place.git("write-tree");
    let commit = place.git(&format!("-c user.name=a -c user.email=a@b commit-tree {tree} -m torn"));
    place.git(&format!("push --quiet origin {commit}:refs/heads/history"));
    let whole = night("2", "aaaa", "bbbb", "pass");
    place.has("a", &format!("{before}\n{whole}\n"));
    ended_with(&place.history("publish a"), 0);
    assert_eq!(place.published(), format!("{before}\n{whole}\n"));
}

#[test]
fn two_who_publish_at_once_lose_no_night() {
    let place = Place::new();
    // The first night, on which both make the branch, and one on which it is there.
    for round in 0..2 {
        let names: Vec<String> = (0..3).map(|n| format!("{round}{n}")).collect();
        names.iter().for_each(|id| place.has(id, &(night(id, "aaaa", "bbbb", "pass") + "\n")));
        let publish =
            |id: &String| place.command("scripts/history", &format!("publish {id}")).spawn().unwrap();
        let writers: Vec<_> = names.iter().map(publish).collect();
        for mut writer in writers {
            assert!(writer.wait().unwrap().success());
        }
        let published = place.published();
        for id in &names {
            assert_eq!(published.matches(&format!(r#""id":"{id}""#)).count(), 1, "{published}");
        }
        assert_eq!(published.lines().count(), 3 * (round + 1));
    }
}

#[test]
fn a_remote_that_takes_nothing_is_said_and_so_is_wrong_use() {
    let place = Place::new();
    place.has("a", &(night("1", "aaaa", "bbbb", "pass") + "\n"));
    let hook = place.dir.path().join("remote/hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    assert!(ended_with(&place.history("publish a"), 3).contains("takes nothing after 5 tries"));
    for (words, part) in [
        ("", "fetch or publish"),
        ("publish", "fetch or publish"),
        ("forget a", "neither fetch nor publish"),
        ("publish nowhere", "there is no nowhere/nightly.ndjson"),
        ("publish a --as-fetched", "what is there now"),
        ("publish a --force", "is no option"),
        ("fetch a --branch a..b", "is no name of a branch"),
        ("fetch a --remote --upload-pack=x", "is no remote"),
    ] {
        let said = ended_with(&place.history(words), 2);
        assert!(said.contains(part) && said.lines().count() == 1, "{words}: {said}");
    }
}

#[test]
fn a_night_is_held_against_the_last_good_one() {
    let place = Place::new();
    let short = |what: &str| place.git(&format!("rev-parse --short {what}"));
    let based = |said: &str, on: &str| assert!(said.contains(&format!("the base is {on}\n")), "{on}: {said}");
    let (before, now) = (short("HEAD~1"), short("HEAD"));
    // The first night is worse than what was before it, and so is the next one; the history says so.
    based(&ended_with(&place.night("regression", 1, "--publish --out a"), 1), "HEAD~1");
    based(&ended_with(&place.night("regression", 1, "--publish --out b --quick"), 1), &before);
    assert_eq!(place.published().matches("\"call\":\"regression\",\"alarm\"").count(), 2);
    // Too noisy: not red, and not good either.
    let said = ended_with(&place.night("inconclusive", 4, "--publish --out c"), 0);
    based(&said, &before);
    assert!(said.contains("inconclusive: it cannot be said") && !said.contains("::warning"), "{said}");
    // Accepted.
    based(&ended_with(&place.night("pass", 0, "--publish --out d --base HEAD"), 0), "HEAD");
    let said = ended_with(&place.night("pass", 0, "--out e -- --pairs 3"), 0);
    based(&said, &now);
    assert!(said.contains(&format!("{now} -- --pairs 3\n")), "{said}");
    assert_eq!(place.published().lines().count(), 4, "not published");
    assert!(place.checkout().join("e/history/compare.png").is_file());
    // What is not there any more, or was measured with changes, is no base.
    place.has(
        "f",
        &(night("x", &before, "0123456", "pass") + "\n" + &night("y", &before, "abc-dirty", "pass") + "\n"),
    );
    ended_with(&place.history("publish f"), 0);
    based(&ended_with(&place.night("pass", 0, "--out g"), 0), &now);
    // In which order a line has its fields is nobody's business, and what is no line costs none.
    let sorted: serde_json::Value = serde_json::from_str(&night("z", &now, &before, "pass")).unwrap();
    place.has("h", &format!("{sorted}\n{{\"schema\":}}\n"));
    ended_with(&place.history("publish h"), 0);
    based(&ended_with(&place.night("pass", 0, "--out i"), 0), &before);
}

#[test]
fn what_was_measured_on_another_branch_is_no_base() {
    let place = Place::new();
    place.git("checkout --quiet -b faster");
    place.git("-c user.name=a -c user.email=a@b commit --quiet --allow-empty -m faster");
    ended_with(&place.night("improvement", 0, "--publish --out a --base HEAD~1"), 0);
    place.git("checkout --quiet -");
    let before = place.git("rev-parse --short HEAD");
    assert!(ended_with(&place.night("pass", 0, "--out b"), 0).contains(&format!("the base is {before}\n")));
}

#[test]
fn a_night_that_was_not_published_stays_and_a_gate_that_says_nothing_is_red() {
    let place = Place::new();
    ended_with(&place.night("pass", 0, "--out a"), 0);
    ended_with(&place.history("fetch a/history"), 0);
    assert!(
        std::fs::read_to_string(place.checkout().join("a/history/nightly.ndjson")).unwrap().ends_with("}\n")
    );
    for n in 1..=7 {
        let ended = place.night("inconclusive", 4, &format!("--publish --out n{n}"));
        let said = ended_with(&ended, if n < 7 { 0 } else { 4 });
        assert_eq!(said.contains("inconclusive for 7 nights"), n == 7, "{said}");
    }
    ended_with(&place.night("pass", 0, "--publish --out good"), 0);
    ended_with(&place.night("inconclusive", 4, "--publish --out again"), 0);
}

#[test]
fn what_github_is_told_and_what_is_broken_stays_red() {
    let place = Place::new();
    let mut command = place.command("scripts/nightly-ci", "--out a");
    std::fs::write(place.dir.path().join("stand-in"), STAND_IN).unwrap();
    Command::new("chmod").arg("+x").arg(place.dir.path().join("stand-in")).status().unwrap();
    command.env("NIGHTLY", "../stand-in").env("LINE", "").env("CODE", "4").env("GITHUB_ACTIONS", "true");
    command.env("GITHUB_STEP_SUMMARY", "summary").env("GITHUB_REPOSITORY", "some/one");
    command.env("GITHUB_SERVER_URL", "https://github.com");
    command.env("NIGHTLY_BASE", "HEAD~2").env("NIGHTLY_QUICK", "true");
    let said = ended_with(&command.output().unwrap(), 0);
    let options = "told: --quick --markdown summary --annotate --pictures https://github.com/some/one/raw/history --history";
    assert!(said.contains(options) && said.contains(" HEAD~2\n"), "{said}");
    assert!(said.contains("\n::warning title=nightly::inconclusive: "), "{said}");
    for code in [2, 3] {
        ended_with(&place.night("pass", code, &format!("--out b{code}")), code);
    }
    assert!(ended_with(&place.night("pass", 0, "--base --quick"), 2).contains("is no commit"));
    assert!(ended_with(&place.night("pass", 0, "--fast"), 2).contains("is no option"));
}

/// A command that starts a queue.
fn queue(service: &str) -> String {
    format!("exec {} queue --cpus {{cpus}} --workers 8 --service {service}", binary("target-stack").display())
}

/// The gate over two commands, in ten short pairs; gives how it ended, and where all of it is.
fn gate(candidate: &str, more: &[&str]) -> (Output, TempDir) {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new(scripts().join("gate"));
    command.env("LOADGEN", binary("loadgen")).current_dir(dir.path());
    command.args([
        "--base",
        &queue("2ms"),
        "--candidate",
        candidate,
        "--out",
        "out",
        "--history",
        "nightly.ndjson",
    ]);
    command.args(["--markdown", "summary.md", "--annotate"]).args(more);
    command.args("-- --patience 0s --pairs 10 --rps 150 -d 400ms --warmup 0s --arrivals even".split(' '));
    (command.output().unwrap(), dir)
}

fn has(dir: &Path, names: &[&str]) {
    for name in names {
        let file = dir.join(name);
        assert!(std::fs::metadata(&file).is_ok_and(|file| file.len() > 0), "{} is missing", file.display());
    }
}

/// What is there at the end whatever the verdict is.
fn complete(dir: &Path, last: &str) {
    has(
        dir,
        &[
            "nightly.ndjson",
            "summary.md",
            "out/junit.xml",
            "out/trend/trend.png",
            "out/benchmark.json",
            "out/otava.csv",
        ],
    );
    has(&dir.join("out").join(last), &["compare/compare.json", "compare/compare.png", "pairs.json"]);
    let history = std::fs::read_to_string(dir.join("nightly.ndjson")).unwrap();
    assert_eq!(history.lines().count(), 1, "{history}");
    // What scripts/history takes for a line, and scripts/nightly-ci reads of it.
    assert!(history.starts_with('{') && history.ends_with("}\n"), "{history}");
    let night: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(night["schema"], "loadgen.history/1");
    assert!(["call", "candidate", "base"].iter().all(|field| night[field].is_string()), "{history}");
}

#[test]
fn the_gate_lets_the_same_pass_and_stops_what_is_slower() {
    let slow = format!("100%={}", queue("4ms"));
    let (ended, dir) = gate(&queue("2ms"), &["--slow", &slow, "--candidate-revision", "1a2b3c4"]);
    assert!([0, 4].contains(&ended.status.code().unwrap()), "the same is no worse: {}", told(&ended));
    let last = if dir.path().join("out/again").is_dir() { "again" } else { "first" };
    complete(dir.path(), last);
    for _ in 0..TRIES {
        let (ended, dir) = gate(&queue("4ms"), &[]);
        match ended.status.code() {
            Some(1) => {
                complete(dir.path(), "again");
                let said = told(&ended);
                assert!(said.contains("measuring once more") && said.contains("::error "), "{said}");
                let junit = std::fs::read_to_string(dir.path().join("out/junit.xml")).unwrap();
                return assert!(junit.contains("<failure"), "{junit}");
            }
            Some(4) => {}
            _ => panic!("twice as slow is worse: {}", told(&ended)),
        }
    }
    eprintln!(
        "NOT JUDGED: whatever else this machine does left too few runs to say that twice as slow is worse"
    );
}
