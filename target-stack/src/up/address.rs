//! Addresses that stay a stack's own. Given how many are needed, it takes ports of the kernel's choice, which nobody else gets who does
//! not ask for them by their numbers: also while the process that listens there is dead.

use crate::failure::{Failure, Outcome};
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;

/// How often a port is looked for that is free at all addresses.
const PORT_TRIES: usize = 16;

/// An address that is kept free of others for as long as this lives. The socket does not listen, so it can stand beside who does.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) address: SocketAddr,
    _socket: Socket,
}

impl Reserved {
    fn at(address: SocketAddr) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket();
        Ok(Self { address: bound.unwrap_or(address), _socket: socket })
    }
}

/// One at any port.
pub(super) fn one() -> Outcome<Reserved> {
    Reserved::at(loopback(1, 0)).map_err(|e| Failure::start(format!("no port is free: {e}")))
}

/// So many loopback addresses one after the other, at one port, since a zone's addresses have no ports.
pub(super) fn in_a_row(count: u8) -> Outcome<Vec<Reserved>> {
    let failed = |e: std::io::Error| Failure::start(format!("no port is free for {count} proxies: {e}"));
    let mut tries = PORT_TRIES;
    loop {
        let first = one()?;
        let port = first.address.port();
        let others: std::io::Result<Vec<_>> = (2..=count).map(|n| Reserved::at(loopback(n, port))).collect();
        tries -= 1;
        match others {
            Ok(others) => return Ok(std::iter::once(first).chain(others).collect()),
            Err(e) if tries == 0 => return Err(failed(e)),
            Err(_) => {}
        }
    }
}

fn loopback(n: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, n], port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn ports_are_their_own_s_before_and_after_they_listen() {
        let reserved = in_a_row(5).expect("a port");
        let port = reserved[0].address.port();
        for (n, one) in (1..).zip(&reserved) {
            assert_eq!(one.address, loopback(n, port));
        }
        // Who takes any port never gets it, and who is to have it does, as often as it ends.
        for _ in 0..2 {
            for _ in 0..200 {
                let other = TcpListener::bind("127.0.0.3:0").expect("another port");
                assert_ne!(other.local_addr().expect("its address").port(), port);
            }
            assert!(TcpStream::connect(reserved[2].address).is_err(), "nobody listens");
            let proxies: Vec<TcpListener> = reserved
                .iter()
                .map(|one| TcpListener::bind(one.address).expect("the reserved one"))
                .collect();
            let taken = TcpListener::bind(proxies[4].local_addr().expect("an address"));
            assert_eq!(taken.expect_err("it is in use").kind(), std::io::ErrorKind::AddrInUse);
        }
    }
}
