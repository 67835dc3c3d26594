//! A real worker on loopback sockets, and upstreams of a few lines, for the tests beside this file. Given a configuration and
//! a script, it gives addresses, and what went over them.

use crate::proxy::access_log;
use crate::proxy::cache::caches::Caches;
use crate::proxy::config::Config;
use crate::proxy::counters::Counters;
use crate::proxy::error_log::ErrorLog;
use crate::proxy::worker::{self, Orders, Shared};
use prometheus_client::registry::Registry;
use socket2::{Domain, Socket, Type};
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
    /// That of the second worker, where there are two.
    pub(super) other: Option<SocketAddr>,
    pub(super) orders: watch::Sender<Orders>,
    threads: Vec<JoinHandle<()>>,
    pub(super) counters: Arc<Counters>,
    pub(super) caches: Caches,
}

impl Proxy {
    /// A worker that serves `http`, the inside of an `http` block whose first server listens on port 0.
    pub(super) fn start(http: &str, dir: &Path) -> Self {
        Self::start_workers(http, dir, 1)
    }

    /// The same with one or two workers, each with a port of its own.
    pub(super) fn start_workers(http: &str, dir: &Path, workers: usize) -> Self {
        let text = format!("error_log e.log; worker_processes {workers}; events {{}} http {{ {http} }}");
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
        let (orders, obeyed) = watch::channel(Orders::Serve);
        let (mut threads, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.set_nonblocking(true).expect("a socket");
            addresses.push(listener.local_addr().expect("an address"));
            let (shared, obeyed) = (shared.clone(), obeyed.clone());
            threads.push(std::thread::spawn(move || {
                worker::run(shared, vec![listener], obeyed).expect("a worker");
            }));
        }
        threads.push(writer);
        Self { address: addresses[0], other: addresses.get(1).copied(), orders, threads, counters, caches }
    }

    /// Sends `request` and gives all that comes back until the connection is closed.
    pub(super) fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("a request sent");
        rest(&mut stream).0
    }

    /// Asks for `/` by a method, with a body where there is one.
    pub(super) fn method(&self, method: &str, body: &str) -> String {
        let length = body.len();
        let length = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
        self.ask(&format!(
            "{method} / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{length}\r\n{body}"
        ))
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
        connect(self.address)
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

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// All that still comes, and whether it ends cleanly: a connection that is broken off ends what was read.
pub(super) fn rest(stream: &mut TcpStream) -> (String, bool) {
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer).is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), ended)
}

/// What an upstream does once it has read a request.
pub(super) enum Reply {
    Send(&'static str),
    SendAndClose(&'static str),
    /// The same, and breaks the connection off.
    SendAndReset(&'static str),
    Close,
    Stay,
    /// Whatever this does with the connection, which is closed afterwards.
    Do(Box<dyn FnOnce(&mut TcpStream)>),
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
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"), reply)
    }

    /// The same on this listener.
    pub(super) fn start_on(
        listener: TcpListener,
        reply: impl Fn(usize, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
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

    /// The numbers of the connections by which it was asked.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.seen().into_iter().map(|(number, ..)| number).collect()
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
            Reply::SendAndReset(text) => {
                out.write_all(text.as_bytes()).expect("an answer sent");
                let socket = socket2::SockRef::from(&out);
                return socket.set_linger(Some(Duration::ZERO)).expect("a socket");
            }
            Reply::Do(work) => return work(&mut out),
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

/// An address where nothing listens, and nothing will: it stays bound for as long as the tests run.
pub(super) fn nobody() -> SocketAddr {
    let (address, socket) = held();
    std::mem::forget(socket);
    address
}

/// An address where nobody listens before its socket does.
pub(super) fn held() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
    (address, socket)
}

/// A proxy with one location that passes to `peers`, with `more` inside of it.
pub(super) fn passing(peers: &[SocketAddr], more: &str) -> (Proxy, tempfile::TempDir) {
    let servers: String = peers.iter().map(|peer| format!("server {peer};")).collect();
    grouped(&servers, more, 1)
}

/// The same with the inside of the group as it stands, and one or two workers.
pub(super) fn grouped(group: &str, more: &str, workers: usize) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "upstream app {{ {group} }} server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://app; {more} }} }}"
    );
    (Proxy::start_workers(&http, dir.path(), workers), dir)
}

/// Waits until something is so.
pub(super) fn until(what: &str, so: impl Fn() -> bool) {
    let began = crate::pace::now();
    while !so() {
        assert!(crate::pace::now().saturating_duration_since(began) < PATIENCE, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
