//! A client's connection from its first byte to its end. Given an accepted socket, or a connection that another worker gave up, it
//! waits for requests, has them answered one after the other, and watches over how long that takes. While nothing is under way it
//! has no buffer, and can go to another worker; it is closed as nginx closes it, with requests under way answered first.

use super::client::{Client, Phase};
use super::gate::{Gate, Last, Request};
use super::guard::Refusal;
use super::headers::KEEP_ALIVE;
use super::heirs::Moved;
use super::outlet::{Framing, Head};
use super::places::Place;
use super::serve::Reply;
use super::tunnel::{self, Tunnel};
use super::watch::Watch;
use super::wire::Wire;
use super::worker::{Awake, Leaving, Worker};
use super::{farewell, outlet, serve};
use crate::pace::{self, Alarm};
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body::Body;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// How long a connection stays awake, with its buffers, when nothing comes.
const REST: Duration = Duration::from_secs(1);
/// How many connections of a worker may wait awake for their next request, each with its buffers.
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
        let gate = Gate::new(wire, &[], &worker, &client);
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
    let gate = Gate::new(wire, &moved.held, worker, &client);
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

/// Why serving a connection, or the wait for a request, came to an end.
enum End {
    /// The client has gone, or cannot be served any more.
    Over,
    /// The last answer has gone out.
    Answered,
    /// Another protocol goes on.
    Switched(Box<Tunnel>),
    /// What came is no request.
    Refused(Refusal),
    /// Nothing has come for a while.
    Rest,
    /// Another worker is to go on.
    Move,
    /// No request came, or no whole one, and that took too long.
    TimedOut,
}

/// A connection and what it is waited for with.
struct Conversation {
    worker: Rc<Worker>,
    client: Rc<Client>,
    place: Place,
    last: bool,
    watch: Watch,
    /// Goes off when what it stands at has taken too long, or when it may rest.
    alarm: Alarm,
}

impl Conversation {
    fn new(worker: Rc<Worker>, client: Rc<Client>, place: Place, last: bool, until: Option<Instant>) -> Self {
        let watch = Watch::new(client.stand(), until);
        Self { worker, client, place, last, watch, alarm: Alarm::default() }
    }

    /// Serves the client until it or this worker has had enough.
    async fn hold(mut self, gate: Rc<Gate>) {
        self.place.settle().await;
        let end = loop {
            let end = match self.wait(&gate, false).await {
                // In a box of its own, which is gone when the connection rests.
                Ok(request) => Box::pin(self.serve(&gate, request)).await,
                Err(end) => end,
            };
            match end {
                End::Rest => gate.rest(),
                end => break end,
            }
        };
        match end {
            End::Move => self.give_up(&gate),
            End::Switched(tunnel) => {
                if let Some((wire, early)) = gate.take() {
                    Box::pin(tunnel::run(*tunnel, wire, early.into())).await;
                }
            }
            end => Box::pin(self.finish(&gate, end)).await,
        }
    }

    /// Waits for a request, with or without buffers.
    async fn wait(&mut self, gate: &Rc<Gate>, awake: bool) -> Result<Request, End> {
        self.set_alarm(awake);
        poll_fn(|cx| {
            if !self.moves(gate)
                && let Poll::Ready(request) = gate.poll_request(cx)
            {
                return Poll::Ready(request.map_err(|last| match last {
                    Last::Refused(refusal) => End::Refused(refusal),
                    Last::Enough => End::Answered,
                    Last::End => End::Over,
                }));
            }
            // What kept it here may have come, to its last byte.
            if self.moves(gate) {
                return Poll::Ready(Err(End::Move));
            }
            if self.note() {
                self.set_alarm(awake);
            }
            let idle = self.watch.phase() == Phase::Idle;
            if awake && idle && self.worker.awake.get() > MOST_AWAKE {
                return Poll::Ready(Err(End::Rest));
            }
            if self.is_over() && !gate.has_bytes() {
                return Poll::Ready(Err(End::Answered));
            }
            let end = if awake && idle { End::Rest } else { End::TimedOut };
            self.alarm.poll(cx).map(|()| Err(end))
        })
        .await
    }

    /// Sets the alarm to when what the connection stands at has taken too long, or to when it may rest.
    fn set_alarm(&mut self, awake: bool) {
        let rests = awake && self.watch.phase() == Phase::Idle;
        let rest = self.watch.since().filter(|_| rests).map(|since| since + REST);
        self.alarm.set(self.watch.until().into_iter().chain(rest).min());
    }

    /// Whether another worker is to go on, which takes what comes for a request.
    fn moves(&self, gate: &Gate) -> bool {
        let worker = &self.worker;
        worker.leaving.get() == Some(Leaving::Moves)
            && !gate.awaits_content()
            && worker.heirs.take(worker.ports[self.client.port])
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

    /// Answers `request` and those that follow, until there is a reason not to.
    async fn serve(&mut self, gate: &Rc<Gate>, mut request: Request) -> End {
        let _awake = Awake::new(&self.worker);
        loop {
            if let Err(end) = self.exchange(gate, request).await {
                return end;
            }
            gate.resume();
            request = match self.wait(gate, true).await {
                Ok(request) => request,
                Err(end) => return end,
            };
        }
    }

    /// Answers one request. It gives an end where the connection cannot go on behind the answer.
    async fn exchange(&mut self, gate: &Gate, (parts, content): Request) -> Result<(), End> {
        let mut answering =
            pin!(serve::answer(Rc::clone(&self.worker), Rc::clone(&self.client), parts, content));
        let reply = poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Ready(reply) => Poll::Ready(reply.ok_or(End::Over)),
            Poll::Pending => self.meanwhile(gate, cx).map(Err),
        })
        .await?;
        self.send(gate, reply).await
    }

    /// Sends `reply`, and forgets it when all of it has gone.
    async fn send(&mut self, gate: &Gate, reply: Reply) -> Result<(), End> {
        let Reply { status, reason, words, mut fields, mut body, form, tunnel } = reply;
        if gate.expects() {
            fields.remove(&KEEP_ALIVE);
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let reason = reason.as_ref().map_or(words.as_bytes(), |reason| &reason[..]);
        let head = Head { status, reason, fields: &fields };
        let (mut framing, stays) =
            gate.out(|out| outlet::write_head(out.lines(), &head, form, pace::wall_clock()));
        // How the body has ended, once it has: whether it was whole.
        let mut ended = (framing == Framing::Length(0)).then_some(true);
        // Of the body nothing is taken as long as the client has not taken what was before.
        let mut full = false;
        let whole = poll_fn(|cx| {
            loop {
                let mut waits = false;
                if ended.is_none() && !full {
                    match Pin::new(&mut body).poll_frame(cx) {
                        Poll::Pending => waits = true,
                        Poll::Ready(Some(Ok(frame))) => {
                            let piece = frame.into_data().unwrap_or_default();
                            gate.out(|out| framing.piece(out, piece));
                            if body.is_end_stream() {
                                ended = Some(gate.out(|out| framing.end(out)));
                            }
                        }
                        Poll::Ready(Some(Err(_))) => ended = Some(false),
                        Poll::Ready(None) => ended = Some(gate.out(|out| framing.end(out))),
                    }
                }
                let out = gate.poll_out(cx);
                full = out.is_pending();
                match out {
                    Poll::Ready(Ok(())) if waits => return self.meanwhile(gate, cx).map(Err),
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Over)),
                    Poll::Pending => {
                        body.go_on(cx);
                        return self.timed(cx).map(Err);
                    }
                }
                if let Some(whole) = ended {
                    return Poll::Ready(Ok(whole));
                }
            }
        })
        .await?;
        match tunnel {
            _ if !whole => Err(End::Over),
            Some(tunnel) => Err(End::Switched(tunnel)),
            None if stays => Ok(()),
            None => Err(End::Answered),
        }
    }

    /// What may end a connection while an answer, or more of it, is waited for.
    fn meanwhile(&mut self, gate: &Gate, cx: &mut Context<'_>) -> Poll<End> {
        if gate.poll_gone(cx).is_ready() {
            return Poll::Ready(End::Over);
        }
        self.timed(cx)
    }

    /// Resolves when the client has taken too long.
    fn timed(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.note() {
            self.set_alarm(false);
        }
        self.alarm.poll(cx).map(|()| {
            // The log of the request says so.
            self.client.timed_out.set(true);
            End::Over
        })
    }

    /// Notes what the connection stands at, and whether its time begins now.
    fn note(&mut self) -> bool {
        self.watch.note(self.client.stand(), &self.client.patience.get(), pace::now)
    }

    /// Lets another worker go on.
    fn give_up(self, gate: &Gate) {
        let Some((wire, held)) = gate.take() else { return };
        let Ok(parked) = wire.park() else { return };
        let Client { number, peer, local, port, requests, .. } = &*self.client;
        self.worker.heirs.give(Moved {
            parked,
            port: self.worker.ports[*port],
            number: *number,
            ends: (*peer, *local),
            requests: requests.get(),
            held: held.into(),
            deadline: self.watch.until(),
        });
    }

    /// Closes the connection. A request of which only a part came is in the log, as with nginx.
    async fn finish(self, gate: &Gate, end: End) {
        let (worker, client) = (&self.worker, &self.client);
        gate.part_of_head(|part, cut| {
            let status = match end {
                End::TimedOut => Some(StatusCode::REQUEST_TIMEOUT),
                _ => cut.then_some(StatusCode::BAD_REQUEST),
            };
            if let Some(status) = status.filter(|_| !part.is_empty()) {
                farewell::unanswered(worker, client, part, status);
            }
        });
        // What is wrong with content came to light behind the answer.
        let answered =
            matches!(&end, End::Answered) || matches!(&end, End::Refused(refusal) if refusal.is_of_body());
        let lingers = answered && gate.has_more();
        let Some((mut wire, held)) = gate.take() else { return };
        match end {
            _ if lingers => farewell::linger(&mut wire).await,
            End::Refused(refusal) if !answered => {
                farewell::say(worker, client, &mut wire, &held, refusal.status()).await;
            }
            _ => {}
        }
        // Closed in the ordinary way, the connection would end as if all had come.
        if client.cut.get() { wire.break_off() } else { wire.close() }
    }
}
