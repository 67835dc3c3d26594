//! A request's body on its way to an upstream. Given the client's body, it gives a body for the upstream that streams
//! it, and remembers how far that came: whether another try may still have it, and whether it is the body that is at fault.

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A client's request body, shared by the tries to send it.
#[derive(Debug)]
pub(crate) struct Upload {
    incoming: RefCell<Incoming>,
    /// The longest allowed, in bytes; 0 for any.
    limit: u64,
    received: Cell<u64>,
    fault: Cell<Option<StatusCode>>,
    ended: Cell<bool>,
}

impl Upload {
    pub(crate) fn new(incoming: Incoming, limit: u64) -> Rc<Self> {
        Rc::new(Self {
            incoming: RefCell::new(incoming),
            limit,
            received: Cell::new(0),
            fault: Cell::new(None),
            ended: Cell::new(false),
        })
    }

    /// How many bytes came so far. Once some came, they cannot be sent again.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// The status to refuse the request with when its body is at fault: too long, or broken off.
    pub(crate) fn fault(&self) -> Option<StatusCode> {
        self.fault.get()
    }

    /// Whether the client has sent all of it.
    pub(crate) fn ended(&self) -> bool {
        self.ended.get()
    }
}

/// The body of one try.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Client(Rc<Upload>),
}

/// Why a body could not be sent on.
#[derive(Debug)]
pub(crate) enum UploadError {
    TooLong,
    Client(hyper::Error),
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
        let Self::Client(upload) = self.get_mut() else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(&mut *upload.incoming.borrow_mut()).poll_frame(cx));
        let Some(frame) = frame else {
            upload.ended.set(true);
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|error| {
            upload.fault.set(Some(StatusCode::BAD_REQUEST));
            UploadError::Client(error)
        })?;
        if let Some(data) = frame.data_ref() {
            upload.received.set(upload.received.get() + data.len() as u64);
            if upload.limit > 0 && upload.received.get() > upload.limit {
                upload.fault.set(Some(StatusCode::PAYLOAD_TOO_LARGE));
                return Poll::Ready(Some(Err(UploadError::TooLong)));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(upload) => upload.incoming.borrow().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(upload) => upload.incoming.borrow().size_hint(),
        }
    }
}
