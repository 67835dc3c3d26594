//! The options of measuring in pairs.

use super::{LoadArgs, ResultArgs};
use crate::units::{self, Rate};
use clap::Args;
use reports::analyse::objective::Objective;
use reports::pairs::{BASE, CANDIDATE, CONTROL};
use std::path::PathBuf;
use std::time::Duration;

/// The longest name of an arm.
const LONGEST_NAME: usize = 32;

/// The options of measuring two or more targets in pairs.
///
/// A TARGET is a URL, or a command for the shell that starts a target in the foreground and prints, when it answers, a line with
/// its URL or the stack's descriptor, as `target-stack up` does; {cpus} in it is replaced by the CPUs that the generator leaves.
#[derive(Clone, Debug, Args)]
#[command(
    mut_arg("url", |arg| arg.hide(true)),
    mut_arg("target_proxy", |arg| arg.hide(true)),
    mut_arg("arrivals", |arg| arg.default_value("poisson"))
)]
pub(crate) struct PairsArgs {
    /// What others are held against: a URL, or a command that starts a target and prints its URL or descriptor
    #[arg(long, value_name = "TARGET", value_parser = target, help_heading = "Pairs")]
    pub(crate) base: String,
    /// What is judged
    #[arg(long, value_name = "TARGET", value_parser = target, help_heading = "Pairs")]
    pub(crate) candidate: String,
    /// A further target, measured in each pair as well; repeatable
    #[arg(long = "arm", value_name = "NAME=TARGET", value_parser = arm, help_heading = "Pairs")]
    pub(crate) arms: Vec<(String, String)>,
    /// Measure the base once more in each pair, to know how far two runs of the same differ
    #[arg(long, help_heading = "Pairs")]
    pub(crate) control: bool,
    /// How many pairs
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = units::whole::<u32, 1, 999>, help_heading = "Pairs")]
    pub(crate) pairs: u32,
    /// Offered rate in requests per second, fractions allowed
    #[arg(long, value_name = "N", value_parser = units::rate, conflicts_with = "share", help_heading = "Pairs")]
    pub(crate) rps: Option<Rate>,
    /// Offered rate as a share of the base's ceiling, which is searched first
    #[arg(long = "load", value_name = "SHARE", default_value = "60%", value_parser = share, help_heading = "Pairs")]
    pub(crate) share: f64,
    /// A history, as `loadgen compare --history` writes it: the rate of its last night on this machine with this load is kept, if it is
    /// about that share of the ceiling tonight (with 60 % from 50 to 70 %)
    #[arg(long, value_name = "FILE", conflicts_with = "rps", help_heading = "Pairs")]
    pub(crate) history: Option<PathBuf>,
    /// Length of the measured part of each run
    #[arg(short, long, value_name = "TIME", default_value = "4s", value_parser = units::positive_duration, help_heading = "Pairs")]
    pub(crate) duration: Duration,
    /// Sent before it, not counted
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::duration, help_heading = "Pairs")]
    pub(crate) warmup: Duration,
    /// Search the ceilings of base, candidate and control in each pair, too
    #[arg(long, help_heading = "Pairs")]
    pub(crate) ceilings: bool,
    /// Time for each of these searches, at least 8s
    #[arg(long, value_name = "TIME", default_value = "12s", value_parser = units::positive_duration, help_heading = "Pairs")]
    pub(crate) ceiling_budget: Duration,
    /// What has to hold at a ceiling: rules with commas between them
    #[arg(long, value_name = "RULES", default_value = "p99<50ms,errors<0.1%", value_parser = Objective::parse, help_heading = "Pairs")]
    pub(crate) slo: Objective,
    /// Time for all of it: no run is repeated, and no pair begun, that would end later [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = units::positive_duration, help_heading = "Pairs")]
    pub(crate) budget: Option<Duration>,
    /// Time in all to wait, before a run, for a machine that nobody else uses [default: 2m, and no more than a tenth of --budget]
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Pairs")]
    pub(crate) patience: Option<Duration>,
    /// What an arm is, for the record, such as base=1a2b3c4; repeatable
    #[arg(long = "revision", value_name = "NAME=TEXT", value_parser = revision, help_heading = "Pairs")]
    pub(crate) revisions: Vec<(String, String)>,

    /// What is sent and how
    #[command(flatten)]
    pub(crate) load: LoadArgs,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// Reads a target: what is none is known once it is tried.
fn target(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(String::from("there is no target in it: give a URL or a command"));
    }
    Ok(text.to_owned())
}

/// Reads `NAME=TEXT`.
fn named(text: &str) -> Result<(&str, &str), String> {
    let wrong = || format!("`{text}`: write it as NAME=..., the name in letters, digits, - and _");
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if fits { Ok((name, rest)) } else { Err(wrong()) }
}

/// Reads `--arm`.
fn arm(text: &str) -> Result<(String, String), String> {
    let (name, rest) = named(text)?;
    // The search for the base's ceiling has its own directory beside those of the arms.
    if [BASE, CANDIDATE, CONTROL, "ceiling"].contains(&name) {
        return Err(format!("`{name}` is taken: give the arm another name"));
    }
    Ok((name.to_owned(), target(rest)?))
}

/// Reads `--revision`.
fn revision(text: &str) -> Result<(String, String), String> {
    named(text).map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
}

/// Reads `--load`.
fn share(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').and_then(|text| text.trim().parse::<f64>().ok()).map(|n| n / 100.0);
    share
        .filter(|share| (0.01..=1.0).contains(share))
        .ok_or_else(|| format!("`{text}`: write a percentage from 1% to 100%, such as 60%"))
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use crate::schedule::Arrivals;
    use clap::Parser;

    fn args(words: &[&str]) -> Result<PairsArgs, String> {
        let words = ["loadgen", "pairs"].iter().chain(words);
        match Cli::try_parse_from(words).map_err(|e| e.to_string())?.command {
            Some(Command::Pairs(args)) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arms_have_names_and_targets() {
        let both = ["--base", "http://h/", "--candidate", "serve --port 1=2"];
        let more = |more: &[&'static str]| args(&[&both[..], more].concat());
        let plain = more(&[]).unwrap();
        assert_eq!((plain.candidate.as_str(), plain.pairs, plain.share), ("serve --port 1=2", 12, 0.6));
        assert_eq!((plain.load.arrivals, plain.load.url), (Arrivals::Poisson, None));
        let given =
            more(&["--arm", "slow_10-pc=serve --x=1", "--revision", "base=1a2b", "--arrivals", "even"])
                .unwrap();
        assert_eq!(given.arms, [("slow_10-pc".into(), "serve --x=1".into())]);
        assert_eq!(
            (&given.revisions[..], given.load.arrivals),
            (&[("base".into(), "1a2b".into())][..], Arrivals::Even)
        );
        for (words, part) in [
            (["--arm", "base=serve"], "`base` is taken"),
            (["--arm", "ceiling=serve"], "`ceiling` is taken"),
            (["--arm", "serve"], "write it as NAME="),
            (["--arm", "a b=serve"], "write it as NAME="),
            (["--arm", "../up=serve"], "write it as NAME="),
            (["--arm", "slow= "], "there is no target"),
            (["--base", ""], "cannot be used multiple times"),
            (["--load", "0%"], "from 1% to 100%"),
            (["--load", "0.6"], "from 1% to 100%"),
            (["--pairs", "0"], "from 1 to 999"),
            (["--revision", "1a2b"], "write it as NAME="),
        ] {
            let refused = more(&words).unwrap_err();
            assert!(refused.contains(part), "{words:?}: {refused}");
        }
        assert!(more(&["--rps", "5", "--load", "50%"]).is_err() && more(&["--rps", "5"]).is_ok());
        assert!(more(&["--rps", "5", "--history", "h"]).is_err());
        assert_eq!(more(&["--load", "50%", "--history", "h"]).unwrap().history, Some("h".into()));
        assert!(args(&["--base", "http://h/"]).is_err_and(|why| why.contains("--candidate")));
    }
}
