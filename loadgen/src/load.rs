//! The main job: a command line in, a load, its record and pictures out. It finds the target (or starts the reference
//! one), has the plan carried out, and takes down again what it started, however the run ended.

use crate::cli::{self, Cli, RunArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::plan::{Observe, Plan, Route};
use crate::request::{self, Requests};
use crate::run::{self, Aim, Manner};
use crate::scenario::script::Script;
use crate::signals::Signals;
use crate::target::Reference;
use crate::transport::address::Address;
use crate::transport::names::Names;
use crate::transport::resolve;
use crate::work::What;
use crate::{limits, pace};
use clap::Parser;
use http::Uri;
use reports::record::{Run, TargetKind, Wire};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Runs one load; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that cannot be reached, a host that does not let us.
pub(crate) fn run(args: RunArgs, begun: Instant) -> Outcome<Exit> {
    let mut output = Output::of(&args, begun);
    let plan = Plan::new(args)?;
    output.prepare()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::host(format!("cannot start: {e}")))?;
    match runtime.block_on(tokio::task::LocalSet::new().run_until(load(&plan, &output))) {
        Ok((run, note)) => {
            output.finish(&run, note.as_deref())?;
            Ok(exit(&run))
        }
        Err(failure) => {
            output.unmake();
            Err(failure)
        }
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
async fn load(plan: &Plan, output: &Output) -> Outcome<(Run, Option<String>)> {
    let mut signals = Signals::listen()?;
    if let Some(url) = &plan.url {
        let aim = unless_asked(&mut signals, given(plan, url)).await?;
        return Ok((carry_out(plan, &aim, output, &mut signals).await?, None));
    }
    let (cpus, target_cpus) = match &plan.cpus {
        None => limits::share_with_target(&limits::allowed_cpus()),
        Some(cpus) => (cpus.clone(), others(cpus)),
    };
    output.say("starting the reference target: DNS zone, proxy, app server, private MariaDB");
    let mut target = Reference::start(&target_cpus)?;
    let run = match unless_asked(&mut signals, reference(plan, &mut target, cpus)).await {
        Ok(aim) => carry_out(plan, &aim, output, &mut signals).await,
        Err(failure) => Err(failure),
    };
    let note = target.died().await;
    target.stop().await;
    Ok((run?, note))
}

/// What `work` gives, unless the user thinks better of it.
async fn unless_asked<T>(signals: &mut Signals, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        result = work => result,
        () = signals.asked() => Err(Failure::host("stopped before the load had begun")),
    }
}

async fn carry_out(plan: &Plan, aim: &Aim, output: &Output, signals: &mut Signals) -> Outcome<Run> {
    let wire = unless_asked(signals, run::reach(plan, aim)).await?;
    let command = std::iter::once(String::from("loadgen")).chain(std::env::args().skip(1)).collect();
    let how = match &wire.tls {
        None if wire.transport == "raw" => String::new(),
        tls => format!(
            " by {}, {}{}",
            wire.transport,
            wire.protocol,
            tls.iter().map(|tls| format!(", {tls}")).collect::<String>()
        ),
    };
    let manner = output.begin(command, wire)?;
    output.say(&format!("loading {}: {}{how}", aim.url, aim.what));
    limits::pin(&aim.cpus)?;
    run::carry_out(plan, aim, signals, manner).await
}

/// Where the runs of an experiment are aimed.
#[derive(Debug)]
pub(crate) struct Site {
    /// Addresses of the one target, which new connections use in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    /// In words, what is being loaded.
    pub(crate) what: &'static str,
    /// The CPUs of the target.
    pub(crate) target_cpus: Vec<usize>,
    /// The CPUs of the sending threads, one thread each.
    pub(crate) cpus: Vec<usize>,
    /// Threads of this process that are not the generator's.
    pub(crate) not_ours: Vec<i32>,
}

/// One run of an experiment: with the options of one load, which name no URL, aimed at `site`. It keeps no record and
/// shows nothing; must be called within a `LocalSet`.
///
/// # Errors
/// Wrong use in the options; the host's fault: threads that cannot be started.
pub(crate) async fn once(options: &str, site: &Site, signals: &mut Signals) -> Outcome<Run> {
    let address = site.addresses.first().map(SocketAddr::to_string).unwrap_or_default();
    let url = format!("http://{address}/");
    let words = std::iter::once("loadgen").chain(options.split_whitespace()).chain([url.as_str()]);
    let command: Vec<String> = words.map(str::to_owned).collect();
    let cli = Cli::try_parse_from(&command).map_err(|e| Failure::usage(cli::one_line(&e)))?;
    let plan = Plan::new(cli.run)?;
    let url: Uri = url.parse().map_err(|_| Failure::usage(format!("`{url}` is no URL")))?;
    let aim = Aim {
        kind: TargetKind::Given,
        what: site.what.to_owned(),
        address: Address::Tcp(Names::fixed(site.addresses.clone())),
        load: What::Requests(Arc::new(Requests::encode(&plan.template, &url, ["/"], plan.seed)?)),
        observe: Vec::new(),
        target_cpus: site.target_cpus.clone(),
        threads: threads(&plan, &site.cpus),
        not_ours: site.not_ours.clone(),
        cpus: site.cpus.clone(),
        url,
    };
    let manner = Manner {
        log: None,
        referee: None,
        visible: false,
        exporter: None,
        wire: Wire::default(),
        command,
        begun: pace::now(),
    };
    run::carry_out(&plan, &aim, signals, manner).await
}

/// The CPUs that this process may use, without `cpus`; with none left over, all of them.
pub(crate) fn others(cpus: &[usize]) -> Vec<usize> {
    let allowed = limits::allowed_cpus();
    let others: Vec<usize> = allowed.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
    if others.is_empty() { allowed } else { others }
}

/// One thread for each CPU, unless told otherwise, but never one without a connection.
fn threads(plan: &Plan, cpus: &[usize]) -> usize {
    plan.threads.unwrap_or(cpus.len()).min(plan.connections)
}

/// What is sent to the host of `url`: the scenario, or requests to `targets`.
fn what<'a>(plan: &Plan, url: &Uri, targets: impl IntoIterator<Item = &'a str>) -> Outcome<What> {
    Ok(match &plan.scenario {
        None => What::Requests(Arc::new(Requests::encode(&plan.template, url, targets, plan.seed)?)),
        Some(scenario) => {
            let host = request::host(url)?;
            let script = Script::new(Arc::clone(scenario), host, &plan.template.headers, plan.seed);
            What::Script(Arc::new(script))
        }
    })
}

/// A scenario in words.
fn in_words(plan: &Plan) -> Option<String> {
    let entries = plan.scenario.as_ref()?.entries();
    let kinds = match entries.len() {
        1 => String::from("one kind of request"),
        n => format!("{n} kinds of request"),
    };
    Some(match plan.users() {
        Some(1) => format!("a scenario of {kinds}, 1 user"),
        Some(users) => format!("a scenario of {kinds}, {users} users"),
        None => format!("a scenario of {kinds}"),
    })
}

async fn given(plan: &Plan, url: &Uri) -> Outcome<Aim> {
    let proxy = plan.client.as_ref().and_then(|client| client.proxy());
    let address = resolve::resolve(proxy.unwrap_or(url), &plan.route).await?;
    let local = run::is_local(&address);
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
        what: in_words(plan).unwrap_or_else(|| format!("{} {target}", plan.template.method)),
        address,
        load: what(plan, url, [target.as_str()])?,
        observe: plan.observe.clone(),
        target_cpus: Vec::new(),
        threads: threads(plan, &cpus),
        not_ours: Vec::new(),
        cpus,
    })
}

async fn reference(plan: &Plan, target: &mut Reference, cpus: Vec<usize>) -> Outcome<Aim> {
    let descriptor = target.ready().await?;
    let url: Uri = descriptor
        .url
        .parse()
        .map_err(|_| Failure::target(format!("the descriptor's URL cannot be read: {}", descriptor.url)))?;
    let address = match (descriptor.resolver, descriptor.proxy_address()) {
        (Some(resolver), _) => {
            let route = Route { resolver: Some(resolver), ..Default::default() };
            resolve::resolve(&url, &route).await?
        }
        (None, Some(address)) => Address::Tcp(Names::fixed(vec![address])),
        (None, None) => {
            return Err(Failure::target("the descriptor names neither a resolver nor a proxy's address"));
        }
    };
    let tiers = descriptor.tiers.iter().flat_map(|(name, tiers)| tiers.iter().map(move |tier| (name, tier)));
    let endpoints =
        tiers.filter_map(|(name, tier)| Some(Observe { name: name.clone(), url: tier.metrics.clone()? }));
    let pages = descriptor.product_pages();
    Ok(Aim {
        kind: TargetKind::Reference,
        what: in_words(plan).unwrap_or_else(|| Reference::WHAT.to_owned()),
        address,
        load: what(plan, &url, pages.iter().map(String::as_str))?,
        observe: if plan.observe.is_empty() { endpoints.collect() } else { plan.observe.clone() },
        target_cpus: descriptor.cpus.clone(),
        threads: threads(plan, &cpus),
        not_ours: Vec::new(),
        cpus,
        url,
    })
}
