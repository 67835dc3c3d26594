//! HTTP/2 by h2, which is also what hyper has beneath its own client; that one would spawn a task and open a channel for
//! each request. One connection carries many streams; a task of the connection's reads and writes for all of them.
//! Bodies are given back to the flow control as they come, and thrown away.

use super::fault::{Ended, Fault};
use super::socket::Stream;
use crate::transport::capture::Capture;
use crate::transport::http1::Sink;
use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Ping, Reason, RecvStream};
use http::Request;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much of an answer may come before it is read, on a stream and on all of a connection's.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// The longest head of an answer.
const HEAD_BYTES: u32 = 64 * 1024;
/// Streams that were given up and of which late frames may still come: as many as can time out at once.
const GIVEN_UP: usize = 1024;

/// The right to one stream at a time.
#[derive(Clone)]
pub(super) struct Line {
    sender: SendRequest<Bytes>,
}

/// Reads and writes for all streams of a connection; ends when it does.
pub(super) struct Driver(Connection<Stream, Bytes>);

/// Has h2 take over a connection on which `streams` requests are to be under way at once. More than the server permits wait
/// within the library.
pub(super) async fn open(stream: Stream, streams: usize) -> Result<(Line, Box<Driver>), Fault> {
    let handshake = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_reset_streams(GIVEN_UP)
        .initial_max_send_streams(streams)
        .handshake(stream)
        .await;
    let (sender, connection) = handshake.map_err(|e| Fault::http2(&e))?;
    Ok((Line { sender }, Box::new(Driver(connection))))
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Each stream is told why.
        Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}

impl Driver {
    /// Sends a ping, and waits for its answer; otherwise says why there was none.
    pub(super) async fn ping(mut self) -> Result<(), String> {
        let Some(mut pinger) = self.0.ping_pong() else { return Ok(()) };
        tokio::select! {
            answer = pinger.ping(Ping::opaque()) => answer.map(|_| ()).map_err(|e| Fault::http2(&e).why),
            ended = &mut self.0 => Err(match ended {
                Ok(()) => String::from("it closed the connection"),
                Err(e) => Fault::http2(&e).why,
            }),
        }
    }
}

impl Line {
    /// Whether a request can be sent now; `false` when the connection has ended.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.sender.poll_ready(cx).map(|ready| ready.is_ok())
    }

    /// Sends a request, and waits for the end of its answer.
    pub(super) async fn ask(&mut self, request: Request<Bytes>, kept: &mut Option<Capture>) -> Ended {
        let (head, body) = request.into_parts();
        let sent = self.sender.send_request(Request::from_parts(head, ()), body.is_empty());
        let answer = sent.and_then(|(answer, mut stream)| {
            // The library keeps what the server's window does not admit yet.
            if body.is_empty() { Ok(answer) } else { stream.send_data(body, true).map(|()| answer) }
        });
        match answer {
            Ok(answer) => whole(answer, kept).await.unwrap_or_else(|e| failed(&e)),
            Err(e) => Ended::Unsent(Fault::http2(&e)),
        }
    }
}

async fn whole(answer: ResponseFuture, kept: &mut Option<Capture>) -> Result<Ended, h2::Error> {
    let (head, mut body) = answer.await?.into_parts();
    kept.iter_mut().for_each(|kept| kept.parsed(&head.headers));
    poll_fn(|cx| poll_to_end(&mut body, kept, cx)).await?;
    Ok(Ended::Answer(head.status.as_u16()))
}

/// Throws the body away, but for what is to be kept of it, and makes room for more.
fn poll_to_end(
    body: &mut RecvStream,
    kept: &mut Option<Capture>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), h2::Error>> {
    while !body.is_end_stream() {
        match body.poll_data(cx) {
            Poll::Ready(Some(piece)) => {
                let piece = piece?;
                kept.iter_mut().for_each(|kept| kept.body(&piece));
                body.flow_control().release_capacity(piece.len())?;
            }
            // What may follow are trailers, which end the stream.
            Poll::Ready(None) => return body.poll_trailers(cx).map_ok(|_| ()),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Ok(()))
}

/// A server that is about to close a connection, or is too busy for a stream, says that it has not looked at it (RFC 9113,
/// sections 6.8 and 8.7).
fn failed(error: &h2::Error) -> Ended {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    let going = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
    let fault = Fault::http2(error);
    if error.is_remote() && (refused || going) { Ended::Unsent(fault) } else { Ended::Fault(fault) }
}
