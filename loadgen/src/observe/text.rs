//! The text that a Prometheus endpoint answers with, in either format (Prometheus text 0.0.4, OpenMetrics 1.0). Given its
//! bytes it gives the samples, line by line and without copying; a line that is none of the format is only counted. It
//! knows no metric.

use std::borrow::Cow;

/// One sample: `name{labels} value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    /// The name on the wire, with its suffix.
    pub(super) name: &'a str,
    /// What stands between the braces.
    labels: &'a str,
    /// The value as it is, NaN and the infinities included.
    pub(super) value: f64,
    /// When it was so, in seconds since 1970, where the endpoint says so: an exporter may hand on what it read a while ago.
    pub(super) stamp: Option<f64>,
}

impl<'a> Sample<'a> {
    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.labels;
        while let Some((key, value, after)) = pair(rest) {
            if key == name {
                return Some(unescaped(value));
            }
            rest = after;
        }
        None
    }
}

/// Hands each sample to `with`, and says whether `text` is metrics: at least one sample, and no more garbage than that.
pub(super) fn each<'a>(text: &'a [u8], mut with: impl FnMut(&Sample<'a>)) -> bool {
    let (mut samples, mut garbage) = (0usize, 0usize);
    for bytes in text.split(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(bytes).map(str::trim);
        match line {
            Ok(line) if line.is_empty() || line.starts_with('#') => {}
            line => match line.ok().and_then(sample) {
                Some(sample) => {
                    samples += 1;
                    with(&sample);
                }
                None => garbage += 1,
            },
        }
    }
    samples > 0 && samples >= garbage
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, rest) = word(line, |c| c == ':')?;
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => {
            let after = skip_pairs(inside)?;
            (&inside[..inside.len() - after.len()], after.strip_prefix('}')?)
        }
        // Without braces there has to be a space.
        None if rest.len() + name.len() == line.len() => return None,
        None => ("", rest),
    };
    // An exemplar may follow, after a `#`.
    let rest = rest.split_once(" #").map_or(rest, |(before, _)| before);
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let stamp = words.next().map(|stamp| stamp.parse().ok().filter(|stamp: &f64| stamp.is_finite()));
    let whole = stamp != Some(None) && words.next().is_none();
    whole.then(|| Sample { name, labels, value, stamp: stamp.flatten().map(in_seconds) })
}

/// The older format has milliseconds, OpenMetrics seconds; no time of either is a sensible one of the other.
fn in_seconds(stamp: f64) -> f64 {
    const SECONDS_MOST: f64 = 1e11;
    if stamp.abs() > SECONDS_MOST { stamp / 1e3 } else { stamp }
}

/// A name at the beginning of `text`, and what follows it.
fn word(text: &str, also: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let of_names = |c: char| c.is_ascii_alphanumeric() || c == '_' || also(c);
    let end = text.find(|c| !of_names(c)).unwrap_or(text.len());
    let begins = text.starts_with(|c: char| of_names(c) && !c.is_ascii_digit());
    begins.then(|| text.split_at(end))
}

/// What follows all pairs of name and value.
fn skip_pairs(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((.., after)) = pair(rest) {
        rest = after;
    }
    let rest = rest.trim_start();
    rest.starts_with('}').then_some(rest)
}

/// The first `name="value"` of `text`, its value still escaped, and what follows it and its comma.
fn pair(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = word(text.trim_start(), |_| false)?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = value.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let rest = value[end + 1..].trim_start();
    Some((name, &value[..end], rest.strip_prefix(',').unwrap_or(rest)))
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut letters = value.chars();
    let mut plain = String::with_capacity(value.len());
    while let Some(letter) = letters.next() {
        let escaped = if letter == '\\' { letters.next() } else { None };
        plain.push(match escaped {
            None => letter,
            Some('n') => '\n',
            Some(other) => other,
        });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Option<Vec<(String, f64)>> {
        let mut found = Vec::new();
        each(text.as_bytes(), |sample| found.push((sample.name.to_owned(), sample.value))).then_some(found)
    }

    #[test]
    fn samples_of_both_formats() {
        for (line, value) in [
            ("x 1", 1.0),
            ("  x\t1.5e3  ", 1500.0),
            ("x 1 1700000000000", 1.0),
            ("x{} 2", 2.0),
            ("x {a=\"b\"} 2 17.5", 2.0),
            ("x{a=\"b\",} 3", 3.0),
            ("x{a=\"}\\\"{\\\\\", b = \"c\" } 4", 4.0),
            ("x 5 # {trace_id=\"1\"} 0.5 17", 5.0),
            ("x{le=\"+Inf\"} 6 17 # {a=\"b\"} 1", 6.0),
            ("x +Inf", f64::INFINITY),
            ("x -Inf\r", f64::NEG_INFINITY),
        ] {
            assert_eq!(all(line), Some(vec![("x".to_owned(), value)]), "{line}");
        }
        assert!(all("x NaN").unwrap()[0].1.is_nan());
        assert_eq!(all("# HELP a:b x y\n# TYPE a:b gauge\na:b 1\n\nc 2\n# EOF\n").unwrap().len(), 2);
    }

    #[test]
    fn stamps_are_seconds() {
        for (line, want) in [
            ("x 1", None),
            ("x 1 1714570832500", Some(1_714_570_832.5)),
            ("x 1 1714570832.5", Some(1_714_570_832.5)),
            ("x{a=\"b\"} 1 17 # {} 1", Some(17.0)),
        ] {
            each(line.as_bytes(), |sample| assert_eq!(sample.stamp, want, "{line}"));
        }
    }

    #[test]
    fn what_is_no_sample_is_no_sample() {
        for line in [
            "x",
            "x ",
            "x y",
            "x1",
            "1x 1",
            "x{ 1",
            "x{a} 1",
            "x{a=b} 1",
            "x{a=\"b} 1",
            "x{a=\"b\"}",
            "x{a=\"b\"c} 1",
            "{\"x\"} 1",
            "x 1 2 3",
            "x 1 later",
            "x 1 NaN",
            "x-y 1",
            "<html>",
            "x 1,5",
            "\u{e4} 1",
        ] {
            assert_eq!(all(line), None, "{line}");
            assert_eq!(all(&format!("{line}\ny 2")), Some(vec![("y".to_owned(), 2.0)]), "{line}");
        }
        assert_eq!(all(""), None);
        assert_eq!(all("<html>\n<body>\nx 1\n</body>"), None, "a page that has a line like a sample");
        assert!(!each(b"\xff\xfe\x00\n\x08\x01", |_| {}));
    }

    #[test]
    fn labels_are_found_by_name() {
        let text = "x{mode=\"idle\",path=\"a\\\\b\\\"c\\nd\",id=\"mode=\\\"x\\\"\"} 1";
        let mut found = Vec::new();
        each(text.as_bytes(), |sample| {
            found = ["mode", "path", "id", "x"].map(|name| sample.label(name)).into();
        });
        let want = [Some("idle"), Some("a\\b\"c\nd"), Some("mode=\"x\""), None];
        assert_eq!(found, want.map(|value| value.map(Cow::from)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            each(&bytes, |sample| drop(sample.label("a")));
        }

        #[test]
        fn nor_does_anything_like_the_format(text in "[a-z{}=\",\\\\# \n0-9.+NaIe-]{0,120}") {
            each(text.as_bytes(), |sample| drop(sample.label("a")));
        }

        #[test]
        fn whatever_is_written_is_read(name in "[a-z_:][a-z0-9_:]{0,9}", value in any::<f64>(), label in "\\PC{0,9}") {
            let escaped = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("{name}{{a=\"1\",l=\"{escaped}\"}} {value}");
            let mut read = Vec::new();
            each(text.as_bytes(), |s| read.push((s.name, s.value.to_bits(), s.label("l").unwrap().into_owned())));
            prop_assert!(read.len() == 1, "{}", text);
            prop_assert!(read[0].0 == name && (read[0].1 == value.to_bits() || value.is_nan()) && read[0].2 == label);
        }
    }
}
