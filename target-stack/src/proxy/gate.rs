//! A client's connection as hyper sees it. Given the wire, it passes bytes on, unchanged and uncopied while whole heads come, as long
//! as the guard lets them. Of a request that is refused hyper sees no byte: when the answers before it are out, the
//! connection ends for hyper, and the refusal is written in its place. Nothing is held but what may not pass yet.

use super::client::{Client, Reading};
use super::farewell::Farewell;
use super::guard::{Guard, Refusal};
use super::wire::Wire;
use super::worker::Worker;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once while hyper is not there. Most heads are shorter.
const PIECE: usize = 2 << 10;
/// How much is held of what comes behind a request for another protocol, before that is answered.
const MOST_EARLY: usize = 16 << 10;

pub(crate) struct Gate {
    wire: Wire,
    guard: Guard,
    worker: Rc<Worker>,
    client: Rc<Client>,
    /// What has come and was not handed over.
    held: Vec<u8>,
    /// How much of that may be handed over.
    passed: usize,
    refused: Option<Refusal>,
    /// Whoever speaks HTTP here without TLS is told to use it.
    wants_tls: bool,
    /// Set once hyper was told that nothing more comes.
    farewell: Option<Farewell>,
    /// Nothing more comes.
    ended: bool,
}

impl Gate {
    /// The gate of a connection of which `held` has come already. It goes from hand to hand, and so is in a box.
    pub(crate) fn new(wire: Wire, held: Vec<u8>, worker: &Rc<Worker>, client: &Rc<Client>) -> Box<Self> {
        let (worker, client) = (Rc::clone(worker), Rc::clone(client));
        let wants_tls = worker.config.ports[client.port].ssl && !client.secure;
        let guard = Guard::new(worker.settings(client.port).heads);
        let (passed, refused, farewell, ended) = (0, None, None, false);
        let mut gate =
            Box::new(Self { wire, guard, worker, client, held, passed, refused, wants_tls, farewell, ended });
        gate.judge_held();
        gate.note_reading(true);
        gate
    }

    /// Reads until there is a whole head, or another reason for hyper to come; false at the end of the stream.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.passed == 0 && self.refused.is_none() {
            let mut space = [MaybeUninit::uninit(); PIECE];
            let mut came = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.wire).poll_read(cx, &mut came))?;
            if came.filled().is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(false));
            }
            self.held.extend_from_slice(came.filled());
            self.judge_held();
            self.note_reading(true);
        }
        Poll::Ready(Ok(true))
    }

    /// Takes back what was handed over and not used.
    pub(crate) fn take_back(&mut self, bytes: &[u8]) {
        self.held.splice(..0, bytes.iter().copied());
        self.passed += bytes.len();
    }

    /// What has come of a head that is not whole, and whether no more of it comes.
    pub(crate) fn part_of_head(&self) -> (&[u8], bool) {
        let passes = self.passed > 0 || self.refused.is_some() || self.guard.is_paused();
        (if passes { &[] } else { &self.held }, self.ended)
    }

    /// The wire, and what has come by it and was not handed over.
    pub(crate) fn into_parts(self) -> (Wire, Vec<u8>) {
        (self.wire, self.held)
    }

    /// Whether bytes have come that nobody has read.
    pub(crate) fn has_bytes(&self) -> bool {
        self.wire.has_bytes()
    }

    fn judge_held(&mut self) {
        let verdict = self.guard.judge(&self.held);
        self.passed = verdict.passed;
        if self.wants_tls && self.passed > 0 {
            self.passed = 0;
            self.refuse(Refusal::Plain);
            return;
        }
        self.client.heads.set(self.guard.heads());
        if let Some(refusal) = verdict.refused {
            self.refuse(refusal);
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.worker.counters.refused(refusal);
        self.refused = Some(refusal);
    }

    /// Reads into `buf` what may pass, and holds what may not.
    fn poll_pass(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.passed == 0 {
            if let Some(refusal) = self.refused {
                return self.poll_refuse(cx, refusal);
            }
            if self.guard.is_paused() {
                if self.client.answered.get() >= self.client.heads.get() {
                    // The protocol stays, or hyper would not be here.
                    self.guard.resume();
                    self.judge_held();
                    continue;
                }
                self.client.waiting.replace(Some(cx.waker().clone()));
                if self.held.len() >= MOST_EARLY {
                    return Poll::Pending;
                }
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
            let came = &buf.filled()[before..];
            if came.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            self.client.moved();
            if self.held.is_empty() {
                let verdict = self.guard.judge(came);
                self.held.extend_from_slice(&came[verdict.passed..]);
                buf.set_filled(before + verdict.passed);
                self.client.heads.set(self.guard.heads());
                if let Some(refusal) = verdict.refused {
                    self.refuse(refusal);
                }
            } else {
                self.held.extend_from_slice(came);
                buf.set_filled(before);
                self.judge_held();
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
}

impl Gate {
    /// There is nothing more for hyper.
    fn poll_refuse(&mut self, cx: &Context<'_>, refusal: Refusal) -> Poll<io::Result<()>> {
        if refusal.is_of_body() {
            // The request is with hyper already, and its body fails there as any that is broken off.
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal.name())));
        }
        // An end of the stream while an answer is under way would be a client that hung up.
        if self.client.answered.get() < self.client.heads.get() {
            self.client.waiting.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if self.farewell.is_none() {
            let head = std::mem::take(&mut self.held);
            self.farewell = Some(Farewell::new(&self.worker, &self.client, &head, refusal.status()));
        }
        Poll::Ready(Ok(()))
    }

    /// Notes what reading waits for, if it waits.
    fn note_reading(&self, waits: bool) {
        self.client.reading.set(if self.refused.is_some() {
            Reading::Nothing
        } else if waits && self.guard.awaits_content() {
            Reading::Body
        } else if self.passed == 0 && !self.held.is_empty() && !self.guard.is_paused() {
            Reading::Head
        } else {
            Reading::Beginning
        });
    }

    /// Notes whether the client took what was written, or there was none to take.
    fn note_writing<T>(&self, written: &Poll<T>) {
        self.client.unsent.set(written.is_pending());
        if written.is_ready() {
            self.client.moved();
        }
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let read = gate.poll_pass(cx, buf);
        gate.note_reading(read.is_pending());
        read
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let written = Pin::new(&mut gate.wire).poll_write(cx, bytes);
        gate.note_writing(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let written = Pin::new(&mut gate.wire).poll_write_vectored(cx, pieces);
        gate.note_writing(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let flushed = Pin::new(&mut gate.wire).poll_flush(cx);
        gate.client.unsent.set(flushed.is_pending());
        if let Poll::Ready(Ok(())) = flushed {
            // hyper asks for this once all that it had to write is written.
            gate.client.flushed();
        }
        flushed
    }

    /// hyper asks for this when all that it had to write is written.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if gate.client.switched.get() {
            // It is the connection's HTTP that ends.
            return Poll::Ready(Ok(()));
        }
        gate.client.reading.set(Reading::Nothing);
        if let Some(farewell) = &mut gate.farewell {
            ready!(farewell.poll(cx, &mut gate.wire));
            gate.farewell = None;
        }
        Pin::new(&mut gate.wire).poll_shutdown(cx)
    }
}
