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
pub(crate) struct Socket {
    stream: Option<TcpStream>,
    /// Bytes that it has taken.
    taken: u64,
}

/// A connection that is in no event loop.
pub(crate) struct Parked {
    socket: std::net::TcpStream,
    wire: Wire,
}

impl Wire {
    /// The connection as it came.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::Plain(Socket::new(stream))
    }

    /// Shakes hands with the client by what `choose` gives for the name that it asked for.
    ///
    /// # Errors
    /// When that fails; the client has been told why.
    pub(crate) async fn secure(
        stream: TcpStream,
        choose: impl FnOnce(Option<&str>) -> Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), Socket::new(stream)).await?;
        let config = choose(hello.client_hello().server_name());
        let config = config.ok_or_else(|| io::Error::other("no certificate"))?;
        Ok(Self::Tls(Box::new(hello.into_stream(config).await?)))
    }

    /// Whether it is by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// How many bytes the socket has taken. By TLS, what was written here may wait for it.
    pub(crate) fn taken(&self) -> u64 {
        self.socket().taken
    }

    /// Whether bytes have come that nobody has read.
    pub(crate) fn has_bytes(&self) -> bool {
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        self.socket()
            .stream
            .as_ref()
            .is_some_and(|socket| matches!(recv(socket, &mut [0; 1], peek), Ok((1.., _))))
    }

    /// Says goodbye as far as that does not have to be waited for: whoever uses TLS wants to know that this is the end.
    pub(crate) fn close(mut self) {
        if self.is_secure() {
            let _ = Pin::new(&mut self).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Breaks it off, which tells the client that not all has come. It cannot fail on TCP.
    pub(crate) fn break_off(self) {
        if let Some(stream) = &self.socket().stream {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Takes it out of this event loop.
    ///
    /// # Errors
    /// When the loop does not let it go.
    pub(crate) fn park(mut self) -> io::Result<Parked> {
        let socket = self.socket_mut().stream.take().ok_or(io::ErrorKind::NotConnected)?;
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
        wire.socket_mut().stream = Some(TcpStream::from_std(self.socket)?);
        Ok(wire)
    }
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream), taken: 0 }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Counts what was taken.
    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.taken += count as u64;
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = socket.stream()?.poll_write(cx, bytes);
        socket.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = socket.stream()?.poll_write_vectored(cx, pieces);
        socket.note(written)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    /// Both ends of a connection by TLS.
    async fn pair() -> (Wire, tokio_rustls::client::TlsStream<TcpStream>) {
        let certified = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).expect("a certificate");
        let provider = Arc::new(ring::default_provider());
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("a configuration");
        let mut roots = RootCertStore::empty();
        roots.add(certified.cert.der().clone()).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream =
            TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (accepted, _) = listener.accept().await.expect("a connection");
        let name = ServerName::try_from("a.test").expect("a name");
        let connector = TlsConnector::from(Arc::new(client));
        let (client, server) =
            tokio::join!(connector.connect(name, stream), Wire::secure(accepted, |_| Some(Arc::new(server))));
        (server.expect("a handshake"), client.expect("a handshake"))
    }

    #[tokio::test]
    async fn only_what_the_socket_takes_counts_as_taken() {
        let (mut wire, mut client) = pair().await;
        let piece = vec![0; 64 << 10];
        // The client reads nothing, and in the end nothing goes.
        let (mut written, mut before) = (0, wire.taken());
        loop {
            let mut cx = Context::from_waker(Waker::noop());
            match Pin::new(&mut wire).poll_write(&mut cx, &piece) {
                Poll::Ready(taken) => written += taken.expect("a piece written") as u64,
                // The socket may have room again as soon as the kernel has handed on what it holds.
                Poll::Pending if wire.taken() > before => {
                    before = wire.taken();
                    tokio::task::yield_now().await;
                }
                Poll::Pending => break,
            }
        }
        let rest = async {
            let mut read = 0;
            let mut space = vec![0; 1 << 20];
            while read < written {
                read += client.read(&mut space).await.expect("bytes") as u64;
            }
        };
        let flushed = poll_fn(|cx| Pin::new(&mut wire).poll_flush(cx));
        let both = async { tokio::join!(flushed, rest) };
        let (flushed, ()) = pace::within(Duration::from_secs(20), both).await.expect("in time");
        flushed.expect("all has gone");
        assert!(wire.taken() > before, "what was written had not all been taken");
        wire.shutdown().await.expect("an end");
    }
}
