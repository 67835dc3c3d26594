//! A worker's connections to one upstream. Given a server of the group, it gives a connection that was kept or a new
//! one, and keeps those that come back whole. A connection is driven by the task that uses it, not by one of its
//! own: a request crosses no queue between tasks. It never makes a request and never chooses a server.

use super::config::Upstream;
use super::counters::Counters;
use super::uplink::{Allowance, LONGEST_HEAD, TOO_BIG, Uplink};
use super::upload::RequestBody;
use crate::pace;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    sender: http1::SendRequest<RequestBody>,
    wire: http1::Connection<TokioIo<Uplink>, RequestBody>,
    allowance: Allowance,
    /// The wire has come to its end and must not be driven again.
    ended: bool,
    requests: u32,
    state: Counted,
}

/// The socket of a link that speaks HTTP no longer.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: Uplink,
    /// What came behind the last answer.
    pub(crate) early: Bytes,
    _state: Counted,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// The connection failed; `sent` says whether the server may have seen the request, `invalid` that it answered with what is
    /// no answer.
    Failed { sent: bool, invalid: bool, reason: String },
    /// Nothing moved for as long as is allowed; `sent` as above.
    TimedOut { sent: bool },
}

impl Link {
    /// Connects within `limit`.
    pub(crate) async fn connect(
        address: std::net::SocketAddr,
        limit: Duration,
        counters: &Counters,
    ) -> Result<Box<Self>, LinkError> {
        let failed = |reason: String| LinkError::Failed { sent: false, invalid: false, reason };
        let stream = pace::within(limit, TcpStream::connect(address))
            .await
            .ok_or(LinkError::TimedOut { sent: false })?
            .map_err(|e| failed(format!("connect() failed ({})", super::config::os_error(&e))))?;
        // Without it a second small write would wait for the first one's acknowledgement; it cannot fail on TCP.
        let _ = stream.set_nodelay(true);
        let (stream, allowance) = Uplink::new(stream);
        let handshake =
            http1::Builder::new().max_header_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await;
        let (sender, wire) = handshake.map_err(|e| failed(e.to_string()))?;
        let state = Counted::new(&counters.busy);
        // Boxed, since it is handed from room to room with every request.
        Ok(Box::new(Self { sender, wire, allowance, ended: false, requests: 0, state }))
    }

    /// Sends `request` and gives the head of its answer. `limit` bounds the time without progress, which is what
    /// `progress` gives as a number.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
        limit: impl Fn() -> Duration,
        progress: impl Fn() -> u64,
    ) -> Result<Response<Incoming>, LinkError> {
        self.requests += 1;
        self.allowance.limit();
        let Self { sender, wire, ended, allowance, .. } = self;
        let mut answer = pin!(sender.try_send_request(request));
        // The wire wakes this task for all that happens; the answer's own wake-ups would only repeat it.
        let mut unwoken = Context::from_waker(Waker::noop());
        let mut step = poll_fn(|cx| {
            *ended = *ended || Pin::new(&mut *wire).poll(cx).is_ready();
            match answer.as_mut().poll(&mut unwoken) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if *ended => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        loop {
            let before = progress();
            match pace::within(limit(), &mut step).await {
                Some(Some(Ok(response))) => {
                    allowance.lift();
                    return Ok(response);
                }
                Some(Some(Err(error))) => {
                    let (invalid, reason) = describe(error.error());
                    return Err(LinkError::Failed { sent: error.message().is_none(), invalid, reason });
                }
                Some(None) => {
                    let reason = "upstream prematurely closed connection".to_owned();
                    return Err(LinkError::Failed { sent: true, invalid: false, reason });
                }
                None if progress() != before => {}
                None => return Err(LinkError::TimedOut { sent: true }),
            }
        }
    }

    /// The socket, of which HTTP has no more use.
    pub(crate) fn into_raw(self) -> Raw {
        let parts = self.wire.into_parts();
        Raw { stream: parts.io.into_inner(), early: parts.read_buf, _state: self.state }
    }

    /// Drives the connection for the task of `cx`.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.ended = self.ended || Pin::new(&mut self.wire).poll(cx).is_ready();
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether it is idle and can carry another request. A close, or bytes that nobody asked for, show here.
    fn is_whole(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.ended && self.sender.is_ready()
    }
}

/// A failure as a log line puts it, and whether it is that of an answer which is none.
fn describe(error: &hyper::Error) -> (bool, String) {
    let cause = std::error::Error::source(error);
    let io = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
    if error.is_incomplete_message() {
        (false, "upstream prematurely closed connection".to_owned())
    } else if error.is_parse_too_large() || io.is_some_and(|e| e.kind() == std::io::ErrorKind::InvalidData) {
        (true, TOO_BIG.to_owned())
    } else if error.is_parse() {
        (true, format!("upstream sent invalid header ({error})"))
    } else if let Some(cause) = cause {
        // Of a body that failed, hyper's own words say only whose body it was.
        (false, if error.is_user() { cause.to_string() } else { format!("{error}: {cause}") })
    } else {
        (false, error.to_string())
    }
}

/// One in a gauge, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A worker's idle connections to the servers of a group.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// The one that was used last stands last.
    idle: RefCell<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    peer: usize,
    since: Instant,
    link: Box<Link>,
}

impl Pool {
    /// The kept connection to `peer` that was used last, if one is whole.
    pub(crate) fn take(&self, peer: usize, counters: &Counters) -> Option<Box<Link>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(position) = idle.iter().rposition(|kept| kept.peer == peer) {
            let mut link = idle.remove(position)?.link;
            if link.is_whole() {
                link.state = Counted::new(&counters.busy);
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end, if it is whole; the oldest makes room.
    pub(crate) fn put(&self, peer: usize, mut link: Box<Link>, settings: &Upstream, counters: &Counters) {
        if link.requests >= settings.keepalive_requests || !link.is_whole() {
            return;
        }
        link.state = Counted::new(&counters.idle);
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= settings.keepalive {
            idle.pop_front();
        }
        idle.push_back(Idle { peer, since: pace::now(), link });
    }

    /// Closes the connections that have been idle for `longest` by `now`, and those that their server closed.
    pub(crate) fn reap(&self, longest: Duration, now: Instant) {
        self.idle
            .borrow_mut()
            .retain_mut(|kept| now.saturating_duration_since(kept.since) < longest && kept.link.is_whole());
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }
}
