//! A night for github-action-benchmark, which keeps and draws series of its own: a JSON array of `name`, `value`, `unit`, `range` and
//! `extra` (its README, "customBiggerIsBetter"/"customSmallerIsBetter"). It knows one direction for a document and alerts by the ratio of
//! two values, which a change of the sign would turn round; so there are two documents, one for each direction.

use crate::comparison::Better;
use crate::history::{Figure, Night};
use crate::number::change;
use crate::terminal::printable;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Bench {
    name: String,
    unit: String,
    value: f64,
    range: Option<String>,
    extra: String,
}

/// The candidate's medians in `night` of the metrics that decide and have this direction: for the tool `customSmallerIsBetter`, or
/// `customBiggerIsBetter`. `None` where there are none.
pub fn github_benchmark(night: &Night, better: Better) -> Option<String> {
    let bench = |(name, figure): (&String, &Figure)| {
        let value = figure.candidate.filter(|value| value.is_finite())?;
        (figure.delta.is_some() && figure.better == better).then(|| Bench {
            name: printable(name).into_owned(),
            unit: if figure.unit.is_empty() { "share".into() } else { printable(&figure.unit).into_owned() },
            value,
            range: figure.ci95.map(|[from, to]| format!("{} to {} of the base", change(from), change(to))),
            extra: extra(night, figure),
        })
    };
    let all: Vec<Bench> = night.metrics.iter().filter_map(bench).collect();
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
    lines.iter().map(|line| printable(line).into_owned()).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::history::night;

    #[test]
    fn each_direction_has_a_document_of_its_own() {
        let mut night = night(0);
        night.candidate = String::from("1ad522a");
        for (name, figure) in &mut night.metrics {
            figure.candidate = Some(if name == "ceiling_rps" { 2_000.0 } else { 1.25 });
            (figure.ratio, figure.ci95) = (Some(1.0125), Some([1.0, 1.02]));
        }
        night.metrics.retain(|name, _| name != "p99_ms");
        let bigger = "[
  {
    \"name\": \"ceiling_rps\",
    \"unit\": \"requests/s\",
    \"value\": 2000.0,
    \"range\": \"0 % to +2 % of the base\",
    \"extra\": \"ceiling\\ncandidate: 1ad522a\\nbase: 1ad522a\\nmachine: FINGERPRINT\\nchange: +1.2 %\"
  }
]
";
        let bigger = bigger.replace("FINGERPRINT", &night.host.fingerprint());
        assert_eq!(github_benchmark(&night, Better::Higher), Some(bigger));
        let smaller = github_benchmark(&night, Better::Lower).unwrap();
        let names: Vec<_> = smaller.lines().filter(|line| line.contains("\"name\"")).collect();
        assert_eq!(names, ["    \"name\": \"p50_ms\","], "what only explains is not alerted on");
        night.metrics.values_mut().for_each(|figure| figure.candidate = None);
        assert_eq!(github_benchmark(&night, Better::Lower), None);
    }

    #[test]
    fn whatever_a_record_says_it_is_one_document() {
        let mut night = night(0);
        let hostile = "\"}]\u{1b}[31m\r\n</script>\u{202e}";
        (night.candidate, night.base) = (hostile.into(), hostile.into());
        let figure = Figure { what: hostile.into(), unit: hostile.into(), ..night.metrics["p50_ms"].clone() };
        night.metrics = [(hostile.to_owned(), figure)].into();
        let text = github_benchmark(&night, Better::Lower).unwrap();
        let read: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.len(), 1);
        for key in ["name", "unit", "extra"] {
            let said = read[0][key].as_str().unwrap();
            assert!(!said.contains(['\u{1b}', '\r', '\u{202e}']), "{key}: {said:?}");
        }
    }

    #[test]
    fn the_second_document_lies_beside_the_first() {
        for (file, want) in [
            ("a/bench.json", "a/bench.bigger.json"),
            ("bench", "bench.bigger"),
            ("a.b.json", "a.b.bigger.json"),
        ] {
            assert_eq!(bigger_file(Path::new(file)), Path::new(want));
        }
    }
}
