//! A history for Apache Otava (formerly Hunter), which looks for change points of its own: CSV with a column for the time, two for what
//! was measured and where, and one for each metric (docs/CSV.md and otava/importer.py of its repository).

use crate::comparison::Better;
use crate::history::{Figure, Night, loads};
use crate::terminal::printable;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The columns in front of the metrics'.
const COLUMNS: [&str; 3] = ["time", "commit", "machine"];

/// The nights on the last machine at the last rate, as they were appended: Otava knows neither, and would take another one for a change. The columns
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
    let last = loads(nights).pop().unwrap_or(0..0);
    for night in &nights[last] {
        let value = |name: &String| {
            let value = night.metrics.get(name)?.candidate.filter(|value| value.is_finite())?;
            Some(value.to_string())
        };
        let values: Option<Vec<String>> = metrics.keys().map(|name| value(name)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::history::{machine, night};

    /// Three nights of round numbers, the first on another machine.
    fn nights() -> Vec<Night> {
        let mut nights: Vec<Night> = (0..4).map(night).collect();
        nights[0].host = machine("another");
        for (n, night) in nights.iter_mut().enumerate() {
            night.candidate = format!("c{n}");
            night.metrics.values_mut().for_each(|figure| figure.candidate = Some(1.5 + n as f64));
        }
        nights[2].metrics.get_mut("p99_ms").unwrap().candidate = None;
        nights
    }

    #[test]
    fn a_row_for_each_whole_night_on_the_last_machine() {
        let mut nights = nights();
        nights[3].candidate = String::from("a, \"b\"\n\u{1b}");
        let host = nights[3].host.fingerprint();
        assert_eq!(
            otava(&nights),
            format!(
                "time,commit,machine,ceiling_rps,p50_ms,p99_ms\n2026-09-02T02:00:00Z,c1,{host},2.5,2.5,2.5\n\
                 2026-09-04T02:00:00Z,\"a, \"\"b\"\"\\u{{a}}\\u{{1b}}\",{host},4.5,4.5,4.5\n"
            )
        );
        let mut rates = nights.clone();
        rates[3].offered.as_mut().unwrap().rps = 7.0;
        assert_eq!(otava(&rates).lines().count(), 2, "one night at the last rate");
        assert_eq!(otava(&[]), "time,commit,machine\n");
        nights[3].metrics.clear();
        assert_eq!(otava(&nights), "time,commit,machine\n", "no metric, no row");
    }

    #[test]
    fn the_test_is_what_otava_reads() {
        let mut nights = nights();
        assert_eq!(
            otava_config(&nights, "history.csv"),
            "tests:
  loadgen:
    type: csv
    file: \"history.csv\"
    time_column: time
    attributes: [commit, machine]
    metrics:
      \"ceiling_rps\": {direction: 1, column: \"ceiling_rps\"}
      \"p50_ms\": {direction: -1, column: \"p50_ms\"}
      \"p99_ms\": {direction: -1, column: \"p99_ms\"}
    csv_options: {delimiter: \",\", quote_char: '\"'}
"
        );
        let figure = nights[3].metrics["p50_ms"].clone();
        nights[3].metrics = [(String::from("\"}\n\u{85}x: y"), figure)].into();
        let text = otava_config(&nights, "a\nb");
        assert_eq!(text.lines().count(), 9, "{text}");
        assert!(text.contains("      \"\\\"}\\\\u{a}\\\\u{85}x: y\": {"), "{text}");
    }
}
