//! The report of a history: the finding, the picture, the changes with their commits, how often the gate was right, and every night as
//! a table. From a trend to a page.

use super::page::{Page, Section};
use super::table::{Cell, Table, Tone};
use super::told::{facts, files, pictures, said, sentences, tiles};
use crate::analyse::compare::call_in_words;
use crate::analyse::trend::{Rate, Trend};
use crate::charts::trend::in_words;
use crate::exports::valued;
use crate::number::{NONE, change, counted, percent, rate};
use crate::pictures;
use crate::terminal::printable;
use maud::{Markup, html};

/// The report of `trend`.
pub(super) fn page(trend: &Trend) -> Page {
    let charts = pictures::of(trend);
    let mut sections = vec![
        Section { id: "pictures", title: "Picture", body: pictures(&charts) },
        Section { id: "changes", title: "Changes", body: changes(trend) },
        Section { id: "rates", title: "How often the gate was right", body: rates(trend) },
        Section { id: "nights", title: "Nights", body: html! { (nights(trend)) } },
        Section { id: "measured", title: "Where it was measured", body: measured(trend) },
        Section { id: "data", title: "Raw data", body: files(&[], &charts) },
    ];
    if trend.is_empty() {
        sections.retain(|section| section.id == "measured");
    }
    Page {
        kind: "Trend",
        target: trend.history.clone(),
        started_at: trend.nights.last().map_or_else(String::new, |night| night.at.clone()),
        title: format!("Trend: {}", trend.finding()),
        opening: opening(trend),
        sections,
    }
}

fn opening(trend: &Trend) -> Markup {
    html! {
        h1 { span { (printable(&trend.finding())) } }
        (sentences("notes", &trend.notes))
        p.lead {
            "Each night the gate compares a candidate with its base on one machine, and the base with itself; and it puts "
            "in slowdowns of its own, to see whether they are found. Nights on different machines are not compared, nor what was "
            "measured at different rates: of them only ceilings are."
        }
        (tiles(&tiled(trend)))
    }
}

fn tiled(trend: &Trend) -> Vec<(&'static str, String, String)> {
    let share =
        |rate: &Rate| if rate.of == 0 { NONE.to_owned() } else { percent(rate.hits as f64 / rate.of as f64) };
    let mut all = vec![
        (
            "Nights",
            rate(trend.nights.len() as f64),
            format!("on {}", counted(trend.different_machines(), "machine")),
        ),
        ("Changes", rate(trend.changes().len() as f64), String::from("of the level of a metric")),
        ("False alarms", share(&trend.alarms), in_words(&trend.alarms)),
    ];
    let found = trend.detections.iter().map(|one| {
        let words = format!("a slowdown by {}: {}", percent(one.slowdown), in_words(&one.found));
        ("Found", share(&one.found), words)
    });
    all.extend(found);
    all
}

/// With its unit, which is a record's text.
fn value(value: f64, unit: &str) -> Cell {
    Cell::Number(printable(&valued(value, unit)).into_owned(), Some(value))
}

fn changes(trend: &Trend) -> Markup {
    let row = |(line, one): (&crate::analyse::trend::Line, &crate::analyse::trend::Change)| {
        vec![
            Cell::text(&line.what),
            Cell::text(&one.at),
            Cell::text(&one.candidate),
            value(one.before, &line.unit),
            value(one.after, &line.unit),
            Cell::Number(change(one.ratio), Some(one.ratio)),
            Cell::Flag(one.worse, if one.worse { Tone::Bad } else { Tone::Plain }),
            Cell::number(Some(one.p)),
        ]
    };
    let rows: Vec<_> = trend.changes().into_iter().map(row).collect();
    if rows.is_empty() {
        return html! { p { "The level of no metric has changed." } };
    }
    let columns = vec![
        ("Metric", ""),
        ("First night", ""),
        ("Candidate", ""),
        ("Before", ""),
        ("After", ""),
        ("Change", ""),
        ("For the worse", ""),
        ("p", ""),
    ];
    let table =
        Table { id: "changed", caption: "Where a level changed".into(), columns, rows, sortable: true };
    html! {
        (table)
        p { "A change came with the candidate of its first night, or with what was made since the night before." }
    }
}

fn rates(trend: &Trend) -> Markup {
    let row = |what: String, rate: &Rate| {
        let [low, high] = rate.ci95.map_or([None, None], |ends| ends.map(Some));
        vec![
            Cell::Text(what),
            Cell::count(rate.hits),
            Cell::count(rate.of),
            Cell::share((rate.of > 0).then(|| rate.hits as f64 / rate.of as f64)),
            Cell::share(low),
            Cell::share(high),
        ]
    };
    let found = trend.detections.iter();
    let found =
        found.map(|one| row(format!("A slowdown by {} was found", percent(one.slowdown)), &one.found));
    let alarms = [row(String::from("The base was called worse than itself"), &trend.alarms)];
    let table = Table {
        id: "rated",
        caption: "Over the whole history, by the first of the two measurements that the gate asks for, with Wilson's 95 % intervals".into(),
        columns: vec![("What", ""), ("Times", ""), ("Of", ""), ("Share", ""), ("From", ""), ("To", "")],
        rows: found.chain(alarms).collect(),
        sortable: false,
    };
    html! { (table) }
}

fn nights(trend: &Trend) -> Table {
    let row = |(n, night): (usize, &crate::analyse::trend::Told)| {
        let alarm = night
            .alarm
            .map_or(Cell::text(NONE), |alarm| Cell::Flag(alarm, if alarm { Tone::Bad } else { Tone::Plain }));
        vec![
            Cell::text(&night.at),
            Cell::text(&night.base),
            Cell::text(&night.candidate),
            Cell::text(call_in_words(night.call)),
            alarm,
            Cell::number(night.rps),
            Cell::count(trend.machine_of(n)),
        ]
    };
    Table {
        id: "all-nights",
        caption: "Every night, as it was appended".into(),
        columns: vec![
            ("Judged", ""),
            ("Base", ""),
            ("Candidate", ""),
            ("Call", ""),
            ("False alarm", ""),
            ("Offered", "requests/s"),
            ("Machine", ""),
        ],
        rows: trend.nights.iter().enumerate().map(row).collect(),
        sortable: true,
    }
}

fn measured(trend: &Trend) -> Markup {
    let machines: Vec<String> = trend
        .machines
        .iter()
        .map(|stay| {
            let nights = counted((stay.to - stay.from) as u64, "night");
            format!("{nights} on {} (fingerprint {})", stay.host.words(), stay.fingerprint)
        })
        .collect();
    html! {
        (facts(&[("History", said(&trend.history)), ("Seed", said(&trend.seed.to_string()))]))
        (sentences("notes", &machines))
    }
}
