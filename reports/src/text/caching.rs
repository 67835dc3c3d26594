//! An experiment on caching as a terminal shows it: first what was measured, and last, where it is still on the screen when it is
//! all printed, whether to believe it and what it says.

use super::{Paint, named, nothing, wrapped};
use crate::analyse::caching::{
    ceiling, finding, is_at_least, outage_in_words, per_request, stampede_in_words, times,
};
use crate::cache::{Caching, Cure, Way};
use crate::number::{NONE, count, exact_rate, ms_column, percent, rate, seconds};
use crate::terminal::printable;
use std::fmt::Write;

/// The summary of `found`, with ANSI colours where `colour` is set. It ends in a line end.
pub fn caching(found: &Caching, colour: bool) -> String {
    let paint = Paint { colour };
    if found.is_empty() {
        return nothing(&finding(found), &paint);
    }
    format!("{}\n{}\n{}", ways(found), figures(found), verdict(found, &paint))
}

/// A row without a cache and one with it.
fn ways(found: &Caching) -> String {
    if found.uncached.is_none() && found.cached.is_none() {
        return String::new();
    }
    let mut out = format!(
        "{:<10}{:>18}  {:<18}{:>10}{:>9}{:>12}\n",
        "", "ceiling", "95 % interval", "from", "to the", "queries per"
    );
    let _ = writeln!(out, "{:<10}{:>18}  {:<18}{:>10}{:>9}{:>12}", "", "", "", "cache", "app", "request");
    for (name, way) in [("no cache", &found.uncached), ("cache", &found.cached)] {
        let Some(way) = way else { continue };
        let busy = way.busy.as_ref();
        let share = |value: Option<f64>| value.map_or(NONE.to_owned(), percent);
        let _ = writeln!(
            out,
            "{name:<10}{:>18}  {:<18}{:>10}{:>9}{:>12}",
            ceiling(way).map_or(NONE.to_owned(), |rps| format!("{rps}/s")),
            ends(way),
            share(
                busy.filter(|busy| !busy.fared.is_empty() || name == "cache").and_then(|busy| busy.hit_ratio)
            ),
            share(busy.and_then(|busy| busy.app_per_request)),
            busy.and_then(|busy| busy.queries_per_request).map_or(NONE.to_owned(), per_request),
        );
    }
    out
}

fn ends(way: &Way) -> String {
    let ends = way.search.ci95.filter(|_| !is_at_least(way));
    ends.map_or(NONE.to_owned(), |[from, to]| format!("{} to {}", exact_rate(from), exact_rate(to)))
}

fn figures(found: &Caching) -> String {
    let setting = &found.setting;
    let what = format!(
        "{} ({}; {} products by Zipf's law, exponent {}; proxy {})",
        found.target.url,
        found.target.what,
        count(setting.items),
        rate(setting.exponent),
        setting.proxy
    );
    let mut out = named("target", &printable(&what));
    for emulated in &found.emulated {
        out.push_str(&named("emulated", &printable(emulated)));
    }
    for (name, way) in [("no cache", &found.uncached), ("cache", &found.cached)] {
        let limit = way.as_ref().and_then(|way| way.search.limited_by.evidence.first());
        out.push_str(&limit.map_or_else(String::new, |limit| named(name, &printable(limit))));
    }
    for one in &found.stampedes {
        let times = one.p99_ms.map_or_else(String::new, |ms| format!("; p99 {}", ms_column(ms)));
        let name = match one.cure {
            Cure::Full => "updating",
            cure => cure.words(),
        };
        out.push_str(&named(name, &format!("{}{times}", stampede_in_words(one))));
    }
    for (stale, name) in [(false, "no stale"), (true, "stale")] {
        if let Some(one) = found.outage(stale) {
            out.push_str(&named(name, &outage_in_words(one)));
        }
    }
    out.push_str(&named("took", &format!("{}, seed {}", seconds(found.duration_s), found.head.seed)));
    out
}

fn verdict(found: &Caching, paint: &Paint) -> String {
    let word = if found.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if found.verdict.valid { paint.good(word) } else { paint.bad(word) };
    let indent = word.len() + 2;
    let ci95 = found.gain.and_then(|gain| gain.ci95);
    let ci95 = ci95.map_or_else(String::new, |[from, to]| {
        format!(" (95 % interval of the ratio {} to {})", times(from), times(to))
    });
    let sentence = format!("{}{ci95}", finding(found));
    let mut out = format!("{painted}  {}", wrapped(&printable(&sentence), indent, indent).trim_start());
    if found.partial {
        out.push_str(&wrapped(&format!("PARTIAL: cut short after {}", seconds(found.duration_s)), 2, 4));
    }
    for reason in &found.verdict.reasons {
        out.push_str(&wrapped(&format!("- {}", printable(reason)), 2, 4).replacen('-', &paint.bad("-"), 1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::caching::{Made, made};

    #[test]
    fn it_fits_a_terminal_and_says_what_was_found() {
        for which in Made::ALL {
            let text = caching(&made(which), false);
            for line in text.lines().filter(|line| !line.contains("http://")) {
                assert!(line.chars().count() <= 80, "{which:?}: {line}");
            }
            assert!(text.ends_with('\n'), "{which:?}");
        }
        let text = caching(&made(Made::Whole), false);
        for part in ["VALID  A cache moves the ceiling", "40 requests reach the app", "28 % served", "98 %"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let spoilt = caching(&made(Made::Spoilt), false);
        assert!(spoilt.contains("INVALID") && spoilt.contains("- the popular page (no lock)"), "{spoilt}");
        let nothing = caching(&made(Made::Empty), false);
        assert_eq!(nothing, "INVALID  Nothing was measured: no part of it has ended\n");
        assert!(caching(&made(Made::Partial), false).contains("PARTIAL: cut short after 61"));
    }

    #[test]
    fn nothing_of_a_record_is_obeyed() {
        let mut found = made(Made::Whole);
        found.target.url = "http://\u{1b}[2J/".into();
        found.emulated = vec!["\u{1b}]0;x\u{7}".into()];
        assert!(!caching(&found, false).contains('\u{1b}'));
    }
}
