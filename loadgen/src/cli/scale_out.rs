//! The options of scaling out.

use super::ResultArgs;
use crate::units;
use clap::{Args, ValueEnum};
use reports::analyse::objective::Objective;
use std::time::Duration;

/// No more servers than `target-stack up` takes.
const MOST_SERVERS: u32 = 64;

/// The options of an experiment on scaling out.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScaleOutArgs {
    /// Nothing: servers of somebody else's cannot be added
    #[arg(value_name = "URL", hide = true)]
    pub(crate) url: Option<String>,

    /// Numbers of app servers to try
    #[arg(long, value_name = "LIST", default_value = "1,2,3,4", value_parser = servers, help_heading = "Experiment")]
    pub(crate) servers: Servers,
    /// What is asked of them: pages that the app makes, answers that the database works for, or first one, then the other
    #[arg(long, value_enum, default_value_t = MixOption::Both, help_heading = "Experiment")]
    pub(crate) mix: MixOption,
    /// What has to hold: rules with commas between them
    #[arg(long, value_name = "RULES", default_value = "p95<100ms,errors<0.1%", value_parser = Objective::parse, help_heading = "Experiment")]
    pub(crate) slo: Objective,
    /// Time for all of it, at least 12s for each search
    #[arg(long, value_name = "TIME", default_value = "175s", value_parser = units::positive_duration, help_heading = "Experiment")]
    pub(crate) budget: Duration,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Experiment")]
    pub(crate) seed: u64,

    /// CPUs that each app server may use
    #[arg(long, value_name = "CPUS", default_value_t = 0.05, value_parser = units::cpus, help_heading = "Reference target")]
    pub(crate) server_cpu: f64,
    /// CPUs that the database may use
    #[arg(long, value_name = "CPUS", default_value_t = 0.3, value_parser = units::cpus, help_heading = "Reference target")]
    pub(crate) db_cpu: f64,
    /// CPUs that the proxy may use
    #[arg(long, value_name = "CPUS", default_value_t = 0.3, value_parser = units::cpus, help_heading = "Reference target")]
    pub(crate) proxy_cpu: f64,
    /// Size of the catalogue
    #[arg(long, value_name = "SCALE", value_parser = ["small", "default", "large"], help_heading = "Reference target")]
    pub(crate) scale: Option<String>,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// Numbers of servers, in ascending order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Servers(pub(crate) Vec<u32>);

/// See [`ScaleOutArgs::mix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MixOption {
    /// Product pages by key, which cost the app servers most
    App,
    /// Searches, which cost the database most
    Database,
    /// One after the other
    Both,
}

/// Reads `--servers`.
fn servers(text: &str) -> Result<Servers, String> {
    let number = |part: &str| {
        let number = part.trim().parse::<u32>().ok().filter(|n| (1..=MOST_SERVERS).contains(n));
        number.ok_or_else(|| {
            format!(
                "`{text}`: write numbers from 1 to {MOST_SERVERS} with commas between them, such as 1,2,4"
            )
        })
    };
    let mut numbers = text.split(',').map(number).collect::<Result<Vec<u32>, String>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [_, _, ..] => Ok(Servers(numbers)),
        _ => Err(format!("`{text}`: it takes two numbers of servers to compare, such as 1,4")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_servers() {
        for (text, want) in [("1,2,3,4", vec![1, 2, 3, 4]), ("4, 1,4", vec![1, 4]), ("2,64", vec![2, 64])] {
            assert_eq!(servers(text), Ok(Servers(want)), "{text}");
        }
        for (text, part) in [
            ("1", "takes two"),
            ("2,2", "takes two"),
            ("", "from 1 to 64"),
            ("0,1", "from 1 to 64"),
            ("1,65", "from 1 to 64"),
            ("1-4", "from 1 to 64"),
            ("one,two", "from 1 to 64"),
        ] {
            let refused = servers(text).unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
