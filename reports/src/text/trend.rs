//! A history as a terminal shows it: the changes with their commits, how often the gate was right, and last, where it is still on the
//! screen when it is all printed, what it says.

use super::{Paint, named, wrapped};
use crate::analyse::trend::{Change, Line, Trend};
use crate::charts::trend::in_words;
use crate::comparison::Call;
use crate::exports::valued;
use crate::number::{change, counted, percent, rate};
use crate::terminal::printable;

/// The summary of `trend`, with ANSI colours where `colour` is set. It ends in a line end.
pub fn trend(trend: &Trend, colour: bool) -> String {
    let paint = Paint { colour };
    let notes = trend.notes.iter().map(|note| wrapped(&format!("- {}", printable(note)), 2, 4));
    let finding = wrapped(&printable(&trend.finding()), 0, 4);
    if trend.is_empty() {
        return finding + &notes.collect::<String>();
    }
    let mut out = String::new();
    for (line, one) in trend.changes() {
        out += &told(line, one, &paint);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out += &figures(trend);
    out.push('\n');
    out + &finding + &notes.collect::<String>()
}

/// A change, in two lines: when and with what; what.
fn told(line: &Line, one: &Change, paint: &Paint) -> String {
    let day = one.at.split('T').next().unwrap_or_default();
    let head = format!("{} {}", printable(day), printable(&one.candidate));
    let sentence = format!(
        "{} {} ({} to {}, p {})",
        printable(&line.what),
        change(one.ratio),
        valued(one.before, &line.unit),
        valued(one.after, &line.unit),
        rate(one.p)
    );
    let body = wrapped(&printable(&sentence), 2, 4);
    let by = change(one.ratio);
    let painted = if one.worse { paint.bad(&by) } else { paint.good(&by) };
    wrapped(&head, 0, 4) + &body.replacen(&by, &painted, 1)
}

fn figures(trend: &Trend) -> String {
    let count = |call| trend.nights.iter().filter(|night| night.call == call).count() as u64;
    let mut calls = vec![
        counted(trend.nights.len() as u64, "night"),
        counted(count(Call::Regression), "regression"),
        counted(count(Call::Improvement), "improvement"),
        format!("{} inconclusive", count(Call::Inconclusive)),
        counted(trend.different_machines(), "machine"),
    ];
    if let others @ 1.. = trend.other_loads.len() as u64 {
        calls.push(format!(
            "{} of the load, at which all but a ceiling begins anew",
            counted(others, "change")
        ));
    }
    let mut out = named("history", &calls.join(", "));
    for one in &trend.detections {
        let words = format!("a slowdown by {} found in {}", percent(one.slowdown), in_words(&one.found));
        out += &named("self-test", &words);
    }
    if trend.alarms.of > 0 {
        out += &named("control", &format!("false alarms in {}", in_words(&trend.alarms)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse;
    use crate::fixture::history::{Made, nights, trend_of};

    #[test]
    fn a_terminal_has_the_changes_with_their_commits_and_the_finding_last() {
        let found = trend_of(Made::Ninety);
        let text = trend(&found, false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let commit = &found.nights[40].candidate;
        for part in [
            format!("2026-10-11 {commit}\n  ceiling -8"),
            "\n  median response time +12 % (1.25 ms to 1.4 ms, p 0.0".into(),
            "history     90 nights, 1 regression, 0 improvements, 0 inconclusive, 2 machines\n".into(),
            "self-test   a slowdown by 5 % found in 60 of 90 (56 % to 76 %)\n".into(),
            "control     false alarms in 1 of 90 (0.2 % to 6 %)\n".into(),
        ] {
            assert!(text.contains(&part), "{part}: {text}");
        }
        assert!(text.find("2 changes in 90 nights") > text.find("control"), "{text}");
        let mut rates = nights(Made::Twelve);
        rates[5..].iter_mut().for_each(|night| night.offered.as_mut().unwrap().rps = 560.0);
        let text = trend(&analyse::trend::trend("h", &rates, Vec::new(), 1), false);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = "1 machine, 1 change of the load, at which all but a ceiling begins anew self-test";
        assert!(words.contains(said) && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(trend(&found, true).contains("\u{1b}[1;31m+12 %\u{1b}[0m"));
    }

    #[test]
    fn an_empty_history_is_said() {
        let empty = analyse::trend::trend("h", &[], vec!["the history is empty".into()], 1);
        assert_eq!(trend(&empty, false), "The history is empty\n  - the history is empty\n");
    }

    #[test]
    fn nothing_of_a_history_is_for_a_terminal_to_obey() {
        let mut all = nights(Made::Ninety);
        for night in &mut all {
            night.candidate = "\u{1b}[2J\n::error::".into();
            night.metrics.values_mut().for_each(|figure| {
                (figure.what, figure.unit) = ("\u{1b}]0;t\u{7}".into(), "\u{9b}".into());
            });
        }
        let text = trend(&analyse::trend::trend("h", &all, vec!["\u{1b}".into()], 1), false);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("::")), "{text}");
    }
}
