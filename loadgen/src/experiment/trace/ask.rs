//! One request on a connection of its own, timed by one clock: the search for the name, the connection, TLS, the wait, the answer. Given
//! the way and the request as bytes, it gives what a record has of it, failures included.

use crate::client::tls::{self, Tls};
use crate::pace;
use crate::transport::http1::{LastHead, Reader, Sink};
use crate::transport::resolve::{Asker, Way};
use reports::trace::Asked;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const READ_BYTES: usize = 64 * 1024;
/// The most fields that the reader lets through.
const MOST_FIELDS: usize = 128;

/// How a request gets to its target.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    pub(super) way: Way<'a>,
    pub(super) tls: Option<&'a Tls>,
    pub(super) timeout: Duration,
}

/// A clock that says how long it was since it was last asked.
#[derive(Debug)]
struct Lap {
    begun: Instant,
    last: Instant,
}

impl Lap {
    fn begin() -> Self {
        let now = pace::now();
        Self { begun: now, last: now }
    }

    fn ms(&mut self) -> f64 {
        let before = std::mem::replace(&mut self.last, pace::now());
        (self.last - before).as_secs_f64() * 1e3
    }

    fn all_ms(&self) -> f64 {
        (self.last - self.begun).as_secs_f64() * 1e3
    }
}

/// What is kept of an answer: the head that counts, and how many bytes there were.
#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    bytes: u64,
}

impl Sink for Kept {
    fn head(&mut self, bytes: &[u8]) {
        self.head = bytes.to_vec();
    }

    fn body(&mut self, _: &[u8]) {}
}

impl Errand<'_> {
    /// Sends `request`, which has this id, and waits for the end of its answer.
    pub(super) async fn run(&self, id: &str, request: &[u8]) -> Asked {
        let mut asked = Asked { id: id.to_owned(), ..Asked::default() };
        match pace::within(self.timeout, self.try_to(&mut asked, request)).await {
            Some(Ok(())) => {}
            Some(Err(why)) => asked.failed = Some(why),
            None => asked.failed = Some(format!("no whole answer within {:?}", self.timeout)),
        }
        asked
    }

    async fn try_to(&self, asked: &mut Asked, request: &[u8]) -> Result<(), String> {
        let mut lap = Lap::begin();
        let addresses = match self.way {
            Way::Known(address) => vec![address],
            Way::Ask { server, host, port } => {
                let asker = Asker::new(server)?;
                lap = Lap::begin();
                let found = asker.ask(host).await;
                let found =
                    found.map_err(|e| format!("the name server {server} has no address of {host}: {e}"))?;
                asked.name_ms = Some(lap.ms());
                found.ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
            }
        };
        let stream = connect(&addresses, asked).await?;
        asked.connect_ms = lap.ms();
        match self.tls {
            None => converse(stream, request, asked, &mut lap).await?,
            Some(tls) => {
                let in_words = |e: io::Error| tls::reason(&e).unwrap_or_else(|| e.to_string());
                let stream = tls.connect(stream).await.map_err(in_words)?;
                asked.tls_ms = Some(lap.ms());
                converse(stream, request, asked, &mut lap).await?;
            }
        }
        asked.total_ms = lap.all_ms();
        Ok(())
    }
}

/// A connection to the first address that accepts one.
async fn connect(addresses: &[SocketAddr], asked: &mut Asked) -> Result<TcpStream, String> {
    let mut refused = String::from("its name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A socket that is closed already will say so itself.
                let _ = stream.set_nodelay(true);
                asked.address = address.to_string();
                return Ok(stream);
            }
            Err(e) => refused = format!("no connection to {address}: {e}"),
        }
    }
    Err(refused)
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
    asked: &mut Asked,
    lap: &mut Lap,
) -> Result<(), String> {
    let lost = |e: io::Error| format!("the connection broke: {e}");
    stream.write_all(request).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    asked.send_ms = lap.ms();
    let (mut reader, mut last, mut kept) = (Reader::default(), LastHead::default(), Kept::default());
    let mut buffer = vec![0; READ_BYTES];
    let answer = loop {
        let length = stream.read(&mut buffer).await.map_err(lost)?;
        if kept.bytes == 0 && length > 0 {
            asked.wait_ms = asked.send_ms + lap.ms();
        }
        if length == 0 {
            break reader.end().ok_or("the connection ended before the answer did")?;
        }
        kept.bytes += length as u64;
        let fed = reader.feed(&buffer[..length], false, &mut last, &mut kept);
        if let Some((answer, _)) = fed.map_err(|_| "what came is no HTTP/1.1")? {
            break answer;
        }
    };
    asked.receive_ms = lap.ms();
    asked.status = Some(answer.status);
    asked.bytes = kept.bytes;
    kept.read(asked);
    Ok(())
}

impl Kept {
    /// What the head says of the request's way.
    fn read(&self, asked: &mut Asked) {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut head = httparse::Response::new(&mut fields);
        // The reader has parsed it before.
        let _ = head.parse(&self.head);
        for field in head.headers.iter() {
            let value = || String::from_utf8_lossy(field.value).into_owned();
            match field.name {
                name if name.eq_ignore_ascii_case("x-request-id") => asked.answered_id = Some(value()),
                name if name.eq_ignore_ascii_case("server-timing") => asked.server_timing.push(value()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What a server that answers with `pieces` is recorded as.
    async fn answered(pieces: &'static [&'static str]) -> Asked {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let errand = Errand { way: Way::Known(address), tls: None, timeout: Duration::from_secs(20) };
        let (asked, ()) = tokio::join!(errand.run("id-1", b"GET / HTTP/1.1\r\n\r\n"), server);
        asked
    }

    #[tokio::test(flavor = "current_thread")]
    async fn times_follow_one_another_and_the_head_is_read() {
        for pieces in [
            &[
                "HTTP/1.1 103 Early\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX-Request-ID: id-1\r\nServer-Timing: app;dur=1\r\n\
               server-timing: proxy;dur=2\r\nContent-Length: 2\r\n\r\n",
                "ok",
            ][..],
            &[
                "HTTP/1.1 200 OK\r\nX-Request-ID: id-1\r\nServer-Timing: app;dur=1\r\nserver-timing: proxy;dur=2\r\n\r\nto the end",
            ],
        ] {
            let asked = answered(pieces).await;
            assert_eq!((asked.failed.as_deref(), asked.status), (None, Some(200)), "{pieces:?}");
            assert_eq!(asked.answered_id.as_deref(), Some("id-1"));
            assert_eq!(asked.server_timing, ["app;dur=1", "proxy;dur=2"]);
            let sum = asked.connect_ms + asked.wait_ms + asked.receive_ms;
            assert!((sum - asked.total_ms).abs() < 1e-6 && asked.send_ms <= asked.wait_ms, "{asked:?}");
            assert_eq!(asked.bytes, pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn failures_are_recorded() {
        for (pieces, part) in [
            (&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"][..], "ended before the answer did"),
            (&[], "ended before the answer did"),
            (&["SSH-2.0\r\n"], "no HTTP/1.1"),
        ] {
            let asked = answered(pieces).await;
            assert!(asked.failed.as_ref().is_some_and(|why| why.contains(part)), "{asked:?}");
        }
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let errand = Errand { way: Way::Known(dead), tls: None, timeout: Duration::from_secs(20) };
        let asked = errand.run("id-1", b"").await;
        assert!(asked.failed.is_some_and(|why| why.contains("no connection to 127.0.0.1:")));
    }
}
