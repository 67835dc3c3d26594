//! A real worker on loopback sockets, and upstreams of a few lines, for the tests beside this file. Given a configuration and
//! a script, it gives addresses, and what went over them.

use crate::proxy::config::Config;
use crate::proxy::counters::Counters;
use crate::proxy::generation::{Common, Generation, Logs};
use crate::proxy::heirs::Heirs;
use crate::proxy::listening::Listening;
use crate::proxy::worker::Orders;
use prometheus_client::registry::Registry;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Far beyond what anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// A whole proxy but for its signals.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) counters: Counters,
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
        Self::start_with("", http, dir)
    }

    /// The same with more at the top of the file.
    pub(super) fn start_with(top: &str, http: &str, dir: &Path) -> Self {
        let config = config(top, http, dir);
        let (report, ended) = unbounded_channel();
        let common = Common { connections: Arc::default(), heirs: Heirs::default(), report };
        let counters = Counters::register(&config, &mut Registry::default());
        let listening = Listening::default();
        let dir = dir.to_owned();
        let address = ([127, 0, 0, 1], 0).into();
        let mut proxy = Self { address, counters, dir, common, listening, generations: Vec::new(), ended };
        proxy.serve(config);
        proxy.address = proxy.listening.address().expect("an address");
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
        let counters = self.counters.renewed(&config);
        let logs = Logs::open(&config, &counters).expect("logs");
        let number = self.generations.len() as u64;
        let config = Arc::new(config);
        let generation = Generation::start(number, config, counters, logs, &self.listening, &self.common);
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
