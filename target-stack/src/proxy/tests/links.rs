//! The connections to upstreams: which are used again, how requests and answers of any length go over them, and how long they wait.

use super::harness::{OK, Proxy, Reply, Upstream, passing, rest, until};
use std::io::{Read, Write};

#[test]
fn an_answer_says_whether_its_connection_is_used_again() {
    for (text, again) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", true),
    ] {
        let upstream = Upstream::start(move |_, _| Reply::Send(text));
        let (proxy, _dir) = passing(&[upstream.address], "");
        for _ in 0..3 {
            assert!(proxy.get("/").starts_with("HTTP/1.1 20"), "{text:?}");
        }
        let want = if again { [0, 0, 0] } else { [0, 1, 2] };
        assert_eq!(upstream.connections(), want, "{text:?}");
    }
    for (more, want) in
        [("proxy_http_version 1.0;", [0, 1]), ("proxy_set_header Connection close;", [0, 1]), ("", [0, 0])]
    {
        let upstream = Upstream::start(|_, _| Reply::Send(OK));
        let (proxy, _dir) = passing(&[upstream.address], more);
        assert!((0..2).all(|_| proxy.get("/").ends_with("ok")), "{more}");
        assert_eq!(upstream.connections(), want, "{more}");
    }
}

#[test]
fn bodies_of_any_length_go_both_ways_by_one_connection() {
    let upstream = Upstream::start(|_, nth| {
        let length = [0, 1, 4000, 5000, 70_000, 3_000_000][nth / 4 % 6];
        let body = "x".repeat(length);
        let text = match nth % 2 {
            0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"),
            // In chunks of several lengths, across any buffer's end.
            _ => {
                let chunk =
                    |part: &[u8]| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part));
                let chunks: String = body.as_bytes().chunks(1 + length / 7).map(chunk).collect();
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
            }
        };
        Reply::Send(text.leak())
    });
    let (proxy, _dir) = passing(&[upstream.address], "client_max_body_size 0; proxy_request_buffering off;");
    for (nth, length) in [0, 1, 4000, 5000, 70_000, 3_000_000].into_iter().enumerate() {
        for round in 0..4 {
            let sent = "y".repeat(length);
            let framed = match round / 2 {
                0 => format!("Content-Length: {length}\r\n\r\n{sent}"),
                _ if length == 0 => "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
                _ => format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{sent}\r\n0\r\n\r\n"),
            };
            // As nginx does, a body is passed on whatever the method.
            let method = if round % 2 == 0 { "PUT" } else { "GET" };
            let answer = if round < 2 {
                proxy.ask(&format!("{method} / HTTP/1.0\r\nHost: a\r\n{framed}"))
            } else {
                proxy.ask(&format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framed}"))
            };
            let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
            assert!(head.starts_with("HTTP/1."), "{head}");
            assert_eq!(body.matches('x').count(), length, "{head}");
            let (_, head, body) = upstream.seen().pop().expect("a request");
            assert_eq!(body.matches('y').count(), length, "{head}");
        }
        assert_eq!(upstream.connections(), vec![0; 4 * (nth + 1)]);
    }
}

#[test]
fn silence_has_a_limit_when_the_client_is_gone() {
    // What is stored is waited for by another task then, and that is the one that has to be woken.
    for beginning in ["", "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 9\r\n\r\nha"] {
        let upstream = Upstream::start(move |_, _| {
            Reply::Do(Box::new(move |stream| {
                stream.write_all(beginning.as_bytes()).expect("a beginning sent");
                let _ = stream.read_to_end(&mut Vec::new());
            }))
        });
        let dir = tempfile::tempdir().expect("a directory");
        let http = format!(
            "proxy_cache_path c keys_zone=z:1m; upstream app {{ server {}; }} server {{ listen 127.0.0.1:0; \
             location / {{ proxy_pass http://app; proxy_cache z; proxy_read_timeout 300ms; }} }}",
            upstream.address
        );
        let proxy = Proxy::start(&http, dir.path());
        let mut client = proxy.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
        if beginning.is_empty() {
            until("it is asked", || !upstream.seen().is_empty());
        } else {
            client.read_exact(&mut [0; 10]).expect("a beginning");
        }
        drop(client);
        let conns = proxy.counters.upstream(0).peers[0].standing.conns();
        until("it is given up", || conns.get() == 0);
    }
}

#[test]
fn a_link_that_waited_for_one_client_waits_for_the_next() {
    // The timer that the first request left behind is set to a later time than the second's.
    let upstream = Upstream::start(|_, nth| if nth == 0 { Reply::Send(OK) } else { Reply::Stay });
    let dir = tempfile::tempdir().expect("a directory");
    let http = format!(
        "upstream app {{ server {}; }} server {{ listen 127.0.0.1:0; location / {{ proxy_pass http://app; }} \
         location /soon {{ proxy_pass http://app; proxy_read_timeout 100ms; }} }}",
        upstream.address
    );
    let proxy = Proxy::start(&http, dir.path());
    assert!(proxy.get("/").ends_with("ok"));
    let mut client = proxy.connect();
    client.write_all(b"GET /soon HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request sent");
    assert!(rest(&mut client).0.starts_with("HTTP/1.1 504 "));
    assert_eq!(upstream.connections(), [0, 0]);
}

#[test]
fn an_early_answer_and_the_rest_of_its_request_pass_each_other() {
    // Each far more than the sockets hold. The rest of the request is sent when they are full of the answer, of which nothing is
    // taken before.
    let length = 32 << 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (full, is_full) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut input = std::io::BufReader::new(stream.try_clone().expect("a second handle"));
        super::harness::read_head(&mut input).expect("a head");
        let answering = std::thread::spawn(move || {
            let mut stream = stream;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
            stream.set_write_timeout(Some(std::time::Duration::from_millis(100))).expect("a time-out");
            let mut gone = 0;
            while let Ok(length) = stream.write(&answer.as_bytes()[gone..]) {
                gone += length;
            }
            stream.set_write_timeout(None).expect("no time-out");
            full.send(()).expect("a client");
            stream.write_all(&answer.as_bytes()[gone..]).is_ok()
        });
        let heard = std::io::copy(&mut input.take(length as u64), &mut std::io::sink()).expect("a body");
        (heard, answering.join().expect("an answer"))
    });
    let (proxy, _dir) = passing(&[address], "client_max_body_size 0;");
    let mut client = proxy.connect();
    client.set_write_timeout(Some(super::harness::PATIENCE)).expect("a time-out");
    let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    // So much that it is not waited for.
    let (first, second) = (vec![b'y'; 100_000], vec![b'y'; length - 100_000]);
    client.write_all(&[head.as_bytes(), &first].concat()).expect("a part sent");
    is_full.recv().expect("a full answer");
    client.write_all(&second).expect("the rest sent");
    let (answer, whole) = rest(&mut client);
    assert!(whole && answer.matches('x').count() == length, "{}", answer.len());
    assert_eq!(server.join().expect("a server"), (length as u64, true));
}
