//! The frame of a report: head, navigation, sections, style and script. From the parts of a report to a whole document,
//! which is allowed to load nothing from anywhere.

use super::palette;
use super::told::said;
use crate::terminal::printable;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// What the browser is told not to do, should anything of a record ever pass for more than text.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// A report, before it is one text.
#[derive(Debug)]
pub(super) struct Page {
    /// What was done.
    pub(super) kind: &'static str,
    /// What it was done to.
    pub(super) target: String,
    /// When, RFC 3339.
    pub(super) started_at: String,
    /// What the document is called.
    pub(super) title: String,
    /// The verdict and the finding.
    pub(super) opening: Markup,
    /// In the order of reading.
    pub(super) sections: Vec<Section>,
}

/// A part of a report with a heading of its own.
#[derive(Debug)]
pub(super) struct Section {
    /// What links lead to.
    pub(super) id: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// What is in it.
    pub(super) body: Markup,
}

impl Page {
    /// The document.
    pub(super) fn render(&self) -> String {
        let style = format!("{}{STYLE}", palette::css());
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (printable(&self.title)) }
                    style { (PreEscaped(style)) }
                }
                body { (self.body()) script { (PreEscaped(SCRIPT)) } }
            }
        };
        document.into_string()
    }

    fn body(&self) -> Markup {
        html! {
            a.skip href="#main" { "Skip to the report" }
            header {
                p { strong { (self.kind) } " " span.where { (said(&self.target)) } }
                p.quiet { (said(&people(&self.started_at))) }
                button #theme type="button" aria-pressed="false" hidden { "Dark" }
            }
            main #main tabindex="-1" {
                (self.opening)
                nav aria-label="Parts of this report" {
                    ul { @for part in &self.sections { li { a href={ "#" (part.id) } { (part.title) } } } }
                }
                @for part in &self.sections {
                    section id=(part.id) aria-labelledby={ (part.id) "-heading" } {
                        h2 id={ (part.id) "-heading" } { (part.title) }
                        (part.body)
                    }
                }
            }
            footer {
                p { "Made by loadgen from the record beside this file. It loads nothing and keeps nothing." }
            }
            // What the script says of a point or of an order: to the ear, and to the eye.
            p #said.unseen role="status" {}
            p #value aria-hidden="true" hidden {}
        }
    }
}

/// `2026-11-24T08:00:00Z` as people write it.
fn people(instant: &str) -> String {
    instant.replacen('T', " ", 1)
}
