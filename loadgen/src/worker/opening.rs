//! The connections that a worker is opening. Given an address, it begins to connect; given a socket that has become ready,
//! it says whether that is a connection now, and goes on to the next address of the name where one refuses: a name
//! with a dead address beside a live one is alive, as it is to a browser. It reads no clock and waits for nothing.

use crate::transport::address::Address;
use crate::transport::poll::Poll;
use crate::transport::socket::Socket;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

/// Keys of connections that are being opened have this bit; the rest of it is the number of the opening.
const OPENING: u64 = 1 << 63;

/// See the module.
#[derive(Debug)]
pub(crate) struct Openings {
    address: Address,
    sources: Vec<IpAddr>,
    turn: usize,
    slots: Vec<Option<Opening>>,
    free: Vec<usize>,
    /// In the order in which they were begun: slot and serial number. Those that have ended are skipped.
    begun: VecDeque<(usize, u32)>,
    serial: u32,
}

#[derive(Debug)]
struct Opening {
    socket: Socket,
    serial: u32,
    /// When it was begun.
    begun: u64,
    /// Which address it goes to first, and how many were tried since.
    turn: usize,
    tried: usize,
}

/// What became of a connection that was being opened.
#[derive(Debug)]
pub(crate) enum Opened {
    /// It is one, and was begun at this time.
    Yes(Socket, u64),
    /// It is not, and was begun at this time.
    No(u64, io::Error),
}

impl Openings {
    /// Connections to `address`, from `sources` in turn; the first to the `turn`-th address.
    pub(crate) fn new(address: Address, sources: Vec<IpAddr>, turn: usize) -> Self {
        let (slots, free, begun) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { address, sources, turn, slots, free, begun, serial: 0 }
    }

    /// Whether `key` is that of a connection that is being opened.
    pub(crate) fn is_one(key: u64) -> bool {
        key & OPENING != 0
    }

    /// Begins to open one more; gives what became of it if that is known already.
    pub(crate) fn begin(&mut self, poll: &Poll, now: u64) -> Option<Opened> {
        let turn = self.turn;
        self.turn += 1;
        match self.connect(turn, 0) {
            Err((_, e)) => Some(Opened::No(now, e)),
            Ok((socket, _)) if matches!(self.address, Address::Unix(_)) => Some(Opened::Yes(socket, now)),
            Ok((socket, tried)) => self.keep(Opening { socket, serial: 0, begun: now, turn, tried }, poll),
        }
    }

    /// The socket under `key` is ready; gives what became of the connection, if that is known now.
    pub(crate) fn ready(&mut self, key: u64, poll: &Poll) -> Option<Opened> {
        let opening = self.take(key)?;
        let Err(why) = opening.socket.connected() else {
            return Some(Opened::Yes(opening.socket, opening.begun));
        };
        let (begun, turn) = (opening.begun, opening.turn);
        if opening.tried + 1 >= self.addresses() {
            return Some(Opened::No(begun, why));
        }
        match self.connect(turn, opening.tried + 1) {
            Err((_, e)) => Some(Opened::No(begun, e)),
            Ok((socket, tried)) => self.keep(Opening { socket, serial: 0, begun, turn, tried }, poll),
        }
    }

    /// When the one that was begun first was begun.
    pub(crate) fn first(&mut self) -> Option<u64> {
        while let Some(&(slot, serial)) = self.begun.front() {
            match self.slots[slot].as_ref().filter(|opening| opening.serial == serial) {
                Some(opening) => return Some(opening.begun),
                None => self.begun.pop_front(),
            };
        }
        None
    }

    /// Gives up the one that was begun first.
    pub(crate) fn give_up_first(&mut self) {
        if self.first().is_some()
            && let Some((slot, serial)) = self.begun.pop_front()
        {
            self.take(key(slot, serial));
        }
    }

    fn addresses(&self) -> usize {
        match &self.address {
            Address::Tcp(names) => names.addresses().len(),
            Address::Unix(_) => 1,
        }
    }

    /// Connects to the first address from the `tried`-th on that does not refuse at once. Gives which one that was; fails with
    /// what the last one said.
    fn connect(&self, turn: usize, tried: usize) -> Result<(Socket, usize), (usize, io::Error)> {
        let all = match &self.address {
            Address::Tcp(names) => names.addresses(),
            Address::Unix(path) => return Socket::unix(path).map(|s| (s, 0)).map_err(|e| (0, e)),
        };
        let mut refused = (tried, io::ErrorKind::NotFound.into());
        for n in tried..all.len() {
            let to = all[(turn + n) % all.len()];
            let mut sources = self.sources.iter().filter(|source| source.is_ipv4() == to.is_ipv4());
            let count = sources.clone().count().max(1);
            // All addresses from the first source, then all from the next: so every one is reached from every source.
            match Socket::tcp(to, sources.nth(turn / all.len() % count).copied()) {
                Ok(socket) => return Ok((socket, n)),
                Err(e) => refused = (n, e),
            }
        }
        Err(refused)
    }

    fn keep(&mut self, mut opening: Opening, poll: &Poll) -> Option<Opened> {
        self.serial = (self.serial + 1) & 0x7fff_ffff;
        opening.serial = self.serial;
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        if let Err(e) = poll.add(&opening.socket, key(slot, self.serial)) {
            self.free.push(slot);
            return Some(Opened::No(opening.begun, e));
        }
        // One that goes on to another address keeps its beginning, which is then not in order; it is given up a little late.
        self.begun.push_back((slot, self.serial));
        self.slots[slot] = Some(opening);
        None
    }

    fn take(&mut self, key: u64) -> Option<Opening> {
        let (slot, serial) = ((key & 0xffff_ffff) as usize, (key & !OPENING) >> 32);
        let place = self.slots.get_mut(slot)?;
        place.as_ref().filter(|opening| u64::from(opening.serial) == serial)?;
        self.free.push(slot);
        place.take()
    }
}

fn key(slot: usize, serial: u32) -> u64 {
    OPENING | u64::from(serial) << 32 | slot as u64
}

#[cfg(test)]
mod tests;
