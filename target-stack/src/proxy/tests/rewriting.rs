//! Locations, rewriting, redirects and error pages, as clients and upstreams see them.

use super::harness::{OK, Proxy, Reply, Upstream, nobody};

/// A proxy with `inside` in its one server, and `$UP` in it for an upstream's address.
fn with(inside: &str, upstream: &Upstream) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("html")).expect("a directory");
    std::fs::write(dir.path().join("html/page.html"), "page").expect("a file");
    let inside =
        inside.replace("$UP", &upstream.address.to_string()).replace("$NOBODY", &nobody().to_string());
    let http = format!("server {{ listen 127.0.0.1:0; server_name one; {inside} }}");
    (Proxy::start(&http, dir.path()), dir)
}

fn ok() -> Upstream {
    Upstream::start(|_, _| Reply::Send(OK))
}

/// The status, where to, and the body.
fn told(answer: &str) -> (u16, &str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let to = head.split("\r\n").find_map(|line| line.strip_prefix("Location: ")).unwrap_or("");
    (head[9..12].parse().expect("a status"), to, body)
}

/// Rows of a path, and the status and body that it gets.
fn hold(inside: &str, rows: &[(&str, u16, &str)]) {
    let (proxy, _dir) = with(inside, &ok());
    for &(path, status, want) in rows {
        let answer = proxy.get(path);
        let (got, _, body) = told(&answer);
        let body = if want.is_empty() { "" } else { body };
        assert_eq!((got, body), (status, want), "{path}: {answer}");
    }
}

#[test]
fn locations_are_chosen_as_nginx_chooses_them() {
    hold(
        "location / { return 200 root; } location = / { return 200 exact; } location /img/ { return 200 img; \
         location ~ \\.x$ { return 200 x-in-img; } location /img/big/ { return 200 big; } } \
         location ~ \\.png$ { return 200 png; } location ~* ^/i.*\\.gif$ { return 200 gif; } \
         location ^~ /raw/ { return 200 raw; } location ~ ^/(?<one>\\w+)/(\\d+)$ { return 200 \"$one $1 $2 $3\"; }",
        &[
            ("/", 200, "exact"),
            ("/a", 200, "root"),
            ("/img/a", 200, "img"),
            ("/img/big/a", 200, "big"),
            ("/img/a.x", 200, "x-in-img"),
            ("/img/big/a.x", 200, "x-in-img"),
            ("/img/a.png", 200, "png"),
            ("/Img/a.GIF", 200, "gif"),
            ("/raw/a.png", 200, "raw"),
            ("/shop/42", 200, "shop shop 42 "),
            ("/im%67/a", 200, "img"),
        ],
    );
}

#[test]
fn a_uri_is_rewritten() {
    hold(
        "rewrite ^/top/(.*)$ /new/$1; \
         location /new/ { return 200 \"$uri?$args\"; } \
         location /last { rewrite ^/last/(.*) /new/$1?from=last last; return 200 unreached; } \
         location /drop { rewrite ^ /new/x?; } \
         location /go { rewrite ^/go$ /go1; rewrite ^/go1$ /new/2?b=$arg_a; } \
         location /esc { rewrite ^/esc/(.*) /new/?v=$1; } \
         location /break { set $before b; rewrite ^/break/(.*) /page.html break; return 200 unreached; } \
         location /set { set $a 1; set $b \"$a-$arg_q\"; set $args new; return 200 \"$b $args $unset\"; } \
         location /unset { return 200 \"[$unset]\"; set $unset 1; } \
         location /nothing { rewrite ^/nothing(.*)$ $1; } \
         location /cycle { rewrite ^(.*)$ $1x; } \
         location /ten { rewrite ^/ten/x(.*)$ /ten/$1 last; return 200 $uri; } \
         location /in { internal; return 200 inside; location /in/deep { return 200 deep; } } \
         location /to-in { rewrite ^ /in last; } ",
        &[
            ("/top/a?b=c", 200, "/new/a?b=c"),
            ("/last/a?b=c", 200, "/new/a?from=last&b=c"),
            ("/drop?b=c", 200, "/new/x?"),
            ("/go?a=1", 200, "/new/2?b=1&a=1"),
            ("/esc/a%26b+c%2f", 200, "/new/?v=a%26b%2Bc/"),
            ("/break/a", 200, "page"),
            ("/set?q=2", 200, "1-2 new "),
            ("/unset", 200, "[]"),
            ("/nothing", 500, ""),
            ("/cycle", 500, ""),
            ("/ten/xxxxxxxxxx", 200, "/ten/"),
            ("/ten/xxxxxxxxxxx", 500, ""),
            ("/in", 404, ""),
            ("/in/deep", 404, ""),
            ("/to-in", 200, "inside"),
        ],
    );
}

#[test]
fn redirects_say_where_to_go() {
    let upstream = ok();
    let (proxy, _dir) = with(
        "location /a/ { rewrite ^/a/(.*)$ /b/$1 redirect; } location /p { rewrite ^ http://other.test/x? permanent; } \
         location /r { return 302 /c?d; } location /u { return https://$host$request_uri; } \
         location /rel { return 303 there; } location /api/ { proxy_pass http://$UP; } \
         location /plain { proxy_pass http://$UP/; } location /uri { return 301 http://other.test$uri; }",
        &upstream,
    );
    let here = format!("http://shop.test:{}", proxy.address.port());
    for (path, status, to) in [
        ("/a/x%20y?q", 302, format!("{here}/b/x%20y?q")),
        ("/p?q=1", 301, "http://other.test/x".to_owned()),
        ("/r", 302, format!("{here}/c?d")),
        ("/u?x", 302, "https://shop.test/u?x".to_owned()),
        ("/rel", 303, "there".to_owned()),
        ("/api?q=1", 301, format!("{here}/api/?q=1")),
        ("/api/", 200, String::new()),
        ("/plain", 200, String::new()),
    ] {
        let answer = proxy.get(path);
        assert_eq!((told(&answer).0, told(&answer).1), (status, to.as_str()), "{path}: {answer}");
    }
    // What would be a field of the client's making.
    assert_eq!(told(&proxy.get("/a/x%0d%0aSet-Cookie:%20y")).0, 404);
    assert_eq!(told(&proxy.get("/uri/x%0d%0aSet-Cookie:%20y")).0, 400);
    let answer = proxy.ask("GET /r HTTP/1.0\r\n\r\n");
    assert_eq!(told(&answer).1, format!("http://127.0.0.1:{}/c?d", proxy.address.port()));
}

#[test]
fn an_error_has_a_page() {
    hold(
        "error_page 404 /page.html; error_page 403 = /said; error_page 410 @gone; error_page 405 =200 /said?code=405; \
         error_page 500 502 /fallback; error_page 418 =404 /said; \
         location /said { return 201 \"$request_method $uri $args $request_uri\"; } \
         location @gone { return 200 \"gone $uri\"; } location /403 { return 403; } location /410 { return 410; } \
         location /405 { return 405; } location /418 { return 418; } location /dead { proxy_pass http://$NOBODY; } \
         location /fallback { proxy_pass http://$UP; } location /text { return 404 text; } \
         location /twice { error_page 404 /twice/none; }",
        &[
            ("/none", 404, "page"),
            ("/403", 201, "GET /said  /403"),
            ("/410", 410, "gone /410"),
            ("/405?a=b", 200, "GET /said code=405 /405?a=b"),
            ("/418", 404, "GET /said  /418"),
            ("/dead", 502, "ok"),
            ("/text", 404, "text"),
            ("/twice/x", 404, ""),
        ],
    );
    // A page is asked for by GET, and the log says what the client asked.
    let dir = tempfile::tempdir().expect("a directory");
    let http = "log_format short '$request|$request_method|$status'; access_log a.log short; \
                server { listen 127.0.0.1:0; error_page 404 /said; location /said { return 200 $request_method; } }";
    let mut proxy = Proxy::start(http, dir.path());
    assert!(proxy.post("/none", "x").ends_with("\r\n\r\nGET"));
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    assert_eq!(log, "POST /none HTTP/1.1|GET|404\n");
}

#[test]
fn files_are_tried_in_turn() {
    hold(
        "location / { try_files $uri $uri.html @else; } location @else { return 200 \"else $uri\"; } \
         location /code { try_files /none =418; } location /dir { try_files /none/ / /last; } \
         location /last { return 200 last; } location /uri { try_files /none /last?q=$uri; } \
         location /al/ { alias html/; try_files $uri /al/page.html =404; } location = /twice { try_files /none /twice; } \
         location ~ ^/re/(.*)$ { alias html/; try_files $1 =404; } \
         location /up { try_files /page.html =404; proxy_pass http://$UP; }",
        &[
            ("/page.html", 200, "page"),
            ("/page", 200, "page"),
            ("/other", 200, "else /other"),
            ("/code", 418, ""),
            ("/uri", 200, "last"),
            ("/al/page.html", 200, "page"),
            ("/al/none", 404, ""),
            ("/re/page.html", 200, "page"),
            ("/twice", 500, ""),
            ("/up", 200, "ok"),
        ],
    );
}

#[test]
fn an_upstream_is_asked_for_what_is_left_of_the_uri() {
    let upstream = ok();
    let (proxy, _dir) = with(
        "location /own { proxy_pass http://$UP; } location /a/ { proxy_pass http://$UP/b/; } \
         location /br/ { rewrite ^/br/(.*)$ /x/$1 break; proxy_pass http://$UP/b/; } \
         location /go/ { rewrite ^/go/(.*)$ /a/$1 last; } location ~ ^/re/(.*)$ { proxy_pass http://$UP; } \
         location ~ ^/var/(.*)$ { proxy_pass http://$UP/$1?v=$arg_q; } location /vh { set $up $UP; proxy_pass http://$up; } \
         location /err { error_page 404 /own/404; return 404; } location /args { set $args z; proxy_pass http://$UP; } \
         location /unknown { proxy_pass http://$arg_host/; }",
        &upstream,
    );
    let rows = [
        ("/own/a%20b//c?q", "/own/a%20b//c?q"),
        ("/a/x%20y?q", "/b/x%20y?q"),
        ("/br/x%20y?q", "/x/x%20y?q"),
        ("/go/1?q", "/b/1?q"),
        ("/re/x%2fy", "/re/x%2fy"),
        ("/var/x?q=1", "/x?v=1"),
        ("/vh/x?q", "/vh/x?q"),
        ("/err?q", "/own/404"),
        ("/args?q", "/args?z"),
    ];
    for (path, want) in rows {
        proxy.get(path);
        let head = upstream.seen().last().expect("a request").1.clone();
        assert!(
            head.starts_with(&format!("get {want} http/1.1\r\nhost: {}\r\n", upstream.address)),
            "{path}: {head}"
        );
    }
    assert_eq!(told(&proxy.get("/unknown?host=other.test")).0, 502);
    assert_eq!(upstream.seen().len(), rows.len());
}

#[test]
fn a_body_that_is_gone_goes_to_no_second_upstream() {
    let first = Upstream::start(|_, _| Reply::Close);
    let second = ok();
    let inside = format!(
        "client_max_body_size 0; location / {{ error_page 502 @second; proxy_pass http://{}; }} \
         location @second {{ proxy_pass http://$UP; }}",
        first.address
    );
    let (proxy, _dir) = with(&inside, &second);
    assert_eq!(told(&proxy.get("/")), (502, "", "ok"));
    assert_eq!(told(&proxy.post("/", "order")), (502, "", "ok"));
    assert_eq!(second.seen()[1].2, "order");
    // More than is held has gone with the first one.
    assert_eq!(told(&proxy.post("/", &"x".repeat(1 << 20))).0, 502);
    assert_eq!(second.seen().len(), 2);
    let (proxy, _dir) = with(
        "location / { error_page 502 @second; proxy_pass http://$NOBODY; } location @second { proxy_pass http://$UP; }",
        &second,
    );
    let answer = proxy.post("/", "order");
    assert!(answer.ends_with("ok"), "{answer}");
}

#[test]
fn fields_are_added_to_an_answer() {
    let (proxy, _dir) = with(
        "add_header X-Outer 1; location /a { add_header X-A $uri; add_header X-B b always; expires 1h; return 200 a; } \
         location /a/404 { add_header X-A a; add_header X-B b always; expires 1h; return 404; } \
         location /b { proxy_pass http://$UP; } location /c { expires -1; add_header Cache-Control private; return 200 c; } \
         location /d { add_header X-Empty \"$arg_none\"; add_header X-Type $sent_http_content_type; \
         add_header Content-Length 9; add_header Transfer-Encoding chunked; return 200 d; }",
        &ok(),
    );
    for (path, there, missing) in [
        (
            "/a",
            &["X-A: /a\r\n", "X-B: b\r\n", "Cache-Control: max-age=3600\r\n", "Expires: "][..],
            &["X-Outer"][..],
        ),
        ("/a/404", &["X-B: b\r\n"], &["X-A", "Expires", "Cache-Control"]),
        ("/b", &["X-Outer: 1\r\n"], &[]),
        ("/c", &["Cache-Control: no-cache\r\n", "Cache-Control: private\r\n"], &["X-Outer"]),
        (
            "/d",
            &["X-Type: text/plain\r\n", "Content-Length: 1\r\n"],
            &["X-Empty", "Content-Length: 9", "chunked"],
        ),
    ] {
        let answer = proxy.get(path);
        assert!(there.iter().all(|line| answer.contains(line)), "{path}: {answer}");
        assert!(missing.iter().all(|name| !answer.contains(name)), "{path}: {answer}");
    }
}

#[test]
fn servers_are_told_by_their_names() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = |names: &str| {
        format!(
            "server {{ listen 127.0.0.1:81 default_server; server_name {names}; return 200 \"$server_name|$host|$who\"; }}"
        )
    };
    let servers: String =
        ["other", "exact.test", "*.wild.test .both.test", "tail.*", "~^(?<who>.+)\\.re\\.test$"]
            .iter()
            .enumerate()
            .map(|(index, names)| {
                server(names).replace(" default_server", if index == 0 { " default_server" } else { "" })
            })
            .collect();
    let proxy = Proxy::start(&servers, dir.path());
    for (host, want) in [
        ("exact.test", "exact.test|exact.test|"),
        ("EXACT.test.:80", "exact.test|exact.test|"),
        ("a.b.wild.test", "*.wild.test|a.b.wild.test|"),
        ("wild.test", "other|wild.test|"),
        ("both.test", "*.wild.test|both.test|"),
        ("tail.org", "tail.*|tail.org|"),
        ("joe.re.test", "~^(?<who>.+)\\.re\\.test$|joe.re.test|joe"),
    ] {
        let answer = proxy.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(told(&answer).2, want, "{host}");
    }
    for host in ["..", "a..b", ".", ":80"] {
        let answer = proxy.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(told(&answer).0, 400, "{host}: {answer}");
    }
}
