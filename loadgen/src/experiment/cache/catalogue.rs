//! What is asked of the stacks: the catalogue as people leaf through it, and one popular page.

use crate::cli::{Cli, LoadArgs, TargetProxy};
use crate::failure::{Failure, Outcome};
use clap::Parser;

/// The scenario, for a catalogue of the default scale.
const CATALOGUE: &str = include_str!("../../../scenarios/catalogue.toml");
/// How it says how many products there are.
const PRODUCTS: &str = "to = 10000\n";
/// The exponent of Zipf's law in it.
pub(super) const EXPONENT: f64 = 1.0;

/// One page, which everybody wants.
const PAGE: &str = r#"
[defaults]
headers = { Accept = "text/html" }
check = [{ status = 200 }]

[[interaction]]
name = "popular page"
path = "/products/1"
"#;

/// The catalogue with so many products.
pub(super) fn all(items: u32, seed: u64, proxy: Option<TargetProxy>) -> Outcome<LoadArgs> {
    let text = CATALOGUE.replacen(PRODUCTS, &format!("to = {items}\n"), 1);
    // As long as the program: a stack has one.
    load(text.leak(), seed, proxy)
}

/// The popular page.
pub(super) fn page(proxy: Option<TargetProxy>) -> Outcome<LoadArgs> {
    load(PAGE, 1, proxy)
}

fn load(scenario: &'static str, seed: u64, proxy: Option<TargetProxy>) -> Outcome<LoadArgs> {
    let words = ["loadgen".to_owned(), "--seed".to_owned(), seed.to_string()];
    let cli = Cli::try_parse_from(words).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(LoadArgs { own_scenario: Some(scenario), target_proxy: proxy, ..cli.run.load })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::units::Rate;
    use std::time::Duration;

    #[test]
    fn both_can_be_offered_at_a_rate_and_in_a_closed_loop() {
        for load in [all(1000, 7, None).unwrap(), page(Some(TargetProxy::Nginx)).unwrap()] {
            for rate in [Some(Rate { micro: 1_000_000 }), None] {
                let plan = Plan::at(&load, rate, Duration::ZERO, Duration::from_secs(1)).unwrap();
                assert!(
                    plan.url.is_none() && plan.scenario.is_some() && plan.target_proxy == load.target_proxy
                );
            }
        }
        assert_eq!(all(1000, 7, None).unwrap().seed, 7);
    }

    #[test]
    fn the_catalogue_has_as_many_products_as_the_stack_and_the_exponent_that_is_recorded() {
        assert_eq!(CATALOGUE.matches(PRODUCTS).count(), 1);
        let text = all(250, 1, None).unwrap().own_scenario.unwrap();
        assert!(text.contains("to = 250\n") && !text.contains("10000"));
        assert!(CATALOGUE.contains(&format!("exponent = {EXPONENT:.1}\n")));
    }
}
