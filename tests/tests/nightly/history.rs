//! The history in its branch: nobody's nights are lost, and none is changed.

use super::{Place, ended_with, night};
use std::process::Command;

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
    let said = ended_with(&place.history("fetch e"), 3);
    assert!(said.contains("cannot fetch history of origin") && said.contains("--remote"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
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
        ("fetch scripts/history", "scripts/history: it cannot be made"),
        ("fetch scripts/history/a", "scripts/history/a: it cannot be made"),
        ("fetch a --remote --upload-pack=x", "is no remote"),
    ] {
        let said = ended_with(&place.history(words), 2);
        assert!(said.contains(part) && said.lines().count() == 1, "{words}: {said}");
    }
}

#[test]
fn a_night_with_the_line_ends_of_another_system_is_kept_and_what_is_left_out_is_counted() {
    let place = Place::new();
    let [one, two] = ["1", "2"].map(|id| night(id, "aaaa", "bbbb", "pass"));
    place.has("a", &format!("{one}\r\n\r\n{two}\r\n{}\n", &one[..100]));
    assert!(
        ended_with(&place.history("fetch a"), 0)
            .contains("a/nightly.ndjson that are no nights, and left out: 1\n")
    );
    let kept = std::fs::read_to_string(place.checkout().join("a/nightly.ndjson")).unwrap();
    assert_eq!(kept, format!("{one}\n{two}\n"));
    place.has("b", &format!("{one}\r\n"));
    assert_eq!(ended_with(&place.history("publish b"), 0), "");
    place.has("b", &format!("{one}\r\n{two}"));
    assert_eq!(ended_with(&place.history("publish b"), 0), "");
    assert_eq!(place.published(), kept, "each once");
}
