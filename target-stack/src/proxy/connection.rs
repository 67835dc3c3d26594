//! A client's connection from its first byte to its end. Given an accepted socket, or a connection that another worker gave up, it
//! waits, has hyper serve what comes, and watches over how long that takes. While nothing is under way there is no hyper and no
//! buffer, and the connection can go to another worker; it is closed as nginx closes it, with requests under way answered first.

use super::client::{Client, Phase};
use super::gate::Gate;
use super::heirs::Moved;
use super::places::Place;
use super::tunnel;
use super::watch::Watch;
use super::wire::Wire;
use super::worker::{Leaving, Worker};
use super::{farewell, serve};
use crate::pace::{self, Alarm};
use bytes::Bytes;
use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// How long hyper stays, with its buffers, when nothing comes.
const REST: Duration = Duration::from_secs(1);
/// How many connections of a worker may have hyper waiting for their next request: some 12 KB each.
const MOST_AWAKE: usize = 1024;

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// An index of the configuration's ports.
    pub(crate) port: usize,
    /// Nobody accepts there any more: its first request is waited for, although the worker is leaving.
    pub(crate) last: bool,
}

/// Begins to serve a connection that was accepted. What its task holds is little as long as nothing is under way.
pub(crate) fn accepted(worker: &Rc<Worker>, place: Place, accepted: Accepted) {
    // It cannot fail on TCP.
    let _ = accepted.stream.set_nodelay(true);
    let Ok(local) = accepted.stream.local_addr() else { return };
    let number = worker.numbers.fetch_add(1, Ordering::Relaxed) + 1;
    let until = pace::now() + worker.settings(accepted.port).patience.head;
    let Accepted { stream, peer, port, last } = accepted;
    let worker = Rc::clone(worker);
    let begin = move |worker: Rc<Worker>, wire: Wire| {
        let client = client(&worker, number, (peer, local), port, &wire);
        let gate = Gate::new(wire, Vec::new(), &worker, &client);
        Conversation::new(worker, client, place, last, Some(until)).hold(gate)
    };
    if worker.config.ports[port].ssl {
        spawn_local(async move {
            if let Some(wire) = Box::pin(shake_hands(&worker, stream, port, until)).await {
                begin(worker, wire).await;
            }
        });
    } else {
        spawn_local(begin(worker, Wire::plain(stream)));
    }
}

/// Goes on with a connection that another worker gave up.
pub(crate) fn inherited(worker: &Rc<Worker>, place: Place, moved: Moved) {
    // It was of another configuration, which may have had the same port otherwise.
    let port = worker.ports.iter().position(|port| *port == moved.port);
    let port = port.filter(|port| moved.parked.is_secure() == worker.config.ports[*port].ssl);
    let (Some(port), Ok(wire)) = (port, moved.parked.unpark()) else { return };
    let client = client(worker, moved.number, moved.ends, port, &wire);
    client.requests.set(moved.requests);
    let gate = Gate::new(wire, moved.held, worker, &client);
    spawn_local(Conversation::new(Rc::clone(worker), client, place, false, moved.deadline).hold(gate));
}

fn client(
    worker: &Worker,
    number: u64,
    ends: (SocketAddr, SocketAddr),
    port: usize,
    wire: &Wire,
) -> Rc<Client> {
    Rc::new(Client::new(number, ends, port, wire.is_secure(), worker.settings(port).patience))
}

/// The connection by TLS, or as it is where the client speaks no TLS, which it is then told. Like nginx, it looks at the first byte.
async fn shake_hands(worker: &Worker, stream: TcpStream, port: usize, until: Instant) -> Option<Wire> {
    let shaken = async {
        let mut first = [0];
        let came = stream.peek(&mut first).await?;
        if came > 0 && first[0] & 0x80 == 0 && first[0] != 0x16 {
            return Ok(Wire::plain(stream));
        }
        let port = &worker.config.ports[port];
        Wire::secure(stream, |name| {
            let found = name.and_then(|name| port.names.as_ref()?.find(&name.to_ascii_lowercase()));
            let named = found.map_or(port.default, |(server, _)| server);
            let servers = &worker.config.servers;
            servers[named].tls.as_ref().or(servers[port.default].tls.as_ref()).cloned()
        })
        .await
    };
    pace::within(until.saturating_duration_since(pace::now()), shaken).await?.ok()
}

/// Why hyper, or the wait for a request, came to an end.
enum End {
    /// The connection has ended, or is to end.
    Over,
    /// A request has come.
    Request,
    /// Nothing has come for a while.
    Rest,
    /// Another worker is to go on.
    Move,
    /// The client took too long.
    TimedOut,
}

/// One that has hyper, for as long as it has.
struct Awake(Rc<Worker>);

impl Awake {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.awake.set(worker.awake.get() + 1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.awake.set(self.0.awake.get() - 1);
    }
}

/// A connection and what it is waited for with.
struct Conversation {
    worker: Rc<Worker>,
    client: Rc<Client>,
    place: Place,
    last: bool,
    watch: Watch,
    /// Goes off when what it stands at has taken too long, or when hyper may go.
    alarm: Alarm,
}

impl Conversation {
    fn new(worker: Rc<Worker>, client: Rc<Client>, place: Place, last: bool, until: Option<Instant>) -> Self {
        let watch = Watch::new(client.stand(), until);
        Self { worker, client, place, last, watch, alarm: Alarm::default() }
    }

    /// Serves the client until it or this worker has had enough.
    async fn hold(mut self, mut gate: Box<Gate>) {
        self.place.settle().await;
        loop {
            let mut end = self.wait(&mut gate).await;
            if matches!(end, End::Request) {
                // In a box of its own, which is gone when the connection rests.
                let early;
                (gate, early, end) = Box::pin(self.serve(gate)).await;
                let tunnel = self.client.tunnel.take();
                if let (End::Over, Some(tunnel)) = (&end, tunnel) {
                    let (wire, held) = gate.into_parts();
                    return Box::pin(tunnel::run(*tunnel, wire, [&early, held.as_slice()].concat())).await;
                }
                gate.take_back(&early);
            }
            match end {
                End::Rest | End::Request => {}
                End::Move => return self.give_up(gate),
                End::Over | End::TimedOut => return self.finish(gate, &end),
            }
        }
    }

    /// Waits for a request without hyper.
    async fn wait(&mut self, gate: &mut Gate) -> End {
        self.alarm.set(self.watch.until());
        poll_fn(|cx| {
            if self.moves() {
                return Poll::Ready(End::Move);
            }
            match gate.poll_head(cx) {
                Poll::Ready(Ok(true)) => return Poll::Ready(End::Request),
                Poll::Ready(_) => return Poll::Ready(End::Over),
                Poll::Pending => {}
            }
            if self.note() {
                self.alarm.set(self.watch.until());
            }
            if self.is_over() && !gate.has_bytes() {
                return Poll::Ready(End::Over);
            }
            self.alarm.poll(cx).map(|()| End::TimedOut)
        })
        .await
    }

    /// Whether another worker is to go on.
    fn moves(&self) -> bool {
        let worker = &self.worker;
        worker.leaving.get() == Some(Leaving::Moves) && worker.heirs.take(worker.ports[self.client.port])
    }

    /// Whether nothing more is waited for, since the worker is leaving. Who has begun a request is served, and of those who have
    /// not yet, who came when nobody accepted any more.
    fn is_over(&self) -> bool {
        let waits = match self.watch.phase() {
            Phase::Idle => false,
            Phase::New => self.last,
            _ => true,
        };
        !waits && self.worker.leaving.get().is_some()
    }

    /// Has hyper serve what comes, and gives back the gate with what hyper had read and not used.
    async fn serve(&mut self, gate: Box<Gate>) -> (Box<Gate>, Bytes, End) {
        let (worker, client) = (Rc::clone(&self.worker), Rc::clone(&self.client));
        let _awake = Awake::new(&self.worker);
        let service =
            service_fn(move |request| serve::answer(Rc::clone(&worker), Rc::clone(&client), request));
        let mut builder = http1::Builder::new();
        let mut serving = builder.title_case_headers(true).serve_connection(TokioIo::new(gate), service);
        let end = poll_fn(|cx| {
            // How a connection ends is in the log of its last request; a client that hangs up is no error.
            if Pin::new(&mut serving).poll(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
            let begins = self.note();
            let phase = self.watch.phase();
            if begins {
                if phase == Phase::Idle && self.worker.awake.get() > MOST_AWAKE {
                    return Poll::Ready(End::Rest);
                }
                let rest = self.watch.since().filter(|_| phase == Phase::Idle).map(|since| since + REST);
                self.alarm.set(self.watch.until().into_iter().chain(rest).min());
            }
            let between = matches!(phase, Phase::Idle | Phase::Head);
            if between && self.worker.leaving.get().is_some() {
                return Poll::Ready(End::Rest);
            }
            let end = if phase == Phase::Idle { End::Rest } else { End::TimedOut };
            self.alarm.poll(cx).map(|()| end)
        })
        .await;
        if matches!(end, End::TimedOut) {
            self.client.timed_out.set(true);
        }
        let parts = serving.into_parts();
        (parts.io.into_inner(), parts.read_buf, end)
    }

    /// Notes what the connection stands at, and whether its time begins now.
    fn note(&mut self) -> bool {
        self.watch.note(self.client.stand(), &self.client.patience.get(), pace::now)
    }

    /// Lets another worker go on.
    fn give_up(self, gate: Box<Gate>) {
        let (wire, held) = gate.into_parts();
        let Ok(parked) = wire.park() else { return };
        let Client { number, peer, local, port, requests, .. } = &*self.client;
        self.worker.heirs.give(Moved {
            parked,
            port: self.worker.ports[*port],
            number: *number,
            ends: (*peer, *local),
            requests: requests.get(),
            held,
            deadline: self.watch.until(),
        });
    }

    /// Closes the connection. A request of which only a part came is in the log, as with nginx.
    fn finish(self, gate: Box<Gate>, end: &End) {
        let (part, cut) = gate.part_of_head();
        let status = match end {
            End::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
            _ => cut.then_some(StatusCode::BAD_REQUEST),
        };
        if let Some(status) = status.filter(|_| !part.is_empty()) {
            farewell::unanswered(&self.worker, &self.client, part, status);
        }
        let (wire, _) = gate.into_parts();
        // Closed in the ordinary way, the connection would end as if all had come.
        if self.client.cut.get() { wire.break_off() } else { wire.close() }
    }
}
