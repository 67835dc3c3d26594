//! The summary as it is, and whatever is in a record.

use super::*;
use crate::exports::annotations;
use crate::fixture::comparison::{hostile, slower};
use crate::junit;

const HOSTILE: &str = "| a`b` **c** <img src=x onerror=alert(1)> [d](javascript:x) ![e](f) \u{1b}[31m\r\n::error::g % , : \
                       \u{202e}\u{0} https://h.example www.i.example ]]> & \"'";

#[test]
fn the_verdict_is_first_and_the_metrics_that_decide_are_a_table() {
    let want = "## REGRESSION: ceiling -9.5 %, p50 +17 %, app CPU per request +9.4 %

Candidate 9be01f3 against base 1ad522a, 12 pairs, 140/s for 4 s, poisson arrivals by raw, HTTP/1.1.

| Metric | Base | Candidate | Change | 95 % interval | p | Allowed | Smallest that would be seen | Call |
|---|--:|--:|--:|:-:|--:|--:|--:|---|
| ceiling | 227 requests/s | 207 requests/s | -9.5 % | -9.5 % to -7.7 % | 0.00122 | 5 % | 5 % | **REGRESSION** |
| p50 | 5.1 ms | 6.02 ms | +17 % | +17 % to +20 % | 0.00122 | 5 % | 5 % | **REGRESSION** |
| p99 | 19.2 ms | 20.7 ms | -8.8 % | -11 % to +62 % | 0.85 | 10 % | 11 % | INCONCLUSIVE |
| requests answered | 100 % | 100 % | 0 % | 0 % to 0 % | 1 | 0.1 % | 0.1 % | pass |
| app CPU per request | 120 us | 132 us | +9.4 % | +9.4 % to +12 % | 0.00122 | 5 % | 5 % | **REGRESSION** |
| rate | - | - | - | - | - | 5 % | - | INCONCLUSIVE |

### Attribution

- ceiling -9.5 %, p50 +17 %: app CPU per request +9.4 %

### Self-tests

- base against base: no alarm, p50 -0.55 % (-0.56 to +1.5 %)
- base made 10 % slower: found, p50 +19 % (+19 to +22 %)

### What has to be known

- not the same on both sides: the base was built by another compiler
- 1 record left out: 7: no candidate

### Emulated

- A slower application: each request holds its worker for 4ms longer, computing nothing.

![The comparison](https://example.org/runs/7/compare.png)

![The trend](https://example.org/runs/7/trend.png)

loadgen compare out/base out/candidate --control out/control
";
    assert_eq!(markdown(&slower(), Some("https://example.org/runs/7/")), want);
    assert!(!markdown(&slower(), None).contains("!["));
    let mut invalid = slower();
    invalid.call = Call::Inconclusive;
    invalid.verdict = crate::record::Verdict { valid: false, reasons: vec!["too few pairs".into()] };
    let text = markdown(&invalid, None);
    assert!(text.starts_with("## INCONCLUSIVE: too few pairs\n"), "{text}");
}

#[test]
fn nothing_of_a_record_is_markup() {
    let summary = markdown(&hostile(HOSTILE), Some("https://x/a)b <c>\n"));
    assert!(
        !summary.contains("<img") && !summary.contains("://h.example") && !summary.contains("www.i"),
        "{summary}"
    );
    assert!(
        !summary.contains(|c: char| c.is_control() && c != '\n') && !summary.contains('\u{202e}'),
        "{summary}"
    );
    assert!(!summary.lines().any(|line| line.starts_with("::")), "{summary}");
    let rows: Vec<_> = summary.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 7);
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 10, "{row}");
    }
    assert!(summary.contains("](https://x/a%29b%20%3Cc%3E%0A/compare.png)"), "{summary}");
    for base in ["javascript:alert(1)", "", "x", "data:image/png"] {
        assert!(!markdown(&slower(), Some(base)).contains("!["), "{base}");
    }
    for (given, want) in [("1. a", "1\\. a"), ("- a", "\\- a"), ("12) a", "12\\) a"), ("a-b 1.5", "a-b 1.5")]
    {
        assert_eq!(text(given), want);
    }
}

#[test]
fn a_summary_that_is_too_long_is_cut_and_says_so() {
    for text in ["x".repeat(400), "\u{20ac}|".repeat(300)] {
        let mut long = slower();
        long.emulated = vec![text; 10_000];
        let summary = markdown(&long, None);
        assert!(summary.len() <= MOST_BYTES && summary.len() > MOST_BYTES - 4_096, "{}", summary.len());
        assert!(summary.ends_with(CUT) && summary.starts_with("## REGRESSION"));
        let last = summary.strip_suffix(CUT).unwrap();
        assert!(last.ends_with('\n'), "a whole line is the last");
    }
    assert_eq!(text(&"x".repeat(9_999)).chars().count(), LONGEST_TEXT + 1);
}

#[test]
fn annotations_have_a_line_each() {
    let want = "::error title=loadgen compare::REGRESSION: ceiling -9.5 %25, p50 +17 %25, app CPU per request +9.4 %25; \
                ceiling -9.5 %25, p50 +17 %25: app CPU per request +9.4 %25
::error title=ceiling_rps::ceiling -9.5 %25 (95 %25 interval -9.5 %25 to -7.7 %25, p 0.00122; 5 %25 allowed)
::error title=p50_ms::p50 +17 %25 (95 %25 interval +17 %25 to +20 %25, p 0.00122; 5 %25 allowed)
::warning title=p99_ms::p99: -8.8 %25, of which the interval, -11 %25 to +62 %25, is too wide \
                to exclude 10 %25 for the worse
::error title=cpu_us.app::app CPU per request +9.4 %25 (95 %25 interval +9.4 %25 to +12 %25, p 0.00122; 5 %25 allowed)
::warning title=rps::rate: 3 pairs, and 11 are needed
::warning title=not the same on both sides::the base was built by another compiler
";
    assert_eq!(annotations(&slower()), want);
    let text = annotations(&hostile(HOSTILE));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 8);
    for line in lines {
        let (command, properties) = line[2..].split_once("::").unwrap().0.split_once(" title=").unwrap();
        assert!(["error", "warning"].contains(&command) && !properties.contains([',', ':']), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let mut passed = slower();
    passed.call = Call::Pass;
    passed.metrics.retain(|metric| metric.call == Call::Pass);
    passed.marks.clear();
    passed.attribution.clear();
    assert_eq!(
        annotations(&passed),
        "::notice title=loadgen compare::PASS: the candidate is no worse than it may be (requests answered by 0.1 %25)\n"
    );
    passed.call = Call::Inconclusive;
    passed.verdict = crate::record::Verdict { valid: false, reasons: vec!["too few pairs".into()] };
    assert_eq!(annotations(&passed), "::warning title=loadgen compare::INCONCLUSIVE: too few pairs\n");
}

#[test]
fn junit_has_a_test_case_for_each_metric_that_decides() {
    let want = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites tests=\"7\" failures=\"3\" errors=\"0\">
  <testsuite name=\"loadgen compare 1ad522a 9be01f3\" tests=\"7\" failures=\"3\" errors=\"0\" skipped=\"2\" \
                timestamp=\"2026-11-24T08:00:00Z\">
    <testcase classname=\"loadgen.compare\" name=\"ceiling_rps\">
      <failure message=\"ceiling -9.5 % (95 % interval -9.5 % to -7.7 %, p 0.00122; 5 % allowed)\">WHY</failure>
    </testcase>
    <testcase classname=\"loadgen.compare\" name=\"p50_ms\">
      <failure message=\"p50 +17 % (95 % interval +17 % to +20 %, p 0.00122; 5 % allowed)\">WHY</failure>
    </testcase>
    <testcase classname=\"loadgen.compare\" name=\"p99_ms\">
      <skipped message=\"p99: -8.8 %, of which the interval, -11 % to +62 %, is too wide \
                to exclude 10 % for the worse\"></skipped>
    </testcase>
    <testcase classname=\"loadgen.compare\" name=\"answered\"/>
    <testcase classname=\"loadgen.compare\" name=\"cpu_us.app\">
      <failure message=\"app CPU per request +9.4 % (95 % interval +9.4 % to +12 %, p 0.00122; 5 % allowed)\">WHY</failure>
    </testcase>
    <testcase classname=\"loadgen.compare\" name=\"rps\">
      <skipped message=\"rate: 3 pairs, and 11 are needed\"></skipped>
    </testcase>
    <testcase classname=\"loadgen\" name=\"verdict\"/>
  </testsuite>
</testsuites>
";
    let want = want.replace("WHY", &slower().attribution[0]);
    assert_eq!(junit::of_comparison(&slower()), want);
    let mut invalid = hostile(HOSTILE);
    invalid.call = Call::Inconclusive;
    let text = junit::of_comparison(&invalid);
    let verdict = text.rsplit_once("name=\"verdict\">").unwrap().1;
    assert!(text.contains("errors=\"0\"") && verdict.trim_start().starts_with("<skipped message="), "{text}");
    assert!(
        !text.contains("<img") && !text.contains(['\u{1b}', '\u{0}', '\u{202e}']) && !text.contains("]]>")
    );
}
