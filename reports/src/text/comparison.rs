//! A comparison as a terminal shows it: a row for each metric, those that decide first, then what explains the changes, and last whether
//! there is an answer and what it is.

use super::{Paint, named, nothing, wrapped};
use crate::analyse::compare::{finding, self_tests};
use crate::comparison::{Call, Comparison, Metric, Side};
use crate::exports::valued;
use crate::number::{NONE, capital, change, counted, percent, rate};
use crate::terminal::printable;
use std::fmt::Write;

/// The summary of `found`, with ANSI colours where `colour` is set. It ends in a line end. Whatever the record has in its texts,
/// none of it is for a terminal to obey.
pub fn comparison(found: &Comparison, colour: bool) -> String {
    let paint = Paint { colour };
    if found.is_empty() {
        let reasons =
            found.verdict.reasons.iter().map(|reason| wrapped(&printable(&format!("- {reason}")), 2, 4));
        return nothing(&capital(&finding(found)), &paint) + &reasons.collect::<String>();
    }
    let mut out = table(found, &paint);
    out.push('\n');
    for sentence in &found.attribution {
        out.push_str(&named("explained", &printable(sentence)));
    }
    for (n, sentence) in self_tests(found).iter().enumerate() {
        out.push_str(&named(if n == 0 { "self-tests" } else { "" }, &printable(sentence)));
    }
    out.push_str(&named("base", &side(&found.base)));
    out.push_str(&named("candidate", &side(&found.candidate)));
    out.push_str(&named("load", &printable(&found.load)));
    for said in &found.emulated {
        out.push_str(&named("emulated", &printable(said)));
    }
    let rule = format!(
        "worse by more than it may be, the 95 % interval clear of no change, and p < {} (signed ranks, adjusted by Holm)",
        rate(found.alpha)
    );
    out.push_str(&named("worse is", &rule));
    let columns = "change: the median of the pairs' ratios; may be: how much worse it may be; sees: the smallest slowdown that would \
                   be found in 4 of 5 such comparisons";
    out.push_str(&named("columns", columns));
    out.push('\n');
    out.push_str(&verdict(found, &paint));
    out
}

fn side(side: &Side) -> String {
    let Side { revision, dir, .. } = side;
    printable(&if revision.is_empty() { dir.clone() } else { format!("{revision} ({dir})") }).into_owned()
}

/// The width of the metrics' names.
const NAMES: usize = 22;

fn table(found: &Comparison, paint: &Paint) -> String {
    let mut out = format!(
        "{:<NAMES$}{:>9} {:>9} {:>7}  {:<15}{:>6}{:>7}\n",
        "metric", "base", "candidate", "change", "95 % interval", "may be", "sees"
    );
    let decides = |metric: &&Metric| metric.delta.is_some();
    for metric in found.metrics.iter().filter(decides) {
        row(&mut out, metric, paint);
    }
    let explains = found.metrics.iter().filter(|metric| !decides(metric) && metric.found.is_some());
    for (n, metric) in explains.enumerate() {
        if n == 0 {
            out.push_str("beside them\n");
        }
        row(&mut out, metric, paint);
    }
    out
}

fn row(out: &mut String, metric: &Metric, paint: &Paint) {
    let mut name = printable(&metric.what).into_owned();
    if name.chars().count() >= NAMES {
        out.push_str(&wrapped(&name, 0, 0));
        name.clear();
    }
    let Some(known) = &metric.found else {
        let _ = writeln!(out, "{name:<NAMES$}{}", paint.note(&counted(metric.pairs.len() as u64, "pair")));
        return;
    };
    let [low, high] = known.ci95;
    let interval = format!("{} to {}", bare(low), change(high));
    let share = |share: Option<f64>| share.map_or(NONE.to_owned(), percent);
    let may = if metric.delta.is_some() { percent(known.delta) } else { String::new() };
    let seen = if metric.delta.is_some() { share(known.detectable) } else { String::new() };
    let line = format!(
        "{name:<NAMES$}{:>9} {:>9} {:>7}  {interval:<15}{may:>6}{seen:>7}",
        figure(known.base, &metric.unit),
        figure(known.candidate, &metric.unit),
        change(known.ratio)
    );
    let line = line.trim_end();
    let painted = match metric.call {
        Call::Regression => paint.bad(line),
        Call::Improvement => paint.good(line),
        Call::Inconclusive if metric.delta.is_some() => paint.note(line),
        _ => line.to_owned(),
    };
    let _ = writeln!(out, "{painted}");
}

/// A value with its unit, in few characters.
fn figure(value: f64, unit: &str) -> String {
    match unit {
        "requests/s" => format!("{}/s", rate(value)),
        _ => printable(&valued(value, unit)).into_owned(),
    }
}

/// A change without its unit.
fn bare(ratio: f64) -> String {
    change(ratio).trim_end_matches(" %").to_owned()
}

fn verdict(found: &Comparison, paint: &Paint) -> String {
    let (word, painted) = match found.call {
        Call::Pass => ("PASS", paint.good("PASS")),
        Call::Improvement => ("IMPROVEMENT", paint.good("IMPROVEMENT")),
        Call::Regression => ("REGRESSION", paint.bad("REGRESSION")),
        Call::Inconclusive => ("INCONCLUSIVE", paint.note("INCONCLUSIVE")),
    };
    let indent = word.len() + 2;
    let told = wrapped(&printable(&capital(&finding(found))), indent, indent);
    let mut out = format!("{painted}  {}", told.trim_start());
    for reason in &found.verdict.reasons {
        out.push_str(&wrapped(&printable(&format!("- {reason}")), 2, 4).replacen('-', &paint.note("-"), 1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::comparison::{Made, made};

    #[test]
    fn what_decides_comes_first_and_the_verdict_last() {
        for which in Made::ALL {
            let text = comparison(&made(which), false);
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{text}");
        }
        let text = comparison(&made(Made::Slower), false);
        assert!(text.contains("REGRESSION  The candidate is worse: ceiling -"), "{text}");
        assert!(text.contains("app CPU per request +"), "{text}");
        assert!(text.contains("  5.1 ms   6.02 ms ") && text.contains("  227/s     207/s "), "{text}");
        assert!(text.contains("self-tests  base against base: no alarm, p50 "), "{text}");
        assert!(text.contains("base made 10 % slower: found, p50 +"), "{text}");
        assert!(comparison(&made(Made::Few), false).contains("3 pairs, and 10 are needed"));
        assert!(comparison(&made(Made::Empty), false).starts_with("INVALID  Whether the candidate is worse"));
    }

    #[test]
    fn a_long_name_is_not_cut() {
        let mut found = made(Made::Slower);
        found.metrics[1].what = "p50 of one of the hundred steps of a scenario".into();
        let text = comparison(&found, false);
        assert!(text.contains("\np50 of one of the hundred steps of a scenario\n      "), "{text}");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_is_in_a_record() {
        let mut hostile = made(Made::Noisy);
        let text = "\u{1b}[2Jgone\r\n";
        hostile.base.revision = text.into();
        hostile.load = text.into();
        hostile.metrics[0].what = text.into();
        hostile.verdict.reasons = vec![text.into()];
        assert!(!comparison(&hostile, false).contains(['\u{1b}', '\r']));
        // What a CI obeys begins a line, whatever is before it.
        for n in 1..80 {
            hostile.candidate.revision = format!("{} ::error::pwned", "a".repeat(n));
            let text = comparison(&hostile, false);
            assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
        }
    }
}
