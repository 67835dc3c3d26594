//! A search under way: it offers one load after the other, as the course says, and keeps what came of each in the record and
//! on disk, so that a search that is interrupted can be resumed. It concludes nothing.

use super::course::{Load, Wanted};
use super::windows::Windows;
use crate::cli::LoadArgs;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::pace;
use crate::plan::Plan;
use crate::run::{self, Aim, LogFile, Manner};
use crate::signals::Signals;
use crate::status::Watched;
use crate::units::Rate;
use jiff::Timestamp;
use reports::analyse::capacity::{self, Settled, trend, why};
use reports::analyse::interval::distribution;
use reports::analyse::objective::Objective;
use reports::ceiling::{Ceiling, Step, Window};
use reports::number::{exact_rate, ms_column, rate};
use reports::outcome::Errors;
use reports::record::{Run, Verdict, Wire};
use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

/// How long the target is asked what it can do, before the first load.
const PROBE: Duration = Duration::from_millis(1000);
/// The most connections that it is asked over.
const PROBE_CONNECTIONS: usize = 32;
/// The share of the budget that it may take to answer all of that.
const DRAIN: f64 = 0.25;
/// The first load of a target that cannot be asked, in requests per second.
const UNKNOWN_RPS: f64 = 50.0;
/// The part of a load that is not looked at: its connections are opened in it.
const LEAD_IN: Duration = Duration::from_millis(400);
/// The longest time that is spent on one load beside its windows: starting it, and noticing its end.
const AROUND: Duration = Duration::from_secs(2);

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

/// See the module.
pub(super) struct Hunt<'a> {
    pub(super) load: &'a LoadArgs,
    pub(super) aim: &'a Aim,
    /// The same in a closed loop; `None` where there is no such thing.
    pub(super) closed: Option<&'a Aim>,
    pub(super) wire: Wire,
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
    /// The host's fault: threads that cannot be started.
    pub(super) async fn first_rps(&mut self, share: f64) -> Outcome<f64> {
        let mut load = self.load.clone();
        load.connections = Some(load.connections.unwrap_or(PROBE_CONNECTIONS).min(PROBE_CONNECTIONS));
        let Some(aim) = self.closed.filter(|_| !self.found.partial) else { return Ok(UNKNOWN_RPS) };
        let plan = Plan::at(&load, None, Duration::ZERO, PROBE)?;
        self.output.status.does("asking the target what it can do");
        // What is left in a slow target would be in the way of the first load; but there is no waiting for ever.
        let deadline = pace::now() + PROBE + Duration::from_secs_f64(DRAIN * self.found.budget_s);
        let run = self.offer(&plan, aim, None, deadline).await?;
        self.found.partial |= run.partial && pace::now() < deadline;
        Ok(if run.rps.ok > 0.0 { share * run.rps.ok } else { UNKNOWN_RPS })
    }

    /// Offers loads until the course has no more, the target dies, or the user thinks better of it.
    ///
    /// # Errors
    /// The host's fault: threads that cannot be started, a record that cannot be written.
    pub(super) async fn follow(&mut self, wanted: &Wanted) -> Outcome {
        let left_s = wanted.budget_s - self.spent_s;
        let deadline = self.begun.0 + Duration::from_secs_f64(left_s.max(0.0)) + AROUND;
        while !self.found.partial && self.died.is_none() {
            let spent_s = self.spent_s + (pace::now() - self.begun.0).as_secs_f64();
            let Some(load) = wanted.next(&self.found.steps, spent_s) else {
                self.found.cut = wanted.cut(&self.found.steps);
                return Ok(());
            };
            let (step, settled, run) = self.step(wanted, load, deadline).await?;
            let overdue = pace::now() >= deadline;
            // Of a load that was cut short by the budget while it drained, all is known that there is to know.
            if run.partial && !(overdue && settled != Settled::Open) {
                self.found.partial = !overdue;
                self.found.cut = if overdue { wanted.cut(&self.found.steps) } else { Vec::new() };
                return Ok(());
            }
            if self.says {
                self.say(&step);
            }
            self.found.steps.push(step);
            if let Some(at) = run.died_at_s {
                self.died = Some(format!(
                    "the target stopped answering for good {at:.1} s into a load of {}/s",
                    rate(load.rps)
                ));
            }
            self.save()?;
        }
        Ok(())
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

    /// One load, and what came of it.
    async fn step(
        &mut self,
        wanted: &Wanted,
        load: Load,
        deadline: Instant,
    ) -> Outcome<(Step, Settled, Run)> {
        let length = Duration::from_secs_f64(load.window_s * load.patience.most as f64) + AROUND;
        let rate = Rate { micro: (load.rps * 1e6).round() as u64 };
        let plan = Plan::at(self.load, Some(rate), LEAD_IN, length)?;
        let plan = Plan { resolution: wanted.resolution, ..plan };
        let interval_s = plan.window().length_s();
        let mut windows = Windows::new(load, interval_s, &wanted.objective);
        self.output.status.loads(load.phase, load.rps, interval_s);
        let run = self.offer(&plan, self.aim, Some(&mut windows), deadline).await?;
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
        let judged = can_be_judged(&run, passed, &windows, &wanted.objective);
        let valid = died.is_none() && short.is_none() && judged;
        let why = if passed { Vec::new() } else { why(&windows, load.rps, &wanted.objective) };
        let notes = if run.verdict.valid { Vec::new() } else { run.verdict.reasons.clone() };
        let reasons = if valid { [why, notes].concat() } else { [notes, why].concat() };
        let reasons = died
            .into_iter()
            .chain(short)
            .chain(reasons)
            .chain(none_right(run.ok, run.dropped, (&run.errors, &run.status)))
            .collect();
        let step = Step {
            phase: load.phase,
            start_s: started - begun,
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
            machine: machine(&run),
            notes: run.telemetry.notes.clone(),
        };
        Ok((step, settled, run))
    }

    async fn offer(
        &mut self,
        plan: &Plan,
        aim: &Aim,
        referee: Option<&mut Windows<'_>>,
        deadline: Instant,
    ) -> Outcome<Run> {
        let log = match (&referee, &self.log) {
            (Some(_), Some(file)) => {
                Some(file.try_clone().map_err(|e| Failure::host(format!("cannot keep the log: {e}")))?)
            }
            _ => None,
        };
        let status = &self.output.status;
        let mut watched = referee.map(|referee| Watched { referee, status });
        let manner = Manner {
            log: log.map(|file| LogFile { file, begun: Some(self.begun.1) }),
            referee: watched.as_mut().map(|watched| watched as &mut dyn run::Referee),
            wire: self.wire.clone(),
            visible: false,
            exporter: None,
            command: Vec::new(),
            begun: pace::now(),
            deadline: Some(deadline),
        };
        run::carry_out(plan, aim, self.signals, manner).await
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
