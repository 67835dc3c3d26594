//! The whole website. It starts one process a tier (database, app servers, proxy, zone), each when the ones that it
//! needs answer, prints the stack descriptor, and ends all of them when it is asked to or when one of them dies.

mod sizes;
mod sweep;

pub(crate) use sweep::{SweepArgs, sweep};

use crate::cgroup::Groups;
use crate::descriptor::{self, Stack, Tier};
use crate::failure::{Failure, Outcome};
use crate::limits::Cpus;
use crate::nginx_conf::{HOST, Site};
use crate::supervise::Processes;
use crate::{db, limits, nginx, signals, units};
use clap::ValueEnum;
use sizes::{Limit, Sizes};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use sweep::Made;

/// Where the zone says that the website is.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Some hundreds of clients at the proxy, as many connections behind it, and what a process has open itself.
const LEAST_DESCRIPTORS: u64 = 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// App servers behind the proxy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u32, 1, 64>)]
    servers: u32,
    /// What the proxy is
    #[arg(long, value_enum, default_value_t = Proxy::Builtin)]
    proxy: Proxy,
    /// Size of the catalogue
    #[arg(long, value_enum, default_value_t = db::Scale::Default)]
    scale: db::Scale,
    /// CPUs that all tiers are pinned to [default: all but the last quarter]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus)]
    cpus: Option<Cpus>,
    #[command(flatten)]
    sizes: Sizes,
    /// Directory of the stack, made and removed by it [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What serves as the proxy; both read the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Proxy {
    /// The one of this program
    Builtin,
    /// The installed nginx
    Nginx,
}

/// Runs the stack until SIGINT or SIGTERM.
pub(crate) fn run(args: Args) -> Outcome {
    let descriptors = limits::raise_descriptors(LEAST_DESCRIPTORS);
    if descriptors < LEAST_DESCRIPTORS {
        return Err(Failure::usage(format!(
            "a tier needs {LEAST_DESCRIPTORS} file descriptors, and the hard limit is {descriptors}: raise it (ulimit -Hn)"
        )));
    }
    if args.proxy == Proxy::Nginx {
        // Before a database is filled for nothing.
        nginx::find()?;
    }
    let cpus = args.cpus.as_ref().map(|cpus| cpus.0.clone());
    let cpus = cpus.unwrap_or_else(|| limits::default_target_cpus(&limits::allowed_cpus()));
    limits::pin(&cpus)?;
    // On the main thread, which lives as long as the process: a tier dies with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let mut made = Made::default();
    let result = runtime.block_on(tokio::task::LocalSet::new().run_until(stack(&args, cpus, &mut made)));
    made.remove();
    result
}

async fn stack(args: &Args, cpus: Vec<usize>, made: &mut Made) -> Outcome {
    let mut processes = Processes::new()?;
    let result = tokio::select! {
        // The signal handlers are in place before anything is there that they must clean up.
        biased;
        asked = signals::asked_to_end() => asked.map_err(|e| Failure::start(e.to_string())),
        result = serve(args, cpus, made, &mut processes) => result,
    };
    processes.end(|| made.remove()).await;
    result
}

/// Starts everything and watches over it; only a failure ends it.
async fn serve(args: &Args, cpus: Vec<usize>, made: &mut Made, processes: &mut Processes) -> Outcome {
    let dir = made.dir.insert(sweep::make_dir(args.dir.as_deref())?).clone();
    let groups = if args.sizes.limits() { Groups::make() } else { Err(String::from("none are needed")) };
    made.groups = groups.as_ref().ok().map(|groups| groups.dir().to_owned());
    processes.start("sweep", "sweep", None, &made.arguments()).await?;
    let sizes = args.sizes.settle(args.servers, &groups)?;
    let arguments = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let text = |path: &Path| path.display().to_string();
    let scale = args.scale.to_possible_value().map_or_else(String::new, |scale| scale.get_name().to_owned());
    let (data, connections) = (text(&dir.join("db")), sizes.connections.to_string());
    let start_db = arguments(&["--dir", &data, "--scale", &scale, "--max-connections", &connections]);
    let db = start(processes, ("db", "db"), sizes.db.as_ref(), &start_db).await?;
    let mut apps = Vec::new();
    for n in 0..args.servers {
        let start_app = [arguments(&["--database", &db.address]), sizes.app_arguments.clone()].concat();
        apps.push(start(processes, ("app", "app"), sizes.apps.get(n as usize), &start_app).await?);
    }
    let proxy = start_proxy(processes, args.proxy, (&apps, &dir, cpus.len()), sizes.proxy.as_ref()).await?;
    let dns = processes.start("dns", "dns", None, &arguments(&["--address", &ADDRESS.to_string()])).await?;
    let port = proxy.address.rsplit_once(':').map_or("80", |(_, port)| port);
    let mut stack = Stack {
        schema: String::from("target-stack.up/1"),
        pid: std::process::id(),
        url: format!("http://{HOST}:{port}/"),
        resolver: dns.address.clone(),
        tiers: BTreeMap::new(),
        dir,
        cpus,
        items: args.scale.counts().items,
        emulated: sizes.emulated,
    };
    let tiers: [(&str, Vec<Tier>); 4] =
        [("db", vec![db]), ("app", apps), ("proxy", vec![proxy]), ("dns", vec![dns])];
    stack.tiers.extend(tiers.map(|(name, tiers)| (name.to_owned(), tiers)));
    stack.keep()?;
    descriptor::announce(&stack)?;
    Err(processes.first_death().await)
}

/// Starts the proxy before these app servers, with its configuration and logs in the stack's directory.
async fn start_proxy(
    processes: &mut Processes,
    proxy: Proxy,
    (apps, dir, workers): (&[Tier], &Path, usize),
    limit: Option<&Limit>,
) -> Outcome<Tier> {
    let apps: Vec<String> = apps.iter().map(|app| app.address.clone()).collect();
    let stack_dir = dir.display().to_string();
    if proxy == Proxy::Nginx {
        let fixed = [String::from("--dir"), stack_dir, String::from("--workers"), workers.to_string()];
        let apps = apps.into_iter().flat_map(|app| [String::from("--app"), app]);
        let arguments: Vec<String> = fixed.into_iter().chain(apps).collect();
        return start(processes, ("proxy", "nginx"), limit, &arguments).await;
    }
    let file = dir.join("nginx.conf");
    let site = Site { dir, apps: &apps, workers, listen: (ADDRESS, 0).into(), temporary: None };
    std::fs::write(&file, site.configuration())
        .map_err(|e| Failure::start(format!("cannot write {}: {e}", file.display())))?;
    let arguments = [String::from("-p"), stack_dir, String::from("-c"), file.display().to_string()];
    start(processes, ("proxy", "proxy"), limit, &arguments).await
}

/// Starts a tier by a subcommand in its group, and limits it once it answers.
async fn start(
    processes: &mut Processes,
    (name, command): (&'static str, &str),
    limit: Option<&Limit>,
    arguments: &[String],
) -> Outcome<Tier> {
    let tier = processes.start(name, command, limit.map(|limit| &limit.group), arguments).await?;
    Ok(Tier { cpu_limit: limit.map(Limit::impose).transpose()?, ..tier })
}
