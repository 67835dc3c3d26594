//! What the nightly job decides: what a night is held against, and how it ends.

use super::{Place, STAND_IN, ended_with, night};
use std::process::Command;

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
    // A night that left no line has measured nothing.
    let said = ended_with(&command.output().unwrap(), 4);
    assert!(said.contains("nothing could be measured tonight: see "), "{said}");
    let options = "told: --quick --markdown summary --annotate --pictures https://github.com/some/one/raw/history --history";
    assert!(said.contains(options) && said.contains(" HEAD~2\n"), "{said}");
    assert!(said.contains("\n::warning title=nightly::inconclusive: "), "{said}");
    for code in [2, 3] {
        ended_with(&place.night("pass", code, &format!("--out b{code}")), code);
    }
    assert!(ended_with(&place.night("pass", 0, "--base --quick"), 2).contains("--base needs a value"));
    assert!(ended_with(&place.night("pass", 0, "--fast"), 2).contains("is no option"));
    assert!(ended_with(&place.night("pass", 0, "--base"), 2).contains("--base needs a value"));
}

#[test]
fn what_cannot_be_a_base_or_be_written_is_wrong_use() {
    let place = Place::new();
    std::fs::write(place.checkout().join("file"), "").unwrap();
    for (words, said) in [
        ("--base --remote X", "--base needs a value"),
        ("--base ::error::x", "it is no commit"),
        ("--out file", "--out file: it cannot be made"),
        ("--out file/a", "--out file/a: it cannot be made"),
    ] {
        let told = ended_with(&place.night("pass", 0, words), 2);
        assert!(told.contains(said) && told.lines().count() == 1, "{words}: {told}");
    }
    for base in ["main\n::error::x", "a b", "a\u{1b}[31m"] {
        let mut command = place.command("scripts/nightly-ci", "--out a");
        let told = ended_with(&command.env("NIGHTLY_BASE", base).output().unwrap(), 2);
        assert!(
            told.contains("it is no commit") && !told.contains(base) && told.lines().count() == 1,
            "{told}"
        );
    }
    place.git("remote set-url origin ../nowhere");
    assert!(ended_with(&place.night("pass", 0, "--out b"), 3).contains("--remote"));
}

#[test]
fn the_only_commit_is_held_against_itself() {
    let place = Place::new();
    place.git("checkout --quiet --orphan alone");
    place.git("-c user.name=a -c user.email=a@b commit --quiet -m alone");
    let said = ended_with(&place.night("pass", 0, "--out a"), 0);
    assert!(said.contains("no commit before HEAD") && said.contains("the base is HEAD\n"), "{said}");
}
