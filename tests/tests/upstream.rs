//! The proxy's upstream side beside the installed nginx, on one configuration: the same server for the same key, the same tries after the
//! same failures, the same words in the log.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::beside::{CLOSE, Proxy, Server, status};
use e2e::stack::nginx_is_installed;
use std::net::Ipv4Addr;

/// To a server by HTTP/1.1 over connections that are kept, which each version of nginx has its own default of.
const KEPT: &str = "proxy_http_version 1.1; proxy_set_header Connection '';";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
}

/// Both proxies on the same configuration.
fn both(http: &str) -> [Proxy; 2] {
    [Proxy::ours(http), Proxy::nginx(http)]
}

#[test]
fn the_same_key_finds_the_same_server() {
    if !nginx_is_installed() {
        return;
    }
    // Nobody listens there: what is compared is who would be asked.
    let servers = |weights: [u32; 4], down: usize| -> String {
        let server = |(n, weight): (usize, &u32)| {
            let down = if n == down { "down" } else { "" };
            format!("server 127.0.0.1:{} weight={weight} max_fails=0 {down};", n + 1)
        };
        weights.iter().enumerate().map(server).collect()
    };
    let (mut groups, mut locations) = (String::new(), String::new());
    let mut names = Vec::new();
    for (m, method) in
        ["hash $arg_k;", "hash $arg_k consistent;", "ip_hash;", "least_conn;", ""].iter().enumerate()
    {
        for (s, (weights, down)) in
            [([1, 1, 1, 1], 9), ([5, 1, 3, 2], 9), ([1, 2, 1, 1], 1), ([1, 1, 1, 1], 0)]
                .into_iter()
                .enumerate()
        {
            let name = format!("g{m}{s}");
            groups += &format!("upstream {name} {{ {method} {} }}", servers(weights, down));
            locations += &format!("location /{name} {{ proxy_pass http://{name}; }}");
            names.push(name);
        }
    }
    let http = format!(
        "log_format who '$remote_addr $request_uri $upstream_addr'; access_log access.log who; proxy_next_upstream off; \
         {groups} server {{ listen LISTEN; {locations} }}"
    );
    let [ours, theirs] = both(&http).map(|proxy| {
        for k in 0..60_u8 {
            let client = Ipv4Addr::new(127, k, k.wrapping_mul(7), k + 1);
            for name in &names {
                // Keys of several lengths, with bytes of all kinds.
                let key = "x%41\u{e4}".repeat(usize::from(k % 5)) + &k.to_string();
                let key: String =
                    key.bytes().map(|byte| if byte.is_ascii() { char::from(byte) } else { '-' }).collect();
                let answer = proxy.ask_from(client, &get(&format!("/{name}?k={key}")));
                assert_eq!(status(&answer), "502", "{answer}");
            }
        }
        proxy.end()
    });
    assert_eq!(ours.lines().count(), 60 * names.len());
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
}

/// What came of one request: its status, who was asked for what, and what the log says of it.
fn outcome(proxy: Proxy, servers: &[Server], requests: &[String]) -> (Vec<String>, Vec<Vec<String>>, String) {
    let statuses = requests.iter().map(|request| status(&proxy.ask(request)).to_owned()).collect();
    let mut log = proxy.end();
    for (n, server) in servers.iter().enumerate() {
        log = log.replace(&server.address.to_string(), &format!("server {n}"));
    }
    (statuses, servers.iter().map(Server::seen).collect(), log)
}

/// A server that does one of these with each request: `ok`, a status, `close`, or `cut` its answer short.
fn server(deeds: &str) -> Server {
    let answer = |deed: &str| match deed {
        "ok" => OK.to_owned(),
        "close" => String::new(),
        "cut" => format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf{CLOSE}"),
        status => format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"),
    };
    let answers: Vec<String> = deeds.split(' ').map(answer).collect();
    Server::start(&answers.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_request_is_tried_again_when_nginx_tries_it_again() {
    if !nginx_is_installed() {
        return;
    }
    let post = |method: &str| {
        format!("{method} /order HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
    };
    let gets = |count: usize| vec![get("/"); count];
    // What the servers do, one request after the other, what the group and the location say, and what is asked.
    let rows: [(&[&str], &str, &str, Vec<String>); 23] = [
        (&["close", "ok"], "", "", gets(4)),
        (&["close", "close", "ok"], "", "proxy_next_upstream_tries 2;", gets(1)),
        (&["close", "ok"], "", "proxy_next_upstream timeout;", gets(3)),
        (&["close", "ok"], "", "proxy_next_upstream off;", gets(3)),
        (&["close", "ok"], "", "", vec![post("POST"), post("PUT"), post("POST")]),
        (&["close", "ok"], "", "", vec![post("PUT")]),
        (&["close", "ok"], "", "", vec![post("PATCH"), post("DELETE")]),
        (&["close", "ok"], "", "", vec![post("LOCK")]),
        (&["close", "ok"], "", "proxy_next_upstream error non_idempotent;", vec![post("POST")]),
        (&["503", "ok"], "", "", gets(4)),
        (&["503", "ok"], "", "proxy_next_upstream http_503;", gets(4)),
        (&["503", "ok"], "", "proxy_next_upstream http_503;", vec![post("POST"), get("/")]),
        (&["503", "503"], "", "proxy_next_upstream http_503;", gets(1)),
        (&["500", "ok"], "", "proxy_next_upstream http_500;", gets(3)),
        (&["429", "ok"], "", "proxy_next_upstream http_429;", gets(3)),
        // These are no failures: the server stays in the round.
        (&["403", "ok"], "", "proxy_next_upstream http_403;", gets(5)),
        (&["404", "ok"], "", "proxy_next_upstream http_404;", gets(5)),
        // Cut short after the head: too late for another one.
        (&["cut", "ok"], "", "", gets(2)),
        // Failures are counted, and the server comes back into the round only after its time.
        (&["close close ok", "ok"], "max_fails=2", "", gets(8)),
        (&["close ok", "ok"], "max_fails=0", "", gets(6)),
        // A single server is asked whatever it does.
        (&["close close ok"], "", "", gets(3)),
        // What a kept connection carries when its server hangs up.
        (&["ok close ok"], "", "", vec![get("/1"), get("/2")]),
        (&["ok close ok"], "", "", vec![get("/1"), post("POST")]),
    ];
    for (deeds, parameters, directives, requests) in rows {
        let outcomes = [Proxy::ours, Proxy::nginx].map(|start: fn(&str) -> Proxy| {
            let servers: Vec<Server> = deeds.iter().map(|deeds| server(deeds)).collect();
            let group: String =
                servers.iter().map(|server| format!("server {} {parameters};", server.address)).collect();
            let http = format!(
                "log_format tries '$status [$upstream_status] [$upstream_addr]'; access_log access.log tries; \
                 upstream app {{ {group} keepalive 8; }} \
                 server {{ listen LISTEN; location / {{ proxy_pass http://app; {KEPT} {directives} }} }}"
            );
            outcome(start(&http), &servers, &requests)
        });
        assert_eq!(outcomes[0], outcomes[1], "{deeds:?} {parameters} {directives} {requests:?}");
    }
}

#[test]
fn the_log_says_the_same() {
    if !nginx_is_installed() {
        return;
    }
    let names = [
        "status",
        "upstream_status",
        "upstream_connect_time",
        "upstream_header_time",
        "upstream_response_time",
        "body_bytes_sent",
        "connection_requests",
        "request_time",
        "msec",
        "time_local",
        "time_iso8601",
        "sent_http_content_type",
        "sent_http_content_length",
        "sent_http_connection",
        "sent_http_transfer_encoding",
        "sent_http_server",
        "sent_http_date",
        "sent_http_x_a",
        "sent_http_location",
        "upstream_http_x_a",
        "upstream_http_server",
        "upstream_http_content_type",
        "upstream_http_content_length",
        "upstream_http_transfer_encoding",
        "arg_n",
        "arg_N",
        "arg_none",
        "args",
        "uri",
        "request_uri",
        "request_method",
        "request",
        "remote_addr",
        "scheme",
        "server_name",
        "server_addr",
        "host",
        "http_host",
        "http_cookie",
        "http_x",
        "http_none",
        "proxy_host",
        "proxy_add_x_forwarded_for",
    ];
    let format: String = names.iter().map(|name| format!("{name}=[${name}]\n")).collect();
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: up\r\nX-A: 1\r\nContent-Type: text/x\r\n\r\nok",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nServer: up\r\nLocation: http://app/x\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nServer: up\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nServer: up\r\nETag: \"x\"\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nServer: up\r\nContent-Length: 4\r\n\r\ngone",
        "",
    ];
    let requests = [
        "GET /a%20b/../c//d?n=1&N=2&x HTTP/1.1\r\nHost: Shop.Test:99\r\nCookie: a=1\r\nCookie: b=2\r\nX: \"q\\\r\n\
         X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nConnection: close\r\n\r\n",
        "GET /?n=%41 HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /own?N=3 HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n",
    ];
    for answer in answers {
        let logs = [Proxy::ours, Proxy::nginx].map(|start: fn(&str) -> Proxy| {
            let server = Server::start(&[answer]);
            let http = format!(
                "log_format all '{format}'; access_log access.log all; upstream app {{ server {}; }} \
                 server {{ listen LISTEN; server_name one two; location / {{ proxy_pass http://app; {KEPT} }} \
                 location /own {{ return 200 own; }} }}",
                server.address
            );
            let proxy = start(&http);
            for request in requests {
                proxy.ask(request);
            }
            let port = format!(":{}", proxy.address.port());
            proxy.end().replace(&port, ":PORT")
        });
        let [ours, theirs] =
            logs.map(|log| log.lines().filter(|line| !line.is_empty()).map(shape).collect::<Vec<_>>());
        assert_eq!(ours.len(), names.len() * (requests.len() + 1), "{answer:?}");
        let requests = |n: usize| requests[(n / names.len()).min(requests.len() - 1)];
        // A connection that goes on is logged by nginx as one that does not: it forgets that before it writes the line.
        // And a page of the proxy's own is as long as its name.
        let excused = |ours: &str| {
            let of_page =
                ["body_bytes_sent", "sent_http_content_length"].iter().any(|name| ours.starts_with(name));
            ours == "sent_http_connection=[keep-alive]" || (answer.is_empty() && of_page)
        };
        let differ = ours
            .iter()
            .zip(&theirs)
            .enumerate()
            .filter(|(_, (ours, theirs))| ours != theirs && !excused(ours));
        let differ: Vec<_> = differ.map(|(n, (ours, theirs))| (requests(n), ours, theirs)).collect();
        assert!(differ.is_empty(), "{answer:?}: {differ:#?}");
    }
}

/// A line of the log in which times have no digits, and nginx's page no length of its own.
fn shape(line: &str) -> String {
    let name = line.split('=').next().unwrap();
    if name.contains("time") || name == "msec" {
        return line
            .replace(|c: char| c.is_ascii_digit(), "0")
            .replace(|c: char| c.is_ascii_alphabetic(), "a");
    }
    line.to_owned()
}
