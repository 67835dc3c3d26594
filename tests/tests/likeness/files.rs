//! Static files: how they are found, with what they come, and which part of them.

use super::{hold, write};
use e2e::pair::Pair;
use e2e::stack::nginx_is_installed;

#[test]
fn static_files() {
    if !nginx_is_installed() {
        return;
    }
    let http = r#"
    types { text/html html htm; text/x-a A b; }
    default_type text/plain;
    server {
        listen LISTEN; root ROOT; index none.html index.html /last;
        location /al/ { alias ROOT/d/; }
        location = /one { alias ROOT/a.txt; }
        location ~ ^/re/(.*)\.x$ { alias ROOT/$1; }
        location ~ ^/retry/(.*)$ { alias ROOT/; try_files $1 $1.txt =404; }
        rewrite ^/sb/(.*)$ /al/$1 break;
        location /albr/ { alias ROOT/d/; rewrite ^ /albr/x break; }
        location /tf { try_files $uri $uri/ @named; }
        location @named { return 200 "named $uri $args"; }
        location /tf2 { try_files /none /a.txt; }
        location /tf3 { try_files /none/ /d/ /last?q=$uri; }
        location /tf4 { try_files /none =418; }
        location /tf5 { try_files $uri/index.html /none/ =404; }
        location /tf6 { try_files /a.txt /b.txt; proxy_pass http://UPSTREAM; }
        location /tf7 { try_files /none /a.txt?b=c; }
        location /tfal/ { alias ROOT/d/; try_files $uri /tfal/index.html =404; }
        location /last { return 200 "last $uri $args"; }
        location /nodef { default_type ""; }
        location /types { types { text/y txt; } }
        location /hd { expires 1d; add_header X-A $uri; add_header X-B b always; add_header ETag other; }
        location /hd/max { expires max; add_header Last-Modified ""; add_header Cache-Control "public"; }
        location /hd/epoch { expires epoch; } location /hd/off { expires off; } location /hd/mod { expires modified +1d; }
        location /hd/neg { expires -1; } location /hd/404 { add_header X-B b always; add_header X-C c; return 404; }
        location /v { root ROOT/$arg_dir; }
    }"#;
    let pair = Pair::start(http, |root| {
        for name in [
            "a.txt",
            "b.htm",
            "c.A",
            "noext",
            ".hidden.html",
            "d/index.html",
            "d/x",
            "tf/here",
            "tfdir/x",
            "tf5/index.html",
            "dir sp/x",
            "q?m/x",
            "pct%41",
            "é/x",
            "types/a.txt",
            "types/a.html",
            "nodef",
            "hd/f",
            "hd/max",
            "hd/epoch",
            "hd/off",
            "hd/mod",
            "hd/neg",
            "d/v/f",
            "empty.txt/..gitkeep",
        ] {
            write(root, name, "0123456789");
        }
        write(root, "zero", "");
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.join("out")).unwrap();
        write(root, "secret", "x");
    });
    let paths = "
        /a.txt /b.htm /c.A /c.a /noext /.hidden.html /zero /d /d?x=y /d/ /d/?x /d/x /d/x/ /d/x/y /none /none/ /none/x
        /dir%20sp /dir%20sp/ /q%3fm /pct%2541 /%c3%a9 /loop /out /al /al/ /al/x /al/none /one /onex /re/a.txt.x
        /re/none.x /re/d.x /retry/a /retry/d/x /retry/none /albr/y /sb/x /tf /tf/ /tf/here /tf/none?q /tfdir /tf2 /tf3
        /tf3/x /tf4 /tf5 /tf6/x?y /tf7 /tfal/x /tfal/none /types/a.txt /types/a.html /nodef /v/f?dir=d /v/f?dir=none
        /empty.txt /../a.txt /d/../a.txt /d/%2e%2e/a.txt /a.txt%00 /a.txt%20 /a.txt. /A.TXT /hd/max /hd/epoch /hd/off
        /hd/404";
    for method in ["GET", "HEAD"] {
        hold(&pair, method, "a.test", paths, "");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
        hold(&pair, method, "a.test", "/a.txt /d /d/ /none /tf2 /one", "Content-Length: 0\r\n");
    }
    let long = format!("/{}", "x".repeat(300));
    hold(&pair, "GET", "a.test", &long, "");
}

#[test]
fn conditions_and_ranges() {
    if !nginx_is_installed() {
        return;
    }
    let pair = Pair::start(
        "server { listen LISTEN; root ROOT; location /said { return 200 said; } location /status { stub_status; } }",
        |root| {
            write(root, "a.txt", "0123456789");
            write(root, "zero", "");
        },
    );
    let (then, before, after) =
        ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT");
    let (etag, zero) = ("\"2ebc98a1-a\"", "\"2ebc98a1-0\"");
    let mut fields: Vec<String> = [
        "bytes=0-1",
        "bytes=0-0,2-3",
        "bytes=20-",
        "bytes=-0",
        "bytes=-3",
        "bytes=-30",
        "bytes=5-2",
        "bytes=a",
        "bytes=0-1,",
        "bytes=,0-1",
        "bytes=0-9,0-9",
        "bytes=0-4,5-9",
        "bytes = 0-1",
        "BYTES=1-1",
        "bytes=0-",
        "bytes=2-100, 3-4",
        "bytes=100-,0-1",
        "bytes=1-0,2-3",
        "bytes=99999999999999999999-",
        "bytes=0-99999999999999999999",
        "bytes=0-9223372036854775807",
        "bytes=",
        "bytes=-",
        "bytes=- 1",
        "bytes= 1 - 2 , 3 - 4 ",
        "items=0-1",
        "bytes=0-0, -1",
        "bytes=0-0,1-1,2-2,3-3",
        "bytes=9-9",
        "bytes=10-10",
        "bytes=0-1;x",
        "bytes=1-2x",
    ]
    .iter()
    .map(|range| format!("Range: {range}"))
    .collect();
    for date in
        [then, before, after, "junk", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", ""]
    {
        for name in ["If-Modified-Since", "If-Unmodified-Since"] {
            fields.push(format!("{name}: {date}"));
        }
        fields.push(format!("Range: bytes=0-1\r\nIf-Range: {date}"));
    }
    for tag in [
        "*",
        etag,
        zero,
        "\"x\"",
        "x",
        "",
        &format!("W/{etag}"),
        &format!("\"x\", {etag}"),
        &format!("{etag},"),
        &format!("\"x\",W/{etag} , \"y\""),
    ] {
        for name in ["If-Match", "If-None-Match"] {
            fields.push(format!("{name}: {tag}"));
            fields.push(format!("{name}: {tag}\r\nIf-Modified-Since: {then}"));
            fields.push(format!("{name}: {tag}\r\nRange: bytes=0-1"));
        }
        fields.push(format!("Range: bytes=0-1\r\nIf-Range: {tag}"));
    }
    for fields in fields {
        for method in ["GET", "HEAD"] {
            hold(&pair, method, "a.test", "/a.txt /zero /said /none", &format!("{fields}\r\n"));
        }
    }
    // A file that changed has another tag.
    write(&pair.root(), "a.txt", "01234567890");
    hold(&pair, "GET", "a.test", "/a.txt", &format!("If-None-Match: {etag}\r\n"));
}
