//! The connections of a worker, as far as the worker has to do with all of them: how many there are, that they are woken when the
//! orders change, and when the last has gone. It knows nothing of what they do.

use prometheus_client::metrics::gauge::Gauge;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use tokio::sync::Notify;

/// The places of a worker.
#[derive(Debug)]
pub(crate) struct Places {
    /// By slot, the task of the connection that has it.
    tasks: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    taken: Cell<usize>,
    /// More connections may come.
    open: Cell<bool>,
    left: Notify,
    /// The same for all workers.
    active: Gauge,
}

/// A connection's place, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Place {
    places: Rc<Places>,
    slot: usize,
}

/// The places are not empty while this lives.
#[derive(Debug)]
pub(crate) struct KeptOpen(Rc<Places>);

impl Places {
    pub(crate) fn new(active: Gauge) -> Rc<Self> {
        Rc::new(Self {
            tasks: RefCell::default(),
            free: RefCell::default(),
            taken: Cell::default(),
            open: Cell::default(),
            left: Notify::new(),
            active,
        })
    }

    /// A place for a connection.
    pub(crate) fn take(self: &Rc<Self>) -> Place {
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.tasks.borrow_mut().push(None);
            self.tasks.borrow().len() - 1
        });
        self.taken.set(self.taken.get() + 1);
        self.active.inc();
        Place { places: Rc::clone(self), slot }
    }

    /// Connections may come as long as what this gives lives.
    pub(crate) fn keep_open(self: &Rc<Self>) -> KeptOpen {
        self.open.set(true);
        KeptOpen(Rc::clone(self))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Wakes all connections.
    pub(crate) fn wake_all(&self) {
        self.tasks.borrow().iter().flatten().for_each(Waker::wake_by_ref);
    }

    /// Resolves when no connection is left and none can come.
    pub(crate) async fn emptied(&self) {
        while self.taken.get() > 0 || self.open.get() {
            self.left.notified().await;
        }
    }
}

impl Place {
    /// The task that waits for this is the connection's.
    pub(crate) async fn settle(&self) {
        poll_fn(|cx| {
            self.places.tasks.borrow_mut()[self.slot] = Some(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places;
        places.tasks.borrow_mut()[self.slot] = None;
        places.free.borrow_mut().push(self.slot);
        places.taken.set(places.taken.get() - 1);
        places.active.dec();
        places.left.notify_one();
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        self.0.open.set(false);
        self.0.left.notify_one();
    }
}
