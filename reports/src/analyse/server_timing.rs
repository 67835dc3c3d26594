//! `Server-Timing` (W3C Server Timing, section 3): what an answer says of the time that it took. Given the fields of an answer, it
//! gives the metrics in their order; what cannot be read is left out, as a browser leaves it out.

/// One metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its duration in milliseconds, if it has one.
    pub dur_ms: Option<f64>,
    /// The smallest difference that the duration is written to, in milliseconds.
    pub grain_ms: f64,
    /// Its description.
    pub desc: String,
}

/// The metrics of all `fields`.
pub fn metrics(fields: &[String]) -> Vec<Metric> {
    fields.iter().flat_map(|field| split(field, ',')).filter_map(metric).collect()
}

/// Of a list, what is between the `separator`s that stand in no quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                pieces.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn metric(text: &str) -> Option<Metric> {
    let mut parts = split(text, ';').into_iter().map(str::trim);
    let name = parts.next().filter(|name| is_token(name))?;
    let mut metric = Metric { name: name.to_owned(), ..Metric::default() };
    let (mut has_dur, mut has_desc) = (false, false);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = unquoted(value.trim());
        // The first of a name counts.
        match key.trim().to_ascii_lowercase().as_str() {
            "dur" if !has_dur => {
                has_dur = true;
                metric.dur_ms = value.parse::<f64>().ok().filter(|ms| ms.is_finite() && *ms >= 0.0);
                metric.grain_ms = grain(&value);
            }
            "desc" if !has_desc => {
                has_desc = true;
                metric.desc = value;
            }
            _ => {}
        }
    }
    Some(metric)
}

/// `1.604` tells microseconds, `0004` whole milliseconds.
fn grain(number: &str) -> f64 {
    let digits = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    10f64.powi(-i32::try_from(digits.min(9)).unwrap_or(0))
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => break,
            c => {
                escaped = false;
                text.push(c);
            }
        }
    }
    text
}

fn is_token(text: &str) -> bool {
    let special = "!#$%&'*+-.^_`|~";
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || special.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(field: &str) -> Vec<(String, Option<f64>, f64, String)> {
        let of = |metric: Metric| (metric.name, metric.dur_ms, metric.grain_ms, metric.desc);
        metrics(&[field.to_owned()]).into_iter().map(of).collect()
    }

    #[test]
    fn metrics_are_read_as_browsers_read_them() {
        let one =
            |name: &str, dur: Option<f64>, grain: f64, desc: &str| (name.into(), dur, grain, desc.into());
        for (field, want) in [
            ("", vec![]),
            ("miss", vec![one("miss", None, 0.0, "")]),
            ("db;dur=53.2", vec![one("db", Some(53.2), 0.1, "")]),
            ("db ; dur = 53.20 ", vec![one("db", Some(53.2), 0.01, "")]),
            (
                "proxy;dur=0014, upstream;dur=0013",
                vec![one("proxy", Some(14.0), 1.0, ""), one("upstream", Some(13.0), 1.0, "")],
            ),
            ("a;desc=\"b, c;d\\\"e\";dur=1", vec![one("a", Some(1.0), 1.0, "b, c;d\"e")]),
            ("a;desc=word;DUR=\"2.5\"", vec![one("a", Some(2.5), 0.1, "word")]),
            ("a;dur=1;dur=2;desc=x;desc=y", vec![one("a", Some(1.0), 1.0, "x")]),
            ("a;dur=x", vec![one("a", None, 1.0, "")]),
            ("a;dur=-1, b;dur=inf", vec![one("a", None, 1.0, ""), one("b", None, 1.0, "")]),
            ("a b;dur=1, ,;dur=2, c", vec![one("c", None, 0.0, "")]),
            ("a;desc=\"open", vec![one("a", None, 0.0, "open")]),
        ] {
            assert_eq!(read(field), want, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "[a-c\";,=\\\\ .0-9é]{0,40}") {
            for metric in metrics(&[text]) {
                prop_assert!(metric.dur_ms.is_none_or(|ms| ms >= 0.0));
            }
        }
    }
}
