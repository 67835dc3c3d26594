//! HTTP/1.1 on plain sockets. Given a socket that is connected, it writes a request's bytes, all at once where the kernel
//! takes them and the rest later; given bytes that came, its reader says when an answer is whole. Nothing is allocated,
//! locked or sent through a channel per request. It does not decide what is sent when, and reads no clock.

use crate::transport::capture::Capture;
use crate::transport::http1::Reader;
use crate::transport::socket::{Received, Socket};
use std::io;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its socket.
    pub(crate) socket: Socket,
    /// Tells it from those that had its number before.
    pub(crate) serial: u32,
    /// What has come of the current answer.
    pub(crate) reader: Reader,
    /// What is kept of it, where anybody wants to look into answers.
    pub(crate) capture: Option<Box<Capture>>,
    /// Requests that were begun on it.
    pub(crate) requests: u64,
    /// How much of the current request the kernel has taken, where that is not all of it. The request itself is not kept here:
    /// a large one would be kept as often as there are connections.
    taken: Option<usize>,
}

impl Connection {
    /// One that no request was sent on.
    pub(crate) fn new(socket: Socket, serial: u32) -> Self {
        Self { socket, serial, reader: Reader::default(), capture: None, requests: 0, taken: None }
    }

    /// Begins to write `request`, and gives how many bytes were written.
    ///
    /// # Errors
    /// When the connection is dead: nothing was sent.
    pub(crate) fn start(&mut self, request: &[u8]) -> io::Result<usize> {
        let sent = self.socket.send(request)?;
        self.requests += 1;
        self.taken = Some(sent).filter(|sent| *sent < request.len());
        Ok(sent)
    }

    /// Whether part of the current request is still to be written.
    pub(crate) fn is_writing(&self) -> bool {
        self.taken.is_some()
    }

    /// Goes on writing `request`, which is the one that was begun, and gives how many bytes were written.
    ///
    /// # Errors
    /// When the connection is dead.
    pub(crate) fn write(&mut self, request: &[u8]) -> io::Result<usize> {
        let Some(rest) = self.taken.and_then(|taken| request.get(taken..)) else { return Ok(0) };
        let sent = self.socket.send(rest)?;
        self.taken = self.taken.map(|taken| taken + sent).filter(|taken| *taken < request.len());
        Ok(sent)
    }

    /// Reads what has come, at most what `buffer` holds; `None` when nothing has.
    ///
    /// # Errors
    /// When the connection is dead.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        self.socket.receive(buffer)
    }
}
