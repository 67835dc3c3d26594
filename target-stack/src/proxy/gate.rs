//! A client's connection, as it is read and written. Given the wire, it takes in what comes, one request at a time, as the guard lets
//! it: its head, and its content when that is wanted; behind a request nothing more is read than what tells that its client has gone.
//! What goes out waits here until the wire has taken it. It answers nothing.

use super::client::{Client, Reading};
use super::guard::{Guard, Next, Refusal};
use super::outgoing::Outgoing;
use super::request;
use super::request::Parts;
use super::wire::Wire;
use super::worker::Worker;
use bytes::{Buf, Bytes, BytesMut};
use http::Version;
use http::header::EXPECT;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How much is read at once while a head is waited for. Most are shorter.
const PIECE: usize = 2 << 10;
/// How much content is read at once.
const CONTENT_PIECE: usize = 16 << 10;
/// How much is held of what comes behind a request before that is answered. More waits in the socket, and what is behind it is not seen.
const MOST_EARLY: usize = 16 << 10;
/// How much content is read that nobody wanted, for the sake of the next request.
const MOST_UNWANTED: u64 = 1 << 20;

/// Where a client's connection comes in. It is shared by who waits for requests and who wants the content of one.
pub(crate) struct Gate {
    worker: Rc<Worker>,
    client: Rc<Client>,
    inner: RefCell<Inner>,
}

struct Inner {
    /// None once the connection has gone elsewhere, or ended.
    wire: Option<Wire>,
    guard: Guard,
    /// What has come and was not taken.
    held: BytesMut,
    out: Outgoing,
    refused: Option<Refusal>,
    /// Nothing more comes.
    ended: bool,
    /// The client waits for a word before it sends the content of its request (RFC 9110, section 10.1.1).
    expects: bool,
    /// Content that nobody wanted.
    unwanted: u64,
}

/// A request: its head, and where its content comes from.
pub(crate) type Request = (Parts, Content);

/// Why no request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// What came is none.
    Refused(Refusal),
    /// More content came that nobody wanted than is read for the sake of a request.
    Enough,
    /// Nothing more comes.
    End,
}

/// The content of a request. It comes no more once that has been answered: what is left of it stands in the next one's way.
pub(crate) struct Content {
    gate: Rc<Gate>,
    /// The number of its request, by `Client::heads`.
    nth: u32,
}

/// Why content broke off.
#[derive(Debug)]
pub(crate) struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Gate {
    /// The gate of a connection of which `held` has come already.
    pub(crate) fn new(wire: Wire, held: &[u8], worker: &Rc<Worker>, client: &Rc<Client>) -> Rc<Self> {
        let (worker, client) = (Rc::clone(worker), Rc::clone(client));
        let inner = Inner {
            wire: Some(wire),
            guard: Guard::new(worker.settings(client.port).heads),
            held: held.into(),
            out: Outgoing::default(),
            refused: None,
            ended: false,
            expects: false,
            unwanted: 0,
        };
        let gate = Self { worker, client, inner: RefCell::new(inner) };
        gate.note_reading(&gate.inner.borrow());
        Rc::new(gate)
    }

    /// The next request. Content of the last one that was not wanted is read and forgotten before.
    pub(crate) fn poll_request(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<Result<Request, Last>> {
        let mut inner = self.inner.borrow_mut();
        let coming = loop {
            let inner = &mut *inner;
            match inner.guard.next(&inner.held) {
                Next::Head(_) if self.wants_tls() => {
                    break Poll::Ready(Err(self.refuse(inner, Refusal::Plain)));
                }
                Next::Head(length) => {
                    let head = inner.held.split_to(length).freeze();
                    break Poll::Ready(match request::parts(&head, inner.guard.lines()) {
                        Some(parts) => Ok(self.begin(inner, parts)),
                        None => Err(self.refuse(inner, Refusal::RequestLine)),
                    });
                }
                Next::Refused(refusal) => break Poll::Ready(Err(self.refuse(inner, refusal))),
                Next::Body { used, .. } => {
                    inner.held.advance(used);
                    inner.unwanted += used as u64;
                    if inner.unwanted > MOST_UNWANTED {
                        break Poll::Ready(Err(Last::Enough));
                    }
                }
                Next::More => match inner.poll_read(cx) {
                    Poll::Ready(Ok(1..)) => self.client.moved(),
                    Poll::Ready(_) => {
                        inner.ended = true;
                        break Poll::Ready(Err(Last::End));
                    }
                    Poll::Pending => break Poll::Pending,
                },
            }
        };
        match coming {
            Poll::Ready(Ok(_)) => self.client.reading.set(Reading::Beginning),
            _ => self.note_reading(&inner),
        }
        coming
    }

    /// Resolves when the client has gone, as far as reading tells: behind content that is not wanted yet it cannot.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner.borrow_mut();
        loop {
            let full = inner.held.len() >= MOST_EARLY;
            if inner.guard.awaits_content() || inner.refused.is_some() || full {
                return Poll::Pending;
            }
            match ready!(inner.poll_read(cx)) {
                Ok(1..) => {}
                _ => {
                    inner.ended = true;
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Gives `write` what goes out, for it to add to.
    pub(crate) fn out<T>(&self, write: impl FnOnce(&mut Outgoing) -> T) -> T {
        let mut inner = self.inner.borrow_mut();
        // Once the answer is there, the word that was waited for would come too late.
        inner.expects = false;
        self.client.reading.set(Reading::Beginning);
        write(&mut inner.out)
    }

    /// Writes what there is to write.
    ///
    /// # Errors
    /// When the client does not take it any more.
    pub(crate) fn poll_out(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner.borrow_mut();
        let before = inner.taken();
        let written = inner.poll_out(cx);
        self.client.unsent.set(written.is_pending());
        if inner.taken() > before {
            self.client.moved();
        }
        written
    }

    /// The current request has been answered, and the connection goes on.
    pub(crate) fn resume(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.guard.resume();
        inner.unwanted = 0;
        self.note_reading(&inner);
    }

    /// Whether the client waits for a word before it sends content: then nobody knows what comes next.
    pub(crate) fn expects(&self) -> bool {
        self.inner.borrow().expects
    }

    /// Whether what comes next is content of the last request.
    pub(crate) fn awaits_content(&self) -> bool {
        self.inner.borrow().guard.awaits_content()
    }

    /// Whether there is, or may be, more from the client than was taken.
    pub(crate) fn has_more(&self) -> bool {
        let inner = self.inner.borrow();
        let unread = || inner.wire.as_ref().is_some_and(Wire::has_bytes);
        !inner.ended && (inner.guard.awaits_content() || !inner.held.is_empty() || unread())
    }

    /// Takes no more memory than it has to, until the next request.
    pub(crate) fn rest(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.guard.rest();
        inner.out.rest(0);
        if inner.held.is_empty() {
            inner.held = BytesMut::new();
        }
    }

    /// Hands `look` what has come of a head that is not whole, and whether no more of it comes.
    pub(crate) fn part_of_head<T>(&self, look: impl FnOnce(&[u8], bool) -> T) -> T {
        let inner = self.inner.borrow();
        let of_head = inner.refused.is_none() && !inner.guard.is_paused() && !inner.guard.awaits_content();
        look(if of_head { &inner.held } else { &[] }, inner.ended)
    }

    /// Whether bytes have come that nobody has read.
    pub(crate) fn has_bytes(&self) -> bool {
        self.inner.borrow().wire.as_ref().is_some_and(Wire::has_bytes)
    }

    /// The wire, and what has come by it and was not taken. From now on nothing comes here.
    pub(crate) fn take(&self) -> Option<(Wire, BytesMut)> {
        let mut inner = self.inner.borrow_mut();
        inner.ended = true;
        let held = std::mem::take(&mut inner.held);
        inner.wire.take().map(|wire| (wire, held))
    }

    fn begin(self: &Rc<Self>, inner: &mut Inner, parts: Parts) -> Request {
        let nth = self.client.heads.get() + 1;
        self.client.heads.set(nth);
        inner.expects = inner.guard.awaits_content()
            && parts.version >= Version::HTTP_11
            && parts
                .headers
                .get(&EXPECT)
                .is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        (parts, Content { gate: Rc::clone(self), nth })
    }

    fn refuse(&self, inner: &mut Inner, refusal: Refusal) -> Last {
        if inner.refused.is_none() {
            self.worker.counters.refused(refusal);
            inner.refused = Some(refusal);
        }
        Last::Refused(refusal)
    }

    /// Whoever speaks HTTP here without TLS is told to use it.
    fn wants_tls(&self) -> bool {
        self.worker.config.ports[self.client.port].ssl && !self.client.secure
    }

    /// Notes what reading waits for.
    fn note_reading(&self, inner: &Inner) {
        self.client.reading.set(if inner.refused.is_some() {
            Reading::Nothing
        } else if inner.guard.awaits_content() {
            Reading::Body
        } else if !inner.held.is_empty() && !inner.guard.is_paused() {
            Reading::Head
        } else {
            Reading::Beginning
        });
    }
}

impl Inner {
    /// Reads what comes of a head, or of what is not to be taken yet.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(wire) = self.wire.as_mut().filter(|_| !self.ended) else { return Poll::Ready(Ok(0)) };
        let mut space = [MaybeUninit::uninit(); PIECE];
        let mut came = ReadBuf::uninit(&mut space);
        ready!(Pin::new(wire).poll_read(cx, &mut came))?;
        self.held.extend_from_slice(came.filled());
        Poll::Ready(Ok(came.filled().len()))
    }

    /// Reads content, to where it is held.
    fn poll_read_content(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(wire) = self.wire.as_mut().filter(|_| !self.ended) else { return Poll::Ready(Ok(0)) };
        self.held.reserve(CONTENT_PIECE);
        pin!(wire.read_buf(&mut self.held)).poll(cx)
    }

    /// How many bytes the socket has taken.
    fn taken(&self) -> u64 {
        self.wire.as_ref().map_or(0, Wire::taken)
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(wire) = &mut self.wire else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        while !self.out.is_empty() {
            ready!(self.out.poll_write(cx, Pin::new(&mut *wire)))?;
        }
        // By TLS, what was written is not out yet.
        if wire.is_secure() { Pin::new(wire).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }
}

impl Content {
    /// How many bytes are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        if self.is_current() { self.gate.inner.borrow().guard.content_left() } else { None }
    }

    /// Whether all has come.
    pub(crate) fn is_over(&self) -> bool {
        self.left() == Some(0)
    }

    /// The next bytes.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if !self.is_current() {
            return Poll::Ready(Some(Err(Broken("client was answered before"))));
        }
        let inner = &mut *self.gate.inner.borrow_mut();
        let read = self.poll_inner(inner, cx);
        self.gate.client.reading.set(if read.is_pending() { Reading::Body } else { Reading::Beginning });
        read
    }

    fn poll_inner(&self, inner: &mut Inner, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if std::mem::take(&mut inner.expects) {
            inner.out.lines().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if !inner.out.is_empty() {
            // What does not go out now goes before the answer.
            let _ = inner.poll_out(cx);
        }
        loop {
            if !inner.guard.awaits_content() {
                return Poll::Ready(None);
            }
            match inner.guard.next(&inner.held) {
                Next::Body { used, data } => {
                    inner.held.advance(used - data);
                    if data > 0 {
                        return Poll::Ready(Some(Ok(inner.held.split_to(data).freeze())));
                    }
                }
                Next::Refused(refusal) => {
                    self.gate.refuse(inner, refusal);
                    return Poll::Ready(Some(Err(Broken(refusal.name()))));
                }
                Next::More | Next::Head(_) => match ready!(inner.poll_read_content(cx)) {
                    Ok(1..) => self.gate.client.moved(),
                    _ => {
                        inner.ended = true;
                        return Poll::Ready(Some(Err(Broken("client prematurely closed connection"))));
                    }
                },
            }
        }
    }

    /// Whether its request is still being answered.
    fn is_current(&self) -> bool {
        self.gate.client.answered.get() < self.nth
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("nth", &self.nth).finish_non_exhaustive()
    }
}
