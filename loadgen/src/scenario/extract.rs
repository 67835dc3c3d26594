//! What is taken from an answer for later requests of the session. Given an answer, an extract gives the value, or says
//! why there is none. The readers of pointers, fields and expressions that checks need too are here.

use super::answer::{Reading, Why};
use super::source::{Table, Value};
use crate::failure::Outcome;
use regex::bytes::Regex;

/// A value to take.
#[derive(Debug)]
pub(super) struct Extract {
    /// The variable that it is for.
    pub(super) var: String,
    /// The variable's number in the interaction.
    pub(super) slot: usize,
    /// Where it is.
    pub(super) place: Place,
    /// The same in words.
    pub(super) label: String,
}

/// Where a value is.
#[derive(Debug)]
pub(super) enum Place {
    /// At an RFC 6901 pointer into a JSON body.
    Json(String),
    /// The first field of this name.
    Header(String),
    /// A group of the first match in the body.
    Regex(Regex, usize),
}

impl Extract {
    /// Reads one of a step's `extract`; its slot is for the interaction to say.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn read(value: Value<'_>) -> Outcome<Self> {
        let table = value.table(&["group", "header", "json", "regex", "var"])?;
        let var = table.need("var", "an extract")?.text()?;
        super::template::check_name(var).map_err(|e| value.wrong(e))?;
        let (kind, place) = table
            .one_of(&["header", "json", "regex"])?
            .ok_or_else(|| value.wrong("an extract needs one of `json`, `header` and `regex`"))?;
        let label = format!("{kind} {}", place.text()?);
        let group = group(&table)?;
        let place = match kind {
            "json" => Place::Json(pointer(place)?),
            "header" => Place::Header(field(place)?),
            _ => {
                let regex = regex(place)?;
                let groups = regex.captures_len() - 1;
                let group = group.unwrap_or(groups.min(1));
                if group > groups {
                    return Err(place.wrong(format!("the expression has {groups} groups, and no {group}")));
                }
                Place::Regex(regex, group)
            }
        };
        if table.get("regex").is_none()
            && let Some(group) = table.get("group")
        {
            return Err(group.wrong("only a `regex` has groups"));
        }
        Ok(Self { var: var.to_owned(), slot: 0, place, label })
    }

    /// Puts the value into `out`.
    pub(super) fn take(&self, reading: &Reading<'_>, out: &mut Vec<u8>) -> Result<(), Why> {
        out.clear();
        match &self.place {
            Place::Json(pointer) => match reading.json(pointer)? {
                serde_json::Value::Null => return Err(Why::Missing),
                serde_json::Value::String(text) => out.extend_from_slice(text.as_bytes()),
                other => out.extend_from_slice(other.to_string().as_bytes()),
            },
            Place::Header(name) => out.extend_from_slice(reading.fields(name).next().ok_or(Why::Missing)?),
            Place::Regex(regex, group) => {
                let found = regex.captures(reading.body()?).and_then(|found| found.get(*group));
                out.extend_from_slice(found.ok_or(Why::Missing)?.as_bytes());
            }
        }
        Ok(())
    }
}

fn group(table: &Table<'_>) -> Outcome<Option<usize>> {
    let group = |value: Value<'_>| {
        usize::try_from(value.whole()?).map_err(|_| value.wrong("a group's number is 0 or more"))
    };
    table.get("group").map(group).transpose()
}

/// Reads a JSON pointer.
///
/// # Errors
/// When it is none by RFC 6901, section 3.
pub(super) fn pointer(value: Value<'_>) -> Outcome<String> {
    let text = value.text()?;
    let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if escaped && (text.is_empty() || text.starts_with('/')) {
        return Ok(text.to_owned());
    }
    Err(value
        .wrong(format!("`{text}` is no JSON pointer: it begins with /, and ~ is written ~0, / in a name ~1")))
}

/// Reads the name of a header field.
///
/// # Errors
/// When it is none.
pub(super) fn field(value: Value<'_>) -> Outcome<String> {
    let text = value.text()?;
    let name = http::HeaderName::from_bytes(text.as_bytes());
    name.map(|name| name.as_str().to_owned()).map_err(|_| value.wrong(format!("`{text}` is no header name")))
}

/// Reads a regular expression.
///
/// # Errors
/// When it is none, in one line.
pub(super) fn regex(value: Value<'_>) -> Outcome<Regex> {
    Regex::new(value.text()?).map_err(|e| {
        // The last line says what is wrong, those before it show where.
        let text = e.to_string();
        let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        value.wrong(format!("`{}` is no regular expression: {reason}", value.text().unwrap_or_default()))
    })
}
