//! A history for Apache Otava (formerly Hunter), which looks for change points of its own: CSV with a column for the time, two for what
//! was measured and where, and one for each metric (docs/CSV.md and otava/importer.py of its repository).

use crate::comparison::Better;
use crate::history::{Figure, Night, machines};
use crate::terminal::printable;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The columns in front of the metrics'.
const COLUMNS: [&str; 3] = ["time", "commit", "machine"];

/// The nights on the last machine, as they were appended: Otava knows no machines, and would take another one for a change. The columns
/// are the metrics that decide in the last night; as no cell may be empty there, a night that lacks one of them is left out. `otava.yaml`
/// needs what [`otava_config`] gives, such as
///
/// ```yaml
/// tests:
///   loadgen:
///     type: csv
///     file: history.csv
///     time_column: time
///     attributes: [commit, machine]
///     metrics:
///       ceiling_rps: {direction: 1, column: "ceiling_rps"}
///       p50_ms: {direction: -1, column: "p50_ms"}
///     csv_options: {delimiter: ",", quote_char: '"'}
/// ```
pub fn otava(nights: &[Night]) -> String {
    let metrics = deciding(nights);
    let names = COLUMNS.into_iter().map(str::to_owned).chain(metrics.keys().map(|name| cell(name)));
    let mut out = names.collect::<Vec<_>>().join(",") + "\n";
    let last = machines(nights).pop().map_or(0..0, |(_, range)| range);
    for night in &nights[last] {
        let value = |name: &&String| {
            let value = night.metrics.get(*name)?.candidate.filter(|value| value.is_finite())?;
            Some(value.to_string())
        };
        let values: Option<Vec<String>> = metrics.keys().map(|name| value(&name)).collect();
        if let Some(values) = values.filter(|values| !values.is_empty()) {
            let words = [cell(&night.at), cell(&night.candidate), night.host.fingerprint()];
            let line: Vec<_> = words.into_iter().chain(values).collect();
            // Writing to a String does not fail.
            let _ = writeln!(out, "{}", line.join(","));
        }
    }
    out
}

/// The test that `otava.yaml` needs for the CSV in `file`. Texts are in JSON's quotes, which YAML has too.
pub fn otava_config(nights: &[Night], file: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(printable(text).into_owned()).to_string();
    let mut out = format!(
        "tests:\n  loadgen:\n    type: csv\n    file: {}\n    time_column: time\n    attributes: [commit, machine]\n    metrics:\n",
        quoted(file)
    );
    for (name, figure) in deciding(nights) {
        let direction = if figure.better == Better::Higher { 1 } else { -1 };
        let name = quoted(name);
        let _ = writeln!(out, "      {name}: {{direction: {direction}, column: {name}}}");
    }
    out + "    csv_options: {delimiter: \",\", quote_char: '\"'}\n"
}

/// The metrics that decide in the last night.
fn deciding(nights: &[Night]) -> BTreeMap<&String, &Figure> {
    let metrics = nights.last().into_iter().flat_map(|night| &night.metrics);
    metrics.filter(|(_, figure)| figure.delta.is_some()).collect()
}

/// A cell of CSV (RFC 4180) on one line.
fn cell(text: &str) -> String {
    let text = printable(text);
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into_owned() }
}
