//! One request and its answer, as variables and logs see them. It is given the request's head and filled in as the
//! exchange goes on; when it is dropped, however that comes, it is counted and logged. It holds no body and no socket.

use super::client::Client;
use super::config::{Config, Server};
use super::location::{Handler, Location};
use super::worker::Worker;
use crate::pace;
use http::header::HOST;
use http::{HeaderMap, StatusCode, request};
use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// nginx's status of a request whose client went away before the answer.
const CLIENT_CLOSED: u16 = 499;

/// One try at an upstream's server.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) address: Arc<str>,
    /// Of the answer, or 502 or 504 where there was none.
    pub(crate) status: u16,
    pub(crate) started: Instant,
    pub(crate) connect: Option<Duration>,
    pub(crate) header: Option<Duration>,
    pub(crate) response: Option<Duration>,
}

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) config: Arc<Config>,
    pub(crate) client: Rc<Client>,
    /// The request's head, as it came.
    pub(crate) parts: request::Parts,
    /// The request line as it came, of a request that was refused.
    pub(crate) line: Option<Vec<u8>>,
    pub(crate) started: Instant,
    /// `$connection_requests`.
    pub(crate) nth: u32,
    pub(crate) status: u16,
    pub(crate) head_sent: u64,
    pub(crate) body_sent: u64,
    pub(crate) attempts: Vec<Attempt>,
    /// The answer's fields, and those of the upstream's answer, kept only where a log reads them.
    pub(crate) sent_headers: HeaderMap,
    pub(crate) upstream_headers: HeaderMap,
    server: usize,
    location: Option<usize>,
    /// The normalised path where it differs from the one that was sent.
    uri: Option<Vec<u8>>,
}

impl Exchange {
    pub(crate) fn new(config: Arc<Config>, client: Rc<Client>, parts: request::Parts) -> Self {
        let nth = client.requests.get() + 1;
        client.requests.set(nth);
        let server = config.ports[client.port].default;
        let mut exchange = Self {
            config,
            client,
            parts,
            line: None,
            started: pace::now(),
            nth,
            status: CLIENT_CLOSED,
            head_sent: 0,
            body_sent: 0,
            attempts: Vec::new(),
            sent_headers: HeaderMap::new(),
            upstream_headers: HeaderMap::new(),
            server,
            location: None,
            uri: None,
        };
        let port = &exchange.config.ports[exchange.client.port];
        if port.servers.len() > 1 {
            exchange.server = exchange.config.server_for(port, &exchange.host());
        }
        exchange
    }

    /// Settles the normalised path and the location that answers it.
    pub(crate) fn settle(&mut self, uri: Option<Vec<u8>>, location: Option<usize>) {
        self.uri = uri;
        self.location = location;
        self.client.patience.set(self.location().settings.patience);
    }

    pub(crate) fn server(&self) -> &Server {
        &self.config.servers[self.server]
    }

    /// What answers this request.
    pub(crate) fn location(&self) -> &Location {
        let server = self.server();
        self.location.and_then(|index| server.locations.get(index)).unwrap_or(&server.fallback)
    }

    /// `$host`: the name that was asked for, in lower case and without a port.
    pub(crate) fn host(&self) -> Cow<'_, str> {
        let field = || self.parts.headers.get(HOST).and_then(|value| value.to_str().ok());
        let asked = self.parts.uri.authority().map(http::uri::Authority::as_str).or_else(field).unwrap_or("");
        let name = super::config::without_port(asked);
        match name {
            "" => Cow::Borrowed(self.server().name()),
            _ if name.bytes().any(|b| b.is_ascii_uppercase()) => Cow::Owned(name.to_ascii_lowercase()),
            _ => Cow::Borrowed(name),
        }
    }

    /// `$uri`.
    pub(crate) fn uri(&self) -> &[u8] {
        self.uri.as_deref().unwrap_or(self.parts.uri.path().as_bytes())
    }

    /// `$args`.
    pub(crate) fn args(&self) -> &str {
        self.parts.uri.query().unwrap_or("")
    }

    /// `$request_uri`.
    pub(crate) fn request_uri(&self) -> &str {
        self.parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str)
    }

    /// `$proxy_host`, empty where nothing is passed on.
    pub(crate) fn proxy_host(&self) -> &str {
        match &self.location().handler {
            Handler::Proxy(proxy) => &proxy.host,
            _ => "",
        }
    }
}

/// An exchange that is counted and logged when it ends.
#[derive(Debug)]
pub(crate) struct Tracked {
    exchange: Box<Exchange>,
    worker: Rc<Worker>,
}

impl Tracked {
    pub(crate) fn new(exchange: Exchange, worker: Rc<Worker>) -> Self {
        worker.counters.writing.inc();
        worker.counters.in_flight.enter(exchange.started);
        Self { exchange: Box::new(exchange), worker }
    }

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }
}

impl Deref for Tracked {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}

impl DerefMut for Tracked {
    fn deref_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.worker.counters.writing.dec();
        if self.exchange.status == CLIENT_CLOSED && self.exchange.client.timed_out.get() {
            self.exchange.status = StatusCode::REQUEST_TIMEOUT.as_u16();
        }
        self.worker.finished(&self.exchange);
        let client = &self.exchange.client;
        client.answered.set(client.answered.get() + 1);
        if let Some(waker) = client.waiting.take() {
            waker.wake();
        }
    }
}
