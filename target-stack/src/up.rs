//! The whole website. It starts one process a tier (database, app servers, proxy, zone), each when the ones that it
//! needs answer, prints the stack descriptor, and ends all of them when it is asked to or when one of them dies.

use crate::descriptor::{self, Stack, Tier};
use crate::failure::{Failure, Outcome};
use crate::limits::Cpus;
use crate::supervise::Processes;
use crate::{db, limits, pace, signals};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The website's name, and where its zone says it is.
const HOST: &str = "www.foobar.com";
const ADDRESS: &str = "127.0.0.1";

/// Some hundreds of clients at the proxy, as many connections behind it, and what a process has open itself.
const LEAST_DESCRIPTORS: u64 = 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// App servers behind the proxy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    servers: u32,
    /// Size of the catalogue
    #[arg(long, value_enum, default_value_t = db::Scale::Default)]
    scale: db::Scale,
    /// CPUs that all tiers are pinned to [default: all but the last quarter]
    #[arg(long, value_name = "LIST", value_parser = limits::parse_cpus)]
    cpus: Option<Cpus>,
    /// Requests that one app server works on at once
    #[arg(long, value_name = "K", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: u32,
    /// Directory of the stack, made and removed by it [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What removes the stack's directory: a process of its own, since the supervisor can be killed too.
#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    #[arg(long)]
    dir: PathBuf,
}

/// Runs the stack until SIGINT or SIGTERM.
pub(crate) fn run(args: Args) -> Outcome {
    let descriptors = limits::raise_descriptors(LEAST_DESCRIPTORS);
    if descriptors < LEAST_DESCRIPTORS {
        return Err(Failure::usage(format!(
            "a tier needs {LEAST_DESCRIPTORS} file descriptors, and the hard limit is {descriptors}: raise it (ulimit -Hn)"
        )));
    }
    let cpus = args.cpus.as_ref().map(|cpus| cpus.0.clone());
    let cpus = cpus.unwrap_or_else(|| limits::default_target_cpus(&limits::allowed_cpus()));
    limits::pin(&cpus)?;
    // On the main thread, which lives as long as the process: a tier dies with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    let mut dir = None;
    let result = runtime.block_on(tokio::task::LocalSet::new().run_until(stack(&args, cpus, &mut dir)));
    dir.iter().for_each(|dir| remove(dir));
    result
}

async fn stack(args: &Args, cpus: Vec<usize>, dir: &mut Option<PathBuf>) -> Outcome {
    let mut processes = Processes::new()?;
    let result = tokio::select! {
        // The signal handlers are in place before anything is there that they must clean up.
        biased;
        asked = signals::asked_to_end() => asked.map_err(|e| Failure::start(e.to_string())),
        result = serve(args, cpus, dir, &mut processes) => result,
    };
    processes.end(dir.as_deref().map(|dir| move || remove(dir))).await;
    result
}

/// Starts everything and watches over it; only a failure ends it.
async fn serve(
    args: &Args,
    cpus: Vec<usize>,
    made: &mut Option<PathBuf>,
    processes: &mut Processes,
) -> Outcome {
    let dir = make_dir(args.dir.as_deref())?;
    let dir = made.insert(dir).as_path();
    let text = |path: &Path| path.display().to_string();
    let arguments = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    processes.start("sweep", &arguments(&["--dir", &text(dir)])).await?;
    let pool = args.workers.to_string();
    // One for every worker of every server and one for its health check; the rest is for exporter and administrator.
    let connections = (args.servers * (args.workers + 1) + 20).to_string();
    let scale = args.scale.to_possible_value().map_or_else(String::new, |scale| scale.get_name().to_owned());
    let data = dir.join("db");
    let start_db = arguments(&["--dir", &text(&data), "--scale", &scale, "--max-connections", &connections]);
    let db = processes.start("db", &start_db).await?;
    let mut apps = Vec::new();
    for _ in 0..args.servers {
        let start_app = arguments(&["--database", &db.address, "--workers", &pool, "--pool", &pool]);
        apps.push(processes.start("app", &start_app).await?);
    }
    let config = dir.join("nginx.conf");
    std::fs::write(&config, nginx_conf(&apps, dir, cpus.len()))
        .map_err(|e| Failure::start(format!("cannot write {}: {e}", config.display())))?;
    let proxy = processes.start("proxy", &arguments(&["-p", &text(dir), "-c", &text(&config)])).await?;
    let dns = processes.start("dns", &arguments(&["--address", ADDRESS])).await?;
    let port = proxy.address.rsplit_once(':').map_or("80", |(_, port)| port);
    let mut stack = Stack {
        schema: String::from("target-stack.up/1"),
        url: format!("http://{HOST}:{port}/"),
        resolver: dns.address.clone(),
        tiers: BTreeMap::new(),
        dir: dir.to_owned(),
        cpus,
        items: args.scale.counts().items,
    };
    let tiers: [(&str, Vec<Tier>); 4] =
        [("db", vec![db]), ("app", apps), ("proxy", vec![proxy]), ("dns", vec![dns])];
    stack.tiers.extend(tiers.map(|(name, tiers)| (name.to_owned(), tiers)));
    descriptor::announce(&stack)?;
    Err(processes.first_death().await)
}

/// The proxy's configuration, in nginx's own language.
fn nginx_conf(apps: &[Tier], dir: &Path, workers: usize) -> String {
    // In quotes, as a directory may have any name.
    let pid = dir.join("proxy.pid").display().to_string().replace('\\', r"\\").replace('"', r#"\""#);
    let servers: String = apps.iter().map(|app| format!("        server {};\n", app.address)).collect();
    format!(
        r#"worker_processes {workers};
daemon off;
pid "{pid}";

events {{
    worker_connections 8192;
}}

http {{
    access_log off;
    keepalive_requests 1000000;

    upstream app {{
{servers}        keepalive 64;
    }}

    server {{
        # A burst of new connections is not to wait for a repeated SYN.
        listen {ADDRESS}:0 backlog=4096;
        server_name {HOST};

        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}

        location = /stub_status {{
            stub_status;
        }}
    }}
}}
"#
    )
}

/// A directory of this stack's own. The database's files in it belong to another user, who has to get there.
fn make_dir(wanted: Option<&Path>) -> Outcome<PathBuf> {
    let refused = |dir: &Path, e: std::io::Error| {
        Failure::usage(format!("cannot make the directory {}: {e}; choose another with --dir", dir.display()))
    };
    let Some(dir) = wanted else {
        let base = std::env::temp_dir();
        let dir =
            base.join(format!("target-stack-{}-{:x}", std::process::id(), pace::wall_clock().subsec_nanos()));
        std::fs::DirBuilder::new().mode(0o755).create(&dir).map_err(|e| refused(&dir, e))?;
        return Ok(dir);
    };
    std::fs::create_dir_all(dir).map_err(|e| refused(dir, e))?;
    let empty = std::fs::read_dir(dir).map_err(|e| refused(dir, e))?.next().is_none();
    if !empty {
        return Err(Failure::usage(format!(
            "{} is not empty: a stack needs a directory of its own",
            dir.display()
        )));
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).map_err(|e| refused(dir, e))?;
    dir.canonicalize().map_err(|e| refused(dir, e))
}

/// Waits until it is asked to end, by the supervisor or by the supervisor's death, and removes the stack's directory
/// once the database has removed its own.
pub(crate) fn sweep(args: SweepArgs) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        descriptor::announce(&Tier {
            pid: std::process::id(),
            address: String::new(),
            metrics: String::new(),
        })?;
        signals::asked_to_end().await.map_err(|e| Failure::start(e.to_string()))?;
        for _ in 0..400 {
            if !args.dir.join("db").exists() {
                break;
            }
            pace::pause(Duration::from_millis(50)).await;
        }
        remove(&args.dir);
        Ok(())
    })
}

fn remove(dir: &Path) {
    // Whoever comes second finds nothing.
    let _ = std::fs::remove_dir_all(dir);
}
