//! Interactions and their steps, as the file has them. Given a table, it gives requests with variables, and what is to be
//! done with their answers.

use super::check::{Check, Test};
use super::extract::{Extract, Place};
use super::source::{Table, Value};
use super::template::{Filter, Scope, Text, Variable};
use super::think::Think;
use crate::failure::Outcome;
use crate::request;
use http::{HeaderName, HeaderValue, Method, header};
use std::path::Path;

/// One request of an interaction.
#[derive(Debug)]
pub(super) struct Step {
    /// Its name.
    pub(super) name: String,
    /// Its method.
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: Text,
    /// The fields that it has of its own.
    pub(super) fields: Vec<(HeaderName, Text)>,
    /// What is sent with it.
    pub(super) body: Option<Text>,
    /// How long the user thinks after it.
    pub(super) think: Think,
    /// What the answer has to be.
    pub(super) checks: Vec<Check>,
    /// What is taken from the answer.
    pub(super) extracts: Vec<Extract>,
}

/// What all steps have in common.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    dir: &'a Path,
    scope: Scope,
    cookies: bool,
    think: Think,
    checks: Vec<Check>,
    /// The default fields.
    pub(super) fields: Vec<(HeaderName, Text)>,
}

const STEP: [&str; 11] =
    ["body", "body_file", "check", "extract", "form", "headers", "json", "method", "name", "path", "think"];

impl Step {
    /// All its texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        let fields = self.fields.iter().map(|(_, text)| text);
        std::iter::once(&self.target).chain(fields).chain(&self.body)
    }

    /// Whether a check or an extract looks at the fields of the answer.
    pub(super) fn reads_head(&self) -> bool {
        self.checks.iter().any(|check| matches!(check.test, Test::Header(..)))
            || self.extracts.iter().any(|extract| matches!(extract.place, Place::Header(_)))
    }

    /// Whether a check or an extract looks at the body of the answer.
    pub(super) fn reads_body(&self) -> bool {
        self.checks.iter().any(|check| matches!(check.test, Test::Body(_) | Test::Json(..)))
            || self.extracts.iter().any(|extract| matches!(extract.place, Place::Json(_) | Place::Regex(..)))
    }

    /// Whether its own checks say which status is fine.
    pub(super) fn judges_status(&self) -> bool {
        self.checks.iter().any(|check| matches!(check.test, Test::Status(_)))
    }
}

impl<'a> Shared<'a> {
    /// What is in `scope` for all of them; files are in `dir`.
    pub(super) fn new(dir: &'a Path, scope: Scope, cookies: bool) -> Self {
        Self { dir, scope, cookies, think: Think::NONE, checks: Vec::new(), fields: Vec::new() }
    }

    /// Reads `[defaults]`.
    ///
    /// # Errors
    /// Wrong use, with file and line.
    pub(super) fn read(&mut self, defaults: Value<'_>) -> Outcome {
        let table = defaults.table(&["check", "headers", "think"])?;
        self.think = think(&table, Think::NONE)?;
        self.checks = checks(&table)?.unwrap_or_default();
        self.fields = match table.get("headers") {
            None => Vec::new(),
            Some(headers) => self.fields(headers, &self.scope)?,
        };
        Ok(())
    }

    fn fields(&self, headers: Value<'_>, scope: &Scope) -> Outcome<Vec<(HeaderName, Text)>> {
        let mut fields = Vec::new();
        for (name, value) in headers.pairs()? {
            let name = request::field_name(name).map_err(|e| value.wrong(e))?;
            if name == header::COOKIE && self.cookies {
                return Err(value.wrong("with `cookies = true`, the session itself sets `cookie`"));
            }
            let values = value.each();
            if name == header::HOST && values.len() > 1 {
                return Err(value.wrong("a request has one Host"));
            }
            for value in values {
                let text = parse(value, value.word()?, Filter::Field, scope)?;
                if HeaderValue::from_bytes(&text.sample()).is_err() {
                    let reason = format!("the value of `{name}` has characters that a header cannot carry");
                    return Err(value.wrong(reason));
                }
                fields.push((name.clone(), text));
            }
        }
        Ok(fields)
    }

    fn body(&self, kind: &str, value: Value<'_>, scope: &Scope) -> Outcome<Text> {
        match kind {
            "body" => parse(value, value.text()?, Filter::Plain, scope),
            "body_file" => {
                let path = self.dir.join(value.text()?);
                let read = std::fs::read(&path);
                read.map(Text::fixed)
                    .map_err(|e| value.wrong(format!("cannot read the body {}: {e}", path.display())))
            }
            "form" => {
                let mut form = Text::default();
                for (number, (key, value)) in value.pairs()?.into_iter().enumerate() {
                    form.push(if number == 0 { b"" } else { b"&" });
                    form.append(&Text::fixed(key).written(Filter::Url));
                    form.push(b"=");
                    form.append(&parse(value, value.word()?, Filter::Url, scope)?.written(Filter::Url));
                }
                Ok(form)
            }
            _ => {
                let mut text = Text::default();
                json(&value.json()?, scope, &mut text).map_err(|e| value.wrong(e))?;
                Ok(text)
            }
        }
    }
}

/// An interaction that is being read.
struct Reader<'a> {
    shared: &'a Shared<'a>,
    /// What is in scope for the next step.
    scope: Scope,
    /// The variables that answers fill, by number.
    variables: Vec<String>,
    think: Think,
}

impl Reader<'_> {
    /// Reads one step; `name` is the one that it has when it does not say.
    fn step(&mut self, table: &Table<'_>, name: &str) -> Outcome<Step> {
        let (shared, scope) = (self.shared, &self.scope);
        let mut fields = match table.get("headers") {
            None => Vec::new(),
            Some(headers) => shared.fields(headers, scope)?,
        };
        let body = match table.one_of(&["body", "body_file", "form", "json"])? {
            None => None,
            Some((kind, value)) => {
                let content = match kind {
                    "form" => Some("application/x-www-form-urlencoded"),
                    "json" => Some("application/json"),
                    _ => None,
                };
                let given = fields.iter().chain(&shared.fields).any(|(name, _)| name == header::CONTENT_TYPE);
                if let Some(content) = content.filter(|_| !given) {
                    fields.push((header::CONTENT_TYPE, Text::fixed(content)));
                }
                Some(shared.body(kind, value, scope)?)
            }
        };
        Ok(Step {
            name: table.get("name").map_or(Ok(name), |name| name.text())?.to_owned(),
            method: table.get("method").map_or(Ok(Method::GET), method)?,
            target: target(table.need("path", "a request")?, scope)?,
            fields,
            body,
            think: think(table, self.think)?,
            checks: checks(table)?.unwrap_or_else(|| shared.checks.clone()),
            extracts: self.extracts(table)?,
        })
    }

    /// What a step takes from its answer is in scope for those after it.
    fn extracts(&mut self, table: &Table<'_>) -> Outcome<Vec<Extract>> {
        let mut extracts = Vec::new();
        for value in table.get("extract").map_or(Ok(Vec::new()), |list| list.list())? {
            let mut extract = Extract::read(value)?;
            let known = self.variables.iter().position(|name| *name == extract.var);
            extract.slot = known.unwrap_or(self.variables.len());
            if known.is_none() {
                self.variables.push(extract.var.clone());
            }
            self.scope.add(&extract.var, Variable::Extracted(extract.slot)).map_err(|e| value.wrong(e))?;
            extracts.push(extract);
        }
        Ok(extracts)
    }
}

/// Reads one interaction: its name, its weight, its steps, and how many variables its answers fill.
///
/// # Errors
/// Wrong use, with file and line.
pub(super) fn interaction(value: Value<'_>, shared: &Shared<'_>) -> Outcome<(String, f64, Vec<Step>, usize)> {
    let mut known = vec!["step", "weight"];
    known.extend(STEP);
    let table = value.table(&known)?;
    let name = table.need("name", "an interaction")?.text()?;
    let weight = match table.get("weight") {
        None => 1.0,
        Some(weight) => match weight.number()? {
            number if number >= 0.0 => number,
            _ => return Err(weight.wrong("a weight is not below zero")),
        },
    };
    let mut reader = Reader {
        shared,
        scope: shared.scope.clone(),
        variables: Vec::new(),
        think: think(&table, shared.think)?,
    };
    let mut steps = Vec::new();
    match table.get("step") {
        None => steps.push(reader.step(&table, name)?),
        Some(list) => {
            let mut others = STEP.iter().filter(|key| !matches!(**key, "name" | "think"));
            if let Some(extra) = others.find_map(|key| table.get(key)) {
                return Err(extra.wrong("an interaction has either a request of its own or steps"));
            }
            for (number, value) in list.list()?.into_iter().enumerate() {
                steps.push(reader.step(&value.table(&STEP)?, &format!("{}", number + 1))?);
            }
        }
    }
    if steps.is_empty() {
        return Err(value.wrong("an interaction needs at least one step"));
    }
    Ok((name.to_owned(), weight, steps, reader.variables.len()))
}

fn parse(value: Value<'_>, text: &str, filter: Filter, scope: &Scope) -> Outcome<Text> {
    Text::parse(text, filter, scope).map_err(|e| value.wrong(e))
}

fn think(table: &Table<'_>, otherwise: Think) -> Outcome<Think> {
    table.get("think").map_or(Ok(otherwise), Think::read)
}

fn checks(table: &Table<'_>) -> Outcome<Option<Vec<Check>>> {
    let read = |list: Value<'_>| list.list()?.into_iter().map(Check::read).collect();
    table.get("check").map(read).transpose()
}

fn method(value: Value<'_>) -> Outcome<Method> {
    let text = value.text()?;
    let read = |text: &str| Method::from_bytes(text.as_bytes()).ok();
    // Methods are case-sensitive (RFC 9110, section 9.1), and nobody means `get`.
    let upper = text.to_ascii_uppercase();
    let standard = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    if text != upper && standard.contains(&&*upper) {
        return Err(value.wrong(format!("`{text}` is no method; write `{upper}`")));
    }
    match read(text) {
        Some(Method::CONNECT) | None => Err(value.wrong(format!("`{text}` is no method that can be sent"))),
        Some(method) => Ok(method),
    }
}

fn target(value: Value<'_>, scope: &Scope) -> Outcome<Text> {
    let text = value.text()?;
    let mut target = parse(value, text, Filter::Target, scope)?;
    target.begin_with_place();
    let sample = target.sample();
    if !sample.starts_with(b"/") {
        return Err(value.wrong(format!("`{text}` is no path: it begins with /, and the host is the URL's")));
    }
    match sample.iter().find(|byte| !Filter::Target.passes(**byte)) {
        None => Ok(target),
        Some(byte) => Err(value
            .wrong(format!("`{text}` has a character that a path cannot carry; write it as %{byte:02X}"))),
    }
}

/// JSON with variables in its strings. A string that is nothing but `{{name|raw}}` is the value as it is: a number, say.
fn json(value: &serde_json::Value, scope: &Scope, out: &mut Text) -> Result<(), String> {
    use serde_json::Value::{Array, Object, String};
    match value {
        String(text) => {
            let raw = text.strip_prefix("{{").and_then(|text| text.strip_suffix("|raw}}"));
            if let Some(name) = raw {
                out.append(&Text::parse(&format!("{{{{{name}}}}}"), Filter::Plain, scope)?);
                return Ok(());
            }
            out.push(b"\"");
            out.append(&Text::parse(text, Filter::Json, scope)?.written(Filter::Json));
            out.push(b"\"");
        }
        Array(values) => {
            out.push(b"[");
            for (number, value) in values.iter().enumerate() {
                out.push(if number == 0 { b"" } else { b"," });
                json(value, scope, out)?;
            }
            out.push(b"]");
        }
        Object(pairs) => {
            out.push(b"{");
            for (number, (key, value)) in pairs.iter().enumerate() {
                out.push(if number == 0 { b"" } else { b"," });
                out.push(String(key.clone()).to_string().as_bytes());
                out.push(b":");
                json(value, scope, out)?;
            }
            out.push(b"}");
        }
        other => out.push(other.to_string().as_bytes()),
    }
    Ok(())
}
