//! The bytes of a client's connection, plain or by TLS. Given an accepted socket, it reads and writes; it can be parked, which takes
//! it out of its event loop, and go on in another one. It knows nothing of HTTP.

use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

/// A client's connection.
pub(crate) enum Wire {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A socket that is in an event loop, but for the time in which it is parked.
pub(crate) struct Socket(Option<TcpStream>);

/// A connection that is in no event loop.
pub(crate) struct Parked {
    socket: std::net::TcpStream,
    wire: Wire,
}

impl Wire {
    /// The connection as it came.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::Plain(Socket(Some(stream)))
    }

    /// Shakes hands with the client by what `choose` gives for the name that it asked for.
    ///
    /// # Errors
    /// When that fails; the client has been told why.
    pub(crate) async fn secure(
        stream: TcpStream,
        choose: impl FnOnce(Option<&str>) -> Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), Socket(Some(stream))).await?;
        let config = choose(hello.client_hello().server_name());
        let config = config.ok_or_else(|| io::Error::other("no certificate"))?;
        Ok(Self::Tls(Box::new(hello.into_stream(config).await?)))
    }

    /// Whether it is by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether bytes have come that nobody has read.
    pub(crate) fn has_bytes(&self) -> bool {
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        self.socket().0.as_ref().is_some_and(|socket| matches!(recv(socket, &mut [0; 1], peek), Ok((1.., _))))
    }

    /// Says goodbye as far as that does not have to be waited for: whoever uses TLS wants to know that this is the end.
    pub(crate) fn close(mut self) {
        if self.is_secure() {
            let _ = Pin::new(&mut self).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Breaks it off, which tells the client that not all has come. It cannot fail on TCP.
    pub(crate) fn break_off(self) {
        if let Some(stream) = &self.socket().0 {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Takes it out of this event loop.
    ///
    /// # Errors
    /// When the loop does not let it go.
    pub(crate) fn park(mut self) -> io::Result<Parked> {
        let socket = self.socket_mut().0.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Parked { socket: socket.into_std()?, wire: self })
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(session) => session.get_ref().0,
        }
    }

    fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(session) => session.get_mut().0,
        }
    }
}

impl Parked {
    /// Whether it is by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.wire.is_secure()
    }

    /// Puts it into the current event loop.
    ///
    /// # Errors
    /// When the loop has no room for it.
    pub(crate) fn unpark(self) -> io::Result<Wire> {
        let mut wire = self.wire;
        wire.socket_mut().0 = Some(TcpStream::from_std(self.socket)?);
        Ok(wire)
    }
}

impl Socket {
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stream()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream()?.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(cx)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(session) => Pin::new(session).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(session) => Pin::new(session).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, pieces),
            Self::Tls(session) => Pin::new(session).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(session) => Pin::new(session).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(session) => Pin::new(session).poll_shutdown(cx),
        }
    }
}
