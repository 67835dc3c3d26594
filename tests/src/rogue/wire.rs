//! The sockets of the misbehaving server, of either kind. Given a place, it listens there; a stream is read and written by
//! the thread that serves it, and can be ended by another.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{set_socket_linger, set_tcp_cork};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Where a server is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens at `place`; a port that the kernel has chosen is the place from then on.
    pub(super) fn bind(place: &mut Place) -> Self {
        match place {
            Place::Tcp(address) => {
                let listener = TcpListener::bind(*address).unwrap();
                listener.set_nonblocking(true).unwrap();
                *address = listener.local_addr().unwrap();
                Self::Tcp(listener)
            }
            Place::Unix(path) => {
                let _ = std::fs::remove_file(&path);
                let listener = UnixListener::bind(path).unwrap();
                listener.set_nonblocking(true).unwrap();
                Self::Unix(listener)
            }
        }
    }

    /// Waits for a connection, but not for long.
    pub(super) fn wait(&self) {
        let fd = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        };
        let limit = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&limit));
    }

    /// A connection, if there is one.
    pub(super) fn accept(&self) -> Option<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nonblocking(false).ok()?;
                stream.set_nodelay(true).ok()?;
                Some(Stream::Tcp(stream))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().ok()?;
                stream.set_nonblocking(false).ok()?;
                Some(Stream::Unix(stream))
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Reads the head of a request, and gives the length of its body, which is left where it is; `None` when there is no
    /// request any more.
    pub(super) fn request(&self) -> Option<usize> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read(&mut byte).ok().filter(|n| *n > 0)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        Some(length.map_or(0, |length| length.parse().unwrap()))
    }

    /// Reads some bytes.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => Read::read(&mut &*stream, into),
            Self::Unix(stream) => Read::read(&mut &*stream, into),
        }
    }

    /// Writes all of `bytes`.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => Write::write_all(&mut &*stream, bytes),
            Self::Unix(stream) => Write::write_all(&mut &*stream, bytes),
        }
    }

    /// How long a read may take.
    pub(super) fn patience(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(limit),
            Self::Unix(stream) => stream.set_read_timeout(limit),
        }
    }

    /// Ends it, whoever reads or writes it.
    pub(super) fn end(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Has its end be a reset, where there is such a thing.
    pub(super) fn reset_at_end(&self) {
        if let Self::Tcp(stream) = self {
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }

    /// Has what is written from now on go together with its end, where the kernel can do that.
    pub(super) fn cork(&self) {
        if let Self::Tcp(stream) = self {
            let _ = set_tcp_cork(stream, true);
        }
    }
}
