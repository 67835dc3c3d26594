//! The proxy as its clients and upstreams see it: a real worker on loopback sockets, upstreams of a few lines, and
//! clients that write bytes.

mod balanced;
mod cache;
mod cache_keeping;
mod cache_stale;
mod files;
mod gzip;
mod harness;
mod liars;
mod life;
mod links;
mod mapped;
mod origin;
mod passed;
mod patience;
mod refused;
mod retried;
mod rewriting;
mod sequence;
mod tls;
mod upgrade;

use harness::{OK, Proxy, Reply, Upstream, nobody, passing};
use std::io::{Read, Write};

#[test]
fn header_fields_are_forwarded_replaced_and_stripped() {
    let upstream = Upstream::start(|_, _| {
        Reply::Send(
            "HTTP/1.1 200 OK\r\nServer: app\r\nX-App: 1\r\nX-Hop: 1\r\nConnection: x-hop\r\nContent-Length: 0\r\n\r\n",
        )
    });
    let (proxy, _dir) = passing(
        &[upstream.address],
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Empty ''; \
         proxy_set_header X-Query $arg_q;",
    );
    let answer = proxy.ask(
        "GET /p?q=7 HTTP/1.1\r\nHost: shop.test\r\nX-Kept: 1\r\nX-Empty: 1\r\nX_Under: 1\r\nX-Mine: 1\r\n\
         TE: trailers\r\nUpgrade: x\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close, x-mine\r\n\r\n",
    );
    let head = &upstream.seen()[0].1;
    for line in ["get /p?q=7 http/1.1\r\n", "host: app\r\n", "x-kept: 1\r\n", "x-query: 7\r\n"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(head.contains("x-forwarded-for: 192.0.2.1, 127.0.0.1\r\n"), "{head}");
    for gone in ["x-empty", "x_under", "x-mine", "te:", "upgrade", "connection"] {
        assert!(!head.contains(&format!("\r\n{gone}")), "{gone} in {head}");
    }
    assert!(answer.contains("X-App: 1\r\n") && answer.contains("Server: target-stack/"), "{answer}");
    assert!(!answer.contains("X-Hop") && !answer.contains("Server: app"), "{answer}");
}

#[test]
fn an_upstream_connection_is_used_again() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    for _ in 0..3 {
        assert!(proxy.get("/").ends_with("\r\n\r\nok"));
    }
    let connections: Vec<usize> = upstream.seen().into_iter().map(|(number, ..)| number).collect();
    assert_eq!(connections, [0, 0, 0]);
    assert_eq!(proxy.counters.requests.get(), 3);
}

#[test]
fn nobody_there_is_502_and_nothing_said_is_504() {
    let (proxy, _dir) = passing(&[nobody()], "");
    let answer = proxy.get("/");
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("<center><h1>502 Bad Gateway</h1></center>"), "{answer}");

    let silent = Upstream::start(|_, _| Reply::Stay);
    let (proxy, _dir) = passing(&[silent.address], "proxy_read_timeout 50ms;");
    let answer = proxy.get("/");
    assert!(answer.starts_with("HTTP/1.1 504 Gateway Time-out\r\n"), "{answer}");
}

#[test]
fn a_body_past_the_limit_is_413() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "client_max_body_size 5;");
    assert!(proxy.post("/", "12345").ends_with("ok"));
    let answer = proxy.post("/", "123456");
    assert!(answer.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"), "{answer}");
    let chunked = proxy.ask(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    );
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
}

#[test]
fn a_client_that_breaks_off_its_body_ejects_no_server() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let other = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address, other.address], "");
    let mut client = proxy.connect();
    client
        .write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        .expect("a request sent");
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    for _ in 0..2 {
        assert!(proxy.get("/").ends_with("ok"));
    }
    let answered =
        |upstream: &Upstream| upstream.seen().iter().filter(|(_, head, _)| head.starts_with("get")).count();
    assert_eq!((answered(&upstream), answered(&other)), (1, 1));
    assert_eq!(proxy.counters.upstream(0).peers[0].failures.get(), 0);
}

#[test]
fn bodies_stream_both_ways() {
    let upstream = Upstream::start(|_, _| Reply::SendAndClose("HTTP/1.0 200 OK\r\n\r\nuntil the end"));
    let (proxy, _dir) = passing(&[upstream.address], "client_max_body_size 0;");
    let body = "0123456789abcdef".repeat(1 << 16);
    let answer = proxy.post("/", &body);
    assert!(answer.contains("until the end") && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(upstream.seen()[0].2.len(), body.len());
}

#[test]
fn a_request_has_exactly_one_host() {
    let (proxy, _dir) = passing(&[nobody()], "");
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: \r\n", "Host: a/b\r\n"] {
        let answer = proxy.ask(&format!("GET / HTTP/1.1\r\n{hosts}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{hosts:?}: {answer}");
    }
}

#[test]
fn answers_are_logged() {
    let dir = tempfile::tempdir().expect("a directory");
    let http = "log_format short '$request_method $uri $status $body_bytes_sent [$http_x] $server_name'; \
                access_log a.log short; \
                server { listen 127.0.0.1:0; server_name one; return 200 first; }";
    let mut proxy = Proxy::start(http, dir.path());
    assert!(proxy.get("/a%20b").ends_with("first"));
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    assert_eq!(log, "GET /a b 200 5 [-] one\n");
}

#[test]
fn a_drain_ends_what_is_under_way() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (mut proxy, _dir) = passing(&[upstream.address], "");
    let mut idle = proxy.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("an answer");
    proxy.drain();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("an orderly close");
    assert!(rest.ends_with(b"ok"));
}
