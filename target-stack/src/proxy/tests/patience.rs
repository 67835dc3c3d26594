//! How long clients are waited for: what they get, and what is logged, when they take too long. As nginx 1.22 was seen to do it.

use super::harness::{OK, Proxy, Reply, Upstream, passing};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";

/// A proxy that answers `ok`, with these times, and logs.
fn proxy(times: &str, dir: &std::path::Path) -> Proxy {
    let http = format!(
        "log_format short '$status|$request|$bytes_sent'; access_log a.log short; {times} \
         server {{ listen 127.0.0.1:0; return 200 ok; }}"
    );
    Proxy::start(&http, dir)
}

fn log(proxy: &mut Proxy, dir: &std::path::Path) -> String {
    proxy.stop();
    std::fs::read_to_string(dir.join("a.log")).expect("a log")
}

/// Waits until a piece comes, or for a moment; none at the end of the stream, be it a sudden one.
fn piece(client: &mut TcpStream) -> Option<Vec<u8>> {
    client.set_read_timeout(Some(Duration::from_millis(10))).expect("a time-out");
    let mut piece = [0; 4096];
    match client.read(&mut piece) {
        Ok(0) => None,
        Ok(length) => Some(piece[..length].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
        Err(_) => None,
    }
}

#[test]
fn a_slow_head_gets_no_answer_and_a_408_in_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut proxy = proxy("client_header_timeout 50ms;", dir.path());
    for sent in ["", "GET /a HT", "GET /b HTTP/1.1\r\nHost: a\r\n", "\r\n"] {
        assert_eq!(proxy.ask(sent), "", "{sent:?}");
    }
    // The next head's time begins with its first byte.
    let answer = proxy.ask(&format!("{GOOD}GET /c"));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let log = log(&mut proxy, dir.path());
    let (ok, lines) = log.lines().partition::<Vec<_>, _>(|line| line.starts_with("200|"));
    assert_eq!(lines, ["408|GET /a HT|0", "408|GET /b HTTP/1.1|0", "408|-|0", "408|GET /c|0"]);
    assert_eq!(ok.len(), 1, "{log}");
}

#[test]
fn a_head_that_drips_is_no_better() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut proxy = proxy("client_header_timeout 100ms;", dir.path());
    for (before, phase) in [("", "first"), (GOOD, "second")] {
        let mut client = proxy.connect();
        client.write_all(format!("{before}GET /{phase} HTTP/1.1\r\nX: ").as_bytes()).expect("a head begun");
        let mut answer = Vec::new();
        while let Some(came) = piece(&mut client) {
            answer.extend(came);
            // What goes to a connection that was closed meanwhile is no matter.
            let _ = client.write_all(b"x");
        }
        assert_eq!(answer.is_empty(), before.is_empty(), "{phase}");
    }
    let log = log(&mut proxy, dir.path());
    assert_eq!(log.matches("408|GET /").count(), 2, "{log}");
}

#[test]
fn a_part_of_a_head_before_the_end_is_a_400_in_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut proxy = proxy("", dir.path());
    for before in ["", GOOD] {
        let mut client = proxy.connect();
        client.write_all(format!("{before}GET /x").as_bytes()).expect("a part sent");
        let mut answer = Vec::new();
        while !before.is_empty() && !answer.ends_with(b"\r\n\r\nok") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("an answer");
            answer.extend(byte);
        }
        client.shutdown(std::net::Shutdown::Write).expect("an end");
        assert_eq!(client.read(&mut [0]).expect("an orderly close"), 0);
    }
    let log = log(&mut proxy, dir.path());
    assert_eq!(log.matches("400|GET /x|0\n").count(), 2, "{log}");
}

#[test]
fn a_body_that_stops_gets_no_answer_and_harms_no_server() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "log_format short '$status|$request|$bytes_sent'; access_log a.log short; client_body_timeout 50ms; \
         server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://{}; }} }}",
        upstream.address
    );
    let mut proxy = Proxy::start(&http, dir.path());
    for body in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        assert_eq!(proxy.ask(&format!("POST /p HTTP/1.1\r\nHost: a\r\n{body}")), "");
    }
    assert_eq!(proxy.counters.upstream(0).peers[0].failures.get(), 0);
    assert!(proxy.get("/").ends_with("ok"));
    let log = log(&mut proxy, dir.path());
    assert_eq!(log.matches("408|POST /p HTTP/1.1|0\n").count(), 2, "{log}");
}

#[test]
fn a_body_that_stops_on_its_way_is_no_fault_of_the_server() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "log_format short '$status|$request|$bytes_sent'; access_log a.log short; client_body_timeout 200ms; \
         server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://{}; proxy_request_buffering off; \
         proxy_send_timeout 20ms; proxy_read_timeout 20ms; }} }}",
        upstream.address
    );
    let mut proxy = Proxy::start(&http, dir.path());
    for body in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        assert_eq!(proxy.ask(&format!("POST /p HTTP/1.1\r\nHost: a\r\n{body}")), "");
    }
    assert_eq!(proxy.counters.upstream(0).peers[0].failures.get(), 0);
    let log = log(&mut proxy, dir.path());
    assert_eq!(log.matches("408|POST /p HTTP/1.1|0\n").count(), 2, "{log}");
}

#[test]
fn a_body_that_drips_is_waited_for() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "client_body_timeout 1s;");
    let mut client = proxy.connect();
    let pieces = 130;
    let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {pieces}\r\n\r\n");
    client.write_all(head.as_bytes()).expect("a head sent");
    // Each wait for an answer that does not come yet takes a moment, all together more than a second.
    for _ in 0..pieces {
        assert_eq!(piece(&mut client), Some(Vec::new()));
        client.write_all(b"x").expect("a piece sent");
    }
    client.set_read_timeout(None).expect("a time-out");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[test]
fn an_idle_connection_is_kept_for_its_time_and_told_so() {
    let dir = tempfile::tempdir().expect("a directory");
    // Longer than buffers are kept, so that the connection rests before it is closed.
    let proxy = proxy("keepalive_timeout 1500ms 7s;", dir.path());
    let old = GOOD.replace("1.1", "1.0");
    let kept = old.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n");
    for (request, connection) in [
        (GOOD.to_owned(), "\r\nConnection: keep-alive\r\nKeep-Alive: timeout=7\r\n"),
        (kept, "\r\nConnection: keep-alive\r\nKeep-Alive: timeout=7\r\n"),
        (old, "\r\nConnection: close\r\n"),
        (GOOD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), "\r\nConnection: close\r\n"),
    ] {
        let answer = proxy.ask(&request);
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        assert!(answer.contains(connection) || connection.contains("close"), "{request} {answer}");
        assert_eq!(answer.contains("Keep-Alive: "), connection.contains("Keep-Alive"), "{request} {answer}");
    }
}

#[test]
fn without_time_no_connection_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let http = "server { listen 127.0.0.1:0; location / { return 200 ok; } \
                location /no { keepalive_timeout 0; return 200 no; } }";
    let proxy = Proxy::start(http, dir.path());
    let answer = proxy.ask(&format!("{GOOD}GET /no HTTP/1.1\r\nHost: a\r\n\r\n{GOOD}"));
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\nno"), "{answer}");
}

#[test]
fn who_does_not_take_an_answer_loses_it() {
    // Far more than the buffers of two sockets hold.
    let length = 64 << 20;
    let large = Box::leak(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length)).into_boxed_str(),
    );
    let upstream = Upstream::start(|_, _| Reply::SendAndClose(large));
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "access_log a.log; send_timeout 50ms; server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://{}; }} }}",
        upstream.address
    );
    let mut proxy = Proxy::start(&http, dir.path());
    let mut client = proxy.connect();
    // What came behind it is no request that took too long.
    client
        .write_all(format!("{GOOD}GET /behind HTTP/1.1\r\nHost: a\r\n").as_bytes())
        .expect("a request sent");
    while proxy.counters.active.get() == 0 || proxy.counters.requests.get() == 0 {
        std::thread::yield_now();
    }
    while proxy.counters.active.get() > 0 {
        std::thread::yield_now();
    }
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.len() < length, "{}", answer.len());
    let log = log(&mut proxy, dir.path());
    assert!(log.contains("GET /good") && !log.contains("/behind"), "{log}");
}
