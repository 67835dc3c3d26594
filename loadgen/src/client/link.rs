//! Connections of a sending thread: how one is opened, how long it is used, and how many there are. It never sees a
//! request.

use super::fault::{Ended, Fault};
use super::settings::Settings;
use super::slot::{Line, Seat};
use super::socket::TlsFault;
use super::{RECONNECT, Worker, agent, http1, http2, socket};
use crate::job::Common;
use crate::pace;
use crate::transport::pool::Id;
use reports::outcome::ErrorKind;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the slots of one connection have in common.
#[derive(Debug)]
pub(super) struct Link {
    /// Whether it takes no further request.
    pub(super) retired: Cell<bool>,
    /// Whether it has ever given an answer. One that has may have died while it was idle, which costs a request nothing;
    /// one that has not would fail the next request as well, for ever.
    pub(super) answered: Cell<bool>,
    /// When it last gave an answer, or the end of a stream.
    pub(super) heard: Cell<u64>,
    /// Requests that it may still carry.
    left: Cell<u64>,
    /// Its slots.
    pub(super) slots: RefCell<Vec<Id>>,
    fault: TlsFault,
    _open: Open,
}

/// A new connection.
pub(super) enum Opened {
    /// With one request at a time.
    One(Box<http1::Line>),
    /// With many, and the task that reads and writes for all of them.
    Many(http2::Line, Box<http2::Driver>),
    /// A client that opens connections itself.
    Agent(agent::Line),
}

/// How many connections are open: of this thread, and of all.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    common: Arc<Common>,
    open: Rc<Cell<u64>>,
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
struct Open(Gauge);

impl Gauge {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self { common, open: Rc::default() }
    }

    /// Open connections of this thread.
    pub(super) fn open(&self) -> u64 {
        self.open.get()
    }

    /// Whether the run is to end early.
    pub(super) fn is_to_stop(&self) -> bool {
        self.common.stop.load(Ordering::Relaxed)
    }

    /// From when on nothing is due any more: see [`Common::cut_before`].
    pub(super) fn cut_before(&self, end_ns: u64) -> Option<u64> {
        self.common.cut_before(end_ns)
    }

    fn one_more(&self) -> Open {
        self.open.update(|n| n + 1);
        let open = self.common.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.common.most_open.fetch_max(open, Ordering::Relaxed);
        Open(self.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.update(|n| n - 1);
        self.0.common.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    fn new(settings: &Settings, fault: TlsFault, open: Open) -> Self {
        Self {
            retired: Cell::new(false),
            answered: Cell::new(false),
            heard: Cell::new(0),
            left: Cell::new(settings.requests_per_connection.unwrap_or(u64::MAX)),
            slots: RefCell::default(),
            fault,
            _open: open,
        }
    }

    /// One more request goes out on it; gives whether it is the last one.
    pub(super) fn use_up(&self) -> bool {
        self.left.update(|left| left.saturating_sub(1));
        self.left.get() == 0
    }

    /// What TLS had to say is the reason, whatever the library above made of it.
    pub(super) fn blame(&self, ended: Ended) -> Ended {
        let Some(why) = self.fault.borrow().clone() else { return ended };
        let fault = Fault { kind: ErrorKind::Tls, why, errno: None };
        match ended {
            Ended::Fault(_) => Ended::Fault(fault),
            Ended::Unsent(_) => Ended::Unsent(fault),
            Ended::Answer(_) => ended,
        }
    }
}

/// Opens a connection and has the library take it over. What is kept of TLS's complaints comes with it.
async fn open(worker: &Worker, turn: usize) -> Result<(Opened, TlsFault), Fault> {
    let settings = &worker.settings;
    if !worker.agents.is_empty() {
        let agent = Rc::clone(&worker.agents[turn % worker.agents.len()]);
        return Ok((Opened::Agent(agent::Line::new(agent)), TlsFault::default()));
    }
    let traffic = Rc::clone(&worker.traffic);
    let tls = settings.tls.as_ref();
    let stream = socket::open(&worker.job.address, &settings.sources, tls, turn, traffic).await?;
    let fault = stream.fault();
    let opened = if settings.http2 {
        http2::open(stream, settings.streams).await.map(|(line, driver)| Opened::Many(line, driver))
    } else {
        http1::open(stream).await.map(Opened::One)
    };
    Ok((opened?, fault))
}

impl Worker {
    /// Opens a connection, and starts its slots.
    pub(super) async fn connect(self: Rc<Self>) {
        let turn = self.turn.replace(self.turn.get() + 1);
        let begun = self.clock.ns();
        let limit = Duration::from_nanos(self.job.timeout_ns);
        match pace::within(limit, open(&self, turn)).await {
            Some(Ok((opened, fault))) => {
                let took = self.clock.ns() - begun;
                self.state.borrow_mut().recorder.tally_mut().opened(took);
                self.opened(opened, fault);
            }
            Some(Err(fault)) => self.connect_failed(begun, Some(fault)).await,
            None => self.connect_failed(begun, None).await,
        }
    }

    fn opened(self: &Rc<Self>, opened: Opened, fault: TlsFault) {
        let link = Rc::new(Link::new(&self.settings, fault, self.gauge.one_more()));
        let lines = match opened {
            Opened::One(line) => vec![Line::One(line)],
            Opened::Agent(line) => vec![Line::Agent(line)],
            Opened::Many(line, driver) => {
                tokio::task::spawn_local(Rc::clone(self).drive(driver, Rc::downgrade(&link)));
                (0..self.settings.streams).map(|_| Line::Many(line.clone())).collect()
            }
        };
        for line in lines {
            let id = self.state.borrow_mut().pool.connected(Seat::default());
            link.slots.borrow_mut().push(id);
            tokio::task::spawn_local(Rc::clone(self).serve(id, Rc::clone(&link), line));
        }
    }

    /// Reads and writes for all streams of a connection, to its end.
    async fn drive(self: Rc<Self>, driver: Box<http2::Driver>, link: Weak<Link>) {
        driver.await;
        if let Some(link) = link.upgrade() {
            self.retire(&link);
        }
    }

    /// The connection takes no further request: its idle slots end now, the others when their requests have ended.
    pub(super) fn retire(&self, link: &Link) {
        if link.retired.replace(true) {
            return;
        }
        let state = &mut *self.state.borrow_mut();
        for id in link.slots.borrow().iter() {
            if let Some(seat) = state.pool.connection(*id) {
                seat.wake();
            }
        }
    }

    /// A connection could not be opened: the request whose turn it is had waited for it. With no fault, the attempt took
    /// as long as a request may; then each waiting request ends at its own deadline, and none is taken here.
    async fn connect_failed(self: Rc<Self>, begun: u64, fault: Option<Fault>) {
        let now = self.now();
        {
            let state = &mut *self.state.borrow_mut();
            state.pool.connect_failed();
            let tally = state.recorder.tally_mut();
            match fault.as_ref().and_then(|fault| fault.errno) {
                Some(Errno::MFILE | Errno::NFILE) => tally.out_of_descriptors = true,
                Some(Errno::ADDRNOTAVAIL) => tally.out_of_ports = true,
                _ => {}
            }
            let due = match self.job.source.is_open() {
                true if fault.is_none() => None,
                true => state.pool.next_waiting(),
                // In a closed loop it was due when the attempt began.
                false => state.next_of_closed(begun),
            };
            if let Some(due) = due {
                let kind = fault.as_ref().map_or(ErrorKind::Timeout, |fault| fault.kind);
                if let Some(fault) = fault {
                    state.recorder.tally_mut().explain(kind, || fault.why);
                }
                state.lost(&due, None, now, kind);
                self.hurry(state);
            }
        }
        if self.job.source.is_open() {
            return self.dispatch(now);
        }
        // After a pause that keeps a dead target from being hammered.
        pace::pause(RECONNECT).await;
        self.open_all_until_end(self.clock.ns());
    }
}
