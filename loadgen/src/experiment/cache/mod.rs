//! `loadgen cache`: what a cache in the proxy buys, and what becomes of it when it expires and when the app is dead. It starts a stack for
//! each way of caching, has its ceiling searched or a load offered to it, counts what goes on to the app and to the database, and has
//! all of it compared.

mod catalogue;
mod offer;
mod outage;
mod stack;
mod stampede;
mod way;

use super::carry_out::find;
use super::ceiling::alone::self_check;
use crate::cli::{CacheArgs, Sizes, TargetProxy};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::signals::Signals;
use crate::target::Descriptor;
use crate::{limits, pace, record, target};
use reports::analyse::caching::{caching, outage_in_words, stampede_in_words};
use reports::cache::{CACHE_SCHEMA, Caching, Cure, Part, Setting, Way};
use reports::ceiling::SelfCheck;
use reports::number::counted;
use reports::record::{Target, TargetKind, Verdict};
use reports::store::CACHE_FILE;
use std::time::{Duration, Instant};

/// With less than this there is no time for a stack and what is done there.
const LEAST_BUDGET: Duration = Duration::from_secs(20);
/// The budget's shares: of each search, of the load after it, of each stampede and of each outage. What is left is for the stacks.
const SEARCH: f64 = 0.13;
const BUSY: f64 = 0.025;
const STAMPEDE: f64 = 0.05;
const OUTAGE: f64 = 0.08;
/// A stampede and an outage take at least so many times as long as a page is fresh.
const EXPIRIES: f64 = 3.5;
const OUTAGE_EXPIRIES: f64 = 4.0;
/// A page has to be fresh for no longer than this share of the budget.
const SHORT: f64 = 0.05;

/// The sizes of the stacks whose ceiling is searched, in CPUs, unless others are asked for: what has none is as large as the machine, which
/// is then the limit, and the generator before the cache.
const SERVER_CPU: f64 = 0.25;
const DB_CPU: f64 = 0.3;
const PROXY_CPU: f64 = 0.25;

/// What is loaded, in words.
const CATALOGUE: &str = "the catalogue: product pages and listings";
const POPULAR: &str = "a popular page";

/// What all parts are given.
pub(super) struct Bench<'a> {
    args: &'a CacheArgs,
    /// The generator's CPUs, and the target's.
    cpus: Vec<usize>,
    target_cpus: Vec<usize>,
    /// Of the stacks whose ceiling is searched.
    sizes: Sizes,
    output: &'a Output,
}

/// Carries it out; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, a target that does not start, a host that does not let us.
pub(crate) fn run(args: &CacheArgs, begun: Instant) -> Outcome<Exit> {
    check(args)?;
    let output = Output::of_experiment("cache", CACHE_FILE, &args.result, begun);
    let (cpus, target_cpus) = limits::share_with_target(&limits::allowed_cpus());
    let sizes = sizes(&args.sizes);
    find(output, async |output| Bench { args, cpus, target_cpus, sizes, output }.experiment().await)
}

/// Those asked for; where none was, the usual ones, if they can be limited here.
fn sizes(asked: &Sizes) -> Sizes {
    let none = [asked.server_cpu, asked.db_cpu, asked.proxy_cpu].iter().all(Option::is_none);
    if !none || target::unlimited().is_some() {
        return asked.clone();
    }
    let [server_cpu, db_cpu, proxy_cpu] = [SERVER_CPU, DB_CPU, PROXY_CPU].map(Some);
    Sizes { server_cpu, db_cpu, proxy_cpu, ..asked.clone() }
}

/// Errors of use, before anything is made or started.
fn check(args: &CacheArgs) -> Outcome {
    if let Some(url) = &args.url {
        return Err(Failure::usage(format!(
            "`{url}`: this experiment needs the reference target, whose cache it can turn on and off; leave the URL out, or see \
             what limits yours with loadgen ceiling"
        )));
    }
    if args.budget < LEAST_BUDGET {
        return Err(Failure::usage(format!("--budget: this experiment needs at least {LEAST_BUDGET:?}")));
    }
    let most = args.budget.mul_f64(SHORT);
    if args.short_valid > most {
        return Err(Failure::usage(format!(
            "--short-valid: a page that is fresh for {:?} does not expire often enough in a budget of {:?}: {}s at most",
            args.short_valid,
            args.budget,
            most.as_secs()
        )));
    }
    Ok(())
}

impl Bench<'_> {
    /// All parts, one after the other, and what they say; beside it what stopped them early.
    async fn experiment(&self) -> Outcome<(Caching, Option<Failure>)> {
        let mut signals = Signals::listen()?;
        let begun = pace::now();
        let mut found = self.blank(pace::wall_clock());
        self.output.status.counts(begun, 0.0, found.budget_s);
        let ended = self.parts(&mut found, begun, &mut signals).await;
        found.duration_s = (pace::now() - begun).as_secs_f64();
        let stopped = match ended {
            Ok(Some(())) => None,
            Ok(None) => {
                found.partial = true;
                None
            }
            Err(failure) if is_empty(&found) => return Err(failure),
            Err(failure) => {
                found.partial = true;
                Some(failure)
            }
        };
        caching(&mut found).map_err(Failure::host)?;
        Ok((found, stopped))
    }

    /// `None` where it was asked to end.
    async fn parts(&self, found: &mut Caching, begun: Instant, signals: &mut Signals) -> Outcome<Option<()>> {
        self.say("checking the generator against a target that does nothing");
        self.output.status.does("checking the generator");
        let Some(alone) = self_check(&self.cpus, &self.target_cpus, signals).await? else { return Ok(None) };
        if found.wants(Part::Ceiling) && self.ceilings(found, &alone, begun, signals).await?.is_none() {
            return Ok(None);
        }
        if found.wants(Part::Stampede) && self.stampedes(found, begun, signals).await?.is_none() {
            return Ok(None);
        }
        if found.wants(Part::Outage) && self.outages(found, begun, signals).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(()))
    }

    async fn ceilings(
        &self,
        found: &mut Caching,
        alone: &SelfCheck,
        begun: Instant,
        signals: &mut Signals,
    ) -> Outcome<Option<()>> {
        for cached in [false, true] {
            let Some((way, stack)) = self.way(cached, alone, signals).await? else { return Ok(None) };
            self.told(&way, cached);
            note(found, &stack, CATALOGUE);
            *(if cached { &mut found.cached } else { &mut found.uncached }) = Some(way);
            self.keep(found, begun)?;
        }
        Ok(Some(()))
    }

    async fn stampedes(
        &self,
        found: &mut Caching,
        begun: Instant,
        signals: &mut Signals,
    ) -> Outcome<Option<()>> {
        for cure in Cure::ALL {
            let Some((stampede, stack)) = self.stampede(cure, signals).await? else { return Ok(None) };
            note(found, &stack, POPULAR);
            found.stampedes.push(stampede);
            self.keep(found, begun)?;
            let words = found.stampede(cure).map(stampede_in_words).unwrap_or_default();
            self.say(&format!("{}: {words}", cure.words()));
        }
        Ok(Some(()))
    }

    async fn outages(
        &self,
        found: &mut Caching,
        begun: Instant,
        signals: &mut Signals,
    ) -> Outcome<Option<()>> {
        for stale in [false, true] {
            let Some((outage, stack)) = self.outage(stale, signals).await? else { return Ok(None) };
            note(found, &stack, CATALOGUE);
            found.outages.push(outage);
            self.keep(found, begun)?;
            let words = found.outage(stale).map(outage_in_words).unwrap_or_default();
            self.say(&format!("{}: {words}", if stale { "with stale pages" } else { "without stale pages" }));
        }
        Ok(Some(()))
    }

    fn say(&self, text: &str) {
        self.output.say(text);
    }

    /// A ceiling, on a line.
    fn told(&self, way: &Way, cached: bool) {
        let name = if cached { "with a cache" } else { "without a cache" };
        let rps = reports::analyse::caching::ceiling(way);
        let rps = rps.map_or_else(|| String::from("no ceiling was found"), |rps| format!("{rps}/s"));
        let loads = counted(way.search.steps.len() as u64, "load");
        self.say(&format!("{name}: {rps}, by {loads}"));
    }

    /// Concludes from what there is, and writes it, marked as partial: one that is killed shows what it has.
    fn keep(&self, found: &mut Caching, begun: Instant) -> Outcome {
        found.duration_s = (pace::now() - begun).as_secs_f64();
        caching(found).map_err(Failure::host)?;
        // What was concluded of fewer parts is no verdict.
        let so_far = Caching { partial: true, verdict: Verdict::default(), ..found.clone() };
        self.output.keep_found(&so_far)
    }

    /// This share of the budget.
    fn share_s(&self, share: f64) -> f64 {
        share * self.args.budget.as_secs_f64()
    }

    /// How long a stampede, or an outage, is loaded.
    fn lasting(&self, share: f64, expiries: f64) -> Duration {
        Duration::from_secs_f64(self.share_s(share).max(expiries * self.args.short_valid.as_secs_f64()))
    }

    /// The record of an experiment that has not begun.
    fn blank(&self, started_at: Duration) -> Caching {
        let args = self.args;
        let proxy = if args.target_proxy == Some(TargetProxy::Nginx) { "nginx" } else { "builtin" };
        Caching {
            schema: CACHE_SCHEMA.to_owned(),
            head: record::head(args.seed, started_at, &self.cpus),
            budget_s: args.budget.as_secs_f64(),
            slo: args.slo.to_string(),
            setting: Setting {
                parts: args.parts.clone().0,
                proxy: proxy.to_owned(),
                items: 0,
                exponent: catalogue::EXPONENT,
                valid_s: args.valid.as_secs(),
                short_valid_s: args.short_valid.as_secs(),
                service_ms: args.slow.as_secs_f64() * 1e3,
            },
            ..Caching::default()
        }
    }

    /// The sizes of the stacks whose ceiling is not searched: a small catalogue is there soon.
    fn small(&self) -> Sizes {
        Sizes { scale: Some(String::from("small")), ..self.args.sizes.clone() }
    }
}

/// Whether nothing has been measured to its end.
fn is_empty(found: &Caching) -> bool {
    found.uncached.is_none() && found.stampedes.is_empty() && found.outages.is_empty()
}

/// Notes of a stack where it was, if it is the first one, and what it emulates, if no other did.
fn note(found: &mut Caching, stack: &Descriptor, what: &str) {
    if found.target.url.is_empty() {
        found.target = Target {
            url: stack.url.clone(),
            kind: TargetKind::Reference,
            what: what.to_owned(),
            cpus: stack.cpus.clone(),
            ..Target::default()
        };
        found.setting.items = u64::from(stack.items);
    }
    for said in &stack.emulated {
        // The app is slow over that one alone.
        let said = if what == POPULAR { format!("Of {POPULAR}: {said}") } else { said.clone() };
        if !found.emulated.contains(&said) {
            found.emulated.push(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(line: &str) -> CacheArgs {
        let words = ["loadgen", "cache"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Some(Command::Cache(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_makes_no_sense_is_one_line() {
        for (line, part) in [
            ("", None),
            ("--budget 20s --short-valid 1s", None),
            ("--budget 19s", Some("--budget: this experiment needs at least 20s")),
            ("--budget 59s --short-valid 3s", Some("--short-valid: a page that is fresh for 3s")),
            ("http://127.0.0.1:8080/", Some("needs the reference target")),
        ] {
            let said = check(&args(line));
            assert_eq!(said.is_err(), part.is_some(), "{line}: {said:?}");
            if let (Err(failure), Some(part)) = (said, part) {
                assert!(failure.exit == Exit::Usage && failure.message.contains(part), "{line}: {failure}");
            }
        }
    }
}
