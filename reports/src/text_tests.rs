//! The summary as a whole, line by line, and what must hold of every summary.

use super::*;
use crate::fixture;

#[test]
fn a_healthy_run_at_a_glance() {
    let expected = "\
VALID  5,000 requests/s offered, all answered: p50 0.6 ms, p99 1.22 ms

target      http://www.foobar.com:8080/ (reference target: reference stack:
            proxy, 1 app server limited to 0.25 CPU, MariaDB)
load        open loop, even arrivals, 10 s, 5 connections at the peak, seed 1
rate        offered 5,000/s, sent 5,000/s, ok 5,000/s

                    p50        p90        p99      p99.9        max
response        0.60 ms    0.67 ms    1.22 ms    2.55 ms    2.70 ms
service         0.58 ms    0.64 ms    1.20 ms    2.50 ms    2.65 ms
send lag        19.5 us    35.5 us    46.5 us    50.1 us    51.5 us
            95 % interval of the response's p99: 1.10 ms to 1.35 ms

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
    assert!(!text.contains(" 0 "), "what did not happen is not listed\n{text}");
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
