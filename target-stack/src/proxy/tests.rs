//! The proxy as its clients and upstreams see it: a real worker on loopback sockets, upstreams of a few lines, and
//! clients that write bytes.

use super::access_log;
use super::config::Config;
use super::counters::Counters;
use super::error_log::ErrorLog;
use super::worker::{self, Orders, Shared};
use prometheus_client::registry::Registry;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Far beyond what anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

struct Proxy {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Proxy {
    /// A worker that serves `http`, the inside of an `http` block whose first server listens on port 0.
    fn start(http: &str, dir: &Path) -> Self {
        let text = format!("error_log e.log; events {{}} http {{ {http} }}");
        let config = Config::parse("nginx.conf", &text, dir).expect("a valid configuration");
        let counters = Arc::new(Counters::register(&config, &mut Registry::default()));
        let (log, writer) =
            access_log::start(&config.log_files, counters.log_lines_dropped.clone()).expect("logs");
        let shared = Shared {
            errors: Arc::new(ErrorLog::open(config.error_log.as_deref()).expect("an error log")),
            config: Arc::new(config),
            counters: Arc::clone(&counters),
            log,
            connections: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (orders, obeyed) = watch::channel(Orders::Serve);
        let worker =
            std::thread::spawn(move || worker::run(shared, vec![listener], obeyed).expect("a worker"));
        Self { address, orders, threads: vec![worker, writer], counters }
    }

    /// Sends `request` and gives all that comes back until the connection is closed.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("a request sent");
        let mut answer = Vec::new();
        // A connection that is broken off ends what was read, which is what the caller looks at.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"))
    }

    fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream
    }

    fn stop(&mut self) {
        let _ = self.orders.send(Orders::Stop);
        for thread in self.threads.drain(..) {
            thread.join().expect("an orderly end");
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// What an upstream does once it has read a request.
enum Reply {
    Send(&'static str),
    SendAndClose(&'static str),
    Close,
    Stay,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream that keeps what it was sent.
#[derive(Clone)]
struct Upstream {
    address: SocketAddr,
    /// The connection's number, the request's head and its body.
    seen: Arc<Mutex<Vec<(usize, String, String)>>>,
}

impl Upstream {
    /// `reply` is given the number of the connection and of the request on it, both from 0.
    fn start(reply: impl Fn(usize, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let upstream = Self { address: listener.local_addr().expect("an address"), seen: Arc::default() };
        let (reply, seen) = (Arc::new(reply), Arc::clone(&upstream.seen));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                let (reply, seen) = (Arc::clone(&reply), Arc::clone(&seen));
                std::thread::spawn(move || converse(number, stream, &*reply, &seen));
            }
        });
        upstream
    }

    fn seen(&self) -> Vec<(usize, String, String)> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

fn converse(
    number: usize,
    stream: TcpStream,
    reply: &dyn Fn(usize, usize) -> Reply,
    seen: &Mutex<Vec<(usize, String, String)>>,
) {
    let mut out = stream.try_clone().expect("a second handle");
    let mut input = BufReader::new(stream);
    for nth in 0.. {
        let Some(head) = read_head(&mut input) else { return };
        let body = read_body(&head, &mut input);
        seen.lock().expect("unpoisoned").push((number, head, body));
        match reply(number, nth) {
            Reply::Send(text) => out.write_all(text.as_bytes()).expect("an answer sent"),
            Reply::SendAndClose(text) => return out.write_all(text.as_bytes()).expect("an answer sent"),
            Reply::Close => return,
            Reply::Stay => drop(input.read_to_end(&mut Vec::new())),
        }
    }
}

fn read_head(input: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head.to_lowercase())
}

fn read_body(head: &str, input: &mut impl BufRead) -> String {
    let mut body = Vec::new();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<u64>().ok());
    if let Some(length) = length {
        input.take(length).read_to_end(&mut body).expect("a body");
    } else if head.contains("transfer-encoding: chunked") {
        while !body.ends_with(b"0\r\n\r\n") {
            input.read_until(b'\n', &mut body).expect("a chunk");
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// An address where nothing listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A proxy with one location that passes to `peers`, with `more` inside of it.
fn passing(peers: &[SocketAddr], more: &str) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let servers: String = peers.iter().map(|peer| format!("server {peer};")).collect();
    let http = format!(
        "upstream app {{ {servers} }} server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://app; {more} }} }}"
    );
    (Proxy::start(&http, dir.path()), dir)
}

#[test]
fn header_fields_are_forwarded_replaced_and_stripped() {
    let upstream = Upstream::start(|_, _| {
        Reply::Send(
            "HTTP/1.1 200 OK\r\nServer: app\r\nX-App: 1\r\nX-Hop: 1\r\nConnection: x-hop\r\nContent-Length: 0\r\n\r\n",
        )
    });
    let (proxy, _dir) = passing(
        &[upstream.address],
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Empty ''; \
         proxy_set_header X-Query $arg_q;",
    );
    let answer = proxy.ask(
        "GET /p?q=7 HTTP/1.1\r\nHost: shop.test\r\nX-Kept: 1\r\nX-Empty: 1\r\nX_Under: 1\r\nX-Mine: 1\r\n\
         TE: trailers\r\nUpgrade: x\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close, x-mine\r\n\r\n",
    );
    let head = &upstream.seen()[0].1;
    for line in ["get /p?q=7 http/1.1\r\n", "host: app\r\n", "x-kept: 1\r\n", "x-query: 7\r\n"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(head.contains("x-forwarded-for: 192.0.2.1, 127.0.0.1\r\n"), "{head}");
    for gone in ["x-empty", "x_under", "x-mine", "te:", "upgrade", "connection"] {
        assert!(!head.contains(&format!("\r\n{gone}")), "{gone} in {head}");
    }
    assert!(answer.contains("X-App: 1\r\n") && answer.contains("Server: target-stack/"), "{answer}");
    assert!(!answer.contains("X-Hop") && !answer.contains("Server: app"), "{answer}");
}

#[test]
fn an_upstream_connection_is_used_again() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    for _ in 0..3 {
        assert!(proxy.get("/").ends_with("\r\n\r\nok"));
    }
    let connections: Vec<usize> = upstream.seen().into_iter().map(|(number, ..)| number).collect();
    assert_eq!(connections, [0, 0, 0]);
    assert_eq!(proxy.counters.requests.get(), 3);
}

#[test]
fn a_kept_connection_that_is_dead_is_replaced() {
    // The first connection answers once and is closed when the second request has been read.
    let upstream =
        Upstream::start(|number, nth| if (number, nth) == (0, 1) { Reply::Close } else { Reply::Send(OK) });
    let (proxy, _dir) = passing(&[upstream.address], "");
    assert!(proxy.get("/1").ends_with("ok"));
    assert!(proxy.get("/2").ends_with("ok"));
    assert_eq!(upstream.seen().len(), 3);
    // What may have been acted upon is not sent twice.
    let upstream =
        Upstream::start(|number, nth| if (number, nth) == (0, 1) { Reply::Close } else { Reply::Send(OK) });
    let (proxy, _dir) = passing(&[upstream.address], "");
    assert!(proxy.get("/1").ends_with("ok"));
    assert!(proxy.post("/2", "order").starts_with("HTTP/1.1 502 "));
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn a_request_fails_over_where_that_is_safe() {
    let bad = Upstream::start(|_, _| Reply::Close);
    let good = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[bad.address, good.address], "");
    assert!(proxy.get("/").ends_with("ok"));
    assert_eq!((bad.seen().len(), good.seen().len()), (1, 1));

    let (proxy, _dir) = passing(&[bad.address, good.address], "");
    assert!(proxy.post("/", "order").starts_with("HTTP/1.1 502 "));
    assert_eq!(good.seen().len(), 1);

    // Nobody can have acted on a request that never got a connection.
    let (proxy, _dir) = passing(&[nobody(), good.address], "");
    assert!(proxy.post("/", "order").ends_with("ok"));
    assert_eq!(good.seen()[1].2, "order");

    let (proxy, _dir) = passing(&[nobody(), good.address], "proxy_next_upstream off;");
    assert!(proxy.get("/").starts_with("HTTP/1.1 502 "));
}

#[test]
fn an_answer_can_be_a_failure() {
    let bad = Upstream::start(|_, _| Reply::Send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
    let good = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[bad.address, good.address], "proxy_next_upstream http_503;");
    assert!(proxy.get("/").ends_with("ok"));
    let (proxy, _dir) = passing(&[bad.address], "proxy_next_upstream http_503;");
    assert!(proxy.get("/").starts_with("HTTP/1.1 503 "));
}

#[test]
fn nobody_there_is_502_and_nothing_said_is_504() {
    let (proxy, _dir) = passing(&[nobody()], "");
    let answer = proxy.get("/");
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("<center><h1>502 Bad Gateway</h1></center>"), "{answer}");

    let silent = Upstream::start(|_, _| Reply::Stay);
    let (proxy, _dir) = passing(&[silent.address], "proxy_read_timeout 50ms;");
    let answer = proxy.get("/");
    assert!(answer.starts_with("HTTP/1.1 504 Gateway Time-out\r\n"), "{answer}");
}

#[test]
fn a_body_past_the_limit_is_413() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "client_max_body_size 5;");
    assert!(proxy.post("/", "12345").ends_with("ok"));
    let answer = proxy.post("/", "123456");
    assert!(answer.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"), "{answer}");
    let chunked = proxy.ask(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    );
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
}

#[test]
fn a_body_that_is_cut_short_does_not_end_cleanly() {
    let upstream =
        Upstream::start(|_, _| Reply::SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
    let (proxy, _dir) = passing(&[upstream.address], "");
    let answer = proxy.get("/");
    assert!(answer.contains("Content-Length: 100\r\n") && answer.len() < 300, "{answer}");

    let upstream = Upstream::start(|_, _| {
        Reply::SendAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    });
    let (proxy, _dir) = passing(&[upstream.address], "");
    let answer = proxy.get("/");
    assert!(answer.contains("Transfer-Encoding: chunked") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[test]
fn a_client_that_breaks_off_its_body_ejects_no_server() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let other = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address, other.address], "");
    let mut client = proxy.connect();
    client
        .write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        .expect("a request sent");
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    for _ in 0..2 {
        assert!(proxy.get("/").ends_with("ok"));
    }
    let answered =
        |upstream: &Upstream| upstream.seen().iter().filter(|(_, head, _)| head.starts_with("get")).count();
    assert_eq!((answered(&upstream), answered(&other)), (1, 1));
    assert_eq!(proxy.counters.peer(0, 0).failures.get(), 0);
}

#[test]
fn bytes_after_an_answer_end_the_connection() {
    let upstream =
        Upstream::start(|_, _| Reply::Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200"));
    let (proxy, _dir) = passing(&[upstream.address], "");
    for _ in 0..2 {
        assert!(proxy.get("/").ends_with("\r\n\r\nok"));
    }
    let connections: Vec<usize> = upstream.seen().into_iter().map(|(number, ..)| number).collect();
    assert_eq!(connections, [0, 1]);
}

#[test]
fn bodies_stream_both_ways() {
    let upstream = Upstream::start(|_, _| Reply::SendAndClose("HTTP/1.0 200 OK\r\n\r\nuntil the end"));
    let (proxy, _dir) = passing(&[upstream.address], "client_max_body_size 0;");
    let body = "0123456789abcdef".repeat(1 << 16);
    let answer = proxy.post("/", &body);
    assert!(answer.contains("until the end") && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(upstream.seen()[0].2.len(), body.len());
}

#[test]
fn a_request_has_exactly_one_host() {
    let (proxy, _dir) = passing(&[nobody()], "");
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: \r\n", "Host: a/b\r\n"] {
        let answer = proxy.ask(&format!("GET / HTTP/1.1\r\n{hosts}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{hosts:?}: {answer}");
    }
}

#[test]
fn servers_are_chosen_by_name_and_answers_are_logged() {
    let dir = tempfile::tempdir().expect("a directory");
    let http = "log_format short '$request_method $uri $status $body_bytes_sent [$http_x] $server_name'; \
                access_log a.log short; \
                server { listen 127.0.0.1:0; server_name one; return 200 first; }";
    let mut proxy = Proxy::start(http, dir.path());
    assert!(proxy.get("/a%20b").ends_with("first"));
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
    assert_eq!(log, "GET /a b 200 5 [-] one\n");
}

#[test]
fn a_drain_ends_what_is_under_way() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    let mut idle = proxy.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    let mut first = [0; 12];
    idle.read_exact(&mut first).expect("an answer");
    proxy.orders.send(Orders::Drain).expect("a worker");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("an orderly close");
    assert!(rest.ends_with(b"ok"));
}
