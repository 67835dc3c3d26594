//! The workflows: what they may do, what they run, and how they are written, as a linter would have it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use yaml_rust2::{Yaml, YamlLoader};

/// Characters of a line.
const LONGEST_LINE: usize = 120;
/// Which jobs may write, and what: file, job, permission.
const WRITERS: [(&str, &str, &str); 2] =
    [("nightly.yml", "publish", "contents"), (EXAMPLE, "publish", "contents")];
/// The workflow that others are to copy.
const EXAMPLE: &str = "scripts/README.md";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What scripts/README.md has between a line of "```LANGUAGE" and its end, once.
fn example(language: &str) -> String {
    let text = std::fs::read_to_string(top().join("scripts/README.md")).unwrap();
    let blocks: Vec<&str> = text.split(&format!("```{language}\n")).skip(1).collect();
    assert_eq!(blocks.len(), 1, "{language}");
    blocks[0].split("```").next().unwrap().to_owned()
}

/// Each workflow: its file's name, its text, and what it says.
fn workflows() -> Vec<(String, String, Yaml)> {
    let dir = std::fs::read_dir(top().join(".github/workflows")).unwrap();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), text)
    };
    let mut found: Vec<_> = dir.map(|entry| read(entry.unwrap().path())).collect();
    found.sort();
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["ci.yml", "nightly.yml"]);
    found.push((EXAMPLE.to_owned(), example("yaml")));
    let parse = |(name, text): (String, String)| {
        let mut said = YamlLoader::load_from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(said.len(), 1, "{name}: one document");
        (name, text, said.remove(0))
    };
    found.into_iter().map(parse).collect()
}

fn map(of: &Yaml) -> Vec<(&str, &Yaml)> {
    let pairs = of.as_hash().unwrap_or_else(|| panic!("no map: {of:?}"));
    pairs.iter().map(|(key, value)| (key.as_str().unwrap(), value)).collect()
}

/// Each job: where it is, its name, and what it says.
fn jobs(flow: &Yaml) -> Vec<(&str, &Yaml)> {
    let jobs = map(&flow["jobs"]);
    assert!(!jobs.is_empty());
    jobs
}

fn steps(job: &Yaml) -> &[Yaml] {
    job["steps"].as_vec().unwrap_or_else(|| panic!("no steps: {job:?}"))
}

/// Why a step's `run` is none that runs the same elsewhere.
fn fault(run: &str) -> Option<String> {
    let mut lines = run.trim_end().lines();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Some("not one line".into()) };
    if line.contains("${{") {
        return Some("what is not known before is written into a shell".into());
    }
    if line.contains(['|', '&', ';', '<', '>', '`', '$', '(', '*']) {
        return Some("logic of a shell".into());
    }
    let program = line.split_whitespace().next().unwrap_or_default();
    if !program.starts_with("scripts/") || program.contains("..") {
        return Some("no script of scripts/".into());
    }
    let mode = std::fs::metadata(top().join(program)).ok().map(|file| file.permissions().mode());
    match mode {
        None => Some("there is no such script".into()),
        Some(mode) if mode & 0o111 == 0 => Some("the script is not executable".into()),
        Some(_) => None,
    }
}

/// Why an action is not pinned: `OWNER/NAME@40 hex digits  # vX.Y.Z`.
fn loose(uses: &str) -> Option<&'static str> {
    let Some((action, version)) = uses.split_once("  # ") else { return Some("no version beside it") };
    let Some((name, commit)) = action.split_once('@') else { return Some("no commit") };
    let hex = commit.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if commit.len() != 40 || !hex {
        return Some("not pinned by a whole commit");
    }
    if name.split('/').count() < 2 || name.starts_with('.') {
        return Some("no action of a repository");
    }
    let version = version.strip_prefix('v').unwrap_or_default();
    let numbers: Vec<_> = version.split('.').map(str::parse::<u32>).collect();
    (numbers.len() != 3 || numbers.iter().any(Result::is_err)).then_some("no version beside it")
}

#[test]
fn a_workflow_may_no_more_than_it_needs() {
    for (file, text, flow) in workflows() {
        assert!(map(&flow["permissions"]).is_empty(), "{file}: nothing is permitted to all jobs");
        assert!(!text.contains("pull_request_target"), "{file}: somebody else's code with our rights");
        assert!(!flow["concurrency"]["group"].is_badvalue(), "{file}: no group");
        for (name, job) in jobs(&flow) {
            for (what, level) in map(&job["permissions"]) {
                let writes = WRITERS.contains(&(file.as_str(), name, what));
                assert_eq!(
                    level.as_str(),
                    Some(if writes { "write" } else { "read" }),
                    "{file} {name} {what}"
                );
            }
            let keeps = steps(job).iter().filter(|step| {
                step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout@"))
                    && step["with"]["persist-credentials"].as_bool() != Some(false)
            });
            let pushes = WRITERS.iter().any(|writer| writer.0 == file && writer.1 == name);
            assert!(pushes || keeps.count() == 0, "{file} {name} keeps credentials that it has no use for");
        }
    }
}

#[test]
fn a_job_ends_and_runs_what_a_developer_can_run() {
    for (file, _, flow) in workflows() {
        for (name, job) in jobs(&flow) {
            let limit = job["timeout-minutes"].as_i64();
            assert!(limit.is_some_and(|minutes| (1..=120).contains(&minutes)), "{file} {name}: {limit:?}");
            assert!(job["runs-on"].as_str().is_some_and(|on| !on.ends_with("latest")), "{file} {name}");
            for step in steps(job) {
                assert!(step["name"].as_str().is_some(), "{file} {name}: {step:?} has no name");
                let (uses, run) = (step["uses"].as_str(), step["run"].as_str());
                assert!(uses.is_some() != run.is_some(), "{file} {name}: {step:?}");
                let fault = run.and_then(fault);
                assert_eq!(fault, None, "{file} {name}: {run:?}");
            }
        }
    }
}

#[test]
fn an_action_is_pinned_and_says_its_version() {
    for (file, text, flow) in workflows() {
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "))
            .collect();
        let used = jobs(&flow).into_iter().flat_map(|(_, job)| steps(job));
        assert_eq!(said.len(), used.filter(|step| step["uses"].as_str().is_some()).count(), "{file}");
        for uses in said {
            assert_eq!(loose(uses), None, "{file}: {uses}");
        }
    }
}

#[test]
fn a_workflow_is_written_as_yamllint_wants_it() {
    for (file, text, _) in workflows() {
        assert!(text.starts_with("---\n") && text.ends_with('\n') && !text.ends_with("\n\n"), "{file}");
        assert!(!text.contains("\n\n\n"), "{file}: two empty lines");
        for (n, line) in text.lines().enumerate() {
            let at = format!("{file}:{}: {line}", n + 1);
            assert!(line.len() <= LONGEST_LINE, "too long: {at}");
            assert!(!line.contains(['\t', '\r']) && line.trim_end() == line, "blanks: {at}");
            assert_eq!((line.len() - line.trim_start().len()) % 2, 0, "indented by an odd number: {at}");
            assert!(!line.starts_with("on:"), "a bare `on` is true for YAML 1.1: {at}");
            let comment = line.find(" #").filter(|_| !line.trim_start().starts_with('#'));
            assert!(
                comment.is_none_or(|n| line[..n].ends_with(' ')),
                "a comment stands two blanks away: {at}"
            );
        }
    }
}

#[test]
fn the_example_to_copy_is_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (night, server) = (dir.path().join("nightly"), dir.path().join("server.py"));
    std::fs::write(&night, example("bash")).unwrap();
    std::fs::write(&server, example("python")).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&night).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    if let Ok(checked) = Command::new("shellcheck").arg(&night).output() {
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    let mut command = Command::new("python3");
    command.arg(&server).arg("0.001").stdout(Stdio::piped());
    let Ok(mut running) = command.spawn() else { return };
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
    let answer = address.map(|address| e2e::get(address, "/", ""));
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(answer.as_ref().is_some_and(|answer| answer.starts_with("HTTP/1.1 200")), "{line}: {answer:?}");
}

/// Stands in for the generator: notes what it is told, makes what the gate looks for, and appends the night that it is asked for.
const STAND_IN: &str = r#"#!/usr/bin/env bash
echo "$*" >>"$TOLD"
while [ $# -gt 1 ]; do
    [ "$1" != --out ] || mkdir -p "$2/base"
    [ "$1" != --history ] || echo '{"schema":"loadgen.history/1","id":"1"}' >>"$2"
    shift
done
"#;

#[test]
fn the_example_to_copy_is_a_night_from_end_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let (place, own) = (dir.path().join("place"), dir.path().join("place/scripts"));
    std::fs::create_dir_all(&own).unwrap();
    for name in ["gate", "history", "nightly-ci"] {
        std::fs::copy(top().join("scripts").join(name), own.join(name)).unwrap();
    }
    std::fs::write(place.join("server.py"), example("python")).unwrap();
    for (file, text) in
        [(own.join("nightly"), example("bash")), (dir.path().join("loadgen"), STAND_IN.into())]
    {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let told = dir.path().join("told");
    let run = |program: &str, words: &str| {
        let mut command = Command::new(program);
        command.args(words.split(' ')).current_dir(&place).env("HOME", dir.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env_remove("GIT_DIR").env_remove("NIGHTLY");
        for name in
            ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_REPOSITORY", "NIGHTLY_BASE", "NIGHTLY_QUICK"]
        {
            command.env_remove(name);
        }
        command.env("LOADGEN", dir.path().join("loadgen")).env("TOLD", &told);
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).into_owned()
    };
    for words in ["init --quiet --bare ../remote", "init --quiet .", "remote add origin ../remote", "add ."] {
        run("git", words);
    }
    for name in ["one", "two"] {
        run("git", &format!("-c user.name=a -c user.email=a@b commit --quiet --allow-empty -m {name}"));
    }
    run("scripts/nightly-ci", "--quick --publish --out night");
    let told = std::fs::read_to_string(&told).unwrap();
    let pairs = told.lines().find(|line| line.starts_with("pairs ")).unwrap();
    let server = format!("exec taskset -c {{cpus}} python3 {}/server.py", place.display());
    for part in
        ["--control --arm slow-10=exec taskset", "server.py 0.0055 ", " --pairs 10 --rps 60 ", &server]
    {
        assert!(pairs.contains(part), "{part}: {pairs}");
    }
    assert!(told.lines().any(|line| line.starts_with("trend ")), "{told}");
    let published = run("git", "--git-dir ../remote show history:nightly.ndjson");
    assert_eq!(published.lines().count(), 1, "{published}");
    assert_eq!(run("git", "worktree list").lines().count(), 1, "the base's checkout is gone");
}

#[test]
fn what_is_wrong_is_seen() {
    assert_eq!(fault("scripts/test"), None);
    for run in [
        "scripts/test\nscripts/test",
        "scripts/test || true",
        "scripts/nightly ${{ inputs.base }}",
        "scripts/nightly $BASE",
        "scripts/no-such-script",
        "scripts/README.md",
        "scripts/../.ci/run",
        "cargo test",
        "",
    ] {
        assert!(fault(run).is_some(), "{run}");
    }
    let commit = "de0fac2e4500dabe0009e67214ff5f5447ce83dd";
    assert_eq!(loose(&format!("actions/checkout@{commit}  # v6.0.2")), None);
    for uses in [
        "actions/checkout@v6".to_owned(),
        "actions/checkout@v6  # v6.0.2".to_owned(),
        format!("actions/checkout@{commit}"),
        format!("actions/checkout@{commit}  # v6"),
        format!("actions/checkout@{}  # v6.0.2", commit.to_uppercase()),
        format!("./checkout@{commit}  # v6.0.2"),
    ] {
        assert!(loose(&uses).is_some(), "{uses}");
    }
}
