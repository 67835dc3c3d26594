//! The report of a search for the ceiling: verdict and finding, why, pictures, the loads, what was concluded from them, how
//! it was measured. From the record of a search to a page.

use super::page::{Page, Section};
use super::steps;
use super::table::{Cell, Table, Tone};
use super::told::{Fact, command, facts, files, host, pictures, pinned, said, sentences, tiles, verdict};
use crate::analyse::bottleneck::{noun, tried};
use crate::analyse::conclude::overload;
use crate::analyse::forecast;
use crate::ceiling::{Bound, Ceiling, Limit, Resource, Usl};
use crate::number::{NONE, capital, counted, exact_rate, ms, percent, rate, seconds};
use crate::pictures;
use crate::store::{CEILING_FILE, LOG_FILE};
use crate::text;
use maud::{Markup, html};

/// The report of `found`.
pub(super) fn page(found: &Ceiling) -> Page {
    let finding = text::ceiling_finding(found);
    let charts = pictures::of(found);
    let beside = [
        (CEILING_FILE, "the record: every number on this page"),
        (LOG_FILE, "the histograms of every load, one line an interval"),
    ];
    let mut sections = vec![
        Section { id: "pictures", title: "Pictures", body: pictures(&charts) },
        Section { id: "why", title: "Why", body: why(found) },
        Section { id: "loads", title: "Loads", body: loads(found) },
    ];
    let concluded = concluded(found);
    if !concluded.0.is_empty() {
        sections.push(Section { id: "concluded", title: "What follows from them", body: concluded });
    }
    sections.extend([
        Section { id: "measured", title: "How it was measured", body: measured(found) },
        Section { id: "data", title: "Raw data", body: files(&beside, &charts) },
    ]);
    Page {
        kind: "Search for the ceiling",
        target: found.target.url.clone(),
        started_at: found.head.started_at.clone(),
        title: format!("{}: {finding}", found.target.url),
        opening: opening(found, &finding),
        sections,
    }
}

fn between(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[from, to]| {
        format!(" (95 % interval {} to {})", exact_rate(from), exact_rate(to))
    })
}

fn opening(found: &Ceiling, finding: &str) -> Markup {
    let partial =
        found.partial.then(|| format!("cut short after {}; it can be resumed", seconds(found.duration_s)));
    html! {
        (verdict(&found.verdict, partial.as_deref(), finding))
        @if let Some(first) = found.limited_by.evidence.first() { p.lead { (said(first)) } }
        (tiles(&summary(found)))
    }
}

fn summary(found: &Ceiling) -> Vec<(&'static str, String, String)> {
    let per_second =
        |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{}/s", exact_rate(value)));
    let sign = match found.bound {
        Bound::Exact => "",
        Bound::AtLeast => "at least ",
        Bound::Below => "below ",
    };
    let interval = between(found.ci95).trim_matches([' ', '(', ')']).to_owned();
    let (ceiling, interval) = match (found.between(), found.ceiling_rps) {
        (Some([from, to]), _) => (format!("{} to {}/s", exact_rate(from), exact_rate(to)), String::new()),
        (None, Some(rps)) => (format!("{sign}{}/s", exact_rate(rps)), interval),
        (None, None) => (NONE.to_owned(), interval),
    };
    let when = overload(found)
        .map_or_else(String::new, |step| format!("when {} were offered", per_second(Some(step.offered_rps))));
    vec![
        ("Ceiling", ceiling, interval),
        ("Predicted at low load", per_second(found.predicted_rps), String::new()),
        ("Peak goodput", per_second(found.peak_goodput_rps), "the most correct answers at any load".into()),
        ("Overload goodput", per_second(found.overload_goodput_rps), when),
        ("Limited by", limit(found), String::new()),
    ]
}

fn limit(found: &Ceiling) -> String {
    let by = &found.limited_by;
    match by.what {
        Limit::Target => {
            let is_it = |one: &&Resource| {
                by.tier.as_ref() == Some(&one.tier) && by.resource.as_ref() == Some(&one.resource)
            };
            let parts: Vec<_> = [&by.tier, &by.resource].into_iter().filter_map(Option::as_deref).collect();
            match found.resources.iter().find(is_it) {
                Some(one) => noun(one),
                None if parts.is_empty() => "the target".into(),
                None => parts.join(": "),
            }
        }
        Limit::Generator => found.senders()[0].into(),
        Limit::Host => found.senders()[1].into(),
        Limit::Unexplained => "unexplained".into(),
    }
}

fn why(found: &Ceiling) -> Markup {
    let by = limit(found);
    html! {
        p { "Limited by: " strong { (said(&by)) } "." }
        (sentences("evidence", &found.limited_by.evidence))
        @if !found.resources.is_empty() { (resources(&found.resources)) }
        @if let Some(cause) = &found.cause {
            h3 { "One unit more at the suspect" }
            p { (said(&sentence(&tried(cause)))) }
        }
    }
}

fn sentence(text: &str) -> String {
    format!("{}.", capital(text))
}

fn resources(resources: &[Resource]) -> Table {
    let row = |one: &Resource| {
        let [from, to] = one.predicted_range;
        let shared = one.shared.iter().map(|(tier, share)| format!("{tier} {}", percent(*share)));
        vec![
            Cell::Text(noun(one)),
            Cell::number(Some(one.capacity)),
            Cell::number(Some(one.demand_s * 1e3)),
            Cell::rate(one.predicted_rps),
            Cell::Number(format!("{} to {}", exact_rate(from), exact_rate(to)), Some(from)),
            Cell::share(one.utilisation),
            Cell::Text(shared.collect::<Vec<_>>().join(", ")),
        ]
    };
    Table {
        id: "resources",
        caption: "Resources of the target: capacity over demand is the predicted ceiling".into(),
        columns: vec![
            ("Resource", ""),
            ("Capacity", "CPUs or slots"),
            ("Demand", "ms per answer"),
            ("Predicted ceiling", "requests/s"),
            ("Range", "requests/s"),
            ("In use at the ceiling", ""),
            ("Shared by", ""),
        ],
        rows: resources.iter().map(row).collect(),
        sortable: true,
    }
}

fn loads(found: &Ceiling) -> Markup {
    let observed = steps::observed(&found.steps);
    html! {
        (steps::outcomes(&found.steps))
        @if !observed.rows.is_empty() {
            details { summary { "What the tiers said during each load" } (observed) }
        }
    }
}

fn concluded(found: &Ceiling) -> Markup {
    html! {
        @if let Some(usl) = &found.usl { (law(usl)) }
        @if let Some(forecast) = &found.forecast {
            h3 { "Forecast" }
            p { (said(&sentence(&forecast::in_words(forecast)))) }
            @if !forecast.band.is_empty() { (band(&forecast.band)) }
        }
        @if !found.audits.is_empty() { (audits(found)) }
    }
}

fn law(usl: &Usl) -> Markup {
    let row = |(key, name, value): (&str, &'static str, Option<f64>)| {
        let interval = usl
            .ci95
            .get(key)
            .map_or(NONE.to_owned(), |[from, to]| format!("{} to {}", rate(*from), rate(*to)));
        vec![Cell::text(name), Cell::number(value), Cell::Text(interval)]
    };
    let rows = [
        ("lambda", "lambda: requests/s of one at a time", Some(usl.lambda)),
        ("sigma", "sigma: contention", Some(usl.sigma)),
        ("kappa", "kappa: coherency", Some(usl.kappa)),
        ("peak_n", "requests in flight at the peak", usl.peak_n),
        ("peak_rps", "requests/s at the peak", usl.peak_rps),
    ];
    let table = Table {
        id: "usl-parameters",
        caption: "The Universal Scalability Law".into(),
        columns: vec![("Parameter", ""), ("Value", ""), ("95 % interval", "")],
        rows: rows.into_iter().map(row).collect(),
        sortable: false,
    };
    let points = Table {
        id: "usl-points",
        caption: "The steady loads that it was fitted to".into(),
        columns: vec![("In flight", "requests"), ("Goodput", "requests/s")],
        rows: usl.points.iter().map(|[n, x]| vec![Cell::number(Some(*n)), Cell::rate(*x)]).collect(),
        sortable: true,
    };
    let fitted = counted(usl.points.len() as u64, "steady load");
    html! {
        (table)
        p.quiet { "Fitted to " (fitted) "; it explains " (percent(usl.r2)) " of their variance." }
        @if !points.rows.is_empty() { details { summary { "The points of the fit" } (points) } }
    }
}

fn band(band: &[[f64; 4]]) -> Table {
    let row = |[n, x, from, to]: &[f64; 4]| {
        vec![
            Cell::number(Some(*n)),
            Cell::rate(*x),
            Cell::Text(format!("{} to {}", exact_rate(*from), exact_rate(*to))),
        ]
    };
    Table {
        id: "forecast",
        caption: "The expected ceiling by number of servers".into(),
        columns: vec![("Servers", ""), ("Ceiling", "requests/s"), ("95 % interval", "requests/s")],
        rows: band.iter().map(row).collect(),
        sortable: false,
    }
}

fn audits(found: &Ceiling) -> Table {
    let agrees = |agrees: Option<bool>| match agrees {
        Some(true) => Cell::Flag(true, Tone::Good),
        Some(false) => Cell::Flag(false, Tone::Bad),
        None => Cell::text("too little to tell"),
    };
    let row = |one: &crate::ceiling::Audit| {
        let numbers = [one.in_flight, one.expected].map(|value| Cell::number(Some(value)));
        std::iter::once(Cell::text(&one.tier)).chain(numbers).chain([agrees(one.agrees)]).collect()
    };
    Table {
        id: "audits",
        caption: "Little's law: requests in a tier are their rate times their time in it, within 5 %".into(),
        columns: vec![
            ("Tier", ""),
            ("In it, as counted", "requests"),
            ("Rate times time", "requests"),
            ("Agrees", ""),
        ],
        rows: found.audits.iter().map(row).collect(),
        sortable: false,
    }
}

fn measured(found: &Ceiling) -> Markup {
    let target = [&found.target.url, &found.target.what].map(String::as_str);
    let target: Vec<_> = target.into_iter().filter(|part| !part.is_empty()).collect();
    let search = format!(
        "precision {}, {} of {} used, {} arrivals, seed {}",
        percent(found.precision),
        seconds(found.duration_s),
        seconds(found.budget_s),
        found.arrivals,
        found.head.seed
    );
    let mut all: Vec<Fact> = vec![
        ("Command", command(&found.head.command)),
        ("Target", said(&target.join(", "))),
        ("Objective", said(&found.slo)),
        ("Search", said(&search)),
    ];
    all.extend(pinned("generator on", &found.head.cpus, &found.target.cpus));
    if let Some(check) = &found.self_check {
        let time = |value: Option<f64>| value.map_or(NONE.to_owned(), ms);
        let check = format!(
            "{} requests/s at most against a target that does nothing; floor of the response time p50 {}, p99 {}; send lag p99 {}",
            exact_rate(check.closed_rps),
            time(check.floor_p50_ms),
            time(check.floor_p99_ms),
            time(check.send_lag_p99_ms)
        );
        all.push(("Generator alone", said(&check)));
    }
    if let Some(runner) = &found.runner {
        let words =
            format!("{}, which took {} beside it at most", runner.in_words(), seconds(runner.pause_s));
        all.push(("Generators", said(&words)));
    }
    all.extend(host(&found.head.host));
    html! {
        (facts(&all))
        @if !found.emulated.is_empty() { h3 { "What is emulated" } (sentences("notes", &found.emulated)) }
        @if !found.cut.is_empty() { h3 { "What was not done" } (sentences("notes", &found.cut)) }
    }
}
