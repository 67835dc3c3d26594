//! A report as text: a line for the stack, and a small table with a line for each process. A terminal obeys nothing that
//! a descriptor says.

use super::{Process, Report};
use crate::failure::{Failure, Outcome};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// The tiers in the order in which a request meets them; others come behind.
const ORDER: [&str; 4] = ["dns", "proxy", "app", "db"];

const HEAD: [&str; 8] = ["TIER", "PID", "ADDRESS", "STATE", "CPU", "LIMIT", "REQ/S", "CONNECTIONS"];
/// The columns that hold words, which stand at their left.
const WORDS: [bool; HEAD.len()] = [true, false, true, true, false, false, false, false];

/// The report for a person.
pub(super) fn table(report: &Report) -> String {
    let mut tiers: Vec<_> = report.tiers.iter().collect();
    tiers.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    let rows = tiers.into_iter().flat_map(|(name, tiers)| tiers.iter().map(move |tier| (name, tier)));
    let rows = rows.map(|(name, tier)| row(name, tier, &report.dir));
    let rows: Vec<[String; HEAD.len()]> = [HEAD.map(str::to_owned)].into_iter().chain(rows).collect();
    let (url, dir) = (plain(&report.url), plain(&report.dir.display().to_string()));
    let supervisor = match report.alive {
        true => format!("pid {}", report.pid),
        false => format!("whose supervisor {} is DEAD", report.pid),
    };
    format!("{url} in {dir}, {supervisor}\n\n{}", aligned(&rows))
}

/// A row; what lies in the stack's directory is named from there, so that the table fits on a terminal.
fn row(name: &str, tier: &Process, dir: &Path) -> [String; HEAD.len()] {
    let address = Path::new(&tier.address).strip_prefix(dir).map(|path| path.display().to_string());
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| String::from("-"), |value| format!("{value:.digits$}"))
    };
    let state = match (tier.alive, tier.answers) {
        (false, _) => "DEAD",
        (true, false) => "silent",
        (true, true) => "alive",
    };
    let rps = tier.load.rps;
    [
        plain(name),
        tier.pid.to_string(),
        plain(&address.unwrap_or_else(|_| tier.address.clone())),
        state.to_owned(),
        number(tier.load.cpu_share, 2),
        tier.cpu_limit.map_or_else(|| String::from("-"), |cpus| cpus.to_string()),
        number(rps, if rps >= Some(1000.0) { 0 } else { 1 }),
        number(tier.load.connections, 0),
    ]
}

fn aligned(rows: &[[String; HEAD.len()]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let (gap, width) = (if column == 0 { "" } else { "  " }, width(column));
            // Writing to a string cannot fail.
            let _ = match WORDS[column] {
                true => write!(line, "{gap}{cell:<width$}"),
                false => write!(line, "{gap}{cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Text without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Prints text as it is.
pub(super) fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::start(format!("standard output: {e}")))
}
