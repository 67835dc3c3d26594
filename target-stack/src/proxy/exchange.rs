//! One request and its answer, as variables and logs see them. It is given the request's head and filled in as the
//! exchange goes on; when it is dropped, however that comes, it is counted and logged. It holds no body and no socket.

use super::cache::inquiry::Inquiry;
use super::cache::meters::Status;
use super::client::Client;
use super::config::{Config, Server};
use super::course::Course;
use super::fields::Fields;
use super::gzip::Encoder;
use super::location::{Handler, Location, Proxy};
use super::request::Parts;
use super::worker::Worker;
use crate::pace;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{Method, StatusCode, Version};
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// nginx's status of a request whose client went away before the answer.
const CLIENT_CLOSED: u16 = 499;

/// One try at an upstream's server.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// That of the server, or the group's name where no server was left.
    pub(crate) address: Arc<str>,
    /// It is the first one at its group.
    pub(crate) first: bool,
    /// Of the answer, or 502 or 504 where there was none.
    pub(crate) status: Option<u16>,
    pub(crate) started: Instant,
    pub(crate) connect: Option<Duration>,
    pub(crate) header: Option<Duration>,
    pub(crate) response: Option<Duration>,
}

impl Attempt {
    /// A try that has come to nothing yet.
    pub(crate) fn new(address: Arc<str>, first: bool, started: Instant) -> Self {
        Self { address, first, status: None, started, connect: None, header: None, response: None }
    }
}

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) config: Arc<Config>,
    pub(crate) client: Rc<Client>,
    /// The request's head, as it came.
    pub(crate) parts: Parts,
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
    pub(crate) sent_headers: Fields,
    pub(crate) upstream_headers: Fields,
    /// How it fared in the cache, where its location has one.
    pub(crate) cache: Option<Status>,
    /// How the upstream is asked, where the answer is to be stored.
    pub(crate) inquiry: Option<Box<Inquiry>>,
    /// What the answer is to be compressed with.
    pub(crate) gzip: Option<Box<Encoder>>,
    server: usize,
    pub(super) location: Option<usize>,
    /// The current path where it differs from the one that was sent.
    pub(super) uri: Option<Vec<u8>>,
    /// Where it is not straight.
    pub(super) course: Option<Box<Course>>,
}

impl Exchange {
    pub(crate) fn new(config: Arc<Config>, client: Rc<Client>, parts: Parts) -> Self {
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
            sent_headers: Fields::new(),
            upstream_headers: Fields::new(),
            cache: None,
            inquiry: None,
            gzip: None,
            server,
            location: None,
            uri: None,
            course: None,
        };
        if let Some(names) = &exchange.config.ports[exchange.client.port].names
            && let Some((server, captured)) = names.find(&exchange.asked_host())
        {
            exchange.server = server;
            captured.into_iter().for_each(|captured| exchange.capture(captured));
        }
        exchange
    }

    /// The same request once more, for an answer that is fetched whatever becomes of the client.
    pub(crate) fn again(&self) -> Self {
        let parts = self.parts.clone();
        Self {
            config: Arc::clone(&self.config),
            client: Rc::clone(&self.client),
            parts,
            line: self.line.clone(),
            started: self.started,
            nth: self.nth,
            status: CLIENT_CLOSED,
            head_sent: 0,
            body_sent: 0,
            attempts: Vec::new(),
            sent_headers: Fields::new(),
            upstream_headers: Fields::new(),
            cache: self.cache,
            inquiry: None,
            gzip: None,
            server: self.server,
            location: self.location,
            uri: self.uri.clone(),
            course: self.course.clone(),
        }
    }

    /// The method to ask the upstream with: what is stored answers GET and HEAD alike.
    pub(crate) fn upstream_method(&self) -> &Method {
        static GET: Method = Method::GET;
        let whole = self.inquiry.is_some() && self.parts.method == Method::HEAD;
        if whole { &GET } else { &self.parts.method }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.config.servers[self.server]
    }

    /// What answers this request.
    pub(crate) fn location(&self) -> &Location {
        let server = self.server();
        self.location.and_then(|index| server.locations.get(index)).unwrap_or(&server.fallback)
    }

    /// The name that was asked for, in lower case, without a port and without the dot of the root.
    pub(crate) fn asked_host(&self) -> Cow<'_, str> {
        let field = || self.parts.headers.get(&HOST).and_then(|value| value.to_str().ok());
        let asked = self.parts.uri.authority().map(http::uri::Authority::as_str).or_else(field).unwrap_or("");
        let end = if asked.starts_with('[') { asked.find(']').map(|at| at + 1) } else { asked.find(':') };
        let name = &asked[..end.unwrap_or(asked.len())];
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }

    /// `$host`: the name that was asked for, or else the server's own.
    pub(crate) fn host(&self) -> Cow<'_, str> {
        match self.asked_host() {
            asked if asked.is_empty() => Cow::Borrowed(self.server().name()),
            asked => asked,
        }
    }

    /// `$uri`.
    pub(crate) fn uri(&self) -> &[u8] {
        self.uri.as_deref().unwrap_or(self.parts.uri.path().as_bytes())
    }

    /// `$args`.
    pub(crate) fn args(&self) -> &[u8] {
        let changed = self.course.as_ref().and_then(|course| course.args.as_deref());
        changed.unwrap_or_else(|| self.parts.uri.query().unwrap_or("").as_bytes())
    }

    /// `$request_uri`.
    pub(crate) fn request_uri(&self) -> &str {
        self.parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str)
    }

    /// Whether the connection stays open after the answer, whose fields are those that were sent.
    pub(crate) fn stays(&self) -> bool {
        self.would_stay() && !says(&self.sent_headers, "close") && self.line.is_none()
    }

    /// Whether the client would have it stay open: with HTTP/1.1 unless it says otherwise, with HTTP/1.0 if it says so.
    pub(crate) fn would_stay(&self) -> bool {
        let asked = &self.parts.headers;
        (self.parts.version >= Version::HTTP_11 || says(asked, "keep-alive")) && !says(asked, "close")
    }

    /// Whether an answer of this status is its head and nothing else (RFC 9112, section 6.3).
    pub(crate) fn is_bodiless(&self, status: u16) -> bool {
        self.parts.method == Method::HEAD || matches!(status, 100..=199 | 204 | 304)
    }

    /// Whether the answer's body comes in chunks.
    pub(crate) fn comes_in_chunks(&self) -> bool {
        let sent = &self.sent_headers;
        self.parts.version >= Version::HTTP_11
            && !self.is_bodiless(self.status)
            && !sent.is_empty()
            && !sent.has(&CONTENT_LENGTH)
    }

    /// How the request is passed on, if it is.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match &self.location().handler {
            Handler::Proxy(proxy) => Some(proxy),
            Handler::ProxyTo(_) => self.course.as_ref().and_then(|course| course.proxy.as_ref()),
            _ => None,
        }
    }

    /// `$proxy_host`, empty where nothing is passed on.
    pub(crate) fn proxy_host(&self) -> &str {
        self.proxy().map_or("", |proxy| &proxy.host)
    }
}

/// Whether `Connection` has this word in it.
fn says(map: &Fields, word: &str) -> bool {
    let values = map.iter().filter(|(name, _)| **name == CONNECTION).map(|(_, value)| value.as_bytes());
    values
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
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

    /// Logs what went wrong with this request, at one of nginx's levels.
    pub(crate) fn log(&self, level: &str, what: impl Display) {
        let parts = &self.parts;
        self.worker.errors.write(
            level,
            format_args!(
                "*{} {what}, client: {}, server: {}, request: \"{} {} {:?}\", host: \"{}\"",
                self.client.number,
                self.client.peer.ip(),
                self.server().name(),
                parts.method,
                self.request_uri().escape_debug(),
                parts.version,
                self.host(),
            ),
        );
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
    }
}
