//! The body of an answer. Given a text, or an upstream's body with the connection that it comes by, it streams to the
//! client at the client's pace. A whole body gives its connection back; one that was cut short fails, so that the
//! client's connection is broken off and never ends as if all had come.

use super::exchange::Tracked;
use super::pool::{Group, Link};
use crate::pace;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The body of an answer to a client, and the record of its exchange.
pub(crate) struct Answer {
    source: Source,
    /// None where the exchange goes on behind the answer.
    exchange: Option<Tracked>,
}

enum Source {
    Text(Option<Bytes>),
    Upstream(UpstreamBody),
}

/// A body that could not be read to its end.
#[derive(Debug)]
pub(crate) struct CutShort(String);

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CutShort {}

impl Answer {
    pub(crate) fn text(text: impl Into<Bytes>, exchange: Tracked) -> Self {
        let text = text.into();
        Self { source: Source::Text((!text.is_empty()).then_some(text)), exchange: Some(exchange) }
    }

    /// No body, of an answer after which HTTP ends.
    pub(crate) fn none() -> Self {
        Self { source: Source::Text(None), exchange: None }
    }

    pub(crate) fn upstream(body: UpstreamBody, exchange: Tracked) -> Self {
        let mut answer = Self { source: Source::Upstream(body), exchange: Some(exchange) };
        answer.note_end();
        answer
    }

    /// Notes how long the upstream took, once its body has come whole.
    fn note_end(&mut self) {
        if let Source::Upstream(body) = &self.source
            && body.link.is_none()
            && let Some(exchange) = &mut self.exchange
            && let Some(attempt) = exchange.attempts.last_mut()
            && attempt.response.is_none()
        {
            attempt.response = Some(pace::now().saturating_duration_since(attempt.started));
        }
    }

    fn note_cut(&self, error: &CutShort) {
        let Some(exchange) = &self.exchange else { return };
        let upstream = exchange.attempts.last().map_or("", |attempt| &attempt.address);
        exchange.worker().errors.write(
            "error",
            format_args!(
                "*{} {error}, client: {}, upstream: \"{upstream}\"",
                exchange.client.number,
                exchange.client.peer.ip()
            ),
        );
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
        let frame = match &mut answer.source {
            Source::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Source::Upstream(body) => {
                let frame = std::task::ready!(body.poll_frame(cx));
                answer.note_end();
                frame
            }
        };
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
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Source::Upstream(body) => body.incoming.size_hint(),
        }
    }
}

/// The body of an upstream's answer, with the connection that brings it.
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// Until the body has come whole.
    link: Option<Box<Link>>,
    group: Rc<Group>,
    peer: usize,
    read_timeout: Duration,
    /// Set while nothing comes.
    patience: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// How it broke off, until the client has been sent what came before.
    broken: Option<CutShort>,
}

impl UpstreamBody {
    pub(crate) fn new(
        incoming: Incoming,
        link: Box<Link>,
        group: Rc<Group>,
        peer: usize,
        read_timeout: Duration,
    ) -> Self {
        let mut body = Self::switched(incoming, link, group, peer, read_timeout);
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The body of an answer after which HTTP ends.
    pub(crate) fn switched(
        incoming: Incoming,
        link: Box<Link>,
        group: Rc<Group>,
        peer: usize,
        read_timeout: Duration,
    ) -> Self {
        Self { incoming, link: Some(link), group, peer, read_timeout, patience: None, broken: None }
    }

    /// The connection that brings it, if more than the body may come.
    pub(crate) fn into_link(self) -> Option<Box<Link>> {
        self.link
    }

    /// The body is whole: its connection can carry the next request.
    fn finish(&mut self) {
        if let Some(link) = self.link.take() {
            self.group.put(self.peer, link);
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match std::task::ready!(self.poll_upstream(cx)) {
            Some(Err(error)) => {
                // A failed body drops what hyper has not flushed, be it the answer's head: it gets one turn to.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if let Poll::Ready(frame) = self.poll_received() {
            return Poll::Ready(frame);
        }
        let Some(link) = &mut self.link else { return Poll::Ready(None) };
        link.drive(cx);
        let ended = link.ended();
        if let Poll::Ready(frame) = self.poll_received() {
            return Poll::Ready(frame);
        }
        if ended {
            return Poll::Ready(Some(Err(self.cut("upstream prematurely closed connection"))));
        }
        let limit = self.read_timeout;
        let patience = self.patience.get_or_insert_with(|| Box::pin(pace::pause(limit)));
        std::task::ready!(patience.as_mut().poll(cx));
        Poll::Ready(Some(Err(self.cut("upstream timed out"))))
    }

    /// What has come already. The connection wakes the task for what comes later.
    fn poll_received(&mut self) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let mut unwoken = Context::from_waker(Waker::noop());
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(&mut unwoken));
        self.patience = None;
        Poll::Ready(match frame {
            None => {
                self.finish();
                None
            }
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(self.cut(&error.to_string()))),
        })
    }

    fn cut(&mut self, reason: &str) -> CutShort {
        self.link = None;
        CutShort(format!("{reason} while reading upstream"))
    }
}
