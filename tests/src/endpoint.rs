//! A Prometheus endpoint that says what a test has it say. Given a function of how often it was asked before, it answers each
//! question with that text, on a port of its own, until it goes away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// See the module.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    answering: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    asked: AtomicU64,
    away: AtomicBool,
}

impl Endpoint {
    /// One that says what `says` gives for how often it was asked before.
    pub fn start(says: fn(u64) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let answering = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.answer(&listener, says))
        };
        Self { address, shared, answering: Some(answering) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Refuses connections from now on.
    pub fn go_away(&mut self) {
        let Some(answering) = self.answering.take() else { return };
        self.shared.away.store(true, Ordering::SeqCst);
        // Whoever waits for the next connection looks up.
        drop(TcpStream::connect(self.address));
        answering.join().unwrap();
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.go_away();
    }
}

impl Shared {
    fn answer(&self, listener: &TcpListener, says: fn(u64) -> String) {
        for stream in listener.incoming() {
            if self.away.load(Ordering::SeqCst) {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            let body = says(self.asked.fetch_add(1, Ordering::SeqCst));
            // A question is shorter than that, and one that asks nothing is not waited for long.
            let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(1)));
            if !matches!(stream.read(&mut [0; 4096]), Ok(n) if n > 0) {
                continue;
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    }
}
