//! A client's connection, as all that serve it see it: who it is, how far its requests and their answers have come, and what is
//! waited for. Given what those note, it says what the connection stands at; it holds no socket and reads no clock.

use super::config::Patience;
use std::cell::Cell;
use std::net::SocketAddr;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// `$connection`: unique in this process.
    pub(crate) number: u64,
    pub(crate) peer: SocketAddr,
    /// The peer's address without its port, as text.
    pub(crate) name: Box<str>,
    pub(crate) local: SocketAddr,
    /// It came by TLS.
    pub(crate) secure: bool,
    /// The port that it came in by, as an index of the configuration's ports.
    pub(crate) port: usize,
    pub(crate) requests: Cell<u32>,
    /// How many requests have come.
    pub(crate) heads: Cell<u32>,
    /// How many requests have ended.
    pub(crate) answered: Cell<u32>,
    /// What reading waits for.
    pub(crate) reading: Cell<Reading>,
    /// What was to be written did not go out yet.
    pub(crate) unsent: Cell<bool>,
    /// Counts on with each read and each write.
    pub(crate) moves: Cell<u32>,
    /// How long it is waited for, by the location of the last request.
    pub(crate) patience: Cell<Patience>,
    /// It took too long.
    pub(crate) timed_out: Cell<bool>,
    /// An answer was cut short, which only a reset can tell.
    pub(crate) cut: Cell<bool>,
}

/// What reading from a client waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The first byte of a request.
    #[default]
    Beginning,
    /// The rest of a head.
    Head,
    /// More of a request's content.
    Body,
    /// Nothing more: the connection is ending.
    Nothing,
}

/// What a connection stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has come yet.
    New,
    /// Between requests.
    Idle,
    /// Part of a head has come.
    Head,
    /// A request's content is waited for.
    Body,
    /// The client does not take what is sent.
    Send,
    /// It is not the client that is waited for.
    Busy,
}

/// What a connection stands at, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) phase: Phase,
    pub(crate) answered: u32,
    pub(crate) moves: u32,
}

impl Client {
    /// The client at the first of `ends`.
    pub(crate) fn new(
        number: u64,
        ends: (SocketAddr, SocketAddr),
        port: usize,
        secure: bool,
        patience: Patience,
    ) -> Self {
        Self {
            number,
            peer: ends.0,
            name: ends.0.ip().to_string().into(),
            local: ends.1,
            secure,
            port,
            requests: Cell::default(),
            heads: Cell::default(),
            answered: Cell::default(),
            reading: Cell::default(),
            unsent: Cell::default(),
            moves: Cell::default(),
            patience: Cell::new(patience),
            timed_out: Cell::default(),
            cut: Cell::default(),
        }
    }

    /// What it stands at.
    pub(crate) fn stand(&self) -> Stand {
        let (answered, moves) = (self.answered.get(), self.moves.get());
        let phase = match self.reading.get() {
            _ if self.unsent.get() => Phase::Send,
            Reading::Nothing => Phase::Busy,
            Reading::Body => Phase::Body,
            _ if answered < self.heads.get() => Phase::Busy,
            Reading::Head => Phase::Head,
            Reading::Beginning if self.requests.get() == 0 => Phase::New,
            Reading::Beginning => Phase::Idle,
        };
        Stand { phase, answered, moves }
    }

    /// Notes that bytes went in or out.
    pub(crate) fn moved(&self) {
        self.moves.set(self.moves.get().wrapping_add(1));
    }
}
