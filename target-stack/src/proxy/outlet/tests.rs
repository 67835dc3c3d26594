//! Answers as they go out, to wires that take as much as they like.

use super::super::outgoing::COPIED;
use super::super::outgoing::tests::{Narrow, insist};
use super::*;
use crate::proxy::fields::Fields;
use std::pin::Pin;

/// What `out` writes to a wire that takes `at_once` bytes at once.
fn written(out: &mut Outgoing, at_once: usize) -> String {
    let mut wire = Narrow::new(at_once);
    while !out.is_empty() {
        insist(|cx| out.poll_write(cx, Pin::new(&mut wire))).expect("written");
    }
    String::from_utf8(wire.took).expect("text")
}

const NOON: Duration = Duration::from_secs(1_795_521_600);

#[test]
fn an_answer_has_the_form_that_its_request_and_its_body_allow() {
    // The request's method and version, status, fields, the body's length, whether the connection may stay; what is written
    // between the date and the empty line, how the body ends, and whether the connection stays.
    type Row = (&'static str, Version, u16, &'static [(&'static str, &'static str)], Option<u64>, bool);
    let close = "Connection: close\r\n";
    let rows: [(Row, String, Framing, bool); 16] = {
        use Framing::{Chunked, Close, Length};
        let (new, old) = (Version::HTTP_11, Version::HTTP_10);
        [
            (("GET", new, 200, &[], Some(3), true), "Content-Length: 3\r\n".into(), Length(3), true),
            (
                ("GET", new, 200, &[("content-length", "3")], Some(3), true),
                "Content-Length: 3\r\n".into(),
                Length(3),
                true,
            ),
            (
                ("GET", new, 200, &[("content-length", "3")], None, true),
                "Content-Length: 3\r\n".into(),
                Length(3),
                true,
            ),
            (
                ("GET", new, 200, &[("x-a-bc", "d")], None, true),
                "X-A-Bc: d\r\nTransfer-Encoding: chunked\r\n".into(),
                Chunked,
                true,
            ),
            (
                ("GET", new, 200, &[("transfer-encoding", "gzip")], None, false),
                format!("Transfer-Encoding: chunked\r\n{close}"),
                Chunked,
                false,
            ),
            (
                ("GET", new, 200, &[("connection", "x, Close")], Some(0), true),
                "Connection: x, Close\r\nContent-Length: 0\r\n".into(),
                Length(0),
                false,
            ),
            (("GET", old, 200, &[], None, true), close.into(), Close, false),
            (
                ("GET", old, 200, &[("connection", "keep-alive")], Some(1), true),
                "Connection: keep-alive\r\nContent-Length: 1\r\n".into(),
                Length(1),
                true,
            ),
            (
                ("GET", old, 200, &[], Some(1), false),
                format!("Content-Length: 1\r\n{close}"),
                Length(1),
                false,
            ),
            (
                ("HEAD", new, 200, &[("content-length", "3")], Some(0), true),
                "Content-Length: 3\r\n".into(),
                Length(0),
                true,
            ),
            (("HEAD", new, 200, &[], None, true), String::new(), Length(0), true),
            (("GET", new, 204, &[("content-length", "0")], Some(0), true), String::new(), Length(0), true),
            (("HEAD", new, 204, &[("content-length", "3")], Some(0), true), String::new(), Length(0), true),
            (
                ("GET", new, 304, &[("content-length", "3")], Some(0), true),
                "Content-Length: 3\r\n".into(),
                Length(0),
                true,
            ),
            (
                ("GET", new, 101, &[("connection", "upgrade")], Some(0), false),
                "Connection: upgrade\r\n".into(),
                Length(0),
                false,
            ),
            (
                ("GET", new, 413, &[], Some(0), false),
                format!("Content-Length: 0\r\n{close}"),
                Length(0),
                false,
            ),
        ]
    };
    for ((method, version, status, fields, length, stays), want, framing, goes_on) in rows {
        let pair = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().expect("a value"))
        };
        let fields: Fields = fields.iter().map(pair).collect();
        let status = StatusCode::from_u16(status).expect("a status");
        let mut out = Outgoing::default();
        let head = Head { status, reason: b"Why not", fields: &fields };
        let bodiless = method == "HEAD" || matches!(status.as_u16(), 101 | 204 | 304);
        let form = Form { bodiless, version, stays, length };
        assert_eq!(
            write_head(out.lines(), &head, form, NOON),
            (framing, goes_on),
            "{method} {status} {fields:?}"
        );
        let date = "Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n";
        let want = format!("HTTP/1.1 {} Why not\r\n{date}{want}\r\n", status.as_u16());
        assert_eq!(written(&mut out, 7), want);
    }
}

#[test]
fn a_date_of_the_configuration_stands_alone() {
    let fields = Fields::from_iter([(DATE, "today".parse().expect("a value"))]);
    let mut out = Outgoing::default();
    let form = Form { bodiless: false, version: Version::HTTP_11, stays: true, length: Some(0) };
    let head = Head { status: StatusCode::OK, reason: b"OK", fields: &fields };
    write_head(out.lines(), &head, form, NOON);
    assert_eq!(written(&mut out, 1000), "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn a_body_goes_out_as_its_head_says() {
    let long = "y".repeat(COPIED + 1);
    let chunk = format!("{:x}\r\n{long}\r\n", long.len());
    let rows: [(Framing, &[&str], String, bool); 8] = [
        (Framing::Length(5), &["he", "llo"], "hello".into(), true),
        (Framing::Length(5), &["he"], "he".into(), false),
        (Framing::Length(3), &["hello"], "hel".into(), true),
        (Framing::Close, &["he", &long], format!("he{long}"), true),
        (Framing::Chunked, &[], "0\r\n\r\n".into(), true),
        (Framing::Chunked, &["hello", "", "x"], "5\r\nhello\r\n1\r\nx\r\n0\r\n\r\n".into(), true),
        (Framing::Chunked, &[&long], format!("{chunk}0\r\n\r\n"), true),
        (Framing::Chunked, &[&long, &long, "x"], format!("{chunk}{chunk}1\r\nx\r\n0\r\n\r\n"), true),
    ];
    for (framing, pieces, want, whole) in rows {
        for at_once in [1, 3, 1000, 1_000_000] {
            let (mut out, mut framing, mut got) = (Outgoing::default(), framing, String::new());
            for (n, piece) in pieces.iter().enumerate() {
                framing.piece(&mut out, Bytes::copy_from_slice(piece.as_bytes()));
                // The end goes out with the last piece.
                if n + 1 < pieces.len() {
                    got.push_str(&written(&mut out, at_once));
                }
            }
            assert_eq!(framing.end(&mut out), whole);
            got.push_str(&written(&mut out, at_once));
            assert_eq!(got, want, "{framing:?} {at_once}");
        }
    }
}
