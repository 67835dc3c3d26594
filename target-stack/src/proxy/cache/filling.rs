//! The body of an answer on its way to a client and into the cache. Given an upstream's body and where it is put aside, it streams
//! to the client, or a range of it does, at the client's pace. The last of it is handed on once the answer is stored, so that
//! whoever has seen an answer whole finds it stored. A client that has enough, or goes away, does not end the storing.

use super::deposit::Deposit;
use crate::proxy::answer::{CutShort, UpstreamBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::task::spawn_local;

/// See the module.
pub(crate) struct Filling {
    /// Until all of it has come.
    passing: Option<Passing>,
    /// Bytes that come before those that the client gets.
    skip: u64,
    /// Bytes that the client is still to get; `None` where nobody knows.
    left: Option<u64>,
}

/// An answer that passes, and is put aside.
struct Passing {
    body: UpstreamBody,
    deposit: Option<Deposit>,
    /// The last piece, until the answer is stored.
    last: Option<Frame<Bytes>>,
    ended: bool,
}

impl Passing {
    fn new(body: UpstreamBody, deposit: Deposit) -> Self {
        let ended = body.is_end_stream();
        let mut passing = Self { body, deposit: Some(deposit), last: None, ended };
        if ended {
            // An answer without a body is stored without delay.
            let _ = passing.poll_frame(&mut Context::from_waker(Waker::noop()));
        }
        passing
    }

    /// Has the rest come and be stored, without a client.
    async fn finish(mut self) {
        poll_fn(|cx| {
            while self.deposit.is_some() && ready!(self.poll_frame(cx)).is_some_and(|frame| frame.is_ok()) {}
            Poll::Ready(())
        })
        .await;
    }

    fn is_over(&self) -> bool {
        self.ended && self.last.is_none() && self.deposit.is_none()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if !self.ended {
            if let Some(deposit) = &mut self.deposit
                && !ready!(deposit.poll_room(cx))
            {
                self.deposit = None;
            }
            match ready!(self.body.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let (Some(deposit), Some(data)) = (&mut self.deposit, frame.data_ref()) {
                        deposit.add(data);
                    }
                    if !self.body.is_end_stream() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    self.last = Some(frame);
                }
                Some(Err(error)) => {
                    if let Some(deposit) = self.deposit.take() {
                        deposit.cut_short();
                    }
                    return Poll::Ready(Some(Err(error)));
                }
                None => {}
            }
            self.ended = true;
        }
        if let Some(deposit) = &mut self.deposit {
            ready!(deposit.poll_finish(cx));
            self.deposit = None;
        }
        Poll::Ready(self.last.take().map(Ok))
    }
}

impl Filling {
    /// Passes on all of the answer.
    pub(crate) fn new(body: UpstreamBody, deposit: Deposit) -> Self {
        let left = body.size_hint().exact();
        Self { passing: Some(Passing::new(body, deposit)), skip: 0, left }
    }

    /// Passes on this range of it alone.
    pub(crate) fn narrow(&mut self, range: &Range<u64>) {
        self.skip = range.start;
        self.left = Some(range.end - range.start);
    }

    /// Has what is left stored without the client.
    fn carry_on(&mut self) {
        if let Some(passing) = self.passing.take().filter(|passing| passing.deposit.is_some()) {
            spawn_local(passing.finish());
        }
    }

    /// What of `data` the client gets.
    fn cut(&mut self, mut data: Bytes) -> Bytes {
        let skipped = usize::try_from(self.skip).map_or(data.len(), |skip| skip.min(data.len()));
        self.skip -= skipped as u64;
        let mut data = data.split_off(skipped);
        if let Some(left) = &mut self.left {
            data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= data.len() as u64;
        }
        data
    }
}

impl Body for Filling {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let filling = self.get_mut();
        loop {
            let Some(passing) = filling.passing.as_mut().filter(|_| filling.left != Some(0)) else {
                return Poll::Ready(None);
            };
            let frame = match ready!(passing.poll_frame(cx)).transpose()? {
                Some(frame) => frame,
                None => return Poll::Ready(None),
            };
            match frame.into_data().map(|data| filling.cut(data)) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || self.passing.as_ref().is_none_or(Passing::is_over)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.carry_on();
    }
}
