//! From what the threads counted to the run's record: the sums, the rates, the distributions, the thresholds and the
//! verdict. Pure arithmetic; the clock has been read and the sockets are closed.

use crate::aggregate::Whole;
use crate::digest;
use crate::entries::Entry;
use crate::limits;
use crate::observe::Observed;
use crate::plan::Plan;
use crate::run::Aim;
use crate::scenario;
use crate::schedule::Arrivals;
use crate::shard::{self, Share};
use crate::tally::Tally;
use crate::work::What;
use jiff::Timestamp;
use reports::analyse::interval::distribution;
use reports::analyse::steady::steady;
use reports::analyse::verdict::{HostFindings, Network, verdict};
use reports::histogram::Histogram;
use reports::number::seconds;
use reports::outcome::{Counts, ErrorKind};
use reports::record::{
    Clock, Dns, Generator, Head, Host, Interaction, Loop, RUN_SCHEMA, Rates, Run, Shard, Step, Target,
    Verdict, Wire,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a run beside what its threads counted.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Since 1970: the first intended instant, warm-up included.
    pub(crate) began_at: Duration,
    /// Since 1970: the beginning of the measured part.
    pub(crate) started_at: Duration,
    /// From the program's start to the first intended instant.
    pub(crate) startup: Duration,
    /// When the run was cut short, in nanoseconds after its start.
    pub(crate) partial_ns: Option<u64>,
    /// When the load was ended by design before its plan was, in nanoseconds after its start.
    pub(crate) cut_ns: Option<u64>,
    /// CPU time of the whole process over the measured part.
    pub(crate) process_cpu: Duration,
    /// The share of the generator's CPUs that the hypervisor took.
    pub(crate) steal_share: f64,
    /// What this host's TCP counted over the measured part.
    pub(crate) network: Network,
    /// The most connections that were open at once.
    pub(crate) connections_max: u64,
    /// When the target stopped answering for good, in nanoseconds after the start.
    pub(crate) died_ns: Option<u64>,
    /// What name servers were asked.
    pub(crate) dns: Option<Dns>,
    /// Why the interval log is incomplete.
    pub(crate) log_error: Option<String>,
    /// What the tiers and the machine said of themselves.
    pub(crate) observed: Observed,
    /// The command line.
    pub(crate) command: Vec<String>,
    /// Whose clock said when an answer came: `kernel` or `process`.
    pub(crate) receive_clock: &'static str,
    /// How requests went out.
    pub(crate) wire: Wire,
}

/// The record of a run.
pub(crate) fn of(plan: &Plan, aim: &Aim, facts: Facts, tally: Tally, whole: Whole) -> Run {
    let Whole { totals, blocks, timeline } = whole;
    let began_at = facts.began_at;
    let warmup_s = plan.warmup().as_secs_f64();
    let duration_s = match facts.partial_ns.or(facts.cut_ns) {
        Some(ns) => (ns as f64 / 1e9 - warmup_s).clamp(0.0, plan.measured().as_secs_f64()),
        None => plan.measured().as_secs_f64(),
    };
    let mut counts = Counts::default();
    let counted = plan.steps.iter().zip(&tally.steps).filter(|(step, _)| step.counted);
    counted.for_each(|(_, step)| counts += step);
    let per_second = |n: u64| if duration_s > 0.0 { n as f64 / duration_s } else { 0.0 };
    let findings = findings(aim, &facts, &tally, duration_s);
    let cpu_s = facts.process_cpu.as_secs_f64();
    let mut run = Run {
        schema: RUN_SCHEMA.to_owned(),
        partial: facts.partial_ns.is_some(),
        seed: plan.seed,
        command: facts.command,
        started_at: timestamp(facts.started_at).to_string(),
        target: Target {
            url: aim.url.to_string(),
            kind: aim.kind,
            what: aim.what.clone(),
            cpus: aim.target_cpus.clone(),
            emulated: aim.emulated.clone(),
            versions: aim.versions.clone(),
        },
        load_loop: if plan.open { Loop::Open } else { Loop::Closed },
        arrivals: match plan.arrivals {
            Arrivals::Even => "even".to_owned(),
            Arrivals::Poisson => "poisson".to_owned(),
        },
        duration_s,
        connections_max: facts.connections_max,
        rps: Rates {
            planned: per_second(counts.planned),
            sent: per_second(tally.sent_in_time),
            ok: per_second(tally.ok_in_time),
        },
        planned: counts.planned,
        sent: counts.sent,
        ok: counts.ok,
        dropped: counts.dropped,
        unfinished: counts.unfinished,
        errors: counts.errors,
        status: counts.status,
        response_ms: blocks.distribution(&totals.response, duration_s),
        service_ms: distribution(&totals.service),
        send_lag_ms: distribution(&totals.send_lag),
        ok_response_ms: distribution(&totals.ok_response),
        bytes: tally.bytes,
        generator: Generator {
            cpu_s,
            cpu_us_per_request: if tally.sent_in_time > 0 {
                cpu_s * 1e6 / tally.sent_in_time as f64
            } else {
                0.0
            },
            cpu_share_max: if duration_s > 0.0 {
                (tally.cpu.as_secs_f64() / duration_s).min(1.0)
            } else {
                0.0
            },
            threads: aim.threads,
            max_rss_bytes: limits::max_rss_bytes(),
            startup_s: facts.startup.as_secs_f64(),
            cpus: aim.cpus.clone(),
            receive_clock: facts.receive_clock.to_owned(),
            late_p50_ms: late_ms(&tally.lateness, 0.5),
            late_p99_ms: late_ms(&tally.lateness, 0.99),
        },
        observed: facts.observed.tiers,
        thresholds: Vec::new(),
        verdict: Verdict::default(),
        died_at_s: facts.died_ns.map(|ns| ns as f64 / 1e9 - warmup_s),
        interactions: interactions(&aim.load, tally.entries.all(), counts.planned),
        sessions: (tally.sessions.begun > 0).then_some(tally.sessions),
        steady: None,
        arrival_stream: tally.gaps.test(),
        steps: plan
            .steps
            .iter()
            .zip(tally.steps)
            .map(|(step, counts)| self::step(step, plan.share(), counts))
            .collect(),
        timeline,
        host: host(),
        dns: facts.dns,
        wire: facts.wire,
        load_digest: digest::of(plan, &aim.what),
        shard: of_several(plan, facts.began_at),
        shards: Vec::new(),
        machine: facts.observed.machine,
        telemetry: facts.observed.telemetry,
    };
    run.steady = Some(steady(&run));
    run.thresholds = plan.thresholds.iter().map(|threshold| threshold.judge(&run)).collect();
    let resolution_ms = plan.resolution.map(|time| time.as_secs_f64() * 1e3);
    run.verdict = verdict(&run, &findings, resolution_ms);
    run.verdict.reasons.extend(run.telemetry.notes.iter().cloned());
    if let Some(at) = plan.start_at.filter(|at| shard::is_late(*at, began_at)) {
        run.verdict.valid = false;
        let late_s = began_at.as_secs_f64() - at.as_nanosecond() as f64 / 1e9;
        run.verdict.reasons.insert(0, format!("it began {} after --start-at", seconds(late_s)));
    }
    add_notes(&mut run, &tally.first_errors, tally.not_begun.as_ref(), facts.log_error.as_deref());
    run
}

/// Which share of a load it is, where it was asked for as one: of a single machine it is all of it, and can be merged all the same.
fn of_several(plan: &Plan, began_at: Duration) -> Option<Shard> {
    let Share { index, of } = plan.shard?;
    Some(Shard {
        index: index + 1,
        of,
        start_at: plan.start_at.map(|at| at.to_string()),
        began_unix_s: began_at.as_secs_f64(),
        // Whoever keeps it is asked when all has been sent.
        clock: Clock::default(),
        machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    })
}

/// What the generator found out about itself and its host.
fn findings(aim: &Aim, facts: &Facts, tally: &Tally, duration_s: f64) -> HostFindings {
    let share = |ns: u64| if duration_s > 0.0 { ns as f64 / 1e9 / duration_s } else { 0.0 };
    HostFindings {
        out_of_descriptors: tally.out_of_descriptors,
        out_of_ports: tally.out_of_ports,
        steal_share: facts.steal_share,
        wakeup_lag_p99_ms: late_ms(&tally.lateness, 0.99).unwrap_or(0.0),
        connect_limited: tally.saturated,
        slow_connects: tally.slow_connects * 100 > tally.steps.iter().map(|step| step.planned).sum(),
        never_sent: tally.never_sent,
        starved_share: share(tally.starved),
        network: facts.network,
        local_target: aim.is_local(),
        stalled_share: share(tally.stalled),
    }
}

/// A quantile of what is in nanoseconds, in milliseconds.
fn late_ms(lateness: &Histogram, quantile: f64) -> Option<f64> {
    (!lateness.is_empty()).then(|| lateness.quantile(quantile) as f64 / 1e6)
}

/// What a reader has to know beside the verdict; a log that is incomplete makes the run invalid.
fn add_notes(
    run: &mut Run,
    first_errors: &[(ErrorKind, String)],
    not_begun: Option<&(u64, String)>,
    log_error: Option<&str>,
) {
    if run.wire.transport == "reqwest" {
        run.verdict.reasons.push("bytes are not known: reqwest does not count them".to_owned());
    }
    for (kind, why) in first_errors {
        run.verdict.reasons.push(format!("the first error of kind {}: {why}", kind.name()));
    }
    if let Some((sessions, why)) = not_begun {
        run.verdict.reasons.push(format!("{sessions} sessions were not begun: {why}"));
    }
    if let Some(error) = log_error {
        run.verdict.valid = false;
        run.verdict.reasons.insert(0, format!("the interval log could not be written: {error}"));
    }
}

/// A time since 1970 as a point in time.
pub(crate) fn timestamp(since_1970: Duration) -> Timestamp {
    let ms = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

fn interactions(load: &What, entries: &[Entry], planned: u64) -> Vec<Interaction> {
    let What::Script(script) = load else { return Vec::new() };
    let interaction = |(name, entry): (&scenario::Entry, &Entry)| {
        let counts = &entry.counts;
        let mut failed_checks = BTreeMap::new();
        for (failed, times) in &entry.failed_checks {
            *failed_checks.entry(script.describe(*failed)).or_default() += times;
        }
        Interaction {
            name: name.interaction.clone(),
            step: if name.step == name.interaction { String::new() } else { name.step.clone() },
            planned: counts.planned,
            sent: counts.sent,
            ok: counts.ok,
            errors: counts.errors,
            dropped: counts.dropped,
            unfinished: counts.unfinished,
            share_planned: counts.planned as f64 / planned.max(1) as f64,
            response_ms: distribution(&entry.response),
            failed_checks,
        }
    };
    script.entries().iter().zip(entries).map(interaction).collect()
}

/// A step with the rates of this machine's share.
fn step(step: &crate::schedule::Step, share: Share, counts: Counts) -> Step {
    Step {
        duration_s: step.length.as_secs_f64(),
        from_rps: step.from.rps() / f64::from(share.of),
        to_rps: step.to.rps() / f64::from(share.of),
        counted: step.counted,
        counts,
    }
}

/// The head of an experiment's record that was begun at `started_at`, since 1970, by a generator on `cpus`.
pub(crate) fn head(seed: u64, started_at: Duration, cpus: &[usize]) -> Head {
    Head {
        seed,
        command: command(),
        started_at: timestamp(started_at).to_string(),
        cpus: cpus.to_vec(),
        host: host(),
    }
}

/// This command line.
pub(crate) fn command() -> Vec<String> {
    std::iter::once(String::from("loadgen")).chain(std::env::args().skip(1)).collect()
}

/// This machine, and this program's version.
pub(crate) fn host() -> Host {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    Host {
        cpu: model.trim_start_matches([' ', '\t', ':']).to_owned(),
        cpus: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("LOADGEN_COMMIT").to_owned(),
    }
}
