//! The summary as a whole, line by line, and what must hold of every summary.

use super::*;
use crate::fixture;
use crate::record::{ArrivalStream, Blocks};

#[test]
fn a_healthy_run_at_a_glance() {
    let expected = "\
VALID  5,000 requests/s offered, all answered: p50 0.6 ms, p99 1.22 ms

target      http://www.foobar.com:8080/ (reference target: reference stack:
            proxy, 1 app server limited to 0.25 CPU, MariaDB)
load        open loop, even arrivals, 10 s, 5 connections at the peak, seed 1
rate        offered 5,000/s, sent 5,000/s, ok 5,000/s
arrivals    as planned: coefficient of variation 0.1 of 49,999 gaps
steady      from the beginning

                    p50        p90        p99      p99.9        max
response        0.60 ms    0.67 ms    1.22 ms    2.55 ms    2.70 ms
service         0.58 ms    0.64 ms    1.20 ms    2.50 ms    2.65 ms
send lag        19.5 us    35.5 us    46.5 us    50.1 us    51.5 us
            95 % interval of the response's p99: 1.10 ms to 1.35 ms (by order
            statistics)

requests    50,000 planned: 50,000 ok
status      200: 50,000
bytes       3.1 MiB sent, 8.6 MiB received

threshold   pass  p99<50ms     1.22 ms
threshold   pass  errors<0.1%  0 %

generator   42 us CPU per request, busiest thread 21 % of a CPU, 1 thread,
            14 MiB, on CPU 1, target on CPU 0
tiers' CPU  app 93 %, proxy 41 %
";
    assert_eq!(summary(&fixture::healthy().run, false), expected);
}

#[test]
fn what_is_wrong_comes_first_and_is_red() {
    let run = fixture::tiny().run;
    let plain = summary(&run, false);
    assert!(plain.starts_with("INVALID  3 requests/s offered"), "{plain}");
    assert!(plain.lines().nth(1).unwrap().starts_with("  - p50 needs 5 requests, there were 3"), "{plain}");
    assert!(plain.contains("FAIL  p99<50ms  not known: too few requests"), "{plain}");
    let coloured = summary(&run, true);
    assert!(coloured.starts_with("\u{1b}[1;31mINVALID\u{1b}[0m  3 requests/s"));
    assert_eq!(strip(&coloured), plain, "colours change nothing else");
}

#[test]
fn a_scenario_is_a_table_of_its_interactions() {
    let mut run = fixture::scenario().run;
    run.interactions[1].failed_checks = [("status is 200".into(), 3), ("size".into(), 1_200)].into();
    run.interactions[0].name = "an interaction with a name that is far too long".into();
    let text = summary(&run, false);
    let table = "
interaction                     planned   share     failed        p50        p99
an interaction with a na..       37,500    75 %          0    0.60 ms    1.22 ms
cart pay                         12,500    25 %          0    0.60 ms    1.22 ms
checks      of cart pay: size (1,200 times), status is 200 (3 times)
sessions    12,500 begun, 12,500 completed, 0 failed
";
    assert!(text.contains(table), "{text}");
}

#[test]
fn what_has_to_be_known_of_the_figures_is_said() {
    let text = summary(&fixture::warming_up().run, false);
    assert!(
        text.contains("steady      from 3.5 s on; what was measured before it is in the figures"),
        "{text}"
    );
    assert!(summary(&fixture::overload().run, false).contains("steady      never: "), "{text}");
    let mut run = fixture::healthy().run;
    assert!(!summary(&run, false).contains("timed when they are read"));
    run.generator.receive_clock = "process".into();
    let blocks = Blocks { length_s: 1.0, count: 10, lag1: 0.7, dependent: true };
    run.response_ms.blocks = Some(blocks);
    run.response_ms.ci95_blocks = [("p99".into(), [1.0, 2.0])].into();
    run.arrival_stream = Some(ArrivalStream {
        test: "anderson-darling".into(),
        value: 9.5,
        p_value: Some(0.00002),
        passed: false,
        gaps: 1_000,
    });
    let text = summary(&run, false);
    for part in [
        "timed when they are read",
        "p99: 1.00 ms to 2.00 ms (by blocks",
        "arrivals    not as planned: A2 = 9.5 of 1,000 gaps, p < 0.0001",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    run.response_ms.ci95_blocks.clear();
    assert!(summary(&run, false).contains("too narrow"));
}

/// A record with this in place of each text that is no name of a kind.
fn hostile(json: &mut serde_json::Value, text: &str) {
    match json {
        serde_json::Value::String(old) if !["open", "reference"].contains(&old.as_str()) => {
            *old = text.into()
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| hostile(value, text)),
        serde_json::Value::Object(fields) => {
            for of in ["observed", "failed_checks"] {
                if let Some(names) = fields.get_mut(of).and_then(|names| names.as_object_mut()) {
                    *names = std::mem::take(names).into_iter().map(|(k, v)| (k + text, v)).collect();
                }
            }
            fields.values_mut().for_each(|value| hostile(value, text));
        }
        _ => {}
    }
}

#[test]
fn nothing_in_a_record_is_obeyed_by_a_terminal() {
    let mut run = fixture::scenario().run;
    run.interactions[1].failed_checks = [("size".into(), 1)].into();
    run.verdict.reasons.push("a note".into());
    run.steady = Some(Steady { from_s: None, grain_s: 1.0, reason: Some("never".into()) });
    for text in ["\u{1b}[2J\u{7}", "\u{9b}1m", "\rVALID", "\u{202e}"] {
        let mut json = serde_json::to_value(&run).unwrap();
        hostile(&mut json, text);
        let hostile: Run = serde_json::from_value(json).unwrap();
        let shown = summary(&hostile, false);
        assert!(!shown.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{shown:?}");
    }
}

#[test]
fn failures_are_named_with_their_number() {
    let text = summary(&fixture::died().run, false);
    for part in [
        "connect, ",
        "ok only ",
        "died        the target stopped answering for good at 3.2 s",
        "FAIL  errors<0.1%",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let outcomes = text.lines().find(|line| line.starts_with("requests")).unwrap();
    assert!(!outcomes.contains(" 0 "), "what did not happen is not listed\n{text}");
    assert!(summary(&fixture::overload().run, false).contains(" dropped"));
}

#[test]
fn no_summary_is_wider_than_a_terminal_or_ends_without_a_line_end() {
    let mut long = fixture::overload().run;
    long.target.what = "a target described at length ".repeat(9);
    long.verdict.reasons.push("a reason that goes on and on ".repeat(9));
    for run in
        [long, fixture::empty().run, fixture::single().run, fixture::all_failed().run, fixture::freeze().run]
    {
        let text = summary(&run, false);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.ends_with('\n') && !text.contains("\n\n\n") && !text.contains("NaN"), "{text}");
    }
}

fn strip(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}
