//! The cache and gzip beside nginx's: the same configuration, the same upstream and the same requests, and the answers and logs
//! compared.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use e2e::origin::Origin;
use e2e::stack::nginx_is_installed;
use e2e::{Target, http, until};
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What both are given. nginx wants its own files elsewhere, and its defaults have changed, so that these are said.
const SITE: &str = r#"
    log_format f '$request_method $request_uri|$status|$upstream_cache_status|$upstream_status|$body_bytes_sent';
    access_log a.log f;
    proxy_cache_path c levels=1:2 keys_zone=z:1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream app { server UPSTREAM; keepalive 4; }
    server {
        listen 127.0.0.1:PORT;
        proxy_cache z;
        location / { proxy_pass http://app; }
        location /valid { proxy_pass http://app; proxy_cache_valid 404 1m; proxy_cache_valid any 2m; }
        location /bypass { proxy_pass http://app; proxy_cache_bypass $arg_b; proxy_no_cache $arg_n; }
        location /stale { proxy_pass http://app; proxy_cache_use_stale http_503 updating; }
        location /behind { proxy_pass http://app; proxy_cache_use_stale updating; proxy_cache_background_update on; }
        location /revalidate { proxy_pass http://app; proxy_cache_revalidate on; }
        location /lock { proxy_pass http://app; proxy_cache_lock on; }
        location /uses { proxy_pass http://app; proxy_cache_min_uses 2; }
        location /ignore { proxy_pass http://app; proxy_ignore_headers Cache-Control Set-Cookie Vary; proxy_cache_valid 1m; }
        location /key { proxy_pass http://app; proxy_cache_key $arg_k; }
        location /post { proxy_pass http://app; proxy_cache_methods POST; }
        location /off { proxy_pass http://app; proxy_cache off; }
        location /gzip { proxy_pass http://app; gzip on; gzip_types text/plain; gzip_vary on; }
    }
"#;

/// One of the two, before an upstream of its own.
struct Side {
    name: &'static str,
    address: String,
    upstream: Origin,
    dir: TempDir,
    process: Process,
}

enum Process {
    Ours { _target: Target },
    Nginx(Child),
}

impl Side {
    fn ours() -> Self {
        let (dir, upstream) = (directory(), Origin::start());
        write(dir.path(), &site(&upstream, 0), "");
        let target = Target::start(&format!("proxy -p {} -c nginx.conf", dir.path().display()));
        Self {
            name: "ours",
            address: target.address().to_owned(),
            upstream,
            dir,
            process: Process::Ours { _target: target },
        }
    }

    fn nginx() -> Self {
        let (dir, upstream) = (directory(), Origin::start());
        // The kernel's choice, which nginx cannot be told to make.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};"))
            .concat();
        write(dir.path(), &site(&upstream, address.port()), &temporary);
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("env");
        command.arg(format!("PATH={path}")).arg("nginx").arg("-p").arg(dir.path());
        command.args(["-c", "nginx.conf"]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::Nginx(command.spawn().unwrap());
        until("nginx listens", || TcpStream::connect(address).is_ok());
        Self { name: "nginx", address: address.to_string(), upstream, dir, process }
    }

    fn ask(&self, request: &str) -> String {
        let mut words = request.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let lines: String = words
            .next()
            .unwrap_or_default()
            .split('|')
            .filter(|l| !l.is_empty())
            .map(|l| format!("{l}\r\n"))
            .collect();
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        http(
            &self.address,
            &format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}{length}\r\n"),
        )
    }

    /// The access log, once it has so many lines; the order of simultaneous requests is not compared.
    fn log(&self, count: usize) -> Vec<String> {
        let read = || std::fs::read_to_string(self.dir.path().join("a.log")).unwrap_or_default();
        until("all is logged", || read().lines().count() >= count);
        read().lines().map(str::to_owned).collect()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Process::Nginx(child) = &mut self.process {
            e2e::signal(child.id(), Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// nginx's workers may be of another user.
fn directory() -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    dir
}

fn site(upstream: &Origin, port: u16) -> String {
    SITE.replace("UPSTREAM", &upstream.address.to_string()).replace("PORT", &port.to_string())
}

fn write(dir: &Path, site: &str, more: &str) {
    let text = format!("daemon off; error_log error.log; pid pid; events {{}} http {{ {more} {site} }}");
    std::fs::write(dir.join("nginx.conf"), text).unwrap();
}

/// The parts of an answer that are compared: all but who sent it when, how the connection goes on, and the order of fields. Only ours
/// says how old what it has stored is.
fn comparable(answer: &str) -> (String, Vec<String>, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let mut lines = head.lines();
    // Ours has the reason phrases of RFC 9110.
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let mut fields: Vec<String> = lines
        .map(|line| {
            line.split_once(": ")
                .map_or(line.to_owned(), |(name, value)| format!("{}: {value}", name.to_lowercase()))
        })
        .filter(|line| !["server:", "date:", "connection:", "age:"].iter().any(|name| line.starts_with(name)))
        .collect();
    // A page of the proxy's own has its name in it.
    let own = body.contains("<hr><center>");
    if own {
        fields.retain(|line| !line.starts_with("content-length:"));
    }
    fields.sort_unstable();
    let chunked = fields.iter().any(|line| line.starts_with("transfer-encoding"));
    (status, fields, if own || chunked { String::new() } else { body.to_owned() })
}

/// How many answers of the script are not the first under their key.
const VARIANTS: usize = 3;
/// How many are first asked for under a condition, or in a range, that fails: nginx does not store what such a client does not get.
const REFUSED: usize = 2;

/// Requests, one after the other.
const SCRIPT: &str = r#"
GET /fresh
GET /fresh
GET /fresh?other
HEAD /fresh
HEAD /head/fresh
GET /head/fresh
GET /plain
GET /plain
GET /expired
GET /expired
GET /expires
GET /expires
GET /past
GET /past
GET /private
GET /private
GET /shared
GET /shared
GET /cookie
GET /cookie
GET /star
GET /star
GET /vary X-Lang: de
GET /vary X-Lang: de
GET /vary X-Lang: en
GET /vary X-Lang: en
GET /vary X-Lang: de|Accept-Encoding: gzip, br
GET /vary X-Lang: de|Accept-Encoding: gzip,br
GET /vary
GET /vary
GET /missing
GET /missing
GET /valid/missing
GET /valid/missing
GET /valid/plain
GET /valid/plain
GET /bypass/fresh?b=1
GET /bypass/fresh?b=1
GET /bypass/fresh?b=0
GET /bypass/fresh?n=1
GET /bypass/fresh?n=1
GET /bypass/fresh
GET /bypass/fresh
GET /stale/fails
GET /stale/fails
GET /fails
GET /fails
GET /revalidate/tag
GET /revalidate/tag
GET /revalidate/tag If-None-Match: "t"
GET /tag
GET /tag
GET /tag If-None-Match: "t"
GET /uses/fresh
GET /uses/fresh
GET /uses/fresh
GET /uses/range Range: bytes=1-2|If-None-Match: "x"
GET /ignore/private
GET /ignore/private
GET /ignore/cookie
GET /ignore/cookie
GET /ignore/star
GET /ignore/star
GET /key/fresh?k=1&a
GET /key/fresh?k=1&b
GET /key/fresh?k=2&a
POST /fresh
POST /post/fresh
POST /post/fresh
GET /off/fresh
GET /off/fresh
GET /empty
GET /empty
GET /range Range: bytes=2-4
GET /range Range: bytes=2-4
GET /range Range: bytes=-3
GET /range Range: bytes=20-
GET /range Range: bytes=2-4|If-Range: "r"
GET /range Range: bytes=2-4|If-Range: "x"
GET /range If-None-Match: "r"
GET /range If-None-Match: W/"r", "x"
GET /range If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT
GET /range If-Match: "x"
GET /range If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT
HEAD /range Range: bytes=2-4
GET /range?1 Range: bytes=2-4,6-7
GET /range?2 Range: bytes=50-
GET /range?3 If-None-Match: "r"
GET /range?4 If-Match: "x"
GET /gzip/long
GET /gzip/long Accept-Encoding: gzip
GET /gzip/long Accept-Encoding: gzip;q=0
GET /gzip/long Accept-Encoding: br, gzip;q=0.5|Range: bytes=0-3
GET /gzip/long Accept-Encoding: gzip|If-None-Match: W/"l"
GET /gzip/long Accept-Encoding: gzip|Via: 1.1 x
GET /gzip/fresh Accept-Encoding: gzip
HEAD /gzip/long Accept-Encoding: gzip
"#;

#[test]
fn requests_fare_as_with_nginx() {
    if !nginx_is_installed() {
        return;
    }
    let (ours, nginx) = (Side::ours(), Side::nginx());
    let script: Vec<&str> = SCRIPT.lines().filter(|line| !line.is_empty()).collect();
    for request in &script {
        let [ours, theirs] = [&ours, &nginx].map(|side| side.ask(request));
        assert_eq!(comparable(&ours), comparable(&theirs), "{request}\nours:\n{ours}\nnginx:\n{theirs}");
    }
    // nginx counts the bytes of chunks, and its pages have other names in them.
    let count = |line: &String| {
        let same =
            !line.contains("/gzip/long") && !["|416|", "|412|"].iter().any(|status| line.contains(status));
        if same { line.clone() } else { line.rsplit_once('|').unwrap().0.to_owned() }
    };
    let [own, theirs] =
        [&ours, &nginx].map(|side| side.log(script.len()).iter().map(count).collect::<Vec<_>>());
    for (own, theirs) in own.iter().zip(&theirs) {
        assert_eq!(own, theirs);
    }
    assert_eq!(ours.upstream.asked(), nginx.upstream.asked());
    // One has found what the other has: a file for each answer, under the same name.
    let files = |side: &Side| {
        let mut found = Vec::new();
        collect(&side.dir.path().join("c"), &mut found);
        found.sort();
        found
    };
    let theirs = files(&nginx);
    until("the same is on disk", || {
        let own = files(&ours);
        let common = own.iter().filter(|name| theirs.contains(name)).count();
        // Variants are named after what tells them apart, which is not said in the same way.
        (own.len(), theirs.len()) == (common + VARIANTS + REFUSED, common + VARIANTS)
    });
}

/// The names of the files below `dir`, with their directories.
fn collect(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let parts: Vec<_> =
                path.iter().rev().take(3).map(|part| part.to_string_lossy().into_owned()).collect();
            found.push(parts.join("/"));
        }
    }
}

#[test]
fn simultaneous_requests_fare_as_with_nginx() {
    if !nginx_is_installed() {
        return;
    }
    let seen = [Side::ours(), Side::nginx()].map(|side| {
        let together = |path: &str, count: usize| {
            let (before, request) = (side.upstream.asked().len(), format!("GET {path}"));
            side.upstream.hold(true);
            let bodies: Vec<String> = std::thread::scope(|scope| {
                let first = scope.spawn(|| side.ask(&request));
                until("the upstream is asked", || side.upstream.asked().len() > before);
                let others: Vec<_> = (1..count).map(|_| scope.spawn(|| side.ask(&request))).collect();
                // Of a stale answer nobody waits for the upstream; under a lock all do, however long it takes them to come.
                if path.starts_with("/stale") {
                    until("the others have it", || others.iter().all(|other| other.is_finished()));
                }
                side.upstream.hold(false);
                std::iter::once(first)
                    .chain(others)
                    .map(|asked| comparable(&asked.join().unwrap()).2)
                    .collect()
            });
            (bodies, side.upstream.asked().len() - before)
        };
        let lock = together("/lock/fresh", 6);
        side.ask("GET /stale/expired");
        let stale = together("/stale/expired", 3);
        side.ask("GET /behind/expired");
        // The update goes on without its client.
        let behind = side.ask("GET /behind/expired");
        until("the upstream is asked", || {
            side.upstream.asked().iter().filter(|a| a.contains("/behind")).count() == 2
        });
        let mut log = side.log(6 + 1 + 3 + 2);
        log.sort();
        (side.name, lock, stale, comparable(&behind).2, log)
    });
    let [ours, nginx] = seen;
    assert_eq!(ours.1, (vec!["fresh".to_owned(); 6], 1));
    assert_eq!(ours.2, (["expired 1", "expired 0", "expired 0"].map(str::to_owned).to_vec(), 1));
    assert_eq!((&ours.1, &ours.2, &ours.3, &ours.4), (&nginx.1, &nginx.2, &nginx.3, &nginx.4), "{}", nginx.0);
}
