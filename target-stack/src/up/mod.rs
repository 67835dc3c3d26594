//! The whole website. It starts the processes of all tiers (database, app servers, proxies, zone), each when the ones that it
//! needs answer, prints the stack descriptor, and ends all of them when it is asked to or when a tier has none left.

mod address;
mod control;
mod deploy;
mod front;
mod places;
mod sizes;
mod sweep;
mod tend;
mod welcome;

pub(crate) use sweep::{SweepArgs, sweep};

use crate::app::Keeping;
use crate::caching::Caching;
use crate::cgroup::Groups;
use crate::descriptor::{self, Stack};
use crate::failure::{Failure, Outcome};
use crate::limits::Cpus;
use crate::nginx_conf::{HOST, Server};
use crate::operate::words::{Part, Spot};
use crate::supervise::{Deaths, Processes, Recipe};
use crate::{db, limits, nginx, signals, units};
use address::Reserved;
use clap::ValueEnum;
use front::{Front, Kind};
use places::Places;
use sizes::{Settled, Sizes};
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use sweep::Made;
use tend::{OnDeath, Running};

/// Some hundreds of clients at the proxy, as many connections behind it, and what a process has open itself.
const LEAST_DESCRIPTORS: u64 = 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// App servers behind the proxy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u32, 1, 64>)]
    servers: u32,
    /// What the proxy is
    #[arg(long, value_enum, default_value_t = Kind::Builtin)]
    proxy: Kind,
    /// Proxies before the app servers, each at an address of its own, which the zone gives all of
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u8, 1, 64>)]
    proxies: u8,
    /// Size of the catalogue
    #[arg(long, value_enum, default_value_t = db::Scale::Default)]
    scale: db::Scale,
    /// CPUs that all tiers are pinned to [default: all but the last quarter]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus)]
    cpus: Option<Cpus>,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    caching: Caching,
    #[command(flatten)]
    keeping: Keeping,
    /// What the stack does when a tier has lost its last process
    #[arg(long, value_enum, default_value_t = OnDeath::End)]
    on_death: OnDeath,
    /// Directory of the stack, made and removed by it [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the stack until SIGINT, SIGTERM, or the SIGHUP of a terminal that is closed.
pub(crate) fn run(args: Args) -> Outcome {
    let descriptors = limits::raise_descriptors(LEAST_DESCRIPTORS);
    if descriptors < LEAST_DESCRIPTORS {
        return Err(Failure::usage(format!(
            "a tier needs {LEAST_DESCRIPTORS} file descriptors, and the hard limit is {descriptors}: raise it (ulimit -Hn)"
        )));
    }
    if args.proxy == Kind::Nginx {
        // Before a database is filled for nothing.
        nginx::find()?;
    }
    let cpus = args.cpus.as_ref().map(|cpus| cpus.0.clone());
    let cpus = cpus.unwrap_or_else(|| limits::default_target_cpus(&limits::allowed_cpus()));
    limits::pin(&cpus)?;
    args.sizes.fit(&limits::allowed_cpus())?;
    // On the main thread, which lives as long as the process: a tier dies with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let mut made = Made::default();
    let result = runtime.block_on(tokio::task::LocalSet::new().run_until(stack(&args, cpus, &mut made)));
    made.remove();
    result
}

async fn stack(args: &Args, cpus: Vec<usize>, made: &mut Made) -> Outcome {
    let (processes, deaths) = Processes::new()?;
    let result = tokio::select! {
        // The signal handlers are in place before anything is there that they must clean up.
        biased;
        asked = signals::asked_to_end_or_left_alone() => asked.map_err(|e| Failure::start(e.to_string())),
        result = serve(args, cpus, made, &processes, deaths) => result,
    };
    processes.end(|| made.remove()).await;
    result
}

/// Starts everything and tends it; only a failure ends it.
async fn serve(
    args: &Args,
    cpus: Vec<usize>,
    made: &mut Made,
    processes: &Processes,
    deaths: Deaths,
) -> Outcome {
    let dir = made.dir.insert(sweep::make_dir(args.dir.as_deref())?).clone();
    let groups = if args.sizes.limits() { Groups::make() } else { Err(String::from("none are needed")) };
    made.groups = groups.as_ref().ok().map(|groups| groups.dir().to_owned());
    let arguments = made.arguments();
    let sweeper = Recipe { tier: "sweep", number: 1, command: "sweep", group: None, arguments };
    processes.start(&sweeper).await?;
    let mut sizes = args.sizes.settle(args.servers, args.proxies, &groups)?;
    let places = Places::new(processes);
    let (apps, _held) = begin_apps(args, &dir, &mut sizes, &places).await?;
    let reserved = address::in_a_row(args.proxies)?;
    let fronts = begin_fronts(args, &dir, (&apps, &reserved, cpus.len()), &mut sizes, &places).await?;
    let in_zone = reserved.iter().flat_map(|one| [String::from("--address"), one.address.ip().to_string()]);
    let dns = places.take(spot(Part::Dns, 1), "dns", None, in_zone.collect()).await?;
    let stack = Stack {
        schema: String::from("target-stack.up/1"),
        pid: std::process::id(),
        url: format!("http://{HOST}:{}/", reserved[0].address.port()),
        resolver: dns.address,
        tiers: places.tiers(),
        dir,
        cpus,
        items: args.scale.counts().items,
        emulated: sizes.emulated,
        versions: db::version()?.into_iter().collect(),
    };
    let calls = control::listen(&stack.dir)?;
    stack.keep()?;
    descriptor::announce(&stack)?;
    let mut errors = std::io::stderr();
    if errors.is_terminal() {
        // Whoever closes the terminal does not want to know.
        let _ = errors.write_all(welcome::lines(&stack).as_bytes());
    }
    let running = Running {
        places,
        fronts,
        stack: RefCell::new(stack),
        unkept: Cell::new(false),
        versions: Cell::new(1),
    };
    Err(tend::tend(&running, args.on_death, deaths, calls).await)
}

fn spot(tier: Part, number: usize) -> Spot {
    Spot { tier, number }
}

/// Starts the database and the app servers on it. Gives these, and what keeps their addresses theirs.
async fn begin_apps(
    args: &Args,
    dir: &Path,
    sizes: &mut Settled,
    places: &Places<'_>,
) -> Outcome<(Vec<Server>, Vec<Reserved>)> {
    let arguments = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let scale = args.scale.to_possible_value().map_or_else(String::new, |scale| scale.get_name().to_owned());
    let (data, connections) = (dir.join("db").display().to_string(), sizes.connections.to_string());
    let told = ["--dir", &data, "--keep", "--scale", &scale, "--max-connections", &connections];
    let db = places.take(spot(Part::Db, 1), "db", sizes.db.take(), arguments(&told)).await?;
    let mut limits = std::mem::take(&mut sizes.apps).into_iter();
    let (mut apps, mut held) = (Vec::new(), Vec::new());
    for n in 0..args.servers as usize {
        let reserved = address::one()?;
        let address = reserved.address.to_string();
        let own = arguments(&["--database", &db.address, "--listen", &address]);
        let told = [own, sizes.app_arguments.clone(), args.keeping.arguments()].concat();
        places.take(spot(Part::App, n + 1), "app", limits.next(), told).await?;
        apps.push(Server { address, down: false });
        held.push(reserved);
    }
    Ok((apps, held))
}

/// Starts a proxy at each of the addresses.
async fn begin_fronts(
    args: &Args,
    dir: &Path,
    (apps, addresses, workers): (&[Server], &[Reserved], usize),
    sizes: &mut Settled,
    places: &Places<'_>,
) -> Outcome<Vec<Front>> {
    let mut limits = std::mem::take(&mut sizes.proxies).into_iter();
    let mut fronts = Vec::new();
    for (number, reserved) in (1..).zip(addresses) {
        let place = if number == 1 { dir.to_owned() } else { dir.join(format!("proxy-{number}")) };
        let (kind, caching, listen) = (args.proxy, args.caching.clone(), reserved.address);
        let front = Front { kind, number, dir: place, workers, listen, caching };
        front.start(places, apps, limits.next()).await?;
        fronts.push(front);
    }
    Ok(fronts)
}
