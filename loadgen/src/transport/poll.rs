//! Waiting for many sockets at once, by the kernel's epoll. Given sockets, each under a key of the caller's, it says which of
//! them are ready, and waits for the first of them until a time that is as fine as the kernel's. It reads and writes none.

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// So many ready sockets are taken from the kernel at once.
pub(crate) const BATCH: usize = 128;

/// See the module.
pub(crate) struct Poll {
    fd: OwnedFd,
    events: Box<[Event; BATCH]>,
    found: usize,
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// The key that it was added under.
    pub(crate) key: u64,
    /// Whether there is something to read: bytes, an end or a failure.
    pub(crate) readable: bool,
    /// Whether the end of the connection is among it, or a failure.
    pub(crate) ends: bool,
}

/// Everything that can become of a socket is waited for, and each change is told once: the kernel then need not look at a
/// socket again that was read empty. That one can be written to is told only after it could not be.
const EVERY_CHANGE: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

impl Poll {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// When the process is out of file descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let none = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let fd = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { fd, events: Box::new([none; BATCH]), found: 0 })
    }

    /// Waits for `socket` from now on, until it is closed.
    ///
    /// # Errors
    /// When the kernel's limit of watched descriptors is reached.
    pub(crate) fn add(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.fd, socket, EventData::new_u64(key), EVERY_CHANGE)?)
    }

    /// Gives a socket that was added another key, and tells what it is ready for once more.
    ///
    /// # Errors
    /// When it was not added.
    pub(crate) fn rename(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::modify(&self.fd, socket, EventData::new_u64(key), EVERY_CHANGE)?)
    }

    /// Waits until a socket is ready, for `limit` at most; gives how many are.
    ///
    /// # Errors
    /// The kernel's own, which it does not have for a valid descriptor.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<usize> {
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        self.found = match epoll::wait(&self.fd, &mut self.events[..], Some(&limit)) {
            Ok(found) => found,
            Err(Errno::INTR) => 0,
            Err(e) => return Err(e.into()),
        };
        Ok(self.found)
    }

    /// The `n`-th of those that were ready after the last wait.
    pub(crate) fn ready(&self, n: usize) -> Option<Ready> {
        let event = self.events[..self.found].get(n)?;
        let (flags, data) = (event.flags, event.data);
        let ends = flags.intersects(EventFlags::ERR | EventFlags::HUP | EventFlags::RDHUP);
        Some(Ready { key: data.u64(), readable: ends || flags.contains(EventFlags::IN), ends })
    }
}

#[cfg(test)]
mod tests;
