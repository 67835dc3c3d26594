//! A night of two commits, from the checkout to the verdict: what is built, what is kept, and what is gone afterwards. The compiler is a
//! stand-in that leaves the programs of this test, and the website a queue; all between them is as it is every night.

use super::{Place, ended_with, has, scripts};
use e2e::binary;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Notes what it was to build, and leaves two programs where they belong; takes for ever where it is held, and a file may be broken.
const CARGO: &str = r#"#!/usr/bin/env bash
while [ $# -gt 0 ]; do
    case $1 in --target-dir) built=$2 ;; esac
    shift
done
git rev-parse --short HEAD >>"$BUILT"
[ ! -e "$BUILT.hold" ] || sleep 300 &
wait
[ ! -e broken.rs ] || exit 101
mkdir -p "$built/release"
cp "$LOADGEN_BINARY" "$built/release/loadgen"
cat >"$built/release/target-stack" <<WEBSITE
#!/bin/sh
slow=2ms
case "\$*" in
    *--help*) echo "  --slow-down SHARE"; exit ;;
    *--slow-down*) slow=4ms ;;
esac
exec "$STACK_BINARY" \$1 \$2 queue --cpus "\$5" --workers 8 --service \$slow
WEBSITE
chmod +x "$built/release/target-stack"
"#;

pub(crate) fn executable(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A checkout with all of the nightly's scripts, in a directory whose name has to be quoted, and a compiler of its own.
pub(crate) fn place() -> Place {
    let place = Place::new();
    let own = place.checkout().join("scripts");
    for name in ["nightly", "gate"] {
        std::fs::copy(scripts().join(name), own.join(name)).unwrap();
    }
    executable(&own.join("need"), "#!/bin/sh\n");
    std::fs::write(place.checkout().join(".gitignore"), "target\n").unwrap();
    place.git("add .");
    place.git("-c user.name=a -c user.email=a@b commit --quiet -m fourth");
    std::fs::create_dir(place.dir.path().join("bin")).unwrap();
    executable(&place.dir.path().join("bin/cargo"), CARGO);
    place
}

/// The nightly in the checkout, with that compiler.
pub(crate) fn nightly(place: &Place, words: &str) -> Command {
    let path = format!("{}/bin:{}", place.dir.path().display(), std::env::var("PATH").unwrap());
    let mut command: Command = place.command("scripts/nightly", words);
    command.env("PATH", path).env("BUILT", place.dir.path().join("built")).env_remove("CARGO_TARGET_DIR");
    command.env("LOADGEN_BINARY", binary("loadgen")).env("STACK_BINARY", binary("target-stack"));
    command
}

const SIZE: &str = "--pairs 8 --rps 100 --duration 300ms --warmup 0s --patience 0s";

#[test]
fn a_night_builds_what_it_has_not_and_leaves_its_verdict_and_nothing_else() {
    let place = place();
    let [base, candidate] = ["HEAD~1", "HEAD"].map(|of| place.git(&format!("rev-parse --short {of}")));
    let words = format!("--quick --out ../a'b/night --history ../a'b/all HEAD~1 -- {SIZE}");
    let ended = nightly(&place, &words).output().unwrap();
    let code = ended.status.code();
    assert!(matches!(code, Some(0 | 1 | 4)), "{ended:?}");
    let out = place.dir.path().join("a'b");
    has(&out, &["all", "night/first/pairs.json", "night/first/compare/compare.json", "night/junit.xml"]);
    let night: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("all")).unwrap()).unwrap();
    assert_eq!(
        (night["base"].as_str(), night["candidate"].as_str()),
        (Some(&base[..]), Some(&candidate[..]))
    );
    assert_eq!(night["self_test"][0]["slowdown"], 0.1);
    let built = || std::fs::read_to_string(place.dir.path().join("built")).unwrap();
    assert_eq!(built(), format!("{base}\n{candidate}\n"));
    assert_eq!(place.git("worktree list").lines().count(), 1, "the base's checkout is gone");
    assert_eq!(e2e::processes_with(&out.display().to_string()), [0; 0], "and so is all that ran");

    // Once more: the base is there already; wrong use is said by whoever is used wrongly.
    let run = |words: &str| nightly(&place, words).output().unwrap();
    ended_with(&run("--quick --out ../again HEAD~1 -- --pears 8"), 2);
    assert_eq!(built(), format!("{base}\n{candidate}\n{candidate}\n"));
    for (words, said) in [
        ("--out ../a'b/night HEAD~1", "there is a ../a'b/night/bin already"),
        ("HEAD~1 HEAD", "one base is enough"),
        ("nowhere", "is no commit of this repository"),
        ("--out", "--out needs a value"),
        ("--out --quick HEAD~1", "--out needs a value"),
        ("--quik HEAD~1", "`--quik` is no option"),
        ("--slow HEAD~1", "`--slow` is no option"),
        ("--out scripts/nightly HEAD~1", "--out scripts/nightly: it cannot be made"),
        ("", "against what?"),
    ] {
        let told = ended_with(&run(words), 2);
        assert!(told.contains(said) && told.lines().count() == 1, "{words}: {told}");
    }
}

/// What is kept of past builds.
fn kept(place: &Place) -> Vec<String> {
    let names = std::fs::read_dir(place.checkout().join("target/nightly")).into_iter().flatten();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_git_does_not_know_is_not_kept_as_a_commit_and_what_cannot_be_built_is_no_slowdown() {
    let place = place();
    let [base, candidate] = ["HEAD~1", "HEAD"].map(|of| place.git(&format!("rev-parse --short {of}")));
    let run = |words: &str| nightly(&place, words).output().unwrap();
    // What a night leaves below the checkout is no part of the build.
    ended_with(&run("--quick --out out/a --history out/all HEAD~1 -- --pears 8"), 2);
    let is_kept = |of: &str| kept(&place).iter().any(|name| name.starts_with(&format!("{of}-")));
    assert!(is_kept(&base) && is_kept(&candidate), "{:?}", kept(&place));
    std::fs::remove_dir_all(place.checkout().join("target")).unwrap();
    std::fs::remove_dir_all(place.checkout().join("out")).unwrap();
    std::fs::write(place.checkout().join("build.rs"), "").unwrap();
    ended_with(&run("--quick --out ../b HEAD~1 -- --pears 8"), 2);
    assert!(is_kept(&base) && !is_kept(&candidate), "{:?}", kept(&place));
    // Against the commit that it is a change of.
    ended_with(&run("--quick --out ../c HEAD -- --pears 8"), 2);
    assert!(is_kept(&candidate));

    std::fs::write(place.checkout().join("broken.rs"), "").unwrap();
    assert!(ended_with(&run("--quick --out ../d HEAD~1"), 2).ends_with("the candidate cannot be built\n"));
    place.git("add broken.rs");
    place.git("-c user.name=a -c user.email=a@b commit --quiet -m broken");
    place.git("-c user.name=a -c user.email=a@b revert --no-edit HEAD");
    assert!(ended_with(&run("--quick --out ../e HEAD~1"), 2).ends_with("the base cannot be built\n"));
    assert_eq!(place.git("worktree list").lines().count(), 1, "the base's checkout is gone");
}

#[test]
fn the_example_to_copy_says_what_is_wrong() {
    let place = place();
    let text = std::fs::read_to_string(scripts().join("README.md")).unwrap();
    let example = text.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    executable(&place.checkout().join("scripts/nightly"), example);
    let stand_in = place.dir.path().join("loadgen");
    executable(&stand_in, "#!/bin/sh\necho \"$*\" >>told\nexit 3\n");
    let run = |words: &str| nightly(&place, words).env("LOADGEN", &stand_in).output().unwrap();
    assert!(ended_with(&run("--help"), 0).starts_with("usage: scripts/nightly "));
    for (words, said) in [
        ("", "against what?"),
        ("nowhere", "`nowhere` is no commit"),
        ("--out", "--out needs a value"),
        ("-- --pairs 3", "against what?"),
    ] {
        let told = ended_with(&run(words), 2);
        assert!(told.contains(said) && told.lines().count() == 1, "{words}: {told}");
    }
    // The stand-in refuses the share of the slowed one; before that nothing was measured.
    assert!(ended_with(&run("--out ../night HEAD~1 -- --pairs 3"), 2).contains("--slow 10%="));
    executable(&stand_in, "#!/bin/sh\necho \"$*\" >>told\n[ $1 = compare ] || exit 3\n");
    ended_with(&run("--out ../night HEAD~1 -- --pairs 3"), 3);
    let told = std::fs::read_to_string(place.checkout().join("told")).unwrap();
    assert!(told.ends_with("/night/first --pairs 3\n"), "{told}");
    assert_eq!(place.git("worktree list").lines().count(), 1, "the base's checkout is gone");
}
