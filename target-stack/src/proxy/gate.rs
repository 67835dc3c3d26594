//! A client's connection as hyper sees it. Given the socket, it passes bytes on, unchanged and uncopied while whole heads come,
//! as long as the guard lets them. Of a request that is refused hyper sees no byte: when the answers before it are out, the
//! connection ends for hyper, and the refusal is written in its place. Nothing is held but a head that is not whole.

use super::exchange::Client;
use super::farewell::Farewell;
use super::guard::{Guard, Limits, Refusal};
use super::worker::Worker;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) struct Gate {
    stream: TcpStream,
    guard: Guard,
    worker: Rc<Worker>,
    client: Rc<Client>,
    /// What has come and was not handed over.
    held: Vec<u8>,
    /// How much of that may be handed over.
    passed: usize,
    refused: Option<Refusal>,
    /// Set once hyper was told that nothing more comes.
    farewell: Option<Farewell>,
}

impl Gate {
    pub(crate) fn new(stream: TcpStream, limits: Limits, worker: Rc<Worker>, client: Rc<Client>) -> Self {
        Self {
            stream,
            guard: Guard::new(limits),
            worker,
            client,
            held: Vec::new(),
            passed: 0,
            refused: None,
            farewell: None,
        }
    }

    /// Reads into `buf` what may pass, and holds what may not.
    fn poll_pass(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.passed == 0 {
            if let Some(refusal) = self.refused {
                return self.poll_refuse(cx, refusal);
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            let came = &buf.filled()[before..];
            if came.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let verdict = if self.held.is_empty() {
                let verdict = self.guard.judge(came);
                self.held.extend_from_slice(&came[verdict.passed..]);
                buf.set_filled(before + verdict.passed);
                verdict
            } else {
                self.held.extend_from_slice(came);
                buf.set_filled(before);
                let verdict = self.guard.judge(&self.held);
                self.passed = verdict.passed;
                verdict
            };
            if let Some(refusal) = verdict.refused {
                self.worker.counters.refused(refusal);
                self.refused = Some(refusal);
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        let length = self.passed.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.passed -= length;
        if self.held.is_empty() {
            // Most connections are idle most of the time.
            self.held = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// There is nothing more for hyper.
    fn poll_refuse(&mut self, cx: &Context<'_>, refusal: Refusal) -> Poll<io::Result<()>> {
        if refusal.is_of_body() {
            // The request is with hyper already, and its body fails there as any that is broken off.
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal.name())));
        }
        // An end of the stream while an answer is under way would be a client that hung up.
        if self.client.answered.get() < self.guard.heads() {
            self.client.waiting.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if self.farewell.is_none() {
            let head = std::mem::take(&mut self.held);
            self.farewell = Some(Farewell::new(&self.worker, &self.client, &head, refusal.status()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if gate.client.switched.get() {
            gate.guard.step_aside();
            gate.refused = None;
            gate.passed = gate.held.len();
        }
        let read = gate.poll_pass(cx, buf);
        gate.client.begun.set(!gate.held.is_empty() && gate.refused.is_none());
        read
    }
}

impl AsyncWrite for Gate {
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
        let gate = self.get_mut();
        ready!(Pin::new(&mut gate.stream).poll_flush(cx))?;
        // hyper asks for this once all that it had to write is written.
        gate.client.flushed();
        Poll::Ready(Ok(()))
    }

    /// hyper asks for this when all that it had to write is written.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if let Some(farewell) = &mut gate.farewell {
            ready!(farewell.poll(cx, &mut gate.stream));
            gate.farewell = None;
        }
        Pin::new(&mut gate.stream).poll_shutdown(cx)
    }
}
