//! Another version of the app in the place of the one that runs. Given how, it ends servers and starts them anew, and goes no further
//! with a version that is not well. A server that is replaced while others go on is out of use first: a request that is under way there
//! ends as it began, and none is sent there that it would not answer.

use super::control::Caller;
use super::front::{Front, Kind};
use super::tend::Running;
use crate::failure::{Failure, Outcome};
use crate::nginx_conf::{FAIL_TIMEOUT, Server};
use crate::operate::words::{Event, Part, Release, Spot, Strategy, What};
use crate::{ask, pace};
use std::time::Duration;

/// How long a new server may take until it is well.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// nginx passes over a server for as long, by its clock of whole seconds, to whose address it could not connect.
const AGAIN: Duration = FAIL_TIMEOUT.saturating_add(Duration::from_secs(1));

/// Replaces what runs by `release`.
///
/// # Errors
/// Exit 1 when it could not be done. What is left then is the version before, where that could be put back.
pub(super) async fn deploy(
    running: &Running<'_>,
    strategy: Strategy,
    release: Release,
    caller: &mut Caller,
) -> Outcome {
    let mut deployment = Deployment { running, release, caller };
    let outcome = match strategy {
        Strategy::Rolling => deployment.roll().await,
        Strategy::StopAndStart => deployment.stop_and_start().await,
    };
    outcome.map_err(|failure| Failure::dead(failure.message))
}

struct Deployment<'r, 'p> {
    running: &'r Running<'p>,
    release: Release,
    caller: &'r mut Caller,
}

impl Deployment<'_, '_> {
    /// One server after the other; those first that are dead anyway.
    async fn roll(&mut self) -> Outcome {
        let mut apps = self.running.apps();
        if let [only] = apps[..]
            && self.running.places.pid(only).is_some()
        {
            return Err(Failure::dead(
                "nobody would answer while the only app server is replaced: give the stack another one \
                 (up --servers 2), or say --strategy stop-and-start",
            ));
        }
        apps.sort_by_key(|&at| self.running.places.pid(at).is_some());
        for at in apps {
            let lived = match self.end(at).await {
                Ok(lived) => lived,
                Err(failure) => {
                    // It is still there: nobody is to pass over it for good because another proxy could not be told.
                    let _ = self.use_again().await;
                    return Err(failure);
                }
            };
            let before = self.running.places.version(at).unwrap_or_default();
            let old = self.running.places.tell(at, Some(self.release.clone()))?;
            if let Err(refused) = self.begin(at).await {
                let back = self.put_back(at, old, lived).await;
                return Err(match back {
                    Ok(()) => refused,
                    Err(why) => self.lost(&refused, at, &before, &why),
                });
            }
            self.use_again().await?;
            self.say(What::Replaced, at).await;
        }
        Ok(())
    }

    /// Ends the server without a request lost; gives whether there was one.
    async fn end(&mut self, at: Spot) -> Outcome<bool> {
        let places = &self.running.places;
        let Some(pid) = places.pid(at) else { return Ok(false) };
        let version = places.version(at);
        let event = |what| Event::now(what, at).pid(Some(pid)).version(version.clone());
        let builtin = self.configure(Some(at))?;
        if builtin {
            self.running.reload_fronts(self.caller).await?;
            let server = places.tier(at)?.address;
            let mut drained = true;
            for front in &self.running.fronts {
                if places.pid(front.at()).is_some() {
                    drained &= front.let_go(&places.tier(front.at())?, &server).await;
                }
            }
            if drained {
                self.caller.tell(event(What::Drained)).await;
            }
        } else {
            self.others_are_used(at).await;
        }
        places.stop(Part::App, &[at.number], false).await;
        if !builtin {
            // It has drained by itself: nginx goes to another one when this one's door is closed, and a reload of nginx would close
            // clients' connections with requests on their way.
            self.caller.tell(event(What::Drained)).await;
        }
        self.caller.tell(event(What::Stopped)).await;
        Ok(true)
    }

    /// Starts the server at its place, and sees whether it is well.
    async fn begin(&mut self, at: Spot) -> Outcome {
        let places = &self.running.places;
        let why = match self.running.start(at, self.caller).await {
            Ok(()) => health(&places.tier(at)?.address).await.err(),
            Err(failure) => Some(failure.message),
        };
        let Some(why) = why else { return Ok(()) };
        let version = places.version(at);
        let event = Event::now(What::Refused, at).pid(places.pid(at)).version(version.clone());
        self.caller.tell(Event { reason: Some(why.clone()), ..event }).await;
        let version = version.unwrap_or_default();
        Err(Failure::dead(format!("version {version} goes no further than {at}: {why}")))
    }

    /// Puts the version before in the place of one that was refused.
    async fn put_back(&mut self, at: Spot, old: Option<Release>, lived: bool) -> Outcome {
        let places = &self.running.places;
        if let Some(pid) = places.pid(at) {
            let event = Event::now(What::Stopped, at).pid(Some(pid)).version(places.version(at));
            places.stop(Part::App, &[at.number], false).await;
            self.caller.tell(event).await;
        }
        places.tell(at, old)?;
        let back = if lived { self.revive(at).await } else { Ok(()) };
        // Whatever comes of it: who starts it by hand need not know that it was out of use.
        self.use_again().await.and(back)
    }

    /// Of a version that was `refused` that the one `before` could not be put back either.
    fn lost(&self, refused: &Failure, at: Spot, before: &str, why: &Failure) -> Failure {
        let why = match self.running.places.pid(at) {
            Some(_) => why.message.clone(),
            None => {
                let number = if at.number > 1 { format!(" --number {}", at.number) } else { String::new() };
                format!("{at} is dead (target-stack start {}{number})", at.tier.name())
            }
        };
        Failure::dead(format!("{}, and version {before} could not be put back: {why}", refused.message))
    }

    async fn revive(&mut self, at: Spot) -> Outcome {
        self.running.start(at, self.caller).await?;
        let well = health(&self.running.places.tier(at)?.address).await;
        well.map_err(|why| Failure::dead(format!("the version before is back at {at}, and {why}")))
    }

    /// Has the proxies send requests to all servers again.
    async fn use_again(&mut self) -> Outcome {
        if self.configure(None)? { self.running.reload_fronts(self.caller).await } else { Ok(()) }
    }

    /// Waits until nginx sends requests to all the others that live: it passes over one for a while to whose address it could not
    /// connect, as long as none was there.
    async fn others_are_used(&self, at: Spot) {
        let places = &self.running.places;
        let others = self.running.apps().into_iter().filter(|&other| other != at);
        let since =
            others.filter(|&other| places.pid(other).is_some()).filter_map(|other| places.again(other));
        if let Some(latest) = since.max() {
            pace::pause((latest + AGAIN).saturating_duration_since(pace::now())).await;
        }
    }

    /// Writes the proxies' configurations, with the server at `down` out of use. Gives whether that is how they are told.
    fn configure(&self, down: Option<Spot>) -> Outcome<bool> {
        let places = &self.running.places;
        let server = |at: Spot| Ok(Server { address: places.tier(at)?.address, down: down == Some(at) });
        let servers: Vec<Server> = self.running.apps().into_iter().map(server).collect::<Outcome<_>>()?;
        let builtin = |front: &&Front| front.kind == Kind::Builtin;
        let told: Vec<&Front> = self.running.fronts.iter().filter(builtin).collect();
        told.iter().try_for_each(|front| front.configure(&servers))?;
        Ok(!told.is_empty())
    }

    async fn stop_and_start(&mut self) -> Outcome {
        let apps = self.running.apps();
        self.stop_all(&apps).await;
        let mut old = Vec::new();
        for &at in &apps {
            old.push((at, self.running.places.tell(at, Some(self.release.clone()))?));
        }
        let mut outcome = Ok(());
        for &at in &apps {
            outcome = self.begin(at).await;
            if outcome.is_err() {
                break;
            }
            self.say(What::Replaced, at).await;
        }
        let mut back = Ok(());
        if outcome.is_err() {
            self.stop_all(&apps).await;
            for (at, old) in old {
                self.running.places.tell(at, old)?;
            }
            for &at in &apps {
                // One that does not come back is no reason to leave the others dead.
                back = back.and(self.running.start(at, self.caller).await);
            }
        }
        // The proxies have seen the servers fail, and would pass over them for a while. There is nothing that could be lost by it.
        self.running.reload_fronts(self.caller).await?;
        back.and(outcome)
    }

    async fn stop_all(&mut self, apps: &[Spot]) {
        let places = &self.running.places;
        let event = |&at: &Spot| {
            let event = Event::now(What::Stopped, at).pid(Some(places.pid(at)?));
            Some(event.version(places.version(at)))
        };
        let events: Vec<Event> = apps.iter().filter_map(event).collect();
        let numbers: Vec<usize> = apps.iter().map(|at| at.number).collect();
        places.stop(Part::App, &numbers, true).await;
        let at_unix_s = pace::wall_clock().as_secs_f64();
        for event in events {
            self.caller.tell(Event { at_unix_s, ..event }).await;
        }
    }

    async fn say(&mut self, what: What, at: Spot) {
        let places = &self.running.places;
        self.caller.tell(Event::now(what, at).pid(places.pid(at)).version(places.version(at))).await;
    }
}

/// Waits until the server at `address` is well.
///
/// # Errors
/// Why it is not, as a clause.
async fn health(address: &str) -> Result<(), String> {
    let mut why = String::from("it does not answer");
    let asking = async {
        loop {
            match ask::get(&format!("http://{address}/healthz")).await {
                Ok(answer) if answer.status == 200 => return,
                Ok(answer) => {
                    why = format!("it answers {} at /healthz ({})", answer.status, answer.body.trim());
                }
                Err(e) => why = format!("it does not answer at /healthz ({e})"),
            }
            pace::pause(ASK_EVERY).await;
        }
    };
    match pace::within(HEALTH_LIMIT, asking).await {
        Some(()) => Ok(()),
        None => Err(why),
    }
}
