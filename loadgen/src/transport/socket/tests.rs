//! Sockets on loopback: how they come about or do not, and what the kernel says of the bytes that reach them.

use super::*;
use crate::pace;
use crate::transport::poll::Poll;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// Waits until something becomes of the socket.
fn settle(socket: &Socket) {
    let mut poll = Poll::new().unwrap();
    poll.add(socket, 1).unwrap();
    while poll.wait(Duration::from_secs(60)).unwrap() == 0 {}
}

/// A connection to a listener at `at`, from `source`, and its other end.
fn pair(at: &str, source: Option<&str>) -> (Socket, TcpStream) {
    let listener = TcpListener::bind(at).unwrap();
    let source = source.map(|source| source.parse().unwrap());
    let socket = Socket::tcp(listener.local_addr().unwrap(), source).unwrap();
    settle(&socket);
    socket.connected().unwrap();
    (socket, listener.accept().unwrap().0)
}

/// What comes next.
fn next(socket: &Socket, buffer: &mut [u8]) -> io::Result<Received> {
    loop {
        if let Some(received) = socket.receive(buffer)? {
            return Ok(received);
        }
        settle(socket);
    }
}

fn wall_now() -> u64 {
    u64::try_from(pace::wall_clock().as_nanos()).unwrap()
}

#[test]
fn the_kernel_says_when_bytes_came_on_both_families() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let (socket, mut other) = pair(at, None);
        assert!(socket.stamped, "{at}");
        assert_eq!(socket.receive(&mut [0; 8]).unwrap(), None, "{at}");
        let before = wall_now();
        other.write_all(b"hello").unwrap();
        let mut buffer = [0; 8];
        // Read late, it is stamped with when it came all the same.
        settle(&socket);
        let came = wall_now();
        let received = next(&socket, &mut buffer).unwrap();
        assert_eq!((received.bytes, &buffer[..5]), (5, &b"hello"[..]), "{at}");
        // The kernel switches its stamps on beside the first socket that asks: what comes before has none.
        if let Some(stamp) = received.at_wall_ns {
            assert!((before..=came).contains(&stamp), "{at}: {before} {stamp} {came}");
        }
        let stamped = (0..1_000).any(|_| {
            other.write_all(b"again").unwrap();
            settle(&socket);
            next(&socket, &mut buffer).unwrap().at_wall_ns.is_some()
        });
        assert!(stamped, "{at}");
        drop(other);
        assert_eq!(next(&socket, &mut buffer).unwrap().bytes, 0, "{at}");
    }
}

#[test]
fn a_connection_comes_from_the_address_that_it_is_told() {
    for (at, source) in [("127.0.0.1:0", "127.0.0.2"), ("127.0.0.1:0", "127.9.9.9"), ("[::1]:0", "::1")] {
        let (_socket, other) = pair(at, Some(source));
        assert_eq!(other.peer_addr().unwrap().ip().to_string(), source);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // An address of the documentation's (RFC 5737), which is no host's own.
    let not_ours = Socket::tcp(listener.local_addr().unwrap(), Some("192.0.2.1".parse().unwrap()));
    assert_eq!(Errno::from_io_error(&not_ours.unwrap_err()), Some(Errno::ADDRNOTAVAIL));
}

#[test]
fn a_refusal_is_told_at_once_or_when_the_socket_is_ready() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Socket::tcp(nobody, None).and_then(|socket| {
        settle(&socket);
        socket.connected()
    });
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    assert_eq!(Socket::unix(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(Socket::unix(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_unix_socket_carries_bytes_without_stamps() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = Socket::unix(&path).unwrap();
    let (mut other, _) = listener.accept().unwrap();
    assert_eq!(socket.send(b"ask").unwrap(), 3);
    other.read_exact(&mut [0; 3]).unwrap();
    other.write_all(b"answer").unwrap();
    let received = next(&socket, &mut [0; 64]).unwrap();
    assert_eq!(received, Received { bytes: 6, at_wall_ns: None });
}

#[test]
fn what_the_kernel_does_not_take_is_not_sent_and_a_dead_connection_is_an_error() {
    let (socket, mut other) = pair("127.0.0.1:0", None);
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    // Until both ends' buffers are full.
    loop {
        match socket.send(&piece).unwrap() {
            0 => break,
            n => sent += n,
        }
    }
    assert_eq!(socket.send(&piece).unwrap(), 0);
    other.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    other.read_exact(&mut vec![0; sent]).unwrap();
    settle(&socket);
    // Bytes that nobody has read make the end a reset.
    assert!(socket.send(b"more").unwrap() > 0);
    while other.peek(&mut [0; 1]).unwrap() == 0 {}
    drop(other);
    let mut end = socket.send(b"more");
    while end.is_ok() {
        end = socket.send(b"more");
    }
    assert!(matches!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset));
}
