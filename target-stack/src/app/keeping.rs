//! How long the shop keeps sessions and carts, and how often it sweeps away what is over. Given options it gives times, and the
//! options again; it sweeps nothing itself.

use super::store::Lives;
use crate::units;
use std::time::Duration;

/// As options of an app server, which `up` hands on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Keeping {
    /// How long a session is kept after it began or somebody signed in
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = units::days)]
    session_life: Duration,
    /// How long a cart is kept
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = units::days)]
    cart_life: Duration,
    /// How often what is over is swept away, or `off`
    #[arg(long, value_name = "TIME|off", default_value = "60s", value_parser = every)]
    sweep_every: Every,
}

/// A pause between two sweeps; none where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Every(Option<Duration>);

impl Keeping {
    pub(crate) fn lives(&self) -> Lives {
        Lives { session_s: self.session_life.as_secs(), cart_s: self.cart_life.as_secs() }
    }

    /// The same as options.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let seconds = |life: Duration| format!("{}s", life.as_secs());
        let every = self.sweep_every.0.map_or_else(|| String::from("off"), units::option);
        let options = [
            ("--session-life", seconds(self.session_life)),
            ("--cart-life", seconds(self.cart_life)),
            ("--sweep-every", every),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// The pause between two sweeps, if there are any.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.sweep_every.0
    }
}

fn every(text: &str) -> Result<Every, String> {
    if text == "off" { Ok(Every(None)) } else { units::time(text).map(Some).map(Every) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        keeping: Keeping,
    }

    #[test]
    fn an_app_server_is_told_what_the_stack_was_told() {
        for (line, want) in [
            ("", "--session-life 604800s --cart-life 2592000s --sweep-every 60000000us"),
            (
                "--cart-life 2h --sweep-every off",
                "--session-life 604800s --cart-life 7200s --sweep-every off",
            ),
            (
                "--session-life 1s --sweep-every 5ms",
                "--session-life 1s --cart-life 2592000s --sweep-every 5000us",
            ),
        ] {
            let parse = |line: &str| Line::try_parse_from(format!("app {line}").split_whitespace());
            let once = parse(line).expect("options").keeping.arguments().join(" ");
            assert_eq!(once, want);
            assert_eq!(parse(&once).expect("options").keeping.arguments().join(" "), want);
        }
        for line in ["--sweep-every never", "--sweep-every 0s", "--cart-life 0s", "--session-life 1"] {
            assert!(Line::try_parse_from(format!("app {line}").split_whitespace()).is_err(), "{line}");
        }
    }
}
