//! Connections that are given to another protocol, with bytes on both sides: what passes, in which order, and what ends it.

use super::harness::{OK, PATIENCE, Proxy, Reply, Upstream, passing};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// As users of nginx write it.
const CONFIGURED: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";
const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                   Sec-WebSocket-Key: k\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: a\r\n\r\n";

/// An upstream's side of connections: the head that came, and the socket.
struct Listener {
    address: SocketAddr,
    accepted: Receiver<(String, TcpStream)>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (give, accepted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
                let head = until(&mut stream, "\r\n\r\n");
                if give.send((head, stream)).is_err() {
                    return;
                }
            }
        });
        Self { address, accepted }
    }

    fn next(&self) -> (String, TcpStream) {
        self.accepted.recv().expect("a connection")
    }
}

/// What comes, until it ends so.
fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let length = stream.read(&mut byte).expect("more bytes");
        assert!(length > 0, "no {end:?} in {}", String::from_utf8_lossy(&text));
        text.extend(byte);
    }
    String::from_utf8(text).expect("text")
}

fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an orderly end");
    text
}

/// A proxy before `listener`, and both ends of a connection that has switched, with `early` sent behind the request.
fn switched(
    listener: &Listener,
    more: &str,
    early: &str,
) -> (Proxy, tempfile::TempDir, TcpStream, TcpStream) {
    let (proxy, dir) = passing(&[listener.address], &format!("{CONFIGURED} {more}"));
    let mut client = proxy.connect();
    client.write_all(format!("{ASK}{early}").as_bytes()).expect("a request sent");
    let (head, mut upstream) = listener.next();
    let head = head.to_lowercase();
    for line in ["upgrade: websocket\r\n", "connection: upgrade\r\n", "sec-websocket-key: k\r\n"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    upstream.write_all(SWITCHED.as_bytes()).expect("an answer sent");
    let answer = until(&mut client, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    for line in
        ["Connection: upgrade\r\n", "Upgrade: websocket\r\n", "Sec-Websocket-Accept: a\r\n", "Server: t"]
    {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    (proxy, dir, client, upstream)
}

#[test]
fn bytes_pass_both_ways_in_their_order() {
    let listener = Listener::start();
    let (proxy, _dir, mut client, mut upstream) = switched(&listener, "", "GET early\0");
    assert_eq!(until(&mut upstream, "\0"), "GET early\0");
    for round in 0..100 {
        let word = format!("{round}\n");
        client.write_all(word.as_bytes()).expect("sent");
        assert_eq!(until(&mut upstream, "\n"), word);
        upstream.write_all(word.as_bytes()).expect("sent");
        assert_eq!(until(&mut client, "\n"), word);
    }
    assert_eq!(proxy.counters.writing.get(), 1);
    assert_eq!(proxy.counters.busy.get(), 1);
    // No byte of it was looked at as HTTP.
    assert_eq!(proxy.counters.requests.get(), 1);
}

#[test]
fn what_the_upstream_says_at_once_arrives() {
    let listener = Listener::start();
    let (proxy, _dir) = passing(&[listener.address], CONFIGURED);
    let mut client = proxy.connect();
    client.write_all(ASK.as_bytes()).expect("a request sent");
    let (_, mut upstream) = listener.next();
    upstream.write_all(format!("{SWITCHED}early").as_bytes()).expect("an answer sent");
    until(&mut client, "\r\n\r\nearly");
}

#[test]
fn one_side_may_end_before_the_other() {
    let listener = Listener::start();
    for client_first in [true, false] {
        let (mut proxy, dir, client, upstream) = switched(&listener, "access_log a.log;", "");
        let (mut first, mut second) = if client_first { (client, upstream) } else { (upstream, client) };
        first.write_all(b"last words").expect("sent");
        first.shutdown(Shutdown::Write).expect("an end");
        assert_eq!(rest(&mut second), "last words");
        second.write_all(b"and an answer").expect("sent");
        second.shutdown(Shutdown::Write).expect("an end");
        assert_eq!(rest(&mut first), "and an answer");
        // Only now is the request over.
        proxy.stop();
        let log = std::fs::read_to_string(dir.path().join("a.log")).expect("a log");
        let sent = if client_first { "and an answer".len() } else { "last words".len() };
        assert!(log.contains(&format!("\"GET /chat HTTP/1.1\" 101 {sent} ")), "{log}");
    }
}

#[test]
fn who_does_not_read_holds_up_who_writes() {
    let listener = Listener::start();
    let length = 32 << 20;
    for to_client in [true, false] {
        let (_proxy, _dir, client, upstream) = switched(&listener, "", "");
        let (mut from, mut to) = if to_client { (upstream, client) } else { (client, upstream) };
        // What the kernel does not take for a moment, it does not take: nobody reads.
        from.set_write_timeout(Some(std::time::Duration::from_millis(200))).expect("a time-out");
        let block = [7; 1 << 16];
        let mut sent = 0;
        while let Ok(written) = from.write(&block) {
            sent += written;
            assert!(sent < length, "it takes any amount");
        }
        from.shutdown(Shutdown::Write).expect("an end");
        let mut came = Vec::new();
        to.read_to_end(&mut came).expect("an orderly end");
        assert!(came.len() == sent && came.iter().all(|byte| *byte == 7), "{} of {sent}", came.len());
    }
}

#[test]
fn silence_of_both_sides_ends_it() {
    let listener = Listener::start();
    let (mut proxy, dir, mut client, mut upstream) = switched(&listener, "proxy_read_timeout 1s;", "");
    client.set_read_timeout(Some(std::time::Duration::from_millis(100))).expect("a time-out");
    // What one side says keeps the other alive, as with nginx, for longer than the limit.
    for _ in 0..15 {
        client.write_all(b".").expect("sent");
        assert!(client.read(&mut [0]).is_err(), "nothing comes, and no end");
        assert_eq!(until(&mut upstream, "."), ".");
    }
    client.set_read_timeout(None).expect("a time-out");
    assert_eq!((rest(&mut client), rest(&mut upstream)), (String::new(), String::new()));
    proxy.stop();
    let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
    assert!(log.contains("upstream timed out (110: Connection timed out) while proxying upgraded"), "{log}");
}

#[test]
fn without_configuration_nothing_is_switched() {
    for more in [
        "",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection upgrade;",
        "proxy_http_version 1.0;",
    ] {
        let more = if more.contains("1.0") { CONFIGURED.replace("1.1", "1.0") } else { more.to_owned() };
        let upstream = Upstream::start(|_, nth| Reply::Send(if nth == 0 { OK } else { SWITCHED }));
        let (proxy, _dir) = passing(&[upstream.address], &more);
        let answer = proxy.ask(&format!("{ASK}{}", ASK.replace("keep-alive, Upgrade", "close")));
        let head = &upstream.seen()[0].1;
        assert!(!head.contains("\r\nupgrade:") && !head.contains("connection: upgrade"), "{more}: {head}");
        assert!(head.contains("sec-websocket-key: k\r\n"), "{head}");
        // Both are answered; an upstream that switches all the same is wrong.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{more}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("HTTP/1.1 101 "), "{more}: {answer}");
    }
}

#[test]
fn a_request_for_another_protocol_may_be_answered_as_usual() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], CONFIGURED);
    let plain = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = proxy.ask(&format!("{ASK}{ASK}{plain}"));
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 3, "{answer}");
    let seen = upstream.seen();
    assert!(seen[1].1.contains("upgrade: websocket\r\n") && !seen[2].1.contains("upgrade"), "{seen:?}");
    // Of HTTP/1.0, the field has no meaning.
    let old = ASK.replace("HTTP/1.1", "HTTP/1.0").replace("keep-alive, ", "");
    assert!(proxy.ask(&old).ends_with("ok"));
    assert!(!upstream.seen()[3].1.contains("upgrade"));
}

#[test]
fn it_outlives_a_reload_and_ends_with_the_deadline() {
    let listener = Listener::start();
    let (mut proxy, _dir, mut client, mut upstream) = switched(&listener, "", "");
    let other = "server { listen 127.0.0.1:0; return 200 new; }";
    proxy.reload("", other);
    assert!(proxy.get("/").ends_with("new"));
    client.write_all(b"still here\n").expect("sent");
    assert_eq!(until(&mut upstream, "\n"), "still here\n");
    drop(client);
    assert_eq!(rest(&mut upstream), "");
    drop(upstream);
    assert_eq!(proxy.ended(), 0);
}

#[test]
fn who_has_gone_leaves_nothing_behind() {
    let listener = Listener::start();
    let (proxy, _dir) = passing(&[listener.address], CONFIGURED);
    let mut client = proxy.connect();
    // So much comes early that the end is not looked for: the answer shows it.
    client.write_all(format!("{ASK}{}", "x".repeat(1 << 20)).as_bytes()).expect("a request sent");
    let (_, mut upstream) = listener.next();
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
    drop(client);
    upstream.write_all(SWITCHED.as_bytes()).expect("an answer sent");
    assert_eq!(upstream.read(&mut [0]).unwrap_or(0), 0);
    super::harness::until("it has ended", || proxy.counters.writing.get() == 0);
    assert_eq!(proxy.counters.busy.get(), 0);
}
