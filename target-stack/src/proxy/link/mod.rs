//! A connection to a server. Given a request, it sends it and gives the head of the answer, then the pieces of its body; what is still
//! to be sent goes meanwhile. It is driven by the task that uses it, not by one of its own: a request crosses no queue between tasks.
//! It never makes a request, never chooses a server, and says of itself whether it can carry another request.

mod framing;
#[cfg(test)]
mod laws;
mod request;
mod response;
#[cfg(test)]
mod tests;

use super::config::os_error;
use super::counters::{CountedLink, Counters, Use};
use super::upload::RequestBody;
use crate::pace::{self, Alarm};
use bytes::{Bytes, BytesMut};
use request::{Sending, Unsent};
use response::{Awaited, Parsed};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub(crate) use framing::Framing;
pub(crate) use request::Coding;
pub(crate) use response::{Asked, Head};

/// How much is read at once, in bytes: of most answers all, and the most of a large one.
const FIRST: usize = 4 << 10;
const MOST: usize = 64 << 10;
/// An idle link keeps no larger buffer.
const KEPT: usize = 16 << 10;

const ENDED: &str = "upstream prematurely closed connection";
const TIMED_OUT: &str = "upstream timed out (110: Connection timed out)";

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    sending: Sending,
    /// What came and was not taken yet.
    came: Bytes,
    /// Where more of it goes. Of one piece with what came before, for as long as somebody holds that.
    space: BytesMut,
    /// How much is asked for at once where nobody knows how much there is, and the most that was asked for.
    piece: usize,
    largest: usize,
    /// When it is enough of waiting; in a body, it is set while nothing comes.
    alarm: Alarm,
    waiting: bool,
    /// Another request may follow the one at hand, if that comes to a good end.
    keeps: bool,
    requests: u32,
    state: CountedLink,
}

/// The socket of a link that speaks HTTP no longer.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// What came behind the last answer.
    pub(crate) early: Bytes,
    _state: CountedLink,
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

/// What the head says that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) asked: Asked,
    /// The connection is not kept.
    pub(crate) close: bool,
}

impl Link {
    /// Connects within `limit`.
    pub(crate) async fn connect(
        address: SocketAddr,
        limit: Duration,
        counters: &Counters,
    ) -> Result<Box<Self>, LinkError> {
        let stream = pace::within(limit, TcpStream::connect(address))
            .await
            .ok_or(LinkError::TimedOut { sent: false })?
            .map_err(|error| LinkError::Failed {
                sent: false,
                invalid: false,
                reason: format!("connect() failed ({})", os_error(&error)),
            })?;
        // Without it a second small write would wait for the first one's acknowledgement; it cannot fail on TCP.
        let _ = stream.set_nodelay(true);
        // Boxed, since it is handed from room to room with every request.
        Ok(Box::new(Self {
            stream,
            sending: Sending::new(),
            came: Bytes::new(),
            space: BytesMut::new(),
            piece: FIRST,
            largest: 0,
            alarm: Alarm::default(),
            waiting: false,
            keeps: false,
            requests: 0,
            state: CountedLink::new(counters, Use::Busy),
        }))
    }

    /// The place where the head of the next request is written.
    pub(crate) fn head(&mut self) -> &mut Vec<u8> {
        self.sending.head()
    }

    /// Sends the request whose head has been written, and gives the head of its answer with how the body is framed. From `now`,
    /// `limit` bounds the time without progress, which is what `progress` gives as a number, or that something is sent. It has no
    /// bound as long as the body is what is waited for: that is no fault of the server.
    pub(crate) async fn ask(
        &mut self,
        told: Told,
        (body, coding): (RequestBody, Coding),
        now: Instant,
        limit: impl Fn() -> Duration,
        progress: impl Fn() -> u64,
    ) -> Result<(Head, Framing), LinkError> {
        self.requests += 1;
        self.sending.body(body, coding);
        self.alarm.set(Some(now + limit()));
        let mut awaited = Awaited::default();
        let mut stands = None;
        let parsed = poll_fn(|cx| {
            if let Poll::Ready(answer) = self.poll_answer(&mut awaited, told.asked, cx) {
                return Poll::Ready(answer);
            }
            let stand = (self.sending.awaits_body(), self.sending.written(), progress());
            if stands.replace(stand).map_or(stand.0, |before| before != stand) {
                self.alarm.set((!stand.0).then(|| pace::now() + limit()));
            }
            ready!(self.poll_patience(cx));
            Poll::Ready(Err(LinkError::TimedOut { sent: self.sending.written() > 0 }))
        })
        .await?;
        self.keeps = parsed.keeps && !told.close;
        self.waiting = false;
        Ok((parsed.head, parsed.framing))
    }

    fn poll_answer(
        &mut self,
        awaited: &mut Awaited,
        asked: Asked,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Parsed, LinkError>> {
        let mut unsent = None;
        if !self.sending.is_done()
            && let Poll::Ready(Err(fault)) = self.sending.poll(Pin::new(&mut self.stream), cx)
        {
            let fatal = !matches!(fault, Unsent::Wire(_));
            let reason = fault.to_string();
            if fatal {
                return Poll::Ready(Err(self.failed(reason)));
            }
            // It may have answered before it hung up.
            unsent = Some(reason);
        }
        loop {
            let ended = match (self.poll_read(FIRST, cx), &unsent) {
                (Poll::Ready(Ok(0)), _) => ENDED.to_owned(),
                (Poll::Ready(Ok(_)), _) => match awaited.take(&mut self.came, asked) {
                    Ok(None) => continue,
                    Ok(Some(parsed)) => return Poll::Ready(Ok(parsed)),
                    Err(fault) => return Poll::Ready(Err(invalid(fault))),
                },
                (Poll::Ready(Err(error)), _) => received_not(&error),
                (Poll::Pending, None) => return Poll::Pending,
                (Poll::Pending, Some(_)) => String::new(),
            };
            return Poll::Ready(Err(match response::fault(&self.came, asked) {
                Some(fault) => invalid(fault),
                None => self.failed(unsent.unwrap_or(ended)),
            }));
        }
    }

    fn failed(&self, reason: String) -> LinkError {
        LinkError::Failed { sent: self.sending.written() > 0, invalid: false, reason }
    }

    /// The next piece of a body that is not whole, or `None` where it turns out to be. What comes is waited for for `limit`, and no
    /// longer.
    ///
    /// # Errors
    /// Why there is no more, in nginx's words.
    pub(crate) fn poll_data(
        &mut self,
        framing: &mut Framing,
        limit: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, String>> {
        // A server that hears no more may go on answering; a client that says no more has no use for the rest.
        if !self.sending.is_done()
            && let Poll::Ready(Err(fault @ (Unsent::Body(_) | Unsent::Ended))) =
                self.sending.poll(Pin::new(&mut self.stream), cx)
        {
            return Poll::Ready(Err(fault.to_string()));
        }
        loop {
            match framing.take(&mut self.came) {
                Ok(None) if framing.is_whole() => return Poll::Ready(Ok(None)),
                Ok(None) => {}
                Ok(piece) => return Poll::Ready(Ok(piece)),
                Err(_) => return Poll::Ready(Err("upstream sent invalid chunked response".to_owned())),
            }
            match self.poll_read(self.wanted(framing), cx) {
                Poll::Ready(Ok(0)) if framing.close() => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ENDED.to_owned())),
                Poll::Ready(Ok(length)) => {
                    self.waiting = false;
                    if length >= self.piece {
                        self.piece = MOST.min(2 * self.piece);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(received_not(&error))),
                Poll::Pending => {
                    if !std::mem::replace(&mut self.waiting, true) {
                        self.alarm.set(Some(pace::now() + limit));
                    }
                    ready!(self.poll_patience(cx));
                    return Poll::Ready(Err(TIMED_OUT.to_owned()));
                }
            }
        }
    }

    /// Sends what of the request there is. Why that fails shows with the next piece of the answer.
    pub(crate) fn go_on(&mut self, cx: &mut Context<'_>) {
        if !self.sending.is_done() {
            let _ = self.sending.poll(Pin::new(&mut self.stream), cx);
        }
    }

    /// Resolves when it is enough of waiting. The task may be another one each time: links are handed on, and what a client waited for
    /// may be stored without it.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.listen_anew();
        self.alarm.poll(cx)
    }

    fn wanted(&self, framing: &Framing) -> usize {
        let wanted = |left| usize::try_from(left).map_or(MOST, |left| left.clamp(FIRST, MOST));
        framing.left().map_or(self.piece, wanted)
    }

    /// Reads up to about `wanted` bytes more. Gives how many came, which is none at the end.
    fn poll_read(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.came.is_empty() {
            // With the handle to what is behind it gone, nobody else has it, and it can grow where it stands.
            self.space = BytesMut::new();
            let came = std::mem::take(&mut self.came);
            self.space = came.try_into_mut().unwrap_or_else(|came| BytesMut::from(&came[..]));
        }
        let room = self.space.capacity() - self.space.len();
        if !self.space.try_reclaim(wanted) && room < FIRST.max(wanted / 4) {
            self.space.reserve(wanted);
            self.largest = self.largest.max(wanted);
        }
        let read = pin!(self.stream.read_buf(&mut self.space)).poll(cx);
        if !self.space.is_empty() {
            self.came = self.space.split().freeze();
        }
        read
    }

    /// The socket, of which HTTP has no more use.
    pub(crate) fn into_raw(self) -> Raw {
        Raw { stream: self.stream, early: self.came, _state: self.state }
    }

    /// Whether all of the request has gone.
    pub(crate) fn has_sent(&self) -> bool {
        self.sending.is_done()
    }

    /// How many requests it has carried.
    pub(crate) fn requests(&self) -> u32 {
        self.requests
    }

    /// Counts it as in this use from now on.
    pub(crate) fn count_as(&mut self, used: Use) {
        self.state.turn(used);
    }

    /// Takes no more memory than it has to, until the next request.
    pub(crate) fn rest(&mut self) {
        self.sending.rest();
        self.piece = FIRST;
        if self.largest > KEPT {
            self.space = BytesMut::new();
            self.largest = 0;
        }
    }

    /// Whether it is idle and can carry another request. A close, or bytes that nobody asked for, show here.
    pub(crate) fn is_whole(&self) -> bool {
        // The kernel is asked only where something has happened.
        let silent =
            || self.stream.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.keeps && self.sending.is_done() && self.came.is_empty() && silent()
    }
}

fn invalid(fault: response::Fault) -> LinkError {
    LinkError::Failed { sent: true, invalid: true, reason: fault.to_string() }
}

fn received_not(error: &io::Error) -> String {
    format!("recv() failed ({})", os_error(error))
}
