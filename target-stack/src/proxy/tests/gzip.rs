//! Compressed answers over a socket: of the proxy's own making, of an upstream's, and from the cache.

use super::harness::Proxy;
use super::origin::{Origin, answer};
use flate2::read::GzDecoder;
use std::io::{Read, Write};

/// The head and the decoded chunks of the answer to `GET path` with these lines, each ended by CRLF.
fn get(proxy: &Proxy, path: &str, lines: &str) -> (String, Vec<u8>) {
    let mut stream = proxy.connect();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n").as_bytes())
        .expect("a request sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut rest = &answer[end + 4..];
    if !head.contains("Transfer-Encoding: chunked") {
        return (head, rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|part| part == b"\r\n").expect("a chunk");
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..line]), 16).expect("a size");
        if size == 0 {
            return (head, body);
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}

fn plain(bytes: &[u8]) -> String {
    let mut plain = String::new();
    GzDecoder::new(bytes).read_to_string(&mut plain).expect("gzip");
    plain
}

const ASKS: &str = "Accept-Encoding: gzip\r\n";

fn site(origin: &Origin) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let address = origin.address;
    let http = format!(
        "proxy_cache_path c keys_zone=z:1m; log_format f '$uri $status $body_bytes_sent'; access_log a.log f; \
         gzip on; gzip_types text/plain; gzip_vary on; server {{ listen 127.0.0.1:0; \
         location / {{ proxy_pass http://{address}; }} \
         location /cached {{ proxy_pass http://{address}; proxy_cache z; }} \
         location /own {{ return 200 'a text of more than twenty bytes'; }} \
         location /off {{ gzip off; return 200 'a text of more than twenty bytes'; }} }}"
    );
    (Proxy::start(&http, dir.path()), dir)
}

#[test]
fn answers_are_compressed_for_who_takes_that() {
    let long = "all work and no play ".repeat(20_000);
    let origin = Origin::start({
        let long = long.clone();
        move |_| {
            let fields = "Content-Type: text/html\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nCache-Control: max-age=9\r\n";
            answer(fields, &long)
        }
    });
    let (mut proxy, dir) = site(&origin);
    let mut sent = Vec::new();
    for path in ["/", "/cached", "/cached"] {
        let (head, body) = get(&proxy, path, ASKS);
        assert!(head.contains("Content-Encoding: gzip") && head.contains("Etag: W/\"a\""), "{head}");
        assert!(head.contains("Vary: Accept-Encoding") && !head.contains("Content-Length"), "{head}");
        assert!(!head.contains("Accept-Ranges"), "{head}");
        assert!(plain(&body) == long && body.len() < long.len() / 50);
        sent.push(format!("{path} 200 {}", body.len()));
        let (head, body) = get(&proxy, path, "");
        assert!(head.contains("Etag: \"a\"") && head.contains("Vary: Accept-Encoding"), "{head}");
        assert!(body == long.as_bytes() && head.contains(&format!("Content-Length: {}", long.len())));
        sent.push(format!("{path} 200 {}", long.len()));
    }
    // A range of what is compressed on its way would be one of other bytes.
    let (head, body) = get(&proxy, "/cached", &format!("{ASKS}Range: bytes=0-3\r\n"));
    assert!(head.starts_with("HTTP/1.1 200 ") && plain(&body) == long, "{head}");
    let (head, body) = get(&proxy, "/cached", "Range: bytes=0-3\r\n");
    assert!(head.starts_with("HTTP/1.1 206 ") && body == b"all ", "{head}");
    let (head, _) = get(&proxy, "/cached", &format!("{ASKS}If-None-Match: W/\"a\"\r\n"));
    assert!(head.starts_with("HTTP/1.1 304 ") && !head.contains("Content-Encoding"), "{head}");
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    assert!(log.starts_with(&sent.join("\n")), "{log}");
}

#[test]
fn texts_of_the_proxys_own_are_compressed_too() {
    let origin = Origin::start(|_| answer("", ""));
    let (proxy, _dir) = site(&origin);
    let (head, body) = get(&proxy, "/own", ASKS);
    assert!(head.contains("Content-Encoding: gzip") && plain(&body).starts_with("a text of"), "{head}");
    let (head, body) = get(&proxy, "/off", ASKS);
    assert!(
        !head.contains("Content-Encoding") && !head.contains("Vary") && body.starts_with(b"a text"),
        "{head}"
    );
}

#[test]
fn a_compressed_answer_that_is_cut_short_does_not_end_cleanly() {
    let origin = Origin::start(|_| {
        let half = "half".repeat(100_000);
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900000\r\nConnection: close\r\n\r\n{half}").into_bytes()
    });
    let (proxy, _dir) = site(&origin);
    for path in ["/", "/cached"] {
        let got = proxy.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{ASKS}\r\n"));
        assert!(got.contains("Content-Encoding: gzip") && !got.ends_with("0\r\n\r\n"), "{path}");
    }
}
