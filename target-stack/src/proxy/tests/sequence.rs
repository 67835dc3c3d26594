//! What comes behind a request on its connection: content that nobody wanted is no request, and a request behind it is one, whatever
//! becomes of the first.

use super::harness::{OK, Proxy, Reply, Upstream, passing, rest};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Answers by itself, so that it wants no content.
const DEAF: &str =
    "server { listen 127.0.0.1:0; location / { return 200 deaf; } location /next { return 200 next; } }";
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn proxy(http: &str) -> (Proxy, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    (Proxy::start(http, dir.path()), dir)
}

/// Reads until what came ends so.
fn until(client: &mut TcpStream, end: &str) -> String {
    let mut came = Vec::new();
    while !came.ends_with(end.as_bytes()) {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&came)));
        came.extend(byte);
    }
    String::from_utf8(came).expect("text")
}

/// The words of content, of which each would be a request by itself.
fn content() -> String {
    "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3)
}

#[test]
fn content_that_nobody_wanted_stands_in_nobodys_way() {
    let (proxy, _dir) = proxy(DEAF);
    let content = content();
    let (sized, chunked) =
        (format!("Content-Length: {}\r\n", content.len()), "Transfer-Encoding: chunked\r\n");
    let chunks = format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len());
    for upgrade in ["", "Connection: upgrade\r\nUpgrade: x\r\n"] {
        for (framing, content) in [(&*sized, &content), (chunked, &chunks)] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{upgrade}{framing}\r\n");
            // Before the answer, half before and half after it, and after it.
            for before in [content.len(), content.len() / 2, 0] {
                let mut client = proxy.connect();
                let (first, second) = content.split_at(before);
                client.write_all(format!("{head}{first}").as_bytes()).expect("sent");
                until(&mut client, "\r\n\r\ndeaf");
                client.write_all(format!("{second}{NEXT}").as_bytes()).expect("sent");
                let (answer, _) = rest(&mut client);
                assert!(answer.ends_with("\r\n\r\nnext"), "{upgrade:?} {framing:?} {before}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
            }
        }
    }
}

#[test]
fn content_is_no_request_to_the_next_worker_either() {
    let (mut proxy, _dir) = proxy(DEAF);
    let content = content();
    let mut client = proxy.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", content.len());
    client.write_all(head.as_bytes()).expect("a head sent");
    until(&mut client, "\r\n\r\ndeaf");
    proxy.reload("", "server { listen 127.0.0.1:0; return 200 new; }");
    let (first, second) = content.split_at(content.len() / 3);
    client.write_all(first.as_bytes()).expect("sent");
    // The new worker answers, so that the old one has been told to leave.
    while !proxy.get("/").ends_with("new") {}
    client.write_all(second.as_bytes()).expect("sent");
    assert_eq!(proxy.ended(), 0);
    client.write_all(NEXT.as_bytes()).expect("sent");
    let (answer, _) = rest(&mut client);
    assert!(answer.ends_with("\r\n\r\nnew") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
}

#[test]
fn an_answer_arrives_although_the_client_goes_on() {
    let (proxy, _dir) = proxy(&DEAF.replace("listen", "client_max_body_size 0; listen"));
    // More than is read for the sake of the next request, and what is no chunk.
    for content in ["Content-Length: 9999999\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nx"] {
        let mut client = proxy.connect();
        client.write_all(format!("POST / HTTP/1.1\r\nHost: a\r\n{content}").as_bytes()).expect("a head sent");
        let mut sent = 0;
        while sent < 3 << 20 {
            // Past the bound it may not be taken any more.
            let Ok(length) = client.write(&[b'x'; 4096]) else { break };
            sent += length;
        }
        let mut answer = Vec::new();
        client.shutdown(std::net::Shutdown::Write).expect("an end");
        let ended = client.read_to_end(&mut answer);
        assert!(ended.is_ok(), "{content:?}: {ended:?}");
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.ends_with("\r\n\r\ndeaf"), "{content:?}: {answer}");
    }
}

#[test]
fn a_fill_without_its_client_takes_nothing_of_what_follows() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // It answers before it has heard all, and keeps the rest of its answer back.
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut heard = until(&mut stream, "hello\r\n");
        let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 9\r\n\r\nha";
        stream.write_all(answer.as_bytes()).expect("a beginning sent");
        let _ = stream.read_to_string(&mut heard);
        heard
    });
    let (proxy, _dir) = proxy(&format!(
        "proxy_cache_path c keys_zone=z:1m; server {{ listen 127.0.0.1:0; location /next {{ return 200 next; }} \
         location / {{ proxy_pass http://{address}; proxy_cache z; proxy_request_buffering off; }} }}"
    ));
    let mut client = proxy.connect();
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    client.write_all(head.as_bytes()).expect("sent");
    until(&mut client, "\r\n\r\n");
    client.write_all(format!("5\r\nworld\r\n0\r\n\r\n{NEXT}").as_bytes()).expect("sent");
    let (answer, _) = rest(&mut client);
    assert!(answer.ends_with("\r\n\r\nnext"), "{answer}");
    let heard = server.join().expect("a server");
    assert!(heard.ends_with("5\r\nhello\r\n"), "a part of a body passes for the whole: {heard}");
}

#[test]
fn who_expects_a_word_gets_one_or_the_end() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = passing(&[upstream.address], "");
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut client = proxy.connect();
    client.write_all(head.as_bytes()).expect("a head sent");
    until(&mut client, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").expect("content sent");
    assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));
    // Who does not wait gets one, too, and the connection goes on.
    client.write_all(format!("{head}hello").as_bytes()).expect("sent");
    let answer = until(&mut client, "\r\n\r\nok");
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("Connection: close"), "{answer}");
    client.write_all(NEXT.as_bytes()).expect("sent");
    assert!(rest(&mut client).0.ends_with("\r\n\r\nok"));
    // Who waits for one in vain may send content or the next request: nobody knows.
    let (proxy, _dir) = self::proxy(&DEAF.replace("listen", "keepalive_timeout 9s 9s; listen"));
    let answer = proxy.ask(head);
    assert!(answer.ends_with("\r\n\r\ndeaf") && answer.contains("Connection: close\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("keep-alive"), "{answer}");
}

#[test]
fn http_1_0_is_told_whether_its_connection_goes_on() {
    let rows = [
        ("200 OK\r\nContent-Length: 2\r\n\r\nok", true),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false),
        ("204 No Content\r\n\r\n", true),
        ("304 Not Modified\r\n\r\n", true),
    ];
    for (answer, goes_on) in rows {
        for more in ["", "keepalive_timeout 9s 9s;"] {
            let text: &'static str = format!("HTTP/1.1 {answer}").leak();
            let upstream = Upstream::start(move |_, _| Reply::Send(text));
            let (proxy, _dir) = passing(&[upstream.address], more);
            let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
            let closing = "GET / HTTP/1.0\r\n\r\n";
            let came = proxy.ask(&format!("{request}{closing}"));
            let heads: Vec<&str> = came.split("HTTP/1.1 ").skip(1).collect();
            assert_eq!(heads.len(), if goes_on { 2 } else { 1 }, "{answer:?} {more}: {came}");
            let (said, not) = if goes_on { ("keep-alive", "close") } else { ("close", "keep-alive") };
            assert!(heads[0].contains(&format!("Connection: {said}\r\n")), "{answer:?} {more}: {came}");
            assert!(!heads[0].contains(&format!("Connection: {not}\r\n")), "{answer:?} {more}: {came}");
        }
    }
}

#[test]
fn a_client_that_goes_is_missed_whatever_it_had_sent_behind_its_request() {
    for behind in ["", "GET /x", NEXT] {
        let (gone, told) = std::sync::mpsc::channel();
        let upstream = Upstream::start(move |_, _| {
            let gone = gone.clone();
            Reply::Do(Box::new(move |stream: &mut TcpStream| {
                // It never answers: that its connection ends is the client's doing.
                let _ = stream.read_to_end(&mut Vec::new());
                gone.send(()).expect("somebody waits");
            }))
        });
        let (proxy, _dir) = passing(&[upstream.address], "");
        let mut client = proxy.connect();
        client.write_all(format!("GET /first HTTP/1.1\r\nHost: a\r\n\r\n{behind}").as_bytes()).expect("sent");
        super::harness::until("it is asked", || !upstream.seen().is_empty());
        drop(client);
        told.recv_timeout(super::harness::PATIENCE).unwrap_or_else(|e| panic!("{behind:?}: {e}"));
    }
}
