//! Which answers which checks let pass, and what extracts take.

use super::super::answer::Answered;
use super::super::extract::Extract;
use super::super::source::Source;
use super::*;

/// What `read` makes of the value `x` of a file with this one line.
fn with<T>(line: &str, read: impl Fn(Value<'_>) -> Outcome<T>) -> Outcome<T> {
    let text = format!("x = {line}");
    let source = Source::new("s.toml", &text);
    let tree = source.parse().unwrap();
    read(source.top(&tree, &["x"]).unwrap().get("x").unwrap())
}

const BODY: &[u8] =
    br#"{"ok": true, "n": 1.0, "list": [{"a/b": "caf\u00e9"}], "none": null, "id": 12345678901234567890}"#;
const HEAD: [(&str, &[u8]); 3] =
    [("Content-Type", b"application/json"), ("X-Tag", b"first"), ("x-tag", b"second")];

fn answered(body: &[u8], whole_body: bool) -> Answered<'_> {
    Answered { status: 201, head: &HEAD, body, size: body.len() as u64, whole_body }
}

#[test]
fn checks_hold_or_say_why_not() {
    let whole = answered(BODY, true);
    for (check, want) in [
        ("{ status = 201 }", Ok(())),
        ("{ status = '200-299' }", Ok(())),
        ("{ status = '200,204,500-599' }", Err(Why::Differs)),
        ("{ header = 'content-type' }", Ok(())),
        ("{ header = 'Content-Type', contains = 'json' }", Ok(())),
        ("{ header = 'content-type', equals = 'json' }", Err(Why::Differs)),
        ("{ header = 'x-tag', equals = 'second' }", Ok(())),
        ("{ header = 'x-tag', matches = '^f.*t$' }", Ok(())),
        ("{ header = 'etag' }", Err(Why::Missing)),
        ("{ body_contains = '\"ok\": true' }", Ok(())),
        ("{ body_contains = 'ok.: true' }", Err(Why::Differs)),
        ("{ body_matches = 'ok.: true' }", Ok(())),
        ("{ body_matches = '^x' }", Err(Why::Differs)),
        ("{ json = '/ok', equals = true }", Ok(())),
        ("{ json = '/ok', equals = false }", Err(Why::Differs)),
        ("{ json = '/ok', equals = 'true' }", Err(Why::Differs)),
        ("{ json = '/n', equals = 1 }", Ok(())),
        ("{ json = '/list/0/a~1b', equals = 'café' }", Ok(())),
        ("{ json = '/list/0', equals = { 'a/b' = 'café' } }", Ok(())),
        ("{ json = '/list/1' }", Err(Why::Missing)),
        ("{ json = '/none' }", Ok(())),
        ("{ json = '/id', matches = '^[0-9]+$' }", Ok(())),
        ("{ json = '' }", Ok(())),
        ("{ size = '>=10' }", Ok(())),
        ("{ size = '<=10' }", Err(Why::Differs)),
        ("{ size = '1-1KiB' }", Ok(())),
        ("{ size = 94 }", Err(Why::Differs)),
    ] {
        let check = with(check, Check::read).unwrap();
        assert_eq!(check.hold(&Reading::new(&whole)), want, "{}", check.label);
    }
}

#[test]
fn a_body_that_was_not_kept_whole_or_is_no_json_fails_what_needs_it() {
    let part = Answered { size: 1 << 30, ..answered(b"{\"ok\": true", false) };
    let text = answered(b"<html>", true);
    for (check, want, of_text) in [
        ("{ json = '/ok', equals = true }", Err(Why::TooLong), Err(Why::NotJson)),
        ("{ body_matches = 'ok' }", Err(Why::TooLong), Err(Why::Differs)),
        ("{ body_contains = 'ok' }", Ok(()), Err(Why::Differs)),
        ("{ body_contains = 'html' }", Err(Why::TooLong), Ok(())),
        ("{ size = '1GiB' }", Ok(()), Err(Why::Differs)),
    ] {
        let check = with(check, Check::read).unwrap();
        assert_eq!(check.hold(&Reading::new(&part)), want, "{}", check.label);
        assert_eq!(check.hold(&Reading::new(&text)), of_text, "{}", check.label);
    }
}

#[test]
fn labels_say_what_is_checked() {
    for (check, label) in [
        ("{ status = '200-299,304' }", "status 200-299,304"),
        ("{ json = '/ok', equals = true }", "json /ok equals true"),
        ("{ json = '/ok' }", "json /ok is there"),
        ("{ header = 'ETag', matches = '^W' }", "header ETag matches ^W"),
        ("{ body_contains = 'a\"b' }", r#"body contains "a\"b""#),
        ("{ size = '>=1KiB' }", "size >=1KiB"),
    ] {
        assert_eq!(with(check, Check::read).unwrap().label, label);
    }
}

#[test]
fn extracts_take_text_or_say_why_there_is_none() {
    for (extract, want) in [
        ("{ var = 'v', json = '/list/0/a~1b' }", Ok("café")),
        ("{ var = 'v', json = '/id' }", Ok("12345678901234567890")),
        ("{ var = 'v', json = '/ok' }", Ok("true")),
        ("{ var = 'v', json = '/list' }", Ok(r#"[{"a/b":"café"}]"#)),
        ("{ var = 'v', json = '/none' }", Err(Why::Missing)),
        ("{ var = 'v', json = '/never/matches' }", Err(Why::Missing)),
        ("{ var = 'v', header = 'X-Tag' }", Ok("first")),
        ("{ var = 'v', header = 'location' }", Err(Why::Missing)),
        ("{ var = 'v', regex = 'n.: (\\d)' }", Ok("1")),
        ("{ var = 'v', regex = 'n.: (\\d)', group = 0 }", Ok("n\": 1")),
        ("{ var = 'v', regex = 'null' }", Ok("null")),
        ("{ var = 'v', regex = 'zero(x)?' }", Err(Why::Missing)),
    ] {
        let taken = |body, whole| {
            let answered = answered(body, whole);
            let mut out = b"left over".to_vec();
            let extract = with(extract, Extract::read).unwrap();
            extract.take(&Reading::new(&answered), &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(taken(BODY, true), want.map(String::from), "{extract}");
        if !extract.contains("header") {
            assert_eq!(taken(BODY, false), Err(Why::TooLong), "{extract}");
        }
    }
}
