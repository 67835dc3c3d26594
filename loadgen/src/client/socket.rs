//! The bytes beneath a client library: a TCP or unix socket, in the clear or within TLS. It opens them, counts what passes
//! through, and remembers why TLS gave up, which the libraries above do not pass on. It knows nothing of HTTP.

use super::fault::Fault;
use super::tls::Tls;
use crate::transport::address::Address;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// What the socket of a TLS connection is read in: rustls itself asks for 4 KiB at a time.
const TLS_READ_BYTES: usize = 32 * 1024;

/// Bytes of HTTP that have passed since they were last asked for.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Written.
    pub(super) sent: Cell<usize>,
    /// Read.
    pub(super) received: Cell<usize>,
}

/// Why TLS gave up, once it has.
pub(super) type TlsFault = Rc<RefCell<Option<String>>>;

/// A plain socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection as HTTP sees it.
#[derive(Debug)]
pub(super) struct Stream {
    layer: Layer,
    traffic: Rc<Traffic>,
    fault: TlsFault,
}

#[derive(Debug)]
enum Layer {
    Plain(Socket),
    Tls(Box<TlsStream<BufReader<Socket>>>),
}

/// Opens a connection to the `turn`-th address, or to one after it where that refuses, from the `turn`-th of `sources`,
/// and makes it safe where `tls` is given.
pub(super) async fn open(
    address: &Address,
    sources: &[IpAddr],
    tls: Option<&Tls>,
    turn: usize,
    traffic: Rc<Traffic>,
) -> Result<Stream, Fault> {
    let socket = match address {
        Address::Tcp(names) => {
            Socket::Tcp(connect_any(&names.addresses(), sources, turn).await.map_err(Fault::connect)?)
        }
        Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await.map_err(Fault::connect)?),
    };
    let layer = match tls {
        None => Layer::Plain(socket),
        Some(tls) => {
            let socket = BufReader::with_capacity(TLS_READ_BYTES, socket);
            Layer::Tls(Box::new(tls.connect(socket).await.map_err(Fault::handshake)?))
        }
    };
    Ok(Stream { layer, traffic, fault: TlsFault::default() })
}

async fn connect_any(all: &[SocketAddr], sources: &[IpAddr], turn: usize) -> io::Result<TcpStream> {
    let mut refused = io::ErrorKind::NotFound.into();
    for n in 0..all.len() {
        match connect(all[(turn + n) % all.len()], sources, turn).await {
            Ok(stream) => return Ok(stream),
            Err(e) => refused = e,
        }
    }
    Err(refused)
}

async fn connect(to: SocketAddr, sources: &[IpAddr], turn: usize) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let fitting = sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4());
    if let Some(source) = fitting.clone().nth(turn % fitting.count().max(1)) {
        socket.bind(SocketAddr::new(*source, 0))?;
    }
    socket.set_nodelay(true)?;
    socket.connect(to).await
}

impl Stream {
    /// Where it will be said why TLS gave up.
    pub(super) fn fault(&self) -> TlsFault {
        Rc::clone(&self.fault)
    }

    /// Whether it is within TLS.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.layer, Layer::Tls(_))
    }

    /// The protocol that was agreed on in the handshake (ALPN), and the version of TLS.
    pub(super) fn agreed(&self) -> (Option<&[u8]>, Option<String>) {
        match &self.layer {
            Layer::Plain(_) => (None, None),
            Layer::Tls(stream) => {
                let (_, session) = stream.get_ref();
                let version =
                    session.protocol_version().and_then(|version| version.as_str().map(String::from));
                (session.alpn_protocol(), version.map(|version| version.replace("TLSv1_", "TLS 1.")))
            }
        }
    }

    fn noted<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(e)) = &result
            && let Some(why) = super::tls::reason(e)
        {
            self.fault.borrow_mut().get_or_insert(why);
        }
        result
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        ready!(self.noted(result))?;
        self.traffic.received.update(|n| n + buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        let written = ready!(self.noted(result))?;
        self.traffic.sent.update(|n| n + written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.noted(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Layer::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        };
        let written = ready!(self.noted(result))?;
        self.traffic.sent.update(|n| n + written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(stream) => stream.is_write_vectored(),
            Layer::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
