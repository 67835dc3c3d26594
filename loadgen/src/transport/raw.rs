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
    /// What the kernel did not take of the current request at once, and how much of that it has taken since.
    rest: Vec<u8>,
    taken: usize,
}

impl Connection {
    /// One that no request was sent on.
    pub(crate) fn new(socket: Socket, serial: u32) -> Self {
        Self {
            socket,
            serial,
            reader: Reader::default(),
            capture: None,
            requests: 0,
            rest: Vec::new(),
            taken: 0,
        }
    }

    /// Begins to write `request`, and gives how many bytes were written.
    ///
    /// # Errors
    /// When the connection is dead: nothing was sent.
    pub(crate) fn start(&mut self, request: &[u8]) -> io::Result<usize> {
        let sent = self.socket.send(request)?;
        self.requests += 1;
        if sent < request.len() {
            self.rest.extend_from_slice(&request[sent..]);
        }
        Ok(sent)
    }

    /// Whether part of the current request is still to be written.
    pub(crate) fn is_writing(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Goes on writing, and gives how many bytes were written.
    ///
    /// # Errors
    /// When the connection is dead.
    pub(crate) fn write(&mut self) -> io::Result<usize> {
        let sent = self.socket.send(&self.rest[self.taken..])?;
        self.taken += sent;
        if self.taken == self.rest.len() {
            // The memory of a large request is not kept for each connection.
            (self.rest, self.taken) = (Vec::new(), 0);
        }
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
