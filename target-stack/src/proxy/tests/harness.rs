//! A real worker on loopback sockets, and upstreams of a few lines, for the tests beside this file. Given a configuration and
//! a script, it gives addresses, and what went over them.

use crate::proxy::access_log;
use crate::proxy::cache::caches::Caches;
use crate::proxy::config::Config;
use crate::proxy::counters::Counters;
use crate::proxy::error_log::ErrorLog;
use crate::proxy::worker::{self, Orders, Shared};
use prometheus_client::registry::Registry;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Far beyond what anything here takes, so that a hang fails instead of hanging.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) orders: watch::Sender<Orders>,
    threads: Vec<JoinHandle<()>>,
    pub(super) counters: Arc<Counters>,
    pub(super) caches: Caches,
}

impl Proxy {
    /// A worker that serves `http`, the inside of an `http` block whose first server listens on port 0.
    pub(super) fn start(http: &str, dir: &Path) -> Self {
        let text = format!("error_log e.log; events {{}} http {{ {http} }}");
        let file = dir.join("nginx.conf").display().to_string();
        let config = Config::parse(&file, &text, dir).expect("a valid configuration");
        let counters = Arc::new(Counters::register(&config, &mut Registry::default()));
        let (log, writer) =
            access_log::start(&config.log_files, counters.log_lines_dropped.clone()).expect("logs");
        let errors = Arc::new(ErrorLog::open(config.error_log.as_deref()).expect("an error log"));
        let caches = Caches::open(&config.caches, &errors, &Caches::default()).expect("caches");
        let shared = Shared {
            errors,
            caches: caches.clone(),
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
        Self { address, orders, threads: vec![worker, writer], counters, caches }
    }

    /// Sends `request` and gives all that comes back until the connection is closed.
    pub(super) fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("a request sent");
        let mut answer = Vec::new();
        // A connection that is broken off ends what was read, which is what the caller looks at.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(super) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"))
    }

    pub(super) fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream
    }

    pub(super) fn stop(&mut self) {
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
pub(super) enum Reply {
    Send(&'static str),
    SendAndClose(&'static str),
    Close,
    Stay,
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream that keeps what it was sent.
#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// The connection's number, the request's head and its body.
    seen: Arc<Mutex<Vec<(usize, String, String)>>>,
}

impl Upstream {
    /// `reply` is given the number of the connection and of the request on it, both from 0.
    pub(super) fn start(reply: impl Fn(usize, usize) -> Reply + Send + Sync + 'static) -> Self {
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

    pub(super) fn seen(&self) -> Vec<(usize, String, String)> {
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

pub(super) fn read_head(input: &mut impl BufRead) -> Option<String> {
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
pub(super) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A proxy with one location that passes to `peers`, with `more` inside of it.
pub(super) fn passing(peers: &[SocketAddr], more: &str) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let servers: String = peers.iter().map(|peer| format!("server {peer};")).collect();
    let http = format!(
        "upstream app {{ {servers} }} server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://app; {more} }} }}"
    );
    (Proxy::start(&http, dir.path()), dir)
}
