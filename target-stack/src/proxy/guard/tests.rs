//! The guard against requests, good and bad, whole and in pieces.

use super::laws::{Judged, hold, judge};
use super::{Guard, Limits, Next, Refusal};
use proptest::prelude::*;

const SMALL: Limits = Limits { first: 32, number: 2, size: 64 };

/// A request with these field lines, each ended by CR LF, and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

/// What is made of `text`, which has to be the same whole and byte by byte.
fn judged(text: &[u8], limits: Limits) -> Judged {
    hold(text, &[7], limits);
    judge(text, &[], limits, |_, _| {})
}

/// How many bytes of `text` passed and how many heads, and how the next one is refused.
fn verdict(text: &[u8], limits: Limits) -> (usize, u32, Option<Refusal>) {
    let Judged { passed, heads, refused, .. } = judged(text, limits);
    (passed, heads, refused)
}

#[test]
fn good_requests_pass_whole() {
    let rows = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), 1),
        ("\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 1),
        ("PURGE_ALL-X /a?b=<c HTTP/1.1\r\nHost: a\r\n\r\n".replace('<', "%3C"), 1),
        ("GET /\u{e4}\"{}?a`b?c#d HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        ("GET http://a.test:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 1),
        ("GET / HTTP/1.1\r\nHOST:a\r\nEmpty:\r\nX: \t \u{e4} \t\r\n\r\n".to_owned(), 1),
        (post("Content-Length: 5\r\n", "hello"), 1),
        (post("content-length:\t005 \r\n", "hello"), 1),
        (post("Content-Length: 0\r\n", ""), 1),
        (post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), 1),
        (post("transfer-encoding:CHUNKED\r\n", "00A;x=\"y z\"\r\n0123456789\r\n0 ; q\r\nT: r\r\n\r\n"), 1),
        (post("Content-Length: 5\r\n", "hello").repeat(3), 3),
        (post("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n").repeat(3), 3),
        // What looks like a second request is content.
        (post("Content-Length: 18\r\n", "GET / HTTP/1.1\r\n\r\n"), 1),
    ];
    for (text, heads) in rows {
        let whole = (text.len(), heads, None);
        assert_eq!(verdict(text.as_bytes(), Limits::default()), whole, "{text:?}");
    }
}

#[test]
fn what_is_not_whole_does_not_pass() {
    let head = post("Content-Length: 5\r\n", "");
    for cut in 0..head.len() {
        let part = &head.as_bytes()[..cut];
        assert_eq!(verdict(part, Limits::default()), (0, 0, None), "{cut}");
    }
    let part = format!("{head}helloGET /x");
    let passed = head.len() + 5;
    assert_eq!(verdict(part.as_bytes(), Limits::default()), (passed, 1, None));
}

#[test]
fn bad_request_lines_are_refused() {
    use Refusal::{RequestLine, Version};
    let rows: [(&[u8], Refusal); 25] = [
        (b"GET / HTTP/1.1 \r\n", RequestLine),
        (b"GET  / HTTP/1.1\r\n", RequestLine),
        (b"GET /  HTTP/1.1\r\n", RequestLine),
        (b"GET / x HTTP/1.1\r\n", RequestLine),
        (b" GET / HTTP/1.1\r\n", RequestLine),
        (b"get / HTTP/1.1\r\n", RequestLine),
        (b"GET\t/ HTTP/1.1\r\n", RequestLine),
        (b"GET\r\n", RequestLine),
        (b"GET /\r\n", RequestLine),
        (b"GET /\0 HTTP/1.1\r\n", RequestLine),
        (b"GET /<a> HTTP/1.1\r\n", RequestLine),
        (b"GET /\xff HTTP/1.1\r\n", RequestLine),
        (b"GET http://a/#\xff HTTP/1.1\r\n", RequestLine),
        (b"GET x HTTP/1.1\r\n", RequestLine),
        (b"GET * HTTP/1.1\r\n", RequestLine),
        (b"OPTIONS * HTTP/1.1\r\n", RequestLine),
        (b"CONNECT a.test:443 HTTP/1.1\r\n", RequestLine),
        (b"GET / http/1.1\r\n", RequestLine),
        (b"GET / HTTP/0.9\r\n", RequestLine),
        (b"GET / HTTP/1.10\r\n", RequestLine),
        (b"GET / HTTP/1.1\rX", RequestLine),
        (b"\rGET / HTTP/1.1\r\n", RequestLine),
        (b"\x16\x03\x01\x02\x00", RequestLine),
        (b"GET / HTTP/1.2\r\n", Version),
        (b"GET / HTTP/2.0\r\n", Version),
    ];
    for (text, refusal) in rows {
        let refused = (0, 0, Some(refusal));
        assert_eq!(verdict(text, Limits::default()), refused, "{}", text.escape_ascii());
    }
}

#[test]
fn bad_fields_are_refused() {
    use Refusal::{
        Fold, Length, LengthAndCoding, LongHead, Name, NoHost, OldCoding, SecondCoding, SecondHost,
        SecondLength, UnknownCoding, Value,
    };
    let long = "a:\r\n".repeat(100);
    let rows = [
        ("1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", LengthAndCoding),
        ("1.1", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", LengthAndCoding),
        ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", SecondLength),
        ("1.1", "Content-Length: 5\r\ncontent-length: 6\r\n", SecondLength),
        ("1.1", "Content-Length: +5\r\n", Length),
        ("1.1", "Content-Length: -5\r\n", Length),
        ("1.1", "Content-Length: 5, 5\r\n", Length),
        ("1.1", "Content-Length: 0x5\r\n", Length),
        ("1.1", "Content-Length: 5 5\r\n", Length),
        ("1.1", "Content-Length:\r\n", Length),
        ("1.1", "Content-Length: 9223372036854775808\r\n", Length),
        ("1.1", "Content-Length: 18446744073709551621\r\n", Length),
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", SecondCoding),
        ("1.0", "Transfer-Encoding: chunked\r\n", OldCoding),
        ("1.1", "Transfer-Encoding: gzip, chunked\r\n", UnknownCoding),
        ("1.1", "Transfer-Encoding: chunked, gzip\r\n", UnknownCoding),
        ("1.1", "Transfer-Encoding: chunked, chunked\r\n", UnknownCoding),
        ("1.1", "Transfer-Encoding: identity\r\n", UnknownCoding),
        ("1.1", "Transfer-Encoding: xchunked\r\n", UnknownCoding),
        ("1.1", "Transfer-Encoding:\r\n", UnknownCoding),
        ("1.1", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n", UnknownCoding),
        ("1.1", "Transfer-Encoding: \u{b}chunked\r\n", Value),
        ("1.1", "Transfer-Encoding : chunked\r\n", Name),
        ("1.1", "Host : b\r\n", Name),
        ("1.1", "X: a\r\n b\r\n", Fold),
        ("1.1", "X: a\r\n\tb\r\n", Fold),
        ("1.1", "Host: b\r\n", SecondHost),
        ("1.0", "Host: b\r\n", SecondHost),
        ("1.1", ": a\r\n", Name),
        ("1.1", "X\r\n", Name),
        ("1.1", "X\n", Name),
        ("1.1", "X(: a\r\n", Name),
        ("1.1", "\u{e4}: a\r\n", Name),
        ("1.1", "X\0: a\r\n", Name),
        ("1.1", "X: a\0b\r\n", Value),
        ("1.1", "X: a\rb\r\n", Value),
        ("1.1", "X: a\r\rb\r\n", Value),
        ("1.1", "X: a\u{7f}\r\n", Value),
        ("1.1", "\rX", Name),
        ("1.1", &long, LongHead),
    ];
    for (version, fields, refusal) in rows {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let refused = (0, 0, Some(refusal));
        assert_eq!(verdict(text.as_bytes(), Limits::default()), refused, "{text:?}");
    }
    for (text, refusal) in
        [("GET / HTTP/1.1\r\n\r\n", NoHost), ("GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", Fold)]
    {
        let refused = (0, 0, Some(refusal));
        assert_eq!(verdict(text.as_bytes(), Limits::default()), refused, "{text:?}");
    }
}

#[test]
fn bad_chunks_are_refused_at_the_bad_byte() {
    use Refusal::{Chunk, LongChunk};
    let extension = format!("1;{}", "x".repeat(20_000));
    let trailer = format!("0\r\nT: {}", "x".repeat(20_000));
    let rows = [
        ("zz\r\n", 0, Chunk),
        ("\r\n", 0, Chunk),
        (";x\r\n", 0, Chunk),
        (" 5\r\n", 0, Chunk),
        ("-5\r\n", 0, Chunk),
        ("0x5\r\n", 1, Chunk),
        ("5 5\r\n", 2, Chunk),
        ("5\nhello\r\n", 1, Chunk),
        ("5\rhello", 2, Chunk),
        ("5;a\nb\r\n", 3, Chunk),
        ("5;a\0\r\n", 3, Chunk),
        ("5\r\nhelloX", 8, Chunk),
        ("5\r\nhello\n", 8, Chunk),
        ("5\r\nhello\r\n\r\n", 10, Chunk),
        ("8000000000000000\r\n", 15, Chunk),
        ("00000000000000001\r\n", 16, Chunk),
        ("0\r\n\n", 3, Chunk),
        ("0\r\nT : x\r\n\r\n", 4, Chunk),
        ("0\r\nT: x\r\n y\r\n\r\n", 9, Chunk),
        ("0\r\nT: x\n\r\n", 7, Chunk),
        ("0\r\n\rX", 4, Chunk),
        (&extension, 2 + (16 << 10), LongChunk),
        (&trailer, 3 + (16 << 10), LongChunk),
    ];
    let head = post("Transfer-Encoding: chunked\r\n", "");
    for (body, good, refusal) in rows {
        let text = format!("{head}{body}");
        let refused = (head.len() + good, 1, Some(refusal));
        assert_eq!(verdict(text.as_bytes(), Limits::default()), refused, "{:?}", &body[..body.len().min(30)]);
    }
}

#[test]
fn what_passed_before_a_bad_request_stays_passed() {
    let good = post("Content-Length: 5\r\n", "hello");
    let text = format!("{good}{}", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "hello"));
    let refused = (good.len(), 1, Some(Refusal::LengthAndCoding));
    assert_eq!(verdict(text.as_bytes(), Limits::default()), refused);
}

#[test]
fn the_bounds_of_a_head_are_those_of_nginx() {
    use Refusal::{LongHead, LongLine};
    // A request line of `n` bytes, then field lines of these lengths, line ends included, in buffers of 32 and 2 of 64.
    let head = |line: usize, fields: &[usize]| {
        let line = format!("GET /{} HTTP/1.0\r\n", "x".repeat(line - 16));
        let fields: String = fields.iter().map(|n| format!("x:{}\r\n", "y".repeat(n - 4))).collect();
        format!("{line}{fields}\r\n")
    };
    let rows = [
        (head(30, &[]), None),
        // It moves to the first large buffer, and fills it.
        (head(64, &[]), None),
        (head(65, &[]), Some(LongLine)),
        (head(300, &[]), Some(LongLine)),
        (head(32, &[64]), None),
        (head(32, &[65]), Some(LongHead)),
        (head(32, &[64, 62]), None),
        (head(32, &[64, 64]), Some(LongHead)),
        // Each line that does not fit where it begins takes a buffer of its own.
        (head(30, &[40, 40]), None),
        (head(30, &[40, 40, 40]), Some(LongHead)),
        ("\r\n".repeat(100), Some(LongLine)),
    ];
    for (text, refused) in rows {
        let passed = if refused.is_none() { text.len() } else { 0 };
        let want = (passed, u32::from(refused.is_none()), refused);
        assert_eq!(verdict(text.as_bytes(), SMALL), want, "{text:?}");
    }
}

#[test]
fn statuses_are_those_of_nginx() {
    let rows = [
        (Refusal::LengthAndCoding, 400),
        (Refusal::UnknownCoding, 501),
        (Refusal::LongLine, 414),
        (Refusal::LongHead, 494),
        (Refusal::Plain, 497),
        (Refusal::Version, 505),
        (Refusal::Chunk, 400),
    ];
    for (refusal, status) in rows {
        assert_eq!(refusal.status(), status, "{refusal:?}");
    }
}

#[test]
fn nothing_passes_behind_a_request_for_another_protocol() {
    // Takes what can be taken, and gives what comes then, and how much was taken.
    let take = |guard: &mut Guard, bytes: &[u8]| {
        let mut taken = 0;
        loop {
            match guard.next(&bytes[taken..]) {
                Next::Head(length) | Next::Body { used: length, .. } => taken += length,
                next => return (next, taken),
            }
        }
    };
    let ask = |fields: &str, body: &str| post(&format!("Upgrade: x\r\n{fields}"), body);
    for request in [
        ask("", ""),
        ask("Content-Length: 5\r\n", "hello"),
        ask("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
    ] {
        let mut guard = Guard::new(Limits::default());
        let frame = format!("{request}\u{1}GET");
        assert_eq!(take(&mut guard, frame.as_bytes()), (Next::More, request.len()), "{request}");
        assert!(guard.is_paused());
        assert_eq!(guard.next(b"\x01GET"), Next::More);
        guard.resume();
        assert_eq!(guard.next(b"\x01"), Next::Refused(Refusal::RequestLine));
    }
    for request in
        ["GET / HTTP/1.0\r\nUpgrade: x\r\n\r\n".to_owned(), post("Upgrade-Insecure-Requests: 1\r\n", "")]
    {
        let mut guard = Guard::new(Limits::default());
        assert_eq!(take(&mut guard, request.as_bytes()), (Next::More, request.len()));
        assert!(!guard.is_paused(), "{request}");
    }
}

/// Pieces of requests: put together at random they are now and then one, and often nearly one.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.0\r\n",
        "Host: a\r\n",
        "X: y\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        "x",
        "5",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "hello",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\n",
        ";q",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "GET http://",
        "a ",
        ":",
        "\t",
    ]);
    let piece = prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_laws_hold(bytes in pieces(), cuts in prop::collection::vec(1_usize..40, 1..4)) {
        hold(&bytes, &cuts, Limits::default());
        hold(&bytes, &cuts, SMALL);
    }

    #[test]
    fn any_request_of_the_grammar_passes(
        path in "/[!-;=@-_a-~]{0,40}",
        fields in prop::collection::vec(("[a-gX-Z!#$_-]{1,12}", "[ -~\t]{0,30}"), 0..20),
        body in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::option::of(prop::collection::vec(1_usize..90, 1..5)),
    ) {
        let path: String = path.chars().filter(|c| !"\"<>`#".contains(*c)).collect();
        let fields: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        let mut text = format!("PUT {path} HTTP/1.1\r\nHost: a\r\n{fields}").into_bytes();
        if let Some(sizes) = &sizes {
            text.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let (mut rest, mut sizes) = (body.as_slice(), sizes.iter().cycle());
            while let Some(size) = sizes.next().filter(|_| !rest.is_empty()) {
                let (chunk, after) = rest.split_at(rest.len().min(*size));
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
                rest = after;
            }
            text.extend_from_slice(b"0\r\n\r\n");
        } else {
            text.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            text.extend_from_slice(&body);
        }
        let want = Judged { passed: text.len(), heads: 1, content: body, refused: None };
        prop_assert_eq!(judged(&text, Limits::default()), want);
    }
}
