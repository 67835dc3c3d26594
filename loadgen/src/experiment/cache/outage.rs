//! A steady load on the catalogue, in the course of which the only app server is killed and started again: who is served meanwhile.

use super::offer::{Offer, ledger, samples, since_start};
use super::stack::{Meters, Stack};
use super::{Bench, OUTAGE, OUTAGE_EXPIRIES, catalogue};
use crate::failure::{Failure, Outcome};
use crate::signals::Signals;
use crate::target::Descriptor;
use crate::{pace, target};
use reports::cache::Outage;
use reports::record::Run;
use serde::Deserialize;
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

/// When the app is killed and when it is started again, as shares of the load's length.
const KILL: f64 = 0.25;
const START: f64 = 0.7;
/// How often the proxy is asked how many stale pages it has sent.
const PERIOD: Duration = Duration::from_millis(200);
/// Loads that fill the cache before.
const FILLING: u64 = 4;

/// What is noted while the load goes on, by the wall clock.
#[derive(Debug, Default)]
struct Notes {
    killed: Option<Duration>,
    /// The process that was.
    pid: Option<u32>,
    back: Option<Duration>,
    stale: Vec<(Duration, u64)>,
    failed: Option<Failure>,
}

/// What an operator's command says of what it did.
#[derive(Deserialize)]
struct Event {
    pid: Option<u32>,
    at_unix_s: f64,
}

impl Bench<'_> {
    /// An outage, and where it was; `None` when it was asked to end.
    ///
    /// # Errors
    /// The target's fault: it does not start, dies, or the app cannot be killed; the host's fault: threads that cannot be started.
    pub(super) async fn outage(
        &self,
        stale: bool,
        signals: &mut Signals,
    ) -> Outcome<Option<(Outage, Descriptor)>> {
        let (how, words) = if stale { ("stale", "with stale pages") } else { ("on", "without stale pages") };
        self.say(&format!("the app is killed, {words}"));
        let cache = (how, self.args.short_valid);
        let stays = ["--on-death", "stay"];
        let Some(stack) = Stack::start(self, cache, &stays, &self.small(), signals).await? else {
            return Ok(None);
        };
        let done = self.kill(&stack, stale, signals).await;
        let descriptor = stack.descriptor.clone();
        Ok(stack.end(done).await?.map(|outage| (outage, descriptor)))
    }

    async fn kill(&self, stack: &Stack, stale: bool, signals: &mut Signals) -> Outcome<Option<Outage>> {
        let (meters, descriptor) = (stack.meters()?, &stack.descriptor);
        let Some(dir) = descriptor.dir.as_deref() else {
            return Err(Failure::target("the stack does not say where its directory is"));
        };
        let load = catalogue::all(descriptor.items, self.args.seed, self.args.target_proxy)?;
        if self.fill(stack, &load, &meters, FILLING, signals).await?.is_none() {
            return Ok(None);
        }
        self.output.status.does("the app is killed");
        let length = self.lasting(OUTAGE, OUTAGE_EXPIRIES);
        let notes = RefCell::new(Notes::default());
        let operating = operate(dir, length, &notes);
        let beside = async {
            tokio::join!(operating, sample(&meters, &notes));
        };
        // It is told in intervals, and counters are read as often.
        let offer = Offer { load: &load, rate: Some(self.args.rps), length, resolution: PERIOD };
        let run = offer.carry_out(descriptor, &self.cpus, signals, beside).await?;
        if run.partial {
            return Ok(None);
        }
        let notes = notes.into_inner();
        stack.killed.set(notes.pid);
        match notes.failed {
            Some(failure) => Err(failure),
            None => Ok(Some(self.of(stale, run, &notes))),
        }
    }

    fn of(&self, stale: bool, run: Run, notes: &Notes) -> Outage {
        let at = |instant: Option<Duration>| instant.map(|at| since_start(&run, at));
        let valid = run.verdict.valid;
        let ended = |bin: &reports::record::Bin| (bin.ok, bin.errors + bin.dropped);
        Outage {
            stale,
            offered_rps: self.args.rps.rps(),
            duration_s: run.duration_s,
            ledger: ledger(&run),
            killed_at_s: at(notes.killed),
            back_at_s: at(notes.back).filter(|at| *at < run.duration_s),
            interval_s: run.timeline.interval_s,
            intervals: run.timeline.bins.iter().map(ended).collect(),
            stale_sent: samples(&run, &notes.stale),
            valid,
            reasons: if valid { Vec::new() } else { run.verdict.reasons },
            ..Outage::default()
        }
    }
}

/// Kills the app and starts it again, in time.
async fn operate(dir: &Path, length: Duration, notes: &RefCell<Notes>) {
    pace::pause(length.mul_f64(KILL)).await;
    let killed = command(dir, &["kill", "app"]).await;
    if let Some((at, pid)) = note(killed, notes) {
        notes.borrow_mut().killed = Some(at);
        notes.borrow_mut().pid = pid;
        pace::pause(length.mul_f64(START - KILL)).await;
        let back = command(dir, &["start", "app"]).await;
        let back = note(back, notes);
        notes.borrow_mut().back = back.map(|(at, _)| at);
    }
}

/// When it was done, or nothing, and why.
fn note<T>(done: Outcome<T>, notes: &RefCell<Notes>) -> Option<T> {
    done.map_err(|failure| notes.borrow_mut().failed = Some(failure)).ok()
}

/// Has it done, and gives when it was, and to which process.
async fn command(dir: &Path, words: &[&str]) -> Outcome<(Duration, Option<u32>)> {
    let said = target::operate(dir, words).await?;
    let last = said.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()).next_back();
    Ok(last.map_or_else(
        || (pace::wall_clock(), None),
        |event| (Duration::from_secs_f64(event.at_unix_s.max(0.0)), event.pid),
    ))
}

/// Asks the proxy again and again, where it says how requests fared.
async fn sample(meters: &Meters, notes: &RefCell<Notes>) {
    loop {
        if let Ok(fared) = meters.fared().await
            && !fared.is_empty()
        {
            let stale = fared.get("STALE").copied().unwrap_or(0);
            notes.borrow_mut().stale.push((pace::wall_clock(), stale));
        }
        pace::pause(PERIOD).await;
    }
}
