//! A real worker on loopback sockets, and upstreams of a few lines, for the tests beside this file. Given a configuration and
//! a script, it gives addresses, and what went over them.

use crate::proxy::cache::caches::Caches;
use crate::proxy::config::Config;
use crate::proxy::counters::Counters;
use crate::proxy::error_log::ErrorLog;
use crate::proxy::generation::{Common, Generation, Means};
use crate::proxy::heirs::Heirs;
use crate::proxy::listening::Listening;
use crate::proxy::worker::Orders;
use prometheus_client::registry::Registry;
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Far beyond what anything here takes, so that a hang fails instead of hanging.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A whole proxy but for its signals.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    /// That of the second worker, where there are two.
    pub(super) other: Option<SocketAddr>,
    pub(super) counters: Counters,
    pub(super) caches: Caches,
    dir: PathBuf,
    common: Common,
    listening: Listening,
    /// The last one serves.
    generations: Vec<Generation>,
    ended: UnboundedReceiver<u64>,
}

impl Proxy {
    /// A worker that serves `http`, the inside of an `http` block whose first server listens on port 0.
    pub(super) fn start(http: &str, dir: &Path) -> Self {
        Self::start_workers(http, dir, 1)
    }

    /// The same with more at the top of the file.
    pub(super) fn start_with(top: &str, http: &str, dir: &Path) -> Self {
        Self::begin(config(top, http, dir), dir)
    }

    /// The same with one or two workers, each with a port of its own, and with all else in common.
    pub(super) fn start_workers(http: &str, dir: &Path, workers: usize) -> Self {
        let mut proxy = Self::start_with("", http, dir);
        if workers > 1 {
            let config = config("", http, dir);
            let mut means = proxy.means(&config);
            means.counters = proxy.counters.clone();
            let listening = Listening::default().renewed(&config).expect("sockets");
            proxy.add(config, means, &listening);
            proxy.other = listening.addresses().next();
        }
        proxy
    }

    fn begin(config: Config, dir: &Path) -> Self {
        let (report, ended) = unbounded_channel();
        let errors = ErrorLog::open(config.error_log.as_deref(), config.error_level).expect("an error log");
        let (connections, heirs) = (Arc::default(), Heirs::default());
        let common = Common { errors: Arc::new(errors), connections, heirs, report };
        let mut proxy = Self {
            address: ([127, 0, 0, 1], 0).into(),
            other: None,
            counters: Counters::register(&config, &mut Registry::default()),
            caches: Caches::default(),
            dir: dir.to_owned(),
            common,
            listening: Listening::default(),
            generations: Vec::new(),
            ended,
        };
        proxy.serve(config);
        proxy.address = proxy.listening.addresses().next().expect("an address");
        proxy
    }
    /// Has other workers serve `http` from now on.
    pub(super) fn reload(&mut self, top: &str, http: &str) {
        self.serve(config(top, http, &self.dir));
        let before = self.generations.len() - 1;
        self.generations[..before].iter().for_each(|generation| generation.order(Orders::Yield));
    }

    fn serve(&mut self, config: Config) {
        self.listening = self.listening.renewed(&config).expect("sockets");
        let means = self.means(&config);
        (self.counters, self.caches) = (means.counters.clone(), means.caches.clone());
        let listening = std::mem::take(&mut self.listening);
        self.add(config, means, &listening);
        self.listening = listening;
    }

    fn means(&self, config: &Config) -> Means {
        Means::new(config, &self.counters, &self.common.errors, &self.caches).expect("logs and caches")
    }

    fn add(&mut self, config: Config, means: Means, listening: &Listening) {
        let number = self.generations.len() as u64;
        let generation = Generation::start(number, Arc::new(config), means, listening, &self.common);
        self.generations.push(generation.expect("workers"));
    }

    /// Has all workers end what is under way.
    pub(super) fn drain(&mut self) {
        self.common.heirs.end();
        self.listening = Listening::default();
        self.generations.iter().for_each(|generation| generation.order(Orders::Drain));
    }

    /// Waits until a worker has ended, and gives the number of its generation.
    pub(super) fn ended(&mut self) -> u64 {
        self.ended.blocking_recv().expect("a report")
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
        for generation in self.generations.drain(..) {
            generation.end().expect("an orderly end");
        }
    }
}

/// The configuration with `http`, and with `top` before it.
fn config(top: &str, http: &str, dir: &Path) -> Config {
    let text = format!("error_log e.log info; {top} events {{}} http {{ {http} }}");
    let file = dir.join("nginx.conf").display().to_string();
    Config::parse(&file, &text, dir).expect("a valid configuration")
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
