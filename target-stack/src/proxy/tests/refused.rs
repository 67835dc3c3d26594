//! What becomes of requests that the guard refuses: what the client gets, what the upstream does not, and what is logged.

use super::harness::{OK, Proxy, Reply, Upstream, nobody, passing, until};
use crate::proxy::guard::Refusal;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
const BAD: &str =
    "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

#[test]
fn a_bad_request_gets_a_page_and_the_connection_ends() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    let field = |text: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{text}\r\n\r\n");
    let rows = [
        (BAD.to_owned(), "400 Bad Request", "400 Bad Request"),
        (field("Content-Length: 5, 5"), "400 Bad Request", "400 Bad Request"),
        (field("X: a\r\n b"), "400 Bad Request", "400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request", "400 Bad Request"),
        (field("Transfer-Encoding: gzip"), "501 Not Implemented", "501 Not Implemented"),
        (
            "GET / HTTP/2.0\r\n\r\n".to_owned(),
            "505 HTTP Version Not Supported",
            "505 HTTP Version Not Supported",
        ),
        (
            format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)),
            "414 Request-URI Too Large",
            "414 Request-URI Too Large",
        ),
        (
            field(&format!("X: {}", "x".repeat(9000))),
            "400 Bad Request",
            "400 Request Header Or Cookie Too Large",
        ),
    ];
    for (request, status, title) in &rows {
        // What comes after it is not looked at.
        let answer = proxy.ask(&format!("{request}{GOOD}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\nServer: target-stack/")), "{answer}");
        let (head, page) = answer.split_once("\r\n\r\n").expect("a head");
        let length = format!("Content-Length: {}", page.len());
        for line in ["Connection: close", "Content-Type: text/html", &length] {
            assert!(head.contains(&format!("\r\n{line}")), "{line} in {head}");
        }
        assert!(page.contains(&format!("<title>{title}</title>")) && page.ends_with("</html>\r\n"), "{page}");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(proxy.counters.refusals(Refusal::LengthAndCoding), 1);
    assert_eq!(proxy.counters.requests.get(), rows.len() as u64);
}

#[test]
fn methods_of_another_trade_are_405() {
    // A tunnel or an echo is nothing that a server of a site gives, whoever is behind it.
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    for start in ["TRACE /", "CONNECT /", "CONNECT http://a:80", "CONNECT http://a/b?c"] {
        let request = format!("{start} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = proxy.ask(&request);
        assert!(answer.starts_with("HTTP/1.1 405 Not Allowed\r\n"), "{start}: {answer}");
        assert!(answer.ends_with("</html>\r\n"), "{start}: {answer}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_answer_to_head_has_no_body() {
    let (proxy, _dir) = passing(&[nobody()], "");
    let answer = proxy.ask("HEAD / HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("Connection: close\r\n\r\n"), "{answer}");
}

#[test]
fn requests_before_a_bad_one_are_answered_first() {
    // The upstream answers when all has been sent, so that the refusal has to wait.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let upstream = Upstream::start({
        let gate = Arc::clone(&gate);
        move |_, _| {
            let open = gate.1.wait_while(gate.0.lock().expect("unpoisoned"), |open| !*open);
            drop(open.expect("unpoisoned"));
            Reply::Send(OK)
        }
    });
    let (proxy, _dir) = passing(&[upstream.address], "");
    for (pieces, want) in [
        (vec![format!("{GOOD}{GOOD}{BAD}{GOOD}")], &["200", "200", "400"][..]),
        (vec![GOOD.to_owned(), BAD.to_owned()], &["200", "400"]),
    ] {
        *gate.0.lock().expect("unpoisoned") = false;
        let before = upstream.seen().len();
        let mut client = proxy.connect();
        for piece in &pieces {
            client.write_all(piece.as_bytes()).expect("a request sent");
        }
        until("the first request is with the upstream", || upstream.seen().len() > before);
        *gate.0.lock().expect("unpoisoned") = true;
        gate.1.notify_all();
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("answers");
        let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect();
        assert_eq!(statuses, want, "{answer}");
        assert!(answer.contains("okHTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
    assert!(upstream.seen().iter().all(|(_, head, _)| head.starts_with("get /good")));
}

#[test]
fn nothing_is_said_after_the_last_answer() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    let answer = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\0\0\0\0");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[test]
fn a_head_in_pieces_is_served() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    let mut client = proxy.connect();
    let request =
        format!("{GOOD}PUT /put HTTP/1.1\r\nHost: a\r\nX: {}\r\nConnection: close\r\n", "x".repeat(8000));
    for byte in request.as_bytes() {
        client.write_all(std::slice::from_ref(byte)).expect("a byte sent");
    }
    client.write_all(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").expect("a body sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("answers");
    assert!(answer.matches("HTTP/1.1 200 ").count() == 2 && answer.ends_with("\r\n\r\nok"), "{answer}");
    assert_eq!(upstream.seen()[1].2, "hello");
}

#[test]
fn a_bad_chunk_fails_its_request() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    for chunks in ["5\r\nhelloX", "5;a\nb\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n"] {
        let head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = proxy.ask(&format!("{head}{chunks}{GOOD}"));
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{chunks:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    assert!(upstream.seen().iter().all(|(_, head, _)| !head.starts_with("get")));
    assert_eq!(proxy.counters.refusals(Refusal::Chunk), 3);
    assert!(proxy.get("/").ends_with("ok"));
}

#[test]
fn refusals_are_logged() {
    let dir = tempfile::tempdir().expect("a directory");
    let http = "log_format short '$request|$status|$request_method|$http_x|$server_name'; \
                access_log a.log short; client_header_buffer_size 64; large_client_header_buffers 1 64; \
                server { listen 127.0.0.1:0; server_name one; return 200 first; }";
    let mut proxy = Proxy::start(http, dir.path());
    for request in [
        "GET /a HTTP/1.1\r\nX: 1\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        &format!("GET /{} HTTP/1.1\r\n", "x".repeat(60)),
        &format!("GET /b HTTP/1.0\r\nX: {}\r\n", "x".repeat(70)),
    ] {
        assert!(proxy.ask(request).starts_with("HTTP/1.1 4"), "{request:?}");
    }
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    let long = "x".repeat(60);
    let want = [
        "GET /a HTTP/1.1|400|GET|1|one\n".to_owned(),
        "\\x16\\x03\\x01|400|-|-|one\n".to_owned(),
        format!("GET /{long} HTTP/1.1|414|GET|-|one\n"),
        format!("GET /b HTTP/1.0|400|GET|{}|one\n", "x".repeat(70)),
    ];
    assert_eq!(log, want.concat());
}

#[test]
fn a_drain_serves_a_request_that_has_begun() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (mut proxy, _dir) = passing(&[upstream.address], "");
    let mut client = proxy.connect();
    // The second request's beginning comes with the first, so that it has come when the answer is there.
    let (begin, end) = GOOD.split_at(10);
    client.write_all(format!("{GOOD}{begin}").as_bytes()).expect("a request sent");
    let mut first = [0; 12];
    client.read_exact(&mut first).expect("an answer");
    proxy.drain();
    // Who connects now is not served, which shows that the drain has begun.
    while std::net::TcpStream::connect(proxy.address).is_ok() {
        std::thread::yield_now();
    }
    client.write_all(end.as_bytes()).expect("the rest sent");
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("an orderly close");
    assert!(rest.ends_with("ok") && rest.contains("okHTTP/1.1 200 "), "{rest}");
}

#[test]
fn what_a_connection_does_not_outlive() {
    let upstream = Upstream::start(|_, _| {
        Reply::Send("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno")
    });
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "server {{ listen 127.0.0.1:0; client_max_body_size 5; location / {{ return 200 ok; }}
         location /400 {{ return 400; }} location /404 {{ return 404; }} location /405 {{ return 405; }}
         location /413 {{ return 413; }} location /500 {{ return 500; }} location /502 {{ return 502; }}
         location /text {{ return 500 text; }} location /missing {{ error_page 404 @missing; return 404; }}
         location /page {{ error_page 500 413 /; return 500; }} location /else {{ error_page 500 =200 @else; return 500; }}
         location @else {{ return 200 else; }} location /away {{ error_page 500 http://a/; return 500; }}
         location /up {{ proxy_pass http://{0}; }} location /caught {{ proxy_intercept_errors on;
         error_page 500 /; proxy_pass http://{0}; }} }}",
        upstream.address
    );
    let proxy = Proxy::start(&http, dir.path());
    let body = "Content-Length: 6\r\n";
    // Request line, a field, content; the status, and whether the next request is answered. As nginx 1.22 was seen to do it, which
    // another test asks anew.
    for (line, field, content, status, goes_on) in [
        ("GET /404", "", "", 404, true),
        ("GET /405", "", "", 405, true),
        ("GET /502", "", "", 502, true),
        ("GET /text", "", "", 500, true),
        ("GET /up", "", "", 500, true),
        ("TRACE /", "", "", 405, false),
        ("CONNECT /", "", "", 405, false),
        ("GET /../..", "", "", 400, false),
        ("GET /400", "", "", 400, false),
        ("GET /413", "", "", 413, false),
        ("GET /500", "", "", 500, false),
        ("GET /missing", "", "", 500, false),
        ("GET /page", "", "", 500, false),
        ("GET /else", "", "", 200, false),
        ("GET /away", "", "", 302, false),
        ("GET /caught", "", "", 500, false),
        ("POST /", body, "123456", 413, false),
        ("POST /page", body, "123456", 413, false),
        ("POST /", "Transfer-Encoding: gzip\r\n", "", 501, false),
    ] {
        let answer = proxy.ask(&format!(
            "{line} HTTP/1.1\r\nHost: a\r\n{field}\r\n{content}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1 + usize::from(goes_on), "{line}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{line}: {answer}");
    }
}

#[test]
fn a_server_may_keep_its_version_to_itself() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let http = |tokens: &str| {
        format!(
            "{tokens} server {{ listen 127.0.0.1:0; root .; location /up {{ proxy_pass http://{}; add_header X-S \
             \"[$sent_http_server]\"; }} location /told {{ server_tokens on; return 404; }} }}",
            upstream.address
        )
    };
    for (tokens, versionless) in [("", false), ("server_tokens build;", false), ("server_tokens off;", true)]
    {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("file"), "file").expect("a file");
        let proxy = Proxy::start(&http(tokens), dir.path());
        for (path, is_page, versionless) in [
            ("/up", false, versionless),
            ("/file", false, versionless),
            ("/none", true, versionless),
            // The guard refuses it.
            ("/ /", true, versionless),
            ("/told", true, false),
        ] {
            let answer = proxy.get(path);
            let name = if versionless { "target-stack" } else { crate::proxy::headers::SERVER_NAME };
            assert!(answer.contains(&format!("\r\nServer: {name}\r\n")), "{tokens} {path}: {answer}");
            let footer = format!("<hr><center>{name}</center>");
            assert_eq!(answer.contains(&footer), is_page, "{tokens} {path}: {answer}");
            assert!(path != "/up" || answer.contains("X-S: []\r\n"), "{answer}");
        }
    }
}
