//! A worker's connections: opened as they are needed, written to and read from when their sockets are ready, and closed when
//! they have served. It says how the request on one of them ended, and never decides when a request is due.

use super::opening::{Opened, Openings};
use super::{LATE_READ_BYTES, READS_IN_A_ROW, RECONNECT_NS, Worker};
use crate::transport::poll::Ready;
use crate::transport::pool::{Flight, Id};
use crate::transport::raw::Connection;
use crate::transport::socket::{Received, Socket};
use reports::outcome::ErrorKind;
use rustix::io::Errno;
use std::io;
use std::sync::atomic::Ordering;

impl Worker {
    /// Opens connections for the requests that wait for one; in a closed loop, those that it has lost.
    pub(super) fn open(&mut self, now: u64) {
        if self.pool.saturated() {
            self.recorder.tally_mut().saturated = true;
        }
        if now >= self.reopen_at {
            (self.held, self.reopen_at) = (0, u64::MAX);
        }
        while self.may_open(now) {
            let opened = self.openings.begin(&self.poll, now);
            self.opened(opened);
        }
    }

    /// Whether one more connection is to be opened now; if so, it counts as being opened. A closed loop wants all that it may
    /// have, for as long as there is something to send, but for those that could not be opened a moment ago.
    fn may_open(&mut self, now: u64) -> bool {
        if self.job.source.is_open() {
            return self.pool.begin_connect();
        }
        let wanted = self.pool.first_waiting().is_some() || now < self.job.end_ns;
        wanted && self.pool.lacking() > self.held && self.pool.begin_spare_connect()
    }

    /// A socket is ready.
    pub(super) fn attend_to(&mut self, ready: Ready, now: u64) {
        if Openings::is_one(ready.key) {
            let opened = self.openings.ready(ready.key, &self.poll);
            return self.opened(opened);
        }
        let id = (ready.key & 0xffff_ffff) as Id;
        let known = self.pool.connection(id).is_some_and(|c| u64::from(c.serial) == ready.key >> 32);
        // It may have been closed since the kernel said so.
        if !known {
            return;
        }
        if !self.write(id) {
            // The answer may lie there all the same: some refuse a body before they have read it.
            self.read(id, Ready { readable: true, ends: true, ..ready }, now);
        } else if ready.readable {
            self.read(id, ready, now);
        }
    }

    /// What became of a connection that was being opened.
    fn opened(&mut self, opened: Option<Opened>) {
        match opened {
            None => {}
            Some(Opened::Yes(socket, begun)) => self.connected(socket, begun),
            Some(Opened::No(begun, e)) => self.connect_failed(begun, &e),
        }
    }

    fn connected(&mut self, socket: Socket, begun: u64) {
        self.serial = (self.serial + 1) & 0x7fff_ffff;
        let serial = self.serial;
        let id = self.pool.connected(Connection::new(socket, serial));
        let Some(connection) = self.pool.connection(id) else { return };
        let (key, socket) = (key(id, serial), &connection.socket);
        let watched = self.poll.rename(socket, key).or_else(|_| self.poll.add(socket, key));
        let open = self.common.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.common.most_open.fetch_max(open, Ordering::Relaxed);
        let now = self.now();
        self.recorder.tally_mut().opened(now.saturating_sub(begun));
        match watched {
            Ok(()) => self.ready(id, now),
            Err(_) => {
                self.remove(id);
                self.cannot_connect(now, ErrorKind::Connect);
            }
        }
    }

    /// A connection could not be opened: the request whose turn it is had waited for it.
    fn connect_failed(&mut self, begun: u64, error: &io::Error) {
        self.pool.connect_failed();
        let tally = self.recorder.tally_mut();
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => tally.out_of_descriptors = true,
            Some(Errno::ADDRNOTAVAIL) => tally.out_of_ports = true,
            _ => {}
        }
        self.cannot_connect(begun, ErrorKind::Connect);
    }

    /// Gives up the connections that have been opening for as long as a request may take.
    pub(super) fn give_up_opening(&mut self, now: u64) {
        while let Some(begun) =
            self.openings.first().filter(|begun| begun.saturating_add(self.job.timeout_ns) <= now)
        {
            self.openings.give_up_first();
            self.pool.connect_failed();
            // In an open loop the requests that wait end at their own deadlines.
            if !self.job.source.is_open() {
                self.cannot_connect(begun, ErrorKind::Timeout);
            }
        }
    }

    /// Without the connection, the request that had waited for it fails; in a closed loop it was due when the attempt
    /// began. There every connection comes back, after a pause that keeps a dead target from being hammered.
    fn cannot_connect(&mut self, begun: u64, kind: ErrorKind) {
        let now = self.now();
        let open = self.job.source.is_open();
        let due = if open { self.pool.next_waiting() } else { self.next_of_closed(begun) };
        if let Some(due) = due {
            self.lost(&due, None, now, kind);
        }
        if !open {
            self.held += 1;
            self.reopen_at = self.reopen_at.min(now + RECONNECT_NS);
        }
    }

    /// Goes on writing; `false` when nothing can be written any more.
    fn write(&mut self, id: Id) -> bool {
        let due = self.pool.flight(id).map(|flight| flight.due);
        let connection = self.pool.connection(id).filter(|connection| connection.is_writing());
        let (Some(connection), Some(due)) = (connection, due) else { return true };
        let Ok(written) = connection.write(self.work.encode(&due)) else { return false };
        let done = !connection.is_writing();
        self.recorder.moved(written, 0);
        self.writing -= usize::from(done);
        true
    }

    /// Reads the connection empty. A read that does not fill the buffer has done that, but for the end. A long answer has to
    /// come back to it, so that it keeps neither other connections waiting nor requests that come due.
    fn read(&mut self, id: Id, ready: Ready, now: u64) {
        for _ in 0..READS_IN_A_ROW {
            let Some(connection) =
                self.pool.connection(id).filter(|c| u64::from(c.serial) == ready.key >> 32)
            else {
                return;
            };
            match connection.read(&mut self.buffer) {
                Ok(None) => return,
                Ok(Some(Received { bytes: 0, .. })) => return self.ended(id, now),
                Ok(Some(received)) => {
                    self.received(id, received, ready.ends, now);
                    if received.bytes < self.buffer.len() && !ready.ends {
                        return;
                    }
                }
                Err(_) => return self.closed(id, ErrorKind::Reset, now),
            }
        }
        self.again.push(ready);
    }

    /// Bytes have come; `ends`: and after them the end of the connection, so that no other request can be sent on it.
    fn received(&mut self, id: Id, received: Received, ends: bool, now: u64) {
        self.recorder.moved(0, received.bytes);
        let flight = self.pool.flight(id).copied();
        let (Some(connection), Some(flight)) = (self.pool.connection(id), flight) else {
            // Nothing was asked for: whatever this is, the connection is not to be trusted.
            return self.closed(id, ErrorKind::Protocol, now);
        };
        let bytes = &self.buffer[..received.bytes];
        let bodiless = self.work.wants(&flight.due).bodiless;
        let Connection { reader, capture, .. } = connection;
        let fed = match capture {
            None => reader.feed(bytes, bodiless, &mut self.last_head, &mut ()),
            Some(kept) => reader.feed(bytes, bodiless, &mut self.last_head, kept.as_mut()),
        };
        let (answer, used) = match fed {
            Ok(None) => {
                // It may be a long one: a socket that fills up would make the target wait.
                self.may_read_late = false;
                return;
            }
            Ok(Some(whole)) => whole,
            Err(_) => return self.closed(id, ErrorKind::Protocol, now),
        };
        let served = connection.requests >= self.job.requests_per_connection;
        let whole = used == bytes.len() && !connection.is_writing();
        let reusable = answer.reusable && whole && !served && !ends;
        let done = self.done_at(&received, &flight, now);
        self.answered(id, answer.status, done);
        if reusable { self.ready(id, now) } else { self.closed(id, ErrorKind::Reset, now) }
    }

    /// When the last bytes of an answer reached this host: by the kernel's word, unless that cannot be.
    fn done_at(&mut self, received: &Received, flight: &Flight, now: u64) -> u64 {
        let stamp = received.at_wall_ns.map(|wall| wall.saturating_sub(self.wall_zero));
        // It may have come since the thread last looked at the clock.
        let stamp = stamp.filter(|at| flight.sent <= *at && (*at <= now || *at <= self.clock.ns()));
        self.may_read_late = stamp.is_some() && received.bytes < LATE_READ_BYTES;
        self.recorder.stamped(stamp.is_some());
        stamp.unwrap_or_else(|| self.clock.ns())
    }

    /// The connection was closed by the server, which is how some answers end.
    fn ended(&mut self, id: Id, now: u64) {
        if let Some(answer) = self.pool.connection(id).and_then(|connection| connection.reader.end()) {
            self.answered(id, answer.status, now);
        }
        self.closed(id, ErrorKind::Reset, now);
    }

    /// The request under way on the connection has its whole answer, which came at `done`: too late, perhaps, although this
    /// thread comes to it before it has looked for requests whose time is over.
    fn answered(&mut self, id: Id, status: u16, done: u64) {
        let Some(Flight { due, sent }) = self.pool.land(id) else { return };
        if done.saturating_sub(due.intended) > self.job.timeout_ns {
            return self.lost(&due, Some(sent), done, ErrorKind::Timeout);
        }
        let kept = self.pool.connection(id).and_then(|connection| connection.capture.as_deref());
        let ending = self.work.answered(&due, status, kept, (sent, done), &mut self.recorder);
        self.recorder.done(&due, Some(sent), done, ending);
    }

    /// The connection has ended, and with it the request under way on it, if there is one.
    fn closed(&mut self, id: Id, kind: ErrorKind, now: u64) {
        if let Some(Flight { due, sent }) = self.pool.land(id) {
            self.lost(&due, Some(sent), now, kind);
        }
        self.remove(id);
    }

    /// Closes a connection. Another one is opened in the loop's next turn, if it is needed.
    pub(super) fn remove(&mut self, id: Id) {
        if let Some((connection, _)) = self.pool.remove(id) {
            self.writing -= usize::from(connection.is_writing());
            self.common.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn key(id: Id, serial: u32) -> u64 {
    u64::from(serial) << 32 | id as u64
}
