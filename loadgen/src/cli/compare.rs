//! The options of comparing two sets of records.

use super::ResultArgs;
use crate::units;
use clap::Args;
use reports::analyse::pairing::May;
use std::path::PathBuf;

/// The options of a comparison.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// The records of what the candidate is held against: a directory with a record in each directory below it
    #[arg(value_name = "BASE")]
    pub(crate) base: PathBuf,
    /// Those of what is judged, with the same names
    #[arg(value_name = "CANDIDATE")]
    pub(crate) candidate: PathBuf,

    /// Those of the base once more: how far the noise alone goes
    #[arg(long, value_name = "DIR", help_heading = "Comparison")]
    pub(crate) control: Option<PathBuf>,
    /// Those of what is known to be slower by a share, such as 10%=out/slow-10: whether the gate sees it; repeatable
    #[arg(long, value_name = "SHARE=DIR", value_parser = slowed, help_heading = "Comparison")]
    pub(crate) self_test: Vec<Slowed>,
    /// Take what base against base and the self-tests have come to from an earlier comparison: that of a first measurement, of which this is
    /// the second one
    #[arg(long, value_name = "DIR", conflicts_with = "self_test", help_heading = "Comparison")]
    pub(crate) checks_of: Option<PathBuf>,
    /// How much worse a metric may be, such as p50_ms=3%, or `off`: it is not to decide; repeatable
    #[arg(long = "delta", value_name = "METRIC=SHARE", value_parser = delta, help_heading = "Comparison")]
    pub(crate) deltas: Vec<Delta>,
    /// In what the two may differ, which is then marked: seed, machine, generator
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = may, help_heading = "Comparison")]
    pub(crate) allow: Vec<May>,
    /// What the base is called, such as its commit
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help_heading = "Comparison"
    )]
    pub(crate) base_revision: String,
    /// What the candidate is called
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help_heading = "Comparison"
    )]
    pub(crate) candidate_revision: String,
    /// Everything random comes from it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = units::whole::<u64, 0, { u64::MAX }>, help_heading = "Comparison")]
    pub(crate) seed: u64,

    /// Append the result as a line to this history, which `loadgen trend` draws
    #[arg(long, value_name = "FILE", help_heading = "For others")]
    pub(crate) history: Option<PathBuf>,
    /// Write a summary in Markdown, such as to $GITHUB_STEP_SUMMARY
    #[arg(long, value_name = "FILE", help_heading = "For others")]
    pub(crate) markdown: Option<PathBuf>,
    /// Where the summary finds the pictures: they are linked from there
    #[arg(long, value_name = "URL", requires = "markdown", help_heading = "For others")]
    pub(crate) pictures: Option<String>,
    /// Write the metrics as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "For others")]
    pub(crate) junit: Option<PathBuf>,
    /// Print ::error, ::warning and ::notice lines, which GitHub shows at the top
    #[arg(long, help_heading = "For others")]
    pub(crate) annotate: bool,

    /// Where the result goes
    #[command(flatten)]
    pub(crate) result: ResultArgs,
}

/// A set of what is known to be slower.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slowed {
    /// By how much, as a share.
    pub(crate) slowdown: f64,
    /// Its records.
    pub(crate) dir: PathBuf,
}

/// How much worse a metric may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    /// The metric's name.
    pub(crate) metric: String,
    /// A share; `None`: it is not to decide.
    pub(crate) share: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').and_then(|text| text.trim().parse::<f64>().ok()).map(|n| n / 100.0);
    share
        .filter(|share| (0.0001..=10.0).contains(share))
        .ok_or_else(|| format!("`{text}`: write a percentage from 0.01% to 1000%, such as 5%"))
}

fn slowed(text: &str) -> Result<Slowed, String> {
    let (of, dir) = text.split_once('=').ok_or("write it as SHARE=DIR, such as 10%=out/slow-10")?;
    Ok(Slowed { slowdown: share(of)?, dir: dir.into() })
}

fn delta(text: &str) -> Result<Delta, String> {
    let (metric, of) = text.split_once('=').ok_or("write it as METRIC=SHARE, such as p50_ms=3%")?;
    let share = if of == "off" { None } else { Some(share(of)?) };
    Ok(Delta { metric: metric.to_owned(), share })
}

fn may(text: &str) -> Result<May, String> {
    let known = May::ALL.iter().find(|(name, _)| *name == text);
    known.map(|(_, may)| *may).ok_or_else(|| format!("`{text}`: it is one of seed, machine, generator"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_nonsense_is_not() {
        assert_eq!(slowed("10%=out/a"), Ok(Slowed { slowdown: 0.1, dir: "out/a".into() }));
        assert_eq!(delta("p50_ms=3%"), Ok(Delta { metric: "p50_ms".into(), share: Some(0.03) }));
        assert_eq!(delta("p50_ms=off"), Ok(Delta { metric: "p50_ms".into(), share: None }));
        for bad in ["p50_ms", "p50_ms=5", "p50_ms=-1%", "p50_ms=0%", "p50_ms=nan%", "p50_ms=5000%"] {
            assert!(delta(bad).is_err(), "{bad}");
        }
        assert_eq!(may("seed"), Ok(May::Seed));
        assert!(may("sead").unwrap_err().contains("one of seed"));
    }
}
