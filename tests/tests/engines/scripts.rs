//! The scripts that start a load: each tells every shard the same but for its number, has the records merged, and hands the merge's exit
//! code back. What they start is played by programs that note what they are told.

use crate::desk::{Desk, GENERATOR, KUBECTL, SBATCH, SSH, says};
use crate::{called, deploy, files, not_tested, objects, read, text};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The value behind an option in a line of words in brackets.
fn value<'a>(line: &'a str, option: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("[{option}][")).unwrap_or_else(|| panic!("no {option}: {line}"));
    rest.split(']').next().unwrap()
}

/// Asserts that these lines are of three shards that were told the same, and ended with these words.
fn three_shards(lines: &[String], last: &str) {
    let mut shards: Vec<&str> = lines.iter().map(|line| value(line, "--shard")).collect();
    shards.sort_unstable();
    assert_eq!(shards, ["1/3", "2/3", "3/3"]);
    let at = value(&lines[0], "--start-at");
    // 2026-01-31T12:00:00Z
    assert!(at.len() == 20 && at.ends_with('Z'), "{at}");
    for line in lines {
        assert_eq!(value(line, "--start-at"), at, "one instant");
        assert!(line.contains("[--no-report]") && line.ends_with(last), "{line}");
    }
}

/// A word that a shell could misread.
const TRICKY: &str = "x: it's  \"a\" $HOME `b` & 100%";

#[test]
fn every_script_passes_shellcheck() {
    let is_shell = |path: &PathBuf| read(path).lines().next().is_some_and(|line| line.starts_with("#!"));
    let scripts: Vec<PathBuf> = files(&deploy()).into_iter().filter(is_shell).collect();
    assert_eq!(scripts.len(), 5, "{scripts:?}");
    match Command::new("shellcheck").args(&scripts).output() {
        Ok(checked) => assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout)),
        Err(_) => not_tested("shellcheck is not installed"),
    }
}

#[test]
fn the_manifests_are_valid_by_the_published_schemas() {
    let validated = Command::new(deploy().join("validate")).output().unwrap();
    match validated.status.code() {
        Some(69) => not_tested(&format!("no manifest is held against a schema: {}", says(&validated))),
        code => {
            assert_eq!(code, Some(0), "{}", says(&validated));
            let said = String::from_utf8_lossy(&validated.stdout);
            assert!(said.contains("shards.yaml: 1 valid for Kubernetes"), "{said}");
        }
    }
}

#[test]
fn a_pod_counts_its_shard_from_one() {
    let desk = Desk::new(&[("loadgen", GENERATOR)]);
    let script = |name: &str| {
        let (_, job) = objects().into_iter().find(|(_, object)| called(object) == name).unwrap();
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["command"][1].as_str(), Some("-c"), "{name}");
        // The volume is beside the test.
        text(&container["args"][0]).replace("/records/", "records/")
    };
    let plan = [
        ("SHARDS", "3"),
        ("START_AT", "2026-01-31T12:00:00Z"),
        ("RATE", "30"),
        ("DURATION", "5s"),
        ("THREADS", "2"),
        ("OPTIONS", "--seed 7"),
        ("URL", "http://x/"),
        ("THRESHOLD", "p99<5 ms"),
        ("RESOLVER", "10.0.0.1:53"),
    ];
    for index in ["0", "1", "2"] {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script("Job loadgen")).envs(plan).env("JOB_COMPLETION_INDEX", index);
        let ended = desk.run(&mut shell);
        assert!(ended.status.success(), "{}", says(&ended));
    }
    let told = desk.told();
    three_shards(&told, "[--no-report][--no-progress][http://x/]");
    for (n, line) in told.iter().enumerate() {
        assert_eq!(value(line, "--out"), format!("records/2026-01-31T12:00:00Z/shards/{}", n + 1));
        assert!(line.contains("[--resolver][10.0.0.1:53][--seed][7]"), "{line}");
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script("Job loadgen-merge")).envs(plan).env("MERGED", "1");
    assert_eq!(desk.run(&mut shell).status.code(), Some(1), "its exit code is the merge's");
    let at = "records/2026-01-31T12:00:00Z";
    assert_eq!(desk.told(), [format!("[merge][--threshold][p99<5 ms][--out][{at}/merged][{at}/shards]")]);
}

/// Whether GNU parallel is here, by which hosts are asked at once.
fn in_parallel() -> bool {
    let parallel = Command::new("parallel").arg("--version").output();
    let there = parallel.is_ok_and(|said| said.stdout.starts_with(b"GNU parallel"));
    if !there {
        not_tested("GNU parallel is not installed: nothing was started by ssh");
    }
    there
}

#[test]
fn hosts_by_ssh_have_a_shard_each() {
    if !in_parallel() {
        return;
    }
    let desk = Desk::new(&[("loadgen", GENERATOR), ("ssh", SSH)]);
    std::fs::write(desk.path("hosts"), ": # here\n\n  alpha\nuser@beta\n").unwrap();
    let words = ["--threshold", "p99<5 ms", "hosts", "out dir", "--", "-H", TRICKY, "http://x/"];
    let ended = desk.script("ssh.sh", &words, &[("MERGED", "1")]);
    assert_eq!(ended.status.code(), Some(1), "{}", says(&ended));
    let mut told = desk.told();
    let merged = told.pop().unwrap();
    three_shards(&told, &format!("[-H][{TRICKY}][http://x/]"));
    assert!(
        merged.starts_with("[merge][--threshold][p99<5 ms][--out][") && merged.ends_with("/out dir/shards]")
    );
    for n in 1..=3 {
        assert_eq!(read(&desk.path(&format!("out dir/shards/{n}/run.json"))), format!("{n}/3\n"));
    }
    for line in &told {
        let place = PathBuf::from(value(line, "--out"));
        assert!(!place.parent().unwrap().exists(), "{} is left on its host", place.display());
    }

    // One refuses, and one is not there: the merge is to say so.
    std::fs::write(desk.path("hosts"), ":\ngone\n:\n").unwrap();
    let ended = desk.script("ssh.sh", &["hosts", "two", "--", "http://x/"], &[("REFUSED", "1/3")]);
    assert_eq!(ended.status.code(), Some(0), "{}", says(&ended));
    assert!(desk.told().pop().unwrap().ends_with("/two/shards]"));
    assert_eq!(read(&desk.path("two/shards/3/run.json")), "3/3\n");
    assert!(!desk.path("two/shards/1").exists());
    for part in ["shard 1/3 on this machine ended with 4: it has not begun", "shard 2/3: gone cannot be used"]
    {
        assert!(says(&ended).contains(part), "{part}: {}", says(&ended));
    }
}

#[test]
fn a_record_that_cannot_be_fetched_stays_on_its_host() {
    if !in_parallel() {
        return;
    }
    let desk = Desk::new(&[("loadgen", GENERATOR), ("ssh", SSH)]);
    std::fs::write(desk.path("hosts"), "alpha\nbreaks\n").unwrap();
    let ended = desk.script("ssh.sh", &["hosts", "out", "--", "http://x/"], &[]);
    assert_eq!(ended.status.code(), Some(0), "{}", says(&ended));
    assert_eq!(read(&desk.path("out/shards/1/run.json")), "1/2\n");
    assert!(!desk.path("out/shards/2").exists(), "half a record is none");
    let said = says(&ended);
    let (_, place) = said.split_once("shard 2/2: its record could not be fetched: breaks:").unwrap();
    let place = PathBuf::from(place.split_once(" has it").unwrap().0);
    assert_eq!(read(&place.join("run.json")), "2/2\n");
    std::fs::remove_dir_all(place.parent().unwrap()).unwrap();
}

#[test]
fn what_was_refused_can_be_tried_again_in_its_place() {
    if !in_parallel() {
        return;
    }
    let desk = Desk::new(&[("loadgen", GENERATOR), ("ssh", SSH)]);
    std::fs::write(desk.path("hosts"), ":\nalpha\n").unwrap();
    let ended = desk.script("ssh.sh", &["hosts", "out", "--", "--wrong", "http://x/"], &[]);
    assert_eq!(ended.status.code(), Some(2), "{}", says(&ended));
    assert!(says(&ended).contains("--wrong is wrong") && !desk.path("out").exists(), "{}", says(&ended));
    assert!(desk.told().is_empty(), "no host was asked");
    let ended = desk.script("ssh.sh", &["hosts", "out", "--", "http://x/"], &[("REFUSED", "all")]);
    assert_eq!(ended.status.code(), Some(4), "{}", says(&ended));
    assert!(says(&ended).contains("no shard has left a record") && !desk.path("out").exists());
    let ended = desk.script("ssh.sh", &["hosts", "out", "--", "http://x/"], &[]);
    assert_eq!(ended.status.code(), Some(0), "{}", says(&ended));
    let ended = desk.script("ssh.sh", &["hosts", "out", "--", "http://x/"], &[]);
    assert!(ended.status.code() == Some(2) && says(&ended).contains("has records already"));
}

#[test]
fn an_array_of_slurm_is_merged_behind_its_tasks() {
    let desk = Desk::new(&[("loadgen", GENERATOR), ("sbatch", SBATCH)]);
    let words =
        ["--threshold", "p99<5 ms", "--sbatch=--partition=a", "3", "out", "--", "-H", TRICKY, "http://x/"];
    let ended = desk.script("slurm.sh", &words, &[("MERGED", "4"), ("REFUSED", "2/3")]);
    assert_eq!(ended.status.code(), Some(4), "{}", says(&ended));
    let told = desk.told();
    let (asked, said): (Vec<_>, Vec<_>) = told.into_iter().partition(|line| line.starts_with("sbatch"));
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|line| line.contains(" --partition=a ")), "{asked:?}");
    three_shards(&said[..3], &format!("[--no-report][--no-progress][-H][{TRICKY}][http://x/]"));
    assert!(
        said[3].starts_with("[merge][--threshold][p99<5 ms][--out][") && said[3].ends_with("/out/shards]")
    );

    let ended = desk.script("slurm.sh", &["3", "none", "--", "http://x/"], &[("REFUSED", "all")]);
    assert_eq!(ended.status.code(), Some(4), "{}", says(&ended));
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(said.contains("no shard has left a record") && said.contains("3 refused"), "{said}");
    assert!(!desk.told().iter().any(|line| line.starts_with("[merge]")), "there is nothing to merge");
}

#[test]
fn pods_begin_once_the_target_is_there_and_are_merged_when_all_have_ended() {
    let desk = Desk::new(&[("kubectl", KUBECTL)]);
    let overlay = deploy().join("kubernetes/overlays/url").display().to_string();
    let ended = desk.script("kubernetes.sh", &[overlay.as_str(), "out"], &[]);
    assert_eq!(ended.status.code(), Some(1), "the merge's: {}", says(&ended));
    assert!(desk.path("out").is_dir());
    let told = desk.told();
    let mut rest = told.iter();
    let mut next = |part: &str| {
        let found = rest.find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("{part} is missing or too early: {told:#?}")).clone()
    };
    for part in
        ["kustomize", "!=loadgen", "applied START_AT: \"2000-", "rollout status deployment.apps/target-app"]
    {
        next(part);
    }
    next("delete jobs");
    let begun = next("applied START_AT: \"");
    assert!(!begun.contains("2000-") && begun.ends_with("Z\""), "{begun}");
    for part in
        ["get job loadgen ", "patch job loadgen-merge", "logs job/loadgen-merge", "patch job loadgen-fetch"]
    {
        next(part);
    }
    let copied = next(" cp fetching:/records/");
    let at = begun.split('"').nth(1).unwrap();
    assert!(copied.contains(&format!("/records/{at} out")), "{copied}");
    next("delete job loadgen-fetch");
}

#[test]
fn what_was_started_elsewhere_ends_with_whoever_waits_for_it() {
    let scancel = "echo \"scancel $*\" >>\"$TOLD\"";
    let overlay = deploy().join("kubernetes/overlays/url").display().to_string();
    for (script, words, last) in [
        (
            "kubernetes.sh",
            vec![overlay.as_str(), "out"],
            "delete jobs --selector app.kubernetes.io/part-of=loadgen --wait=false",
        ),
        ("slurm.sh", vec!["3", "out", "--", "http://x/"], "scancel 17"),
    ] {
        let desk = Desk::new(&[
            ("loadgen", GENERATOR),
            ("sbatch", SBATCH),
            ("scancel", scancel),
            ("kubectl", KUBECTL),
        ]);
        let mut started = Command::new(deploy().join(script));
        // All of its group are told at once, as by Ctrl-C, while it waits.
        let ended = desk.run(started.args(words).env("STOPPED", "1").process_group(0));
        assert_eq!(ended.status.code(), Some(130), "{script}: {}", says(&ended));
        let told = desk.told();
        assert!(told.last().is_some_and(|line| line.contains(last)), "{script}: {told:#?}");
    }
}

#[test]
fn words_stand_in_place_of_what_the_plan_says() {
    let overlay = deploy().join("kubernetes/overlays/url").display().to_string();
    for (words, plan) in [
        (
            vec!["--rps=2.5", "--seed=3", "--duration=6000ms", "--insecure", "https://x/a?b=c&d"],
            ["--seed=3 --insecure", "2.5"],
        ),
        (vec!["--duration=2000ms", "https://x/a?b=c&d"], ["", ""]),
        (vec!["--duration=2000ms", "--resolver=[::1]:53", "https://x/a?b=c&d"], ["--resolver=[::1]:53", ""]),
    ] {
        let desk = Desk::new(&[("kubectl", KUBECTL)]);
        let all = [vec![overlay.as_str(), "out", "--"], words].concat();
        assert_eq!(desk.script("kubernetes.sh", &all, &[]).status.code(), Some(1));
        let told = desk.told();
        let [options, rate] = plan.map(|value| format!("\"{value}\""));
        for line in [
            format!("OPTIONS: {options}"),
            format!("RATE: {rate}"),
            "SHARDS: \"3\"".into(),
            "URL: \"https://x/a?b=c&d\"".into(),
        ] {
            let line = format!("applied   {line}");
            assert_eq!(told.iter().filter(|other| **other == line).count(), 2, "{line}: {told:#?}");
        }
    }
    for (words, part) in [
        (["--header=a: b", "--duration=1s", "http://x/"], "`--header=a: b` cannot be a word of a plan"),
        (["--duration=1s\"", "--seed=1", "http://x/"], "cannot be a word of a plan"),
        (["--rps=3", "--seed=1", "http://x/"], "a load has its --duration=TIME and its URL"),
        (["--rps=3", "--seed=1", "--duration=1s"], "a load has its --duration=TIME and its URL"),
        (["--rps", "--duration=1s", "http://x/"], "`--rps` has no value: write --rps=VALUE"),
        (["--seed", "7", "http://x/"], "`7` is neither --name, --name=value nor a URL"),
        (["-d", "--seed=1", "http://x/"], "`-d` is neither --name, --name=value nor a URL"),
        (["--duration=1s", "http://x/", "http://[::1]/"], "one URL, and not http://x/ http://[::1]/"),
    ] {
        let desk = Desk::new(&[("kubectl", KUBECTL)]);
        let ended = desk.script(
            "kubernetes.sh",
            &[vec![overlay.as_str(), "out", "--"], words.to_vec()].concat(),
            &[],
        );
        assert_eq!(ended.status.code(), Some(2), "{words:?}: {}", says(&ended));
        assert!(says(&ended).contains(part) && desk.told().len() == 1, "{words:?}: {}", says(&ended));
    }
}

#[test]
fn the_seed_is_dumped_once() {
    let server =
        "mkdir -p \"$3\" && echo '{}' && trap 'rm -r \"$3\"; exit' TERM && while :; do sleep 0.05; done";
    let dump = "echo \"dump $*\" >>\"$TOLD\" && echo 'CREATE TABLE item;'";
    let client = "echo 'ANALYZE TABLE item;'";
    let desk = Desk::new(&[("target-stack", server), ("mariadb-dump", dump), ("mariadb", client)]);
    std::fs::create_dir(desk.path("tmp")).unwrap();
    let words = ["default", "shop.sql", "data"];
    let tmp = desk.path("tmp").display().to_string();
    for _ in 0..2 {
        let ended = desk.script("kubernetes/target/seed.sh", &words, &[("TMPDIR", tmp.as_str())]);
        assert!(ended.status.success(), "{}", says(&ended));
        std::fs::create_dir_all(desk.path("data/mysql")).unwrap();
    }
    assert_eq!(read(&desk.path("shop.sql")), "CREATE TABLE item;\nANALYZE TABLE item;\n");
    assert_eq!(desk.told().len(), 1, "a database that is there is left alone");
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn wrong_use_is_refused_before_anything_is_started() {
    let desk = Desk::new(&[("loadgen", GENERATOR), ("ssh", SSH), ("sbatch", SBATCH), ("kubectl", KUBECTL)]);
    std::fs::write(desk.path("hosts"), "-oProxyCommand=x\n").unwrap();
    std::fs::create_dir_all(desk.path("full/shards/1")).unwrap();
    for (script, words, part) in [
        ("ssh.sh", "nowhere out -- http://x/", "nowhere cannot be read"),
        ("ssh.sh", "hosts out -- http://x/", "`-oProxyCommand=x` is no host"),
        ("ssh.sh", "hosts out http://x/", "give HOSTS OUT -- "),
        ("ssh.sh", "--ahead soon hosts out -- http://x/", "--ahead takes seconds"),
        ("ssh.sh", "--rps 3 hosts out -- http://x/", "stand behind --"),
        ("slurm.sh", "0 out -- http://x/", "0 is no number of shards"),
        ("slurm.sh", "3 full -- http://x/", "has records already"),
        ("slurm.sh", "3 out -- ", "give N OUT -- "),
        ("kubernetes.sh", "nowhere out", "has no kustomization.yaml"),
        ("kubernetes.sh", "nowhere", "give OVERLAY OUT"),
        ("kubernetes.sh", "nowhere out http://x/", "give OVERLAY OUT"),
        ("validate", "newest", "is no version of Kubernetes"),
    ] {
        let words: Vec<&str> = words.split_whitespace().collect();
        let ended = desk.script(script, &words, &[]);
        assert_eq!(ended.status.code(), Some(2), "{script} {words:?}: {}", says(&ended));
        assert!(says(&ended).contains(part), "{script} {words:?}: {}", says(&ended));
        assert!(desk.told().is_empty(), "{script} {words:?}");
    }
    assert!(!desk.path("out").exists());
    for script in ["ssh.sh", "slurm.sh", "kubernetes.sh", "validate"] {
        let ended = desk.script(script, &["--help"], &[]);
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success() && said.starts_with("usage: scripts/deploy/"), "{said}");
        assert!(!said.contains("set -"), "{said}");
    }
}
