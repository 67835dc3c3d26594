//! A server that misbehaves on purpose. Given a script, it does to each request what the script says: it answers well in any
//! framing, or fails in one of the ways in which servers fail. It counts what it did, which is what a client's own ledger
//! is held against. It listens on a port or a unix socket of its own, and can go away and come back.

mod deed;
mod wire;

pub use deed::{ALL, Deed, Outcome};

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use wire::{Listener, Place, Stream};

/// What is done to the requests, in the order in which they come.
#[derive(Clone, Copy, Debug)]
pub enum Script {
    /// The same to each.
    Always(Deed),
    /// Any of these, as the seed says.
    Random(u64, &'static [Deed]),
    /// A good answer to each, which takes so much longer than the one before.
    Slower(Duration),
}

/// See the module.
#[derive(Debug)]
pub struct Rogue {
    place: Place,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    _dir: TempDir,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    requests: AtomicU64,
    connections: AtomicU64,
    did: [AtomicU64; ALL.len()],
    away: AtomicBool,
    /// The connections that may be open, to be closed when the server goes away.
    open: Mutex<Vec<Weak<Stream>>>,
    /// Whether requests that are held may go.
    gate: (Mutex<bool>, Condvar),
}

impl Rogue {
    /// One on a port of its own.
    pub fn tcp(script: Script) -> Self {
        Self::start(Place::Tcp(([127, 0, 0, 1], 0).into()), script, TempDir::new().unwrap())
    }

    /// One on a unix socket.
    pub fn unix(script: Script) -> Self {
        let dir = TempDir::new().unwrap();
        Self::start(Place::Unix(dir.path().join("s")), script, dir)
    }

    fn start(place: Place, script: Script, dir: TempDir) -> Self {
        let shared = Shared {
            script,
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            did: [const { AtomicU64::new(0) }; ALL.len()],
            away: AtomicBool::new(false),
            open: Mutex::default(),
            gate: (Mutex::new(false), Condvar::new()),
        };
        let mut rogue = Self { place, shared: Arc::new(shared), accepting: None, _dir: dir };
        rogue.come_back();
        rogue
    }

    /// The end of a command line that loads it.
    pub fn aim(&self) -> String {
        match &self.place {
            Place::Tcp(address) => format!("http://{address}/"),
            Place::Unix(path) => format!("--unix-socket {} http://rogue.test/", path.display()),
        }
    }

    /// Its unix socket, if it has one.
    pub fn path(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::Tcp(_) => None,
            Place::Unix(path) => Some(path),
        }
    }

    /// Requests whose heads it has read.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Connections that it has accepted, among them the one by which a run looks whether the target is there.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// To how many requests it did what this says of.
    pub fn did(&self, which: impl Fn(Deed) -> bool) -> u64 {
        let these = ALL.iter().zip(&self.shared.did).filter(|(deed, _)| which(**deed));
        these.map(|(_, n)| n.load(Ordering::SeqCst)).sum()
    }

    /// Lets all requests go that are held, and holds none any more.
    pub fn let_go(&self) {
        *self.shared.gate.0.lock().unwrap() = true;
        self.shared.gate.1.notify_all();
    }

    /// Goes away: connections are refused, and those that are open are closed.
    pub fn go_away(&mut self) {
        self.shared.away.store(true, Ordering::SeqCst);
        if let Some(thread) = self.accepting.take() {
            thread.join().unwrap();
        }
        self.shared
            .open
            .lock()
            .unwrap()
            .drain(..)
            .filter_map(|stream| stream.upgrade())
            .for_each(|s| s.end());
    }

    /// Listens where it listened before.
    pub fn come_back(&mut self) {
        self.shared.away.store(false, Ordering::SeqCst);
        let listener = Listener::bind(&mut self.place);
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(std::thread::spawn(move || accept(&shared, &listener)));
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.let_go();
        self.go_away();
    }
}

fn accept(shared: &Arc<Shared>, listener: &Listener) {
    while !shared.away.load(Ordering::SeqCst) {
        listener.wait();
        while let Some(stream) = listener.accept() {
            let stream = Arc::new(stream);
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let mut open = shared.open.lock().unwrap();
            open.retain(|stream| stream.strong_count() > 0);
            open.push(Arc::downgrade(&stream));
            let shared = Arc::clone(shared);
            std::thread::spawn(move || shared.serve(&stream));
        }
    }
}

impl Shared {
    /// Serves one connection to its end. Whoever drops the stream closes it.
    fn serve(&self, stream: &Stream) {
        while let Some(body) = stream.request() {
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            let deed = self.script.deed(number);
            if let Script::Slower(more) = self.script {
                std::thread::sleep(more.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX)));
            }
            if deed == Deed::Hold {
                let free = self.gate.0.lock().unwrap();
                drop(self.gate.1.wait_while(free, |free| !*free).unwrap());
            }
            // Before the client can know of it. A write fails only when the client has gone.
            self.did[deed.number()].fetch_add(1, Ordering::SeqCst);
            if !deed.perform(stream, body).unwrap_or(false) {
                return;
            }
        }
    }
}

impl Script {
    fn deed(self, number: u64) -> Deed {
        match self {
            Self::Always(deed) => deed,
            Self::Slower(_) => Deed::Length,
            // SplitMix64's finalizer (Steele, Lea, Flood, 2014).
            Self::Random(seed, deeds) => {
                let mut z = (seed << 32 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                deeds[((z >> 33) % deeds.len() as u64) as usize]
            }
        }
    }
}
