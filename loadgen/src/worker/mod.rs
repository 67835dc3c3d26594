//! One sending thread. Given its share of the schedule and its connections, it sends each request at its instant,
//! reads the answers, and tells its recorder what happened. It shares nothing that is touched per request with any
//! other thread.
//!
//! One task, the pacer, waits for the next instant and writes the request itself on a free connection; one task per
//! connection reads the answers and, when a request is waiting, writes the next one at once. All of them run on this
//! thread, so the state between them is a `RefCell` that is never held across an await.

mod connection;

use crate::client;
use crate::interval::Interval;
use crate::pace::{Clock, Timer};
use crate::recorder::{Due, Ending, Recorder, Tally};
use crate::request::Requests;
use crate::schedule::Schedule;
use crate::transport::pool::{Flight, Id, Pool};
use crate::transport::raw::{Address, Connection};
use reports::outcome::ErrorKind;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How long the pacer sleeps at most: how soon a thread notices that the run is to stop.
const TICK_NS: u64 = 100_000_000;
/// What one read takes at most. The answers' bodies are not kept, so one buffer serves all connections.
const READ_BYTES: usize = 64 * 1024;
/// So many reads of one connection in a row, and the others have their turn.
const READS_IN_A_ROW: usize = 8;
/// In a closed loop a connection that cannot be opened is tried again after this long.
const RECONNECT: Duration = Duration::from_millis(100);

/// What a thread is to do.
#[derive(Debug)]
pub(crate) struct Job {
    /// The share's number, and how many shares there are.
    pub(crate) share: (usize, usize),
    /// When requests are sent.
    pub(crate) source: Source,
    /// When the run ends if nothing is under way any more, whether requests are due until then or not.
    pub(crate) end_ns: u64,
    /// What is sent.
    pub(crate) requests: Arc<Requests>,
    /// Where it is sent.
    pub(crate) address: Address,
    /// At most so many connections.
    pub(crate) connections: usize,
    /// At most so many requests wait for a connection.
    pub(crate) backlog: usize,
    /// From the intended instant.
    pub(crate) timeout_ns: u64,
    /// Which status codes are expected, by code.
    pub(crate) expected: Arc<[bool; 1000]>,
    /// The client library that sends; `None`: this worker.
    pub(crate) client: Option<Arc<client::Settings>>,
}

/// When a thread sends.
#[derive(Debug)]
pub(crate) enum Source {
    /// At the instants of a schedule: an open loop.
    Open(Schedule),
    /// As fast as the connections go, until these ends of the plan's steps: a closed loop.
    Closed(Vec<u64>),
}

/// What all threads of a run share; none of it is touched per request.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Set when the run is to stop early.
    pub(crate) stop: AtomicBool,
    /// Connections open now.
    pub(crate) open: AtomicU64,
    /// The most that ever were.
    pub(crate) most_open: AtomicU64,
}

/// Runs one job to its end, on a thread of its own: a current-thread runtime, and all tasks local to it.
///
/// # Errors
/// When the runtime or the timer cannot be made, for want of file descriptors.
pub(crate) fn run(
    job: Job,
    recorder: Recorder,
    clock: Clock,
    common: Arc<Common>,
    past: UnboundedSender<Interval>,
) -> io::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async move {
        let worker = Rc::new(Worker::new(job, recorder, clock, common, past));
        worker.pace().await?;
        Ok(worker.finish())
    })
}

/// See the module.
struct Worker {
    job: Job,
    clock: Clock,
    common: Arc<Common>,
    past: UnboundedSender<Interval>,
    state: RefCell<State>,
    buffer: RefCell<Box<[u8]>>,
    turn: Cell<usize>,
}

struct State {
    pool: Pool<Connection>,
    recorder: Recorder,
    /// How many requests a closed loop has sent.
    closed_sent: u64,
}

impl Worker {
    fn new(
        job: Job,
        recorder: Recorder,
        clock: Clock,
        common: Arc<Common>,
        past: UnboundedSender<Interval>,
    ) -> Self {
        let pool = Pool::new(job.connections, job.backlog);
        let state = RefCell::new(State { pool, recorder, closed_sent: 0 });
        let buffer = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
        Self { turn: Cell::new(job.share.0), job, clock, common, past, state, buffer }
    }

    /// The pacer: sends what is due, ends what has timed out, and sleeps until the next of these.
    async fn pace(self: &Rc<Self>) -> io::Result<()> {
        let timer = Timer::new()?;
        // Before its zero the clock stands still, and whatever happened then would be timed as nothing.
        timer.sleep_until(self.clock.instant(0)).await?;
        let mut schedule = match &self.job.source {
            Source::Open(schedule) => Some(schedule.clone().peekable()),
            Source::Closed(_) => {
                self.open_all();
                None
            }
        };
        loop {
            let now = self.now();
            let mut next = None;
            if let Some(schedule) = &mut schedule {
                while let Some(arrival) = schedule.next_if(|a| a.offset_ns <= now) {
                    self.fire(
                        Due { index: arrival.index, intended: arrival.offset_ns, step: arrival.step },
                        now,
                    );
                }
                next = schedule.peek().map(|a| a.offset_ns);
            }
            self.expire(now);
            let ended = now >= self.job.end_ns && next.is_none();
            let deadline = {
                let state = self.state.borrow();
                if (ended && state.pool.is_quiet()) || self.common.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                // Whatever is sent from now on times out later than what is under way, and than one timeout from now.
                let first = state.pool.first_flight().map(|(_, flight)| flight.due.intended);
                let first = first.into_iter().chain(state.pool.first_waiting().map(|due| due.intended)).min();
                let timeout = first.unwrap_or(now).saturating_add(self.job.timeout_ns);
                let tick = (now + TICK_NS).min(state.recorder.interval_end());
                let end = if now < self.job.end_ns { self.job.end_ns } else { u64::MAX };
                next.unwrap_or(end).min(timeout).min(tick)
            };
            timer.sleep_until(self.clock.instant(deadline)).await?;
            self.state.borrow_mut().recorder.woken(deadline, self.clock.ns());
        }
    }

    /// The end of the run: what has no outcome yet is unfinished.
    fn finish(&self) -> Tally {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        while let Some((id, _)) = state.pool.first_flight() {
            if let Some(flight) = state.pool.land(id) {
                state.recorder.unfinished(&flight.due, true);
            }
        }
        while let Some(due) = state.pool.next_waiting() {
            state.recorder.unfinished(&due, false);
        }
        let last = state.recorder.roll(state.pool.gauges());
        // The receiver outlives the threads; if it is gone, so is whoever wanted to know.
        let _ = self.past.send(last);
        state.recorder.finish()
    }

    /// A request is due.
    fn fire(self: &Rc<Self>, due: Due, now: u64) {
        {
            let state = &mut *self.state.borrow_mut();
            state.recorder.planned(&due, now);
            if !state.pool.wait(due) {
                state.recorder.dropped(&due);
                state.recorder.tally_mut().saturated |= state.pool.saturated();
                return;
            }
        }
        self.dispatch();
    }

    /// Sends what waits on what is free; opens a connection for what then still waits.
    fn dispatch(self: &Rc<Self>) {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        while let Some((id, due)) = state.pool.match_up() {
            self.send(state, id, due);
        }
        if state.pool.saturated() {
            state.recorder.tally_mut().saturated = true;
        }
        while state.pool.begin_connect() {
            tokio::task::spawn_local(Rc::clone(self).connect());
        }
    }

    /// Writes one request on a free connection.
    fn send(&self, state: &mut State, id: Id, due: Due) {
        let Some(connection) = state.pool.connection(id) else { return state.pool.wait_first(due) };
        let request = self.job.requests.pick(due.index);
        let sent = self.clock.ns();
        match connection.start(request) {
            Ok(written) => {
                state.recorder.sent(&due, sent);
                state.recorder.moved(written, 0);
                state.pool.take_off(id, Flight { due, sent });
            }
            // The server closed a kept connection. Nothing was sent: the request keeps its turn, its clock running.
            Err(_) => {
                connection.close();
                state.pool.wait_first(due);
            }
        }
    }

    /// A connection is free: sends the next request on it, if there is one.
    fn ready(self: &Rc<Self>, id: Id, now: u64) {
        match &self.job.source {
            Source::Open(_) => {
                self.state.borrow_mut().pool.set_idle(id);
                self.dispatch();
            }
            Source::Closed(ends) => {
                let state = &mut *self.state.borrow_mut();
                match self.next_of_closed(state, ends, now) {
                    Some(due) => self.send(state, id, due),
                    None => state.pool.set_idle(id),
                }
            }
        }
    }

    /// In a closed loop a request is due when a connection is free.
    fn next_of_closed(&self, state: &mut State, ends: &[u64], now: u64) -> Option<Due> {
        let waiting = state.pool.next_waiting();
        if waiting.is_some() {
            return waiting;
        }
        let step = ends.iter().position(|end| now < *end)?;
        let index = state.closed_sent * self.job.share.1 as u64 + self.job.share.0 as u64;
        state.closed_sent += 1;
        let due = Due { index, intended: now, step };
        // It counts from when it could have been sent, which is no lateness of this thread's.
        state.recorder.planned(&due, due.intended);
        Some(due)
    }

    /// Opens all connections of a closed loop.
    fn open_all(self: &Rc<Self>) {
        while self.state.borrow_mut().pool.begin_spare_connect() {
            tokio::task::spawn_local(Rc::clone(self).connect());
        }
    }

    /// Ends the requests whose time is over, sent or waiting.
    fn expire(&self, now: u64) {
        let state = &mut *self.state.borrow_mut();
        let over = |due: &Due| due.intended.saturating_add(self.job.timeout_ns) <= now;
        while let Some((id, flight)) = state.pool.first_flight().map(|(id, flight)| (id, *flight)) {
            if !over(&flight.due) {
                break;
            }
            state.pool.land(id);
            state.recorder.done(&flight.due, Some(flight.sent), now, Ending::Error(ErrorKind::Timeout));
            if let Some(connection) = state.pool.connection(id) {
                connection.close();
            }
        }
        while let Some(due) = state.pool.first_waiting().copied().filter(over) {
            state.pool.next_waiting();
            state.recorder.done(&due, None, now, Ending::Error(ErrorKind::Timeout));
        }
    }

    /// The time. Whatever is recorded at it goes into its own interval: those that are past have been handed over.
    fn now(&self) -> u64 {
        let now = self.clock.ns();
        let state = &mut *self.state.borrow_mut();
        while now >= state.recorder.interval_end() {
            let past = state.recorder.roll(state.pool.gauges());
            let _ = self.past.send(past);
        }
        now
    }
}
