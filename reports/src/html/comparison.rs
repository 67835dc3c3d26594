//! The report of a comparison: the answer, the picture, the metrics as a table, what explains the changes, how it was measured. From the
//! record to a page.

use super::page::{Page, Section};
use super::table::{Cell, Table};
use super::told::{Fact, command, facts, files, host, nothing, pictures, said, sentences};
use crate::analyse::compare::{call_in_words, finding, self_tests};
use crate::comparison::{Call, Comparison, Metric, Pair, Side};
use crate::number::{NONE, capital, change, percent, rate};
use crate::pictures;
use crate::store::COMPARE_FILE;
use crate::terminal::printable;
use maud::{Markup, html};

/// The report of `found`.
pub(super) fn page(found: &Comparison) -> Page {
    let told = capital(&finding(found));
    if found.is_empty() {
        return nothing("Comparison", &found.head, &told, COMPARE_FILE);
    }
    let charts = pictures::of(found);
    let beside = [(COMPARE_FILE, "the record: every pair, and every number on this page")];
    Page {
        kind: "Comparison",
        target: found.candidate.name().to_owned(),
        started_at: found.head.started_at.clone(),
        title: format!("{} against {}: {told}", found.candidate.name(), found.base.name()),
        opening: opening(found, &told),
        sections: vec![
            Section { id: "pictures", title: "Picture", body: pictures(&charts) },
            Section {
                id: "metrics",
                title: "Metrics",
                body: html! { (metrics(found)) (sentences("evidence", &found.attribution)) },
            },
            Section { id: "pairs", title: "Pairs", body: html! { (pairs(found)) } },
            Section { id: "measured", title: "How it was measured", body: measured(found) },
            Section { id: "data", title: "Raw data", body: files(&beside, &charts) },
        ],
    }
}

/// What the answer is, as the first heading; then why there is none, or what else has to be known.
fn opening(found: &Comparison, told: &str) -> Markup {
    let class = if matches!(found.call, Call::Pass | Call::Improvement) { "valid" } else { "invalid" };
    let list = if found.verdict.valid { "notes" } else { "reasons" };
    html! {
        h1 { span.badge.(class) { (call_in_words(found.call).to_uppercase()) } " " span { (printable(told)) } }
        (sentences(list, &found.verdict.reasons))
    }
}

fn metrics(found: &Comparison) -> Table {
    let row = |metric: &Metric| {
        let known = metric.found.as_ref();
        let number = |of: fn(&crate::comparison::Found) -> f64| Cell::number(known.map(of));
        let share = |share: Option<f64>| Cell::Number(share.map_or(NONE.to_owned(), percent), share);
        let ratio = known.map(|known| known.ratio);
        let [low, high] = [0, 1].map(|n| known.map(|known| known.ci95[n]));
        let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
        vec![
            Cell::text(&format!("{}{unit}", metric.what)),
            Cell::text(if metric.delta.is_some() { call_in_words(metric.call) } else { "explains" }),
            number(|known| known.base),
            number(|known| known.candidate),
            Cell::Number(ratio.map_or(NONE.to_owned(), change), ratio),
            Cell::Number(low.map_or(NONE.to_owned(), change), low),
            Cell::Number(high.map_or(NONE.to_owned(), change), high),
            share(metric.delta.and(known.map(|known| known.delta))),
            share(known.and_then(|known| known.floor)),
            share(metric.delta.and(known.and_then(|known| known.detectable))),
            number(|known| known.adjusted[0]),
        ]
    };
    Table {
        id: "metrics",
        caption: "The medians of both, the median of the pairs' ratios with its 95 % interval, and what is said of it".into(),
        columns: vec![
            ("Metric", ""),
            ("Verdict", ""),
            ("Base", "median"),
            ("Candidate", "median"),
            ("Change", "median of the pairs"),
            ("From", "95 % interval"),
            ("To", "95 % interval"),
            ("May be worse by", ""),
            ("Base and base differ by", "up to"),
            ("Would have been seen", "in 4 of 5"),
            ("p", "worse, adjusted"),
        ],
        rows: found.metrics.iter().map(row).collect(),
        sortable: true,
    }
}

fn pairs(found: &Comparison) -> Table {
    let of = |metric: &Metric, control: bool| {
        let what = if control { format!("{} (base and base)", metric.what) } else { metric.what.clone() };
        let pairs = if control { &metric.control } else { &metric.pairs };
        let row = |pair: &Pair| {
            vec![
                Cell::text(&what),
                Cell::text(&pair.name),
                Cell::number(Some(pair.base)),
                Cell::number(Some(pair.candidate)),
                Cell::Number(change(pair.candidate / pair.base), Some(pair.candidate / pair.base)),
            ]
        };
        pairs.iter().map(row).collect::<Vec<_>>()
    };
    let deciding = found.metrics.iter().filter(|metric| metric.delta.is_some());
    Table {
        id: "pairs",
        caption: "Every pair of the metrics that decide".into(),
        columns: vec![("Metric", ""), ("Pair", ""), ("Base", ""), ("Candidate", ""), ("Change", "")],
        rows: deciding.flat_map(|metric| [of(metric, false), of(metric, true)].concat()).collect(),
        sortable: true,
    }
}

fn measured(found: &Comparison) -> Markup {
    let side = |side: &Side| said(&format!("{} ({})", side.name(), side.dir));
    let rule = format!(
        "worse by more than it may be, its 95 % interval clear of no change, and p < {} (Wilcoxon's signed ranks, exact, one-sided; \
         adjusted by Holm for how many metrics decide)",
        rate(found.alpha)
    );
    let mut all: Vec<Fact> = vec![
        ("Command", command(&found.head.command)),
        ("Base", side(&found.base)),
        ("Candidate", side(&found.candidate)),
        ("Load", said(&found.load)),
        ("A regression is", said(&rule)),
    ];
    all.extend(host(&found.base.host));
    html! {
        (facts(&all))
        @if !found.checks.is_empty() { h3 { "Self-tests" } (sentences("notes", &self_tests(found))) }
        @if !found.marks.is_empty() { h3 { "In what the two differ" } (sentences("notes", &found.marks)) }
        @if !found.left_out.is_empty() { h3 { "What was left out" } (sentences("notes", &found.left_out)) }
        @if !found.emulated.is_empty() { h3 { "What is emulated" } (sentences("notes", &found.emulated)) }
    }
}
