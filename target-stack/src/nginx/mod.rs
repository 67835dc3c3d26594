//! The proxy tier on the installed nginx. Given the app servers' addresses and the stack's directory, it runs nginx on the
//! stack's configuration, with a Prometheus endpoint beside it, and says so once nginx has answered a request. It
//! touches no nginx that it did not start, and leaves none behind.

mod exporter;
mod instance;
mod software;
mod stub_status;

use crate::caching::Caching;
use crate::cgroup::Group;
use crate::descriptor::{Tier, announce};
use crate::failure::{Failure, Outcome};
use crate::nginx_conf::{Server, Site};
use crate::{pace, signals, supervise, units};
use instance::Instance;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long nginx may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to be seen dead when it has broken off.
const DEATH_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The stack's directory, for configuration, log and temporary files
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The address of an app server; repeatable
    #[arg(long = "app", value_name = "ADDR", required = true)]
    apps: Vec<String>,
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u32, 1, 4096>)]
    workers: u32,
    #[command(flatten)]
    caching: Caching,
    /// Where the Prometheus endpoint listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    metrics: SocketAddr,
}

/// Finds out whether there is an nginx to run.
///
/// # Errors
/// When there is none, with the command that installs it.
pub(crate) fn find() -> Outcome {
    software::find().map(drop)
}

/// Runs nginx until SIGINT or SIGTERM, in `group` if there is one: this process asks it for its figures, which is not
/// nginx's work.
///
/// # Errors
/// When it cannot be started, or dies by itself.
pub(crate) fn run(args: &Args, group: Option<Group>) -> Outcome {
    let nginx = software::find()?;
    supervise::adopt_orphans()?;
    // One thread, the main one: a leash is bound to the thread that it was started from.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::start(format!("cannot start the event loop: {e}")))?;
    runtime.block_on(async {
        // The signal handlers are in place before anything is there that they must clean up.
        let asked = signals::listen().map_err(|e| Failure::start(format!("cannot wait for signals: {e}")))?;
        let server = |address: &String| Server { address: address.clone(), down: false };
        let apps: Vec<Server> = args.apps.iter().map(server).collect();
        let site = Site {
            dir: &args.dir,
            apps: &apps,
            workers: args.workers as usize,
            listen: args.listen,
            caching: &args.caching,
            temporary: None,
        };
        let mut instance = Instance::start(&nginx, site, group.as_ref())?;
        let outcome = tokio::select! {
            biased;
            () = asked => Ok(()),
            failure = serve(&mut instance, args.metrics, group) => Err(failure),
        };
        instance.end().await;
        outcome
    })
}

/// Serves what nginx says of itself; gives the reason why that ended.
async fn serve(instance: &mut Instance, endpoint: SocketAddr, group: Option<Group>) -> Failure {
    let listener = match TcpListener::bind(endpoint).await {
        Ok(listener) => listener,
        Err(e) => return Failure::start(format!("--metrics {endpoint}: {e}")),
    };
    if let Err(failure) = ready(instance, &listener).await {
        return failure;
    }
    let (address, pid) = (instance.address(), instance.pid().unwrap_or_default());
    tokio::select! {
        failure = instance.died() => failure,
        // It was asked once: whether it is ready.
        ended = exporter::serve(listener, address, pid, group, 1) => {
            Failure::start(format!("the metrics endpoint ended: {ended:?}"))
        }
    }
}

async fn ready(instance: &mut Instance, listener: &TcpListener) -> Outcome {
    // Connections wait at the socket until nginx has taken it over, so asking once does.
    let asking = pace::within(START_LIMIT, stub_status::ask(instance.address()));
    let answered = tokio::select! {
        failure = instance.died() => return Err(failure),
        answered = asking => answered,
    };
    let why = match answered {
        Some(Ok(_)) => None,
        Some(Err(e)) => Some(format!("nginx does not serve: {e}")),
        None => Some(format!("nginx does not answer after {START_LIMIT:?}")),
    };
    if let Some(why) = why {
        // A connection breaks off a moment before its process is seen dead, which is the better reason.
        let died = pace::within(DEATH_LIMIT, instance.died()).await;
        return Err(died.unwrap_or_else(|| Failure::start(why)));
    }
    let metrics = listener.local_addr().map_err(|e| Failure::start(format!("the metrics endpoint: {e}")))?;
    announce(&Tier {
        pid: instance.pid().unwrap_or_default(),
        address: instance.address().to_string(),
        metrics: format!("http://{metrics}/metrics"),
        cpu_limit: None,
    })
}
