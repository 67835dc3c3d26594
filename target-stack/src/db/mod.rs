//! The database tier: a private MariaDB or MySQL in a directory of its own, with the shop's schema and data. Given a
//! directory and a scale, it gives a unix socket and a Prometheus endpoint, and says so once the data is in. It never
//! touches a server that it did not start, and leaves nothing behind.

pub(crate) mod account;
mod complaints;
mod exporter;
mod figures;
mod instance;
pub(crate) mod rows;
mod seed;
mod software;
pub(crate) mod words;

use crate::cgroup::Group;
use crate::descriptor::{Tier, announce};
use crate::failure::{Failure, Outcome};
use crate::{signals, units};
use clap::ValueEnum;
pub(crate) use instance::LEFT;
use instance::{Instance, Sizes};
use rows::Counts;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance's own directory: made at the start (or empty), removed at the end
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Leave the data to the next server, however this one ends, and go on with what was left
    #[arg(long, hide = true)]
    keep: bool,
    /// How much data there is
    #[arg(long, value_enum, default_value_t = Scale::Default)]
    scale: Scale,
    /// Connections that the server accepts
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = units::whole::<u32, 10, 100_000>)]
    max_connections: u32,
    /// Where the Prometheus endpoint listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    metrics: SocketAddr,
}

/// The catalogue's size, and with it everything else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// 1,000 items
    Small,
    /// 10,000 items
    Default,
    /// 100,000 items
    Large,
}

impl Scale {
    pub(crate) fn counts(self) -> Counts {
        match self {
            Self::Small => Counts { items: 1_000, customers: 2_880 },
            Self::Default => Counts { items: 10_000, customers: 2_880 },
            Self::Large => Counts { items: 100_000, customers: 28_800 },
        }
    }

    /// Room for all pages several times over, so that a disk read is never what is measured.
    fn buffer_pool_mib(self) -> u32 {
        match self {
            Self::Small => 64,
            Self::Default => 128,
            Self::Large => 512,
        }
    }
}

/// The name and the version of the server that this machine has, such as `mariadb` and `10.11.6`; `None` where it does not say so.
///
/// # Errors
/// When there is no server.
pub(crate) fn version() -> Outcome<Option<(String, String)>> {
    software::find().map(|found| found.version.map(|version| (found.flavour.name().to_owned(), version)))
}

/// Runs the database until SIGINT or SIGTERM, its server in `group` if there is one: what this process does for it,
/// such as asking it for its figures, is not the server's work.
///
/// # Errors
/// When it cannot be started, or dies by itself.
pub(crate) fn run(args: Args, group: Option<Group>) -> Outcome {
    // One thread, the main one: a leash is bound to the thread that it was started from.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::start(format!("cannot start the event loop: {e}")))?;
    let sizes =
        Sizes { max_connections: args.max_connections, buffer_pool_mib: args.scale.buffer_pool_mib() };
    let mut instance = Instance::new(software::find()?, &args.dir, sizes, group)?;
    if args.keep {
        instance.go_on();
    }
    runtime.block_on(async {
        let outcome = tokio::select! {
            // The signal handlers are in place before anything is there that they must clean up.
            biased;
            asked = signals::asked_to_end() => {
                asked.map_err(|e| Failure::start(format!("cannot wait for signals: {e}")))
            }
            failure = serve(&mut instance, &args) => Err(failure),
        };
        outcome.and(if args.keep { instance.leave().await } else { instance.end().await })
    })
}

/// Starts, fills and serves; gives the reason why that ended.
async fn serve(instance: &mut Instance, args: &Args) -> Failure {
    let listener = match TcpListener::bind(args.metrics).await {
        Ok(listener) => listener,
        Err(e) => return Failure::start(format!("--metrics {}: {e}", args.metrics)),
    };
    if let Err(failure) = ready(instance, args, &listener).await {
        return failure;
    }
    let (administrator, pid) = (instance.administrator(), instance.pid().unwrap_or_default());
    let group = instance.group().cloned();
    tokio::select! {
        failure = instance.died() => failure,
        ended = exporter::serve(listener, administrator, pid, group) => {
            Failure::start(format!("the metrics endpoint ended: {ended:?}"))
        }
    }
}

async fn ready(instance: &mut Instance, args: &Args, listener: &TcpListener) -> Outcome {
    if instance.start().await? {
        let administrator = instance.administrator();
        tokio::select! {
            failure = instance.died() => return Err(failure),
            filled = seed::fill(administrator, args.scale.counts()) => {
                filled.map_err(|e| Failure::start(format!("cannot fill the database: {e}")))?;
            }
        }
    }
    let metrics = listener.local_addr().map_err(|e| Failure::start(format!("the metrics endpoint: {e}")))?;
    announce(&Tier {
        pid: instance.pid().unwrap_or_default(),
        address: instance.socket().display().to_string(),
        metrics: format!("http://{metrics}/metrics"),
        cpu_limit: None,
    })
}
