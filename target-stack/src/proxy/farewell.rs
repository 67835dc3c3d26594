//! The end of a connection that its client does not expect. Given what came of a request that the guard refused, it writes nginx's
//! page and logs the request as far as it can be read; then it waits a moment for the client to hang up first.

use super::client::Client;
use super::exchange::{Exchange, Tracked};
use super::request::Parts;
use super::wire::Wire;
use super::worker::Worker;
use super::{calendar, pages};
use crate::pace;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// nginx's `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(5);
/// Fields that are kept for the log.
const MOST_FIELDS: usize = 100;

/// Answers the request that begins with `head` with `status`, one of nginx's own, and waits until the client has hung up.
pub(crate) async fn say(worker: &Rc<Worker>, client: &Rc<Client>, wire: &mut Wire, head: &[u8], status: u16) {
    let mut exchange = begin(worker, client, head);
    let name = pages::server_name(exchange.location().settings.reply.versionless);
    let (status, page) = pages::refusal(status, name);
    let mut answer = start(status, page.len(), name);
    exchange.status = status.as_u16();
    exchange.head_sent = answer.len() as u64;
    if exchange.parts.method != Method::HEAD {
        exchange.body_sent = page.len() as u64;
        answer.extend_from_slice(page.as_bytes());
    }
    let written = pace::within(LINGER, wire.write_all(&answer)).await;
    drop(exchange);
    if matches!(written, Some(Ok(()))) {
        linger(wire).await;
    }
}

/// Says that nothing more is sent, and waits until the client has hung up, or takes too long. Closing a socket with bytes unread would
/// reset the connection, and the client might never see the last answer.
pub(crate) async fn linger(wire: &mut Wire) {
    let gone = async {
        // What cannot be shut down has gone, which reading tells.
        let _ = wire.shutdown().await;
        let mut unread = [0; 1024];
        while matches!(wire.read(&mut unread).await, Ok(1..)) {}
    };
    pace::within(LINGER, gone).await;
}

/// Logs the request that begins with `head` with `status`: it gets no answer.
pub(crate) fn unanswered(worker: &Rc<Worker>, client: &Rc<Client>, head: &[u8], status: StatusCode) {
    begin(worker, client, head).status = status.as_u16();
}

fn begin(worker: &Rc<Worker>, client: &Rc<Client>, head: &[u8]) -> Tracked {
    worker.counters.requests.inc();
    let (line, parts) = read(head);
    let exchange = Exchange::new(Arc::clone(&worker.config), Rc::clone(client), parts);
    let mut exchange = Tracked::new(exchange, Rc::clone(worker));
    exchange.line = Some(line);
    exchange
}

/// The head of the answer, with the fields in nginx's order.
fn start(status: StatusCode, length: usize, name: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(1024);
    let reason = pages::reason(status);
    // Writing to a vector cannot fail; so below.
    let _ = write!(head, "HTTP/1.1 {} {reason}\r\nServer: {name}\r\nDate: ", status.as_u16());
    calendar::http(pace::wall_clock(), &mut head);
    let _ =
        write!(head, "\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    head
}

/// The request line as it came, and as much of the request as can be read.
fn read(head: &[u8]) -> (Vec<u8>, Parts) {
    let mut parts = Parts::default();
    let blank = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let mut lines = head[blank..].split_inclusive(|&byte| byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let line = line.split(|&byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    // As the logs show a method that is none.
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    parts.method = method.or(Method::from_bytes(b"-").ok()).unwrap_or_default();
    parts.uri = words.next().and_then(|word| Uri::try_from(word).ok()).unwrap_or_default();
    if words.next() == Some(b"HTTP/1.0") {
        parts.version = Version::HTTP_10;
    }
    let whole = lines.take_while(|line| line.ends_with(b"\n") && line.trim_ascii() != b"");
    for field in whole.take(MOST_FIELDS) {
        let mut halves = field.splitn(2, |&byte| byte == b':');
        if let (Some(name), Some(value)) = (halves.next(), halves.next())
            && let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
        {
            parts.headers.append(name, value);
        }
    }
    (line.to_vec(), parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_far_as_it_goes() {
        let rows: [(&[u8], &str, &str, &str, usize); 6] = [
            (b"GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n", "GET /a?b HTTP/1.1", "GET", "/a?b", 2),
            (b"\r\n\nPOST / HTTP/1.1\nX : y\nZ: 1\nW", "POST / HTTP/1.1", "POST", "/", 1),
            (b"GET / HTTP/1.1\r\nA: 1\r\n\r\nB: 2\r\n", "GET / HTTP/1.1", "GET", "/", 1),
            (b"GET /", "GET /", "GET", "/", 0),
            (b"\x16\x03\x01", "\u{16}\u{3}\u{1}", "-", "/", 0),
            (b"", "", "-", "/", 0),
        ];
        for (head, line, method, target, fields) in rows {
            let (got, parts) = read(head);
            assert_eq!(got, line.as_bytes(), "{}", head.escape_ascii());
            assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), (method, target));
            assert_eq!(parts.headers.len(), fields, "{}", head.escape_ascii());
        }
    }
}
