//! The proxy and the installed nginx side by side, on one configuration and one directory of files. Given a request, it gives what each
//! answers, as far as they should be alike: without dates, names of servers and ports.

use crate::nginx::Nginx;
use crate::{PATIENCE, Target};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// Both of them.
#[derive(Debug)]
pub struct Pair {
    ours: Target,
    nginx: Nginx,
    dir: TempDir,
}

impl Pair {
    /// Starts both with `http` inside of their `http` block, where `LISTEN` stands for an address, `ROOT` for the directory that
    /// `make` is given, and `UPSTREAM` for an upstream that answers with the target that it was asked for.
    pub fn start(http: &str, make: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let root = dir.path().join("www");
        std::fs::create_dir(&root).unwrap();
        make(&root);
        let upstream = echo();
        let text = |own: &Path, listen: &str, more: &str| {
            let http = http
                .replace("LISTEN", listen)
                .replace("ROOT", &root.display().to_string())
                .replace("UPSTREAM", &upstream);
            format!(
                "user root; daemon off; pid {own}/pid; error_log {own}/error.log; events {{}} http {{ {more} access_log off; \
                 proxy_http_version 1.1; {http} }}",
                own = own.display()
            )
        };
        let place = |name: &str| {
            let own = dir.path().join(name);
            std::fs::create_dir(&own).unwrap();
            own
        };
        // Several servers share a port only where its number is known; until it is bound somebody else may take it.
        let own = place("ours");
        let ours = (0..5).find_map(|_| {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            std::fs::write(own.join("nginx.conf"), text(&own, &free.to_string(), "")).unwrap();
            Target::try_start(&format!("proxy -p {} -c nginx.conf", own.display())).ok()
        });
        let ours = ours.expect("a proxy that starts");
        let own = place("nginx");
        let nginx = Nginx::start(&own, |listen, temporary| text(&own, listen, temporary));
        Self { ours, nginx, dir }
    }

    /// The directory of the files.
    pub fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("www")
    }

    /// What both answer to `request` until they close the connection, ours first, but for what is each server's own.
    pub fn ask(&self, request: &str) -> (String, String) {
        let answer = |address: &str| {
            let answer = ask(address, request);
            let port = address.rsplit_once(':').unwrap().1.to_owned();
            alike(&answer, &port, request.starts_with("HEAD"))
        };
        (answer(self.ours.address()), answer(&self.nginx.address.to_string()))
    }

    /// The same as it comes.
    pub fn ask_plainly(&self, request: &str) -> (String, String) {
        (ask(self.ours.address(), request), ask(&self.nginx.address.to_string(), request))
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An answer without what is each server's own: its name, the date, its port, how it spells the names of fields and in which
/// order they come, and the length of a page that has the server's name in it.
fn alike(answer: &str, port: &str, without_body: bool) -> String {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return answer.to_owned() };
    let mut lines = head.split("\r\n");
    // hyper answers a client of HTTP/1.0 in its own version.
    let status = lines.next().unwrap_or_default().replacen("HTTP/1.0", "HTTP/1.1", 1);
    let is_page = without_body && !status.contains(" 20") || body.contains("<hr><center>");
    let mut fields: Vec<String> = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let (name, value) = (name.to_lowercase(), value.trim());
            match name.as_str() {
                "server" | "date" | "connection" => None,
                "content-length" if is_page => Some("content-length: a page's".to_owned()),
                _ => Some(format!("{name}: {value}")),
            }
        })
        .collect();
    fields.sort();
    let body = match body.split_once("<hr><center>") {
        Some((before, _)) => before,
        None => body,
    };
    let text = format!("{status}\n{}\n\n{body}", fields.join("\n"));
    let text = text.replace(&format!(":{port}"), ":PORT");
    // Every boundary is another one.
    match text.split_once("boundary=").map(|(_, rest)| rest[..20].to_owned()) {
        Some(boundary) => text.replace(&boundary, "BOUNDARY"),
        None => text,
    }
}

/// The address of an upstream that answers with the target that it was asked for.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") {
                    if !matches!(stream.read(&mut byte), Ok(1)) {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let said =
                    head.rsplit_once(" HTTP/1.1\r\n").map_or(head.as_str(), |(line, _)| line).to_owned();
                let length = said.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\nX-Up: 1\r\n\r\n{said}"
                );
            });
        }
    });
    address
}
