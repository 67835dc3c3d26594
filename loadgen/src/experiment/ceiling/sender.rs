//! The two ways of offering a load: from here, or by a job of a user's command, which has other machines send it. Both are given a plan and a
//! referee, and give the record of the load; what follows from it is the same, and the hunt's business.

use super::jobs::Jobs;
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
use reports::record::{Run, Wire};
use std::fs::File;
use std::time::{Duration, Instant};

/// How long the target is asked what it can do, before the first load.
const PROBE: Duration = Duration::from_millis(1000);
/// The most connections that it is asked over.
const PROBE_CONNECTIONS: usize = 32;
/// The part of a load that is not looked at: its connections are opened in it.
const LEAD_IN: Duration = Duration::from_millis(400);
/// The same of a job's, whose machines begin a little apart: whole intervals.
const JOB_LEAD_IN: Duration = Duration::from_millis(1000);
/// The longest time that is spent on one load beside its windows: starting it, and noticing its end.
pub(super) const AROUND: Duration = Duration::from_secs(2);

/// See the module.
pub(super) enum Sender<'a> {
    /// This process.
    Here {
        /// Where loads go.
        open: &'a Aim,
        /// The same in a closed loop; `None` where there is no such thing.
        closed: Option<&'a Aim>,
        /// How requests go out.
        wire: Wire,
    },
    /// A user's command.
    Jobs(Jobs<'a>),
}

/// What a load leaves.
pub(super) struct Offered {
    /// Its record.
    pub(super) run: Run,
    /// Why it is not the load that was asked for, in words; none of one from here.
    pub(super) faults: Vec<String>,
}

/// What is around a load, whoever sends it.
pub(super) struct Desk<'a> {
    pub(super) output: &'a Output,
    pub(super) signals: &'a mut Signals,
    /// The search's interval log, open at its end.
    pub(super) log: Option<&'a File>,
    /// When the search began, since 1970.
    pub(super) begun: Duration,
    /// When the load is cut short at the latest.
    pub(super) deadline: Instant,
}

impl Sender<'_> {
    /// The plan of a load at this rate, of which so long is looked at.
    ///
    /// # Errors
    /// Wrong use, in one line.
    pub(super) fn plan(&self, load: &LoadArgs, rate: Rate, looked_at: Duration) -> Outcome<Plan> {
        match self {
            Self::Here { .. } => Plan::at(load, Some(rate), LEAD_IN, looked_at + AROUND),
            // A job is paid for as a whole: it does not end early, and has nothing beyond what is looked at.
            Self::Jobs(_) => Plan::at(load, Some(rate), Duration::ZERO, JOB_LEAD_IN + looked_at),
        }
    }

    /// The plan of asking the target what it can do at most; `None` where it cannot be asked.
    ///
    /// # Errors
    /// As [`Sender::plan`].
    pub(super) fn probe(&self, load: &LoadArgs) -> Outcome<Option<Plan>> {
        match self {
            Self::Here { closed: None, .. } => Ok(None),
            Self::Here { .. } => {
                let connections = load.connections.unwrap_or(PROBE_CONNECTIONS).min(PROBE_CONNECTIONS);
                let load = LoadArgs { connections: Some(connections), ..load.clone() };
                Plan::at(&load, None, Duration::ZERO, PROBE).map(Some)
            }
            Self::Jobs(_) => Ok(Plan::at(load, None, Duration::ZERO, JOB_LEAD_IN + PROBE).ok()),
        }
    }

    /// How long asking it may take; `None`: as long as all of the search.
    pub(super) fn probe_limit(&self, drain: Duration) -> Option<Duration> {
        matches!(self, Self::Here { .. }).then_some(PROBE + drain)
    }

    /// What a load takes beside its windows, in seconds, where that was seen.
    pub(super) fn pause_s(&self) -> Option<f64> {
        match self {
            Self::Here { .. } => None,
            Self::Jobs(jobs) => Some(jobs.runner.pause_s).filter(|pause_s| *pause_s > 0.0),
        }
    }

    /// That the last load was ended because there was no more time for it, in words.
    pub(super) fn overdue(&mut self) -> Option<String> {
        match self {
            Self::Here { .. } => None,
            Self::Jobs(jobs) => jobs.overdue.take(),
        }
    }

    /// Offers a load; `None` when it was ended before it could say anything.
    ///
    /// # Errors
    /// The host's fault: threads or a command that cannot be started; of a job, see [`Jobs::send`].
    pub(super) async fn offer(
        &mut self,
        plan: &Plan,
        referee: Option<&mut Windows<'_>>,
        desk: Desk<'_>,
    ) -> Outcome<Option<Offered>> {
        let (open, closed, wire) = match self {
            Self::Here { open, closed, wire } => (*open, *closed, wire),
            Self::Jobs(jobs) => return jobs.send(plan, JOB_LEAD_IN, referee, desk).await,
        };
        let Some(aim) = (if plan.open { Some(open) } else { closed }) else { return Ok(None) };
        let log = match (&referee, desk.log) {
            (Some(_), Some(file)) => {
                Some(file.try_clone().map_err(|e| Failure::host(format!("cannot keep the log: {e}")))?)
            }
            _ => None,
        };
        let status = &desk.output.status;
        let mut watched = referee.map(|referee| Watched { referee, status });
        let manner = Manner {
            log: log.map(|file| LogFile { file, begun: Some(desk.begun) }),
            referee: watched.as_mut().map(|watched| watched as &mut dyn run::Referee),
            wire: wire.clone(),
            visible: false,
            exporter: None,
            command: Vec::new(),
            begun: pace::now(),
            deadline: Some(desk.deadline),
        };
        let run = run::carry_out(plan, aim, desk.signals, manner).await?;
        Ok(Some(Offered { run, faults: Vec::new() }))
    }
}
