//! The suite's client: it makes the requests of a case, one after the other, and checks what the suite says that came of them: first what it
//! got, and at the end what the origin was asked.

use super::case::{Case, Fields, get, list, value_of};
use super::date::now_ms;
use super::origin::{Asked, Origin};
use crate::messages::strict::{Kind, read};
use crate::report::Verdict;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the suite waits for an answer that is fresh for two seconds to grow old.
const PAUSE: Duration = Duration::from_secs(3);
/// So long after a second has begun, in milliseconds, most of it is left.
const EARLY_MS: i64 = 300;
const PATIENCE: Duration = Duration::from_secs(30);

struct Answer {
    status: u64,
    fields: Fields,
    body: String,
}

/// Has the conversation of a case with the proxy at `address`.
///
/// # Errors
/// With what was not as the case has it.
#[expect(
    clippy::disallowed_methods,
    reason = "an answer grows old by the clock, and there is no other sign of it"
)]
pub(super) fn run(case: &Case, address: SocketAddr, origin: &Origin) -> Verdict {
    let mut answers: Vec<Answer> = Vec::new();
    for (n, step) in case.requests.iter().enumerate() {
        // What expires with the next second, and is given its time by the clock of whole seconds, would be old on arrival.
        let soon = list(&step["response_headers"]).iter().any(|field| field[0] == "Expires" && field[1] == 1);
        while soon && now_ms() % 1000 > EARLY_MS {
            std::thread::sleep(Duration::from_millis(10));
        }
        let answer = ask(case, step, n + 1, address, answers.last())?;
        received(case, step, n + 1, &answer)?;
        answers.push(answer);
        if step["pause_after"] == true {
            std::thread::sleep(PAUSE);
        }
    }
    asked(case, &answers, &origin.asked(&case.id))
}

fn ask(
    case: &Case,
    step: &Value,
    number: usize,
    address: SocketAddr,
    before: Option<&Answer>,
) -> Result<Answer, String> {
    let method = step["request_method"].as_str().unwrap_or("GET");
    let mut target = format!("/test/{}", case.id);
    if let Some(name) = step["filename"].as_str() {
        target.push_str(&format!("/{name}"));
    }
    if let Some(query) = step["query_arg"].as_str() {
        target.push_str(&format!("?{query}"));
    }
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: cache.test\r\nConnection: close\r\n");
    if let Some(fields) = step["request_headers"].as_array() {
        let now = before.and_then(|before| get(&before.fields, "server-now")?.parse().ok()).unwrap_or(0);
        for field in fields {
            let (name, value) = value_of(field, step, now, "");
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("Test-ID: {}\r\nReq-Num: {number}\r\n", case.id));
    let body = step["request_body"].as_str().unwrap_or_default();
    if !body.is_empty() || ["POST", "PUT"].contains(&method) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let kind = if method == "HEAD" { Kind::Bodyless } else { Kind::Answer };
    let (message, _) = read(&bytes, kind).ok_or(format!("no answer {number}"))?;
    let status = u64::from(message.status());
    Ok(Answer { status, body: String::from_utf8_lossy(&message.body).into_owned(), fields: message.fields })
}

/// What the client got, as the suite checks it.
fn received(case: &Case, step: &Value, number: usize, answer: &Answer) -> Verdict {
    let count = get(&answer.fields, "server-request-count").and_then(|count| count.parse::<usize>().ok());
    if let Some(numbers) = get(&answer.fields, "request-numbers") {
        let numbers: Vec<&str> = numbers.split(' ').collect();
        let twice = (1..numbers.len()).any(|n| numbers[..n].contains(&numbers[n]));
        ensure(!twice, || format!("a request is made again: {numbers:?}"))?;
    }
    match step["expected_type"].as_str() {
        Some("cached") => {
            let from_cache = count.map_or(answer.status == 304, |count| count < number);
            ensure(from_cache, || format!("answer {number} does not come from the cache"))?;
        }
        Some("not_cached") => {
            ensure(count == Some(number), || format!("answer {number} comes from the cache"))?;
        }
        _ => {}
    }
    let wanted = step["expected_status"].as_u64().or(step["response_status"][0].as_u64()).unwrap_or(200);
    ensure(answer.status != 999, || format!("request {number} is not conditional"))?;
    ensure(answer.status == wanted, || format!("status {number} is {}, not {wanted}", answer.status))?;
    for field in list(&step["expected_response_headers"]) {
        let name = field.as_str().or(field[0].as_str()).unwrap();
        let value = get(&answer.fields, name);
        let Some(value) = value else { return Err(format!("answer {number} has no {name}")) };
        let right = match (field[1].as_str(), &field[2]) {
            (Some(">"), least) => value.parse::<i64>().is_ok_and(|value| value > least.as_i64().unwrap()),
            (Some("="), other) => Some(value.clone()) == get(&answer.fields, other.as_str().unwrap()),
            _ if field.is_string() => true,
            _ => {
                let now = get(&answer.fields, "server-now").and_then(|now| now.parse().ok()).unwrap_or(0);
                let base = get(&answer.fields, "server-base-url").unwrap_or_default();
                value == value_of(field, step, now, &base).1
            }
        };
        ensure(right, || format!("answer {number} has {name}: {value}, against {field}"))?;
    }
    // A pair of name and value is one that the suite itself never finds.
    for name in list(&step["expected_response_headers_missing"]).iter().filter_map(Value::as_str) {
        ensure(get(&answer.fields, name).is_none(), || format!("answer {number} has {name}"))?;
    }
    body(case, step, number, answer)
}

fn body(case: &Case, step: &Value, number: usize, answer: &Answer) -> Verdict {
    if step["check_body"] == false || step.get("expected_response_text").is_some_and(Value::is_null) {
        return Ok(());
    }
    let bodyless = [204, 304].contains(&answer.status) || step["request_method"] == "HEAD";
    let wanted = match (step["expected_response_text"].as_str(), step["response_body"].as_str()) {
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) if bodyless => return Ok(()),
        (None, None) => &case.id,
    };
    ensure(answer.body == wanted, || format!("body {number} is {:?}, not {wanted:?}", answer.body))
}

/// What the origin was asked, as the suite checks it.
fn asked(case: &Case, answers: &[Answer], seen: &[Asked]) -> Verdict {
    let mut at = 0;
    for (n, step) in case.requests.iter().enumerate() {
        let (number, kind) = (n + 1, step["expected_type"].as_str());
        // The origin does not see it.
        if kind == Some("cached") {
            continue;
        }
        let request = seen.get(at);
        at += 1;
        let there = || request.ok_or(format!("request {number} has not been made"));
        if kind == Some("not_cached") {
            let same = there()?.number == number;
            ensure(same, || format!("answer {number} comes from the cache"))?;
        }
        let condition = match kind {
            Some("etag_validated") => Some("if-none-match"),
            Some("lm_validated") => Some("if-modified-since"),
            _ => None,
        };
        if let Some(name) = condition {
            let has = get(&there()?.fields, name).is_some();
            ensure(has, || format!("request {number} has no {name}"))?;
        }
        for field in list(&step["expected_request_headers"]) {
            let name = field.as_str().or(field[0].as_str()).unwrap();
            let value = get(&there()?.fields, name);
            let right = value.is_some() && (field.is_string() || value.as_deref() == field[1].as_str());
            ensure(right, || format!("request {number} has {value:?}, against {field}"))?;
        }
        for (name, value) in request.map_or(&[][..], |request| &request.answered) {
            // The suite does not look at Date.
            let got = get(&answers[n].fields, name);
            let same = name.eq_ignore_ascii_case("date") || got.as_deref() == Some(value.trim());
            ensure(same, || format!("answer {number} has {name}: {got:?}, not {value}"))?;
        }
        if let Some(method) = step["expected_method"].as_str() {
            let own = &there()?.method;
            ensure(own == method, || format!("request {number} is {own}, not {method}"))?;
        }
    }
    Ok(())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}
