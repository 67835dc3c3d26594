//! Reloads, drains and what they leave of connections: whoever is connected goes on with the new configuration, or is answered
//! before the end.

use super::harness::{OK, Proxy, Reply, Upstream, passing};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};

/// A configuration that answers with `word`.
fn saying(word: &str) -> String {
    format!("server {{ listen 127.0.0.1:0; return 200 {word}; }}")
}

/// Sends a request that leaves the connection open, and gives the body of its answer.
fn ask(client: &mut TcpStream) -> String {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    answer(client).1
}

/// An answer's head and body.
fn answer(client: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("a head");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    client.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("a text"))
}

/// Answers when it is opened.
#[derive(Clone, Default)]
struct Lock(Arc<(Mutex<bool>, Condvar)>);

impl Lock {
    fn open(&self) {
        *self.0.0.lock().expect("unpoisoned") = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let open = self.0.1.wait_while(self.0.0.lock().expect("unpoisoned"), |open| !*open);
        drop(open.expect("unpoisoned"));
    }

    /// An upstream that answers `ok` once this is open.
    fn upstream(&self) -> Upstream {
        let lock = self.clone();
        Upstream::start(move |_, _| {
            lock.wait();
            Reply::Send(OK)
        })
    }
}

#[test]
fn connections_outlive_the_workers_that_had_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut proxy = Proxy::start(&saying("one"), dir.path());
    let [mut idle, mut begun] = [(); 2].map(|()| proxy.connect());
    assert_eq!(ask(&mut idle), "one");
    begun.write_all(b"GET / HT").expect("a part sent");
    // More and fewer workers than before.
    let mut before = 1;
    for (round, workers) in [3, 1, 2].into_iter().enumerate() {
        let mut fresh = proxy.connect();
        let word = format!("round-{round}");
        proxy.reload(&format!("worker_processes {workers};"), &saying(&word));
        // They have nothing to stay for.
        for _ in 0..before {
            assert_eq!(proxy.ended(), round as u64);
        }
        before = workers;
        assert_eq!([&mut idle, &mut fresh].map(ask), [&*word, &*word]);
        begun.write_all(b"TP/1.1\r\nHost: a\r\n\r\n").expect("the rest sent");
        assert_eq!(answer(&mut begun).1, word);
        begun.write_all(b"GET / HT").expect("a part sent");
        assert_eq!((proxy.counters.serving.get(), proxy.counters.leaving.get()), (workers, 0));
    }
    assert_eq!(proxy.counters.handled.get(), 5);
}

#[test]
fn what_is_under_way_ends_as_it_began() {
    let lock = Lock::default();
    let upstream = lock.upstream();
    let (mut proxy, _dir) = passing(&[upstream.address], "");
    let mut client = proxy.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    while upstream.seen().is_empty() {
        std::thread::yield_now();
    }
    // Two reloads on: who took the place of the connection's worker has been replaced, too.
    proxy.reload("", &saying("one"));
    proxy.reload("", &saying("two"));
    assert_eq!(proxy.ended(), 1);
    lock.open();
    let (head, body) = answer(&mut client);
    assert!(!head.contains("Connection: close") && body == "ok", "{head}{body}");
    // Who is quick may have one more request answered before it goes over.
    let asked = (0..100).position(|_| ask(&mut client) == "two");
    assert!(asked.is_some());
    assert_eq!(proxy.ended(), 0);
}

#[test]
fn who_came_to_a_port_that_is_gone_is_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut proxy = Proxy::start(&saying("old"), dir.path());
    let mut clients: Vec<TcpStream> = (0..50).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    }
    // Some of them are not even accepted now.
    proxy.reload("", "");
    for client in &mut clients {
        assert_eq!(answer(client).1, "old");
        assert_eq!(client.read(&mut [0]).expect("an orderly close"), 0);
    }
    assert_eq!(proxy.ended(), 0);
    assert!(TcpStream::connect(proxy.address).is_err());
}

#[test]
fn a_drain_answers_what_is_under_way_and_closes() {
    let lock = Lock::default();
    let upstream = lock.upstream();
    let (mut proxy, _dir) = passing(&[upstream.address], "");
    let [mut busy, mut fresh] = [(); 2].map(|()| proxy.connect());
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    while upstream.seen().is_empty() || proxy.counters.active.get() < 2 {
        std::thread::yield_now();
    }
    proxy.drain();
    assert_eq!(fresh.read(&mut [0]).expect("an orderly close"), 0);
    assert!(TcpStream::connect(proxy.address).is_err());
    lock.open();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).expect("an orderly close");
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    assert_eq!(proxy.ended(), 0);
}

#[test]
fn leaving_has_a_deadline() {
    let silent = Upstream::start(|_, _| Reply::Stay);
    let dir = tempfile::tempdir().expect("a directory");
    let http =
        format!("server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://{}; }} }}", silent.address);
    for drains in [false, true] {
        let mut proxy = Proxy::start_with("worker_shutdown_timeout 50ms;", &http, dir.path());
        let before = silent.seen().len();
        let mut client = proxy.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
        while silent.seen().len() == before {
            std::thread::yield_now();
        }
        if drains {
            proxy.drain();
        } else {
            proxy.reload("", &saying("new"));
        }
        assert_eq!(proxy.ended(), 0);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
}
