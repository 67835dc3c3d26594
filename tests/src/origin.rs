//! An upstream for what caches. It says what the last part of a path asks for, can be held back, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// See the module.
#[derive(Debug)]
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    held: bool,
}

impl Origin {
    /// One on a port of the kernel's choice.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&origin.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.converse(&stream));
            }
        });
        origin
    }

    /// Holds all answers back, or lets them go.
    pub fn hold(&self, held: bool) {
        self.shared.state.lock().unwrap().held = held;
        self.shared.changed.notify_all();
    }

    /// Requests so far, each as method, target and the fields that a cache touches.
    pub fn asked(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().asked.clone()
    }
}

impl Shared {
    fn converse(&self, mut stream: &TcpStream) {
        let mut input = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if input.read_line(&mut head).is_ok_and(|length| length == 0) {
                    return;
                }
            }
            let mut lines = head.lines();
            let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
            let mut touched: Vec<_> = lines
                .map(str::to_lowercase)
                .filter(|line| line.starts_with("if-") || line.starts_with("range"))
                .collect();
            touched.sort_unstable();
            let mut state = self.state.lock().unwrap();
            let before = state.asked.iter().filter(|asked| asked.split('|').next() == Some(&line)).count();
            state.asked.push(format!("{line}|{}", touched.join("|")));
            self.changed.notify_all();
            drop(self.changed.wait_while(state, |state| state.held).unwrap());
            if stream.write_all(&says(&line, &head, before)).is_err() {
                return;
            }
        }
    }
}

/// The answer to a request that has come so often `before`.
fn says(line: &str, head: &str, before: usize) -> Vec<u8> {
    const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    let expired = "X-Accel-Expires: @1\r\n";
    let fresh = "Cache-Control: max-age=600\r\n";
    let what = line.rsplit('/').next().unwrap().split('?').next().unwrap();
    let (status, fields, body) = match what {
        "fresh" => ("200 OK", fresh.to_owned(), "fresh".to_owned()),
        "expired" => ("200 OK", expired.to_owned(), format!("expired {before}")),
        "expires" => {
            ("200 OK", "Expires: Sat, 01 Jan 2089 00:00:00 GMT\r\n".to_owned(), "expires".to_owned())
        }
        "past" => ("200 OK", "Expires: Sat, 01 Jan 2000 00:00:00 GMT\r\n".to_owned(), "past".to_owned()),
        "private" => ("200 OK", "Cache-Control: private, max-age=9\r\n".to_owned(), "private".to_owned()),
        "shared" => ("200 OK", "Cache-Control: max-age=0, s-maxage=9\r\n".to_owned(), "shared".to_owned()),
        "cookie" => ("200 OK", format!("{fresh}Set-Cookie: a=b\r\n"), "cookie".to_owned()),
        "star" => ("200 OK", format!("{fresh}Vary: *\r\n"), "star".to_owned()),
        "vary" => ("200 OK", format!("{fresh}Vary: X-Lang, Accept-Encoding\r\n"), format!("vary {before}")),
        "missing" => ("404 Gone Fishing", String::new(), "missing".to_owned()),
        "fails" if before > 0 => ("503 No", String::new(), "failed".to_owned()),
        "fails" => ("200 OK", expired.to_owned(), "before".to_owned()),
        "tag" if head.to_lowercase().contains("if-none-match: \"t\"") => {
            ("304 Not Modified", "ETag: \"t\"\r\n".to_owned(), String::new())
        }
        "tag" => {
            ("200 OK", format!("{expired}ETag: \"t\"\r\nLast-Modified: {DATE}\r\n"), "tagged".to_owned())
        }
        "range" => {
            let fields = format!(
                "{fresh}Accept-Ranges: bytes\r\nETag: \"r\"\r\nLast-Modified: {DATE}\r\nContent-Type: text/plain\r\n"
            );
            ("200 OK", fields, "0123456789".to_owned())
        }
        "long" => {
            let fields =
                format!("{fresh}Content-Type: text/plain\r\nETag: \"l\"\r\nAccept-Ranges: bytes\r\n");
            ("200 OK", fields, "all work and no play ".repeat(10_000))
        }
        "empty" => ("204 No Content", fresh.to_owned(), String::new()),
        _ => ("200 OK", String::new(), "plain".to_owned()),
    };
    let length = if status.starts_with("204") || status.starts_with("304") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    // To HEAD there is no body.
    let body = if line.starts_with("HEAD") { "" } else { &body };
    format!("HTTP/1.1 {status}\r\n{fields}{length}\r\n{body}").into_bytes()
}
