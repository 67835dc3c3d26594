//! One sending thread on a client library: the same ledger, instants and bounds as the raw worker's, for HTTP/2, TLS and
//! what applications use. Given its share of the schedule, it hands each request to the library at its instant, and
//! tells its recorder what became of it. It reads no socket itself.
//!
//! A slot is the right to one request at a time: an HTTP/1.1 connection, one stream of an HTTP/2 connection, or one call
//! of a reqwest client. Each has a task that lives as long as it does, so nothing is spawned for a request, and a seat in
//! the pool through which the pacer gives it the next request. All of it runs on this thread: the state is a `RefCell`
//! that is never held across an await.

mod agent;
mod fault;
mod http1;
mod http2;
mod link;
pub(crate) mod settings;
mod slot;
mod socket;
pub(crate) mod tls;

#[cfg(test)]
mod tests;

pub(crate) use settings::{Settings, reach};

use crate::interval::{Gauges, Interval};
use crate::job::{Common, Job};
use crate::pace::{Clock, Timer};
use crate::recorder::{Due, Ending, Recorder};
use crate::tally::Tally;
use crate::transport::pool::{Flight, Id, Pool};
use crate::work::Work;
use link::Gauge;
use reports::outcome::ErrorKind;
use slot::Seat;
use socket::Traffic;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// How long the pacer sleeps at most: how soon a thread notices that the run is to stop.
const TICK_NS: u64 = 100_000_000;
/// In a closed loop a connection that cannot be opened is tried again after this long.
const RECONNECT: Duration = Duration::from_millis(100);

/// Runs one job to its end, on a thread of its own.
///
/// # Errors
/// When the runtime, the timer or the client cannot be made, for want of file descriptors.
pub(crate) fn run(
    job: Job,
    recorder: Recorder,
    clock: Clock,
    common: Arc<Common>,
    past: UnboundedSender<Interval>,
) -> io::Result<Tally> {
    let settings = job.client.clone().ok_or(io::ErrorKind::InvalidInput)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async move {
        let agents = match settings.agent {
            Some(_) => agent::all(&settings, &job).map_err(io::Error::other)?,
            None => Vec::new(),
        };
        let worker = Rc::new(Worker::new(job, settings, agents, recorder, clock, common, past));
        worker.pace().await?;
        Ok(worker.finish())
    })
}

/// See the module.
struct Worker {
    job: Job,
    settings: Arc<Settings>,
    agents: Vec<Rc<agent::Agent>>,
    clock: Clock,
    past: UnboundedSender<Interval>,
    state: RefCell<State>,
    traffic: Rc<Traffic>,
    gauge: Gauge,
    turn: Cell<usize>,
    /// Until when the pacer sleeps, and what wakes it when an answer has made a request due before.
    asleep_until: Cell<u64>,
    /// When the load ends.
    end_ns: Cell<u64>,
    sooner: Notify,
}

struct State {
    pool: Pool<Seat>,
    recorder: Recorder,
    work: Work,
}

impl State {
    /// The next request of a closed loop.
    fn next_of_closed(&mut self, now: u64) -> Option<Due> {
        self.pool.next_waiting().or_else(|| self.work.next_of_closed(now, &mut self.recorder))
    }

    /// A request ended without an answer.
    fn lost(&mut self, due: &Due, sent: Option<u64>, now: u64, kind: ErrorKind) {
        self.recorder.done(due, sent, now, Ending::Error(kind));
        self.work.failed(due, now, &mut self.recorder);
    }
}

impl Worker {
    fn new(
        job: Job,
        settings: Arc<Settings>,
        agents: Vec<Rc<agent::Agent>>,
        mut recorder: Recorder,
        clock: Clock,
        common: Arc<Common>,
        past: UnboundedSender<Interval>,
    ) -> Self {
        let pool = Pool::of_streams(job.connections, settings.streams, job.backlog);
        Self {
            turn: Cell::new(job.share.0),
            asleep_until: Cell::new(u64::MAX),
            end_ns: Cell::new(job.end_ns),
            sooner: Notify::new(),
            state: RefCell::new(State { work: Work::of(&job, &mut recorder), pool, recorder }),
            gauge: Gauge::new(common),
            traffic: Rc::default(),
            job,
            settings,
            agents,
            clock,
            past,
        }
    }

    /// The pacer: hands over what is due, ends what has timed out, and sleeps until the next of these.
    async fn pace(self: &Rc<Self>) -> io::Result<()> {
        let timer = Timer::new()?;
        // Before its zero the clock stands still, and whatever happened then would be timed as nothing.
        timer.sleep_until(self.clock.instant(0)).await?;
        if !self.job.source.is_open() {
            self.open_all();
        }
        loop {
            let now = self.now();
            while let Some(due) = self.take_due(now) {
                self.fire(due, now);
            }
            self.expire(now);
            self.cut();
            let next = self.state.borrow_mut().work.next();
            let ended = now >= self.end_ns.get() && next == u64::MAX;
            if (ended && self.state.borrow().pool.is_quiet()) || self.gauge.is_to_stop() {
                return Ok(());
            }
            let deadline = self.deadline(now, next);
            self.asleep_until.set(deadline);
            tokio::select! {
                slept = timer.sleep_until(self.clock.instant(deadline)) => slept?,
                () = self.sooner.notified() => {}
            }
            self.state.borrow_mut().recorder.woken(deadline, self.clock.ns());
        }
    }

    /// Notices that the load ends sooner than was planned.
    fn cut(&self) {
        if let Some(at) = self.gauge.cut_before(self.end_ns.get()) {
            self.end_ns.set(at);
            let state = &mut *self.state.borrow_mut();
            state.work.cut(at);
            state.recorder.cut(at);
        }
    }

    /// A request has ended, and what follows from it may be due before the pacer means to wake.
    fn hurry(&self, state: &mut State) {
        if state.work.next() < self.asleep_until.get() {
            self.sooner.notify_one();
        }
    }

    /// When the pacer has to wake, if the next request is due at `next`.
    fn deadline(&self, now: u64, next: u64) -> u64 {
        let state = self.state.borrow();
        // Whatever is sent from now on times out later than what is under way, and than one timeout from now.
        let first = state.pool.first_flight().map(|(_, flight)| flight.due.intended);
        let first = first.into_iter().chain(state.pool.first_waiting().map(|due| due.intended)).min();
        let timeout = first.unwrap_or(now).saturating_add(self.job.timeout_ns);
        let tick = (now + TICK_NS).min(state.recorder.interval_end());
        let end = if now < self.end_ns.get() { self.end_ns.get() } else { u64::MAX };
        next.min(end).min(timeout).min(tick)
    }

    /// The end of the run: what has no outcome yet is unfinished.
    fn finish(&self) -> Tally {
        let state = &mut *self.state.borrow_mut();
        while let Some((id, _)) = state.pool.first_flight() {
            let sent = state.pool.connection(id).is_none_or(|seat| !seat.holds_request());
            if let Some(flight) = state.pool.land(id) {
                state.recorder.unfinished(&flight.due, sent);
            }
        }
        while let Some(due) = state.pool.next_waiting() {
            state.recorder.unfinished(&due, false);
        }
        self.moved(&mut state.recorder);
        let last = state.recorder.roll(self.gauges(&state.pool));
        // The receiver outlives the threads; if it is gone, so is whoever wanted to know.
        let _ = self.past.send(last);
        state.recorder.tally_mut().not_begun = state.work.not_begun();
        state.recorder.finish()
    }

    fn take_due(&self, now: u64) -> Option<Due> {
        let state = &mut *self.state.borrow_mut();
        state.work.take_due(now, &mut state.recorder)
    }

    /// A request is due.
    fn fire(self: &Rc<Self>, due: Due, now: u64) {
        {
            let state = &mut *self.state.borrow_mut();
            if !state.pool.wait(due) {
                state.recorder.dropped(&due);
                state.work.failed(&due, now, &mut state.recorder);
                state.recorder.tally_mut().saturated |= state.pool.lacking() == 0;
                return;
            }
        }
        self.dispatch(now);
    }

    /// Gives what waits to the slots that are free; opens a connection for what then still waits.
    fn dispatch(self: &Rc<Self>, now: u64) {
        let state = &mut *self.state.borrow_mut();
        while let Some((id, due)) = state.pool.match_up() {
            state.pool.take_off(id, Flight { due, sent: now });
            if let Some(seat) = state.pool.connection(id) {
                seat.give(due);
            }
        }
        if state.pool.saturated() {
            state.recorder.tally_mut().saturated = true;
        }
        while state.pool.begin_connect() {
            tokio::task::spawn_local(Rc::clone(self).connect());
        }
    }

    /// The next request for the slot, if there is one; it counts as under way from now on.
    fn next_for(&self, id: Id, now: u64) -> Option<Due> {
        let state = &mut *self.state.borrow_mut();
        let due =
            if self.job.source.is_open() { state.pool.next_waiting() } else { state.next_of_closed(now) };
        match due {
            Some(due) => state.pool.take_off(id, Flight { due, sent: now }),
            None => state.pool.set_idle(id),
        }
        due
    }

    /// Opens all connections of a closed loop.
    fn open_all(self: &Rc<Self>) {
        while self.state.borrow_mut().pool.begin_spare_connect() {
            tokio::task::spawn_local(Rc::clone(self).connect());
        }
    }

    /// Opens the connections that a closed loop has lost, as long as there is something to send on them.
    fn open_all_until_end(self: &Rc<Self>, now: u64) {
        let waiting = self.state.borrow().pool.first_waiting().is_some();
        if waiting || now < self.job.end_ns {
            self.open_all();
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
            let handed = state.pool.connection(id).is_none_or(Seat::cancel);
            let sent = handed.then_some(flight.sent);
            state.lost(&flight.due, sent, now, ErrorKind::Timeout);
        }
        while let Some(due) = state.pool.first_waiting().copied().filter(over) {
            state.pool.next_waiting();
            state.lost(&due, None, now, ErrorKind::Timeout);
        }
    }

    /// The time. Whatever is recorded at it goes into its own interval: those that are past have been handed over.
    fn now(&self) -> u64 {
        let now = self.clock.ns();
        let state = &mut *self.state.borrow_mut();
        while now >= state.recorder.interval_end() {
            self.moved(&mut state.recorder);
            let past = state.recorder.roll(self.gauges(&state.pool));
            let _ = self.past.send(past);
        }
        now
    }

    /// Records the bytes that have passed.
    fn moved(&self, recorder: &mut Recorder) {
        recorder.moved(self.traffic.sent.take(), self.traffic.received.take());
    }

    /// The pool counts slots; a record counts connections.
    fn gauges(&self, pool: &Pool<Seat>) -> Gauges {
        Gauges { connections: self.gauge.open(), ..pool.gauges() }
    }
}
