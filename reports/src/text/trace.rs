//! A traced request as a terminal shows it: whether to believe it and what it comes to, which request it is, and its parts as bars.

use super::{COLUMNS, Paint, named, wrapped};
use crate::analyse::waterfall::finding;
use crate::charts::waterfall::{among, words};
use crate::number::bytes;
use crate::terminal::printable;
use crate::trace::{Part, Place, Trace};
use std::fmt::Write;

/// The columns of the parts' names, and of what they took.
const PART: usize = 27;
const TOOK: usize = 22;
/// Those of the bars, between the two ends.
const BAR: usize = COLUMNS - PART - TOOK - 2;

/// The summary of `trace`, with ANSI colours where `colour` is set. It ends in a line end. Whatever the record has in its texts, none
/// of it is for a terminal to obey.
pub fn trace(trace: &Trace, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = verdict(trace, &paint);
    out.push('\n');
    out.push_str(&figures(trace));
    if !trace.parts.is_empty() {
        let _ = write!(out, "\n{}", bars(trace));
    }
    out
}

fn verdict(trace: &Trace, paint: &Paint) -> String {
    let word = if trace.verdict.valid { "VALID" } else { "INVALID" };
    let painted = if trace.verdict.valid { paint.good(word) } else { paint.bad(word) };
    let indent = word.len() + 2;
    let mut out = format!("{painted}  {}", wrapped(&finding(trace), indent, indent).trim_start());
    if trace.partial {
        out.push_str(&wrapped("PARTIAL: fewer requests than were asked for", 2, 4));
    }
    for reason in &trace.verdict.reasons {
        let dash = if trace.verdict.valid { paint.note("-") } else { paint.bad("-") };
        out.push_str(&wrapped(&format!("- {}", printable(reason)), 2, 4).replacen('-', &dash, 1));
    }
    out
}

fn figures(trace: &Trace) -> String {
    let what = &trace.target.what;
    let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
    let mut out = named("target", &printable(&format!("{}{what}", trace.target.url)));
    for emulated in &trace.emulated {
        out.push_str(&named("emulated", &printable(emulated)));
    }
    if let Some(resolver) = &trace.resolver {
        out.push_str(&named("names by", &printable(resolver)));
    }
    if let Some(asked) = trace.shown() {
        let status = asked.status.map_or_else(String::new, |status| format!("status {status}, "));
        let answer = format!("{status}{} from {}", bytes(asked.bytes), asked.address);
        out.push_str(&named("request", &printable(&asked.id)));
        out.push_str(&named("answer", &printable(&answer)));
        let among = among(trace);
        if !among.is_empty() {
            out.push_str(&named("drawn", &among));
        }
    }
    out
}

fn bars(trace: &Trace) -> String {
    let total_ms = trace.shown().map_or(1.0, |asked| asked.total_ms).max(f64::MIN_POSITIVE);
    let mut out = String::new();
    for part in &trace.parts {
        let (title, took) =
            (cut(&printable(&part.title()), PART - 1), cut(&printable(&words(part)), TOOK - 1));
        let _ = writeln!(out, "{title:<PART$}{took:<TOOK$}|{}|", bar(trace, part, total_ms));
    }
    if trace.parts.iter().any(|part| part.place != Place::Measured) {
        out.push('\n');
        let legend = "Where `=` is, it was measured to be. `~` is as long as it took, somewhere in what it is a part of (`.`): clocks of \
                      different processes are not compared.";
        out.push_str(&wrapped(legend, 0, 0));
    }
    out
}

/// The bar of `part`, over where it may lie.
fn bar(trace: &Trace, part: &Part, total_ms: f64) -> String {
    let column = |at: f64| ((at / total_ms).clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let measured = part.place == Place::Measured;
    let room = part.of.filter(|_| !measured).and_then(|of| trace.parts.get(of));
    let room = room.map_or(0..0, |of| column(of.start_ms)..column(of.start_ms + of.length_ms));
    let from = column(part.start_ms).min(BAR - 1);
    // However short it was, it was there.
    let solid = from..column(part.start_ms + part.length_ms).max(from + 1);
    let sign = |at: usize| match at {
        at if solid.contains(&at) => {
            if measured {
                '='
            } else {
                '~'
            }
        }
        at if room.contains(&at) => '.',
        _ => ' ',
    };
    (0..BAR).map(sign).collect()
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::trace as fixtures;

    #[test]
    fn parts_are_bars_below_one_another() {
        let text = trace(&fixtures::home(), false);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        let line = |part: &str| {
            let found = text.lines().find(|line| line.starts_with(part));
            found.unwrap_or_else(|| panic!("{part} in {text}"))
        };
        assert!(line("VALID").contains("4.21 ms from name to page"), "{text}");
        assert!(line("name (DNS)").contains("0.31 ms               |==    "), "{text}");
        assert!(
            line("proxy ").contains("3 ms (whole ms)       |   .") && line("proxy ").contains('~'),
            "{text}"
        );
        assert!(line("app: database").contains("2.21 ms: 2 statements |"), "{text}");
        assert!(line("emulated").contains("quota"), "{text}");
    }

    #[test]
    fn nothing_is_shown_of_nothing() {
        let text = trace(&fixtures::unanswered(), true);
        assert!(text.starts_with("\u{1b}[1;31mINVALID\u{1b}[0m  No request was answered\n"), "{text}");
        assert!(!text.contains('|'), "{text}");
        let text = trace(&fixtures::silent(), false);
        assert!(text.contains("TLS ") && !text.contains("clocks of"), "{text}");
    }

    #[test]
    fn a_terminal_obeys_nothing_of_a_record() {
        let mut hostile = fixtures::foreign();
        hostile.requests[0].id = "\u{1b}[2J".into();
        hostile
            .parts
            .iter_mut()
            .for_each(|part| (part.name, part.said) = ("\u{1b}]0;x\u{7}".into(), "\u{1b}c".into()));
        hostile.verdict.reasons.push("\u{1b}[31m".into());
        let text = trace(&hostile, false);
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }
}
