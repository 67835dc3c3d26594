//! A worker's connections. Each has a task that opens it, writes what the socket did not take at once, reads the
//! answers, and says how a request ended. It never decides when a request is due.

use super::{READS_IN_A_ROW, RECONNECT, Source, State, Worker};
use crate::pace;
use crate::recorder::Ending;
use crate::transport::pool::{Flight, Id};
use crate::transport::raw::{self, ReadHalf};
use reports::outcome::ErrorKind;
use rustix::io::Errno;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::ReadBuf;

impl Worker {
    /// The task of one connection, from its opening to its end.
    pub(super) async fn connect(self: Rc<Self>) {
        let turn = self.turn.replace(self.turn.get() + 1);
        let begun = self.clock.ns();
        let limit = Duration::from_nanos(self.job.timeout_ns);
        let opened = pace::within(limit, raw::connect(&self.job.address, turn)).await;
        let (connection, mut reader) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(e)) => {
                self.connect_failed(begun, Some(e));
                return self.reopen_later().await;
            }
            None => {
                self.connect_failed(begun, None);
                return self.reopen_later().await;
            }
        };
        let open = self.common.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.common.most_open.fetch_max(open, Ordering::Relaxed);
        let id = self.state.borrow_mut().pool.connected(connection);
        self.ready(id, self.now());
        let kind = poll_fn(|cx| self.poll_connection(id, &mut reader, cx)).await;
        self.common.open.fetch_sub(1, Ordering::Relaxed);
        self.closed(id, kind);
    }

    /// A connection could not be opened: the request whose turn it is had waited for it. With no error, the attempt
    /// took as long as a request may; then each waiting request ends at its own deadline, and none is taken here.
    fn connect_failed(&self, begun: u64, error: Option<io::Error>) {
        let now = self.now();
        let state = &mut *self.state.borrow_mut();
        state.pool.connect_failed();
        let tally = state.recorder.tally_mut();
        match error.as_ref().and_then(Errno::from_io_error) {
            Some(Errno::MFILE | Errno::NFILE) => tally.out_of_descriptors = true,
            Some(Errno::ADDRNOTAVAIL) => tally.out_of_ports = true,
            _ => {}
        }
        let due = match &self.job.source {
            Source::Open(_) if error.is_none() => None,
            Source::Open(_) => state.pool.next_waiting(),
            // In a closed loop it was due when the attempt began.
            Source::Closed(ends) => self.next_of_closed(state, ends, begun),
        };
        if let Some(due) = due {
            let kind = if error.is_some() { ErrorKind::Connect } else { ErrorKind::Timeout };
            state.recorder.done(&due, None, now, Ending::Error(kind));
        }
    }

    /// In a closed loop every connection comes back, after a pause that keeps a dead target from being hammered.
    async fn reopen_later(self: Rc<Self>) {
        if matches!(self.job.source, Source::Closed(_)) {
            pace::pause(RECONNECT).await;
            self.open_all_until_end();
        } else {
            self.dispatch();
        }
    }

    /// Opens the connections that a closed loop has lost, as long as there is something to send on them.
    fn open_all_until_end(self: &Rc<Self>) {
        let waiting = self.state.borrow().pool.first_waiting().is_some();
        if waiting || self.clock.ns() < self.job.end_ns {
            self.open_all();
        }
    }

    /// Writes what is left of a request, and reads what has come, until the connection ends. Gives what kind of failure
    /// that end is for a request that is under way.
    fn poll_connection(
        self: &Rc<Self>,
        id: Id,
        reader: &mut ReadHalf,
        cx: &mut Context<'_>,
    ) -> Poll<ErrorKind> {
        for _ in 0..READS_IN_A_ROW {
            if !self.poll_write(id, cx) {
                return Poll::Ready(ErrorKind::Reset);
            }
            let mut buffer = self.buffer.borrow_mut();
            let mut buffer = ReadBuf::new(&mut buffer);
            match reader.poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(ErrorKind::Reset),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    self.ended(id);
                    return Poll::Ready(ErrorKind::Reset);
                }
                Poll::Ready(Ok(())) => {
                    if let Some(kind) = self.received(id, buffer.filled()) {
                        return Poll::Ready(kind);
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Goes on writing; `false` when the connection is to end.
    fn poll_write(&self, id: Id, cx: &mut Context<'_>) -> bool {
        let state = &mut *self.state.borrow_mut();
        let index = state.pool.flight(id).map(|flight| flight.due.index);
        let Some(connection) = state.pool.connection(id) else { return false };
        connection.remember(cx.waker());
        if connection.is_closing() {
            return false;
        }
        let Some(index) = index.filter(|_| connection.is_writing()) else { return true };
        let (written, alive) = connection.poll_write(cx, self.job.requests.pick(index));
        state.recorder.moved(written, 0);
        alive
    }

    /// Bytes have come. Gives the kind of failure when the connection is to end.
    fn received(self: &Rc<Self>, id: Id, bytes: &[u8]) -> Option<ErrorKind> {
        let now = self.now();
        {
            let state = &mut *self.state.borrow_mut();
            state.recorder.moved(0, bytes.len());
            let flying = state.pool.flight(id).is_some();
            let connection = state.pool.connection(id)?;
            if !flying {
                // Nothing was asked for: whatever this is, the connection is not to be trusted.
                return Some(ErrorKind::Protocol);
            }
            let (answer, used) = match connection.reader.feed(bytes, self.job.requests.are_head()) {
                Ok(None) => return None,
                Ok(Some(whole)) => whole,
                Err(_) => return Some(ErrorKind::Protocol),
            };
            let reusable = answer.reusable && used == bytes.len() && !connection.is_writing();
            self.answered(state, id, answer.status, now);
            if !reusable {
                return Some(ErrorKind::Reset);
            }
        }
        self.ready(id, now);
        None
    }

    /// The connection was closed by the server, which is how some answers end.
    fn ended(&self, id: Id) {
        let now = self.now();
        let state = &mut *self.state.borrow_mut();
        if let Some(answer) = state.pool.connection(id).and_then(|connection| connection.reader.end()) {
            self.answered(state, id, answer.status, now);
        }
    }

    /// The request under way on the connection has its whole answer.
    fn answered(&self, state: &mut State, id: Id, status: u16, now: u64) {
        if let Some(Flight { due, sent }) = state.pool.land(id) {
            let expected = self.job.expected.get(usize::from(status)).copied().unwrap_or(false);
            let ending = if expected { Ending::Ok(status) } else { Ending::Status(status) };
            state.recorder.done(&due, Some(sent), now, ending);
        }
    }

    /// The connection has ended: so has the request under way on it, if there is one.
    fn closed(self: &Rc<Self>, id: Id, kind: ErrorKind) {
        {
            let now = self.now();
            let state = &mut *self.state.borrow_mut();
            if let Some((_, Some(Flight { due, sent }))) = state.pool.remove(id) {
                state.recorder.done(&due, Some(sent), now, Ending::Error(kind));
            }
        }
        match self.job.source {
            Source::Open(_) => self.dispatch(),
            Source::Closed(_) => self.open_all_until_end(),
        }
    }
}
