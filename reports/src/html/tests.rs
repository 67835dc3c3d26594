//! What a report says, and what it must never contain. How it looks and works is seen in a browser, by the end-to-end tests.

mod trace;
mod trend;

use super::*;
use crate::ceiling::{
    Audit, Bound, Cause, Forecast, Limit, LimitedBy, Phase, Resource, SelfCheck, Step, Usl,
};
use crate::fixture::{self, ceiling as scenes};
use crate::number::{count, exact_rate, ms, ms_column};
use crate::record::{Dns, Head, Steady, ThresholdResult};
use std::collections::BTreeMap;

/// Everything in it that would do something if it were let.
pub(super) const HOSTILE: &str = "</title></style></script><script>alert(1)</script><img src=x onerror=alert(2)>\" onload=\"a'&\u{1b}[31m\u{202e}\u{61c}\r\n";

/// Elements that have no end.
const EMPTY: [&str; 2] = ["meta", "br"];

/// Asserts that what is opened is closed, in order; gives the tags of all elements, and what is in script and style.
fn nested(page: &str) -> (Vec<String>, String) {
    let mut open: Vec<String> = Vec::new();
    let (mut tags, mut code) = (Vec::new(), String::new());
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        let (tag, after) = rest[at + 1..].split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "before {}", &rest[..rest.len().min(80)]);
            continue;
        }
        let name = name(tag);
        assert!(!name.is_empty(), "<{tag}>");
        if name == "script" || name == "style" {
            let (inside, _) = rest.split_once(&format!("</{name}>")).unwrap();
            code += inside;
            rest = &rest[inside.len()..];
        }
        if !EMPTY.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(name.clone());
        }
        tags.push(tag.to_owned());
    }
    assert!(open.is_empty(), "{open:?}");
    (tags, code)
}

fn name(tag: &str) -> String {
    tag.chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

/// Asserts what holds for every page.
pub(super) fn sound(page: &str) {
    let (tags, code) = nested(page);
    let names: Vec<_> = tags.iter().map(|tag| name(tag)).collect();
    let n = |name: &str| names.iter().filter(|other| *other == name).count();
    for (name, times) in [("h1", 1), ("main", 1), ("title", 1), ("header", 1), ("footer", 1), ("nav", 1)] {
        // Pictures have titles of their own.
        assert!(n(name) == times || name == "title", "{name}: {}", n(name));
    }
    assert_eq!((n("script"), n("style")), (1, 1));
    for loads in ["link", "img", "iframe", "object", "embed", "image", "use", "base", "form"] {
        assert_eq!(n(loads), 0, "{loads}");
    }
    for loads in [" src=", "url(", "@import", "http-equiv=\"refresh\"", "fetch(", "eval("] {
        assert!(!code.contains(loads) && !tags.iter().any(|tag| tag.contains(loads)), "{loads}");
    }
    let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    ids.sort_unstable();
    for pair in ids.windows(2) {
        assert_ne!(pair[0], pair[1], "an id twice");
    }
    for target in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&target), "#{target} leads nowhere");
    }
    for reference in page.split("labelledby=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&reference), "{reference} labels nothing");
    }
    let levels = names.iter().filter_map(|name| name.strip_prefix('h')?.parse::<u32>().ok());
    let levels: Vec<_> = levels.collect();
    assert!(levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    let obeyed =
        |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{61c}');
    assert!(!page.contains(obeyed), "{:?}", page.find(obeyed));
    assert!(page.contains("<html lang=\"en\">") && page.contains("default-src 'none'"));
}

fn hostile_run() -> Record {
    let mut record = fixture::scenario();
    let run = &mut record.run;
    let text = || HOSTILE.to_owned();
    run.command = vec!["loadgen".into(), text()];
    run.started_at = text();
    (run.target.url, run.target.what, run.arrivals) = (text(), text(), text());
    run.verdict = crate::record::Verdict { valid: false, reasons: vec![text()] };
    run.thresholds = vec![ThresholdResult { rule: text(), actual: Some(1.0), passed: false }];
    run.observed = BTreeMap::from([(text(), BTreeMap::from([(text(), 1.0)]))]);
    run.steady = Some(Steady { from_s: None, grain_s: 1.0, reason: Some(text()) });
    for one in &mut run.interactions {
        (one.name, one.step) = (text(), text());
        one.failed_checks = BTreeMap::from([(text(), 3)]);
    }
    (run.host.cpu, run.host.kernel, run.host.version, run.host.commit) = (text(), text(), text(), text());
    (run.wire.transport, run.wire.protocol, run.wire.tls) = (text(), text(), Some(text()));
    run.generator.receive_clock = text();
    run.dns =
        Some(Dns { server: text(), addresses: vec![text()], last_error: Some(text()), ..Dns::default() });
    record
}

fn step(offered: f64, phase: Phase) -> Step {
    let p50 = 2.0 + offered / 1000.0;
    Step {
        phase,
        start_s: offered / 100.0,
        duration_s: 5.0,
        offered_rps: offered,
        ok_rps: offered.min(2010.0),
        p50_ms: Some(p50),
        p90_ms: Some(p50 * 2.0),
        p99_ms: Some(p50 * 4.0),
        p999_ms: (offered > 1000.0).then_some(p50 * 8.0),
        mean_ms: Some(p50),
        planned: (offered * 5.0) as u64,
        errors: u64::from(offered > 2000.0) * 17,
        in_flight: offered * p50 / 1e3,
        passed: offered <= 2000.0,
        valid: true,
        stationary: offered <= 2000.0,
        observed: BTreeMap::from([("app".into(), BTreeMap::from([("cpu_share".into(), offered / 2100.0)]))]),
        machine: BTreeMap::from([("cpu_busy".into(), 0.4)]),
        ..Step::default()
    }
}

fn search() -> Ceiling {
    let mut found = Ceiling {
        head: Head {
            command: vec!["loadgen".into(), "ceiling".into()],
            started_at: "2026-11-24T08:00:00Z".into(),
            cpus: vec![1],
            ..Head::default()
        },
        slo: "p99<50ms,errors<0.1%".into(),
        precision: 0.02,
        budget_s: 90.0,
        duration_s: 83.0,
        arrivals: "even".into(),
        bound: Bound::Exact,
        ceiling_rps: Some(2000.0),
        ci95: Some([1975.0, 2021.0]),
        peak_goodput_rps: Some(2010.0),
        overload_goodput_rps: Some(1950.0),
        predicted_rps: Some(1870.0),
        limited_by: LimitedBy {
            what: Limit::Target,
            tier: Some("db".into()),
            resource: Some("cpu".into()),
            evidence: vec![
                "2,000 requests/s: the database's CPU, 97 % busy".into(),
                "its demand is 1.06 ms".into(),
            ],
        },
        steps: vec![
            step(500.0, Phase::Bracket),
            step(1000.0, Phase::Bracket),
            step(2000.0, Phase::Search),
            step(3000.0, Phase::Sweep),
            step(1990.0, Phase::Confirm),
        ],
        usl: Some(Usl { lambda: 500.0, sigma: 0.01, r2: 0.99, points: vec![[1.0, 500.0]], ..Usl::default() }),
        audits: vec![Audit { tier: "app".into(), in_flight: 4.0, expected: 4.1, agrees: Some(true) }],
        forecast: Some(Forecast {
            tier: "db".into(),
            servers: Some([2, 3]),
            band: vec![[1.0, 2000.0, 1900.0, 2100.0]],
            ..Forecast::default()
        }),
        self_check: Some(SelfCheck { closed_rps: 90_000.0, ..SelfCheck::default() }),
        cause: Some(Cause {
            change: "one worker more".into(),
            expected_ratio: 1.25,
            confirmed: Some(true),
            ..Cause::default()
        }),
        emulated: vec!["servers are CPU quotas".into()],
        cut: vec!["the sweep".into()],
        ..Ceiling::default()
    };
    found.target.url = "http://www.foobar.com:8080/".into();
    found.verdict.valid = true;
    found.resources = vec![Resource {
        tier: "db".into(),
        resource: "cpu".into(),
        capacity: 1.0,
        demand_s: 0.00106,
        predicted_rps: 943.4,
        predicted_range: [930.0, 960.0],
        utilisation: Some(0.97),
        shared: BTreeMap::from([("db".into(), 1.0)]),
    }];
    found
}

fn hostile_search() -> Ceiling {
    let mut found = search();
    let text = || HOSTILE.to_owned();
    (found.head.command, found.head.started_at, found.slo, found.arrivals) =
        (vec![text()], text(), text(), text());
    (found.target.url, found.target.what) = (text(), text());
    (found.emulated, found.cut, found.verdict.reasons) = (vec![text()], vec![text()], vec![text()]);
    found.limited_by = LimitedBy {
        what: Limit::Target,
        tier: Some(text()),
        resource: Some(text()),
        evidence: vec![text(), text()],
    };
    found.steps[0].reasons = vec![text()];
    found.steps[0].observed = BTreeMap::from([(text(), BTreeMap::from([(text(), 1.0)]))]);
    found.steps[0].machine = BTreeMap::from([(text(), 1.0)]);
    (found.resources[0].tier, found.resources[0].resource) = (text(), text());
    found.resources[0].shared = BTreeMap::from([(text(), 1.0)]);
    found.audits[0].tier = text();
    let forecast = found.forecast.as_mut().unwrap();
    (forecast.tier, forecast.wall) = (text(), text());
    found.cause.as_mut().unwrap().change = text();
    (found.head.host.cpu, found.head.host.kernel, found.head.host.version, found.head.host.commit) =
        (text(), text(), text(), text());
    found
}

/// `GALLERY=directory cargo test -p reports html` keeps the pages, to be looked at.
fn keep_for_a_look(name: &str, page: &str) {
    if let Some(dir) = std::env::var_os("GALLERY") {
        fs::write(Path::new(&dir).join(format!("{name}.html")), page).unwrap();
    }
}

#[test]
fn every_run_gives_a_sound_page() {
    type Scene = fn() -> Record;
    let scenes: [(&str, Scene); 11] = [
        ("healthy", fixture::healthy),
        ("freeze", fixture::freeze),
        ("died", fixture::died),
        ("warming-up", fixture::warming_up),
        ("all-failed", fixture::all_failed),
        ("tiny", fixture::tiny),
        ("single", fixture::single),
        ("overload", fixture::overload),
        ("ten-hours", fixture::ten_hours),
        ("empty", fixture::empty),
        ("scenario", fixture::scenario),
    ];
    for (name, scene) in scenes {
        let page = scene().html();
        keep_for_a_look(name, &page);
        sound(&page);
        assert!(page.len() < 1_000_000, "{name}: {} bytes", page.len());
    }
}

#[test]
fn every_search_gives_a_sound_page() {
    let mut at_least = search();
    (at_least.bound, at_least.ci95, at_least.partial) = (Bound::AtLeast, None, true);
    let mut below = search();
    (below.bound, below.ceiling_rps, below.steps) = (Bound::Below, None, vec![step(500.0, Phase::Bracket)]);
    for (found, says) in [
        (
            search(),
            "p99&lt;50ms and errors&lt;0.1% hold up to 2,000 requests/s (95 % interval 1,975 to 2,021)",
        ),
        (at_least, "hold up to 2,000 requests/s at least, where the search ended"),
        (below, "lies below 500 requests/s, the lowest rate that was tried"),
        (Ceiling::default(), "No ceiling was found"),
        (scenes::database_bound(), "VALID"),
        (scenes::collapse(), "VALID"),
        (scenes::at_least(), "at least"),
        (scenes::below(), "below"),
        (scenes::invalid(), "INVALID"),
        (scenes::unexplained(), "unexplained"),
        (scenes::empty(), "INVALID"),
    ] {
        let page = found.html();
        keep_for_a_look(&format!("search-{:?}-{}-{}", found.bound, found.partial, found.steps.len()), &page);
        sound(&page);
        assert!(page.contains(says), "{says}");
    }
}

#[test]
fn what_is_said_is_inert() {
    for page in [hostile_run().html(), hostile_search().html(), trace::hostile().html()] {
        sound(&page);
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\u{1b}[31m\\u{202e}"));
        for bad in ["<script>alert", "<img", "\" onload"] {
            assert!(!page.contains(bad), "{bad}");
        }
    }
}

#[test]
fn the_figures_of_a_run_are_there_as_text() {
    for record in [fixture::healthy(), fixture::overload(), fixture::scenario()] {
        let (run, page) = (&record.run, record.html());
        for times in [&run.response_ms, &run.service_ms, &run.send_lag_ms, &run.ok_response_ms] {
            for value in
                [times.mean, times.p50, times.p90, times.p99, times.p999, times.max].into_iter().flatten()
            {
                assert!(page.contains(&format!("<td class=\"n\">{}</td>", ms_column(value))), "{value}");
            }
        }
        for n in [run.planned, run.sent, run.ok, run.dropped, run.unfinished] {
            assert!(page.contains(&format!("<td class=\"n\">{}</td>", count(n))), "{n}");
        }
        for rate in [run.rps.planned, run.rps.sent, run.rps.ok] {
            assert!(page.contains(&format!(">{}<", exact_rate(rate))), "{rate}");
        }
        for [from, to] in run.response_ms.ci95.values().filter(|_| run.response_ms.blocks.is_none()) {
            assert!(page.contains(&format!("{} to {}", ms(*from), ms(*to))));
        }
        assert!(page.contains(">VALID<") || page.contains(">INVALID<"));
        assert!(page.contains("run.json") && page.contains("loadgen --rps"));
    }
}

#[test]
fn the_verdict_stands_first() {
    let mut record = fixture::healthy();
    record.run.verdict =
        crate::record::Verdict { valid: false, reasons: vec!["the CPU was taken away".into()] };
    let page = record.html();
    let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}"));
    assert!(at(">INVALID<") < at("the CPU was taken away") && at("the CPU was taken away") < at("<svg"));
    assert!(at("<h1>") < at(">INVALID<"));
}

#[test]
fn a_search_is_told_load_by_load() {
    let page = search().html();
    let heads = [
        "Offered",
        "Phase",
        "Goodput",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "Errors",
        "Passed",
        "Valid",
        "Stationary",
    ];
    let table = &page[page.find(" id=\"steps\"").unwrap()..];
    let head = &table[..table.find("</thead>").unwrap()];
    for name in heads {
        assert!(head.contains(&format!("<button type=\"button\"><span>{name}</span>")), "{name}");
    }
    let rows = table[..table.find("</table>").unwrap()].matches(" scope=\"row\"").count();
    assert_eq!(rows, 5);
    assert!(table.contains("data-v=\"1990\">1,990</th>") && table.contains("data-v=\"\">-</td>"));
    for part in [
        "the CPU that the tiers share",
        "97 %",
        "1.06",
        "With one worker more, no ceiling was found: so it was the limit",
        "you need 2 to 3 databases",
        "servers are CPU quotas",
        "the sweep",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(&dir.path().join("new"), &fixture::tiny()).unwrap();
    assert!(fs::read_to_string(path).unwrap().starts_with("<!DOCTYPE html>"));
    fs::create_dir(dir.path().join(REPORT_FILE)).unwrap();
    let error = write(dir.path(), &search()).unwrap_err();
    assert!(error.contains("report.html: "), "{error}");
}

#[test]
fn scaling_out_reads_whole_whatever_the_record_has_in_it() {
    use crate::fixture::scale_out::{Made, made};
    for scene in [Made::AppBound, Made::Both, Made::Spoilt, Made::Partial, Made::Empty] {
        let mut found = made(scene);
        sound(&found.html());
        found.mixes.iter_mut().for_each(|mix| mix.what = HOSTILE.to_owned());
        (found.emulated, found.head.command) = (vec![HOSTILE.to_owned()], vec![HOSTILE.to_owned()]);
        sound(&found.html());
    }
}
