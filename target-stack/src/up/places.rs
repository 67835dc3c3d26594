//! The places of a stack: what the process at each is started with, the first time and again, and what it said when it answered last. One
//! that is started again has the address, the sizes, the control group and the endpoint of the one before. Why one is started or
//! ended, others know.

use super::sizes::Limit;
use crate::descriptor::Tier;
use crate::failure::{Failure, Outcome};
use crate::operate::words::{Part, Release, Spot};
use crate::pace;
use crate::supervise::{Processes, Recipe};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Places<'p> {
    processes: &'p Processes,
    all: RefCell<Vec<Place>>,
}

#[derive(Debug)]
struct Place {
    at: Spot,
    recipe: Recipe,
    /// What an app server is told of its version, if anything.
    release: Option<Release>,
    /// What it said last, and when, if that was not the first time.
    tier: Tier,
    again: Option<Instant>,
}

impl<'p> Places<'p> {
    /// No place is taken yet.
    pub(super) fn new(processes: &'p Processes) -> Self {
        Self { processes, all: RefCell::default() }
    }

    /// Takes a place: starts the process by a subcommand in its group, and limits it once it answers.
    ///
    /// # Errors
    /// When it does not answer, or cannot be limited.
    pub(super) async fn take(
        &self,
        at: Spot,
        command: &'static str,
        limit: Option<Limit>,
        arguments: Vec<String>,
    ) -> Outcome<Tier> {
        let group = limit.as_ref().map(|limit| limit.group.clone());
        let recipe = Recipe { tier: at.tier.name(), number: at.number, command, group, arguments };
        let tier = self.processes.start(&recipe).await?;
        let tier = Tier { cpu_limit: limit.as_ref().map(Limit::impose).transpose()?, ..tier };
        self.all.borrow_mut().push(Place { at, recipe, release: None, tier: tier.clone(), again: None });
        Ok(tier)
    }

    /// Starts the process at a place again, within its limit from the beginning.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn start(&self, at: Spot) -> Outcome<Tier> {
        let recipe = self.place(at)?.once_more();
        let tier = self.processes.start(&recipe).await?;
        let mut place = self.place_mut(at)?;
        place.tier = Tier { cpu_limit: place.tier.cpu_limit, ..tier };
        place.again = Some(pace::now());
        Ok(place.tier.clone())
    }

    /// Kills the process at a place.
    pub(super) async fn kill(&self, at: Spot) {
        self.processes.kill(at.tier.name(), at.number).await;
    }

    /// Ends the processes at these places of a tier, all at once, in a `hurry` or not.
    pub(super) async fn stop(&self, tier: Part, numbers: &[usize], hurry: bool) {
        self.processes.stop(tier.name(), numbers, hurry).await;
    }

    /// The pid of the process at a place, while it lives.
    pub(super) fn pid(&self, at: Spot) -> Option<u32> {
        self.processes.pid(at.tier.name(), at.number)
    }

    /// What the process at a place said last.
    ///
    /// # Errors
    /// When there is no such place.
    pub(super) fn tier(&self, at: Spot) -> Outcome<Tier> {
        Ok(self.place(at)?.tier.clone())
    }

    /// When the process at a place was started again, if it was.
    pub(super) fn again(&self, at: Spot) -> Option<Instant> {
        self.place(at).ok().and_then(|place| place.again)
    }

    /// What the server at a place is told of its version; gives what the one before was told.
    ///
    /// # Errors
    /// When there is no such place.
    pub(super) fn tell(&self, at: Spot, release: Option<Release>) -> Outcome<Option<Release>> {
        Ok(std::mem::replace(&mut self.place_mut(at)?.release, release))
    }

    /// The version of the server at a place: of an app server.
    pub(super) fn version(&self, at: Spot) -> Option<String> {
        let place = self.place(at).ok().filter(|_| at.tier == Part::App)?;
        let told = place.release.as_ref().map(|release| release.version.clone());
        Some(told.unwrap_or_else(|| crate::app::VERSION.to_owned()))
    }

    /// All places of a tier, in order.
    pub(super) fn of(&self, tier: Part) -> Vec<Spot> {
        self.all.borrow().iter().map(|place| place.at).filter(|at| at.tier == tier).collect()
    }

    /// Whether no place is of the tier of this name.
    pub(super) fn is_none(&self, tier: &str) -> bool {
        !self.all.borrow().iter().any(|place| place.at.tier.name() == tier)
    }

    /// All that was said, as the descriptor has it.
    pub(super) fn tiers(&self) -> BTreeMap<String, Vec<Tier>> {
        let mut tiers: BTreeMap<String, Vec<Tier>> = BTreeMap::new();
        for place in self.all.borrow().iter() {
            tiers.entry(place.at.tier.name().to_owned()).or_default().push(place.tier.clone());
        }
        tiers
    }

    fn place(&self, at: Spot) -> Outcome<Ref<'_, Place>> {
        let found = Ref::filter_map(self.all.borrow(), |all| all.iter().find(|place| place.at == at));
        found.map_err(|_| self.nobody(at))
    }

    fn place_mut(&self, at: Spot) -> Outcome<RefMut<'_, Place>> {
        let found =
            RefMut::filter_map(self.all.borrow_mut(), |all| all.iter_mut().find(|place| place.at == at));
        found.map_err(|_| Failure::usage(format!("there is no {at}")))
    }

    fn nobody(&self, at: Spot) -> Failure {
        let (name, count) = (at.tier.name(), self.of(at.tier).len());
        let has = if count == 1 { "one, --number 1".to_owned() } else { format!("--number 1 to {count}") };
        Failure::usage(format!("there is no {at}: of the {name} tier this stack has {has}"))
    }
}

impl Place {
    /// What the process is started with from the second time on.
    fn once_more(&self) -> Recipe {
        let mut recipe = self.recipe.clone();
        let metrics =
            self.tier.metrics.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
        let options = match self.at.tier {
            // Its metrics are at its address, which it is told each time.
            Part::App => vec![],
            Part::Db | Part::Proxy => vec![("--metrics", metrics.unwrap_or_default())],
            Part::Dns => vec![("--metrics", metrics.unwrap_or_default()), ("--listen", &*self.tier.address)],
        };
        let options = options.into_iter().flat_map(|(name, value)| [name, value]).map(str::to_owned);
        recipe.arguments.extend(options);
        if let Some(Release { version, sick }) = &self.release {
            recipe.arguments.extend([String::from("--version"), version.clone()]);
            recipe.arguments.extend(sick.then(|| String::from("--sick")));
        }
        recipe
    }
}
