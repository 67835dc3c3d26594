//! HTTP/1.1 by hyper: one connection, one request at a time. The connection is driven by whoever asks on it, within one
//! task, so that a request needs no other to be woken. Bodies are read frame by frame and thrown away.

use super::fault::{Ended, Fault};
use super::socket::Stream;
use crate::transport::capture::Capture;
use crate::transport::http1::Sink;
use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// The longest head of an answer, and the most that is read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// The most header fields of an answer.
const MOST_FIELDS: usize = 256;

/// A connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` when it has ended.
    connection: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
}

/// Has hyper take over a connection.
pub(super) async fn open(stream: Stream) -> Result<Box<Line>, Fault> {
    let opened = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .max_headers(MOST_FIELDS)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = opened.map_err(|e| Fault::http1(&e))?;
    Ok(Box::new(Line { sender, connection: Some(connection) }))
}

impl Line {
    /// Whether a request can be sent now; `false` when the connection has ended.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        drive(&mut self.connection, cx);
        self.sender.poll_ready(cx).map(|ready| ready.is_ok() && self.connection.is_some())
    }

    /// Whether the connection has ended while nothing was asked.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        drive(&mut self.connection, cx);
        if self.connection.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Sends a request, and waits for the end of its answer.
    pub(super) async fn ask(&mut self, request: Request<Bytes>, kept: &mut Option<Capture>) -> Ended {
        let Self { sender, connection } = self;
        let mut answer = pin!(sender.try_send_request(request.map(Full::new)));
        let answer = poll_fn(|cx| driven(connection, cx, |cx| answer.as_mut().poll(cx))).await;
        let (head, mut body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(mut e) => {
                let unsent = e.take_message().is_some();
                let fault = Fault::http1(e.error());
                return if unsent { Ended::Unsent(fault) } else { Ended::Fault(fault) };
            }
        };
        kept.iter_mut().for_each(|kept| kept.parsed(&head.headers));
        match poll_fn(|cx| driven(connection, cx, |cx| poll_to_end(&mut body, kept, cx))).await {
            Ok(()) => Ended::Answer(head.status.as_u16()),
            Err(e) => Ended::Fault(Fault::http1(&e)),
        }
    }
}

/// Lets the connection read and write what it can. Its own end is told by the exchange on it.
fn drive(connection: &mut Option<Connection<TokioIo<Stream>, Full<Bytes>>>, cx: &mut Context<'_>) {
    if let Some(driven) = connection
        && Pin::new(driven).poll(cx).is_ready()
    {
        *connection = None;
    }
}

/// Polls what waits for the connection, and the connection in between.
fn driven<T>(
    connection: &mut Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if let Poll::Ready(done) = poll(cx) {
        return Poll::Ready(done);
    }
    drive(connection, cx);
    poll(cx)
}

/// Throws the body away, but for what is to be kept of it.
fn poll_to_end(
    body: &mut Incoming,
    kept: &mut Option<Capture>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), hyper::Error>> {
    loop {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(kept), Some(piece)) = (kept.as_mut(), frame.data_ref()) {
                    kept.body(piece);
                }
            }
            Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(e)),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => return Poll::Pending,
        }
    }
}
