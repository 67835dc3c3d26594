//! Two proxies on one configuration: the one of this project and the installed nginx, with scripted servers behind them. Given the inside
//! of an `http` block, it gives what each answered, logged and passed on, so that a test can hold one against the other.

use crate::{Target, nginx::Nginx};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Far beyond what anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that serves a configuration.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    dir: TempDir,
    process: Process,
}

enum Process {
    Ours(Target),
    Nginx(Nginx),
}

impl Proxy {
    /// The proxy of this project; `LISTEN` in the inside of its `http` block is where it listens.
    pub fn ours(http: &str) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("nginx.conf"), text(http, "127.0.0.1:0")).unwrap();
        let target = Target::start(&format!("proxy -p {} -c nginx.conf", dir.path().display()));
        Self { address: target.address().parse().unwrap(), dir, process: Process::Ours(target) }
    }

    /// The installed nginx, with one worker.
    pub fn nginx(http: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let nginx = Nginx::start(dir.path(), |listen, temporary| {
            format!("pid nginx.pid; {}", text(&format!("{temporary} {http}"), listen))
        });
        Self { address: nginx.address, dir, process: Process::Nginx(nginx) }
    }

    /// What one request is answered, with all that follows until the connection is closed, from this address of the client.
    pub fn ask_from(&self, client: Ipv4Addr, request: &str) -> String {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None);
        let socket = socket.unwrap();
        rustix::net::bind(&socket, &SocketAddr::from((client, 0))).unwrap();
        rustix::net::connect(&socket, &self.address).unwrap();
        exchange(TcpStream::from(socket), request)
    }

    /// The same from anywhere.
    pub fn ask(&self, request: &str) -> String {
        exchange(TcpStream::connect(self.address).unwrap(), request)
    }

    /// Ends it, and gives its access log.
    pub fn end(self) -> String {
        match self.process {
            Process::Ours(target) => drop(target),
            Process::Nginx(nginx) => nginx.end(),
        }
        std::fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }
}

fn text(http: &str, listen: &str) -> String {
    let http = http.replace("LISTEN", listen);
    format!("daemon off; error_log error.log; events {{}} http {{ {http} }}\n")
}

fn exchange(mut stream: TcpStream, request: &str) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is broken off ends what was read, which is what the caller looks at.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A server behind a proxy that gives each request the next of its answers, the last one again and again. An empty answer is
/// a connection that is closed without one; after an answer that ends with [`CLOSE`], it is closed too.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// At the end of an answer: the connection is closed after it.
pub const CLOSE: &str = "\0";

impl Server {
    /// Starts one.
    pub fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let (answers, seen) = (Arc::new(answers), Arc::clone(&server.seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                std::thread::spawn(move || converse(stream, &answers, &seen));
            }
        });
        server
    }

    /// The request lines and bodies that it has seen, in their order.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn converse(mut out: TcpStream, answers: &[String], seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut input = BufReader::new(out.try_clone().ok()?);
    loop {
        let (mut first, mut length) = (String::new(), 0_u64);
        input.read_line(&mut first).ok().filter(|length| *length > 0)?;
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok().filter(|length| *length > 0)?;
            if line == "\r\n" {
                break;
            }
            let line = line.to_lowercase();
            length = line.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
        }
        let mut body = String::new();
        (&mut input).take(length).read_to_string(&mut body).ok()?;
        let target = first.rsplit_once(' ')?.0.to_owned();
        let answer = {
            let mut seen = seen.lock().unwrap();
            seen.push(format!("{target} {body}").trim_end().to_owned());
            answers.get(seen.len() - 1).or(answers.last())?.clone()
        };
        let closes = answer.is_empty() || answer.ends_with(CLOSE);
        out.write_all(answer.trim_end_matches(CLOSE).as_bytes()).ok()?;
        if closes {
            return None;
        }
    }
}

/// The status of an answer, or nothing.
pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}
