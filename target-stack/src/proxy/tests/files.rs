//! Static files as clients see them: validators, conditions, ranges, what is not there, and files that change while they are sent.

use super::harness::Proxy;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A proxy that serves what `make` puts into a directory, with `inside` in its one server.
fn serving(inside: &str, make: impl FnOnce(&Path)) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let www = dir.path().join("www");
    std::fs::create_dir(&www).expect("a directory");
    make(&www);
    let http = format!(
        "types {{ text/html html; text/x-a a; }} default_type text/plain; server {{ listen 127.0.0.1:0; root www; {inside} }}"
    );
    (Proxy::start(&http, dir.path()), dir)
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).expect("a file");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let file = std::fs::File::options().write(true).open(path).expect("the file");
    file.set_modified(modified).expect("a time");
}

/// Ten digits, changed last in 1994.
fn digits(www: &Path) {
    write(&www.join("d.a"), "0123456789");
}

fn get(proxy: &Proxy, path: &str, fields: &str) -> (String, String) {
    let answer =
        proxy.ask(&format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{fields}\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn a_file_comes_with_its_type_and_validators() {
    let (proxy, _dir) = serving("", digits);
    let (head, body) = get(&proxy, "/d.a", "");
    for line in [
        "http/1.1 200 ok",
        "content-type: text/x-a",
        "content-length: 10",
        &format!("last-modified: {}", MODIFIED.to_lowercase()),
        "etag: \"2ebc98a1-a\"",
        "accept-ranges: bytes",
    ] {
        assert!(head.split("\r\n").any(|found| found == line), "{line} in {head}");
    }
    assert_eq!(body, "0123456789");
    let head = proxy.ask("HEAD /d.a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(head.contains("Content-Length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn conditions_and_ranges_are_answered() {
    let (proxy, _dir) = serving("", digits);
    let etag = get(&proxy, "/d.a", "")
        .0
        .split("etag: ")
        .nth(1)
        .expect("a tag")
        .lines()
        .next()
        .expect("a line")
        .to_owned();
    let later = "Sun, 06 Nov 1994 08:49:38 GMT";
    let rows = [
        (format!("If-Modified-Since: {MODIFIED}"), 304, None, ""),
        (format!("If-Modified-Since: {later}"), 200, None, "0123456789"),
        (format!("If-None-Match: {etag}"), 304, None, ""),
        (format!("If-None-Match: W/{etag}, \"x\""), 304, None, ""),
        ("If-None-Match: \"x\"".to_owned(), 200, None, "0123456789"),
        (format!("If-Match: {etag}"), 200, None, "0123456789"),
        ("If-Match: \"x\"".to_owned(), 412, None, "<html>"),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT".to_owned(), 412, None, "<html>"),
        ("Range: bytes=2-4".to_owned(), 206, Some("bytes 2-4/10"), "234"),
        ("Range: bytes=-2".to_owned(), 206, Some("bytes 8-9/10"), "89"),
        ("Range: bytes=10-".to_owned(), 416, Some("bytes */10"), "<html>"),
        (format!("Range: bytes=2-4\r\nIf-Range: {etag}"), 206, Some("bytes 2-4/10"), "234"),
        ("Range: bytes=2-4\r\nIf-Range: \"x\"".to_owned(), 200, None, "0123456789"),
        (format!("Range: bytes=2-4\r\nIf-Range: {MODIFIED}"), 206, Some("bytes 2-4/10"), "234"),
        (format!("Range: bytes=2-4\r\nIf-Range: {later}"), 200, None, "0123456789"),
        (format!("Range: bytes=2-4\r\nIf-None-Match: {etag}"), 304, None, ""),
    ];
    for (fields, status, range, begins) in rows {
        let (head, body) = get(&proxy, "/d.a", &format!("{fields}\r\n"));
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{fields}: {head}");
        let found = head.split("\r\n").find_map(|line| line.strip_prefix("content-range: "));
        assert_eq!(found, range, "{fields}");
        assert!(body.starts_with(begins) && body.is_empty() == begins.is_empty(), "{fields}: {body}");
        assert_eq!(head.contains("content-length:"), status != 304, "{fields}: {head}");
    }
}

#[test]
fn several_ranges_come_as_parts() {
    let (proxy, _dir) = serving("", digits);
    let (head, body) = get(&proxy, "/d.a", "Range: bytes=0-0, 3-4,-1\r\n");
    let boundary = head
        .split("multipart/byteranges; boundary=")
        .nth(1)
        .expect("a boundary")
        .lines()
        .next()
        .expect("a line");
    let part = |range: &str, text: &str| {
        format!("\r\n--{boundary}\r\nContent-Type: text/x-a\r\nContent-Range: bytes {range}/10\r\n\r\n{text}")
    };
    let want =
        [part("0-0", "0"), part("3-4", "34"), part("9-9", "9"), format!("\r\n--{boundary}--\r\n")].concat();
    assert_eq!(body, want);
    assert!(head.contains(&format!("content-length: {}", want.len())), "{head}");
    let (other, _) = get(&proxy, "/d.a", "Range: bytes=0-0, 3-4\r\n");
    assert!(
        other.contains("206") && !other.contains(boundary),
        "each answer has a boundary of its own: {other}"
    );
}

#[test]
fn what_is_not_a_file_is_answered_as_nginx_does() {
    let (proxy, dir) = serving("location /up/ { root www/none; }", |www| {
        digits(www);
        for name in ["empty", "in dex", "pipes"] {
            std::fs::create_dir(www.join(name)).expect("a directory");
        }
        write(&www.join("in dex/index.html"), "index");
        std::os::unix::fs::symlink("loop", www.join("loop")).expect("a link");
        rustix::fs::mknodat(rustix::fs::CWD, www.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a pipe");
        std::os::unix::fs::symlink("../secret", www.join("link")).expect("a link");
    });
    write(&dir.path().join("secret"), "outside");
    let location = format!("\r\nlocation: http://shop.test:{}", proxy.address.port());
    let rows = [
        ("/none", 404, ""),
        ("/up/x", 404, ""),
        ("/d.a/", 404, ""),
        ("/d.a/x", 404, ""),
        ("/empty/", 403, ""),
        ("/empty", 301, "/empty/"),
        ("/empty?q=1", 301, "/empty/?q=1"),
        ("/in%20dex", 301, "/in%20dex/"),
        ("/in%20dex/", 200, ""),
        ("/loop", 403, ""),
        ("/pipe", 404, ""),
        // nginx follows links, wherever they lead.
        ("/link", 200, ""),
        ("/../secret", 400, ""),
        ("/%2e%2e/secret", 400, ""),
        ("/empty/..%2f..%2fsecret", 400, ""),
        ("/d.a%00", 400, ""),
        ("/..%5csecret", 404, ""),
        ("/%c0%ae%c0%ae/secret", 404, ""),
    ];
    for (path, status, to) in rows {
        let (head, body) = get(&proxy, path, "");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{path}: {head}");
        assert!(to.is_empty() || head.contains(&format!("{location}{to}\r\n")), "{path}: {head}");
        assert!(path == "/link" || !body.contains("outside"), "{path}: {body}");
    }
    assert_eq!(get(&proxy, "/in%20dex/", "").1, "index");
    let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
    for line in [
        format!(
            "open() \"{}/www/none\" failed (2: No such file or directory), client: 127.0.0.1",
            dir.path().display()
        ),
        format!("directory index of \"{}/www/empty/\" is forbidden", dir.path().display()),
        format!("\"{}/www/d.a/index.html\" is not found (20: Not a directory)", dir.path().display()),
    ] {
        assert!(log.contains(&line), "{line} in {log}");
    }
}

#[test]
fn methods_that_a_file_does_not_know_are_405() {
    let (proxy, _dir) = serving("", digits);
    for (request, status) in
        [("POST /d.a", 405), ("PUT /d.a", 405), ("PUT /none", 405), ("POST /none", 404), ("DELETE /", 405)]
    {
        let answer = proxy
            .ask(&format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
}

#[test]
fn what_a_request_makes_of_a_path_does_not_climb() {
    let inside = "location /a { rewrite ^ /$arg_f break; } location /b { try_files /$arg_f =404; } \
                  location ~ ^/c/(.*) { alias www/$1; } location /d/ { alias www/; rewrite ^/d/(.*) /e/$1 break; }";
    let (proxy, dir) = serving(inside, digits);
    write(&dir.path().join("secret"), "outside");
    for (path, status) in [
        ("/a?f=d.a", 200),
        ("/a?f=../secret", 403),
        ("/a?f=x/../../secret", 403),
        ("/b?f=d.a", 200),
        ("/b?f=../secret", 404),
        ("/c/d.a", 200),
        ("/d/d.a", 500),
    ] {
        let (head, body) = get(&proxy, path, "");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{path}: {head}");
        assert!(!body.contains("outside"), "{path}: {body}");
    }
}

#[test]
fn a_large_file_streams_whole() {
    let text: Vec<u8> = (0..3_000_000_u32).map(|n| b'a' + u8::try_from(n % 23).expect("a letter")).collect();
    let (proxy, _dir) = serving("", |www| write(&www.join("large"), &text));
    let mut client = proxy.connect();
    // Twice on one connection, the second time in parts.
    client
        .write_all(
            b"GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
              Range: bytes=1000000-2499999\r\n\r\n",
        )
        .expect("requests sent");
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).expect("answers");
    let body = |answers: &[u8], length: usize| {
        let head = answers.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        (answers[head..head + length].to_vec(), head + length)
    };
    let (first, end) = body(&answers, text.len());
    assert!(first == text);
    let (second, length) = body(&answers[end..], 1_500_000);
    assert!(second == text[1_000_000..2_500_000]);
    assert_eq!(end + length, answers.len());
}

#[test]
fn a_file_that_shrinks_breaks_the_connection() {
    let size = 64 << 20;
    let (proxy, dir) = serving("location /log { access_log off; }", |www| {
        let file = std::fs::File::create(www.join("large")).expect("a file");
        file.set_len(size).expect("a sparse file");
    });
    let mut client = proxy.connect();
    client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    // The head has come, and the sockets cannot hold all of the rest.
    client.read_exact(&mut [0; 1000]).expect("a beginning");
    std::fs::File::options()
        .write(true)
        .open(dir.path().join("www/large"))
        .expect("the file")
        .set_len(1)
        .expect("shorter");
    let mut rest = Vec::new();
    // However it breaks off, it is not after all of it.
    let _ = client.read_to_end(&mut rest);
    assert!((rest.len() as u64) < size - 1000, "{}", rest.len());
    let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
    assert!(log.contains("large\" was truncated while sending response to client"), "{log}");
}

#[test]
fn a_client_that_takes_nothing_holds_up_nobody_and_is_not_read_for() {
    let size = 256 << 20;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("www")).expect("a directory");
    write(&dir.path().join("www/small"), "small");
    let large = std::fs::File::create(dir.path().join("www/large")).expect("a file");
    large.set_len(size).expect("a sparse file");
    let http = "log_format sent '$uri $body_bytes_sent'; access_log a.log sent; \
                server { listen 127.0.0.1:0; root www; }";
    let mut proxy = Proxy::start(http, dir.path());
    let mut client = proxy.connect();
    client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    client.read_exact(&mut [0; 1000]).expect("a beginning");
    for _ in 0..50 {
        assert_eq!(get(&proxy, "/small", "").1, "small");
    }
    drop(client);
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    let sent = log.lines().find_map(|line| line.strip_prefix("/large ")).expect("a line");
    // What the kernel's buffers hold, which is a few megabytes.
    assert!(sent.parse::<u64>().expect("a number") < size / 4, "{sent}");
}
