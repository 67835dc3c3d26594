//! The whole website. It starts the processes of all tiers (database, app servers, proxies, zone), each when the ones that it
//! needs answer, prints the stack descriptor, and ends all of them when it is asked to or when a tier has none left.

mod sizes;
mod sweep;
mod welcome;

pub(crate) use sweep::{SweepArgs, sweep};

use crate::app::Keeping;
use crate::cgroup::Groups;
use crate::descriptor::{self, Death, Stack, Tier};
use crate::failure::{Failure, Outcome};
use crate::limits::Cpus;
use crate::nginx_conf::{HOST, Site};
use crate::supervise::Processes;
use crate::{db, limits, nginx, signals, units};
use clap::ValueEnum;
use sizes::{Limit, Sizes};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use sweep::Made;

/// How often a port is looked for that is free at all addresses of the website.
const PORT_TRIES: usize = 16;

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
    keeping: Keeping,
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

/// Runs the stack until SIGINT, SIGTERM, or the SIGHUP of a terminal that is closed.
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
    let mut processes = Processes::new()?;
    let result = tokio::select! {
        // The signal handlers are in place before anything is there that they must clean up.
        biased;
        asked = signals::asked_to_end_or_left_alone() => asked.map_err(|e| Failure::start(e.to_string())),
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
    let sizes = args.sizes.settle(args.servers, args.proxies, &groups)?;
    let arguments = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let text = |path: &Path| path.display().to_string();
    let scale = args.scale.to_possible_value().map_or_else(String::new, |scale| scale.get_name().to_owned());
    let (data, connections) = (text(&dir.join("db")), sizes.connections.to_string());
    let start_db = arguments(&["--dir", &data, "--scale", &scale, "--max-connections", &connections]);
    let db = start(processes, ("db", "db"), sizes.db.as_ref(), &start_db).await?;
    let mut apps = Vec::new();
    for n in 0..args.servers {
        let told = [sizes.app_arguments.clone(), args.keeping.arguments()].concat();
        let start_app = [arguments(&["--database", &db.address]), told].concat();
        apps.push(start(processes, ("app", "app"), sizes.apps.get(n as usize), &start_app).await?);
    }
    let reserved = addresses(args.proxies)?;
    let addresses: Vec<SocketAddr> = reserved.iter().map(|reserved| reserved.address).collect();
    let mut proxies = Vec::new();
    for (n, &listen) in addresses.iter().enumerate() {
        let place = if n == 0 { dir.clone() } else { dir.join(format!("proxy-{}", n + 1)) };
        let proxy = Front { kind: args.proxy, dir: &place, apps: &apps, workers: cpus.len(), listen };
        proxies.push(proxy.start(processes, sizes.proxies.get(n)).await?);
    }
    drop(reserved);
    let in_zone = addresses.iter().flat_map(|listen| [String::from("--address"), listen.ip().to_string()]);
    let dns = processes.start("dns", "dns", None, &in_zone.collect::<Vec<_>>()).await?;
    let port = proxies[0].address.rsplit_once(':').map_or("80", |(_, port)| port);
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
        [("db", vec![db]), ("app", apps), ("proxy", proxies), ("dns", vec![dns])];
    stack.tiers.extend(tiers.map(|(name, tiers)| (name.to_owned(), tiers)));
    stack.keep()?;
    descriptor::announce(&stack)?;
    let mut errors = std::io::stderr();
    if errors.is_terminal() {
        // Whoever closes the terminal does not want to know.
        let _ = errors.write_all(welcome::lines(&stack).as_bytes());
    }
    Err(processes.last_of_a_tier(tell).await)
}

/// Tells of a process that died: a program behind the descriptor, and a person at the terminal where the stack goes on. How it
/// ends without, its own failure says.
fn tell(death: &Death) {
    // Whoever closes standard output or standard error does not want to know.
    let _ = descriptor::announce(death);
    if death.left > 0 {
        let _ = writeln!(std::io::stderr(), "target-stack: {}", death.reason);
    }
}

/// An address that is kept free of others until the proxy that is to listen there does: the kernel gives its port to nobody who does
/// not ask for it by its number. It does not listen, so it can stand beside who does.
struct Reserved {
    address: SocketAddr,
    _socket: Option<Socket>,
}

impl Reserved {
    fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket();
        Ok(Self { address: bound.unwrap_or(address), _socket: Some(socket) })
    }
}

/// Where so many proxies listen: loopback addresses one after the other, at one port of the kernel's choice, since a zone's addresses
/// have no ports. A single one is given its port when it listens.
fn addresses(proxies: u8) -> Outcome<Vec<Reserved>> {
    let at = |n: u8, port: u16| SocketAddr::from(([127, 0, 0, n], port));
    if proxies == 1 {
        return Ok(vec![Reserved { address: at(1, 0), _socket: None }]);
    }
    let failed = |e: std::io::Error| Failure::start(format!("no port is free for {proxies} proxies: {e}"));
    let mut tries = PORT_TRIES;
    loop {
        let first = Reserved::at(at(1, 0)).map_err(failed)?;
        let port = first.address.port();
        let others: std::io::Result<Vec<_>> = (2..=proxies).map(|n| Reserved::at(at(n, port))).collect();
        tries -= 1;
        match others {
            Ok(others) => return Ok(std::iter::once(first).chain(others).collect()),
            Err(e) if tries == 0 => return Err(failed(e)),
            Err(_) => {}
        }
    }
}

/// A proxy that is to be started.
struct Front<'a> {
    kind: Proxy,
    /// Where its configuration and logs are.
    dir: &'a Path,
    /// The app servers behind it.
    apps: &'a [Tier],
    workers: usize,
    listen: SocketAddr,
}

impl Front<'_> {
    async fn start(&self, processes: &mut Processes, limit: Option<&Limit>) -> Outcome<Tier> {
        let Self { dir, workers, listen, .. } = self;
        let failed =
            |path: &Path, e: std::io::Error| Failure::start(format!("cannot write {}: {e}", path.display()));
        std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
        let apps: Vec<String> = self.apps.iter().map(|app| app.address.clone()).collect();
        let prefix = dir.display().to_string();
        if self.kind == Proxy::Nginx {
            let fixed =
                [("--dir", prefix), ("--workers", workers.to_string()), ("--listen", listen.to_string())];
            let apps = apps.into_iter().map(|app| ("--app", app));
            let arguments = fixed.into_iter().chain(apps).flat_map(|(name, value)| [name.to_owned(), value]);
            return start(processes, ("proxy", "nginx"), limit, &arguments.collect::<Vec<_>>()).await;
        }
        let file = dir.join("nginx.conf");
        let site = Site { dir, apps: &apps, workers: *workers, listen: *listen, temporary: None };
        std::fs::write(&file, site.configuration()).map_err(|e| failed(&file, e))?;
        let arguments = [String::from("-p"), prefix, String::from("-c"), file.display().to_string()];
        start(processes, ("proxy", "proxy"), limit, &arguments).await
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_port_of_several_proxies_is_theirs_until_they_listen() {
        let reserved = addresses(5).expect("a port");
        let port = reserved[0].address.port();
        for (n, one) in (1..).zip(&reserved) {
            assert_eq!(one.address, SocketAddr::from(([127, 0, 0, n], port)));
        }
        // Who takes any port never gets it, and who is to have it does.
        for _ in 0..200 {
            let other = TcpListener::bind("127.0.0.3:0").expect("another port");
            assert_ne!(other.local_addr().expect("its address").port(), port);
        }
        let proxies: Vec<TcpListener> =
            reserved.iter().map(|one| TcpListener::bind(one.address).expect("the reserved one")).collect();
        drop(reserved);
        let taken = TcpListener::bind(proxies[4].local_addr().expect("an address"));
        assert_eq!(taken.expect_err("it is in use").kind(), std::io::ErrorKind::AddrInUse);
    }
}
