//! The cache as clients and upstreams see it: how requests fare, what they get, and what the upstream is asked.

use super::harness::Proxy;
use super::origin::{Origin, answer, caching, files, log, until, written};
use std::io::{Read, Write};

/// Stored, and no longer fresh at once.
const EXPIRED: &str = "X-Accel-Expires: @1\r\n";
const FRESH: &str = "Cache-Control: max-age=600\r\n";

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// `GET path` with these further lines, each ended by CRLF.
fn get(proxy: &Proxy, path: &str, lines: &str) -> String {
    proxy.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"))
}

#[test]
fn an_answer_is_fetched_once() {
    let origin = Origin::start(|head| answer(FRESH, head.lines().next().unwrap_or_default()));
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    for path in ["/a", "/a", "/b?1", "/b?2", "/b?1", "/a"] {
        let got = get(&proxy, path, "");
        assert!(
            got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with(&format!("\r\n\r\nget {path} http/1.1"))
        );
        assert!(got.contains("Cache-Control: max-age=600\r\n") && got.contains("Content-Length: "), "{got}");
    }
    assert_eq!(origin.seen().len(), 3);
    let want = ["MISS", "HIT", "MISS", "MISS", "HIT", "HIT"];
    let got = log(proxy, dir.path());
    assert!(got.iter().zip(want).all(|(line, want)| line.ends_with(&format!(" 200 {want}"))), "{got:?}");
}

#[test]
fn requests_fare_as_in_nginx() {
    // Location, fields of the answer, request and what comes of it.
    let rows = [
        ("", "", "GET /", "MISS MISS"),
        ("proxy_cache_valid 200 1m;", "", "GET /", "MISS HIT"),
        ("proxy_cache_valid 404 1m;", "", "GET /", "MISS MISS"),
        ("proxy_cache_valid any 1m;", "Set-Cookie: a=b\r\n", "GET /", "MISS MISS"),
        (
            "proxy_cache_valid any 1m; proxy_ignore_headers Set-Cookie;",
            "Set-Cookie: a=b\r\n",
            "GET /",
            "MISS HIT",
        ),
        ("", "Cache-Control: private, max-age=9\r\n", "GET /", "MISS MISS"),
        ("", "Cache-Control: max-age=9\r\nVary: *\r\n", "GET /", "MISS MISS"),
        ("", EXPIRED, "GET /", "MISS EXPIRED EXPIRED"),
        ("proxy_cache_bypass $arg_b;", FRESH, "GET /?b=1", "BYPASS BYPASS"),
        ("proxy_cache_bypass $arg_b;", FRESH, "GET /?b=0", "MISS HIT"),
        ("proxy_no_cache $arg_n;", FRESH, "GET /?n=1", "MISS MISS"),
        (
            "proxy_no_cache $upstream_http_x_no;",
            "X-No: 1\r\nCache-Control: max-age=9\r\n",
            "GET /",
            "MISS MISS",
        ),
        ("proxy_cache_min_uses 3;", FRESH, "GET /", "MISS MISS MISS HIT"),
        ("", FRESH, "POST /", "- -"),
        ("proxy_cache_methods POST;", FRESH, "POST /", "MISS HIT"),
        ("", FRESH, "HEAD /", "MISS HIT"),
        ("proxy_cache_key same;", FRESH, "GET /", "MISS HIT"),
        ("proxy_cache_lock on;", FRESH, "GET /", "MISS HIT"),
        ("proxy_cache_lock on;", "", "GET /", "MISS MISS"),
        ("proxy_buffering off;", FRESH, "GET /", "MISS MISS"),
        ("", "X-Accel-Buffering: no\r\nCache-Control: max-age=9\r\n", "GET /", "MISS MISS"),
        (
            "proxy_ignore_headers X-Accel-Buffering;",
            "X-Accel-Buffering: no\r\nCache-Control: max-age=9\r\n",
            "GET /",
            "MISS HIT",
        ),
    ];
    for (more, fields, request, want) in rows {
        let origin = Origin::start(move |_| answer(fields, "hello"));
        let dir = dir();
        let proxy = caching(&origin, dir.path(), more);
        for _ in want.split(' ') {
            let lines = if request.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
            let got =
                proxy.ask(&format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"));
            assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.contains("Content-Length: 5\r\n"), "{got}");
            assert_eq!(got.ends_with("hello"), !request.starts_with("HEAD"), "{got}");
        }
        let log = log(proxy, dir.path());
        let got: Vec<_> = log.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(got.join(" "), want, "{more} {fields:?} {request}");
    }
}

#[test]
fn a_location_can_go_without() {
    let origin = Origin::start(|_| answer(FRESH, "hello"));
    let (dir, address) = (dir(), origin.address);
    let http = format!(
        "proxy_cache_path c keys_zone=z:1m; proxy_cache z; server {{ listen 127.0.0.1:0; \
         location / {{ proxy_pass http://{address}; }} \
         location /off {{ proxy_pass http://{address}; proxy_cache off; }} }}"
    );
    let proxy = Proxy::start(&http, dir.path());
    for path in ["/", "/", "/off", "/off"] {
        assert!(get(&proxy, path, "").ends_with("hello"));
    }
    let asked: Vec<_> = origin.seen().iter().map(|head| head[..8].to_owned()).collect();
    assert_eq!(asked, ["get / ht", "get /off", "get /off"]);
}

#[test]
fn what_a_location_makes_of_answers_it_makes_of_stored_ones() {
    let origin = Origin::start(|head| match head.split(' ').nth(1) {
        Some("/moved") => answer(&format!("{FRESH}Location: http://app/there\r\nX-Secret: 1\r\n"), "moved"),
        _ => b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno".to_vec(),
    });
    let dir = dir();
    let more = "proxy_redirect http://app http://shop.test; proxy_hide_header X-Secret; add_header X-Cache $upstream_cache_status; \
                proxy_intercept_errors on; proxy_cache_valid 404 1m; error_page 404 /page; } location = /page { return 200 page;";
    let proxy = caching(&origin, dir.path(), more);
    for status in ["MISS", "HIT", "HIT"] {
        let moved = get(&proxy, "/moved", "");
        assert!(
            moved.contains("Location: http://shop.test/there\r\n") && !moved.contains("Secret"),
            "{moved}"
        );
        assert!(moved.contains(&format!("X-Cache: {status}\r\n")), "{moved}");
        // The page is made anew, and the upstream is not asked again.
        let missing = get(&proxy, "/missing", "");
        assert!(missing.starts_with("HTTP/1.1 404 Not Found\r\n") && missing.ends_with("page"), "{missing}");
    }
    assert_eq!(origin.seen().len(), 2);
}

#[test]
fn what_vary_names_tells_answers_apart() {
    let origin = Origin::start(|head| {
        let field = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("-").to_owned();
        let body = format!("{}/{}", field("x-lang: "), field("accept-encoding: "));
        answer("Cache-Control: max-age=600\r\nVary: X-Lang\r\nVary: Accept-Encoding\r\n", body)
    });
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    let rows = [
        ("X-Lang: de\r\n", "de/-"),
        ("X-Lang: en\r\n", "en/-"),
        ("X-Lang: de\r\n", "de/-"),
        ("X-Lang: en\r\n", "en/-"),
        ("", "-/-"),
        ("X-Lang: de\r\nAccept-Encoding: gzip, br\r\n", "de/gzip, br"),
        ("X-Lang: de\r\nAccept-Encoding: gzip,br\r\n", "de/gzip, br"),
        ("X-Lang: de\r\nAccept-Encoding: br\r\n", "de/br"),
        ("", "-/-"),
    ];
    for (lines, want) in rows {
        let got = get(&proxy, "/", lines);
        assert!(got.ends_with(&format!("\r\n\r\n{want}")), "{lines:?}: {got}");
    }
    assert_eq!(origin.seen().len(), 5);
    // So it is after a restart.
    until("all are on disk", || written(&dir.path().join("c")).len() == 5);
    drop(proxy);
    let proxy = caching(&origin, dir.path(), "");
    for (lines, want) in rows {
        assert!(get(&proxy, "/", lines).ends_with(&format!("\r\n\r\n{want}")), "{lines:?}");
    }
    assert_eq!(origin.seen().len(), 5);
}

#[test]
fn conditions_and_ranges_are_answered_from_what_is_stored() {
    let origin = Origin::start(|_| {
        let date = "Sun, 09 Sep 2001 01:46:40 GMT";
        let fields = format!(
            "{FRESH}ETag: \"a\"\r\nLast-Modified: {date}\r\nAccept-Ranges: bytes\r\nContent-Type: text/plain\r\n"
        );
        answer(&fields, "0123456789")
    });
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    let rows = [
        ("If-None-Match: \"a\"\r\n", "304 Not Modified", "Etag: \"a\"\r\n", ""),
        ("If-None-Match: \"b\"\r\n", "200 OK", "Accept-Ranges: bytes\r\n", "0123456789"),
        ("If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n", "304 Not Modified", "", ""),
        ("If-Match: \"b\"\r\n", "412 Precondition Failed", "", "</html>\r\n"),
        ("Range: bytes=2-4\r\n", "206 Partial Content", "Content-Range: bytes 2-4/10\r\n", "234"),
        ("Range: bytes=7-\r\n", "206 Partial Content", "Content-Length: 3\r\n", "789"),
        (
            "Range: bytes=20-\r\n",
            "416 Requested Range Not Satisfiable",
            "Content-Range: bytes */10\r\n",
            "</html>\r\n",
        ),
        ("Range: bytes=2-4\r\nIf-Range: \"b\"\r\n", "200 OK", "", "0123456789"),
    ];
    for (row, (lines, status, field, body)) in rows.iter().enumerate() {
        // The first time it is answered while it is being stored, then from the store.
        for path in [format!("/{row}"), format!("/{row}")] {
            let got = get(&proxy, &path, lines);
            let (head, text) = got.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{lines:?}: {got}");
            assert!(format!("{head}\r\n").contains(field), "{field}: {got}");
            assert!(text.ends_with(body) && (body.len() >= 9 || text == *body), "{body}: {got}");
            assert_eq!(head.contains("Content-Type"), !status.starts_with("304"), "{got}");
        }
    }
    let parts = get(&proxy, "/0", "Range: bytes=2-4,6-7\r\n");
    let (head, text) = parts.split_once("\r\n\r\n").expect("a head");
    assert!(
        head.contains("Content-Type: multipart/byteranges; boundary=0") && !head.contains("Accept-Ranges")
    );
    assert!(head.contains(&format!("Content-Length: {}", text.len())), "{parts}");
    assert!(text.contains("Content-Range: bytes 2-4/10\r\n\r\n234\r\n--"), "{parts}");
    let asked = origin.seen();
    assert_eq!(asked.len(), rows.len());
    let hidden = ["if-", "range"];
    assert!(
        asked.iter().all(|head| !hidden.iter().any(|name| head.contains(&format!("\n{name}")))),
        "{asked:?}"
    );
}

#[test]
fn without_a_cache_conditions_and_ranges_are_the_upstreams() {
    let origin = Origin::start(|_| answer(FRESH, "0123456789"));
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "proxy_cache_min_uses 9;");
    assert!(get(&proxy, "/", "Range: bytes=2-4\r\nIf-None-Match: \"a\"\r\n").ends_with("0123456789"));
    let head = origin.seen().remove(0);
    assert!(head.contains("range: bytes=2-4\r\n") && head.contains("if-none-match: \"a\"\r\n"), "{head}");
}

#[test]
fn head_is_answered_from_the_answer_to_get() {
    let origin = Origin::start(|_| answer(FRESH, "hello"));
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    let ask =
        |method: &str| proxy.ask(&format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let head = ask("HEAD");
    assert!(head.contains("Content-Length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask("GET").ends_with("\r\n\r\nhello"));
    assert!(ask("HEAD").ends_with("\r\n\r\n"));
    let seen = origin.seen();
    assert!(seen.len() == 1 && seen[0].starts_with("get / "), "{seen:?}");
}

#[test]
fn credentials_keep_an_answer_to_themselves() {
    let origin = Origin::start(|head| {
        let control = if head.starts_with("get /public") { "public, max-age=9" } else { "max-age=9" };
        answer(&format!("Cache-Control: {control}\r\n"), "secret")
    });
    let dir = dir();
    let in_key =
        "} location /key { proxy_pass http://app; proxy_cache z; proxy_cache_key $http_authorization;";
    // Whether there are any tells nobody from another.
    let mapped = "} location /mapped { proxy_pass http://app; proxy_cache z; proxy_cache_key $uri$known; } }
        map $http_authorization $known { '' 0; default 1; } server { listen 127.0.0.1:0; location / {";
    let proxy = caching(&origin, dir.path(), &format!("{in_key} {mapped}"));
    let rows = [
        ("/own", "a", "MISS"),
        ("/own", "a", "MISS"),
        ("/public", "a", "MISS"),
        ("/public", "b", "HIT"),
        ("/key", "a", "MISS"),
        ("/key", "a", "HIT"),
        ("/key", "b", "MISS"),
        ("/mapped", "a", "MISS"),
        ("/mapped", "b", "MISS"),
    ];
    for (path, who, _) in rows {
        assert!(get(&proxy, path, &format!("Authorization: {who}\r\n")).ends_with("secret"));
    }
    let got = log(proxy, dir.path());
    for ((path, _, want), line) in rows.iter().zip(got) {
        assert_eq!(line, format!("GET {path} 200 {want}"));
    }
}

#[test]
fn an_answer_that_is_cut_short_is_not_stored() {
    let half = "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nConnection: close\r\n";
    for (framing, whole) in [
        ("Content-Length: 100\r\n\r\nhalf", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n", true),
        ("\r\nhalf", true),
    ] {
        let origin = Origin::start(move |_| format!("{half}{framing}").into_bytes());
        let dir = dir();
        let proxy = caching(&origin, dir.path(), "");
        for _ in 0..2 {
            assert!(get(&proxy, "/", "").contains("half"));
        }
        assert_eq!(origin.seen().len(), if whole { 1 } else { 2 }, "{framing:?}");
        drop(proxy);
        assert_eq!(files(&dir.path().join("c")).len(), usize::from(whole), "{framing:?}");
    }
}

#[test]
fn a_client_that_goes_away_does_not_end_the_storing() {
    let origin = Origin::start(|_| answer(FRESH, vec![b'x'; 3 << 20]));
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    // Before the upstream answers.
    origin.hold();
    let mut client = proxy.connect();
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    origin.asked(1);
    drop(client);
    origin.let_go();
    // In the middle of the answer.
    let mut client = proxy.connect();
    client.write_all(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    client.read_exact(&mut [0; 1000]).expect("a beginning");
    drop(client);
    for path in ["/1", "/2"] {
        let whole = |got: &str| got.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() == 3 << 20);
        // It is stored as soon as it has come, and who asks before that fetches it, too.
        let fetched = |path: &str| {
            let before = origin.seen().len();
            assert!(whole(&get(&proxy, path, "")), "all of it");
            origin.seen().len() > before
        };
        assert!((0..50).any(|_| !fetched(path)), "it is never stored");
    }
}

#[test]
fn a_fill_that_is_cut_off_by_the_end_leaves_nothing() {
    let origin = Origin::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 9000000\r\n\r\n";
        [head.as_bytes(), &[b'x'; 2 << 20]].concat()
    });
    let dir = dir();
    let mut proxy = caching(&origin, dir.path(), "");
    let mut clients = Vec::new();
    for lines in ["", "Range: bytes=0-9\r\n"] {
        let mut client = proxy.connect();
        client.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes()).expect("a request");
        client.read_exact(&mut [0; 100]).expect("a beginning");
        clients.push(client);
    }
    // One that waits for its head.
    origin.hold();
    let mut client = proxy.connect();
    client.write_all(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    origin.asked(3);
    proxy.stop();
    assert_eq!(files(&dir.path().join("c")), Vec::<std::path::PathBuf>::new());
}
