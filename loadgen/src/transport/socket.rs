//! One socket to the target, without a runtime around it. Given an address, it connects without waiting; given bytes, it
//! sends what the kernel takes; and it gives what has come together with the instant at which that reached the socket,
//! as the kernel saw it, however late the caller comes to read. It never blocks, and knows nothing of HTTP.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, send, socket_with,
};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Whether the kernel says when bytes came.
    stamped: bool,
}

/// Bytes that have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// How many; none at the end of the connection.
    pub(crate) bytes: usize,
    /// When the last of them reached the socket, in nanoseconds of the wall clock, where the kernel says so.
    pub(crate) at_wall_ns: Option<u64>,
}

/// Room for one timestamp and its header, aligned as the kernel writes it.
#[repr(align(8))]
struct Control([u8; 64]);

impl Socket {
    /// Begins to connect to `to`, from `source` where one is given. Whether it came about, [`Socket::connected`] says once the
    /// socket can be written to.
    ///
    /// # Errors
    /// The kernel's own: no descriptor, no local port, no route, or a target that refuses at once.
    pub(crate) fn tcp(to: SocketAddr, source: Option<IpAddr>) -> io::Result<Self> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = Self::open(family)?;
        set_tcp_nodelay(&socket.fd, true)?;
        if let Some(source) = source {
            // The port is chosen when it connects: only then does the kernel know that another target may share it.
            setsockopt(&socket.fd, sockopt::IpBindAddressNoPort, &true)?;
            bind(&socket.fd, &SocketAddr::new(source, 0))?;
        }
        // Clocks differ, kernels may refuse: then the caller's own clock has to do.
        let stamped = setsockopt(&socket.fd, sockopt::ReceiveTimestampns, &true).is_ok();
        match connect(&socket.fd, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self { stamped, ..socket }),
            Err(e) => Err(e.into()),
        }
    }

    /// Connects to the unix socket at `path`.
    ///
    /// # Errors
    /// As for [`Socket::tcp`].
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        let socket = Self::open(AddressFamily::UNIX)?;
        connect(&socket.fd, &SocketAddrUnix::new(path)?)?;
        Ok(socket)
    }

    fn open(family: AddressFamily) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        Ok(Self { fd: socket_with(family, SocketType::STREAM, flags, None)?, stamped: false })
    }

    /// Whether a connection that was begun came about.
    ///
    /// # Errors
    /// Why it did not.
    pub(crate) fn connected(&self) -> io::Result<()> {
        Ok(socket_error(&self.fd)??)
    }

    /// Sends as much of `bytes` as the kernel takes, which may be nothing, and says how much.
    ///
    /// # Errors
    /// When the connection is dead.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(&self.fd, bytes, SendFlags::NOSIGNAL) {
                Ok(n) => return Ok(n),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(0),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Reads what has come into `buffer`; `None` when nothing has.
    ///
    /// # Errors
    /// When the connection is dead.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut control = Control([0; 64]);
        let room = if self.stamped { Some(&mut control.0[..]) } else { None };
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg::<()>(self.fd.as_raw_fd(), &mut parts, room, MsgFlags::empty()) {
            Ok(message) => {
                let stamps = message.cmsgs().into_iter().flatten();
                let at_wall_ns = stamps.into_iter().find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(at) => wall_ns(at.tv_sec(), at.tv_nsec()),
                    _ => None,
                });
                Ok(Some(Received { bytes: message.bytes, at_wall_ns }))
            }
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(nix::errno::Errno::EINTR) => self.receive(buffer),
            Err(e) => Err(e.into()),
        }
    }
}

fn wall_ns(seconds: i64, nanoseconds: i64) -> Option<u64> {
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(u64::try_from(nanoseconds).ok()?)
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;
