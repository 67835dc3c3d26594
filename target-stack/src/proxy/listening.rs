//! The listening sockets. Given a configuration, it opens what that listens on and is not open yet; what stays is never closed, so
//! that nothing queued in it is lost. Every worker has a socket of its own at each port, with its own queue. It accepts nothing.

use super::config::{Config, Port, os_error};
use crate::failure::{Failure, Outcome};
use socket2::{Domain, SockRef, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A port's name, for as long as it is listened on, in all configurations that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortId(u64);

/// What is listened on.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// In the order of the configuration's ports.
    ports: Vec<Open>,
    /// How many there have been.
    names: u64,
}

#[derive(Clone, Debug)]
struct Open {
    id: PortId,
    /// As the configuration has it.
    wanted: SocketAddr,
    /// As it is: a port of the kernel's choice has a number.
    address: SocketAddr,
    /// At least one a worker; more when there were more workers once, since closing one would lose its queue.
    sockets: Vec<Arc<TcpListener>>,
}

impl Listening {
    /// What `config` listens on. Sockets that are open already are the same.
    ///
    /// # Errors
    /// When one cannot be had; nothing has changed then.
    pub(crate) fn renewed(&self, config: &Config) -> Outcome<Self> {
        let mut known: Vec<Option<&Open>> = self.ports.iter().map(Some).collect();
        let mut renewed = Self { ports: Vec::new(), names: self.names };
        for port in &config.ports {
            let same = |open: &&mut Option<&Open>| open.is_some_and(|open| open.wanted == port.address);
            let open = match known.iter_mut().find(same).and_then(Option::take) {
                Some(open) => open.clone(),
                None => {
                    renewed.names += 1;
                    Open::new(PortId(renewed.names), port.address)?
                }
            };
            renewed.ports.push(open.with(port, config.workers)?);
        }
        Ok(renewed)
    }

    /// The ports' names, in the order of the configuration's ports.
    pub(crate) fn names(&self) -> Arc<[PortId]> {
        self.ports.iter().map(|open| open.id).collect()
    }

    /// The addresses, in the order of the configuration's ports.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports.iter().map(|open| open.address)
    }

    /// The share of one of so many workers: its sockets, with the indices of their ports.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub(crate) fn share(&self, worker: usize, workers: usize) -> Outcome<Vec<(usize, TcpListener)>> {
        let mut share = Vec::new();
        for (number, open) in self.ports.iter().enumerate() {
            for socket in open.sockets.iter().skip(worker).step_by(workers) {
                let socket = socket.try_clone().map_err(|e| {
                    Failure::start(format!("[emerg] dup() of {} failed ({})", open.address, os_error(&e)))
                })?;
                share.push((number, socket));
            }
        }
        Ok(share)
    }
}

impl Open {
    /// A port without sockets yet.
    fn new(id: PortId, wanted: SocketAddr) -> Outcome<Self> {
        if wanted.port() != 0 {
            // Shared ports can be shared with another process of this user as well, which would take half of the
            // connections unseen. One socket that does not share finds out.
            drop(bind(wanted, None).map_err(|e| failed(wanted, &e))?);
        }
        Ok(Self { id, wanted, address: wanted, sockets: Vec::new() })
    }

    /// The port with at least so many sockets, and the queues that `port` asks for.
    fn with(mut self, port: &Port, workers: usize) -> Outcome<Self> {
        for socket in &self.sockets {
            SockRef::from(&**socket).listen(port.backlog).map_err(|e| failed(self.address, &e))?;
        }
        while self.sockets.len() < workers {
            let socket = bind(self.address, Some(port.backlog)).map_err(|e| failed(self.address, &e))?;
            // The first one settles a port of the kernel's choice.
            self.address = socket.local_addr().map_err(|e| failed(self.address, &e))?;
            self.sockets.push(Arc::new(socket));
        }
        Ok(self)
    }
}

/// A socket at `address`; with a backlog it listens, and shares the port with its like.
fn bind(address: SocketAddr, backlog: Option<i32>) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(backlog.is_some())?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    if let Some(backlog) = backlog {
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
    }
    Ok(socket.into())
}

fn failed(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::start(format!("[emerg] bind() to {address} failed ({})", os_error(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::path::Path;

    fn config(workers: usize, listens: &[SocketAddr]) -> Config {
        let listens: String =
            listens.iter().map(|address| format!("server {{ listen {address}; }} ")).collect();
        let text = format!("worker_processes {workers}; events {{}} http {{ {listens} }}");
        Config::parse("f", &text, Path::new("/")).expect("a valid configuration")
    }

    /// The queues of all shares together.
    fn queued(listening: &Listening, workers: usize) -> usize {
        let shares = (0..workers).flat_map(|worker| listening.share(worker, workers).expect("a share"));
        shares.map(|(_, socket)| std::iter::from_fn(|| socket.accept().ok()).count()).sum()
    }

    #[test]
    fn what_stays_keeps_its_name_and_its_queue() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = Listening::default().renewed(&config(3, &[any, any])).expect("sockets");
        let (names, address) = (first.names(), first.addresses().next().expect("an address"));
        let mut clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).expect("queued")).collect();
        // Fewer workers take all that three had.
        for (workers, ports) in [(1, 1), (2, 2), (4, 3)] {
            let second = first.renewed(&config(workers, &vec![any; ports])).expect("sockets");
            assert_eq!(second.names()[0], names[0]);
            assert_eq!(
                (second.names().get(1), second.names().len()),
                (names.get(1).filter(|_| ports > 1), ports)
            );
            assert_eq!(second.addresses().next(), Some(address));
            assert_eq!(queued(&second, workers), clients.len(), "{workers}");
            clients = (0..20).map(|_| TcpStream::connect(address).expect("queued")).collect();
        }
    }

    #[test]
    fn what_is_gone_is_closed_and_what_is_taken_is_said() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = Listening::default().renewed(&config(1, &[any])).expect("sockets");
        let address = first.addresses().next().expect("an address");
        let taken = first.renewed(&config(1, &[any, address])).expect_err("it is taken");
        assert!(taken.message.starts_with(&format!("[emerg] bind() to {address} failed (98: ")), "{taken}");
        assert!(TcpStream::connect(address).is_ok());
        drop((first.renewed(&config(1, &[])).expect("none"), first));
        assert!(TcpStream::connect(address).is_err());
    }
}
