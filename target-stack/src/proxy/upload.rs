//! A request's body on its way to an upstream. Given the client's body, it gives a body for the upstream, from the beginning for each
//! try, as long as what has gone is still there; it remembers how far the client came, and whether it is the body that is at
//! fault. A short body is held as a whole, a longer one streams at the upstream's pace: no more of it is held than that.

use super::gate::{Broken, Content};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// How much of a body is waited for, and held for further tries, in bytes. What is read at once may go a little beyond.
const HELD: u64 = 64 << 10;

/// A client's request body, shared by the tries to send it.
#[derive(Debug)]
pub(crate) struct Upload {
    content: Content,
    /// The longest allowed, in bytes; 0 for any.
    limit: u64,
    received: Cell<u64>,
    fault: Cell<Option<StatusCode>>,
    ended: Cell<bool>,
    /// What came first, for as long as no more has gone than that.
    held: RefCell<Bytes>,
    /// Whether it was waited for before a server was chosen.
    waited: Cell<bool>,
    /// Bytes have gone that are not held.
    streamed: Cell<bool>,
}

impl Upload {
    pub(crate) fn new(content: Content, limit: u64) -> Rc<Self> {
        Rc::new(Self {
            content,
            limit,
            received: Cell::default(),
            fault: Cell::default(),
            ended: Cell::default(),
            held: RefCell::default(),
            waited: Cell::default(),
            streamed: Cell::default(),
        })
    }

    /// How many bytes came so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Whether another try can have it from the beginning, after one that was `sent` or not.
    pub(crate) fn replayable(&self, sent: bool) -> bool {
        !self.streamed.get() && (self.waited.get() || !sent)
    }

    /// Whether it is there from the beginning, or has not begun.
    pub(crate) fn is_whole(&self) -> bool {
        !self.streamed.get() && (self.waited.get() || self.received.get() == 0)
    }

    /// The status to refuse the request with when its body is at fault: too long, or broken off.
    pub(crate) fn fault(&self) -> Option<StatusCode> {
        self.fault.get()
    }

    /// Whether the client has sent all of it.
    pub(crate) fn ended(&self) -> bool {
        self.ended.get()
    }

    /// Its length in bytes, where all of it is held.
    pub(crate) fn length(&self) -> Option<u64> {
        (self.ended.get() && !self.streamed.get()).then(|| self.received.get())
    }

    /// Waits until all of it has come, or as much as is held.
    ///
    /// # Errors
    /// The status to refuse the request with.
    pub(crate) async fn wait(&self) -> Result<(), StatusCode> {
        if self.waited.replace(true) {
            // For another server, which gets what came for the first.
            return Ok(());
        }
        let mut all = BytesMut::new();
        while !self.ended.get() && self.received.get() < HELD {
            match poll_fn(|cx| self.poll_data(cx)).await {
                // Most come at once. Pieces would each hold on to the buffer that they were read to, however small they are.
                Some(Ok(data)) if self.ended.get() && all.is_empty() => {
                    self.held.replace(data);
                    return Ok(());
                }
                Some(Ok(data)) => all.extend_from_slice(&data),
                Some(Err(_)) => return Err(self.fault.get().unwrap_or(StatusCode::BAD_REQUEST)),
                None => {}
            }
        }
        self.held.replace(all.freeze());
        Ok(())
    }

    /// Waits until all of it has come, and forgets it.
    ///
    /// # Errors
    /// The status to refuse the request with.
    pub(crate) async fn discard(&self) -> Result<(), StatusCode> {
        self.held.take();
        self.streamed.set(true);
        while let Some(data) = poll_fn(|cx| self.poll_data(cx)).await {
            data.map_err(|_| self.fault.get().unwrap_or(StatusCode::BAD_REQUEST))?;
        }
        Ok(())
    }

    /// The next bytes from the client.
    fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadError>>> {
        let Some(data) = ready!(self.content.poll(cx)) else {
            self.ended.set(true);
            return Poll::Ready(None);
        };
        let data = data.map_err(|error| {
            self.fault.set(Some(StatusCode::BAD_REQUEST));
            UploadError::Client(error)
        })?;
        self.received.set(self.received.get() + data.len() as u64);
        if self.limit > 0 && self.received.get() > self.limit {
            self.fault.set(Some(StatusCode::PAYLOAD_TOO_LARGE));
            return Poll::Ready(Some(Err(UploadError::TooLong)));
        }
        if self.content.is_over() {
            self.ended.set(true);
        }
        Poll::Ready(Some(Ok(data)))
    }
}

/// The body of one try.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Text(Bytes),
    Client {
        upload: Rc<Upload>,
        /// What is held has gone.
        gone: bool,
    },
}

/// Why a body could not be sent on.
#[derive(Debug)]
pub(crate) enum UploadError {
    TooLong,
    Client(Broken),
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("client intended to send too large chunked body"),
            Self::Client(error) => write!(f, "client sent its body badly: {error}"),
        }
    }
}

impl std::error::Error for UploadError {}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let (upload, gone) = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Text(text) if text.is_empty() => return Poll::Ready(None),
            Self::Text(text) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Client { upload, gone } => (upload, gone),
        };
        if !std::mem::replace(gone, true) && !upload.held.borrow().is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(upload.held.borrow().clone()))));
        }
        if upload.ended.get() {
            return Poll::Ready(None);
        }
        let data = ready!(upload.poll_data(cx));
        if matches!(data, Some(Ok(_))) {
            upload.streamed.set(true);
            upload.held.take();
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            Self::Client { upload, gone } => {
                (*gone || upload.held.borrow().is_empty()) && (upload.ended.get() || upload.content.is_over())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
            Self::Client { upload, .. } => match upload.content.left() {
                Some(left) => SizeHint::with_exact(left + upload.held.borrow().len() as u64),
                None => SizeHint::new(),
            },
        }
    }
}
