//! What a stack that answers does until it ends: it tells of its processes' deaths, and does what an operator asks for, one thing
//! at a time. It starts nothing again by itself.

use super::control::{Call, Caller};
use super::deploy;
use super::front::Front;
use super::places::Places;
use crate::descriptor::{self, Death, Stack};
use crate::failure::{Failure, Outcome};
use crate::operate::words::{Event, Part, Release, Spot, What, Wish};
use crate::supervise::Deaths;
use clap::ValueEnum;
use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::io::Write;
use std::pin::Pin;
use tokio::sync::mpsc;

/// What becomes of the stack when a tier has lost its last process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnDeath {
    /// It ends
    End,
    /// It goes on without the tier, until that is started again
    Stay,
}

/// A stack whose tiers have answered.
#[derive(Debug)]
pub(super) struct Running<'p> {
    pub(super) places: Places<'p>,
    pub(super) fronts: Vec<Front>,
    pub(super) stack: RefCell<Stack>,
    /// Whether the descriptor in the stack's directory is an older one, which could not be replaced.
    pub(super) unkept: Cell<bool>,
    /// How many versions of the app there have been.
    pub(super) versions: Cell<u32>,
}

/// What is being done for an operator.
struct Work<'r> {
    name: &'static str,
    doing: Pin<Box<dyn Future<Output = ()> + 'r>>,
}

/// Tends the stack until a death ends it.
pub(super) async fn tend(
    running: &Running<'_>,
    on_death: OnDeath,
    mut deaths: Deaths,
    mut calls: mpsc::UnboundedReceiver<Call>,
) -> Failure {
    let mut work: Option<Work<'_>> = None;
    loop {
        let working = async {
            match &mut work {
                Some(work) => work.doing.as_mut().await,
                None => pending().await,
            }
        };
        tokio::select! {
            // Whoever asked for a death is told before it ends everything.
            biased;
            () = working => {
                work = None;
                running.keep_at_last();
            }
            Some(death) = deaths.recv() => {
                let last = death.left == 0;
                // Without the sweeper, nobody would clean up after a supervisor that is killed.
                let ends = last && (on_death == OnDeath::End || running.places.is_none(death.tier));
                tell(&death, ends);
                running.keep_at_last();
                if ends {
                    return Failure::start(death.reason);
                }
            }
            Some(Call { wish, mut caller }) = calls.recv() => match &work {
                Some(Work { name, .. }) => {
                    let busy = format!("the stack is busy with a {name}: try again when that has ended");
                    caller.end(Err(Failure::dead(busy))).await;
                }
                None => {
                    let name = wish.name();
                    work = Some(Work { name, doing: Box::pin(fulfil(running, wish, caller)) });
                }
            },
        }
    }
}

/// Tells of a process that died: a program behind the descriptor, and a person at the terminal where the stack goes on. How it
/// ends without, its own failure says.
fn tell(death: &Death, ends: bool) {
    // Whoever closes standard output or standard error does not want to know.
    let _ = descriptor::announce(death);
    if !ends {
        let _ = writeln!(std::io::stderr(), "target-stack: {}", death.reason);
    }
}

async fn fulfil(running: &Running<'_>, wish: Wish, mut caller: Caller) {
    let outcome = match wish {
        Wish::Kill(at) => running.kill(at, &mut caller).await,
        Wish::Start(at) => running.start_dead(at, &mut caller).await,
        Wish::Reload => running.reload(&mut caller).await,
        Wish::Deploy { strategy, version, sick } => {
            let version = match version {
                Some(version) => running.named(version),
                None => running.next_version(),
            };
            deploy::deploy(running, strategy, Release { version, sick }, &mut caller).await
        }
    };
    caller.end(outcome).await;
}

impl Running<'_> {
    async fn kill(&self, at: Spot, caller: &mut Caller) -> Outcome {
        self.places.tier(at)?;
        let pid = self.places.pid(at).ok_or_else(|| Failure::dead(format!("{at} is dead already")))?;
        // Its time is that of the blow.
        let event = Event::now(What::Killed, at).pid(Some(pid)).version(self.places.version(at));
        self.places.kill(at).await;
        caller.tell(event).await;
        Ok(())
    }

    async fn start_dead(&self, at: Spot, caller: &mut Caller) -> Outcome {
        self.places.tier(at)?;
        if let Some(pid) = self.places.pid(at) {
            return Err(Failure::dead(format!("{at} is not dead: it runs with pid {pid}")));
        }
        self.start(at, caller).await
    }

    /// Starts the process at a place, where there is none, and tells of it once it answers.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn start(&self, at: Spot, caller: &mut Caller) -> Outcome {
        // What the caller is to hear is that it could not be done.
        let tier = self.places.start(at).await.map_err(|failure| Failure::dead(failure.message))?;
        let event = Event::now(What::Started, at).pid(Some(tier.pid)).version(self.places.version(at));
        caller.tell(event).await;
        // It runs, whatever the disk has room for.
        if let Err(failure) = self.keep() {
            let what = format!("{}: until that can be done, status does not know of {at}", failure.message);
            let _ = writeln!(std::io::stderr(), "target-stack: {what}");
            caller.warn(what).await;
        }
        Ok(())
    }

    /// Writes down what runs now.
    fn keep(&self) -> Outcome {
        let mut stack = self.stack.borrow_mut();
        stack.tiers = self.places.tiers();
        let kept = stack.keep();
        self.unkept.set(kept.is_err());
        kept
    }

    /// The same, where it could not be done before. Whoever was told so is told no more of it.
    fn keep_at_last(&self) {
        if self.unkept.get() {
            let _ = self.keep();
        }
    }

    /// Has all proxies read their configuration again that are there.
    ///
    /// # Errors
    /// When one refuses it, or none is there.
    async fn reload(&self, caller: &mut Caller) -> Outcome {
        let living = self.fronts.iter().filter(|front| self.places.pid(front.at()).is_some()).count();
        if living == 0 {
            return Err(Failure::dead("no proxy is there to reload"));
        }
        self.reload_fronts(caller).await
    }

    /// The same, where it is no failure if none is there.
    ///
    /// # Errors
    /// When one refuses it.
    pub(super) async fn reload_fronts(&self, caller: &mut Caller) -> Outcome {
        for front in &self.fronts {
            let at = front.at();
            let Some(pid) = self.places.pid(at) else { continue };
            let reloaded = front.reload(&self.places.tier(at)?).await;
            if self.places.pid(at).is_none() {
                continue;
            }
            reloaded?;
            caller.tell(Event::now(What::Reloaded, at).pid(Some(pid))).await;
        }
        Ok(())
    }

    /// A version that has a name: no later one is given it.
    fn named(&self, version: String) -> String {
        let number = version.parse().unwrap_or(0).min(u32::MAX - 1);
        self.versions.set(self.versions.get().max(number));
        version
    }

    fn next_version(&self) -> String {
        let version = self.versions.get().saturating_add(1);
        self.versions.set(version);
        version.to_string()
    }

    /// The app servers' places.
    pub(super) fn apps(&self) -> Vec<Spot> {
        self.places.of(Part::App)
    }
}
