//! HTTP/1.1 on plain sockets. Given an address, it opens a connection; given a request's bytes, it writes them, all at
//! once where the socket takes them; given bytes that came, it says when an answer is whole. Nothing is allocated,
//! locked or sent through a channel per request. It does not decide what is sent when, and reads no clock.

use crate::transport::http1::Reader;
use crate::transport::names::Names;
use reports::record::Dns;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// Where connections go.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// The addresses of a name, in turn.
    Tcp(Arc<Names>),
    /// A unix socket.
    Unix(PathBuf),
}

/// The half of a connection that its task reads from.
#[derive(Debug)]
pub(crate) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

#[derive(Debug)]
enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

/// One connection, but for the half that is read from.
#[derive(Debug)]
pub(crate) struct Connection {
    writer: WriteHalf,
    /// How much of the current request is written; `None` when all of it is.
    written: Option<usize>,
    /// Wakes the task that reads.
    waker: Option<Waker>,
    /// What has come of the current answer.
    pub(crate) reader: Reader,
    /// Whether the task is to end.
    closing: bool,
}

/// Opens a connection to the `turn`-th address, or to one after it where that refuses: a name with a dead address
/// beside a live one is alive, as it is to a browser.
///
/// # Errors
/// The kernel's own, of the last address that was tried.
pub(crate) async fn connect(address: &Address, turn: usize) -> io::Result<(Connection, ReadHalf)> {
    let (reading, writer) = match address {
        Address::Tcp(names) => {
            let stream = connect_any(&names.addresses(), turn).await?;
            stream.set_nodelay(true)?;
            let (read, write) = stream.into_split();
            (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
        }
        Address::Unix(path) => {
            let (read, write) = UnixStream::connect(path).await?.into_split();
            (ReadHalf::Unix(read), WriteHalf::Unix(write))
        }
    };
    let connection =
        Connection { writer, written: None, waker: None, reader: Reader::default(), closing: false };
    Ok((connection, reading))
}

async fn connect_any(all: &[SocketAddr], turn: usize) -> io::Result<TcpStream> {
    let mut refused = io::ErrorKind::NotFound.into();
    for n in 0..all.len() {
        match TcpStream::connect(all[(turn + n) % all.len()]).await {
            Ok(stream) => return Ok(stream),
            Err(e) => refused = e,
        }
    }
    Err(refused)
}

impl Address {
    /// In words, for a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Tcp(names) => {
                names.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            Self::Unix(path) => path.display().to_string(),
        }
    }

    /// Keeps the addresses of a name fresh for as long as it is polled: it never ends.
    pub(crate) async fn keep_fresh(&self) {
        match self {
            Self::Tcp(names) => names.keep_fresh().await,
            Self::Unix(_) => std::future::pending().await,
        }
    }

    /// What name servers were asked and what came of it; `None` where none was.
    pub(crate) fn dns(&self) -> Option<Dns> {
        match self {
            Self::Tcp(names) => names.dns(),
            Self::Unix(_) => None,
        }
    }
}

impl Connection {
    /// Begins to write `request`, and gives how many bytes were written. What the socket does not take at once, the
    /// connection's task writes later.
    ///
    /// # Errors
    /// When the connection is dead: nothing was sent.
    pub(crate) fn start(&mut self, request: &[u8]) -> io::Result<usize> {
        let result = match &self.writer {
            WriteHalf::Tcp(writer) => writer.try_write(request),
            WriteHalf::Unix(writer) => writer.try_write(request),
        };
        let written = match result {
            Ok(n) if n == request.len() => return Ok(n),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(e) => return Err(e),
        };
        self.written = Some(written);
        self.wake();
        Ok(written)
    }

    /// Whether part of the current request is still to be written.
    pub(crate) fn is_writing(&self) -> bool {
        self.written.is_some()
    }

    /// Goes on writing `request`, and sees to it that the task is woken when more can be written. Gives how many bytes
    /// were written, and whether the connection is alive.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, request: &[u8]) -> (usize, bool) {
        let mut sum = 0;
        while let Some(written) = self.written {
            let rest = request.get(written..).unwrap_or_default();
            let result = match &mut self.writer {
                WriteHalf::Tcp(writer) => Pin::new(writer).poll_write(cx, rest),
                WriteHalf::Unix(writer) => Pin::new(writer).poll_write(cx, rest),
            };
            match result {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return (sum, false),
                Poll::Ready(Ok(n)) => {
                    sum += n;
                    self.written = (written + n < request.len()).then_some(written + n);
                }
            }
        }
        (sum, true)
    }

    /// Remembers how to wake the connection's task.
    pub(crate) fn remember(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    /// Tells the connection's task to end.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        self.wake();
    }

    /// Whether the connection's task is to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl ReadHalf {
    /// Reads what has come. One system call an answer: tokio remembers that a read which did not fill the buffer has
    /// emptied the socket.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(reader) => Pin::new(reader).poll_read(cx, buffer),
            Self::Unix(reader) => Pin::new(reader).poll_read(cx, buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_dead_address_beside_a_live_one_fails_nothing() {
        let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let both = Address::Tcp(Names::fixed(vec![dead, live.local_addr().unwrap()]));
        for turn in 0..4 {
            assert!(connect(&both, turn).await.is_ok(), "{turn}");
        }
        assert!(connect(&Address::Tcp(Names::fixed(vec![dead])), 0).await.is_err());
        assert!(connect(&Address::Tcp(Names::fixed(vec![])), 0).await.is_err());
    }
}
