//! What is asked of the stacks: the two mixes, each with the words for it and the requests that it is made of.

use crate::cli::{Cli, LoadArgs, MixOption};
use crate::failure::{Failure, Outcome};
use clap::Parser;

/// See [`Mix::scenario`].
const SEARCHES: &str = include_str!("../../../scenarios/searches.toml");

/// Enough for what is in flight at any ceiling of small servers. A thousand, opened at once when a load is too much, would cost such
/// a server more than the load itself, and it would collapse rather than be full.
const CONNECTIONS: usize = 128;

/// A mix of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    /// The tier that it is made for.
    pub(super) name: &'static str,
    /// The requests, in words.
    pub(super) what: &'static str,
    /// A scenario; without one, the product pages of the whole catalogue in random order.
    scenario: Option<&'static str>,
}

const APP: Mix = Mix { name: "app", what: "product pages", scenario: None };
const DATABASE: Mix = Mix { name: "database", what: "searches", scenario: Some(SEARCHES) };

impl Mix {
    /// Those that were asked for.
    pub(super) fn all(option: MixOption) -> &'static [Self] {
        match option {
            MixOption::App => &[APP],
            MixOption::Database => &[DATABASE],
            MixOption::Both => &[APP, DATABASE],
        }
    }

    /// What is sent.
    ///
    /// # Errors
    /// When the options of a load cannot be had without any.
    pub(super) fn load(&self, seed: u64) -> Outcome<LoadArgs> {
        let words = ["loadgen".to_owned(), "--seed".to_owned(), seed.to_string()];
        let cli = Cli::try_parse_from(words).map_err(|e| Failure::usage(e.to_string()))?;
        Ok(LoadArgs { own_scenario: self.scenario, connections: Some(CONNECTIONS), ..cli.run.load })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::units::Rate;
    use std::time::Duration;

    #[test]
    fn each_mix_can_be_offered_at_a_rate() {
        for mix in Mix::all(MixOption::Both) {
            let load = mix.load(7).unwrap();
            let rate = Some(Rate { micro: 1_000_000 });
            let plan = Plan::at(&load, rate, Duration::ZERO, Duration::from_secs(1)).unwrap();
            assert_eq!((plan.seed, plan.scenario.is_some()), (7, mix.name == "database"), "{mix:?}");
            assert!(plan.url.is_none(), "it is the reference target's");
        }
        assert_eq!(Mix::all(MixOption::App), &[APP]);
        assert_eq!(Mix::all(MixOption::Database), &[DATABASE]);
    }
}
