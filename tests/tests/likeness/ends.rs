//! After which answers a connection goes on.

use e2e::pair::Pair;
use e2e::stack::nginx_is_installed;

const HTTP: &str = "
    server { listen LISTEN; client_max_body_size 5; proxy_set_header Connection '';
      location / { return 200 ok; }
      location /400 { return 400; } location /403 { return 403; } location /404 { return 404; } location /405 { return 405; }
      location /411 { return 411; } location /413 { return 413; } location /414 { return 414; } location /494 { return 494; }
      location /497 { return 497; } location /500 { return 500; } location /501 { return 501; } location /502 { return 502; }
      location /503 { return 503; } location /text { return 500 text; } location /missing { error_page 404 @no; return 404; }
      location /page { error_page 400 413 500 501 /; return 500; } location /else { error_page 500 =200 @else; return 500; }
      location /away { error_page 500 http://a/; return 500; } location @else { return 200 else; }
      location /cycle { rewrite ^(.*) $1x; } location /dead { proxy_pass http://127.0.0.1:1; }
      location /up { proxy_pass http://UPSTREAM; } location /status { stub_status; } }";

#[test]
fn connections_end_after_the_same_answers() {
    if !nginx_is_installed() {
        return;
    }
    let pair = Pair::start(HTTP, |_| ());
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000));
    let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9000));
    let plain = "/400 /403 /404 /405 /411 /413 /414 /494 /497 /500 /501 /502 /503 /text /missing /page /else /away \
                 /cycle /dead /up /../..";
    let mut requests: Vec<String> =
        plain.split_whitespace().map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let rest = [
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/2.1\r\nHost: a\r\n\r\n",
        "POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n123456",
        "POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n123456",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        &long,
        &field,
    ];
    requests.extend(rest.map(str::to_owned));
    let mut differences = String::new();
    for request in requests {
        let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let (ours, theirs) = pair.ask_plainly(&format!("{request}{next}"));
        let statuses = |answers: &str| -> Vec<String> {
            answers
                .split("HTTP/1.1 ")
                .skip(1)
                .filter_map(|answer| answer.get(..3).map(str::to_owned))
                .collect()
        };
        if statuses(&ours) != statuses(&theirs) {
            differences.push_str(&format!("{request}here: {ours:?}\nnginx: {theirs:?}\n\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
