//! A target that does nothing: in this process, on CPUs of its own, it answers every request with the same hundred bytes.
//! Given CPUs, it gives the addresses that it listens on, one a CPU, and ends when it is dropped. What is left of a response
//! time against it is the generator and the kernel. It reads no request beyond the blank line at its end.

use crate::failure::{Failure, Outcome};
use crate::limits;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// The whole answer, a hundred bytes.
const ANSWER: &[u8; 100] = b"HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n\
    0123456789012345678901234567890123456789012345678901234567890";
/// So many answers are written at once.
const AT_ONCE: usize = 64;
/// So many connections are looked at after one wait.
const EVENTS: usize = 256;
/// What tells the listener and the wish to end from connections, which are numbered from zero.
const LISTENER: u64 = u64::MAX;
const END: u64 = u64::MAX - 1;

/// See the module.
#[derive(Debug)]
pub(crate) struct NullTarget {
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The kernel's numbers of its threads.
    pub(crate) threads: Vec<i32>,
    running: Vec<(Arc<OwnedFd>, JoinHandle<io::Result<()>>)>,
}

impl NullTarget {
    /// Listens, with one thread for each of `cpus`.
    ///
    /// # Errors
    /// The host's fault: no sockets, no threads, or CPUs that this process may not use.
    pub(crate) fn start(cpus: &[usize]) -> Outcome<Self> {
        let mut target = Self { addresses: Vec::new(), threads: Vec::new(), running: Vec::new() };
        for &cpu in cpus {
            target.add(cpu).map_err(|e| Failure::host(format!("cannot start the null target: {e}")))?;
        }
        Ok(target)
    }

    fn add(&mut self, cpu: usize) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        self.addresses.push(listener.local_addr()?);
        let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let responder = Responder::new(listener, &end)?;
        let (say, said) = mpsc::channel();
        let work = move || {
            limits::pin(&[cpu]).map_err(|e| io::Error::other(e.message))?;
            say.send(rustix::thread::gettid().as_raw_nonzero().get()).map_err(io::Error::other)?;
            responder.serve()
        };
        let thread = std::thread::Builder::new().name(String::from("null-target")).spawn(work)?;
        self.running.push((end, thread));
        self.threads.push(said.recv().map_err(|_| io::Error::other(format!("CPU {cpu} cannot be used")))?);
        Ok(())
    }
}

impl Drop for NullTarget {
    fn drop(&mut self) {
        for (end, thread) in self.running.drain(..) {
            // It has ended already if it does not take this.
            let _ = rustix::io::write(&end, &1u64.to_ne_bytes());
            let _ = thread.join();
        }
    }
}

/// One thread's listener and connections.
struct Responder {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Box<[u8]>,
    answers: Box<[u8]>,
}

struct Connection {
    stream: TcpStream,
    heads: Heads,
    /// Bytes of answers that the socket has not taken yet.
    owed: usize,
    /// Whether it waits for the socket to take them, and reads nothing meanwhile.
    full: bool,
}

impl Responder {
    fn new(listener: TcpListener, end: &OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, end, EventData::new_u64(END), EventFlags::IN)?;
        Ok(Self {
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
            answers: ANSWER.repeat(AT_ONCE).into_boxed_slice(),
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            for event in &events {
                match event.data.u64() {
                    END => return Ok(()),
                    LISTENER => self.accept(),
                    id => self.look_at(usize::try_from(id).unwrap_or(usize::MAX)),
                }
            }
        }
    }

    fn accept(&mut self) {
        // Until there is none left, or no descriptor for it; then the wait shows it again.
        while let Ok((stream, _)) = self.listener.accept() {
            let id = self.free.pop().unwrap_or(self.connections.len());
            let data = EventData::new_u64(id as u64);
            let ready = stream
                .set_nonblocking(true)
                .and_then(|()| stream.set_nodelay(true))
                .and_then(|()| Ok(epoll::add(&self.epoll, &stream, data, EventFlags::IN)?));
            let connection =
                ready.is_ok().then(|| Connection { stream, heads: Heads::default(), owed: 0, full: false });
            match self.connections.get_mut(id) {
                Some(slot) => *slot = connection,
                None => self.connections.push(connection),
            }
            if ready.is_err() {
                self.free.push(id);
            }
        }
    }

    /// Reads and answers what is there on a connection; closes one that has ended.
    fn look_at(&mut self, id: usize) {
        let Some(slot) = self.connections.get_mut(id) else { return };
        let Some(connection) = slot else { return };
        let alive = connection.exchange(&mut self.buffer, &self.answers).and_then(|()| {
            let full = connection.owed > 0;
            if full == connection.full {
                return Ok(());
            }
            connection.full = full;
            let wanted = if full { EventFlags::OUT } else { EventFlags::IN };
            Ok(epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(id as u64), wanted)?)
        });
        if alive.is_err() {
            // Closing the socket takes it out of the epoll set.
            *slot = None;
            self.free.push(id);
        }
    }
}

impl Connection {
    /// One read, unless answers are owed already, and as many answers as it had requests.
    fn exchange(&mut self, buffer: &mut [u8], answers: &[u8]) -> io::Result<()> {
        if self.owed == 0 {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(e) if is_later(&e) => return Ok(()),
                Err(e) => return Err(e),
            };
            self.owed = self.heads.count(&buffer[..read]) * ANSWER.len();
        }
        while self.owed > 0 {
            // All answers are alike: where the last write ended in the middle of one, this one goes on in its middle.
            let begun = (ANSWER.len() - self.owed % ANSWER.len()) % ANSWER.len();
            let length = self.owed.min(answers.len() - begun);
            match self.stream.write(&answers[begun..begun + length]) {
                Ok(written) => self.owed -= written,
                Err(e) if is_later(&e) => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Counts the ends of requests without a body, however they are cut: blank lines.
#[derive(Default)]
struct Heads {
    /// How much of CR LF CR LF has been seen.
    seen: usize,
}

impl Heads {
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut whole = 0;
        for &byte in bytes {
            self.seen = match (byte, self.seen) {
                (b'\r', 2) => 3,
                (b'\r', _) => 1,
                (b'\n', 1) => 2,
                (b'\n', 3) => {
                    whole += 1;
                    0
                }
                _ => 0,
            };
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    proptest! {
        #[test]
        fn requests_are_counted_however_they_are_cut(n in 0usize..20, cuts in proptest::collection::vec(1usize..60, 1..40)) {
            let stream = REQUEST.repeat(n);
            let (mut heads, mut rest, mut whole) = (Heads::default(), &stream[..], 0);
            for cut in cuts.iter().cycle() {
                let (first, after) = rest.split_at((*cut).min(rest.len()));
                whole += heads.count(first);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(whole, n);
        }
    }

    #[test]
    fn what_is_no_blank_line_ends_no_request() {
        for (bytes, whole) in [
            (&b"\r\n\r\n"[..], 1),
            (b"\r\n\r\n\r\n\r\n", 2),
            (b"\n\n", 0),
            (b"\r\r\n\r\n", 1),
            (b"\r\n\r\r\n", 0),
            (b"a\r\nb\r\n", 0),
        ] {
            assert_eq!(Heads::default().count(bytes), whole, "{bytes:?}");
        }
    }

    #[test]
    fn every_request_has_its_answer_also_when_many_come_at_once_and_are_read_late() {
        let target = NullTarget::start(&limits::allowed_cpus()[..1]).unwrap();
        let mut stream = TcpStream::connect(target.addresses[0]).unwrap();
        // More answers than the sockets' buffers hold: the target has to wait until they are read.
        let many = 100_000;
        let mut writer = stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&REQUEST.repeat(many)).unwrap());
        let mut answers = vec![0; many * ANSWER.len()];
        stream.read_exact(&mut answers).unwrap();
        assert!(answers.chunks(ANSWER.len()).all(|answer| answer == ANSWER));
        writing.join().unwrap();
        stream.write_all(REQUEST).unwrap();
        let mut one = [0; ANSWER.len()];
        stream.read_exact(&mut one).unwrap();
        assert_eq!(&one, ANSWER);
        let address = target.addresses[0];
        drop(target);
        assert!(TcpStream::connect(address).is_err(), "it has ended");
    }
}
