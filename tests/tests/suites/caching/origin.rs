//! The suite's server: it answers a request as the case says that it belongs to, and remembers what it was asked.

use super::case::{Case, Fields, get, list, value_of};
use super::date;
use crate::messages::strict::{Kind, Message, read};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as the origin saw it, and the fields of its answer that have to reach the client.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) number: usize,
    pub(super) method: String,
    pub(super) fields: Fields,
    pub(super) answered: Fields,
}

/// See the module.
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    cases: HashMap<String, Vec<Value>>,
    asked: Mutex<HashMap<String, Vec<Asked>>>,
}

impl Origin {
    pub(super) fn start(cases: &[Case]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cases = cases.iter().map(|case| (case.id.clone(), case.requests.clone())).collect();
        let shared = Arc::new(Shared { cases, asked: Mutex::default() });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&all);
                std::thread::spawn(move || shared.converse(stream));
            }
        });
        Self { address, shared }
    }

    /// What it was asked in a case, in order.
    pub(super) fn asked(&self, id: &str) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().get(id).cloned().unwrap_or_default()
    }
}

impl Shared {
    fn converse(&self, mut stream: TcpStream) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
            while let Some((request, used)) = read(&bytes, Kind::Request).filter(|(request, _)| request.whole)
            {
                bytes.drain(..used);
                let Some(answer) = self.answer(&request) else { return };
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
        }
    }

    /// The answer; nothing where the connection is to be broken off.
    fn answer(&self, request: &Message) -> Option<Vec<u8>> {
        let mut words = request.line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let id = target.split(['/', '?']).nth(2)?;
        let steps = self.cases.get(id)?;
        let mut all = self.asked.lock().unwrap();
        let asked = all.entry(id.to_owned()).or_default();
        let count = asked.len() + 1;
        let number = request.value("req-num").and_then(|n| n.parse().ok()).unwrap_or(count);
        // A request that no step foresees.
        let Some(step) = steps.get(number - 1) else {
            return Some(b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n".to_vec());
        };
        let status = status(step, number.checked_sub(2).and_then(|n| steps.get(n)), request);
        let now_ms = date::now_ms();
        let scripted: Vec<(bool, (String, String))> = list(&step["response_headers"])
            .iter()
            .map(|field| (field[2] != false, value_of(field, step, now_ms, target)))
            .collect();
        let fields: Fields = scripted.iter().map(|(_, field)| field.clone()).collect();
        let kept = scripted.iter().filter(|(kept, _)| *kept).map(|(_, (name, _))| name);
        let answered = kept.map(|name| (name.clone(), get(&fields, name).unwrap())).collect();
        let of_request = request.fields.iter().map(|(name, _)| name.clone());
        let seen = of_request.map(|name| (name.clone(), get(&request.fields, &name).unwrap())).collect();
        asked.push(Asked { number, method: method.to_owned(), fields: seen, answered });
        if step["disconnect"] == true {
            return None;
        }
        let numbers: Vec<String> = asked.iter().map(|asked| asked.number.to_string()).collect();
        let mut head = format!(
            "HTTP/1.1 {status} Status\r\nServer-Base-Url: {target}\r\nServer-Request-Count: {count}\r\nServer-Now: {now_ms}\r\n\
             Client-Request-Count: {number}\r\nRequest-Numbers: {}\r\n",
            numbers.join(" ")
        );
        let mut more: Fields = fields;
        let body = step["response_body"].as_str().unwrap_or(id);
        let bodyless = [204, 304].contains(&status);
        for (name, value) in [("Content-Type", "text/plain"), ("Date", &date::http(now_ms, 0, false))] {
            if get(&more, name).is_none() {
                more.push((name.to_owned(), value.to_owned()));
            }
        }
        if !bodyless && get(&more, "Content-Length").is_none() && get(&more, "Transfer-Encoding").is_none() {
            more.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        head.extend(more.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        if !bodyless && method != "HEAD" {
            head.push_str(body);
        }
        // The suite means the first 256 characters as bytes.
        Some(head.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect())
    }
}

/// The status of a step; 304 where it has to be asked for under a condition and is, and 999 where it is not.
fn status(step: &Value, before: Option<&Value>, request: &Message) -> u64 {
    if step["expected_type"].as_str().is_some_and(|kind| kind.ends_with("validated")) {
        let was = |name: &str| {
            let fields = list(&before?["response_headers"]);
            let of = fields
                .iter()
                .rev()
                .find(|field| field[0].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)));
            of.map(|field| field[1].clone())
        };
        let asked = |condition: &str| request.value(condition).map(str::to_owned);
        // A date that was given in seconds is whatever it was then.
        let same = |was: Option<Value>, asked: Option<String>| match (was, asked) {
            (Some(Value::String(was)), Some(asked)) => was == asked,
            (Some(Value::Number(_)), Some(_)) => true,
            _ => false,
        };
        let modified = same(was("Last-Modified"), asked("if-modified-since"));
        let tagged = same(was("ETag"), asked("if-none-match"));
        return if modified || tagged { 304 } else { 999 };
    }
    step["response_status"][0].as_u64().unwrap_or(200)
}
