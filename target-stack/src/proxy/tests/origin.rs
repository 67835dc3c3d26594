//! An upstream that answers by what it is asked, and can be held back, with a proxy before it that caches, for the tests of the cache.
//! Given a function from a request's head, in lower case, to the bytes of an answer, it answers on any number of connections and
//! keeps what it was asked.

use super::harness::{PATIENCE, Proxy, read_head};
use crate::pace;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

#[derive(Clone)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    /// Answers are held back.
    held: bool,
}

impl Origin {
    pub(super) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let origin = Self { address: listener.local_addr().expect("an address"), shared: Arc::default() };
        let (answer, shared) = (Arc::new(answer), Arc::clone(&origin.shared));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (answer, shared) = (Arc::clone(&answer), Arc::clone(&shared));
                std::thread::spawn(move || converse(stream, &*answer, &shared));
            }
        });
        origin
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("unpoisoned")
    }

    /// What it was asked so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.state().seen.clone()
    }

    /// Holds all answers back from now on.
    pub(super) fn hold(&self) {
        self.state().held = true;
    }

    pub(super) fn let_go(&self) {
        self.state().held = false;
        self.shared.changed.notify_all();
    }

    /// Waits until it was asked so often.
    pub(super) fn asked(&self, times: usize) {
        drop(self.shared.changed.wait_while(self.state(), |state| state.seen.len() < times));
    }
}

/// Answers until an answer says that it is the last.
fn converse(mut stream: TcpStream, answer: &dyn Fn(&str) -> Vec<u8>, shared: &Shared) {
    let mut input = BufReader::new(stream.try_clone().expect("a second handle"));
    while let Some(head) = read_head(&mut input) {
        let mut state = shared.state.lock().expect("unpoisoned");
        state.seen.push(head.clone());
        shared.changed.notify_all();
        drop(shared.changed.wait_while(state, |state| state.held).expect("unpoisoned"));
        let answer = answer(&head);
        let last = answer.windows(17).any(|part| part == b"Connection: close");
        // The proxy may have gone away.
        if stream.write_all(&answer).is_err() || last {
            return;
        }
    }
}

/// Waits until `condition` holds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = pace::now();
    while !condition() {
        assert!(pace::now().duration_since(start) < PATIENCE, "still not: {what}");
        std::thread::yield_now();
    }
}

/// An answer with these fields, each ended by CRLF, and this body.
pub(super) fn answer(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A proxy that caches in the directory `c` of `dir`, with `more` in its location.
pub(super) fn caching(origin: &Origin, dir: &Path, more: &str) -> Proxy {
    caching_in(origin, dir, "keys_zone=z:1m", more)
}

/// The same with these parameters of the cache.
pub(super) fn caching_in(origin: &Origin, dir: &Path, zone: &str, more: &str) -> Proxy {
    let address = origin.address;
    let http = format!(
        "log_format f '$request_method $uri $status $upstream_cache_status'; access_log a.log f; \
         proxy_cache_path c levels=1:2 {zone}; upstream app {{ server {address}; }} \
         server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://app; proxy_cache z; {more} }} }}"
    );
    Proxy::start(&http, dir)
}

/// The access log of a proxy that has ended.
pub(super) fn log(mut proxy: Proxy, dir: &Path) -> Vec<String> {
    proxy.stop();
    drop(proxy);
    let text = std::fs::read_to_string(dir.join("a.log")).expect("a log");
    text.lines().map(str::to_owned).collect()
}

/// The files in a directory and those below it.
pub(super) fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// The files of answers that are written.
pub(super) fn written(dir: &Path) -> Vec<std::path::PathBuf> {
    files(dir).into_iter().filter(|file| file.extension().is_none()).collect()
}
