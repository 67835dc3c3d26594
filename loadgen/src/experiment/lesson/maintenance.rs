//! `loadgen maintenance`: what bringing out a change costs, by several ways of doing it. It deploys another version under load, and
//! lets the visitors' view be compared.

use super::trial::{Command, Setup, Task};
use crate::cli::{MaintenanceArgs, Way};
use crate::failure::{Failure, Outcome};
use crate::plan;
use reports::number::counted;

/// What is to be tried.
///
/// # Errors
/// Wrong use: a website of the user's without a way to deploy to it.
pub(super) fn setups(args: &MaintenanceArgs) -> Outcome<Vec<Setup>> {
    if args.deploy_after >= args.duration {
        return Err(Failure::usage(format!(
            "--duration: {:?} is over before the change begins, {:?} after the load",
            args.duration, args.deploy_after
        )));
    }
    if let Some(url) = &args.common.url {
        // A word that is no URL is no website either.
        plan::url(url)?;
        let Some(deploy) = &args.deploy_cmd else {
            return Err(Failure::usage(format!(
                "`{url}` is a website of yours, to which this program does not deploy: say how with --deploy-cmd, or leave the URL \
                 out for the reference target"
            )));
        };
        let (name, command) = (String::from("deploying to it"), Command::Shell(deploy.clone()));
        return Ok(vec![setup(args, 1, name, command, false)]);
    }
    if args.servers < 2 && args.ways.iter().any(|way| matches!(way, Way::Rolling | Way::Sick)) {
        return Err(Failure::usage(
            "--servers: a rolling deployment needs at least 2, one of which serves meanwhile",
        ));
    }
    Ok(args.ways.iter().map(|way| of_way(args, *way)).collect())
}

fn of_way(args: &MaintenanceArgs, way: Way) -> Setup {
    let servers = counted(args.servers.into(), "app server");
    let (servers, words, name) = match way {
        // As it is where there is one server; where there are several, nobody has to do it like that.
        Way::StopAndStart => {
            let name = String::from("stopping and starting the only app server");
            (1, "deploy --strategy stop-and-start", name)
        }
        Way::Rolling => (args.servers, "deploy --strategy rolling", format!("rolling over {servers}")),
        Way::Sick => {
            let name = format!("rolling out a sick version to {servers}");
            (args.servers, "deploy --strategy rolling --sick", name)
        }
        Way::Reload => (args.servers, "reload", String::from("reloading the proxy")),
    };
    let setup = setup(args, servers, name, Command::Stack(words.to_owned()), way == Way::Sick);
    Setup { cure: way == Way::Rolling, ..setup }
}

fn setup(args: &MaintenanceArgs, servers: u32, name: String, command: Command, refused: bool) -> Setup {
    let task = Task { at: args.deploy_after, command, what: name.clone(), begins: true, ends: true, refused };
    let mut options = vec![String::from("--servers"), servers.to_string()];
    if !args.start_up.is_zero() {
        options.extend([String::from("--start-up"), format!("{}us", args.start_up.as_micros())]);
    }
    Setup { name, tier: "app", servers, cure: false, options, deeds: vec![task] }
}
