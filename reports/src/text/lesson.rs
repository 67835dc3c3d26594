//! Trials as a terminal shows them: a row each, what there is to know of them, and last whether to believe it and the finding.

use super::{Paint, named, nothing, wrapped};
use crate::analyse::lesson::{finding, sentences};
use crate::lesson::{Lesson, Trial};
use crate::number::{NONE, count, exact_rate, ms_column, seconds};
use crate::terminal::printable;
use std::fmt::Write;

/// The summary of `lesson`, with ANSI colours where `colour` is set. It ends in a line end. Whatever the record has in its texts,
/// none of it is for a terminal to obey.
pub fn lesson(lesson: &Lesson, colour: bool) -> String {
    let paint = Paint { colour };
    if lesson.is_empty() {
        return nothing(&finding(lesson), &paint);
    }
    let mut out = table(lesson);
    out.push('\n');
    for sentence in sentences(lesson) {
        out.push_str(&wrapped(&printable(&sentence), 0, 2));
    }
    out.push('\n');
    out.push_str(&named("target", &printable(&format!("{} ({})", lesson.target.url, lesson.target.what))));
    for emulated in &lesson.emulated {
        out.push_str(&named("emulated", &printable(emulated)));
    }
    let load = format!(
        "{}/s in each trial, seed {}, {} in all",
        exact_rate(lesson.rps),
        lesson.head.seed,
        seconds(lesson.duration_s)
    );
    out.push_str(&named("load", &load));
    out.push('\n');
    out.push_str(&verdict(lesson, &paint));
    out
}

/// As many letters as a name may have beside the figures on a line.
const LONGEST: usize = 43;

fn table(lesson: &Lesson) -> String {
    let names: Vec<String> =
        lesson.trials.iter().map(|trial| shortened(&printable(&trial.name), LONGEST)).collect();
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("trial".len());
    let mut out =
        format!("{:<wide$}{:>8}{:>8}{:>11}{:>10}\n", "trial", "failed", "out", "well again", "p99 since");
    let none = || NONE.to_owned();
    for (trial, name) in lesson.trials.iter().zip(names) {
        let impact = &trial.impact;
        let _ = writeln!(
            out,
            "{name:<wide$}{:>8}{:>8}{:>11}{:>10}",
            count(impact.failed),
            out_for(trial),
            impact.recovered_s.map_or_else(none, seconds),
            impact.p99_during_ms.map_or_else(none, ms_column),
        );
    }
    out
}

/// So many letters of `name` at most, cut where it is seen.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 2).chain("..".chars()).collect()
}

/// For how long the website was out, as exactly as its intervals tell.
fn out_for(trial: &Trial) -> String {
    let impact = &trial.impact;
    if impact.outage_s == 0.0 && impact.failed > 0 {
        return format!("<{}", seconds(trial.interval_s));
    }
    seconds(impact.outage_s)
}

fn verdict(lesson: &Lesson, paint: &Paint) -> String {
    let word = if lesson.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if lesson.verdict.valid { paint.good(word) } else { paint.bad(word) };
    let indent = word.len() + 2;
    let mut out =
        format!("{painted}  {}", wrapped(&printable(&finding(lesson)), indent, indent).trim_start());
    if lesson.partial {
        out.push_str(&wrapped("PARTIAL: cut short, with the trials that were made so far", 2, 4));
    }
    for reason in &lesson.verdict.reasons {
        out.push_str(&wrapped(&printable(&format!("- {reason}")), 2, 4).replacen('-', &paint.bad("-"), 1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_row_for_each_trial_and_the_finding_last() {
        let text = lesson(&fixture::lesson::spof(), false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("killing the only app server"), "{text}");
        let sick = lesson(&fixture::lesson::sick(), false);
        assert!(sick.contains("\nrolling out a sick version to 2 app servers  "), "{sick}");
        assert!(sick.lines().all(|line| line.chars().count() <= 80), "{sick}");
        assert!(text.contains("200 orders acknowledged"), "{text}");
        assert!(text.contains("VALID  Killing the only app server cost 3 s and 600 requests"), "{text}");
        assert!(!text.contains("PARTIAL"), "{text}");
    }

    #[test]
    fn of_what_was_not_measured_there_is_one_sentence() {
        let text = lesson(&Lesson { partial: true, ..Lesson::default() }, false);
        assert_eq!(text, "INVALID  Nothing was measured: no trial has ended\n");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_is_in_a_record() {
        let mut hostile = fixture::lesson::spof();
        hostile.trials[0].name = "\u{1b}[2Jgone".into();
        hostile.verdict.reasons = vec!["\u{1b}]0;x".into()];
        assert!(!lesson(&hostile, false).contains('\u{1b}'));
    }
}
