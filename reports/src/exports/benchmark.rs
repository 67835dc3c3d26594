//! A night for github-action-benchmark, which keeps and draws series of its own: a JSON array of `name`, `value`, `unit`, `range` and
//! `extra` (its README, "customBiggerIsBetter"/"customSmallerIsBetter"). It knows one direction for a document and alerts by the ratio of
//! two values, which a change of the sign would turn round; so there are two documents, one for each direction.

use super::words::change;
use crate::comparison::Better;
use crate::history::{Figure, Night};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Bench<'a> {
    name: &'a str,
    unit: &'a str,
    value: f64,
    range: Option<String>,
    extra: String,
}

/// The candidate's medians in `night` of the metrics that decide and have this direction: for the tool `customSmallerIsBetter`, or
/// `customBiggerIsBetter`. `None` where there are none.
pub fn github_benchmark(night: &Night, better: Better) -> Option<String> {
    let of = |(name, figure): (&'_ String, &'_ Figure)| {
        let value = figure.candidate.filter(|value| value.is_finite() && figure.delta.is_some())?;
        (figure.better == better).then(|| (name.clone(), figure.clone(), value))
    };
    let chosen: Vec<_> = night.metrics.iter().filter_map(of).collect();
    let bench = |(name, figure, value): &'_ (String, Figure, f64)| -> serde_json::Value {
        let bench = Bench {
            name,
            unit: if figure.unit.is_empty() { "share" } else { &figure.unit },
            value: *value,
            range: figure.ci95.map(|[from, to]| format!("{} to {} of the base", change(from), change(to))),
            extra: extra(night, figure),
        };
        serde_json::json!(bench)
    };
    let all: Vec<_> = chosen.iter().map(bench).collect();
    let text = serde_json::to_string_pretty(&all).ok()?;
    (!all.is_empty()).then(|| text + "\n")
}

/// What a tooltip says, a line each.
fn extra(night: &Night, figure: &Figure) -> String {
    let mut lines = vec![
        figure.what.clone(),
        format!("candidate: {}", night.candidate),
        format!("base: {}", night.base),
        format!("machine: {}", night.host.fingerprint()),
    ];
    lines.extend(figure.ratio.map(|ratio| format!("change: {}", change(ratio))));
    lines.iter().map(|line| crate::terminal::printable(line).into_owned()).collect::<Vec<_>>().join("\n")
}

/// Where the second document goes beside `file`, which has the first: `bench.json` has `bench.bigger.json` beside it.
pub fn bigger_file(file: &Path) -> PathBuf {
    let mut name = OsString::from(file.file_stem().unwrap_or_default());
    name.push(".bigger");
    if let Some(ending) = file.extension() {
        name.push(".");
        name.push(ending);
    }
    file.with_file_name(name)
}
