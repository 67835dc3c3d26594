//! A night of two commits, from the checkout to the verdict: what is built, what is kept, and what is gone afterwards. The compiler is a
//! stand-in that leaves the programs of this test, and the website a queue; all between them is as it is every night.

use super::{Place, ended_with, has, scripts};
use e2e::binary;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Notes what it was to build, and leaves two programs where they belong.
const CARGO: &str = r#"#!/usr/bin/env bash
while [ $# -gt 0 ]; do
    case $1 in --target-dir) built=$2 ;; esac
    shift
done
git rev-parse --short HEAD >>"$BUILT"
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

fn executable(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A checkout with all of the nightly's scripts, in a directory whose name has to be quoted, and a compiler of its own.
fn place() -> Place {
    let place = Place::new();
    let own = place.checkout().join("scripts");
    for name in ["nightly", "gate"] {
        std::fs::copy(scripts().join(name), own.join(name)).unwrap();
    }
    executable(&own.join("need"), "#!/bin/sh\n");
    place.git("add scripts");
    place.git("-c user.name=a -c user.email=a@b commit --quiet -m fourth");
    std::fs::create_dir(place.dir.path().join("bin")).unwrap();
    executable(&place.dir.path().join("bin/cargo"), CARGO);
    place
}

fn nightly(place: &Place, words: &str) -> Output {
    let path = format!("{}/bin:{}", place.dir.path().display(), std::env::var("PATH").unwrap());
    let mut command: Command = place.command("scripts/nightly", words);
    command.env("PATH", path).env("BUILT", place.dir.path().join("built")).env_remove("CARGO_TARGET_DIR");
    command.env("LOADGEN_BINARY", binary("loadgen")).env("STACK_BINARY", binary("target-stack"));
    command.output().unwrap()
}

const SIZE: &str = "--pairs 8 --rps 100 --duration 300ms --warmup 0s --patience 0s";

#[test]
fn a_night_builds_what_it_has_not_and_leaves_its_verdict_and_nothing_else() {
    let place = place();
    let [base, candidate] = ["HEAD~1", "HEAD"].map(|of| place.git(&format!("rev-parse --short {of}")));
    let ended = nightly(&place, &format!("--quick --out ../a'b/night --history ../a'b/all HEAD~1 -- {SIZE}"));
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
    ended_with(&nightly(&place, "--quick --out ../again HEAD~1 -- --pears 8"), 2);
    assert_eq!(built(), format!("{base}\n{candidate}\n{candidate}\n"));
    for (words, said) in [
        ("--out ../a'b/night HEAD~1", "there is a ../a'b/night/bin already"),
        ("HEAD~1 HEAD", "one base is enough"),
        ("nowhere", "is no commit of this repository"),
        ("--out", "--out needs a value"),
        ("", "against what?"),
    ] {
        let told = ended_with(&nightly(&place, words), 2);
        assert!(told.contains(said) && told.lines().count() == 1, "{words}: {told}");
    }
}
