//! The report of trials: verdict and finding, the pictures, what there is to learn, a row for each trial, how it was measured. From the
//! record to a page; `story` is the part that a report of several lessons takes over.

use super::page::{Page, Section};
use super::table::{Cell, Table};
use super::told::{Fact, command, facts, files, host, nothing, pictures, pinned, said, sentences, verdict};
use crate::analyse::lesson;
use crate::lesson::{Lesson, SPOF_SCHEMA, Trial};
use crate::number::{exact_rate, ms, seconds};
use crate::pictures;
use crate::store::lesson_file;
use maud::{Markup, html};

/// The report of `found`.
pub(super) fn page(found: &Lesson) -> Page {
    let finding = lesson::finding(found);
    let kind = if found.schema == SPOF_SCHEMA { "Single points of failure" } else { "Maintenance" };
    if found.is_empty() {
        return nothing(kind, &found.head, &finding, lesson_file(&found.schema));
    }
    let charts = pictures::of(found);
    let beside = [(lesson_file(&found.schema), "the record: every number on this page")];
    let sections = vec![
        Section { id: "pictures", title: "Pictures", body: pictures(&charts) },
        Section {
            id: "learnt",
            title: "What there is to learn",
            body: sentences("evidence", &lesson::sentences(found)),
        },
        Section { id: "trials", title: "Trials", body: html! { (trials(found)) } },
        Section { id: "measured", title: "How it was measured", body: measured(found) },
        Section { id: "data", title: "Raw data", body: files(&beside, &charts) },
    ];
    let partial = found.partial.then_some("cut short, with the trials that were made so far");
    Page {
        kind,
        target: found.target.url.clone(),
        started_at: found.head.started_at.clone(),
        title: format!("{}: {finding}", found.target.url),
        opening: verdict(&found.verdict, partial, &finding),
        sections,
    }
}

fn trials(found: &Lesson) -> Table {
    let row = |trial: &Trial| {
        let impact = &trial.impact;
        let s = |value: Option<f64>| Cell::number(value);
        vec![
            Cell::text(&trial.name),
            Cell::count(trial.planned),
            Cell::count(impact.failed),
            s(impact.noticed_s),
            s(Some(impact.outage_s)),
            s(impact.recovered_s),
            s(impact.after_end_s),
            Cell::ms(impact.p99_before_ms),
            Cell::ms(impact.p99_during_ms),
        ]
    };
    Table {
        id: "trials",
        caption: "What each trial did to the visitors; times are counted from when it began".into(),
        columns: vec![
            ("Trial", ""),
            ("Planned", "requests"),
            ("Failed", "requests"),
            ("First failure", "s"),
            ("Out", "s"),
            ("Well again", "s"),
            ("Well again after the end", "s"),
            ("p99 before", "slowest interval"),
            ("p99 since", "slowest interval"),
        ],
        rows: found.trials.iter().map(row).collect(),
        sortable: true,
    }
}

fn measured(found: &Lesson) -> Markup {
    let target = format!("{}, {}", found.target.url, found.target.what);
    let load =
        format!("{} requests/s in each trial, open loop, seed {}", exact_rate(found.rps), found.head.seed);
    let well = format!("nothing fails, and p99 is at most {}, for the rest of the trial", ms(found.limit_ms));
    let mut all: Vec<Fact> = vec![
        ("Command", command(&found.head.command)),
        ("Target", said(&target)),
        ("Load", said(&load)),
        ("Well again", said(&well)),
        ("Length", said(&seconds(found.duration_s))),
    ];
    all.extend(pinned("generator on", &found.head.cpus, &found.target.cpus));
    all.extend(host(&found.head.host));
    html! {
        (facts(&all))
        h3 { "What happened when" }
        @for trial in &found.trials { p { strong { (said(&trial.name)) } } (sentences("notes", &events(trial))) }
        @if !found.emulated.is_empty() { h3 { "What is emulated" } (sentences("notes", &found.emulated)) }
    }
}

fn events(trial: &Trial) -> Vec<String> {
    let notes = trial.reasons.iter().cloned();
    trial.events.iter().map(|event| format!("{}: {}", seconds(event.at_s), event.what)).chain(notes).collect()
}
