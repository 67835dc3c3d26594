//! The life of a slot: it waits until its library can take a request and one is there, hands it over, waits for the end of
//! the answer, and records it. It never decides when a request is due, and never when its time is over.

use super::fault::{Ended, Fault};
use super::link::Link;
use super::{Worker, agent, http1, http2};
use crate::recorder::Due;
use crate::request::Form;
use crate::transport::capture::Capture;
use crate::transport::pool::{Flight, Id};
use reports::outcome::ErrorKind;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A slot as the pacer sees it.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// A request that the slot has not yet taken up.
    request: Option<Due>,
    /// Whether the request that it has taken up is to be given up.
    cancelled: bool,
    waker: Option<Waker>,
}

/// A slot's half of its library.
pub(super) enum Line {
    One(Box<http1::Line>),
    Many(http2::Line),
    Agent(agent::Line),
}

impl Seat {
    /// Gives the slot its next request.
    pub(super) fn give(&mut self, due: Due) {
        self.request = Some(due);
        self.wake();
    }

    /// The slot's request is over. Gives whether it had been taken up.
    pub(super) fn cancel(&mut self) -> bool {
        self.cancelled = true;
        self.wake();
        self.request.take().is_none()
    }

    /// Whether there is a request that was not yet taken up.
    pub(super) fn holds_request(&self) -> bool {
        self.request.is_some()
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn remember(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }
}

impl Line {
    /// Whether the library can take a request now; `false` when it never will again.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self {
            Self::One(line) => line.poll_ready(cx),
            Self::Many(line) => line.poll_ready(cx),
            Self::Agent(_) => Poll::Ready(true),
        }
    }

    /// Whether the connection has ended while nothing was asked.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::One(line) => line.poll_ended(cx),
            // The driver's task says it.
            Self::Many(_) | Self::Agent(_) => Poll::Pending,
        }
    }

    /// Whether it can be used for another request although the last one was given up.
    fn survives_cancelling(&self) -> bool {
        !matches!(self, Self::One(_))
    }
}

impl Worker {
    /// The task of a slot, from the opening of its connection to its end.
    pub(super) async fn serve(self: Rc<Self>, id: Id, link: Rc<Link>, mut line: Line) {
        let mut kept = self.state.borrow().work.reads_answers().then(Capture::default);
        while let Some(due) = self.turn(id, &link, &mut line).await {
            let ended = self.exchange(id, &link, &mut line, due, &mut kept).await;
            let given_up = ended.is_none();
            let goes_on = match ended {
                Some(ended) => self.ended(id, &link, link.blame(ended), kept.as_ref()),
                None => true,
            };
            if !goes_on || link.retired.get() || (given_up && !line.survives_cancelling()) {
                break;
            }
        }
        // What the library holds is closed before another connection is opened in its place.
        drop(line);
        self.retire_slot(id, &link);
    }

    /// Waits for the slot's next request; `None` when its connection takes no more.
    async fn turn(&self, id: Id, link: &Link, line: &mut Line) -> Option<Due> {
        if !poll_fn(|cx| if link.retired.get() { Poll::Ready(false) } else { line.poll_ready(cx) }).await {
            return None;
        }
        let due = self.next_for(id, self.now());
        if due.is_some() {
            return due;
        }
        poll_fn(|cx| {
            if link.retired.get() || line.poll_ended(cx).is_ready() {
                return Poll::Ready(None);
            }
            let cancelled = {
                let state = &mut *self.state.borrow_mut();
                let Some(seat) = state.pool.connection(id) else { return Poll::Ready(None) };
                seat.remember(cx.waker());
                if let Some(due) = seat.request.take() {
                    return Poll::Ready(Some(due));
                }
                std::mem::take(&mut seat.cancelled)
            };
            // What it was given has timed out before it was taken up: the slot is free again.
            match cancelled.then(|| self.next_for(id, self.now())).flatten() {
                Some(due) => Poll::Ready(Some(due)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Hands the request to the library; gives how it ended, or nothing when it was given up.
    async fn exchange(
        &self,
        id: Id,
        link: &Link,
        line: &mut Line,
        due: Due,
        kept: &mut Option<Capture>,
    ) -> Option<Ended> {
        if link.use_up() {
            self.retire(link);
        }
        let form = if let Line::Many(_) = line { Form::Stream } else { Form::Path };
        let request = {
            let work = &self.state.borrow().work;
            kept.iter_mut().for_each(|kept| kept.begin(work.wants(&due)));
            work.request(&due, form, &self.settings.base)
        };
        let request = match request {
            Ok(request) => request,
            Err(e) => return Some(Ended::Fault(Fault::new(ErrorKind::Protocol, &e))),
        };
        let sent = self.clock.ns();
        if let Some(flight) = self.state.borrow_mut().pool.flight_mut(id) {
            flight.sent = sent;
        }
        match line {
            Line::One(line) => self.watch(id, due, sent, line.ask(request, kept)).await,
            Line::Agent(line) => self.watch(id, due, sent, line.ask(request, kept)).await,
            Line::Many(line) => {
                let ended = self.watch(id, due, sent, line.ask(request, kept)).await;
                // Nothing came on any stream in all this time: the connection may be dead without saying so.
                if ended.is_none() && link.heard.get() < sent {
                    self.retire(link);
                }
                ended
            }
        }
    }

    /// Waits for the end of an exchange, unless it is given up first. It counts as sent once the library has taken it
    /// and has not at once said that the connection is gone.
    async fn watch(
        &self,
        id: Id,
        due: Due,
        sent: u64,
        exchange: impl Future<Output = Ended>,
    ) -> Option<Ended> {
        let mut exchange = pin!(exchange);
        let mut counted = false;
        poll_fn(|cx| {
            {
                let state = &mut *self.state.borrow_mut();
                let Some(seat) = state.pool.connection(id) else { return Poll::Ready(None) };
                if std::mem::take(&mut seat.cancelled) {
                    return Poll::Ready(None);
                }
                seat.remember(cx.waker());
            }
            let polled = exchange.as_mut().poll(cx);
            let unsent = matches!(polled, Poll::Ready(Ended::Unsent(_)));
            if counted == unsent {
                let recorder = &mut self.state.borrow_mut().recorder;
                if unsent {
                    recorder.taken_back(&due, sent)
                } else {
                    recorder.sent(&due, sent)
                }
                counted = !unsent;
            }
            polled.map(Some)
        })
        .await
    }

    /// Records how the request of a slot ended; gives whether the connection can be used again.
    fn ended(self: &Rc<Self>, id: Id, link: &Link, ended: Ended, kept: Option<&Capture>) -> bool {
        let now = self.now();
        link.heard.set(now);
        match ended {
            Ended::Answer(status) => {
                link.answered.set(true);
                let state = &mut *self.state.borrow_mut();
                if let Some(Flight { due, sent }) = state.pool.land(id) {
                    // The pacer may not have come to it yet.
                    if now.saturating_sub(due.intended) > self.job.timeout_ns {
                        state.lost(&due, Some(sent), now, ErrorKind::Timeout);
                    } else {
                        let ending =
                            state.work.answered(&due, status, kept, (sent, now), &mut state.recorder);
                        state.recorder.done(&due, Some(sent), now, ending);
                    }
                    self.hurry(state);
                }
                true
            }
            Ended::Unsent(_) if link.answered.get() => {
                self.put_back(id);
                self.retire(link);
                false
            }
            Ended::Unsent(fault) => self.failed(id, now, fault, false),
            Ended::Fault(fault) => self.failed(id, now, fault, true),
        }
    }

    /// The slot's request was not sent: it keeps its turn, its clock running.
    fn put_back(&self, id: Id) {
        let state = &mut *self.state.borrow_mut();
        if let Some(Flight { due, .. }) = state.pool.land(id) {
            state.pool.wait_first(due);
        }
    }

    /// The slot's request has failed; gives whether the connection can be used again.
    fn failed(&self, id: Id, now: u64, fault: Fault, was_sent: bool) -> bool {
        let state = &mut *self.state.borrow_mut();
        state.recorder.tally_mut().explain(fault.kind, || fault.why);
        if let Some(Flight { due, sent }) = state.pool.land(id) {
            state.lost(&due, was_sent.then_some(sent), now, fault.kind);
            self.hurry(state);
        }
        // Another stream of the connection, or another call of the client, may still do.
        self.settings.shares_connections()
    }

    /// The slot is gone. A request that it was given and never took up keeps its turn.
    fn retire_slot(self: &Rc<Self>, id: Id, link: &Link) {
        link.slots.borrow_mut().retain(|slot| *slot != id);
        let now = self.now();
        {
            let state = &mut *self.state.borrow_mut();
            if let Some((_, Some(flight))) = state.pool.remove(id) {
                state.pool.wait_first(flight.due);
            }
        }
        if self.job.source.is_open() { self.dispatch(now) } else { self.open_all_until_end(now) }
    }
}
