//! A connection to a server as hyper sees it. Given the socket, it passes bytes on unchanged, and breaks off where the head of an
//! answer, with all that a server sends before it, is longer than any honest one. It never looks into what it passes.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The longest head of an answer, and how much may come before it is whole: interim answers too, and what of the body comes with it.
pub(crate) const LONGEST_HEAD: usize = 64 << 10;
const MOST_BEFORE_BODY: usize = 1 << 20;

/// What hyper's own error has to be told from.
pub(crate) const TOO_BIG: &str = "upstream sent too big header";

#[derive(Debug)]
pub(crate) struct Uplink {
    stream: TcpStream,
    allowance: Allowance,
}

/// How many bytes may come until an answer's head is whole.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Rc<Cell<usize>>);

impl Allowance {
    /// The head of an answer is waited for.
    pub(crate) fn limit(&self) {
        self.0.set(MOST_BEFORE_BODY);
    }

    /// It is whole.
    pub(crate) fn lift(&self) {
        self.0.set(usize::MAX);
    }
}

impl Uplink {
    pub(crate) fn new(stream: TcpStream) -> (Self, Allowance) {
        let allowance = Allowance(Rc::new(Cell::new(usize::MAX)));
        (Self { stream, allowance: allowance.clone() }, allowance)
    }
}

impl AsyncRead for Uplink {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let link = self.get_mut();
        let left = link.allowance.0.get();
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, TOO_BIG)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut link.stream).poll_read(cx, buf))?;
        link.allowance.0.set(left.saturating_sub(buf.filled().len() - before));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Uplink {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
