//! What CI systems show, as JUnit's XML. Of a run, a test case for each threshold, and one for the verdict: a threshold that does not
//! hold is a failure; a run that is not to be believed, or a target that died, is an error. Of a comparison, a test case for each metric
//! that decides, and one for the verdict: what has become worse is a failure. What is inconclusive is skipped, as a test that could
//! not be made: noise breaks no build, and is no pass either. That there is no answer at all is an error.

use crate::comparison::{Call, Comparison, Metric};
use crate::exports::sentence;
use crate::number::rate;
use crate::record::Run;
use crate::terminal::printable;

/// The document of a run.
pub fn xml(run: &Run) -> String {
    let mut suite = Suite::default();
    for asked in &run.thresholds {
        let actual = asked.actual.map_or_else(|| String::from("not known: too few requests"), rate);
        let message = format!("{} does not hold: {actual}", asked.rule);
        let end = if asked.passed { End::Passed } else { End::Failure(message) };
        suite.case("loadgen.threshold", &asked.rule, &end, &run.verdict.reasons);
    }
    let end = error(run).map_or(End::Passed, End::Error);
    suite.case("loadgen", "verdict", &end, &run.verdict.reasons);
    suite.document(&format!("loadgen {}", run.target.url), Some(run.duration_s), &run.started_at)
}

/// The document of a comparison.
pub fn of_comparison(found: &Comparison) -> String {
    let mut suite = Suite::default();
    for metric in found.metrics.iter().filter(|metric| metric.delta.is_some()) {
        suite.case("loadgen.compare", &metric.name, &end(found, metric), &found.attribution);
    }
    let first = found.verdict.reasons.first().map_or("there is no answer", String::as_str);
    // Whoever shows it is not to show red where nothing is known.
    let end = match found.call {
        Call::Inconclusive if found.is_empty() => End::Error(first.to_owned()),
        Call::Inconclusive => End::Skipped(first.to_owned()),
        // A metric that is worse is a failure of its own.
        Call::Regression | Call::Pass | Call::Improvement => End::Passed,
    };
    suite.case("loadgen", "verdict", &end, &found.verdict.reasons);
    let name = format!("loadgen compare {} {}", found.base.name(), found.candidate.name());
    suite.document(&name, None, &found.head.started_at)
}

fn end(found: &Comparison, metric: &Metric) -> End {
    match metric.call {
        Call::Pass | Call::Improvement => End::Passed,
        Call::Regression => End::Failure(sentence(found, metric)),
        Call::Inconclusive => End::Skipped(sentence(found, metric)),
    }
}

fn error(run: &Run) -> Option<String> {
    if let Some(at) = run.died_at_s {
        return Some(format!("the target stopped answering for good after {} s", rate(at)));
    }
    let first = run.verdict.reasons.first().map_or("the run is invalid", String::as_str);
    (!run.verdict.valid).then(|| first.to_owned())
}

/// How a test case ended, and why.
enum End {
    Passed,
    Failure(String),
    Error(String),
    Skipped(String),
}

/// The test cases so far, and how many there are of each kind.
#[derive(Default)]
struct Suite {
    cases: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Suite {
    fn case(&mut self, class: &str, name: &str, end: &End, reasons: &[String]) {
        self.tests += 1;
        let (class, name) = (escaped(class), escaped(name));
        let ended = match end {
            End::Passed => {
                self.cases += &format!("    <testcase classname=\"{class}\" name=\"{name}\"/>\n");
                return;
            }
            End::Failure(message) => {
                self.failures += 1;
                element("failure", message, reasons)
            }
            End::Error(message) => {
                self.errors += 1;
                element("error", message, reasons)
            }
            End::Skipped(message) => {
                self.skipped += 1;
                element("skipped", message, &[])
            }
        };
        self.cases +=
            &format!("    <testcase classname=\"{class}\" name=\"{name}\">\n{ended}    </testcase>\n");
    }

    fn document(&self, name: &str, duration_s: Option<f64>, at: &str) -> String {
        let (tests, failures, errors) = (self.tests, self.failures, self.errors);
        let (name, at, skipped, cases) = (escaped(name), escaped(at), self.skipped, &self.cases);
        let time = duration_s.map_or_else(String::new, |time| format!(" time=\"{time}\""));
        let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}{time}>\n  \
             <testsuite name=\"{name}\" {counts} skipped=\"{skipped}\"{time} timestamp=\"{at}\">\n{cases}  \
             </testsuite>\n</testsuites>\n"
        )
    }
}

fn element(kind: &str, message: &str, reasons: &[String]) -> String {
    let lines: Vec<String> = reasons.iter().map(|reason| escaped(reason)).collect();
    format!("      <{kind} message=\"{}\">{}</{kind}>\n", escaped(message), lines.join("\n"))
}

/// Text as XML 1.0 can have it: what it forbids is spelt out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn thresholds_fail_and_runs_are_in_error() {
        let passed = xml(&fixture::healthy().run);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites tests=\"3\" failures=\"0\" errors=\"0\" time=\"10\">
  <testsuite name=\"loadgen http://www.foobar.com:8080/\" tests=\"3\" failures=\"0\" errors=\"0\" skipped=\"0\" \
time=\"10\" timestamp=\"2026-11-24T08:00:00Z\">
    <testcase classname=\"loadgen.threshold\" name=\"p99&lt;50ms\"/>
    <testcase classname=\"loadgen.threshold\" name=\"errors&lt;0.1%\"/>
    <testcase classname=\"loadgen\" name=\"verdict\"/>
  </testsuite>
</testsuites>
";
        assert_eq!(passed, expected);
        for (run, parts) in [
            (
                fixture::died().run,
                ["failures=\"1\" errors=\"1\"", "<error message=\"the target stopped answering"],
            ),
            (
                fixture::tiny().run,
                ["failures=\"1\" errors=\"1\"", "does not hold: not known: too few requests\">"],
            ),
        ] {
            let text = xml(&run);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn nothing_in_a_record_ends_an_element() {
        let mut run = fixture::tiny().run;
        let hostile = "\"><x a='&'>\u{1b}\u{0}\u{ffff}]]>";
        run.target.url = hostile.into();
        run.verdict.reasons = vec![hostile.into()];
        run.thresholds[0].rule = hostile.into();
        let text = xml(&run);
        assert!(
            !text.contains("<x") && !text.contains(['\u{1b}', '\u{0}', '\u{ffff}']) && !text.contains("]]>")
        );
        assert!(text.contains("&quot;&gt;&lt;x a=&apos;&amp;&apos;&gt;\\u{1b}"), "{text}");
    }
}
