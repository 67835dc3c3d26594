//! What a server is sent and what the client gets of its answer, as the `proxy_` directives say.

use super::harness::{OK, Proxy, Reply, Upstream, nobody, passing, rest, until};
use std::io::Write;

fn upstream() -> Upstream {
    Upstream::start(|_, _| Reply::Send(OK))
}

#[test]
fn method_body_and_fields_are_those_of_the_configuration() {
    let request = "PUT /x HTTP/1.1\r\nHost: shop.test\r\nX-Mine: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmine";
    for (more, line, has, has_not, body) in [
        ("", "put /x http/1.1", &["x-mine: 1", "content-length: 4"][..], &[][..], "mine"),
        ("proxy_method POST;", "post /x", &["x-mine: 1"], &[], "mine"),
        ("proxy_method $http_x_mine;", "1 /x", &[], &[], "mine"),
        ("proxy_set_body 'a $request_method';", "put /x", &["content-length: 5"], &[], "a PUT"),
        ("proxy_set_body '';", "put /x", &["content-length: 0"], &[], ""),
        ("proxy_pass_request_body off;", "put /x", &["x-mine: 1"], &["content-length", "transfer-enc"], ""),
        (
            "proxy_pass_request_headers off;",
            "put /x",
            &["host: app", "content-length: 4"],
            &["x-mine"],
            "mine",
        ),
        (
            "proxy_pass_request_headers off; proxy_pass_request_body off; proxy_method GET; proxy_set_header X-Mine 2;",
            "get /x",
            &["host: app", "x-mine: 2"],
            &["x-mine: 1", "content-length"],
            "",
        ),
        (
            "proxy_http_version 1.0;",
            "put /x http/1.0",
            &["connection: close", "content-length: 4"],
            &[],
            "mine",
        ),
        ("proxy_request_buffering off;", "put /x", &["content-length: 4"], &[], "mine"),
    ] {
        let upstream = upstream();
        let (proxy, _dir) = passing(&[upstream.address], more);
        assert!(proxy.ask(request).ends_with("ok"), "{more}");
        let (_, head, got) = &upstream.seen()[0];
        assert!(head.starts_with(line), "{more}: {head}");
        assert!(has.iter().all(|field| head.contains(&format!("\r\n{field}\r\n"))), "{more}: {head}");
        assert!(!has_not.iter().any(|field| head.contains(&format!("\r\n{field}"))), "{more}: {head}");
        assert_eq!(got, body, "{more}");
    }
    let (proxy, _dir) = passing(&[upstream().address], "proxy_method $arg_m;");
    assert!(proxy.get("/?m=a(b").starts_with("HTTP/1.1 500 "), "what is no method is not sent");
}

#[test]
fn fields_of_an_answer_are_hidden_and_passed() {
    let answer = "HTTP/1.1 200 OK\r\nServer: app\r\nX-A: 1\r\nX-B: 1\r\nX-Accel-Expires: 1\r\nContent-Length: 0\r\n\r\n";
    let upstream = Upstream::start(move |_, _| Reply::Send(answer));
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "upstream app {{ server {}; }} proxy_hide_header X-A; proxy_pass_header X-Accel-Expires; \
         server {{ listen 127.0.0.1:0; \
            location /inherits {{ proxy_pass http://app; }} \
            location /hides {{ proxy_pass http://app; proxy_hide_header X-B; }} \
            location /passes {{ proxy_pass http://app; proxy_pass_header Server; }} \
            location /both {{ proxy_pass http://app; proxy_hide_header x-b; proxy_pass_header x-b; }} }}",
        upstream.address
    );
    let proxy = Proxy::start(&http, dir.path());
    const FIELDS: [&str; 4] = ["Server: app\r\n", "X-A: 1\r\n", "X-B: 1\r\n", "X-Accel-Expires: 1\r\n"];
    for (path, want) in [
        ("/inherits", [false, false, true, true]),
        ("/hides", [false, true, false, true]),
        ("/passes", [true, false, true, false]),
        ("/both", [false, true, true, false]),
    ] {
        let answer = proxy.get(path);
        assert_eq!(FIELDS.map(|field| answer.contains(field)), want, "{path}: {answer}");
    }
}

#[test]
fn places_are_rewritten_as_nginx_rewrites_them() {
    // As seen at nginx 1.22.1. PORT is the proxy's own.
    for (more, field, place, want) in [
        ("", "Location", "http://app/x?y", "http://shop.test:PORT/x?y"),
        ("", "Location", "http://app", "http://app"),
        ("", "Location", "http://app:80/x", "http://app:80/x"),
        ("", "Location", "/rel", "/rel"),
        ("", "Location", "http://APP/x", "http://APP/x"),
        ("", "Location", "https://app/x", "https://app/x"),
        ("", "Content-Location", "http://app/x", "http://app/x"),
        ("", "Refresh", "5; url=http://app/x", "5; url=/x"),
        ("", "Refresh", "0;URL=http://app/", "0;URL=/"),
        ("", "Refresh", "3", "3"),
        ("", "Refresh", "0; url=\"http://app/\"", "0; url=\"http://app/\""),
        ("proxy_redirect off;", "Location", "http://app/x", "http://app/x"),
        ("proxy_redirect http://one/ /two/;", "Location", "http://one/x", "http://shop.test:PORT/two/x"),
        ("proxy_redirect http://one/ /two/;", "Location", "http://app/x", "http://app/x"),
        (
            "proxy_redirect http://one/ http://$host/two/;",
            "Location",
            "http://one/x",
            "http://shop.test/two/x",
        ),
        ("proxy_redirect http://$host/ /h/;", "Location", "http://shop.test/x", "http://shop.test:PORT/h/x"),
        ("proxy_redirect / /x/;", "Location", "/y", "http://shop.test:PORT/x/y"),
        ("proxy_redirect http://app/ '';", "Location", "http://app/x", "x"),
        ("proxy_redirect http://app http://y;", "Location", "http://application/x", "http://ylication/x"),
        (
            "proxy_redirect /q/ /z/; proxy_redirect default;",
            "Location",
            "http://app/x",
            "http://shop.test:PORT/x",
        ),
        ("proxy_redirect /q/ /z/; proxy_redirect default;", "Location", "/q/1", "http://shop.test:PORT/z/1"),
        ("proxy_redirect ~^http://app/(.*)$ /r/$1;", "Location", "http://app/x", "http://shop.test:PORT/r/x"),
        ("proxy_redirect ~^http://app/(.*)$ /r/$1;", "Location", "http://APP/x", "http://APP/x"),
        (
            "proxy_redirect ~*^(http://[^:]+):\\d+(?<rest>/.+)$ $1$rest;",
            "Location",
            "HTTP://one:81/x",
            "HTTP://one/x",
        ),
        ("proxy_redirect ~app z;", "Refresh", "3; url=http://app/x", "3; url=z"),
    ] {
        let answer: &'static str =
            format!("HTTP/1.1 302 Found\r\n{field}: {place}\r\nContent-Length: 0\r\n\r\n").leak();
        let upstream = Upstream::start(move |_, _| Reply::Send(answer));
        let (proxy, _dir) = passing(&[upstream.address], more);
        let (got, want) = (proxy.get("/"), want.replace("PORT", &proxy.address.port().to_string()));
        assert!(got.contains(&format!("\r\n{field}: {want}\r\n")), "{more} {place}: {got}");
    }
}

#[test]
fn the_default_of_places_is_by_location_and_url() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://app/b/x\r\nContent-Length: 0\r\n\r\n";
    let upstream = Upstream::start(move |_, _| Reply::Send(answer));
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "upstream app {{ server {}; }} proxy_redirect off; server {{ listen 127.0.0.1:0; \
            location /off/ {{ proxy_pass http://app/b/; }} \
            location /a/ {{ proxy_pass http://app/b/; proxy_redirect default; }} \
            location = /exact {{ proxy_pass http://app/b/x; proxy_redirect default; }} \
            location /other/ {{ proxy_pass http://app/c/; proxy_redirect default; }} }}",
        upstream.address
    );
    let proxy = Proxy::start(&http, dir.path());
    let here = format!("http://shop.test:{}", proxy.address.port());
    for (path, want) in [
        ("/off/", "http://app/b/x"),
        ("/a/", &format!("{here}/a/x")),
        ("/exact", &format!("{here}/exact")),
        ("/other/", "http://app/b/x"),
    ] {
        let got = proxy.get(path);
        assert!(got.contains(&format!("\r\nLocation: {want}\r\n")), "{path}: {got}");
    }
}

#[test]
fn a_slow_client_keeps_no_server_waiting() {
    for (more, waits) in [("", true), ("proxy_request_buffering off;", false)] {
        let upstream = upstream();
        let (proxy, _dir) = passing(&[upstream.address], more);
        let mut client = proxy.connect();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.write_all(format!("{head}3\r\nabc\r\n").as_bytes()).expect("a part sent");
        if waits {
            // A second client is served meanwhile, and the server has seen nothing of the first.
            assert!(proxy.get("/").ends_with("ok"));
            assert_eq!(proxy.counters.upstream(0).peers[0].standing.conns().get(), 0);
        } else {
            let conns = proxy.counters.upstream(0).peers[0].standing.conns();
            until("the server is asked", || conns.get() == 1);
        }
        client.write_all(b"3\r\ndef\r\n0\r\n\r\n").expect("the rest sent");
        assert!(rest(&mut client).0.ends_with("ok"), "{more}");
        let (_, head, body) = upstream.seen().pop().expect("a request");
        // Of a body that has come whole the length is known.
        let (field, want) =
            if waits { ("content-length: 6", "abcdef") } else { ("transfer-encoding: chunked", "3\r\nabc") };
        assert!(head.contains(&format!("\r\n{field}\r\n")) && body.starts_with(want), "{head}{body}");
    }
    // Without chunks, too, an upload of unknown length has an end once it has come whole.
    let upstream = upstream();
    let (proxy, _dir) = passing(&[upstream.address], "proxy_http_version 1.0; client_max_body_size 0;");
    let chunked = |body: &str| {
        proxy.ask(&format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ))
    };
    assert!(chunked("body").ends_with("ok") && upstream.seen()[0].2 == "body");
    assert!(chunked(&"x".repeat(1 << 20)).starts_with("HTTP/1.1 411 "));
}

#[test]
fn tries_are_listed_as_nginx_lists_them() {
    let good = upstream();
    let busy = Upstream::start(|_, _| Reply::Send("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"));
    let dir = tempfile::tempdir().expect("a directory");
    let dead = nobody();
    let http = format!(
        "log_format up '$status $upstream_status|$upstream_addr|$upstream_connect_time|$upstream_header_time|$upstream_response_time'; \
         access_log a.log up; \
         upstream app {{ server {dead}; server {}; server {}; }} upstream none {{ server {dead} down; }} \
         server {{ listen 127.0.0.1:0; \
            location / {{ proxy_pass http://app; proxy_next_upstream error http_503; }} \
            location /none {{ proxy_pass http://none; }} location /own {{ return 200 x; }} }}",
        busy.address, good.address
    );
    let mut proxy = Proxy::start(&http, dir.path());
    for path in ["/", "/none", "/own"] {
        proxy.get(path);
    }
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    let lines: Vec<&str> = log.lines().collect();
    let parts: Vec<&str> = lines[0].split('|').collect();
    assert_eq!(parts[0], "200 502, 503, 200");
    assert_eq!(parts[1], format!("{dead}, {}, {}", busy.address, good.address));
    let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape(parts[2]), "-, 0.000, 0.000");
    assert_eq!(shape(parts[3]), "-, 0.000, 0.000");
    assert_eq!(shape(parts[4]), "0.000, 0.000, 0.000");
    assert_eq!(shape(lines[1]), "000 000|none|-|-|0.000");
    assert_eq!(lines[2], "200 -|-|-|-|-");
}

#[test]
fn a_request_whose_client_went_has_no_upstream_status() {
    let upstream = Upstream::start(|_, _| Reply::Stay);
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "log_format up '$status [$upstream_status] $upstream_addr'; access_log a.log up; upstream app {{ server {}; }} \
         server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://app; }} }}",
        upstream.address
    );
    let mut proxy = Proxy::start(&http, dir.path());
    let mut client = proxy.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    until("it is there", || upstream.seen().len() == 1);
    drop(client);
    until("it is given up", || proxy.counters.upstream(0).peers[0].standing.conns().get() == 0);
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    assert_eq!(log, format!("499 [-] {}\n", upstream.address));
}

#[test]
fn a_servers_own_error_can_be_answered_by_another_group() {
    // As seen at nginx 1.22.1, with the same configuration.
    for (status, fields, intercepted) in [
        (404, "", Some("200 [404 : 200] [APP : OTHER]")),
        (503, "", Some("200 [503 : 200] [APP : OTHER]")),
        (302, "Location: /q\r\n", Some("200 [302 : 200] [APP : OTHER]")),
        (401, "WWW-Authenticate: Basic\r\n", Some("401 [401] [APP]")),
        (200, "", None),
        (410, "", None),
    ] {
        let answer: &'static str =
            format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: 2\r\n\r\nup").leak();
        for intercepts in [true, false] {
            let (app, other) = (Upstream::start(move |_, _| Reply::Send(answer)), upstream());
            let dir = tempfile::tempdir().expect("a directory");
            let http = format!(
                "log_format up '$status [$upstream_status] [$upstream_addr]'; access_log a.log up; \
                 upstream app {{ server {}; }} upstream other {{ server {}; }} \
                 server {{ listen 127.0.0.1:0; error_page 404 503 302 = @other; error_page 401 /denied; \
                    location / {{ proxy_pass http://app; proxy_intercept_errors {}; }} \
                    location @other {{ proxy_pass http://other; }} location = /denied {{ return 200 denied; }} }}",
                app.address,
                other.address,
                if intercepts { "on" } else { "off" },
            );
            let mut proxy = Proxy::start(&http, dir.path());
            let got = proxy.post("/", "body");
            proxy.stop();
            let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
            let log =
                log.replace(&app.address.to_string(), "APP").replace(&other.address.to_string(), "OTHER");
            let passed = format!("{status} [{status}] [APP]");
            let want = intercepted.filter(|_| intercepts).unwrap_or(&passed);
            assert_eq!(log.trim_end(), want, "{status} {intercepts}");
            if want.contains("OTHER") {
                // The whole request, body and all.
                let (_, head, body) = &other.seen()[0];
                assert!(got.ends_with("ok") && head.starts_with("post / ") && body == "body", "{head}{body}");
            } else {
                let body = if intercepts && status == 401 { "denied" } else { "up" };
                assert!(got.ends_with(&format!("\r\n\r\n{body}")) && other.seen().is_empty(), "{got}");
                assert_eq!(
                    got.to_lowercase().contains("\r\nwww-authenticate: basic\r\n"),
                    status == 401,
                    "{got}"
                );
            }
        }
    }
}
