//! A search under way: it offers one load after the other, as the course says, and keeps what came of each in the record and
//! on disk, so that a search that is interrupted can be resumed. It concludes nothing.

use super::course::{Load, Wanted};
use super::sender::{AROUND, Desk, Offered, Sender};
use super::windows::Windows;
use crate::cli::LoadArgs;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::pace;
use crate::plan::Plan;
use crate::signals::Signals;
use crate::units::Rate;
use jiff::Timestamp;
use reports::analyse::capacity::{self, Settled, trend, why};
use reports::analyse::interval::distribution;
use reports::analyse::objective::Objective;
use reports::ceiling::{Ceiling, Step, Window};
use reports::number::{exact_rate, ms_column, rate};
use reports::outcome::Errors;
use reports::record::{Run, Verdict};
use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

/// The share of the budget that it may take to answer all of that.
const DRAIN: f64 = 0.25;
/// The first load of a target that cannot be asked, in requests per second.
const UNKNOWN_RPS: f64 = 50.0;

/// A target that answers less than this share of a load is the one that cannot do it,
const FAR_BEHIND: f64 = 0.9;
/// and lateness up to this share of a limit decides nothing,
const LATE: f64 = 0.1;
/// where the generator has used at most so much of a CPU
const ABLE: f64 = 0.8;
/// and the hypervisor has taken at most so much.
const STOLEN: f64 = 0.05;

/// A load of which less than this share came due was another load.
const DUE: f64 = 0.97;
/// A target that answers this share of a load, but for a few requests, keeps up.
const KEPT_UP: f64 = 0.99;
const SLACK: f64 = 3.0;

/// What came of a load.
struct Done {
    step: Step,
    /// When its target stopped answering for good.
    died_at_s: Option<f64>,
}

/// See the module.
pub(super) struct Hunt<'a> {
    pub(super) load: &'a LoadArgs,
    pub(super) sender: Sender<'a>,
    pub(super) output: &'a Output,
    pub(super) signals: &'a mut Signals,
    /// The record, as far as it goes.
    pub(super) found: &'a mut Ceiling,
    /// When the search began, on this clock and since 1970; before this process, of one that is resumed.
    pub(super) begun: (Instant, Duration),
    /// Seconds of the budget that were spent before that.
    pub(super) spent_s: f64,
    /// The interval log, open at its end; without one nothing is kept.
    pub(super) log: Option<File>,
    /// Whether each load is said when it is done.
    pub(super) says: bool,
    /// What a target that stopped answering for good said or did.
    pub(super) died: Option<String>,
}

impl Hunt<'_> {
    /// Asks the target what it can do at most, by a short closed loop: a first rate to offer, this share of that.
    ///
    /// # Errors
    /// As [`Sender::offer`].
    pub(super) async fn first_rps(&mut self, share: f64) -> Outcome<f64> {
        let Some(plan) = self.sender.probe(self.load)?.filter(|_| !self.found.partial) else {
            return Ok(UNKNOWN_RPS);
        };
        self.output.status.does("asking the target what it can do");
        // What is left in a slow target would be in the way of the first load; but there is no waiting for ever.
        let limit = self.sender.probe_limit(Duration::from_secs_f64(DRAIN * self.found.budget_s));
        let deadline = limit.map_or_else(|| self.deadline(self.found.budget_s), |limit| pace::now() + limit);
        let offered = self.offer(&plan, None, deadline).await?;
        self.found.partial |=
            offered.as_ref().is_none_or(|offered| offered.run.partial) && pace::now() < deadline;
        let ok_rps = offered.map_or(0.0, |offered| offered.run.rps.ok);
        Ok(if ok_rps > 0.0 { share * ok_rps } else { UNKNOWN_RPS })
    }

    /// When this is spent of the budget, and a little more.
    fn deadline(&self, budget_s: f64) -> Instant {
        self.begun.0 + Duration::from_secs_f64((budget_s - self.spent_s).max(0.0)) + AROUND
    }

    /// Offers loads until the course has no more, the target dies, or the user thinks better of it.
    ///
    /// # Errors
    /// As [`Sender::offer`]; the host's fault: a record that cannot be written.
    pub(super) async fn follow(&mut self, wanted: &Wanted) -> Outcome {
        let deadline = self.deadline(wanted.budget_s);
        while !self.found.partial && self.died.is_none() {
            let spent_s = self.spent_s + (pace::now() - self.begun.0).as_secs_f64();
            let wanted =
                &Wanted { pause_s: self.sender.pause_s().unwrap_or(wanted.pause_s), ..wanted.clone() };
            let next = wanted.next(&self.found.steps, spent_s).filter(|_| pace::now() < deadline);
            let Some(load) = next else {
                self.found.cut = wanted.cut(&self.found.steps);
                self.found.cut.extend(self.sender.overdue());
                return Ok(());
            };
            let done = self.step(wanted, load, deadline).await.map_err(|failure| self.kept(failure))?;
            let Some(Done { step, died_at_s }) = done else {
                let overdue = pace::now() >= deadline;
                self.found.partial = !overdue;
                self.found.cut = if overdue { wanted.cut(&self.found.steps) } else { Vec::new() };
                self.found.cut.extend(self.sender.overdue());
                return Ok(());
            };
            if self.says {
                self.say(&step);
            }
            self.found.steps.push(step);
            if let Some(at) = died_at_s {
                self.died = Some(format!(
                    "the target stopped answering for good {at:.1} s into a load of {}/s",
                    rate(load.rps)
                ));
            }
            self.save()?;
        }
        Ok(())
    }

    /// A failure in the midst of a search, with what can be done about it.
    fn kept(&self, failure: Failure) -> Failure {
        if self.found.steps.is_empty() || self.log.is_none() {
            return failure;
        }
        let dir = self.output.dir().display();
        let message =
            format!("{}; the loads before it are kept: loadgen ceiling --resume {dir}", failure.message);
        Failure { message, ..failure }
    }

    /// What there is so far goes to the disk, marked as partial: a search that is killed can be resumed from it.
    fn save(&self) -> Outcome {
        if self.log.is_none() {
            return Ok(());
        }
        let duration_s = self.spent_s + (pace::now() - self.begun.0).as_secs_f64();
        // What was concluded of fewer loads is no verdict.
        let verdict = Verdict::default();
        let so_far = Ceiling { partial: true, verdict, duration_s, ..self.found.clone() };
        self.output.keep_ceiling(&so_far)
    }

    /// One load, and what came of it; `None` of one that was cut short before it said anything.
    async fn step(&mut self, wanted: &Wanted, load: Load, deadline: Instant) -> Outcome<Option<Done>> {
        let looked_at = Duration::from_secs_f64(load.window_s * load.patience.most as f64);
        let rate = Rate { micro: (load.rps * 1e6).round() as u64 };
        let plan = self.sender.plan(self.load, rate, looked_at)?;
        let plan = Plan { resolution: wanted.resolution, ..plan };
        let interval_s = plan.window().length_s();
        let mut windows = Windows::new(load, interval_s, &wanted.objective);
        self.output.status.loads(load.phase, load.rps, interval_s);
        let offered = self.offer(&plan, Some(&mut windows), deadline).await?;
        let Some(Offered { run, faults }) = offered else { return Ok(None) };
        // Of a load that was cut short by the budget while it drained, all is known that there is to know.
        if run.partial && !(pace::now() >= deadline && windows.settled != Settled::Open) {
            return Ok(None);
        }
        let step = self.done(wanted, load, &run, faults, windows);
        Ok(Some(Done { step, died_at_s: run.died_at_s }))
    }

    /// What came of a load, whoever sent it; `faults` are why it is not the load that was asked for.
    fn done(
        &self,
        wanted: &Wanted,
        load: Load,
        run: &Run,
        faults: Vec<String>,
        windows: Windows<'_>,
    ) -> Step {
        let Windows { windows, settled, times, .. } = windows;
        let begun = self.begun.1.as_secs_f64();
        let started =
            run.started_at.parse::<Timestamp>().map_or(begun, |at| at.as_millisecond() as f64 / 1e3);
        let passed = settled == Settled::Passed;
        // Of a load that held, the times are those that it was judged by; of one that failed, of all that came due in it, as
        // those that took longest ended last.
        let times = if passed { distribution(&times.judged()) } else { run.response_ms.clone() };
        // How much of a load a target held that died in it says nothing about its rate.
        let died = run.died_at_s.map(|at| format!("the target stopped answering for good {at:.1} s into it"));
        let short = too_few_due(&windows, load.rps);
        let judged = can_be_judged(run, passed, &windows, &wanted.objective);
        let valid = faults.is_empty() && died.is_none() && short.is_none() && judged;
        let why = if passed { Vec::new() } else { why(&windows, load.rps, &wanted.objective) };
        let notes = run.verdict.reasons.iter().filter(|note| !run.verdict.valid && !faults.contains(note));
        let notes = notes.cloned().collect();
        let reasons = if valid { [why, notes].concat() } else { [notes, why].concat() };
        let reasons = faults
            .into_iter()
            .chain(died)
            .chain(short)
            .chain(reasons)
            .chain(none_right(run.ok, run.dropped, (&run.errors, &run.status)))
            .collect();
        Step {
            phase: load.phase,
            // Another machine's clock may be behind.
            start_s: (started - begun).max(0.0),
            duration_s: run.duration_s,
            offered_rps: load.rps,
            ok_rps: capacity::answered(&windows),
            p50_ms: times.p50,
            p90_ms: times.p90,
            p99_ms: times.p99,
            p999_ms: times.p999,
            mean_ms: times.mean,
            planned: run.planned,
            errors: run.errors.total() + run.dropped,
            // Little's law: their rate times their time.
            in_flight: load.rps * times.mean.unwrap_or(0.0) / 1e3,
            passed,
            valid,
            stationary: trend(&windows, load.rps) == 0 && keeps_up(&windows),
            reasons,
            windows,
            observed: run.observed.clone(),
            machine: machine(run),
            notes: run.telemetry.notes.clone(),
        }
    }

    /// Has a load offered; what is known of whoever sends is then in the record.
    async fn offer(
        &mut self,
        plan: &Plan,
        referee: Option<&mut Windows<'_>>,
        deadline: Instant,
    ) -> Outcome<Option<Offered>> {
        let (output, signals, log) = (self.output, &mut *self.signals, self.log.as_ref());
        let desk = Desk { output, signals, log, begun: self.begun.1, deadline };
        let offered = self.sender.offer(plan, referee, desk).await?;
        if let (Sender::Jobs(jobs), Some(Offered { run, .. })) = (&self.sender, &offered) {
            if self.found.runner.as_ref().is_none_or(|runner| runner.machines == 0) {
                self.found.target = run.target.clone();
            }
            self.found.runner = Some(jobs.runner.clone());
        }
        Ok(offered)
    }

    /// What came of a load, on a line.
    fn say(&self, step: &Step) {
        let word = match (step.passed, step.valid) {
            (_, false) => "INVALID",
            (true, true) => "holds",
            (false, true) => "fails",
        };
        let p99 = step.p99_ms.map(|ms| format!("p99 {}", ms_column(ms)));
        let said: Vec<String> = p99.into_iter().chain(step.reasons.first().cloned()).collect();
        let head = format!("{:<8}{:>9}/s  {word:<7}  ", step.phase, exact_rate(step.offered_rps));
        self.output.say_beside(&head, &said.join(": "));
    }
}

/// Whether a load says something about the target, although the generator may have been late. Its lateness is in every response
/// time, so an objective that held did so in spite of it. One that failed did so by the target's doing, where the target fell
/// far behind, or where the generator's lateness is little beside what the objective allows, or the service times alone
/// break it.
fn can_be_judged(run: &Run, passed: bool, windows: &[Window], objective: &Objective) -> bool {
    let offered: u64 = windows.iter().map(|window| window.planned).sum();
    let ok: u64 = windows.iter().map(|window| window.ok).sum();
    let behind = (ok as f64) < FAR_BEHIND * offered as f64;
    let able =
        run.generator.cpu_share_max <= ABLE && run.machine.get("steal").is_none_or(|share| *share <= STOLEN);
    let late = objective.limits_ms().any(|(rule, limit)| {
        let lag = rule.metric().of(&run.send_lag_ms).unwrap_or(0.0);
        let service = rule.metric().of(&run.service_ms).unwrap_or(0.0);
        lag > LATE * limit && service < limit
    });
    run.verdict.valid || passed && run.planned > 0 || able && (behind || !late)
}

/// What the kernel said of this machine, and what the generator used of its CPUs.
fn machine(run: &Run) -> BTreeMap<String, f64> {
    let mut machine = run.machine.clone();
    machine.insert(String::from("generator_cpu"), run.generator.cpu_share_max);
    machine
}

/// That less came due than was to be offered: sessions that are longer than a load have not reached their later steps in it.
fn too_few_due(windows: &[Window], rps: f64) -> Option<String> {
    let seconds: f64 = windows.iter().map(|window| window.length_s).sum();
    let planned = windows.iter().map(|window| window.planned).sum::<u64>() as f64;
    (planned < DUE * rps * seconds - SLACK).then(|| {
        format!(
            "only {}/s came due: sessions are longer than the load, or end early",
            rate(planned / seconds)
        )
    })
}

/// What came in place of answers, where none was as it should be.
fn none_right(ok: u64, dropped: u64, (errors, status): (&Errors, &BTreeMap<u16, u64>)) -> Option<String> {
    let codes = status.iter().map(|(code, n)| (format!("status {code}"), *n));
    let others = errors.named().into_iter().filter(|(kind, _)| *kind != "status");
    let others = others.chain([("dropped", dropped)]).map(|(kind, n)| (kind.to_owned(), n));
    let all = codes.chain(others).filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} x {what}"));
    let all: Vec<String> = all.collect();
    (ok == 0 && !all.is_empty()).then(|| format!("no answer was as expected: {}", all.join(", ")))
}

/// Whether nearly all that was offered was answered.
fn keeps_up(windows: &[Window]) -> bool {
    let (planned, ended) =
        windows.iter().fold((0, 0), |(planned, ended), w| (planned + w.planned, ended + w.ended));
    ended as f64 >= KEPT_UP * planned as f64 - SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_answer_is_right_it_is_said_what_came() {
        let errors = Errors { status: 5, timeout: 2, ..Errors::default() };
        let status = [(500, 4), (503, 1)].into();
        let said = "no answer was as expected: 4 x status 500, 1 x status 503, 2 x timeout, 1 x dropped";
        assert_eq!(none_right(0, 1, (&errors, &status)).as_deref(), Some(said));
        assert_eq!(none_right(1, 1, (&errors, &status)), None);
        assert_eq!(none_right(0, 0, (&Errors::default(), &BTreeMap::new())), None);
    }
}
