//! A comparison as GitHub's job summary shows it (GitHub Flavored Markdown): the verdict first, the metrics that decide as a table, what
//! explains them, and what has to be known besides. All text of a record is somebody else's: nothing in it is markup.

use super::words::{headline, valued};
use crate::analyse::compare::{call_in_words, self_tests};
use crate::comparison::{Call, Comparison, Metric};
use crate::number::{NONE, change, counted, percent, rate};
use crate::terminal::{printable, shell};
use std::fmt::Write;

/// GitHub takes a summary of so many bytes for a step, and nothing of a longer one.
pub const MOST_BYTES: usize = 1 << 20;
const CUT: &str = "\n**Cut here: a summary of more than 1 MiB is not shown.** The record has all of it.\n";
/// Characters of a text: longer ones are nobody's to read here.
const LONGEST_TEXT: usize = 500;
/// The pictures that are linked, by what they show.
const PICTURES: [(&str, &str); 2] = [("compare.png", "The comparison"), ("trend.png", "The trend")];

/// The summary of `found`. Its pictures are linked below the address `pictures`, if that is given and one of `http` or `https`. It has at
/// most [`MOST_BYTES`]: what is longer is cut at the end of a line, and says so.
pub fn markdown(found: &Comparison, pictures: Option<&str>) -> String {
    let mut out = format!("## {}\n\n{}\n\n", text(&headline(found)), context(found));
    out += &table(found);
    // What explains the verdict comes right behind it; of what there is no answer for, the headline has the reason.
    for (title, sentences) in [
        ("Attribution", &found.attribution),
        ("Self-tests", &self_tests(found)),
        ("What has to be known", &found.verdict.reasons),
        ("Emulated", &found.emulated),
    ] {
        out += &list(title, sentences);
    }
    if let Some(base) = pictures.and_then(address) {
        for (file, what) in PICTURES {
            let _ = writeln!(out, "\n![{what}]({base}{file})");
        }
    }
    if !found.head.command.is_empty() {
        let _ = writeln!(out, "\n{}", text(&shell(&found.head.command)));
    }
    cut(out)
}

fn context(found: &Comparison) -> String {
    let pairs = found.metrics.iter().map(|metric| metric.pairs.len()).max().unwrap_or(0);
    let mut parts = vec![
        format!("Candidate {} against base {}", text(found.candidate.name()), text(found.base.name())),
        counted(pairs as u64, "pair"),
    ];
    parts.extend((!found.load.is_empty()).then(|| text(&found.load)));
    format!("{}.", parts.join(", "))
}

fn table(found: &Comparison) -> String {
    let rows: Vec<_> = found.metrics.iter().filter(|metric| metric.delta.is_some()).map(row).collect();
    if rows.is_empty() {
        return String::from("No metric decides.\n");
    }
    let head = "| Metric | Base | Candidate | Change | 95 % interval | p | Allowed | Smallest that would be seen | Call |\n\
                |---|--:|--:|--:|:-:|--:|--:|--:|---|\n";
    format!("{head}{}", rows.concat())
}

fn row(metric: &Metric) -> String {
    let what = if metric.what.is_empty() { &metric.name } else { &metric.what };
    let call = match metric.call {
        Call::Regression => "**REGRESSION**",
        other => call_in_words(other),
    };
    let cells = match &metric.found {
        None => {
            let allowed = metric.delta.map_or(NONE.to_owned(), percent);
            [NONE, NONE, NONE, NONE, NONE, &allowed, NONE].map(str::to_owned)
        }
        Some(found) => [
            text(&valued(found.base, &metric.unit)),
            text(&valued(found.candidate, &metric.unit)),
            change(found.ratio),
            format!("{} to {}", change(found.ci95[0]), change(found.ci95[1])),
            rate(found.adjusted[usize::from(metric.call == Call::Improvement)]),
            percent(found.delta),
            found.detectable.map_or(NONE.to_owned(), percent),
        ],
    };
    format!("| {} | {} | {call} |\n", text(what), cells.join(" | "))
}

fn list(title: &str, sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    let lines = sentences.iter().map(|one| format!("- {}\n", text(one))).collect::<String>();
    format!("\n### {title}\n\n{lines}")
}

/// Somebody else's text as what it is: one line, without markup, HTML or links.
fn text(text: &str) -> String {
    let text = printable(text);
    let mut out = String::with_capacity(text.len());
    // A number with a point behind it at the beginning of an item would begin a list.
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let ends = text.as_bytes().get(digits + 1).is_none_or(|next| *next == b' ');
    for (n, c) in text.chars().enumerate() {
        match c {
            _ if n == LONGEST_TEXT => {
                out.push('\u{2026}');
                break;
            }
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' | '!' => out.extend(['\\', c]),
            '-' | '+' | '=' if n == 0 => out.extend(['\\', c]),
            '.' | ')' if n == digits && n > 0 && ends => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    // What begins so would be made a link.
    out.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
}

/// An address that ends in a slash, of which nothing ends a link.
fn address(base: &str) -> Option<String> {
    let known = ["https://", "http://"].iter().any(|scheme| base.starts_with(scheme));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&*+,;=%".contains(&byte);
    known.then(|| {
        let mut out = String::with_capacity(base.len() + 1);
        for byte in base.trim_end_matches('/').bytes() {
            // Writing to a String does not fail.
            let _ =
                if plain(byte) { write!(out, "{}", char::from(byte)) } else { write!(out, "%{byte:02X}") };
        }
        out + "/"
    })
}

fn cut(mut text: String) -> String {
    if text.len() <= MOST_BYTES {
        return text;
    }
    let end = (0..=MOST_BYTES - CUT.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let line = text[..end].rfind('\n').map_or(end, |at| at + 1);
    text.truncate(line);
    text + CUT
}

#[cfg(test)]
mod tests;
