//! The main job: a command line in, a load, its record and pictures out. It finds the target (or starts the reference
//! one), has the plan carried out, and takes down again what it started, however the run ended.

use crate::cli::{self, Cli, RunArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::plan::Plan;
use crate::request::Requests;
use crate::run::{self, Aim, Manner};
use crate::signals::Signals;
use crate::target::Reference;
use crate::transport::address::Address;
use crate::transport::names::Names;
use crate::work::What;
use crate::{aim, limits, observe, pace, record, shard};
use clap::Parser;
use http::Uri;
use reports::number::seconds;
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
pub(crate) fn exit(run: &Run) -> Exit {
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
        let aim = unless_asked(&mut signals, aim::given(plan, url)).await?;
        return Ok((carry_out(plan, &aim, output, &mut signals).await?, None));
    }
    let (cpus, target_cpus) = aim::shares(plan);
    output.say(&format!("starting {}", Reference::in_words(plan.target_proxy)));
    let mut target = Reference::start(&target_cpus, plan.target_proxy, &[])?;
    let aim = async { aim::reference(plan, &target.ready().await?, cpus).await };
    let run = match unless_asked(&mut signals, aim).await {
        Ok(aim) => carry_out(plan, &aim, output, &mut signals).await,
        Err(failure) => Err(failure),
    };
    let note = target.died().await;
    target.stop().await;
    Ok((run?, note))
}

/// What `work` gives, unless the user thinks better of it.
pub(crate) async fn unless_asked<T>(
    signals: &mut Signals,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    tokio::select! {
        result = work => result,
        () = signals.asked() => Err(Failure::host("stopped before the load had begun")),
    }
}

async fn carry_out(plan: &Plan, aim: &Aim, output: &Output, signals: &mut Signals) -> Outcome<Run> {
    let wire = unless_asked(signals, run::reach(plan, aim)).await?;
    let how = match &wire.tls {
        None if wire.transport == "raw" => String::new(),
        tls => format!(
            " by {}, {}{}",
            wire.transport,
            wire.protocol,
            tls.iter().map(|tls| format!(", {tls}")).collect::<String>()
        ),
    };
    for silent in observe::unreadable(&aim.observe).await {
        output.say(&silent);
    }
    if let Some(at) = plan.start_at {
        let left = seconds(shard::until(at)?.as_secs_f64());
        output.say(&format!("waiting for {at}, in {left}"));
        // Until then there is nothing to take the place of an older record.
        if !shard::approach(at, signals).await? {
            return Err(Failure::host("stopped before the load had begun"));
        }
    }
    let share = plan.shard.filter(|share| share.of > 1);
    if share.is_some() && plan.start_at.is_none() {
        output.say("this shard begins at once, without --start-at, which has all of them begin together");
    }
    let manner = output.begin(record::command(), wire)?;
    let part = share.map_or_else(String::new, |share| format!(", shard {} of {}", share.index + 1, share.of));
    output.say(&format!("loading {}: {}{how}{part}", aim.url, aim.what));
    limits::pin(&aim.cpus)?;
    let mut run = run::carry_out(plan, aim, signals, manner).await?;
    if let Some(shard) = &mut run.shard {
        shard.clock = shard::clock().await;
    }
    Ok(run)
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
    let cli = Cli::try_parse_from(&command).map_err(|e| Failure::usage(cli::one_line(&e, &command)))?;
    let plan = Plan::new(cli.run)?;
    let url: Uri = url.parse().map_err(|_| Failure::usage(format!("`{url}` is no URL")))?;
    let aim = Aim {
        kind: TargetKind::Given,
        what: site.what.to_owned(),
        address: Address::Tcp(Names::fixed(site.addresses.clone())),
        load: What::Requests(Arc::new(Requests::encode(&plan.template, &url, ["/"], plan.seed)?)),
        observe: Vec::new(),
        target_cpus: site.target_cpus.clone(),
        emulated: Vec::new(),
        versions: [].into(),
        threads: aim::threads(&plan, &site.cpus),
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
        deadline: None,
    };
    run::carry_out(&plan, &aim, signals, manner).await
}
