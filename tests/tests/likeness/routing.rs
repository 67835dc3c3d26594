//! Which server and location answers, what rewriting makes of a request, and what stands in for an error.

use super::{hold, write};
use e2e::pair::Pair;
use e2e::stack::nginx_is_installed;

#[test]
fn locations_and_rewriting() {
    if !nginx_is_installed() {
        return;
    }
    let http = r#"
    default_type text/plain;
    server {
        listen LISTEN; server_name one; root ROOT;
        rewrite ^/top/(.*)$ /said/$1;
        rewrite ^/moved/(.*)$ /pre/$1 break;
        set $early "$uri"; rewrite ^/early/(?<rest>.*)$ /said/early?was=$early&rest=$rest;
        location / { return 200 root; }
        location = / { return 200 exact; }
        location /img/ { return 200 img;
            location ~ \.x$ { return 200 x-in-img; }
            location /img/big/ { return 200 big; }
            location = /img/exact { return 200 "exact"; }
            location ^~ /img/raw/ { return 200 raw; }
        }
        location ~ \.png$ { return 200 "png"; }
        location ~* ^/i.*\.gif$ { return 200 "gif"; location ~ (b+) { return 200 "b $1"; } }
        location ^~ /raw/ { return 200 raw; }
        location ~ ^/(?<first>\w+)/(\d+)/?$ { return 200 "$first|$1|$2|$3|$9"; }
        location /said { return 200 "$uri|$args|$is_args|$request_uri|$request_method"; }
        location /last { rewrite ^/last/(.*) /said/$1?from=last last; return 200 unreached; }
        location /drop { rewrite ^ /said/x?; }
        location /drop2 { rewrite ^ /said/x?c=3? ; }
        location /go { rewrite ^/go$ /go1; rewrite ^/go1$ /said/2?b=$arg_a; }
        location /esc/ { rewrite ^/esc/(.*) /said?v=$1; }
        location /esc2/ { rewrite ^/esc2/(?<raw>.*) /said?v=$raw; }
        location /red/ { rewrite ^/red/(.*)$ /to/$1 redirect; }
        location /redq/ { rewrite ^/redq/(.*)$ /to?v=$1 permanent; }
        location /url/ { rewrite ^/url/(.*)$ http://other.test/$1; }
        location /url2/ { rewrite ^/url2/(.*)$ http://other.test/$1? last; }
        location /set/ { set $a 1; set $b "$a-$arg_q"; set $args "new=$args"; return 200 "$b|$args|$c"; set $c 1; }
        location ~ ^/quote/(.*)$ { set $q $1; return 200 "$q|$1"; }
        location /quote2/ { rewrite ^/quote2/(.*)$ /q/$1; set $q $1; return 200 "$q|$1|$uri"; }
        location /miss/ { rewrite ^/miss/(.*)$ /miss2/$1; rewrite ^/never/(.*)$ /x; return 200 "[$1]"; }
        location /break/ { rewrite ^/break/(.*) /a.txt break; return 200 unreached; }
        location /nothing { rewrite ^/nothing(.*)$ $1; }
        location /cycle { rewrite ^(.*)$ $1x; }
        location /ten { rewrite ^/ten/x(.*)$ /ten/$1 last; return 200 $uri; }
        location /in { internal; return 200 inside; location /in/deep { return 200 deep; } }
        location /to-in { rewrite ^ /in last; }
        location /arg { return 200 "$arg_a|$arg_B|$http_x_y|$http_host|$host"; }
        location /own { proxy_pass http://UPSTREAM; }
        location /api/ { proxy_pass http://UPSTREAM/; }
        location /pre { proxy_pass http://UPSTREAM/p; }
        location /br/ { rewrite ^/br/(.*)$ /x/$1 break; proxy_pass http://UPSTREAM/b/; }
        location /ar/ { rewrite ^/ar/(.*)$ /api/$1 last; }
        location ~ ^/re/(.*)$ { proxy_pass http://UPSTREAM; }
        location ~ ^/var/(.*)$ { proxy_pass http://UPSTREAM/$1?v=$arg_q; }
        location ~ ^/var2/ { proxy_pass http://UPSTREAM$request_uri; }
        location /sa { set $args z; proxy_pass http://UPSTREAM; }
        location "/sl ash/" { proxy_pass http://UPSTREAM; }
    }"#;
    let pair = Pair::start(http, |root| write(root, "a.txt", "0123456789"));
    let paths = "
        / /a /img /img/ /img/a /img/a.x /img/big/a /img/big/a.x /img/exact /img/exact.x /img/raw/a.x /img/raw/a.png
        /img/a.png /Img/a.GIF /ibb.gif /raw/a.png /raw /shop/42 /shop/42/ /shop/4x /im%67/a //img//a /./img/../img/a
        /img/%2e%2e/x /top/a?b=c /moved/x?y /early/a%20b?q /said /said? /said?a /last/a?b=c /last/ /drop?b=c /drop2?z=1 /go?a=1 /go
        /esc/a%26b+c%2f%3f%23%25 /esc/plain&x=1 /esc2/a%26b+c /red/a%20b%26c%3fd%c3%a9 /red/x?y /redq/a%26b?z
        /url/a%20b?c=d /url2/a?c=d /set/?q=2 /quote/a%20b /quote/ab /quote2/a%20b /miss/a /break/x /nothing /cycle
        /ten/xxxxxxxxxx /ten/xxxxxxxxxxx /in /in/deep /to-in /arg?A=1&b=2 /arg?ab=1&a= /own/a%20b//c?q
        /own/../own/%7e /api /api?q=1 /api/ /api/x%20y%2fz?q /api/a//b /pre/x /prefix /br/x%20y?q /ar/1%202?q
        /re/x%2fy /var/x?q=1 /var2/a%20b?c /sa?q /sl%20ash /sl%20ash/x /.. /% /%zz /%00 /a%2f..%2f..%2fb";
    hold(&pair, "GET", "shop.test", paths, "X-Y: z\r\n");
    hold(&pair, "HEAD", "shop.test", "/ /said /red/x /cycle /in", "");
    hold(&pair, "POST", "Shop.Test.:80", "/ /said /red/x /arg", "Content-Length: 0\r\n");
}

#[test]
fn answers_of_a_status() {
    if !nginx_is_installed() {
        return;
    }
    let codes = "
        200 201 202 204 206 301 302 303 304 305 307 308 309 400 401 402 403 404 405 406 407 408 409 410 411
        412 413 414 415 416 417 418 421 422 429 444 451 494 499 500 501 502 503 504 505 506 507 508 511 600
        999";
    let codes: Vec<u16> = codes.split_whitespace().map(|code| code.parse().unwrap()).collect();
    let locations: String = codes
        .iter()
        .map(|code| {
            format!(
                "location = /{code} {{ return {code}; }} location = /t/{code} {{ return {code} text; }} \
                 location = /r/{code} {{ return {code} /there?q; }} location = /e/{code}.html {{ return {code} ''; }}"
            )
        })
        .collect();
    let pair = Pair::start(&format!("server {{ listen LISTEN; {locations} }}"), |_| {});
    let paths: Vec<String> = codes
        .iter()
        // Of these, nginx sends a body after a head that allows none, or nothing that is HTTP.
        .filter(|code| !matches!(code, 204 | 304))
        .flat_map(|code| {
            [format!("/{code}"), format!("/t/{code}"), format!("/r/{code}"), format!("/e/{code}.html")]
        })
        .chain(["/204".to_owned(), "/t/204".to_owned()])
        .collect();
    hold(&pair, "GET", "a.test", &paths.join(" "), "");
}

#[test]
fn error_pages() {
    if !nginx_is_installed() {
        return;
    }
    let http = r#"
    default_type text/plain;
    server {
        listen LISTEN; root ROOT;
        error_page 404 /404.html; error_page 403 = /said; error_page 410 @gone; error_page 405 =200 /said?code=405;
        error_page 500 502 504 /fallback; error_page 418 =404 /said; error_page 411 http://other.test/x; error_page 412 =301 /said;
        error_page 413 =301 http://other.test/y; error_page 301 /said; error_page 414 /404.html?x=1; error_page 415 =599 /404.html;
        error_page 416 /said; error_page 402 $arg_to; error_page 406 @none; error_page 409 = @gone;
        location /said { return 201 "$request_method $uri $args $request_uri"; }
        location @gone { return 200 "gone $uri $args $request_method"; }
        location /s/ { location /s/403 { return 403; } location /s/410 { return 410; } location /s/405 { return 405; }
            location /s/418 { return 418; } location /s/411 { return 411; } location /s/412 { return 412; }
            location /s/413 { return 413; } location /s/301 { return 301 /foo; } location /s/414 { return 414; }
            location /s/415 { return 415; } location /s/402 { return 402; } location /s/406 { return 406; }
            location /s/409 { return 409; } location /s/500 { return 500; } location /s/400 { return 400; } }
        location /dead { proxy_pass http://127.0.0.1:1; }
        location /fallback { proxy_pass http://UPSTREAM; }
        location /text { return 404 text; }
        location /own { error_page 403 /other; return 404; }
        location /other { return 403; }
        location /lost { error_page 404 /lost/page; }
        location /loop { error_page 403 /loop; return 403; }
    }"#;
    let pair = Pair::start(http, |root| {
        write(root, "404.html", "not found");
        write(root, "range/a.txt", "0123456789");
        std::fs::create_dir(root.join("empty")).unwrap();
    });
    let paths = "
        /none /none?a=b /empty/ /empty /s/403 /s/410?q /s/405?a=b /s/418 /s/411 /s/412?z /s/413 /s/301?a /s/414
        /s/415 /s/402?to=/said?x=y /s/402?to=@gone /s/402?to=http://a/b /s/406 /s/409 /s/500 /s/400 /dead /dead/x?y
        /text /own /other /lost/x /loop /404.html";
    for method in ["GET", "HEAD"] {
        hold(&pair, method, "a.test", paths, "");
    }
    hold(&pair, "POST", "a.test", paths, "Content-Length: 0\r\n");
    hold(&pair, "PUT", "a.test", "/none /404.html /s/410 /dead", "Content-Length: 0\r\n");
    hold(&pair, "GET", "a.test", "/none /s/415", "Range: bytes=20-\r\n");
    hold(&pair, "GET", "a.test", "/none /s/415 /s/405", "Range: bytes=0-1\r\nIf-None-Match: *\r\n");
}

#[test]
fn names_of_servers() {
    if !nginx_is_installed() {
        return;
    }
    let servers: String = ["first", ".both", "default", "\"\"", "*.wild www.tail.*", "~^(?<who>.*)\\.re$", "~^RE2$", "*.a.wild", "tail.*"]
        .iter()
        .map(|names| {
            let default = if *names == "default" { "default_server" } else { "" };
            format!("server {{ listen LISTEN {default}; server_name {names}; return 200 \"$server_name|$host|$who|$1\"; }}")
        })
        .collect();
    let pair = Pair::start(&servers, |_| {});
    let hosts = "first|FIRST|both|a.both|both.|both.:80|nobody|a.wild|.wild|wild|b.a.wild|.a.wild|www.tail.x|tail.x|tail.|\
        joe.re|JOE.re|re2|.re|..|a..b|.|:80|both:|both:x|[::1]|[::1]:80|_|a%41|a/b|a b|both.:|a_b.wild";
    for host in hosts.split('|') {
        hold(&pair, "GET", host, "/", "");
    }
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: both\r\n\r\n",
        "GET http://a.both/ HTTP/1.1\r\nHost: first\r\nConnection: close\r\n\r\n",
        "GET http://a.both:81 HTTP/1.1\r\nHost: first\r\nConnection: close\r\n\r\n",
        "GET http://a..b/ HTTP/1.1\r\nHost: first\r\nConnection: close\r\n\r\n",
    ] {
        let (ours, theirs) = pair.ask(request);
        assert_eq!(ours, theirs, "{request}");
    }
}
