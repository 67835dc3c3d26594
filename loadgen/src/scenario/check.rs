//! What an answer has to be. Given an answer, a check says whether it holds, or why not; its label names it in messages and
//! counts.

use super::answer::{Reading, Why};
use super::extract;
use super::source::{Table, Value};
use crate::failure::Outcome;
use crate::plan::{self, Statuses};
use crate::units;
use regex::bytes::Regex;

/// A check.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// What it looks at.
    pub(super) test: Test,
    /// The same in words.
    pub(super) label: String,
}

/// What a check looks at.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// The status is one of these.
    Status(Statuses),
    /// One of the fields of this name is so.
    Header(String, Is),
    /// The body is so.
    Body(Is),
    /// The value at this pointer is so.
    Json(String, Is),
    /// The body's length is between the two, which are included.
    Size(u64, u64),
}

/// How a value has to be.
#[derive(Clone, Debug)]
pub(super) enum Is {
    /// There.
    There,
    /// This very value.
    Equal(serde_json::Value),
    /// This text is somewhere in it: an expression without anything special, since those are searched for fast.
    Containing(Regex),
    /// The expression matches.
    Matching(Regex),
}

const KEYS: [&str; 9] =
    ["body_contains", "body_matches", "contains", "equals", "header", "json", "matches", "size", "status"];

impl Check {
    /// Reads one of a step's `check`.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn read(value: Value<'_>) -> Outcome<Self> {
        let table = value.table(&KEYS)?;
        let subject = table.one_of(&["body_contains", "body_matches", "header", "json", "size", "status"])?;
        let (kind, place) = subject.ok_or_else(|| {
            value.wrong(
                "a check needs one of `status`, `header`, `body_contains`, `body_matches`, `json` and `size`",
            )
        })?;
        if !matches!(kind, "header" | "json")
            && let Some((key, extra)) = table.one_of(&["contains", "equals", "matches"])?
        {
            return Err(extra.wrong(format!("`{key}` goes with `header` or `json`, not with `{kind}`")));
        }
        let (test, label) = match kind {
            "status" => {
                let text = place.word()?;
                (Test::Status(plan::statuses(text).map_err(|e| place.wrong(e))?), format!("status {text}"))
            }
            "size" => {
                let text = place.word()?;
                let (from, to) = size(text).map_err(|e| place.wrong(e))?;
                (Test::Size(from, to), format!("size {text}"))
            }
            "body_contains" => {
                let label = format!("body contains {:?}", place.text()?);
                (Test::Body(Is::Containing(literal(place)?)), label)
            }
            "body_matches" => {
                let regex = extract::regex(place)?;
                let label = format!("body matches {regex}");
                (Test::Body(Is::Matching(regex)), label)
            }
            "header" => {
                let (is, how) = Is::read(&table)?;
                (Test::Header(extract::field(place)?, is), format!("header {}{how}", place.text()?))
            }
            _ => {
                let (is, how) = Is::read(&table)?;
                (Test::Json(extract::pointer(place)?, is), format!("json {}{how}", place.text()?))
            }
        };
        Ok(Self { test, label })
    }

    /// Whether it holds.
    pub(super) fn hold(&self, reading: &Reading<'_>) -> Result<(), Why> {
        let answered = reading.answered;
        let holds = match &self.test {
            Test::Status(statuses) => statuses.have(answered.status),
            Test::Size(from, to) => (*from..=*to).contains(&answered.size),
            Test::Header(name, is) => {
                let mut fields = reading.fields(name).peekable();
                fields.peek().ok_or(Why::Missing)?;
                fields.any(|value| is.so(value))
            }
            // What is found in the beginning of a body is in the whole of it.
            Test::Body(is @ Is::Containing(_)) => is.so(answered.body) || reading.body().map(|_| false)?,
            Test::Body(is) => is.so(reading.body()?),
            Test::Json(pointer, is) => is.json(reading.json(pointer)?),
        };
        if holds { Ok(()) } else { Err(Why::Differs) }
    }
}

impl Is {
    fn read(table: &Table<'_>) -> Outcome<(Self, String)> {
        Ok(match table.one_of(&["contains", "equals", "matches"])? {
            None => (Self::There, String::from(" is there")),
            Some(("equals", value)) => {
                let value = value.json()?;
                let label = format!(" equals {value}");
                (Self::Equal(value), label)
            }
            Some(("contains", value)) => {
                let label = format!(" contains {:?}", value.text()?);
                (Self::Containing(literal(value)?), label)
            }
            Some((_, value)) => {
                let regex = extract::regex(value)?;
                let label = format!(" matches {regex}");
                (Self::Matching(regex), label)
            }
        })
    }

    fn so(&self, value: &[u8]) -> bool {
        match self {
            Self::There => true,
            Self::Equal(serde_json::Value::String(text)) => text.as_bytes() == value,
            Self::Equal(other) => other.to_string().as_bytes() == value,
            Self::Containing(regex) | Self::Matching(regex) => regex.is_match(value),
        }
    }

    fn json(&self, value: &serde_json::Value) -> bool {
        match (self, value) {
            (Self::There, _) => true,
            (Self::Equal(wanted), value) => equal(wanted, value),
            (_, serde_json::Value::String(text)) => self.so(text.as_bytes()),
            (_, other) => self.so(other.to_string().as_bytes()),
        }
    }
}

/// Numbers are equal when their values are, however they are written.
fn equal(wanted: &serde_json::Value, value: &serde_json::Value) -> bool {
    wanted == value || wanted.as_f64().is_some_and(|wanted| value.as_f64() == Some(wanted))
}

fn literal(value: Value<'_>) -> Outcome<Regex> {
    Regex::new(&regex::escape(value.text()?)).map_err(|e| value.wrong(e.to_string().replace('\n', " ")))
}

/// Reads `100`, `>=100`, `<=1MiB` or `100-200`: bytes.
fn size(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = match (text.strip_prefix(">="), text.strip_prefix("<="), text.split_once('-')) {
        (Some(least), _, _) => (units::bytes(least)?, u64::MAX),
        (_, Some(most), _) => (0, units::bytes(most)?),
        (_, _, Some((from, to))) => (units::bytes(from)?, units::bytes(to)?),
        _ => (units::bytes(text)?, units::bytes(text)?),
    };
    if from > to { Err(format!("`{text}` runs backwards")) } else { Ok((from, to)) }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
