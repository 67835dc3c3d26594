//! Upstreams that lie: what they send is bounded in time and memory, their connection is never used again, and a client whose answer was
//! cut short can tell.

use super::harness::{OK, Reply, Upstream, passing, rest, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const SECOND: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Answers the first request on the first connection with `lie`, and everything else as it should be.
fn liar(lie: &'static str) -> Upstream {
    Upstream::start(
        move |number, nth| if (number, nth) == (0, 0) { Reply::Send(lie) } else { Reply::Send(OK) },
    )
}

#[test]
fn an_answer_that_can_be_read_in_two_ways_is_none() {
    for (lie, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            "at the same time",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno", "duplicate header line"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nno", "unknown \"Transfer-Encoding\""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            "unknown \"Transfer-Encoding\"",
        ),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "invalid header"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\nno", "invalid header"),
        ("no answer at all\r\n\r\n", "invalid header"),
        ("HTTP/2.0 200 OK\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 20 OK\r\n\r\nno", "invalid header"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nno", "unasked"),
    ] {
        let upstream = liar(lie);
        let (proxy, dir) = passing(&[upstream.address], "");
        let answer = proxy.get("/");
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{lie:?}: {answer}");
        let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
        assert!(log.contains(reason), "{lie:?}: {log}");
        assert!(proxy.get("/").ends_with("ok"), "{lie:?}");
        assert_eq!(upstream.connections(), [0, 1], "{lie:?}");
    }
}

#[test]
fn what_comes_after_an_answer_reaches_nobody_and_ends_the_connection() {
    for (lie, body) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "ok",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil",
            "2\r\nok\r\n0\r\n\r\n",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\nevil", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", ""),
    ] {
        let upstream = liar(lie);
        let (proxy, _dir) = passing(&[upstream.address], "");
        let mut client = proxy.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
        client.write_all(SECOND.as_bytes()).expect("a request sent");
        let (answers, _) = rest(&mut client);
        let first = &answers[..answers.rfind("HTTP/1.1 ").expect("two answers")];
        assert!(first.split_once("\r\n\r\n").expect("a head").1 == body, "{lie:?}: {answers}");
        assert!(answers.ends_with("\r\n\r\nok") && !answers.contains("evil"), "{lie:?}: {answers}");
        assert_eq!(upstream.connections(), [0, 1], "{lie:?}");
    }
}

#[test]
fn a_body_that_is_cut_short_does_not_end_cleanly() {
    type Ending = fn(&'static str) -> Reply;
    let (closes, resets): (Ending, Ending) = (Reply::SendAndClose, Reply::SendAndReset);
    let rows: [(&str, Ending); 8] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", closes),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", resets),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", closes),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", closes),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", closes),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", Reply::Send),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf and more\r\n", Reply::Send),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nffffffffffffffffff\r\n",
            Reply::Send,
        ),
    ];
    for (text, ending) in rows {
        let bad = move |number, _| if number == 0 { ending(text) } else { Reply::Send(OK) };
        let upstream = Upstream::start(bad);
        let (proxy, _dir) = passing(&[upstream.address], "");
        let answer = proxy.get("/");
        // What breaks off with the head may take the head with it: then there is no answer, which is as clear.
        let whole = |answer: &str| {
            answer.contains("Content-Length: 4\r\n")
                || answer.ends_with("0\r\n\r\n")
                || answer.contains("200 OK\r\n\r\n")
        };
        assert!(!whole(&answer) && !answer.contains("and more"), "{text:?}: {answer}");
        assert!(proxy.get("/").ends_with("ok"), "{text:?}");
        assert_eq!(upstream.connections(), [0, 1], "{text:?}");

        // To a client of HTTP/1.0 only the end says how long an answer is that came in chunks.
        let upstream = Upstream::start(bad);
        let (proxy, _dir) = passing(&[upstream.address], "");
        let mut client = proxy.connect();
        client.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").expect("a request sent");
        let (answer, ended) = rest(&mut client);
        assert!(answer.contains("Content-Length: 100\r\n") || !ended, "{text:?}: {answer}");
    }
}

/// An upstream whose first connection is written to without end.
#[derive(Clone, Default)]
struct Endless {
    sent: Arc<AtomicU64>,
    /// Nothing more could be written for a while.
    stalled: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Endless {
    fn start(&self, first: &'static str, piece: &'static [u8]) -> Upstream {
        let state = self.clone();
        Upstream::start(move |number, _| {
            let state = state.clone();
            if number > 0 {
                return Reply::Send(OK);
            }
            Reply::Do(Box::new(move |stream: &mut TcpStream| {
                stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a socket");
                let mut written = stream.write_all(first.as_bytes());
                while written.is_ok() {
                    state.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    written = stream.write_all(piece);
                }
                state.stalled.store(true, Ordering::Relaxed);
                let _ = stream.read_to_end(&mut Vec::new());
                state.closed.store(true, Ordering::Relaxed);
            }))
        })
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

#[test]
fn a_head_without_end_is_given_up_soon() {
    for (first, piece) in [
        ("HTTP/1.1 200 OK\r\n", &b"X-Endless: x\r\n"[..]),
        ("HTTP/1.1 200 OK\r\nX-Endless: ", b"xxxxxxxxxxxxxxxx"),
        ("HTTP/1.1 200 ", b"O"),
        ("", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"),
    ] {
        let endless = Endless::default();
        let upstream = endless.start(first, piece);
        // Long before anybody's patience, and without the client's having to go.
        let (proxy, dir) = passing(&[upstream.address], "proxy_read_timeout 1h;");
        let answer = proxy.get("/");
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{piece:?}: {answer}");
        let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
        assert!(log.contains("upstream sent too big header"), "{log}");
        until("its connection is closed", || endless.is_closed());
        assert!(proxy.get("/").ends_with("ok"));
    }
    // A few interim answers are honest, and are for the proxy alone.
    let patient = Upstream::start(|_, _| {
        Reply::Send(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let (proxy, _dir) = passing(&[patient.address], "");
    for _ in 0..2 {
        let answer = proxy.get("/");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"), "{answer}");
    }
    assert_eq!(patient.connections(), [0, 0]);
}

#[test]
fn a_body_without_end_waits_for_its_reader_and_ends_with_it() {
    static PIECE: [u8; 16 << 10] = [b'x'; 16 << 10];
    for first in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"] {
        let endless = Endless::default();
        let upstream = endless.start(first, &PIECE);
        let (proxy, _dir) = passing(&[upstream.address], "");
        let mut client = proxy.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
        client.read_exact(&mut [0; 1 << 16]).expect("a beginning");
        // Nobody reads on: what is under way fills the sockets of both connections, and no memory beside them.
        until("it waits", || endless.stalled.load(Ordering::Relaxed));
        assert!(endless.sent.load(Ordering::Relaxed) < 64 << 20);
        assert!(!endless.is_closed());
        drop(client);
        until("it is broken off", || endless.is_closed());
        assert!(proxy.get("/").ends_with("ok"));
    }
}

#[test]
fn silence_has_a_limit_wherever_it_falls() {
    for (text, status) in [
        ("", "504"),
        ("HTTP/1.1 200 OK\r\nContent-", "504"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "504"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha", "200"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nha\r\n", "200"),
    ] {
        let upstream = Upstream::start(move |number, _| {
            if number > 0 {
                return Reply::Send(OK);
            }
            Reply::Do(Box::new(move |stream: &mut TcpStream| {
                stream.write_all(text.as_bytes()).expect("a beginning sent");
                let _ = stream.read_to_end(&mut Vec::new());
            }))
        });
        let (proxy, _dir) = passing(&[upstream.address], "proxy_read_timeout 100ms;");
        let answer = proxy.get("/");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer}");
        assert!(status == "504" || !answer.ends_with("0\r\n\r\n"), "{text:?}: {answer}");
        assert!(proxy.get("/").ends_with("ok"), "{text:?}");
        assert_eq!(upstream.connections(), [0, 1], "{text:?}");
    }
}

#[test]
fn an_answer_before_the_request_was_heard_out_ends_the_connection() {
    // It answers once the head has come, and never reads the body.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut out = stream.try_clone().expect("a second handle");
            let head = BufReader::with_capacity(1, stream).lines().map_while(Result::ok);
            for _ in head.take_while(|line| !line.is_empty()) {}
            let _ = out.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nno!");
            std::mem::forget(out);
        }
    });
    let (proxy, _dir) = passing(&[address], "client_max_body_size 0;");
    for n in 1..=2 {
        let mut client = proxy.connect();
        let head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
        // More than the proxy holds, and less than it was promised.
        client.write_all(&[head.as_bytes(), &[b'x'; 100_000]].concat()).expect("a part sent");
        let (answer, _) = rest(&mut client);
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("no!"), "{answer}");
        assert_eq!(accepted.load(Ordering::Relaxed), n);
    }
}
