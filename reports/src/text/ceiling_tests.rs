//! Summaries of searches: what each scene has to say, and what must hold of every one.

use super::*;
use crate::analyse::bottleneck::explain;
use crate::ceiling::{Audit, Cause, SelfCheck};
use crate::fixture::ceiling as fixture;
use crate::text::COLUMNS;

/// A search with everything in it that a summary can show.
fn whole() -> Ceiling {
    let mut found = fixture::database_bound();
    found.cause = Some(Cause {
        change: "one CPU more for the database".into(),
        expected_ratio: 1.5,
        ceiling_rps: Some(2_750.0),
        ci95: Some([2_700.0, 2_800.0]),
        confirmed: Some(true),
        ..Cause::default()
    });
    found.audits = vec![
        Audit { tier: "app".into(), in_flight: 4.0, expected: 4.1, agrees: Some(true) },
        Audit { tier: "proxy".into(), in_flight: 4.0, expected: 9.0, agrees: Some(false) },
    ];
    found.self_check = Some(SelfCheck {
        closed_rps: 90_000.0,
        floor_p50_ms: Some(0.052),
        floor_p99_ms: Some(0.1),
        send_lag_p99_ms: Some(0.04),
    });
    found.verdict.reasons.push("there was no time for the sweep".into());
    found
}

fn scenes() -> Vec<Ceiling> {
    vec![
        whole(),
        fixture::database_bound(),
        fixture::collapse(),
        fixture::at_least(),
        fixture::below(),
        fixture::invalid(),
        fixture::unexplained(),
        fixture::empty(),
        Ceiling::default(),
    ]
}

#[test]
fn a_search_at_a_glance() {
    let mut found = whole();
    found.steps.retain(|step| [300.0, 1_840.0, 2_278.0, 2_760.0].contains(&step.offered_rps));
    found.resources.truncate(2);
    found.steps[1].errors = 1_234;
    let expected = "\
load        offered        ok        p50        p99      p99.9   errors  verdict
bracket         300       299    2.10 ms    6.35 ms          -        0  holds
sweep         1,840     1,840    23.2 ms    38.9 ms    54.5 ms        0  holds
confirm       1,840     1,838    23.2 ms    38.6 ms    54.0 ms        0  holds
bracket       2,278     1,857     591 ms     1.12 s     1.57 s    1,234  fails
sweep         2,760     1,858     1.24 s     2.35 s     3.29 s        0  fails

target      http://www.foobar.com:8080/ (reference stack: proxy, 1 app server,
            MariaDB)
emulated    1 app server is a control group limited to 0.5 CPU
goodput     peak 1,862/s, 1,858/s when 2,760/s were offered
resources   the database's 2 CPUs: 1.07 ms per request, full at 1,870/s, 98 %
            busy
            the app server's 8 workers: 2.9 ms per request, full at 2,760/s,
            67 % busy
cause       with one CPU more for the database, the ceiling is 2,750 (2,700 to
            2,800): so it was the limit; 1.5 times as much was to be expected
forecast    for 5,000 requests/s you need 3 to 4 databases; the next wall is the
            proxy's CPU, predicted at 8,330
scaling     contention 6 % (95 % interval 5 % to 7.1 %), coherency 0.09 %: peak
            2,470/s with 32.3 in flight
audit       Little's law does not hold in proxy: 4 requests in it, 9 by rate and
            time
generator   can do 90,000/s here, latency floor 52.0 us, send lag p99 40.0 us
search      5 loads in 174 s, seed 1

VALID  p99<50ms and errors<0.1% hold up to 1,840 requests/s (95 % interval 1,818
       to 1,861)
  - there was no time for the sweep
limit       1,840 requests/s: the database's CPU, 97 % busy, 1.06 ms per
            request; predicted 1,870
";
    assert_eq!(ceiling(&found, false), expected);
}

#[test]
fn each_scene_says_what_was_found() {
    let one_rule = Ceiling { slo: "p99<50ms".into(), ..fixture::database_bound() };
    let no_interval = Ceiling { ci95: None, ..one_rule.clone() };
    let table: [(Ceiling, &[&str], &[&str]); 8] = [
        (one_rule, &["VALID  p99<50ms holds up to 1,840 requests/s (95 % interval 1,818"], &["INVALID"]),
        (no_interval, &["p99<50ms holds up to 1,840 requests/s\n"], &["requests/s (95 %"]),
        (fixture::collapse(), &["1,049/s when 2,760/s were offered", "4,050  fails"], &[]),
        (
            fixture::at_least(),
            &["hold up to 1,500 requests/s at least, where the", "goodput     peak 1,519/s\n"],
            &["interval", "1.5 times", "forecast", "scaling", "fails"],
        ),
        (
            fixture::below(),
            &["VALID  The ceiling for p99<50ms and errors<0.1% lies below 300 requests/s, the"],
            &["hold ", "interval", "resources", "forecast"],
        ),
        (
            fixture::invalid(),
            &[
                "INVALID  p99",
                "  PARTIAL: cut short after 174 s\n  - the sending thread used 97 %",
                "0  invalid",
            ],
            &[],
        ),
        (
            fixture::unexplained(),
            &["limit       1,840 requests/s, unexplained: no tier was observed\n"],
            &["resources", "emulated"],
        ),
        (
            fixture::empty(),
            &["INVALID  No ceiling was found for p99<50ms\n  PARTIAL", "goodput     -\n", "0 loads in"],
            &["limit"],
        ),
    ];
    for (found, said, not_said) in table {
        let text = ceiling(&found, false);
        for part in said {
            assert!(text.contains(part), "{part}\n{text}");
        }
        for part in not_said {
            assert!(!text.contains(part), "{part}\n{text}");
        }
    }
}

#[test]
fn no_summary_is_wider_than_a_terminal() {
    let mut long = whole();
    long.slo = "p99<50ms,".repeat(20) + "errors<0.1%";
    long.target.what = "a target described at length ".repeat(9);
    long.limited_by.evidence.push("evidence that goes on and on ".repeat(9));
    let mut explained = whole();
    explained.limited_by = explain(&explained, &explained.resources);
    for found in scenes().into_iter().chain([long, explained]) {
        let text = ceiling(&found, false);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.ends_with('\n') && !text.contains("\n\n\n") && !text.contains("NaN"), "{text}");
    }
}

#[test]
fn colours_change_nothing_else() {
    for found in scenes() {
        let coloured = ceiling(&found, true);
        assert!(coloured.contains("\u{1b}[1;3"), "{coloured}");
        let mut parts = coloured.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        let strip = |part: &str| part.split_once('m').map_or("", |(_, rest)| rest).to_owned();
        assert_eq!(parts.fold(first, |plain, part| plain + &strip(part)), ceiling(&found, false));
    }
}

/// A record with this behind each text that is no name of a kind.
fn hostile(json: &mut serde_json::Value, text: &str) {
    const KINDS: [&str; 8] =
        ["reference", "exact", "target", "bracket", "search", "sweep", "confirm", "loadgen.ceiling/1"];
    match json {
        serde_json::Value::String(old) if !KINDS.contains(&old.as_str()) => old.push_str(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| hostile(value, text)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|value| hostile(value, text)),
        _ => {}
    }
}

#[test]
fn nothing_in_a_record_is_obeyed_by_a_terminal() {
    for text in ["\u{1b}[2J\u{7}", "\u{9b}1m", "\rVALID", "\u{202e}", "\nVALID  p99<50ms"] {
        let mut json = serde_json::to_value(whole()).unwrap();
        hostile(&mut json, text);
        let shown = ceiling(&serde_json::from_value(json).unwrap(), false);
        assert!(!shown.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{shown:?}");
        assert_eq!(shown.lines().filter(|line| line.starts_with("VALID")).count(), 1, "{shown}");
    }
}
