//! A connection that was given to another protocol, such as WebSocket (RFC 9110, section 7.8). Given both sides and what came early,
//! it passes bytes both ways, at the pace of who takes them, until both sides have said all, one of them breaks off, or nothing
//! moves for too long. It does not look at what it passes.

use super::exchange::Tracked;
use super::group::Lease;
use super::link::Raw;
use super::wire::Wire;
use crate::pace::{self, Alarm};
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is passed at once.
const PIECE: usize = 16 << 10;

/// What a connection that changes its protocol goes on with.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) upstream: Raw,
    /// The place at the upstream's server.
    pub(crate) lease: Lease,
    /// The request that asked for it, which ends with the tunnel.
    pub(crate) exchange: Tracked,
}

/// One of the two ways.
#[derive(Default)]
struct Way {
    /// What was read and not taken yet.
    pending: Vec<u8>,
    /// No more is read.
    ended: bool,
    /// And the other side was told.
    told: bool,
    /// Its reader does not take more now.
    blocked: bool,
    /// How many bytes were passed.
    passed: u64,
}

impl Way {
    /// Passes what there is. Resolves when all has been passed, to the end, or with an error when it cannot be.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut from: Pin<&mut impl AsyncRead>,
        mut to: Pin<&mut impl AsyncWrite>,
    ) -> Poll<std::io::Result<()>> {
        while !self.told {
            self.blocked = true;
            while !self.pending.is_empty() {
                let taken = ready!(to.as_mut().poll_write(cx, &self.pending))?;
                self.pass(taken)?;
                self.pending.drain(..taken);
            }
            // By TLS, what was written is not out yet.
            ready!(to.as_mut().poll_flush(cx))?;
            self.pending = Vec::new();
            if self.ended {
                ready!(to.as_mut().poll_shutdown(cx))?;
                self.blocked = false;
                self.told = true;
                break;
            }
            self.blocked = false;
            let mut space = [MaybeUninit::uninit(); PIECE];
            let mut came = ReadBuf::uninit(&mut space);
            ready!(from.as_mut().poll_read(cx, &mut came))?;
            let came = came.filled();
            if came.is_empty() {
                self.ended = true;
                continue;
            }
            // Most is taken at once, and needs no buffer of its own.
            if let Poll::Ready(taken) = to.as_mut().poll_write(cx, came) {
                let taken = taken?;
                self.pass(taken)?;
                self.pending.extend_from_slice(&came[taken..]);
            } else {
                self.pending.extend_from_slice(came);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn pass(&mut self, taken: usize) -> std::io::Result<()> {
        if taken == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        self.passed += taken as u64;
        Ok(())
    }
}

/// Passes bytes between the client's `wire`, by which `early` has come already, and the upstream's.
pub(crate) async fn run(tunnel: Tunnel, mut wire: Wire, early: Vec<u8>) {
    let Tunnel { mut upstream, lease: _lease, mut exchange } = tunnel;
    let mut up = Way { pending: early, ..Way::default() };
    let mut down = Way { pending: std::mem::take(&mut upstream.early).into(), ..Way::default() };
    let settings = Arc::clone(&exchange.location().settings);
    let limit = |up: &Way, down: &Way| {
        let blocked: [(bool, Duration); 2] =
            [(up.blocked, settings.proxy.send_timeout), (down.blocked, settings.patience.send)];
        let limits = blocked.into_iter().filter_map(|(blocked, limit)| blocked.then_some(limit));
        limits.chain([settings.proxy.read_timeout]).min()
    };
    let mut alarm = Alarm::default();
    let mut stands = None;
    let timed_out = poll_fn(|cx| {
        let client = Pin::new(&mut wire);
        let sent = up.poll(cx, client, Pin::new(&mut upstream.stream));
        let client = Pin::new(&mut wire);
        let received = down.poll(cx, Pin::new(&mut upstream.stream), client);
        match (sent, received) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(false),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(false),
            _ => {}
        }
        // What moves one way is a sign of life for both, as with nginx.
        let now = Some((up.passed, down.passed, up.blocked, down.blocked));
        if now != stands {
            stands = now;
            alarm.set(limit(&up, &down).map(|limit| pace::now() + limit));
        }
        alarm.poll(cx).map(|()| true)
    })
    .await;
    exchange.body_sent = down.passed;
    if let Some(attempt) = exchange.attempts.last_mut() {
        attempt.response = Some(pace::now().saturating_duration_since(attempt.started));
    }
    if timed_out {
        let what = "upstream timed out (110: Connection timed out) while proxying upgraded connection";
        exchange.log("info", what);
    }
}
