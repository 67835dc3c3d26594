//! The main job: a command line in, a load, its record and pictures out. It finds the target (or starts the reference
//! one), has the plan carried out, and takes down again what it started, however the run ended.

use crate::cli::RunArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::plan::{Observe, Plan};
use crate::request::Requests;
use crate::run::{self, Aim};
use crate::target::Reference;
use crate::transport::raw::Address;
use crate::transport::resolve;
use crate::{limits, pace, show};
use http::Uri;
use reports::record::{Run, TargetKind};
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// Runs one load; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that cannot be reached, a host that does not let us.
pub(crate) fn run(args: RunArgs, begun: Instant) -> Outcome<Exit> {
    let output = Output::of(&args, begun);
    let plan = Plan::new(args)?;
    let dir = output.make_dir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::host(format!("cannot start: {e}")))?;
    let result =
        runtime.block_on(tokio::task::LocalSet::new().run_until(load(&plan, &output, dir.as_deref())));
    match result {
        Ok((run, note)) => {
            output.finish(&run, dir.as_deref(), note.as_deref())?;
            Ok(exit(&run))
        }
        Err(failure) => {
            // Nothing was recorded: what was made for it goes away again, unless something was there before.
            if let Some(dir) = dir {
                remove_if_empty(&dir.join(reports::store::LOG_FILE));
                let _ = std::fs::remove_dir(dir);
            }
            output.json.iter().for_each(|file| remove_if_empty(file));
            Err(failure)
        }
    }
}

fn remove_if_empty(file: &Path) {
    if std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() == 0) {
        let _ = std::fs::remove_file(file);
    }
}

/// The exit code that a finished run deserves: a dead target before an invalid run, before a failed threshold.
fn exit(run: &Run) -> Exit {
    match run {
        _ if run.died_at_s.is_some() => Exit::Target,
        _ if !run.verdict.valid => Exit::Invalid,
        _ if run.thresholds.iter().any(|threshold| !threshold.passed) => Exit::Failed,
        _ => Exit::Passed,
    }
}

/// Loads the given URL, or the reference target. Gives the record, and what a dead target said.
async fn load(plan: &Plan, output: &Output, dir: Option<&Path>) -> Outcome<(Run, Option<String>)> {
    match &plan.url {
        Some(url) => {
            let aim = given(plan, url).await?;
            Ok((carry_out(plan, &aim, output, dir).await?, None))
        }
        None => {
            let (cpus, target_cpus) = match &plan.cpus {
                None => limits::share_with_target(&limits::allowed_cpus()),
                Some(cpus) => (cpus.clone(), others(cpus)),
            };
            output.say("starting the reference target: DNS zone, proxy, app server, private MariaDB");
            let mut target = start(&target_cpus).await?;
            let run = match reference(plan, &target, cpus).await {
                Ok(aim) => carry_out(plan, &aim, output, dir).await,
                Err(failure) => Err(failure),
            };
            let note = target.died().await;
            target.stop().await;
            Ok((run?, note))
        }
    }
}

/// Starts the reference target, unless the user thinks better of it.
async fn start(cpus: &[usize]) -> Outcome<Reference> {
    let stopped = || Failure::target("stopped before the reference target had started");
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Failure::host(e.to_string()))?;
    tokio::select! {
        target = Reference::start(cpus) => target,
        _ = tokio::signal::ctrl_c() => Err(stopped()),
        _ = terminate.recv() => Err(stopped()),
    }
}

async fn carry_out(plan: &Plan, aim: &Aim, output: &Output, dir: Option<&Path>) -> Outcome<Run> {
    run::reach(aim).await?;
    let log = dir.map(begin_record).transpose()?;
    output.say(&format!("loading {}: {}", aim.url, aim.what));
    limits::pin(&aim.cpus)?;
    run::carry_out(plan, aim, log, output.progress, output.command.clone(), output.begun).await
}

/// Begins a record in `dir`, in place of any that is there.
fn begin_record(dir: &Path) -> Outcome<File> {
    let _ = std::fs::remove_file(dir.join(reports::store::RUN_FILE));
    let path = dir.join(reports::store::LOG_FILE);
    File::create(&path).map_err(|e| Failure::usage(format!("cannot write {}: {e}", path.display())))
}

/// The CPUs that this process may use, without `cpus`; with none left over, all of them.
fn others(cpus: &[usize]) -> Vec<usize> {
    let allowed = limits::allowed_cpus();
    let others: Vec<usize> = allowed.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
    if others.is_empty() { allowed } else { others }
}

async fn given(plan: &Plan, url: &Uri) -> Outcome<Aim> {
    let address = resolve::resolve(url, &plan.route).await?;
    let local = match &address {
        Address::Tcp(all) => all.iter().all(|address| address.ip().is_loopback()),
        Address::Unix(_) => true,
    };
    let allowed = limits::allowed_cpus();
    // A target on this machine needs CPUs too; one elsewhere leaves all of them to the generator.
    let cpus = match &plan.cpus {
        Some(cpus) => cpus.clone(),
        None if local => limits::share_with_target(&allowed).0,
        None => allowed,
    };
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok(Aim {
        url: url.clone(),
        kind: TargetKind::Given,
        what: format!("{} {target}", plan.template.method),
        address,
        requests: Arc::new(Requests::encode(&plan.template, url, [target.as_str()], plan.seed)?),
        observe: plan.observe.clone(),
        target_cpus: Vec::new(),
        threads: plan.threads.unwrap_or(cpus.len()),
        cpus,
    })
}

async fn reference(plan: &Plan, target: &Reference, cpus: Vec<usize>) -> Outcome<Aim> {
    let descriptor = &target.descriptor;
    let url: Uri = descriptor
        .url
        .parse()
        .map_err(|_| Failure::target(format!("the descriptor's URL cannot be read: {}", descriptor.url)))?;
    let address = match (descriptor.resolver, target.proxy_address()) {
        (Some(resolver), _) => {
            let route = crate::plan::Route { resolver: Some(resolver), ..Default::default() };
            resolve::resolve(&url, &route).await?
        }
        (None, Some(address)) => Address::Tcp(vec![address]),
        (None, None) => {
            return Err(Failure::target("the descriptor names neither a resolver nor a proxy's address"));
        }
    };
    let tiers = descriptor.tiers.iter().flat_map(|(name, tiers)| tiers.iter().map(move |tier| (name, tier)));
    let endpoints =
        tiers.filter_map(|(name, tier)| Some(Observe { name: name.clone(), url: tier.metrics.clone()? }));
    let pages = target.product_pages();
    Ok(Aim {
        kind: TargetKind::Reference,
        what: Reference::WHAT.to_owned(),
        address,
        requests: Arc::new(Requests::encode(
            &plan.template,
            &url,
            pages.iter().map(String::as_str),
            plan.seed,
        )?),
        observe: if plan.observe.is_empty() { endpoints.collect() } else { plan.observe.clone() },
        target_cpus: descriptor.cpus.clone(),
        threads: plan.threads.unwrap_or(cpus.len()),
        cpus,
        url,
    })
}

/// Where what a run has to say goes.
#[derive(Debug)]
struct Output {
    out: Option<PathBuf>,
    json: Option<PathBuf>,
    pictures: bool,
    quiet: bool,
    progress: bool,
    command: Vec<String>,
    begun: Instant,
}

impl Output {
    fn of(args: &RunArgs, begun: Instant) -> Self {
        let now = crate::record::timestamp(pace::wall_clock());
        let default = PathBuf::from(format!("reports/runs/{}-run", now.strftime("%Y%m%dT%H%M%SZ")));
        Self {
            out: match (&args.out, args.no_report) {
                (Some(dir), _) => Some(dir.clone()),
                (None, true) => None,
                (None, false) => Some(unused(default)),
            },
            json: args.json.clone(),
            pictures: !args.no_report,
            quiet: args.quiet,
            progress: !args.quiet && !args.no_progress && std::io::stderr().is_terminal(),
            command: std::iter::once(String::from("loadgen")).chain(std::env::args().skip(1)).collect(),
            begun,
        }
    }

    /// Makes the directory of the record, and makes sure that all that is to be written can be.
    fn make_dir(&self) -> Outcome<Option<PathBuf>> {
        if let Some(file) = self.json.as_ref().filter(|file| file.as_os_str() != "-") {
            let open = File::options().create(true).append(true).open(file);
            open.map_err(|e| Failure::usage(format!("cannot write {}: {e}", file.display())))?;
        }
        let Some(dir) = &self.out else { return Ok(None) };
        let refused = |e: std::io::Error| {
            Failure::usage(format!("cannot write to {}: {e}; say where with --out DIR", dir.display()))
        };
        std::fs::create_dir_all(dir).map_err(refused)?;
        let log = dir.join(reports::store::LOG_FILE);
        File::options().create(true).append(true).open(log).map_err(refused)?;
        Ok(Some(dir.clone()))
    }

    /// A line for the person who waits.
    fn say(&self, text: &str) {
        if !self.quiet {
            show::note(text);
        }
    }

    /// Writes the record, draws the pictures, prints the summary.
    fn finish(&self, run: &Run, dir: Option<&Path>, note: Option<&str>) -> Outcome {
        let mut lines = Vec::new();
        if let Some(dir) = dir {
            let lost =
                |e: String| Failure::host(format!("the record in {} is incomplete: {e}", dir.display()));
            let saved = reports::store::save(dir, run).map_err(|e| lost(e.to_string()));
            let drawn = saved
                .and_then(|()| if self.pictures { show::draw(dir).map_err(lost) } else { Ok(Vec::new()) });
            match drawn {
                Ok(pictures) => {
                    lines.push(format!("record    {}", dir.join(reports::store::RUN_FILE).display()));
                    lines.extend(pictures.iter().map(|picture| format!("picture   {}", picture.display())));
                }
                Err(failure) => {
                    self.summary(run, note, &lines)?;
                    return Err(failure);
                }
            }
        }
        self.summary(run, note, &lines)
    }

    fn summary(&self, run: &Run, note: Option<&str>, lines: &[String]) -> Outcome {
        if let Some(file) = &self.json {
            show::json(run, file)?;
        }
        if !self.quiet {
            let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
            show::summary(run, note, lines, beside_json);
        }
        Ok(())
    }
}

/// `dir`, or with a number behind it when another run of the same second has it.
fn unused(dir: PathBuf) -> PathBuf {
    let name = dir.display().to_string();
    let numbered = (2..1000).map(|n| PathBuf::from(format!("{name}-{n}")));
    std::iter::once(dir.clone()).chain(numbered).find(|dir| !dir.exists()).unwrap_or(dir)
}
