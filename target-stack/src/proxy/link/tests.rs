//! Tables of answers, each cut at every place, and hyper as an oracle: what is read here, hyper reads likewise, and what hyper
//! does not read is not read here.

use super::laws::{End, Seen, hold, read};
use super::response::{Asked, Fault};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An answer, its status and body, how it ends, and what is left; `+` where the connection is kept.
type Row<'a> = (&'a str, u16, &'a str, End, &'a str, bool);

const GOOD: [Row<'_>; 25] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", End::Whole, "", true),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", 200, "ok", End::Whole, "more", true),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", 200, "ok", End::CutShort, "", true),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", End::Whole, "", true),
    ("HTTP/1.1 200\r\nContent-Length: 00002\r\n\r\nok", 200, "ok", End::Whole, "", true),
    ("HTTP/1.1 200 Fine\nContent-Length:2\n\nok", 200, "ok", End::Whole, "", true),
    ("\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", End::Whole, "", true),
    ("HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", End::Whole, "", false),
    ("HTTP/1.0 200 OK\r\n\r\nto the end", 200, "to the end", End::Whole, "", false),
    ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", End::Whole, "", false),
    (
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
        200,
        "ok",
        End::Whole,
        "",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok",
        200,
        "ok",
        End::Whole,
        "",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        200,
        "",
        End::Whole,
        "",
        false,
    ),
    ("HTTP/1.1 204 No Content\r\n\r\nevil", 204, "", End::Whole, "evil", true),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", 304, "", End::Whole, "", true),
    ("HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n", 304, "", End::Whole, "", true),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n1;a=b\r\n!\r\n0\r\n\r\nleft",
        200,
        "ok!",
        End::Whole,
        "left",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n02 \r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n",
        200,
        "ok",
        End::Whole,
        "",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        200,
        "ok",
        End::CutShort,
        "",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
        200,
        "ok",
        End::BadChunk,
        "",
        true,
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\noka\r\n", 200, "ok", End::BadChunk, "", true),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", 200, "", End::BadChunk, "", true),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        404,
        "",
        End::Whole,
        "",
        true,
    ),
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nearly", 101, "", End::Whole, "early", false),
    ("HTTP/1.1 999 ?\r\nContent-Length: 1\r\n\r\n.", 999, ".", End::Whole, "", true),
];

/// What is no answer, and why.
const BAD: [(&str, Option<Fault>); 31] = [
    ("", None),
    ("HTTP/1.1 200 OK\r\nContent-", None),
    ("HTTP/1.1 100 Continue\r\n\r\n", None),
    ("no answer at all\r\n\r\n", Some(VERSION)),
    ("HTTP/2.0 200 OK\r\n\r\n", Some(VERSION)),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(VERSION)),
    ("HTTP/1.1 20 OK\r\n\r\n", Some(STATUS)),
    ("HTTP/1.1 2000 OK\r\n\r\n", Some(STATUS)),
    ("HTTP/1.1 099 OK\r\n\r\n", Some(STATUS)),
    ("HTTP/1.1 200 O\0K\r\n\r\n", Some(STATUS)),
    ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Some(LINE)),
    ("HTTP/1.1 200 OK\r\nX : a\r\n\r\n", Some(LINE)),
    ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n", Some(LINE)),
    ("HTTP/1.1 200 OK\r\n X: a\r\n\r\n", Some(LINE)),
    ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", Some(LINE)),
    ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", Some(LINE)),
    ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Some(LENGTH)),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Some(Fault::RepeatedLength)),
    ("HTTP/1.1 204 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Some(Fault::RepeatedLength)),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        Some(Fault::LengthAndCoding),
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Some(Fault::Coding)),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Some(Fault::Coding)),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", Some(Fault::Coding)),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        Some(Fault::Coding),
    ),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Some(OLD)),
];

const VERSION: Fault = Fault::Invalid("invalid HTTP version parsed");
const STATUS: Fault = Fault::Invalid("invalid HTTP status-code parsed");
const LINE: Fault = Fault::Invalid("invalid HTTP header parsed");
const LENGTH: Fault = Fault::Invalid("invalid content-length parsed");
const OLD: Fault = Fault::Invalid("unexpected transfer-encoding parsed");

/// Whether what hyper makes of `bytes` is no other thing than `ours`.
fn agrees_with_hyper(bytes: &[u8], ours: &Seen) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let theirs = runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        // An answer before its request is none to hyper.
        let answer = async {
            let request = far.read(&mut [0; 100]).await.expect("a request");
            assert!(request > 0, "it is asked");
            far.write_all(bytes).await.expect("room");
            far.shutdown().await.expect("an end");
        };
        let (mut sender, wire) = http1::handshake(TokioIo::new(near)).await.expect("a connection");
        let exchange = async {
            let request = Request::builder().header("host", "a").body(Empty::<&[u8]>::new());
            let (head, body) = sender.send_request(request.expect("a request")).await.ok()?.into_parts();
            let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
            Some((head.status.as_u16(), head.headers, body))
        };
        let (theirs, ..) = tokio::join!(exchange, answer, wire);
        theirs
    });
    match (&ours.head, &theirs) {
        (Ok((status, _, fields)), Some((their_status, their_fields, body))) => {
            let their_fields = their_fields.iter().map(|(name, value)| (name.clone(), value.clone()));
            assert_eq!((status, fields), (their_status, &their_fields.collect()), "{bytes:?}");
            let whole = ours.end == End::Whole;
            assert!(!whole || body.as_ref() == Some(&ours.body), "{bytes:?}: {ours:?}, {theirs:?}");
        }
        (Ok(_), None) => panic!("hyper reads no answer in {bytes:?}: {ours:?}"),
        (Err(_), _) => {}
    }
}

#[test]
fn answers_are_read_alike_wherever_they_are_cut() {
    for (text, status, body, end, left, keeps) in GOOD {
        let seen = read(text.as_bytes(), &[], Asked::Other);
        assert_eq!(seen.head.as_ref().map(|head| head.0), Ok(status), "{text:?}");
        assert_eq!((&seen.body[..], seen.end), (body.as_bytes(), end), "{text:?}");
        assert_eq!((&seen.left[..], seen.keeps), (left.as_bytes(), keeps), "{text:?}");
        for cut in 1..text.len() {
            assert_eq!(
                read(text.as_bytes(), &[cut, text.len()], Asked::Other),
                seen,
                "{text:?} cut at {cut}"
            );
        }
        hold(text.as_bytes(), &[], Asked::Other);
        agrees_with_hyper(text.as_bytes(), &seen);
    }
}

#[test]
fn what_is_no_answer_is_refused_wherever_it_is_cut() {
    for (text, fault) in BAD {
        let seen = read(text.as_bytes(), &[], Asked::Other);
        assert_eq!(seen.head, Err(fault), "{text:?}");
        for cut in 1..text.len() {
            let seen = read(text.as_bytes(), &[cut, text.len()], Asked::Other);
            assert_eq!(seen.head, Err(fault), "{text:?} cut at {cut}");
        }
    }
}

#[test]
fn the_method_says_whether_there_is_a_body() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (asked, body, keeps) in
        [(Asked::Head, &b""[..], true), (Asked::Connect, b"", false), (Asked::Other, b"evil", true)]
    {
        let seen = read(text, &[], asked);
        assert_eq!((&seen.body[..], seen.end, seen.keeps), (body, End::Whole, keeps), "{asked:?}");
    }
}

#[test]
fn fields_and_words_are_those_that_came() {
    let text = "HTTP/1.1 404 Gone fishing\r\nX-A:  1 \r\nSet-Cookie: a\r\nset-cookie: b\u{e4}\r\nContent-Length: 0\r\n\r\n";
    let (status, words, fields) = read(text.as_bytes(), &[], Asked::Other).head.expect("a head");
    assert_eq!((status, words.as_deref()), (404, Some(&b"Gone fishing"[..])));
    let lines: Vec<(&str, &[u8])> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(lines[0], ("x-a", &b"1"[..]));
    assert_eq!(lines[1..3], [("set-cookie", &b"a"[..]), ("set-cookie", "b\u{e4}".as_bytes())]);
    let usual = read(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", &[], Asked::Other);
    assert_eq!(usual.head.expect("a head").1, None);
}

#[test]
fn heads_have_bounds() {
    let fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count));
    let long = |length: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(length));
    let interim =
        |count: usize| format!("{}HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n".repeat(count));
    for (text, passes) in [
        (fields(100), true),
        (fields(101), false),
        (long(60 << 10), true),
        (long(64 << 10), false),
        (interim(1000), true),
        (interim(50_000), false),
    ] {
        for cut in [text.len(), 1000] {
            let head = read(text.as_bytes(), &[cut], Asked::Other).head;
            assert_eq!(head.err(), (!passes).then_some(Some(Fault::TooBig)), "{} bytes", text.len());
        }
    }
}

/// Parts of answers, in any order.
fn parts() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 100 x",
        "HTTP/1.1 304 ",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        ": ",
        "X: y",
        "Content-Length: 3",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "0",
        "3",
        "abc",
        ";",
        " ",
        "\0",
        "\u{e4}",
    ]);
    let loose = prop::collection::vec(part.clone(), 0..40).prop_map(|parts| parts.concat());
    let shaped = (prop::collection::vec(part.clone(), 0..4), prop::collection::vec(part, 0..20));
    let shaped = shaped.prop_map(|(head, body)| {
        format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n{}", head.join("\r\n"), body.concat())
    });
    prop_oneof![loose, shaped]
}

proptest! {
    #[test]
    fn how_the_bytes_come_makes_no_difference(text in parts(), cuts in prop::collection::vec(1..20_usize, 1..4)) {
        hold(text.as_bytes(), &cuts, Asked::Other);
        hold(text.as_bytes(), &cuts, Asked::Head);
        agrees_with_hyper(text.as_bytes(), &read(text.as_bytes(), &cuts, Asked::Other));
    }

    #[test]
    fn any_bytes_will_do(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1..50_usize) {
        hold(&bytes, &[cut], Asked::Other);
    }
}
