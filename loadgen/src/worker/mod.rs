//! One sending thread. Given its share of the schedule and its connections, it sends each request at its instant,
//! reads the answers, and tells its recorder what happened. It shares nothing that is touched per request with any
//! other thread.
//!
//! It is one loop around the kernel's epoll, without a runtime: what is due is written on a free connection, and then the
//! thread waits for the next instant and for answers at once. Where the gap to that instant is short, it waits for it
//! alone and reads afterwards what came meanwhile: the kernel has noted when that was, and a wake-up is what costs most.

mod connection;
mod opening;

use crate::interval::Interval;
use crate::job::{Common, Job};
use crate::pace::{self, Clock, Lead};
use crate::recorder::{Due, Ending, Recorder};
use crate::tally::Tally;
use crate::transport::http1::LastHead;
use crate::transport::poll::{BATCH, Poll, Ready};
use crate::transport::pool::{Flight, Id, Pool};
use crate::transport::raw::Connection;
use crate::work::Work;
use opening::Openings;
use reports::outcome::ErrorKind;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long a thread sleeps at most: how soon it notices that the run is to stop.
const TICK_NS: u64 = 100_000_000;
/// What one read takes at most. The answers' bodies are not kept, so one buffer serves all connections.
const READ_BYTES: usize = 64 * 1024;
/// So many reads of one connection in a row, and the others have their turn.
const READS_IN_A_ROW: usize = 4;
/// In a closed loop a connection that cannot be opened is tried again after this long.
const RECONNECT_NS: u64 = 100_000_000;
/// So long, at most, answers may lie in their sockets while requests are due again and again. Where requests are rarer than
/// that, a wake-up for each answer costs little.
const LATE_READ_NS: u64 = 1_000_000;
/// Answers that may lie there are smaller than this, a fraction of what a socket holds: nothing waits for room.
const LATE_READ_BYTES: usize = 16 * 1024;

/// Runs one job to its end, on a thread of its own.
///
/// # Errors
/// When the kernel has no descriptor for the wait.
pub(crate) fn run(
    job: Job,
    recorder: Recorder,
    clock: Clock,
    common: Arc<Common>,
    past: UnboundedSender<Interval>,
) -> io::Result<Tally> {
    pace::wake_precisely();
    let mut worker = Worker::new(job, recorder, clock, common, past)?;
    worker.work()?;
    Ok(worker.finish())
}

/// See the module.
struct Worker {
    job: Job,
    clock: Clock,
    common: Arc<Common>,
    past: UnboundedSender<Interval>,
    work: Work,
    pool: Pool<Connection>,
    openings: Openings,
    poll: Poll,
    recorder: Recorder,
    buffer: Box<[u8]>,
    last_head: LastHead,
    serial: u32,
    /// How many connections of a closed loop could not be opened, and when that is tried again.
    held: usize,
    reopen_at: u64,
    /// How many connections have part of a request still to write.
    writing: usize,
    /// Connections that were not read empty.
    again: Vec<Ready>,
    /// The wall clock at the start of the run, to read the kernel's timestamps by.
    wall_zero: u64,
    /// Whether answers have timestamps of the kernel's, and are small.
    may_read_late: bool,
    /// How much earlier than due the kernel is asked to wake it.
    lead: Lead,
    /// Since when answers may have lain unread in their sockets.
    unread_since: Option<u64>,
}

impl Worker {
    fn new(
        job: Job,
        mut recorder: Recorder,
        clock: Clock,
        common: Arc<Common>,
        past: UnboundedSender<Interval>,
    ) -> io::Result<Self> {
        Ok(Self {
            pool: Pool::new(job.connections, job.backlog),
            openings: Openings::new(job.address.clone(), job.sources.clone(), job.share.0),
            poll: Poll::new()?,
            work: Work::of(&job, &mut recorder),
            recorder,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            last_head: LastHead::default(),
            serial: 0,
            held: 0,
            reopen_at: u64::MAX,
            writing: 0,
            again: Vec::new(),
            wall_zero: 0,
            may_read_late: false,
            lead: Lead::default(),
            unread_since: None,
            job,
            clock,
            common,
            past,
        })
    }

    /// Sends what is due, ends what has timed out, reads what has come, and waits for the next of these.
    fn work(&mut self) -> io::Result<()> {
        // Before its zero the clock stands still, and whatever happened then would be timed as nothing.
        while self.clock.ns() == 0 {
            self.clock.sleep_until(0);
        }
        self.wall_zero = self.clock.zero_on_the_wall();
        loop {
            let now = self.now();
            if !self.pool.has_idle() {
                self.read_unread()?;
            }
            self.fire(now);
            let next = self.work.next();
            if self.unread_since.is_some_and(|since| next > since + LATE_READ_NS) || !self.pool.has_idle() {
                self.read_unread()?;
            }
            self.expire(now)?;
            self.open(now);
            let Some(deadline) = self.deadline(now) else { return Ok(()) };
            self.wait(deadline)?;
        }
    }

    /// The end of the run: what has no outcome yet is unfinished.
    fn finish(mut self) -> Tally {
        while let Some((id, _)) = self.pool.first_flight() {
            if let Some(flight) = self.pool.land(id) {
                self.recorder.unfinished(&flight.due, true);
            }
        }
        while let Some(due) = self.pool.next_waiting() {
            self.recorder.unfinished(&due, false);
        }
        let last = self.recorder.roll(self.pool.gauges());
        // The receiver outlives the threads; if it is gone, so is whoever wanted to know.
        let _ = self.past.send(last);
        self.recorder.tally_mut().not_begun = self.work.not_begun();
        self.recorder.finish()
    }

    /// When something has to be done next if no socket becomes ready before; `None` when nothing has to be any more.
    fn deadline(&mut self, now: u64) -> Option<u64> {
        if let Some(at) = self.common.cut_before(self.job.end_ns) {
            self.job.end_ns = at;
            self.work.cut(at);
            self.recorder.cut(at);
        }
        let next = self.work.next();
        let over = now >= self.job.end_ns && next == u64::MAX;
        if (over && self.pool.is_quiet()) || self.common.stop.load(Ordering::Relaxed) {
            return None;
        }
        // Whatever is sent from now on times out later than what is under way, and than one timeout from now.
        let first = self.pool.first_flight().map(|(_, flight)| flight.due.intended);
        let first = first.into_iter().chain(self.pool.first_waiting().map(|due| due.intended));
        let first = first.chain(self.openings.first()).min();
        let timeout = first.unwrap_or(now).saturating_add(self.job.timeout_ns);
        let tick = (now + TICK_NS).min(self.recorder.interval_end()).min(self.reopen_at);
        let end = if now < self.job.end_ns { self.job.end_ns } else { u64::MAX };
        Some(next.min(end).min(timeout).min(tick))
    }

    /// Waits for `deadline`, and for answers as well where they must not wait.
    fn wait(&mut self, deadline: u64) -> io::Result<()> {
        let now = self.clock.ns();
        let left = deadline.saturating_sub(now);
        let since = self.unread_since.unwrap_or(now);
        // What an answer leads to must not wait for it to be read.
        let late = self.may_read_late
            && !self.work.reads_answers()
            && self.job.source.is_open()
            && left > 0
            && deadline <= since + LATE_READ_NS
            && self.writing == 0
            && self.again.is_empty()
            && self.openings.first().is_none()
            && self.pool.first_waiting().is_none();
        let early = deadline.saturating_sub(self.lead.ns());
        if late {
            self.unread_since = Some(since);
            self.clock.sleep_until(early);
            self.wake(early, deadline);
            return Ok(());
        }
        self.unread_since = None;
        let limit = if self.again.is_empty() { early.saturating_sub(now) } else { 0 };
        let found = self.poll.wait(Duration::from_nanos(limit))?;
        if found == 0 && limit > 0 {
            self.wake(early, deadline);
        } else {
            self.recorder.woken(deadline, self.clock.ns());
        }
        self.attend_to_all(found);
        Ok(())
    }

    /// The thread had meant to wake at `early`, for what is due at `deadline`. A signal wakes it before that, and then it is not
    /// to wait without sleeping.
    fn wake(&mut self, early: u64, deadline: u64) {
        let now = self.clock.ns();
        if now >= early {
            self.lead.learn(now - early);
            self.clock.wait_out(deadline);
        }
        self.recorder.woken(deadline, now);
    }

    /// Reads what has come meanwhile, if anything was left unread.
    fn read_unread(&mut self) -> io::Result<()> {
        if self.unread_since.take().is_some() {
            self.attend()?;
        }
        Ok(())
    }

    /// Reads what has come on any connection.
    fn read_all(&mut self) -> io::Result<()> {
        self.unread_since = None;
        // The kernel names those that are ready in turn, and each connection once.
        let most = self.pool.gauges().connections as usize / BATCH + 1;
        for _ in 0..most {
            if self.attend()? < BATCH {
                break;
            }
        }
        Ok(())
    }

    /// Attends to the sockets that are ready, and gives how many there were.
    fn attend(&mut self) -> io::Result<usize> {
        let found = self.poll.wait(Duration::ZERO)?;
        self.attend_to_all(found);
        Ok(found)
    }

    /// Attends to the sockets of which the last wait has found so many, and to those that were not read empty, but for
    /// requests that come due meanwhile first, where a connection is free: else the one that they need may be among these.
    fn attend_to_all(&mut self, found: usize) {
        let before = self.again.len();
        for n in 0..found {
            let now = self.now();
            if self.pool.has_idle() {
                self.fire(now);
            }
            if let Some(ready) = self.poll.ready(n) {
                self.attend_to(ready, now);
            }
        }
        for n in 0..before {
            let now = self.now();
            if self.pool.has_idle() {
                self.fire(now);
            }
            self.attend_to(self.again[n], now);
        }
        self.again.drain(..before);
    }

    /// Sends what is due.
    fn fire(&mut self, now: u64) {
        while let Some(due) = self.work.take_due(now, &mut self.recorder) {
            if self.pool.wait(due) {
                self.dispatch();
            } else {
                self.recorder.dropped(&due);
                self.work.failed(&due, now, &mut self.recorder);
                self.recorder.tally_mut().saturated |= self.pool.lacking() == 0;
            }
        }
    }

    /// Sends what waits on what is free.
    fn dispatch(&mut self) {
        while let Some((id, due)) = self.pool.match_up() {
            self.send(id, due);
        }
    }

    /// Writes one request on a free connection.
    fn send(&mut self, id: Id, due: Due) {
        let Some(connection) = self.pool.connection(id) else { return self.pool.wait_first(due) };
        if self.work.reads_answers() {
            connection.capture.get_or_insert_default().begin(self.work.wants(&due));
        }
        let request = self.work.encode(&due);
        let sent = self.clock.ns();
        match connection.start(request) {
            Ok(written) => {
                let rest = connection.is_writing();
                self.recorder.sent(&due, sent);
                self.recorder.moved(written, 0);
                self.pool.take_off(id, Flight { due, sent });
                self.writing += usize::from(rest);
            }
            // The server closed a kept connection. Nothing was sent: the request keeps its turn, its clock running.
            Err(_) => {
                self.pool.wait_first(due);
                self.remove(id);
            }
        }
    }

    /// A connection is free: sends the next request on it, if there is one.
    fn ready(&mut self, id: Id, now: u64) {
        if self.job.source.is_open() {
            self.pool.set_idle(id);
            return self.dispatch();
        }
        match self.next_of_closed(now) {
            Some(due) => self.send(id, due),
            None => self.pool.set_idle(id),
        }
    }

    /// The next request of a closed loop.
    fn next_of_closed(&mut self, now: u64) -> Option<Due> {
        self.pool.next_waiting().or_else(|| self.work.next_of_closed(now, &mut self.recorder))
    }

    /// Ends the requests whose time is over, sent or waiting. What the target has answered by then is read first: it is not
    /// late because this thread was.
    fn expire(&mut self, now: u64) -> io::Result<()> {
        let limit = self.job.timeout_ns;
        let over = |intended: u64| intended.saturating_add(limit) <= now;
        if self.pool.first_flight().is_some_and(|(_, flight)| over(flight.due.intended)) {
            self.read_all()?;
        }
        while let Some((id, flight)) = self.pool.first_flight().map(|(id, flight)| (id, *flight)) {
            if !over(flight.due.intended) {
                break;
            }
            self.pool.land(id);
            self.lost(&flight.due, Some(flight.sent), now, ErrorKind::Timeout);
            self.remove(id);
        }
        while let Some(due) = self.pool.first_waiting().copied().filter(|due| over(due.intended)) {
            self.pool.next_waiting();
            self.lost(&due, None, now, ErrorKind::Timeout);
        }
        self.give_up_opening(now);
        Ok(())
    }

    /// A request ended without an answer.
    fn lost(&mut self, due: &Due, sent: Option<u64>, now: u64, kind: ErrorKind) {
        self.recorder.done(due, sent, now, Ending::Error(kind));
        self.work.failed(due, now, &mut self.recorder);
    }

    /// The time. Whatever is recorded at it goes into its own interval: those that are past have been handed over.
    fn now(&mut self) -> u64 {
        let now = self.clock.ns();
        while now >= self.recorder.interval_end() {
            let past = self.recorder.roll(self.pool.gauges());
            let _ = self.past.send(past);
            self.wall_zero = self.clock.zero_on_the_wall();
        }
        now
    }
}
