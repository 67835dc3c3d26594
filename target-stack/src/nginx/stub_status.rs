//! What nginx says of itself by its module stub_status. Given an address, it asks once, on a connection of its own, and
//! gives the seven numbers; it keeps nothing.

use crate::nginx_conf::{HOST, STATUS_PATH};
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than any head and the seven numbers take.
const LONGEST: u64 = 4096;

/// The seven numbers: of connections since the start, of requests, and of connections now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) accepted: u64,
    pub(super) handled: u64,
    pub(super) requests: u64,
    pub(super) active: u64,
    pub(super) reading: u64,
    pub(super) writing: u64,
    pub(super) waiting: u64,
}

impl Status {
    /// Without what asking adds: so many connections with one request each until now, the last of them still open.
    pub(super) fn without(self, asked: u64) -> Self {
        Self {
            accepted: self.accepted.saturating_sub(asked),
            handled: self.handled.saturating_sub(asked),
            requests: self.requests.saturating_sub(asked),
            active: self.active.saturating_sub(1),
            writing: self.writing.saturating_sub(1),
            ..self
        }
    }
}

/// Asks the nginx at `address`.
///
/// # Errors
/// When it cannot be reached, or its answer is another one.
pub(super) async fn ask(address: SocketAddr) -> Result<Status> {
    let mut stream = TcpStream::connect(address).await?;
    // In HTTP/1.0 an answer ends with its connection.
    stream.write_all(format!("GET {STATUS_PATH} HTTP/1.0\r\nHost: {HOST}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    body(&answer).and_then(parse).ok_or_else(|| {
        let first = answer.lines().next().unwrap_or_default();
        Error::new(ErrorKind::InvalidData, format!("it answers `{}`", first.escape_debug()))
    })
}

fn body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|code| *code == "200").map(|_| body)
}

fn parse(body: &str) -> Option<Status> {
    let words: Vec<&str> = body.split_whitespace().collect();
    let [
        "Active",
        "connections:",
        active,
        "server",
        "accepts",
        "handled",
        "requests",
        accepted,
        handled,
        requests,
        "Reading:",
        reading,
        "Writing:",
        writing,
        "Waiting:",
        waiting,
    ] = words[..]
    else {
        return None;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    Some(Status {
        accepted: number(accepted)?,
        handled: number(handled)?,
        requests: number(requests)?,
        active: number(active)?,
        reading: number(reading)?,
        writing: number(writing)?,
        waiting: number(waiting)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const TEXT: &str = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630947 31070465 \n\
        Reading: 6 Writing: 179 Waiting: 106 \n";

    const STATUS: Status = Status {
        accepted: 16_630_948,
        handled: 16_630_947,
        requests: 31_070_465,
        active: 291,
        reading: 6,
        writing: 179,
        waiting: 106,
    };

    #[test]
    fn the_numbers_are_read_or_none_of_them() {
        assert_eq!(parse(TEXT), Some(STATUS));
        for (part, other) in [
            ("291", "-1"),
            ("291", "many"),
            ("Waiting: 106", ""),
            ("Reading", "Read"),
            ("requests\n", "requests request_time\n"),
            ("31070465", "31070465 12"),
            ("106", "106 and more"),
            ("179", "18446744073709551616"),
        ] {
            assert_eq!(parse(&TEXT.replace(part, other)), None, "{part} {other}");
        }
        assert_eq!(parse(""), None);
    }

    #[test]
    fn asking_is_taken_off() {
        let rest = STATUS.without(8);
        assert_eq!((rest.accepted, rest.handled, rest.requests), (16_630_940, 16_630_939, 31_070_457));
        assert_eq!((rest.active, rest.writing), (290, 178));
        assert_eq!((rest.reading, rest.waiting), (6, 106));
        assert_eq!(Status::default().without(1), Status::default());
    }

    #[tokio::test]
    async fn an_answer_is_taken_if_it_is_one() {
        let long = "x".repeat(100_000);
        for (answer, want) in [
            (format!("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n{TEXT}"), Ok(STATUS)),
            (format!("HTTP/1.1 503 No\r\n\r\n{TEXT}"), Err("it answers `HTTP/1.1 503 No`")),
            (String::from("HTTP/1.1 200 OK\r\n\r\nhello"), Err("it answers `HTTP/1.1 200 OK`")),
            (String::from("\u{1b}[2J"), Err("it answers `\\u{1b}[2J`")),
            (String::new(), Err("it answers ``")),
            (format!("HTTP/1.1 200 OK\r\n\r\n{TEXT}{long}"), Err("it answers")),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its address");
            let serving = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await?;
                let mut asked = [0; 512];
                let n = stream.read(&mut asked).await?;
                // Whoever has read enough goes away.
                let _ = stream.write_all(answer.as_bytes()).await;
                Result::Ok(String::from_utf8_lossy(&asked[..n]).into_owned())
            });
            match (ask(address).await, want) {
                (Ok(status), Ok(want)) => assert_eq!(status, want),
                (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
                (got, want) => panic!("{got:?} in place of {want:?}"),
            }
            let asked = serving.await.expect("a server").expect("a request");
            assert!(asked.starts_with("GET /stub_status HTTP/1.0\r\n"), "{asked}");
        }
    }
}
