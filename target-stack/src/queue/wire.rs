//! A connection that notes its times. Given a socket, it is one that hyper reads from and writes to; on the way it notes when
//! a request reached the host, by the kernel's word, and when its answer was handed to the kernel. A server that takes the
//! clock when it comes round to a request leaves out how long that took; this one tells what a client can hold it to.

use super::seen::Seen;
use crate::pace::{self, WallClock};
use hyper::rt::{Read, ReadBufCursor, Write};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// What one read takes at most.
const READ_BYTES: usize = 8 * 1024;

/// The socket of a connection; see the module.
pub(super) struct Wire {
    stream: TcpStream,
    times: Rc<Times>,
    seen: Rc<RefCell<Seen>>,
}

/// The times of the request that is on a connection.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// When the last bytes that were read reached the host.
    pub(super) arrived: Cell<Option<Instant>>,
    /// When the request whose answer is about to be written had arrived.
    pub(super) answering: Cell<Option<Instant>>,
}

/// Room for one timestamp and its header, aligned as the kernel writes it.
#[repr(align(8))]
struct Control([u8; 64]);

impl Wire {
    /// Around `stream`; the second value has the times of what comes, and `seen` is told of each answer that goes.
    pub(super) fn new(stream: TcpStream, seen: Rc<RefCell<Seen>>) -> (Self, Rc<Times>) {
        // Refused by a kernel that has none: then the clock is taken when the request is read.
        let _ = setsockopt(&stream, sockopt::ReceiveTimestampns, &true);
        let times = Rc::new(Times::default());
        (Self { stream, times: Rc::clone(&times), seen }, times)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Instant)> {
        let mut control = Control([0; 64]);
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(self.stream.as_raw_fd(), &mut parts, Some(&mut control.0), flags)?;
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(at) => {
                Some(Duration::new(u64::try_from(at.tv_sec()).ok()?, u32::try_from(at.tv_nsec()).ok()?))
            }
            _ => None,
        });
        let now = pace::now();
        Ok((message.bytes, stamp.map_or(now, |at| WallClock::read().instant(at).min(now))))
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = [0; READ_BYTES];
        let room = into.remaining().min(READ_BYTES);
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let read = self.stream.try_io(Interest::READABLE, || self.receive(&mut buffer[..room]));
            match read {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
                Ok((bytes, at)) => {
                    self.times.arrived.set(Some(at));
                    into.put_slice(&buffer[..bytes]);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(arrived) = self.times.answering.take() {
            self.seen.borrow_mut().departure(pace::now().saturating_duration_since(arrived));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
