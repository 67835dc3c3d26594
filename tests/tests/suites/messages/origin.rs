//! The origin behind all cases. It answers the first request of each connection with what its case says, and remembers every byte that comes.
//! Which case a connection belongs to stands in a field that the proxies add: the address of the client.

use super::strict::{Kind, read};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// The field with the address of the client.
pub(crate) const FIELD: &str = "x-case";

/// See the module.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: HashMap<String, Vec<u8>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: usize,
    /// The bytes of each connection, by client.
    seen: HashMap<String, Vec<Vec<u8>>>,
}

impl Origin {
    /// One that gives these clients these answers, and all others `ok`.
    pub(crate) fn start(answers: HashMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { answers, ..Shared::default() });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                all.state.lock().unwrap().open += 1;
                let shared = Arc::clone(&all);
                std::thread::spawn(move || shared.converse(stream));
            }
        });
        Self { address, shared }
    }

    /// What each client's connections carried, once all are closed.
    pub(crate) fn seen(&self) -> HashMap<String, Vec<Vec<u8>>> {
        let state = self.shared.state.lock().unwrap();
        let mut state = self.shared.changed.wait_while(state, |state| state.open > 0).unwrap();
        std::mem::take(&mut state.seen)
    }
}

impl Shared {
    fn converse(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let (mut bytes, mut buffer, mut answered) = (Vec::new(), [0; 16384], false);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
            if !answered && let Some(answer) = self.answer(&bytes) {
                answered = true;
                let _ = stream.write_all(&answer);
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        let client =
            read(&bytes, Kind::Request).and_then(|(request, _)| Some(request.value(FIELD)?.to_owned()));
        let mut state = self.state.lock().unwrap();
        state.open -= 1;
        // A proxy that opens a connection and says nothing has asked nothing.
        if let Some(client) = client {
            state.seen.entry(client).or_default().push(bytes);
        }
        self.changed.notify_all();
    }

    /// What a request is answered, once it is whole.
    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (request, _) = read(bytes, Kind::Request).filter(|(request, _)| request.whole)?;
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n".to_vec();
        let scripted =
            self.answers.get(request.value(FIELD)?).filter(|_| !request.line.contains(super::SENTINEL));
        Some(match scripted {
            Some(answer) => answer.clone(),
            None if request.line.starts_with("HEAD ") => ok,
            None => [ok.as_slice(), b"ok"].concat(),
        })
    }
}
