//! What tests see of a whole stack: the descriptor's tiers, their metrics, and the traces that must not be left.

use crate::{Ended, Running, Target, binary, get, processes_with, runs, until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of a stack.
pub fn dir(stack: &Target) -> PathBuf {
    PathBuf::from(stack.said["dir"].as_str().unwrap())
}

/// Starts an operator's command on the stack.
pub fn operating(stack: &Target, command: &str) -> Running {
    let mut words = command.split_whitespace();
    let mut operator = Command::new(binary("target-stack"));
    operator.args(words.next()).arg("--dir").arg(dir(stack)).args(words);
    Running::start(operator)
}

/// Runs an operator's command on the stack to its end.
pub fn operate(stack: &Target, command: &str) -> Ended {
    operating(stack, command).wait()
}

/// What an operator's command said has happened.
pub fn events(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same in short: `EVENT TIER NUMBER` each.
pub fn in_short(ended: &Ended) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let short =
        |event: Value| format!("{} {} {}", word(&event["event"]), word(&event["tier"]), event["number"]);
    events(ended).into_iter().map(short).collect()
}

/// The pids and the addresses of all of a tier's processes as the stack's directory has them now.
pub fn tiers_now(stack: &Target, name: &str) -> Vec<(u32, String)> {
    let file = std::fs::read_to_string(dir(stack).join("stack.json")).unwrap();
    in_descriptor(&serde_json::from_str(&file).unwrap(), name)
}

/// The pid and the address of a tier's first process.
pub fn tier(stack: &Target, name: &str) -> (u32, String) {
    tiers(stack, name).swap_remove(0)
}

/// The pids and the addresses of all of a tier's processes.
pub fn tiers(stack: &Target, name: &str) -> Vec<(u32, String)> {
    in_descriptor(&stack.said, name)
}

fn in_descriptor(descriptor: &Value, name: &str) -> Vec<(u32, String)> {
    let one = |tier: &Value| {
        (u32::try_from(tier["pid"].as_u64().unwrap()).unwrap(), tier["address"].as_str().unwrap().to_owned())
    };
    descriptor["tiers"][name].as_array().unwrap().iter().map(one).collect()
}

/// The samples of a tier's first endpoint: a line each, less comments.
pub fn scraped(stack: &Target, name: &str) -> Vec<String> {
    scraped_at(stack, name, 0)
}

/// The same of the tier's process of this number.
pub fn scraped_at(stack: &Target, name: &str, number: usize) -> Vec<String> {
    let metrics = stack.said["tiers"][name][number]["metrics"].as_str().unwrap();
    let address = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let text = get(address, "/metrics", "");
    body(&text).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The sum of a metric over its labels, or `None` where there is none of that name.
pub fn value(samples: &[String], name: &str) -> Option<f64> {
    let of_name = |line: &String| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{']).then(|| rest.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
    };
    samples.iter().filter_map(of_name).reduce(|a, b| a + b)
}

/// The value of the sample whose name and labels are `name`.
pub fn sample(samples: &[String], name: &str) -> Option<f64> {
    samples.iter().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// A guest's purchase under an idempotency key, for a program.
pub fn purchase(key: &str) -> String {
    let form = "email=ada%40example.com&item=7&quantity=2";
    format!(
        "POST /buy HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: close\r\nAccept: application/json\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// The control groups of the stack with this supervisor.
pub fn groups_of(supervisor: u32) -> Vec<PathBuf> {
    let mark = format!("target-stack-{supervisor}-");
    let (mut found, mut looked_at) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(dir) = looked_at.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&mark) {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                looked_at.push(entry.path());
            }
        }
    }
    found
}

/// The body of an answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Waits until no process and no file of the stack is left.
pub fn gone(pids: &[u32], dir: &Path) {
    until("all processes are gone", || !pids.iter().any(|pid| runs(*pid)));
    until("the directory is gone", || !dir.exists());
    let name = dir.display().to_string();
    until("no process of the directory is left", || processes_with(&name).is_empty());
}

/// Whether nginx is installed; says so if it is not, as what is then not tested.
pub fn nginx_is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .any(|place| place.join("nginx").is_file());
    if !there {
        let line = "NOT TESTED: nginx is not installed (scripts/need nginx)";
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
    }
    there
}

/// The processes that `pid` has started, and which it has one thread for.
pub fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
