//! A worker's connections to one upstream. Given a server of the group, it gives a connection that was kept or a new
//! one, and keeps those that come back whole. A connection is driven by the task that uses it, not by one of its
//! own: a request crosses no queue between tasks. It never sends a request and never chooses a server.

use super::balance::Balance;
use super::config::{Config, Upstream};
use super::counters::Counters;
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
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    sender: http1::SendRequest<RequestBody>,
    wire: http1::Connection<TokioIo<TcpStream>, RequestBody>,
    /// The wire has come to its end and must not be driven again.
    ended: bool,
    requests: u32,
    state: Counted,
}

/// The socket of a link that speaks HTTP no longer.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// What came behind the last answer.
    pub(crate) early: Bytes,
    _state: Counted,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// The connection failed; `sent` says whether the server may have seen the request.
    Failed { sent: bool, reason: String },
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
        let failed = |reason: String| LinkError::Failed { sent: false, reason };
        let stream = pace::within(limit, TcpStream::connect(address))
            .await
            .ok_or(LinkError::TimedOut { sent: false })?
            .map_err(|e| failed(format!("connect() failed ({})", super::config::os_error(&e))))?;
        // Without it a second small write would wait for the first one's acknowledgement; it cannot fail on TCP.
        let _ = stream.set_nodelay(true);
        let (sender, wire) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(e.to_string()))?;
        // Boxed, since it is handed from room to room with every request.
        Ok(Box::new(Self { sender, wire, ended: false, requests: 0, state: Counted::new(&counters.busy) }))
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
        let Self { sender, wire, ended, .. } = self;
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
                Some(Some(Ok(response))) => return Ok(response),
                Some(Some(Err(error))) => {
                    let reason = describe(error.error());
                    return Err(LinkError::Failed { sent: error.message().is_none(), reason });
                }
                Some(None) => {
                    let reason = "upstream prematurely closed connection".to_owned();
                    return Err(LinkError::Failed { sent: true, reason });
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

/// A failure as a log line puts it.
fn describe(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        "upstream prematurely closed connection".to_owned()
    } else if let Some(cause) = std::error::Error::source(error) {
        // Of a body that failed, hyper's own words say only whose body it was.
        if error.is_user() { cause.to_string() } else { format!("{error}: {cause}") }
    } else {
        error.to_string()
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

/// A worker's share of an upstream: its round robin and its idle connections.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) balance: RefCell<Balance>,
    config: Arc<Config>,
    upstream: usize,
    counters: Arc<Counters>,
    /// The one that was used last stands last.
    idle: RefCell<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    peer: usize,
    since: Instant,
    link: Box<Link>,
}

impl Group {
    pub(crate) fn new(config: Arc<Config>, upstream: usize, counters: Arc<Counters>) -> Self {
        let balance = RefCell::new(Balance::new(&config.upstreams[upstream].peers));
        Self { balance, config, upstream, counters, idle: RefCell::default() }
    }

    /// What the configuration says of it.
    pub(crate) fn settings(&self) -> &Upstream {
        &self.config.upstreams[self.upstream]
    }

    /// The kept connection to `peer` that was used last, if one is whole.
    pub(crate) fn take(&self, peer: usize) -> Option<Box<Link>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(position) = idle.iter().rposition(|kept| kept.peer == peer) {
            let mut link = idle.remove(position)?.link;
            if link.is_whole() {
                link.state = Counted::new(&self.counters.busy);
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end, if it is whole; the oldest makes room.
    pub(crate) fn put(&self, peer: usize, mut link: Box<Link>) {
        let settings = self.settings();
        if link.requests >= settings.keepalive_requests || !link.is_whole() {
            return;
        }
        link.state = Counted::new(&self.counters.idle);
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= settings.keepalive {
            idle.pop_front();
        }
        idle.push_back(Idle { peer, since: pace::now(), link });
    }

    /// Closes the connections that have been idle for too long by `now`, and those that their server closed.
    pub(crate) fn reap(&self, now: Instant) {
        let longest = self.settings().keepalive_timeout;
        self.idle
            .borrow_mut()
            .retain_mut(|kept| now.saturating_duration_since(kept.since) < longest && kept.link.is_whole());
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }
}
