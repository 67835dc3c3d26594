//! `loadgen spof`: what a part that fails costs, alone and as one of several. It kills a process of each tier under load, has it
//! started again after a while, and lets the visitors' view be compared.

use super::trial::{Command, Setup, Task};
use crate::cli::{SpofArgs, Tier};
use crate::failure::{Failure, Outcome};
use crate::plan;
use reports::number::counted;
use std::time::Duration;

/// What is sent: visitors, one in ten of whom buys.
pub(super) const SCENARIO: &str = include_str!("../../../scenarios/shoppers.toml");

/// What is to be tried.
///
/// # Errors
/// Wrong use: a website of the user's without a way to kill a part of it.
pub(super) fn setups(args: &SpofArgs) -> Outcome<Vec<Setup>> {
    let end = args.kill_after + args.repair_after;
    if end >= args.duration {
        return Err(Failure::usage(format!(
            "--duration: {:?} is over before the part is started again, {end:?} after the load began",
            args.duration
        )));
    }
    if let Some(url) = &args.common.url {
        // A word that is no URL is no website either.
        plan::url(url)?;
        let Some(kill) = &args.kill_cmd else {
            return Err(Failure::usage(format!(
                "`{url}` is a website of yours, which this program does not kill: say how with --kill-cmd (and --repair-cmd), or \
                 leave the URL out for the reference target"
            )));
        };
        return Ok(vec![hooked(args, kill)]);
    }
    Ok(args.tiers.iter().flat_map(|tier| of_tier(args, *tier)).collect())
}

/// What the user's hooks do.
fn hooked(args: &SpofArgs, kill: &str) -> Setup {
    let task = |at, line: &str, what: &str, begins, ends| Task {
        at,
        command: Command::Shell(line.to_owned()),
        what: what.to_owned(),
        begins,
        ends,
        refused: false,
    };
    let repair = args.repair_cmd.iter();
    let repair = repair
        .map(|line| task(args.kill_after + args.repair_after, line, "it is started again", false, true));
    Setup {
        name: String::from("killing a part of it"),
        tier: "given",
        servers: 1,
        cure: false,
        options: Vec::new(),
        deeds: [task(args.kill_after, kill, "it is killed", true, false)].into_iter().chain(repair).collect(),
    }
}

/// A tier alone, and one of several where there can be several.
fn of_tier(args: &SpofArgs, tier: Tier) -> Vec<Setup> {
    let several = args.servers;
    let (word, noun, option) = match tier {
        Tier::App => ("app", "app server", Some("--servers")),
        Tier::Proxy => ("proxy", "proxy", Some("--proxies")),
        Tier::Db => ("db", "database", None),
        Tier::Dns => ("dns", "name server", None),
    };
    let setup = |servers: u32, options: Vec<String>| Setup {
        name: match (servers, option) {
            (1, None) => format!("killing the {noun}"),
            (1, Some(_)) => format!("killing the only {noun}"),
            (n, _) if tier == Tier::Proxy => format!("killing one of {n} proxies"),
            (n, _) => format!("killing one of {}", counted(n.into(), noun)),
        },
        tier: word,
        servers,
        cure: servers > 1,
        options,
        deeds: deeds(args.kill_after, args.repair_after, word, noun),
    };
    let more = option.map(|option| setup(several, vec![option.to_owned(), several.to_string()]));
    [setup(1, Vec::new())].into_iter().chain(more).collect()
}

fn deeds(kill_after: Duration, repair_after: Duration, tier: &str, noun: &str) -> Vec<Task> {
    let task = |at, verb: &str, what: &str, begins, ends| Task {
        at,
        command: Command::Stack(format!("{verb} {tier}")),
        what: format!("{noun} {what}"),
        begins,
        ends,
        refused: false,
    };
    vec![
        task(kill_after, "kill", "killed", true, false),
        task(kill_after + repair_after, "start", "answers again", false, true),
    ]
}
