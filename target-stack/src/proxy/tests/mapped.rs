//! `map`, `$request_id` and conditions of logs, and what a stack's configuration makes of them: traced requests.

use super::harness::{Proxy, Reply, Upstream, nobody, until};
use crate::nginx_conf::TRACE;
use std::path::Path;

const OK: &str = "HTTP/1.1 200 OK\r\nServer-Timing: app;dur=1.5\r\nContent-Length: 2\r\n\r\nok";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

fn field<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let value = |line: &'a str| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    };
    head.split("\r\n").filter_map(value).collect()
}

#[test]
fn the_first_that_fits_decides() {
    let dir = tempfile::tempdir().expect("a directory");
    let http = r#"
        map $arg_a $exact { default other; "" none; one 1; TWO 2; \default d; \~x tilde; e ""; v "<$args>"; }
        map "$arg_a-$arg_b" $both { a-b yes; }
        map $arg_a $pattern { ~^x(.)(.)$ $2$1; "~*^Y(?<caught>.*)$" "got $caught"; ~y never; default $exact; }
        map $arg_a $chain { "~^q" "[$pattern|$exact]"; }
        map $arg_a $later { default 1; } map $arg_a $later { default 2; }
        map $arg_a $set { default mapped; }
        server { listen 127.0.0.1:0; location / { return 200 "$exact|$both|$pattern|$chain|$later"; }
            location ~ ^/(g.)$ { return 200 "$pattern $1"; }
            location /set { set $set mine; return 200 $set; } location /unset { return 200 $set; } }
    "#;
    let proxy = Proxy::start(http, dir.path());
    for (path, want) in [
        ("/", "none||none||2"),
        ("/?a=one", "1||1||2"),
        ("/?a=oNe", "1||1||2"),
        ("/?a=two", "2||2||2"),
        ("/?a=default", "d||d||2"),
        ("/?a=~x", "tilde||tilde||2"),
        ("/?a=e", "||||2"),
        ("/?a=v", "<a=v>||<a=v>||2"),
        ("/?a=a&b=B", "other|yes|other||2"),
        ("/?a=x12", "other||21||2"),
        ("/?a=yES", "other||got ES||2"),
        ("/?a=q", "other||other|[other|other]|2"),
        ("/g1?a=x12", "21 g1"),
        ("/set", "mine"),
        ("/unset", "mapped"),
    ] {
        assert_eq!(body(&proxy.get(path)), want, "{path}");
    }
}

#[test]
fn an_id_is_a_requests_own_wherever_it_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let http =
        "add_header X-A $request_id; server { listen 127.0.0.1:0; location / { return 200 $request_id; } }";
    let proxy = Proxy::start(http, dir.path());
    let (one, two) = (proxy.get("/"), proxy.get("/"));
    assert_eq!(field(&one, "x-a"), [body(&one)]);
    assert!(body(&one).len() == 32 && body(&one) != body(&two), "{one} {two}");
}

/// A proxy with a stack's configuration but for its upstream.
fn stack(upstream: &str, dir: &Path) -> Proxy {
    let log = dir.join("access.log");
    let http = format!(
        "{TRACE} access_log {} trace if=$trace; server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://{upstream}; \
         proxy_set_header X-Request-ID $trace; }} }}",
        log.display()
    );
    Proxy::start(&http, dir)
}

#[test]
fn a_request_is_traced_that_brings_an_id_and_one_that_opens_a_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let proxy = stack(&upstream.address.to_string(), dir.path());
    let mut ids = Vec::new();
    for (line, traced) in [
        ("X-Other: 1", false),
        ("X-Request-ID: 5e0c:61.d/3", true),
        ("X-Request-ID: two words", false),
        ("Upgrade-Insecure-Requests: 1", true),
        ("Upgrade-Insecure-Requests: 0", false),
        ("Upgrade-Insecure-Requests: 1\r\nX-Request-ID: mine", true),
    ] {
        let answer =
            proxy.ask(&format!("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{line}\r\n\r\n"));
        let (_, head, _) = upstream.seen().pop().expect("a request");
        let passed = field(&head, "x-request-id");
        assert_eq!(field(&answer, "x-request-id"), passed, "{line}: {answer}");
        let timings = field(&answer, "server-timing");
        assert_eq!((passed.len(), timings.len()), if traced { (1, 2) } else { (0, 1) }, "{line}: {answer}");
        assert_eq!(timings[0], "app;dur=1.5");
        let whole = |text: &str| text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        let told =
            timings.get(1).and_then(|text| text.strip_prefix("proxy;dur=")?.split_once(", upstream;dur="));
        assert!(!traced || told.is_some_and(|(proxy, upstream)| whole(proxy) && whole(upstream)), "{answer}");
        ids.extend(passed.into_iter().map(str::to_owned));
    }
    assert_eq!([ids[0].as_str(), ids[2].as_str(), &ids[1][..0]], ["5e0c:61.d/3", "mine", ""]);
    // What is not traced is not logged.
    let log = || std::fs::read_to_string(dir.path().join("access.log")).unwrap_or_default();
    until("three lines", || log().lines().count() == 3);
    let logged: Vec<String> =
        log().lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect();
    assert_eq!(logged, ids);
}

#[test]
fn an_error_of_the_proxys_own_has_the_id_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let proxy = stack(&nobody().to_string(), dir.path());
    let answer =
        proxy.ask("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nX-Request-ID: mine\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(field(&answer, "x-request-id"), ["mine"]);
    assert!(field(&answer, "server-timing")[0].starts_with("proxy;dur=0"), "{answer}");
}
