//! What users of the target do: weighted interactions, each a session of one or more requests with think time between
//! them, fed with data, checked, and tied together by values taken from earlier answers. Given a TOML file, it gives a
//! scenario of which every part has been checked, or one line with file and line that says what is wrong.
//!
//! [`script::Script`] is a scenario as requests to one host, and [`sessions::Sessions`] are the ones that a thread has
//! running. None of it knows a socket or a clock: instants come in as arguments and go out as what is due.

pub(crate) mod answer;
mod check;
mod extract;
mod feed;
mod file;
mod jar;
mod random;
pub(crate) mod script;
pub(crate) mod sessions;
mod source;
mod step;
mod template;
mod think;
mod zipf;

use crate::failure::{Failure, Outcome};
use feed::{Feed, Generator};
use http::HeaderName;
use std::path::Path;
use step::Step;
use template::Text;

/// A scenario, whole and valid.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// How sessions begin.
    pub(crate) arrivals: SessionArrivals,
    cookies: bool,
    capture: usize,
    /// Fields of all requests that do not give them otherwise.
    fields: Vec<(HeaderName, Text)>,
    interactions: Vec<Interaction>,
    /// The steps of all interactions, one after the other.
    steps: Vec<Step>,
    /// Their names.
    entries: Vec<Entry>,
    feeds: Vec<Feed>,
    generators: Vec<Generator>,
}

/// How sessions begin (Schroeder, Wierman, Harchol-Balter: "Open versus closed: a cautionary tale", NSDI 2006).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SessionArrivals {
    /// Each arrival of the schedule begins a session, whatever becomes of the others.
    Open,
    /// So many users, each of whom begins a session when the last one has ended and been thought about.
    Closed {
        /// How many.
        users: u64,
    },
    /// Users arrive as in the open case; after an interaction, each stays for another one with this probability.
    PartlyOpen {
        /// From 0 to less than 1.
        stay: f64,
    },
}

/// A request of a scenario, as statistics name it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The interaction's name.
    pub(crate) interaction: String,
    /// The step's name; that of the interaction where it has only one.
    pub(crate) step: String,
    /// The share of all requests that are expected to be this one.
    pub(crate) share: f64,
}

/// What a user does in one go.
#[derive(Debug)]
struct Interaction {
    /// It is picked by random bits below this, and not below that of the one before it.
    below: u128,
    /// Its first step's place among all.
    first: u16,
    /// Where those of the next interaction begin.
    end: u16,
    /// How many variables its answers fill.
    variables: usize,
    /// The files of which a session needs a row of its own.
    unique: Vec<usize>,
}

impl Scenario {
    /// Reads and checks the file at `path`; paths in it are relative to it.
    ///
    /// # Errors
    /// Wrong use, in one line, with file and line.
    pub(crate) fn load(path: &Path) -> Outcome<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::usage(format!("cannot read the scenario {name}: {e}")))?;
        file::read(&name, &text, path.parent().unwrap_or(Path::new("")))
    }

    /// One of the program's own, which needs no files beside it.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn own(text: &str) -> Outcome<Self> {
        file::read("its own scenario", text, Path::new(""))
    }

    /// The requests of all interactions, in the order in which they are numbered.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many requests a session is expected to have, when none fails: a rate of requests divided by it is the rate at
    /// which sessions have to arrive.
    pub(crate) fn mean_steps(&self) -> f64 {
        let mut before = 0;
        let mut mean = 0.0;
        for interaction in &self.interactions {
            mean += (interaction.below - before) as f64 / 2f64.powi(64)
                * f64::from(interaction.end - interaction.first);
            before = interaction.below;
        }
        match self.arrivals {
            SessionArrivals::Open | SessionArrivals::Closed { .. } => mean,
            SessionArrivals::PartlyOpen { stay } => mean / (1.0 - stay),
        }
    }

    /// The interaction that these random bits pick.
    fn pick(&self, random: u64) -> usize {
        let found = self.interactions.partition_point(|one| one.below <= u128::from(random));
        found.min(self.interactions.len() - 1)
    }
}

#[cfg(test)]
mod any_tests;
#[cfg(test)]
mod tests;
