//! The proxy as a process of its own, with bytes that no client library would send.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Target, get, http, until};
use rustix::process::Signal;
use std::net::TcpStream;
use std::path::Path;
use tempfile::TempDir;

/// The proxy with one server, which answers `ok` to everything, in `dir`.
fn proxy(dir: &Path) -> Target {
    write(dir);
    Target::start(&format!("proxy -p {} -c nginx.conf", dir.display()))
}

/// Its configuration.
fn write(dir: &Path) {
    let text = "daemon off; error_log error.log; events {} http { access_log access.log; \
                server { listen 127.0.0.1:0; return 200 ok; } }";
    std::fs::write(dir.join("nginx.conf"), text).unwrap();
}

#[test]
fn requests_that_would_be_read_in_two_ways_are_refused() {
    let dir = TempDir::new().unwrap();
    let target = proxy(dir.path());
    let rows = [
        ("Content-Length: 6\r\nTransfer-Encoding: chunked", "400 Bad Request"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 6", "400 Bad Request"),
        ("Content-Length: 6\r\nContent-Length: 6", "400 Bad Request"),
        ("Content-Length: 6\r\nContent-Length: 0", "400 Bad Request"),
        ("Content-Length: +6", "400 Bad Request"),
        ("Content-Length: 6, 6", "400 Bad Request"),
        ("Content-Length:", "400 Bad Request"),
        ("Content-Length: 18446744073709551622", "400 Bad Request"),
        ("Content-Length : 6", "400 Bad Request"),
        ("Content-Length\u{b}: 6", "400 Bad Request"),
        ("X: y\r\n Content-Length: 6", "400 Bad Request"),
        ("X: y\rContent-Length: 6", "400 Bad Request"),
        ("X: y\0", "400 Bad Request"),
        ("Host: b", "400 Bad Request"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "400 Bad Request"),
        ("Transfer-Encoding: gzip, chunked", "501 Not Implemented"),
        ("Transfer-Encoding: xchunked", "501 Not Implemented"),
    ];
    for (fields, status) in rows {
        let hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer =
            http(target.address(), &format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{hidden}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{fields:?}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {answer}");
    }
    for (request, status) in [
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("\u{16}\u{3}\u{1}\u{2}", "400 Bad Request"),
        (&format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)), "414 Request-URI Too Large"),
    ] {
        let answer = http(target.address(), request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
    }
    // The process is as good as before, and says what it did.
    assert!(get(target.address(), "/", "").ends_with("\r\n\r\nok"));
    let endpoint = target.said["metrics"].as_str().unwrap().to_owned();
    let address = endpoint.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let metrics = get(address, "/metrics", "");
    let line = "proxy_requests_refused_total{reason=\"content_length_and_transfer_encoding\"} 2\n";
    assert!(metrics.contains(line), "{metrics}");
    assert!(target.end(Signal::TERM).success());
    let log = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    assert_eq!(log.matches("] \"POST / HTTP/1.1\" 400 ").count(), 15, "{log}");
    assert!(log.contains("] \"\\x16\\x03\\x01\\x02\" 400 ") && !log.contains("hidden"), "{log}");
}

#[test]
fn a_good_request_before_a_bad_one_is_answered() {
    let dir = TempDir::new().unwrap();
    let target = proxy(dir.path());
    let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let bad = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let answer = http(target.address(), &format!("{good}{good}{bad}{good}"));
    let statuses: Vec<&str> =
        answer.split("HTTP/1.1 ").skip(1).map(|rest| rest.split_once(' ').unwrap().0).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
}

#[test]
fn metrics_are_told_when_no_descriptor_is_left() {
    let dir = TempDir::new().unwrap();
    write(dir.path());
    let target =
        Target::start_with_descriptors(64, &format!("proxy -p {} -c nginx.conf", dir.path().display()));
    let clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(target.address()).unwrap()).collect();
    let log = || std::fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();
    until("none is left", || log().contains("accept() failed (24: Too many open files)"));
    let endpoint = target.said["metrics"].as_str().unwrap();
    let address = endpoint.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    for _ in 0..20 {
        let told = get(address, "/metrics", "");
        for name in ["nginx_connections_accepted_total ", "process_resident_memory_bytes "] {
            assert!(told.lines().any(|line| line.starts_with(name)), "{name} in {told}");
        }
    }
    // There is room for others again once these have gone.
    drop(clients);
    assert!(get(target.address(), "/", "").ends_with("\r\n\r\nok"));
}

#[test]
fn a_configuration_can_limit_descriptors() {
    let dir = TempDir::new().unwrap();
    write(dir.path());
    let text = std::fs::read_to_string(dir.path().join("nginx.conf")).unwrap();
    let text = format!("worker_rlimit_nofile 77; {}", text.replace("error.log;", "error.log warn;"));
    std::fs::write(dir.path().join("nginx.conf"), text).unwrap();
    let target = Target::start(&format!("proxy -p {} -c nginx.conf", dir.path().display()));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", target.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("77"), "{limits}");
    let log = std::fs::read_to_string(dir.path().join("error.log")).unwrap();
    assert!(log.contains("512 worker_connections exceed open file resource limit: 77"), "{log}");
}
