//! What requests look like, whatever fills them.

use super::super::answer::Answered;
use super::super::sessions::Sessions;
use super::super::sessions::tests::{FULL, at, encoded, ok, script_with};
use crate::request::{self, Requests, Template};
use bytes::Bytes;
use http::{Method, Uri};
use proptest::prelude::*;

#[test]
fn a_request_without_variables_is_that_of_the_command_line() {
    for (method, body, toml) in [
        ("GET", None, ""),
        ("HEAD", None, ""),
        ("DELETE", None, ""),
        ("POST", None, ""),
        ("PUT", Some("hi"), "body = 'hi'\n"),
    ] {
        let text = format!("[[interaction]]\nname = 'a'\nmethod = '{method}'\npath = '/a?b=c'\n{toml}");
        let template = Template {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            headers: vec![request::header("X-A: b").unwrap()],
            body: body.map(|body| Bytes::copy_from_slice(body.as_bytes())),
        };
        let plain =
            Requests::encode(&template, &Uri::from_static("http://shop.test:8080/"), ["/a?b=c"], 1).unwrap();
        let mut sessions = Sessions::new(script_with(&text, "n\n1\n", &["X-A: b"], 1));
        let session = sessions.begin(0, 0).unwrap().session;
        let sorted = |text: &str| {
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let mut lines: Vec<String> = head.split("\r\n").skip(1).map(str::to_lowercase).collect();
            lines.sort();
            (head.split("\r\n").next().unwrap().to_owned(), lines, body.to_owned())
        };
        let text = encoded(&mut sessions, session);
        assert_eq!(sorted(&text), sorted(std::str::from_utf8(plain.pick(0)).unwrap()));
        assert_eq!(sessions.wants(0).bodiless, plain.are_head());
    }
}

#[test]
fn fields_and_bodies_are_what_the_file_says() {
    let mut sessions =
        Sessions::new(script_with(FULL, "name\nä&b\n\"q\"\"\"\n", &["X-A: line", "X-C: d"], 1));
    let (index, session) = (0..)
        .find_map(|index| {
            let next = sessions.begin(index, 0).unwrap();
            (next.entry == 0 && index % 2 == 1).then_some((index, next.session))
        })
        .unwrap();
    let form = encoded(&mut sessions, session);
    assert_eq!(form, encoded(&mut sessions, session), "{index}");
    let (head, body) = form.split_once("\r\n\r\n").unwrap();
    let n = head.split(['/', ' ']).nth(2).unwrap();
    assert_eq!(body, format!("na%20me=q%22%20%26%20co&n={n}"));
    assert_eq!(
        head.lines().skip(1).collect::<Vec<_>>(),
        [
            "Host: shop.test:8080",
            "content-type: application/x-www-form-urlencoded",
            "x-a: line",
            "x-c: d",
            "accept: a/b",
            "x-b: q\"",
            concat!("user-agent: loadgen/", env!("CARGO_PKG_VERSION")),
            &format!("Content-Length: {}", body.len()),
        ]
    );
    sessions.answered(session, &ok(""), at(0, 0, 0));
    let request = sessions.request(session).unwrap();
    let n = request.uri().path().trim_start_matches('/').parse::<u32>().unwrap();
    let json: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(json, serde_json::json!({"n": n, "text": "say \"q\"\"", "list": [1, 2.5, true, {}]}));
    assert_eq!(
        (&request.headers()["accept"], request.method()),
        (&http::HeaderValue::from_static("c/d"), &Method::POST)
    );
    assert_eq!(request.headers()["content-type"], "x/y");
    let raw = encoded(&mut sessions, session);
    assert!(raw.as_bytes().ends_with(request.body()), "{raw}");
}

const TOLD: &str = "[sessions]\ncookies = true\n[[interaction]]\nname = 'a'\n[[interaction.step]]\npath = '/'\n\
    extract = [{ var = 'v', regex = '(?s-u)^.*$' }]\n[[interaction.step]]\nmethod = 'POST'\npath = '{{v}}/{{v}}?q={{v|url}}'\n\
    headers = { X-V = '{{v}}' }\nform = { v = '{{v}}' }\n";

proptest! {
    #[test]
    fn whatever_a_target_answers_the_next_request_is_well_formed(body: Vec<u8>, cookie: Vec<u8>) {
        let mut sessions = Sessions::new(script_with(TOLD, "n\n1\n", &[], 1));
        let session = sessions.begin(0, 0).unwrap().session;
        let cookie = [b"c=", &*cookie].concat();
        let head: [(&str, &[u8]); 1] = [("set-cookie", &cookie)];
        let answered = Answered { status: 200, head: &head, body: &body, size: body.len() as u64, whole_body: true };
        prop_assert!(sessions.answered(session, &answered, at(0, 0, 0)).next.is_some());
        let mut out = Vec::new();
        sessions.encode(session, &mut out);
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(length) = parsed.parse(&out).unwrap() else { panic!("no end") };
        let mut names: Vec<&str> = parsed.headers.iter().map(|field| field.name).collect();
        names.retain(|name| *name != "Cookie");
        prop_assert_eq!(names, ["Host", "x-v", "content-type", "user-agent", "accept", "Content-Length"].to_vec());
        prop_assert!(out[length..].starts_with(b"v=") && parsed.path.unwrap().starts_with('/'));
        let said = parsed.headers.iter().find(|field| field.name == "Content-Length").unwrap().value;
        prop_assert_eq!(String::from_utf8_lossy(said), (out.len() - length).to_string());
        let request = sessions.request(session).unwrap();
        prop_assert_eq!(request.uri().path_and_query().unwrap().as_str(), parsed.path.unwrap());
        prop_assert_eq!(&request.body()[..], &out[length..]);
    }
}
