//! A case of the suite: a conversation of requests, each with what the origin shall answer and what shall come of it, in the suite's own JSON.

use super::date;
use serde_json::Value;

/// Names with their values.
pub(super) type Fields = Vec<(String, String)>;

/// See the module. What its members mean is in the suite's documentation.
pub(super) struct Case {
    pub(super) id: String,
    /// `required`, `optimal`, or `check`, which asks and demands nothing.
    pub(super) kind: String,
    pub(super) depends_on: Vec<String>,
    pub(super) requests: Vec<Value>,
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    let data: Value = serde_json::from_str(include_str!("../data/cache-tests.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let case = |test: &Value| Case {
        id: text(&test["id"]),
        kind: test["kind"].as_str().unwrap_or("required").to_owned(),
        depends_on: list(&test["depends_on"]).iter().map(text).collect(),
        requests: list(&test["requests"]).to_vec(),
    };
    list(&data["tests"]).iter().map(case).collect()
}

/// A list, which may not be there.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The value of a field that the suite writes as text, as seconds from now, or as part of a location.
pub(super) fn value_of(field: &Value, request: &Value, now_ms: i64, base: &str) -> (String, String) {
    let name = field[0].as_str().unwrap().to_owned();
    let lower = name.to_ascii_lowercase();
    if let Some(delta) = field[1].as_i64() {
        let rfc850 = list(&request["rfc850date"]).iter().any(|date| *date == *lower);
        return (name, date::http(now_ms, delta, rfc850));
    }
    let text = field[1].as_str().unwrap();
    let located = ["location", "content-location"].contains(&&*lower) && request["magic_locations"] == true;
    let value = match text {
        "" if located => base.to_owned(),
        text if located => format!("{base}/{text}"),
        text => text.to_owned(),
    };
    (name, value)
}

/// The values of a field, with a comma between, or nothing.
pub(super) fn get(fields: &[(String, String)], name: &str) -> Option<String> {
    let of: Vec<&str> =
        fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect();
    (!of.is_empty()).then(|| of.join(", "))
}
