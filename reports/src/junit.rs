//! A run as JUnit's XML, which CI systems show: a test case for each threshold, and one for the verdict. A threshold that
//! does not hold is a failure; a run that is not to be believed, or a target that died, is an error.

use crate::number::rate;
use crate::record::Run;
use crate::terminal::printable;

/// The document.
pub fn xml(run: &Run) -> String {
    let mut cases = String::new();
    for asked in &run.thresholds {
        let actual = asked.actual.map_or_else(|| String::from("not known: too few requests"), rate);
        let message = format!("{} does not hold: {actual}", asked.rule);
        let ended = (!asked.passed).then(|| element("failure", &message, &run.verdict.reasons));
        cases += &case("loadgen.threshold", &asked.rule, ended);
    }
    let wrong = error(run);
    let errors = usize::from(wrong.is_some());
    let ended = wrong.map(|message| element("error", &message, &run.verdict.reasons));
    cases += &case("loadgen", "verdict", ended);
    let tests = run.thresholds.len() + 1;
    let failures = run.thresholds.iter().filter(|asked| !asked.passed).count();
    let (name, time) = (escaped(&format!("loadgen {}", run.target.url)), run.duration_s);
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    let at = escaped(&run.started_at);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts} time=\"{time}\">\n  \
         <testsuite name=\"{name}\" {counts} skipped=\"0\" time=\"{time}\" timestamp=\"{at}\">\n{cases}  \
         </testsuite>\n</testsuites>\n"
    )
}

fn error(run: &Run) -> Option<String> {
    if let Some(at) = run.died_at_s {
        return Some(format!("the target stopped answering for good after {} s", rate(at)));
    }
    let first = run.verdict.reasons.first().map_or("the run is invalid", String::as_str);
    (!run.verdict.valid).then(|| first.to_owned())
}

fn case(class: &str, name: &str, ended: Option<String>) -> String {
    let (class, name) = (escaped(class), escaped(name));
    match ended {
        None => format!("    <testcase classname=\"{class}\" name=\"{name}\"/>\n"),
        Some(ended) => {
            format!("    <testcase classname=\"{class}\" name=\"{name}\">\n{ended}    </testcase>\n")
        }
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
