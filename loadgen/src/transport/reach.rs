//! Whether a target is there at all. Given its address, it opens one connection, closes it again, and says how that went;
//! nothing is sent.

use crate::pace;
use crate::transport::address::Address;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// How long a target may take to accept a connection, and to agree on TLS and HTTP/2.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Opens a connection, to any of several addresses, and closes it again.
///
/// # Errors
/// Why the last address that was tried has none, or that it did not answer in time.
pub(crate) async fn reach(address: &Address) -> io::Result<()> {
    let opened = pace::within(LIMIT, async {
        match address {
            Address::Tcp(names) => any(&names.addresses()).await,
            Address::Unix(path) => UnixStream::connect(path).await.map(drop),
        }
    });
    let late = || Err(io::Error::new(ErrorKind::TimedOut, format!("no connection within {LIMIT:?}")));
    opened.await.unwrap_or_else(late)
}

/// Whether every address refuses a connection. One that does not answer, or that this machine has no port or descriptor for,
/// refuses nothing.
pub(crate) async fn refuses(address: &Address) -> bool {
    let refusals = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset, ErrorKind::NotFound];
    reach(address).await.is_err_and(|e| refusals.contains(&e.kind()))
}

async fn any(all: &[SocketAddr]) -> io::Result<()> {
    let mut refused = ErrorKind::NotFound.into();
    for address in all {
        match TcpStream::connect(address).await {
            Ok(_) => return Ok(()),
            Err(e) => refused = e,
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::names::Names;

    #[tokio::test(flavor = "current_thread")]
    async fn one_live_address_is_enough() {
        let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let both = Address::Tcp(Names::fixed(vec![dead, live.local_addr().unwrap()]));
        assert!(reach(&both).await.is_ok() && !refuses(&both).await);
        assert!(refuses(&Address::Tcp(Names::fixed(vec![dead]))).await);
        assert!(reach(&Address::Tcp(Names::fixed(vec![]))).await.is_err());
        assert!(refuses(&Address::Unix("/nowhere/at/all".into())).await);
    }
}
