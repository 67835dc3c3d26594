//! The body of an answer. Given a text, a file, or an upstream's body with the connection that it comes by, it streams to the
//! client at the client's pace. A whole body gives its connection back; one that was cut short fails, so that the
//! client's connection is broken off and never ends as if all had come.

use super::exchange::Tracked;
use super::fields::Fields;
use super::files::FileBody;
use super::group::Lease;
use super::gzip::Encoder;
use super::link::{Framing, Link, Raw};
use crate::pace;
use bytes::Bytes;
use flate2::CompressError;
use http::{StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// An answer that is still without its exchange.
#[derive(Debug)]
pub(crate) struct Content {
    /// One of nginx's, or of the configuration's.
    pub(crate) status: StatusCode,
    pub(crate) fields: Fields,
    pub(crate) source: Source,
    /// An upstream's own words for the status.
    pub(crate) reason: Option<Bytes>,
}

/// The body of an answer to a client, and the record of its exchange.
pub(crate) struct Answer {
    source: Source,
    /// None where the exchange goes on behind the answer.
    exchange: Option<Tracked>,
    /// What compresses it on its way.
    gzip: Option<Box<Encoder>>,
}

/// Where a body comes from.
pub(crate) enum Source {
    Text(Option<Bytes>),
    Upstream(UpstreamBody),
    File(Box<FileBody>),
    /// An upstream's that is stored on its way.
    Stored(Pin<Box<dyn Body<Data = Bytes, Error = CutShort>>>),
    /// There is none: behind the head another protocol is spoken.
    Switched(Box<(Raw, Lease)>),
}

impl Source {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self::Text((!text.is_empty()).then_some(text))
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Upstream(body) => body.poll_frame(cx),
            Self::File(body) => body.poll_frame(cx),
            Self::Stored(body) => body.as_mut().poll_frame(cx),
            Self::Switched(_) => Poll::Ready(None),
        }
    }

    /// Whether it is an upstream's body that has come as far as it is going to.
    fn has_come(&self) -> bool {
        match self {
            Self::Text(_) | Self::File(_) | Self::Switched(_) => false,
            Self::Upstream(body) => body.link.is_none(),
            Self::Stored(body) => body.is_end_stream(),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Upstream(_) => "Upstream",
            Self::File(_) => "File",
            Self::Stored(_) => "Stored",
            Self::Switched(_) => "Switched",
        })
    }
}

/// A body that could not be read to its end.
#[derive(Debug)]
pub(crate) struct CutShort(pub(super) String);

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CutShort {}

impl From<CompressError> for CutShort {
    fn from(error: CompressError) -> Self {
        Self(format!("{error} while compressing an answer"))
    }
}

impl Answer {
    pub(crate) fn new(source: Source, mut exchange: Tracked) -> Self {
        let gzip = exchange.gzip.take();
        let mut answer = Self { source, exchange: Some(exchange), gzip };
        answer.note_end();
        answer
    }

    /// Has the rest of the request sent, while nothing of the answer is taken: a client may take none before it has said all.
    pub(crate) fn go_on(&mut self, cx: &mut Context<'_>) {
        if let Source::Upstream(UpstreamBody { link: Some(link), .. }) = &mut self.source {
            link.go_on(cx);
        }
    }

    /// No body, of an answer after which HTTP ends.
    pub(crate) fn none() -> Self {
        Self { source: Source::Text(None), exchange: None, gzip: None }
    }

    /// Notes how long the upstream took, once its body has come whole.
    fn note_end(&mut self) {
        if self.source.has_come()
            && let Some(exchange) = &mut self.exchange
            && let Some(attempt) = exchange.attempts.last_mut()
            && attempt.response.is_none()
        {
            attempt.response = Some(pace::now().saturating_duration_since(attempt.started));
        }
    }

    fn note_cut(&self, error: &CutShort) {
        let Some(exchange) = &self.exchange else { return };
        // Neither a length nor chunks say that something is missing.
        let endless = exchange.parts.version < Version::HTTP_11 && self.size_hint().exact().is_none();
        exchange.client.cut.set(endless);
        match &self.source {
            Source::Upstream(_) | Source::Stored(_) => {
                let upstream = exchange.attempts.last().map_or("", |attempt| &attempt.address);
                exchange.log("error", format_args!("{error}, upstream: \"{upstream}\""));
            }
            Source::Text(_) | Source::File(_) | Source::Switched(_) => exchange.log("alert", error),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let answer = self.get_mut();
        let source = &mut answer.source;
        let frame = std::task::ready!(match &mut answer.gzip {
            None => source.poll_frame(cx),
            Some(gzip) => gzip.poll_frame(|| source.poll_frame(cx)),
        });
        answer.note_end();
        match (&frame, &mut answer.exchange) {
            (Some(Ok(frame)), Some(exchange)) => {
                exchange.body_sent += frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            (Some(Err(error)), _) => answer.note_cut(error),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if let Some(gzip) = &self.gzip {
            return gzip.is_end_stream();
        }
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Upstream(body) => body.is_end_stream(),
            Source::File(file) => file.left() == 0,
            Source::Stored(body) => body.is_end_stream(),
            Source::Switched(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.gzip.is_some() {
            return SizeHint::new();
        }
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Source::Upstream(body) => body.size_hint(),
            Source::File(file) => SizeHint::with_exact(file.left()),
            Source::Stored(body) => body.size_hint(),
            Source::Switched(_) => SizeHint::with_exact(0),
        }
    }
}

/// The body of an upstream's answer, with the connection that brings it.
pub(crate) struct UpstreamBody {
    framing: Framing,
    /// Until the body has come whole.
    link: Option<Box<Link>>,
    lease: Option<Lease>,
    read_timeout: Duration,
}

impl UpstreamBody {
    /// The body that comes by `link` from the server that the lease is for.
    pub(crate) fn new(framing: Framing, link: Box<Link>, lease: Lease, read_timeout: Duration) -> Self {
        let mut body = Self::switched(framing, link, lease, read_timeout);
        if body.framing.is_whole() {
            body.finish();
        }
        body
    }

    /// The body of an answer after which HTTP ends.
    pub(crate) fn switched(framing: Framing, link: Box<Link>, lease: Lease, read_timeout: Duration) -> Self {
        let (link, lease) = (Some(link), Some(lease));
        Self { framing, link, lease, read_timeout }
    }

    /// The connection that brings it and the place at its server, if more than the body may come.
    pub(crate) fn into_link(self) -> Option<(Box<Link>, Lease)> {
        self.link.zip(self.lease)
    }

    /// The body is whole: its connection can carry the next request.
    fn finish(&mut self) {
        if let (Some(link), Some(lease)) = (self.link.take(), self.lease.take()) {
            lease.give_back(link);
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.framing.is_whole()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.framing.left().map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let Some(link) = &mut self.link else { return Poll::Ready(None) };
        match std::task::ready!(link.poll_data(&mut self.framing, self.read_timeout, cx)) {
            Ok(piece) => {
                if self.framing.is_whole() {
                    self.finish();
                }
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
            Err(reason) => {
                self.link = None;
                self.lease = None;
                Poll::Ready(Some(Err(CutShort(format!("{reason} while reading upstream")))))
            }
        }
    }
}
