//! A target of an arm that is there: one that runs already, or one that a command has started, which is taken down again. From the arm
//! to where loads are aimed; it offers none.

use super::arms::{Arm, Target, pinned};
use crate::cli::LoadArgs;
use crate::experiment::ceiling::stack;
use crate::failure::{Failure, Outcome};
use crate::plan::Plan;
use crate::run::{self, Aim};
use crate::signals::Signals;
use crate::target::{Answer, Process};
use crate::units::Rate;
use crate::{aim, limits};
use reports::pairs::{BASE, CANDIDATE, CONTROL};
use reports::record::Wire;
use std::time::Duration;

/// Whose CPUs are whose, where the target is on this machine.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// Those of this process before it was pinned.
    allowed: Vec<usize>,
    /// The generator's.
    pub(super) cpus: Vec<usize>,
    /// The target's.
    pub(super) target_cpus: Vec<usize>,
}

impl Room {
    /// The shares, unless the generator's are given; to be asked before anything is pinned.
    ///
    /// # Errors
    /// Wrong use: CPUs that this process may not use.
    pub(super) fn of(load: &LoadArgs) -> Outcome<Self> {
        let allowed = limits::allowed_cpus();
        let (cpus, target_cpus) = match &load.cpus {
            None => limits::share_with_target(&allowed),
            Some(cpus) => {
                limits::check_cpus(&cpus.0)?;
                (cpus.0.clone(), aim::others(&cpus.0))
            }
        };
        Ok(Self { allowed, cpus, target_cpus })
    }

    /// Those of both.
    pub(super) fn all(&self) -> Vec<usize> {
        [&self.cpus[..], &self.target_cpus[..]].concat()
    }
}

/// See the module.
pub(super) struct There {
    /// In words.
    what: String,
    /// That which was started.
    process: Option<Process>,
    answer: Answer,
    target_cpus: Vec<usize>,
}

impl There {
    /// The target of `arm`, once it answers; `None` when it was asked to end before.
    ///
    /// # Errors
    /// The target's fault: it does not start, or does not say where it is.
    pub(super) async fn start(arm: &Arm, room: &Room, signals: &mut Signals) -> Outcome<Option<Self>> {
        let what = in_words(&arm.name);
        let command = match &arm.target {
            Target::Command(command) => command,
            Target::Url(url) => {
                limits::pin(&room.allowed)?;
                let answer = Answer::Url(url.clone());
                return Ok(Some(Self { what, process: None, answer, target_cpus: Vec::new() }));
            }
        };
        // What is started has the CPUs of whoever starts it, unless it takes care of that itself.
        limits::pin(&room.target_cpus)?;
        let process = Process::of_shell(&what, &pinned(command, &room.target_cpus));
        limits::pin(&room.allowed)?;
        let mut process = process?;
        let ready = tokio::select! { ready = process.ready() => Some(ready), () = signals.asked() => None };
        let answer = ready.map(|line| {
            let wrong = |why| Failure::target(format!("{what} does not say where it is: {why}"));
            line.and_then(|line| Answer::read(&line).map_err(wrong))
        });
        match answer {
            Some(Ok(answer)) => {
                let target_cpus = room.target_cpus.clone();
                Ok(Some(Self { what, process: Some(process), answer, target_cpus }))
            }
            Some(Err(failure)) => {
                process.stop().await;
                Err(failure)
            }
            None => {
                process.stop().await;
                Ok(None)
            }
        }
    }

    /// The options of a load with its URL.
    pub(super) fn load(&self, load: &LoadArgs) -> LoadArgs {
        let url = match &self.answer {
            Answer::Url(url) => Some(url.clone()),
            Answer::Stack(_) => None,
        };
        LoadArgs { url, ..load.clone() }
    }

    /// What of it stands in for something else, in words.
    pub(super) fn emulated(&self) -> &[String] {
        match &self.answer {
            Answer::Stack(stack) => &stack.emulated,
            Answer::Url(_) => &[],
        }
    }

    /// Where a load goes that is offered from these CPUs.
    ///
    /// # Errors
    /// The target's fault: its name has no address.
    async fn aim(&self, plan: &Plan, room: &Room) -> Outcome<Aim> {
        let aimed = match (&self.answer, &plan.url) {
            (Answer::Stack(stack), _) => aim::reference(plan, stack, room.cpus.clone()).await,
            (Answer::Url(_), Some(url)) => aim::given(plan, url).await.map(|mut aim| {
                aim.target_cpus.clone_from(&self.target_cpus);
                aim
            }),
            (Answer::Url(url), None) => Err(Failure::usage(format!("`{url}` is no URL"))),
        };
        aimed.map_err(|failure| self.named(failure))
    }

    /// The same of a target that can be reached, and how requests go out.
    ///
    /// # Errors
    /// The target's fault: it cannot be reached.
    pub(super) async fn reach(&self, plan: &Plan, room: &Room) -> Outcome<(Aim, Wire)> {
        let aim = self.aim(plan, room).await?;
        let wire = run::reach(plan, &aim).await.map_err(|failure| self.named(failure))?;
        Ok((aim, wire))
    }

    /// The same for a search, which asks it what it can do if `asks`.
    ///
    /// # Errors
    /// The target's fault: it cannot be reached; wrong use of the load's options.
    pub(super) async fn searched(&self, load: &LoadArgs, room: &Room, asks: bool) -> Outcome<stack::There> {
        let at = |rate| Plan::at(load, rate, Duration::ZERO, Duration::from_secs(1));
        let plan = at(Some(Rate { micro: 1_000_000 }))?;
        let (open, wire) = self.reach(&plan, room).await?;
        let closed = match at(None).ok().filter(|_| asks) {
            Some(closed) => Some(self.aim(&closed, room).await?),
            None => None,
        };
        Ok(stack::There { open, closed, wire, emulated: self.emulated().to_vec() })
    }

    /// The failure with the name of the arm.
    fn named(&self, failure: Failure) -> Failure {
        Failure { message: format!("{}: {}", self.what, failure.message), ..failure }
    }

    /// Takes down what was started; gives what it said if it had ended by itself.
    pub(super) async fn stop(self) -> Option<String> {
        let mut process = self.process?;
        let said = process.died().await;
        process.stop().await;
        said
    }
}

fn in_words(arm: &str) -> String {
    if [BASE, CANDIDATE, CONTROL].contains(&arm) { format!("the {arm}") } else { format!("the arm {arm}") }
}
