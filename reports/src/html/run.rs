//! The report of a run: verdict and finding, pictures, the ledger and the times, the scenario's parts, the intervals, how it
//! was measured, and what lies beside it. From a record to a page.

use super::page::{Page, Section};
use super::shards;
use super::table::{Cell, Table, Tone};
use super::told::{Fact, command, facts, files, pictures, said, tiles, verdict};
use crate::analyse::blocks::{By, preferred};
use crate::analyse::finding::finding;
use crate::chart::Chart;
use crate::exports::{RESPONSE_FILE, SERVICE_FILE, TIMELINE_FILE};
use crate::number::{NONE, bytes, count, counted, exact_rate, ms, percent, rate, seconds};
use crate::pictures;
use crate::record::{Dns, Loop, Run, TargetKind};
use crate::store::{LOG_FILE, RUN_FILE, Record};
use crate::text;
use maud::{Markup, html};

/// More intervals than this are not read, and are in the file beside the report.
const MOST_INTERVALS: usize = 600;

/// The report of `record`.
pub(super) fn page(record: &Record) -> Page {
    let run = &record.run;
    let charts = pictures::of(record);
    let mut sections = vec![
        Section { id: "pictures", title: "Pictures", body: pictures(&charts) },
        Section { id: "figures", title: "Figures", body: figures(run) },
    ];
    if !run.interactions.is_empty() || run.sessions.is_some() {
        sections.push(Section { id: "scenario", title: "Scenario", body: scenario(run) });
    }
    if !run.shards.is_empty() {
        sections.push(Section { id: "shards", title: "Machines", body: html! { (shards::table(run)) } });
    }
    sections.extend([
        Section { id: "time", title: "Intervals", body: intervals(run) },
        Section { id: "measured", title: "How it was measured", body: measured(run) },
        Section { id: "data", title: "Raw data", body: data(&charts) },
    ]);
    Page {
        kind: "Load test",
        target: run.target.url.clone(),
        started_at: run.started_at.clone(),
        title: format!("{}: {}", run.target.url, finding(run)),
        opening: opening(run),
        sections,
    }
}

fn opening(run: &Run) -> Markup {
    let partial = run.partial.then(|| format!("cut short after {}", seconds(run.duration_s)));
    html! {
        (verdict(&run.verdict, partial.as_deref(), &finding(run)))
        @if let Some(at) = run.died_at_s {
            p.alarm { "The target stopped answering for good at " (seconds(at)) "." }
        }
        (tiles(&summary(run)))
        (thresholds(run))
    }
}

fn summary(run: &Run) -> Vec<(&'static str, String, String)> {
    let failed = run.errors.total() + run.dropped;
    let times = &run.response_ms;
    let time = |value: Option<f64>| value.map_or(NONE.to_owned(), ms);
    let between = preferred(times, "p99")
        .map_or_else(String::new, |(_, [from, to])| format!("95 % interval {} to {}", ms(from), ms(to)));
    let mut tiles = Vec::new();
    if run.load_loop == Loop::Open {
        tiles.push((
            "Offered",
            format!("{}/s", exact_rate(run.rps.planned)),
            counted(run.planned, "request"),
        ));
    }
    tiles.push(("Answered correctly", format!("{}/s", exact_rate(run.rps.ok)), counted(run.ok, "request")));
    let share = if run.planned > 0 { percent(failed as f64 / run.planned as f64) } else { NONE.to_owned() };
    tiles.push(("Failed", share, counted(failed, "request")));
    tiles.push(("Response time, median", time(times.p50), String::new()));
    tiles.push(("Response time, p99", time(times.p99), between));
    tiles.push(("Slowest", time(times.max), String::new()));
    tiles
}

fn thresholds(run: &Run) -> Markup {
    let row = |asked: &crate::record::ThresholdResult| {
        let actual = asked.actual.map_or_else(
            || "not known: too few requests".to_owned(),
            |value| format!("{}{}", rate(value), text::unit(&asked.rule)),
        );
        vec![Cell::text(&asked.rule), Cell::Text(actual), Cell::Flag(asked.passed, flagged(asked.passed))]
    };
    let table = Table {
        id: "thresholds",
        caption: "Thresholds".into(),
        columns: vec![("Rule", ""), ("Measured", ""), ("Passed", "")],
        rows: run.thresholds.iter().map(row).collect(),
        sortable: false,
    };
    html! { @if !run.thresholds.is_empty() { (table) } }
}

fn flagged(good: bool) -> Tone {
    if good { Tone::Good } else { Tone::Bad }
}

fn figures(run: &Run) -> Markup {
    html! { (times(run)) div.beside { (ledger(run)) (rates(run)) (statuses(run)) (tiers(run)) } }
}

fn times(run: &Run) -> Markup {
    let row = |(name, times): (&str, &crate::record::Distribution)| {
        let values =
            [times.mean, times.p50, times.p90, times.p95, times.p99, times.p999, times.p9999, times.max];
        [Cell::text(name), Cell::count(times.count)].into_iter().chain(values.map(Cell::ms)).collect()
    };
    let rows = [
        ("Response: done - intended", &run.response_ms),
        ("Response, correct answers only", &run.ok_response_ms),
        ("Service: done - sent", &run.service_ms),
        ("Send lag: sent - intended", &run.send_lag_ms),
    ];
    let names = ["Time", "Requests", "mean", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"];
    let table = Table {
        id: "times",
        caption: "Times; \"-\" where the sample is too small for the percentile".into(),
        columns: names.map(|name| (name, "")).into(),
        rows: rows.into_iter().map(row).collect(),
        sortable: false,
    };
    let interval = |name: &str| {
        let (by, [from, to]) = preferred(&run.response_ms, name)?;
        let by = match by {
            By::Ranks => String::from("by order statistics"),
            By::Blocks(length) => {
                format!("by blocks of {}, as requests depend on each other", seconds(length))
            }
            By::RanksThoughDependent => {
                String::from("by order statistics, and too narrow, as requests depend on each other")
            }
        };
        Some(format!("95 % interval of the response's {name}: {} to {} ({by}).", ms(from), ms(to)))
    };
    html! {
        (table)
        @for line in ["p50", "p99"].into_iter().filter_map(interval) { p.quiet { (line) } }
    }
}

fn ledger(run: &Run) -> Table {
    let share = |n: u64| if run.planned > 0 { Some(n as f64 / run.planned as f64) } else { None };
    let row = |(name, n): (String, u64)| vec![Cell::Text(name), Cell::count(n), Cell::share(share(n))];
    let errors = run.errors.named().map(|(kind, n)| (format!("error: {kind}"), n));
    let mut rows =
        vec![("planned".to_owned(), run.planned), ("sent".to_owned(), run.sent), ("ok".to_owned(), run.ok)];
    rows.extend(errors.into_iter().filter(|(_, n)| *n > 0));
    rows.extend([("dropped".to_owned(), run.dropped), ("unfinished".to_owned(), run.unfinished)]);
    Table {
        id: "ledger",
        caption: "Requests".into(),
        columns: vec![("Outcome", ""), ("Requests", ""), ("Share", "")],
        rows: rows.into_iter().map(row).collect(),
        sortable: false,
    }
}

fn rates(run: &Run) -> Table {
    Table {
        id: "rates",
        caption: "Rates over the measured part".into(),
        columns: vec![("What", ""), ("Rate", "requests/s")],
        rows: [("planned", run.rps.planned), ("sent", run.rps.sent), ("ok", run.rps.ok)]
            .map(|(name, value)| vec![Cell::text(name), Cell::rate(value)])
            .into(),
        sortable: false,
    }
}

fn statuses(run: &Run) -> Markup {
    let table = Table {
        id: "statuses",
        caption: "Whole answers by status".into(),
        columns: vec![("Status", ""), ("Answers", "")],
        rows: run
            .status
            .iter()
            .map(|(code, n)| vec![Cell::Text(code.to_string()), Cell::count(*n)])
            .collect(),
        sortable: false,
    };
    html! { @if !run.status.is_empty() { (table) } }
}

/// What the tiers said of themselves.
fn tiers(run: &Run) -> Markup {
    let metrics = run.observed.iter().flat_map(|(tier, metrics)| metrics.iter().map(move |m| (tier, m)));
    let row = |(tier, (name, value)): (&String, (&String, &f64))| {
        vec![Cell::text(tier), Cell::text(name), Cell::number(Some(*value))]
    };
    let table = Table {
        id: "tiers-said",
        caption: "What the target's tiers said of themselves: means over the measured part".into(),
        columns: vec![("Tier", ""), ("Metric", ""), ("Value", "")],
        rows: metrics.map(row).collect(),
        sortable: true,
    };
    html! { @if !table.rows.is_empty() { (table) } }
}

fn scenario(run: &Run) -> Markup {
    let row = |one: &crate::record::Interaction| {
        let name = [one.name.as_str(), one.step.as_str()].join(" ");
        let times = &one.response_ms;
        let checks = one.failed_checks.values().copied().fold(0, u64::saturating_add);
        vec![
            Cell::text(name.trim()),
            Cell::count(one.planned),
            Cell::share(Some(one.share_planned)),
            Cell::count(one.ok),
            Cell::count(one.errors.total() + one.dropped),
            Cell::count(checks),
            Cell::plain_ms(times.p50),
            Cell::plain_ms(times.p99),
            Cell::plain_ms(times.max),
        ]
    };
    let table = Table {
        id: "interactions",
        caption: "Kinds of requests".into(),
        columns: vec![
            ("Interaction", ""),
            ("Planned", ""),
            ("Share", ""),
            ("Ok", ""),
            ("Failed", ""),
            ("Failed checks", ""),
            ("p50", "ms"),
            ("p99", "ms"),
            ("max", "ms"),
        ],
        rows: run.interactions.iter().map(row).collect(),
        sortable: true,
    };
    let checks = run.interactions.iter().flat_map(|one| {
        one.failed_checks.iter().map(|(check, n)| {
            vec![Cell::Text(format!("{} {}", one.name, one.step)), Cell::text(check), Cell::count(*n)]
        })
    });
    let checks = Table {
        id: "checks",
        caption: "Checks that failed".into(),
        columns: vec![("Interaction", ""), ("Check", ""), ("Times", "")],
        rows: checks.collect(),
        sortable: true,
    };
    html! {
        @if !table.rows.is_empty() { (table) }
        @if !checks.rows.is_empty() { (checks) }
        @if let Some(sessions) = run.sessions {
            p {
                "Sessions: " (count(sessions.begun)) " begun, " (count(sessions.completed)) " completed, "
                (count(sessions.failed)) " failed."
            }
        }
    }
}

fn intervals(run: &Run) -> Markup {
    let step = run.timeline.interval_s;
    let n = run.timeline.bins.len();
    let row = |(i, bin): (usize, &crate::record::Bin)| {
        let counts = [bin.planned, bin.sent, bin.ok, bin.errors, bin.dropped].map(Cell::count);
        let times = [bin.p50_ms, bin.p99_ms, bin.max_ms, bin.send_lag_p99_ms].map(Cell::plain_ms);
        let at = i as f64 * step;
        std::iter::once(Cell::Number(format!("{at:.3}"), Some(at))).chain(counts).chain(times).collect()
    };
    let table = Table {
        id: "intervals",
        caption: format!("The run in {} of {}", counted(n as u64, "interval"), seconds(step)),
        columns: vec![
            ("From", "s"),
            ("Planned", ""),
            ("Sent", ""),
            ("Ok", ""),
            ("Errors", ""),
            ("Dropped", ""),
            ("p50", "ms"),
            ("p99", "ms"),
            ("max", "ms"),
            ("Send lag p99", "ms"),
        ],
        rows: if n <= MOST_INTERVALS {
            run.timeline.bins.iter().enumerate().map(row).collect()
        } else {
            Vec::new()
        },
        sortable: true,
    };
    html! {
        @if table.rows.is_empty() {
            p { "All " (count(n as u64)) " intervals are in " a href=(TIMELINE_FILE) { (TIMELINE_FILE) } "." }
        } @else {
            details { summary { "The timeline's figures as a table: " (table.caption) } (table) }
        }
    }
}

fn measured(run: &Run) -> Markup {
    let mut all: Vec<Fact> = vec![("Command", command(&run.command)), ("Target", target(run))];
    let load = match run.load_loop {
        Loop::Open => format!("open loop, {} arrivals", run.arrivals),
        Loop::Closed => "closed loop: as fast as the connections go".to_owned(),
    };
    let load = format!(
        "{load}, {}, {} at the peak, seed {}",
        seconds(run.duration_s),
        counted(run.connections_max, "connection"),
        run.seed
    );
    all.push(("Load", said(&load)));
    all.extend(text::stream(run).map(|words| ("Arrivals", said(&words))));
    all.extend(run.steady.as_ref().map(|steady| ("Steady", said(&text::since(steady)))));
    let tls = run.wire.tls.as_ref().map_or_else(String::new, |tls| format!(", {tls}"));
    let wire = format!("{} over {}{tls}", run.wire.protocol, run.wire.transport);
    all.push(("Transport", said(&wire)));
    let traffic = format!("{} sent, {} received", bytes(run.bytes.sent), bytes(run.bytes.received));
    if run.wire.transport != "reqwest" {
        all.push(("Bytes", html! { (traffic) }));
    }
    all.extend(run.dns.as_ref().map(|dns| ("Names", said(&names(dns)))));
    all.push(("Receive times", said(&format!("by the {}'s clock", run.generator.receive_clock))));
    all.push(("Generator", said(&generator(run))));
    all.extend(
        run.shard.as_ref().map(|shard| ("Share", said(&format!("{} ({})", shard.in_words(), shard.machine)))),
    );
    let mut host = super::told::host(&run.host);
    if !run.shards.is_empty() {
        host[0].1 =
            html! { (counted(run.shards.len() as u64, "machine")) ", each of which is in the table above" };
    }
    all.extend(host);
    facts(&all)
}

fn target(run: &Run) -> Markup {
    let kind = if run.target.kind == TargetKind::Reference { "the reference target" } else { "" };
    let parts = [kind, &run.target.what].into_iter().filter(|part| !part.is_empty()).map(str::to_owned);
    let parts: Vec<_> = parts.chain(text::cpus("on", &run.target.cpus)).collect();
    html! { (said(&run.target.url)) @if !parts.is_empty() { " (" (said(&parts.join(", "))) ")" } }
}

fn names(dns: &Dns) -> String {
    let asked = format!("{} asked {}", dns.server, counted(dns.lookups, "time"));
    let failed = if dns.failures > 0 {
        format!(", {} without an address", count(dns.failures))
    } else {
        String::new()
    };
    format!("{asked}{failed}; first answer after {}: {}", ms(dns.first_ms), dns.addresses.join(", "))
}

fn generator(run: &Run) -> String {
    let used = &run.generator;
    let parts = [
        counted(used.threads as u64, "thread"),
        format!("{} us CPU per request", rate(used.cpu_us_per_request)),
        format!("busiest thread {} of a CPU", percent(used.cpu_share_max)),
        bytes(used.max_rss_bytes),
    ];
    parts.into_iter().chain(text::cpus("on", &used.cpus)).collect::<Vec<_>>().join(", ")
}

fn data(charts: &[(&str, Chart)]) -> Markup {
    let beside = [
        (RUN_FILE, "the record: every number on this page"),
        (LOG_FILE, "the histograms of each interval, as an HdrHistogram log"),
        (TIMELINE_FILE, "the run over time"),
        (RESPONSE_FILE, "percentiles of the response time"),
        (SERVICE_FILE, "percentiles of the service time"),
    ];
    files(&beside, charts)
}
