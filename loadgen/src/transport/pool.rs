//! Which request is on which connection. Given requests that are due and connections that are open, it says which
//! connection is free, which request waits, and which of those under way will time out first. It knows neither sockets
//! nor clocks, and every operation of the hot path takes constant time.

use crate::interval::Gauges;
use crate::recorder::Due;
use std::collections::VecDeque;

/// The number of a connection; used again when the connection has been removed.
pub(crate) type Id = usize;

/// No connection.
const NONE: Id = usize::MAX;

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    /// The request.
    pub(crate) due: Due,
    /// When its first byte was written.
    pub(crate) sent: u64,
}

/// Connections of type `C`, the requests on them, and the requests that wait for one. Where a connection carries several
/// requests at once (HTTP/2), what is called a connection here is its right to one of them.
#[derive(Debug)]
pub(crate) struct Pool<C> {
    /// So many are opened at once: one, or the streams of a connection.
    each: usize,
    slots: Vec<Slot<C>>,
    free: Vec<Id>,
    /// Connections without a request; the one used last is used next, so that no more are kept busy than needed.
    idle: Vec<Id>,
    /// The requests under way are a list in the order of their intended instants, which is that of their sending but for one
    /// that had to be sent again: so the first of the list is the first to time out.
    first: Id,
    last: Id,
    in_flight: usize,
    backlog: VecDeque<Due>,
    open: usize,
    connecting: usize,
    max_open: usize,
    max_backlog: usize,
}

#[derive(Debug)]
struct Slot<C> {
    connection: Option<C>,
    flight: Option<Flight>,
    before: Id,
    after: Id,
    idle_at: usize,
}

impl<C> Pool<C> {
    /// A pool of at most `max_open` connections. Beside the requests for which a connection can still be opened,
    /// `max_backlog` may wait.
    pub(crate) fn new(max_open: usize, max_backlog: usize) -> Self {
        Self {
            each: 1,
            slots: Vec::new(),
            free: Vec::new(),
            idle: Vec::new(),
            first: NONE,
            last: NONE,
            in_flight: 0,
            backlog: VecDeque::new(),
            open: 0,
            connecting: 0,
            max_open,
            max_backlog,
        }
    }

    /// The same for connections that carry `streams` requests each: all of one are opened at once, and end one by one.
    pub(crate) fn of_streams(connections: usize, streams: usize, max_backlog: usize) -> Self {
        Self { each: streams, ..Self::new(connections.saturating_mul(streams), max_backlog) }
    }

    /// What is open, waiting and under way.
    pub(crate) fn gauges(&self) -> Gauges {
        Gauges {
            in_flight: self.in_flight as u64,
            backlog: self.backlog.len() as u64,
            connections: self.open as u64,
        }
    }

    /// Lets `due` wait for a connection; `false` when too many are waiting.
    pub(crate) fn wait(&mut self, due: Due) -> bool {
        let to_open = self.max_open.saturating_sub(self.open);
        let room = !self.idle.is_empty() || self.backlog.len() < self.max_backlog + to_open;
        if room {
            self.wait_in_turn(due);
        }
        room
    }

    /// Puts a request back that could not be sent: it keeps its turn, before those that came due later.
    pub(crate) fn wait_first(&mut self, due: Due) {
        let turn = self.backlog.partition_point(|waiting| waiting.intended < due.intended);
        self.backlog.insert(turn, due);
    }

    /// A request of a session may be due before others that wait already: then it goes before them.
    fn wait_in_turn(&mut self, due: Due) {
        match self.backlog.back() {
            Some(last) if last.intended > due.intended => self.wait_first(due),
            _ => self.backlog.push_back(due),
        }
    }

    /// The request whose turn it is.
    pub(crate) fn next_waiting(&mut self) -> Option<Due> {
        self.backlog.pop_front()
    }

    /// The request that has waited longest.
    pub(crate) fn first_waiting(&self) -> Option<&Due> {
        self.backlog.front()
    }

    /// Whether a connection is free.
    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// A free connection, and a request for it.
    pub(crate) fn match_up(&mut self) -> Option<(Id, Due)> {
        if self.idle.is_empty() {
            return None;
        }
        let due = self.backlog.pop_front()?;
        let id = self.idle.pop()?;
        self.slots[id].idle_at = NONE;
        Some((id, due))
    }

    /// Whether another connection is worth opening now; if so, it counts as being opened.
    pub(crate) fn begin_connect(&mut self) -> bool {
        self.connecting < self.backlog.len() && self.begin_spare_connect()
    }

    /// The same, but whether a request waits for it or not.
    pub(crate) fn begin_spare_connect(&mut self) -> bool {
        let room = self.open + self.connecting + self.each <= self.max_open;
        self.connecting += if room { self.each } else { 0 };
        room
    }

    /// How many connections more might be opened.
    pub(crate) fn lacking(&self) -> usize {
        self.max_open.saturating_sub(self.open + self.connecting)
    }

    /// Whether requests wait although no further connection is allowed.
    pub(crate) fn saturated(&self) -> bool {
        self.backlog.len() > self.connecting && self.open + self.connecting >= self.max_open
    }

    /// A connection that was being opened failed.
    pub(crate) fn connect_failed(&mut self) {
        self.connecting -= self.each;
    }

    /// A connection that was being opened is open. It is not yet free.
    pub(crate) fn connected(&mut self, connection: C) -> Id {
        self.connecting -= 1;
        self.open += 1;
        let slot =
            Slot { connection: Some(connection), flight: None, before: NONE, after: NONE, idle_at: NONE };
        match self.free.pop() {
            Some(id) => {
                self.slots[id] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        }
    }

    /// The connection with this number, while it is open.
    pub(crate) fn connection(&mut self, id: Id) -> Option<&mut C> {
        self.slots.get_mut(id)?.connection.as_mut()
    }

    /// The connection is free for another request.
    pub(crate) fn set_idle(&mut self, id: Id) {
        self.slots[id].idle_at = self.idle.len();
        self.idle.push(id);
    }

    /// A request is now under way on the connection.
    pub(crate) fn take_off(&mut self, id: Id, flight: Flight) {
        let (mut before, mut after) = (self.last, NONE);
        while self.flight(before).is_some_and(|other| other.due.intended > flight.due.intended) {
            (before, after) = (self.slots[before].before, before);
        }
        self.slots[id].flight = Some(flight);
        self.slots[id].before = before;
        self.slots[id].after = after;
        match before {
            NONE => self.first = id,
            before => self.slots[before].after = id,
        }
        match after {
            NONE => self.last = id,
            after => self.slots[after].before = id,
        }
        self.in_flight += 1;
    }

    /// The request under way on the connection has ended, if there was one.
    pub(crate) fn land(&mut self, id: Id) -> Option<Flight> {
        let slot = &mut self.slots[id];
        let flight = slot.flight.take()?;
        let (before, after) = (slot.before, slot.after);
        match before {
            NONE => self.first = after,
            before => self.slots[before].after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.slots[after].before = before,
        }
        self.in_flight -= 1;
        Some(flight)
    }

    /// The request under way on the connection, if there is one.
    pub(crate) fn flight(&self, id: Id) -> Option<&Flight> {
        self.slots.get(id)?.flight.as_ref()
    }

    /// The same, to say when it was sent.
    pub(crate) fn flight_mut(&mut self, id: Id) -> Option<&mut Flight> {
        self.slots.get_mut(id)?.flight.as_mut()
    }

    /// The connection whose request will time out first, and that request.
    pub(crate) fn first_flight(&self) -> Option<(Id, &Flight)> {
        let id = self.first;
        self.slots.get(id)?.flight.as_ref().map(|flight| (id, flight))
    }

    /// The connection is gone. Gives it, and the request that was under way on it.
    pub(crate) fn remove(&mut self, id: Id) -> Option<(C, Option<Flight>)> {
        let connection = self.slots.get_mut(id)?.connection.take()?;
        let flight = self.land(id);
        let at = self.slots[id].idle_at;
        if at != NONE {
            self.idle.swap_remove(at);
            if let Some(&moved) = self.idle.get(at) {
                self.slots[moved].idle_at = at;
            }
        }
        self.open -= 1;
        self.free.push(id);
        Some((connection, flight))
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.backlog.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn due(index: u64) -> Due {
        Due::plain(index, index, 0)
    }

    fn open(pool: &mut Pool<()>) -> Id {
        assert!(pool.begin_spare_connect());
        pool.connected(())
    }

    #[test]
    fn connections_are_opened_only_for_requests_that_wait() {
        let mut pool = Pool::new(2, 10);
        assert!(!pool.begin_connect());
        for i in 0..3 {
            assert!(pool.wait(due(i)));
        }
        assert!(pool.begin_connect() && pool.begin_connect() && !pool.begin_connect());
        assert!(pool.saturated());
        let id = pool.connected(());
        pool.set_idle(id);
        assert_eq!(pool.match_up().map(|(at, due)| (at, due.index)), Some((id, 0)));
        assert_eq!(pool.match_up().map(|(at, _)| at), None);
    }

    #[test]
    fn past_the_bound_requests_are_refused_unless_a_connection_is_free() {
        let mut pool = Pool::<()>::new(1, 1);
        assert!(pool.wait(due(0)) && pool.wait(due(1)) && !pool.wait(due(2)));
        let mut pool = Pool::new(1, 0);
        assert!(pool.wait(due(0)) && !pool.wait(due(1)));
        assert!(pool.begin_connect());
        let id = pool.connected(());
        pool.set_idle(id);
        assert!(pool.match_up().is_some() && !pool.wait(due(1)));
        pool.set_idle(id);
        assert!(pool.wait(due(1)));
    }

    #[test]
    fn the_streams_of_a_connection_are_opened_together() {
        let mut pool = Pool::of_streams(2, 3, 10);
        (0..4).for_each(|i| assert!(pool.wait(due(i))));
        assert!(pool.begin_connect() && pool.begin_connect() && !pool.begin_connect());
        pool.connect_failed();
        let ids: Vec<Id> = (0..3).map(|_| pool.connected(())).collect();
        assert!(pool.begin_spare_connect() && !pool.begin_spare_connect());
        pool.connect_failed();
        pool.remove(ids[0]);
        assert!(
            pool.begin_spare_connect() && !pool.begin_spare_connect(),
            "two streams of it are still open"
        );
    }

    #[test]
    fn what_could_not_be_sent_keeps_its_turn() {
        let mut pool = Pool::<()>::new(9, 9);
        pool.wait(due(5));
        [4, 2, 3].into_iter().for_each(|n| pool.wait_first(due(n)));
        let order: Vec<u64> = std::iter::from_fn(|| pool.next_waiting()).map(|due| due.index).collect();
        assert_eq!(order, [2, 3, 4, 5]);
    }

    #[test]
    fn the_connection_used_last_is_used_next() {
        let mut pool = Pool::new(9, 9);
        let (a, b) = (open(&mut pool), open(&mut pool));
        pool.set_idle(a);
        pool.set_idle(b);
        pool.wait(due(0));
        assert_eq!(pool.match_up().map(|(id, _)| id), Some(b));
    }

    proptest! {
        /// Against a plain list as the oracle, whatever happens in whatever order.
        #[test]
        fn flights_are_in_the_order_of_their_intended_instants(ops in proptest::collection::vec((0u8..4, 0usize..8), 1..200)) {
            let mut pool = Pool::new(8, 1000);
            let (mut flying, mut idle) = (Vec::<(Id, u64, u64)>::new(), Vec::<Id>::new());
            for (n, (op, pick)) in ops.into_iter().enumerate() {
                match op {
                    0 if flying.len() + idle.len() < 8 => {
                        let id = open(&mut pool);
                        pool.set_idle(id);
                        idle.push(id);
                    }
                    1 if !idle.is_empty() => {
                        // Some were due a little before others that have been sent already.
                        let intended = (n as u64).saturating_sub(pick as u64 / 2);
                        pool.wait(due(intended));
                        let (id, due) = pool.match_up().unwrap();
                        pool.take_off(id, Flight { due, sent: n as u64 });
                        idle.retain(|i| *i != id);
                        let place = flying.iter().rposition(|f| f.2 <= intended).map_or(0, |n| n + 1);
                        flying.insert(place, (id, n as u64, intended));
                    }
                    2 if !flying.is_empty() => {
                        let (id, sent, _) = flying.remove(pick % flying.len());
                        prop_assert_eq!(pool.land(id).map(|f| f.sent), Some(sent));
                        pool.set_idle(id);
                        idle.push(id);
                    }
                    3 if !(flying.is_empty() && idle.is_empty()) => {
                        let all: Vec<Id> = flying.iter().map(|f| f.0).chain(idle.iter().copied()).collect();
                        let id = all[pick % all.len()];
                        let flight = pool.remove(id).and_then(|(_, flight)| flight);
                        prop_assert_eq!(flight.is_some(), flying.iter().any(|f| f.0 == id));
                        flying.retain(|f| f.0 != id);
                        idle.retain(|i| *i != id);
                    }
                    _ => {}
                }
                prop_assert_eq!(pool.first_flight().map(|(id, f)| (id, f.sent)), flying.first().map(|f| (f.0, f.1)));
                let gauges = pool.gauges();
                prop_assert_eq!(gauges.in_flight as usize, flying.len());
                prop_assert_eq!(gauges.connections as usize, flying.len() + idle.len());
            }
        }
    }
}
