//! `loadgen spof` and `loadgen maintenance`: the same load several times, in each of which something is done to the target. What is
//! done is theirs; how a trial is made, kept and compared is here.

mod deed;
mod heard;
mod maintenance;
mod probe;
mod spof;
mod trial;

use super::carry_out::find;
use crate::cli::{Cli, LessonArgs, LoadArgs, MaintenanceArgs, SpofArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::signals::Signals;
use crate::units::Rate;
use crate::{aim, limits, pace, record};
use clap::Parser;
use reports::analyse::lesson::{conclude, felt};
use reports::lesson::{Lesson, MAINTENANCE_SCHEMA, SPOF_SCHEMA};
use reports::number::capital;
use reports::record::Verdict;
use reports::store::lesson_file;
use std::time::{Duration, Instant};
use trial::{Ended, Setup, Terms};

/// Enough for what is in flight when a website hangs for as long as a request waits, and not so many that opening them is the load.
const CONNECTIONS: usize = 512;

/// Kills parts; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that does not start, a host that does not let us.
pub(crate) fn spof(args: &SpofArgs, begun: Instant) -> Outcome<Exit> {
    let setups = spof::setups(args)?;
    let scenario = args.common.url.is_none().then_some(spof::SCENARIO);
    let terms = terms(&args.common, scenario, args.rps, args.duration)?;
    carry_out(("spof", SPOF_SCHEMA), &args.common, &setups, &terms, begun)
}

/// Changes the website; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that does not start, a host that does not let us.
pub(crate) fn maintenance(args: &MaintenanceArgs, begun: Instant) -> Outcome<Exit> {
    let setups = maintenance::setups(args)?;
    let terms = terms(&args.common, None, args.rps, args.duration)?;
    carry_out(("maintenance", MAINTENANCE_SCHEMA), &args.common, &setups, &terms, begun)
}

fn terms(common: &LessonArgs, scenario: Option<&'static str>, rps: Rate, length: Duration) -> Outcome<Terms> {
    let seed = common.seed.to_string();
    let words = ["loadgen", "--seed", &seed].into_iter().chain(common.url.as_deref());
    let cli = Cli::try_parse_from(words).map_err(|e| Failure::usage(e.to_string()))?;
    let (cpus, target_cpus) = match &common.cpus {
        None => limits::share_with_target(&limits::allowed_cpus()),
        Some(cpus) => {
            limits::check_cpus(&cpus.0)?;
            (cpus.0.clone(), aim::others(&cpus.0))
        }
    };
    let load = LoadArgs {
        own_scenario: scenario,
        own_connections: Some(CONNECTIONS),
        timeout: common.timeout,
        cpus: common.cpus.clone(),
        ..cli.run.load
    };
    Ok(Terms { load, rps, length, limit: common.limit, proxy: common.target_proxy, cpus, target_cpus })
}

fn carry_out(
    (name, schema): (&str, &str),
    common: &LessonArgs,
    setups: &[Setup],
    terms: &Terms,
    begun: Instant,
) -> Outcome<Exit> {
    let output = Output::of_experiment(name, lesson_file(schema), &common.result, begun);
    let found = blank(schema, common, terms);
    find(output, async |output| trials(found, common, setups, terms, output).await)
}

/// All trials, one after the other; beside them what stopped them early.
async fn trials(
    mut found: Lesson,
    common: &LessonArgs,
    setups: &[Setup],
    terms: &Terms,
    output: &Output,
) -> Outcome<(Lesson, Option<Failure>)> {
    let mut signals = Signals::listen()?;
    let begun = pace::now();
    let trial_s = terms.length.as_secs_f64() + AROUND_S;
    output.status.counts(begun, 0.0, setups.len() as f64 * trial_s);
    let mut stopped = None;
    for setup in setups {
        let setup = Setup { options: options(common, setup), ..setup.clone() };
        match trial::make(&setup, terms, output, &mut signals).await {
            Ok(Some(ended)) => take(&mut found, ended),
            Ok(None) => found.partial = true,
            Err(failure) if found.trials.is_empty() => return Err(failure),
            Err(failure) => {
                found.partial = true;
                stopped = Some(failure);
            }
        }
        found.duration_s = (pace::now() - begun).as_secs_f64();
        conclude(&mut found);
        if found.partial {
            break;
        }
        if let Some(last) = found.trials.last() {
            output.say(&format!("{}: {}", capital(&last.name), felt(last)));
        }
        // What was concluded of fewer trials is no verdict.
        let so_far = Lesson { partial: true, verdict: Verdict::default(), ..found.clone() };
        output.keep_found(&so_far)?;
    }
    conclude(&mut found);
    Ok((found, stopped))
}

/// Starting a stack and ending it takes about so long, in seconds.
const AROUND_S: f64 = 2.5;

/// Of `target-stack up`, for a trial: a stack that goes on whatever is killed of it.
fn options(common: &LessonArgs, setup: &Setup) -> Vec<String> {
    let always = ["--on-death", "stay", "--scale", &common.scale];
    always.into_iter().map(str::to_owned).chain(setup.options.iter().cloned()).collect()
}

/// Takes a trial, unless it was cut short.
fn take(found: &mut Lesson, ended: Ended) {
    let Ended { trial, target, emulated, partial, .. } = ended;
    found.partial |= partial;
    found.target = target;
    for said in emulated {
        if !found.emulated.contains(&said) {
            found.emulated.push(said);
        }
    }
    if !partial {
        found.trials.push(trial);
    }
}

/// The record of an experiment that has not begun.
fn blank(schema: &str, common: &LessonArgs, terms: &Terms) -> Lesson {
    Lesson {
        schema: schema.to_owned(),
        head: record::head(common.seed, pace::wall_clock(), &terms.cpus),
        rps: terms.rps.rps(),
        limit_ms: common.limit.as_secs_f64() * 1e3,
        ..Lesson::default()
    }
}
