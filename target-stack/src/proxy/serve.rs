//! Answering one request. Given its head and body, it checks what nginx checks before a location is chosen, and gives
//! the location's answer: a page, a text, or what the upstream says. It never waits for anything but an upstream.

use super::answer::{Answer, UpstreamBody};
use super::client::Client;
use super::config::Settings;
use super::exchange::{Exchange, Tracked};
use super::location::{self, Handler};
use super::tunnel::Tunnel;
use super::upload::Upload;
use super::worker::Worker;
use super::{forward, headers, pages};
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, SERVER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, request, response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// nginx's status for closing a connection without an answer.
const NO_ANSWER: u16 = 444;

/// The connection is closed without an answer, as the configuration wants it.
#[derive(Debug)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed without an answer")
    }
}

impl std::error::Error for Closed {}

/// The answer to one request of `client`.
///
/// # Errors
/// When the configuration says to close the connection instead.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Closed> {
    worker.counters.requests.inc();
    let (parts, body) = request.into_parts();
    let mut exchange = Tracked::new(Exchange::new(Arc::clone(&worker.config), client, parts), worker);
    if let Err(status) = admit(&mut exchange) {
        return Ok(page(exchange, status));
    }
    match &exchange.location().handler {
        Handler::NotFound => Ok(page(exchange, StatusCode::NOT_FOUND)),
        Handler::StubStatus => Ok(stub_status(exchange)),
        Handler::Return { status: NO_ANSWER, .. } => {
            exchange.status = NO_ANSWER;
            Err(Closed)
        }
        Handler::Return { status, .. } => {
            let status = *status;
            Ok(returned(exchange, status))
        }
        Handler::Proxy(_) => Ok(passed_on(exchange, body).await),
    }
}

/// Checks the request's host and path and settles the location, or gives the status to refuse it with.
fn admit(exchange: &mut Exchange) -> Result<(), StatusCode> {
    if !host_is_valid(&exchange.parts) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let path = location::normalise(exchange.parts.uri.path()).ok_or(StatusCode::BAD_REQUEST)?;
    let server = exchange.server();
    let location = if server.always { None } else { location::choose(&server.locations, &path) };
    let uri = match path {
        std::borrow::Cow::Borrowed(_) => None,
        std::borrow::Cow::Owned(path) => Some(path),
    };
    exchange.settle(uri, location);
    let limit = exchange.location().settings.max_body;
    let length =
        exchange.parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if limit > 0 && length.is_some_and(|length: u64| length > limit) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(())
}

/// RFC 9112 section 3.2: HTTP/1.1 has exactly one Host. An empty or malformed one is no better than none.
fn host_is_valid(parts: &request::Parts) -> bool {
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => parts.version < Version::HTTP_11,
        (Some(host), None) => {
            let plain =
                |b: &u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b'?' | b'#' | b'@' | b',');
            !host.is_empty() && host.as_bytes().iter().all(plain)
        }
        (Some(_), Some(_)) => false,
    }
}

async fn passed_on(mut exchange: Tracked, body: Incoming) -> Response<Answer> {
    let worker = Rc::clone(exchange.worker());
    let limit = exchange.location().settings.max_body;
    let upload = (!body.is_end_stream()).then(|| Upload::new(body, limit));
    let response = match forward::forward(&worker, &mut exchange, upload).await {
        Ok(response) => response,
        Err(status) => return page(exchange, status),
    };
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return switched(exchange, parts, body);
    }
    let settings = Arc::clone(&exchange.location().settings);
    if settings.logs.iter().any(|log| log.format.reads_upstream_headers()) {
        exchange.upstream_headers.clone_from(&parts.headers);
    }
    headers::for_client(&mut parts.headers, &settings.proxy.hide);
    // The version is this connection's business, not that of the upstream's.
    parts.version = Version::HTTP_11;
    settle_head(&mut exchange, parts.status, &mut parts.headers);
    Response::from_parts(parts, Answer::upstream(body, exchange))
}

/// The answer after which client and upstream speak another protocol.
fn switched(mut exchange: Tracked, mut parts: response::Parts, body: UpstreamBody) -> Response<Answer> {
    let Some(link) = body.into_link() else { return page(exchange, StatusCode::BAD_GATEWAY) };
    let settings = Arc::clone(&exchange.location().settings);
    if settings.logs.iter().any(|log| log.format.reads_upstream_headers()) {
        exchange.upstream_headers.clone_from(&parts.headers);
    }
    headers::for_switched_client(&mut parts.headers, &settings.proxy.hide);
    parts.version = Version::HTTP_11;
    settle_head(&mut exchange, parts.status, &mut parts.headers);
    let client = Rc::clone(&exchange.client);
    client.switched.set(true);
    client.tunnel.replace(Some(Box::new(Tunnel { upstream: link.into_raw(), exchange })));
    Response::from_parts(parts, Answer::none())
}

fn stub_status(exchange: Tracked) -> Response<Answer> {
    if matches!(exchange.parts.method, Method::GET | Method::HEAD) {
        let text = pages::stub_status(&exchange.worker().counters);
        own(exchange, StatusCode::OK, HeaderMap::new(), "text/plain", text)
    } else {
        let allow = HeaderMap::from_iter([(ALLOW, HeaderValue::from_static("GET, HEAD"))]);
        own(
            exchange,
            StatusCode::METHOD_NOT_ALLOWED,
            allow,
            "text/html",
            pages::page(StatusCode::METHOD_NOT_ALLOWED),
        )
    }
}

/// A `return`: of a redirect the text is the target, of anything else the body.
fn returned(exchange: Tracked, status: u16) -> Response<Answer> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = match &exchange.location().handler {
        Handler::Return { text: Some(text), .. } => Some(text.render(&exchange)),
        _ => None,
    };
    match text {
        Some(target) if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) => {
            let mut map = HeaderMap::new();
            if let Ok(target) = HeaderValue::from_bytes(&target) {
                map.insert(LOCATION, target);
            }
            own(exchange, status, map, "text/html", pages::page(status))
        }
        Some(text) => {
            let kind = exchange.location().settings.default_type.clone();
            own(exchange, status, HeaderMap::new(), &kind, text)
        }
        None if status.as_u16() < 300 => own(exchange, status, HeaderMap::new(), "", Bytes::new()),
        None => page(exchange, status),
    }
}

/// nginx's page for `status`.
fn page(exchange: Tracked, status: StatusCode) -> Response<Answer> {
    let mut map = HeaderMap::new();
    // The statuses after which nginx does not trust what follows on the connection.
    if matches!(status.as_u16(), 400 | 413 | 414 | 500 | 501) {
        map.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    own(exchange, status, map, "text/html", pages::page(status))
}

/// An answer of the proxy's own making.
fn own(
    mut exchange: Tracked,
    status: StatusCode,
    mut map: HeaderMap,
    kind: &str,
    text: impl Into<Bytes>,
) -> Response<Answer> {
    let text = text.into();
    map.insert(SERVER, HeaderValue::from_static(headers::SERVER_NAME));
    if let (false, Ok(kind)) = (kind.is_empty(), HeaderValue::from_str(kind)) {
        map.insert(CONTENT_TYPE, kind);
    }
    if status != StatusCode::NO_CONTENT {
        map.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    }
    settle_head(&mut exchange, status, &mut map);
    let mut response = Response::new(Answer::text(text, exchange));
    *response.status_mut() = status;
    *response.headers_mut() = map;
    if let Some(reason) = pages::reason(status) {
        response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    }
    response
}

/// Settles the answer's head, and what the log will say of it.
fn settle_head(exchange: &mut Tracked, status: StatusCode, map: &mut HeaderMap) {
    let settings = Arc::clone(&exchange.location().settings);
    if status != StatusCode::SWITCHING_PROTOCOLS {
        settle_connection(exchange, &settings, map);
    }
    exchange.status = status.as_u16();
    if !settings.logs.is_empty() {
        exchange.head_sent = headers::head_length(status, map);
        if settings.logs.iter().any(|log| log.format.reads_sent_headers()) {
            exchange.sent_headers.clone_from(map);
        }
    }
}

/// Says whether the connection is kept, where that does not go without saying.
fn settle_connection(exchange: &Tracked, settings: &Settings, map: &mut HeaderMap) {
    let patience = &settings.patience;
    let last = exchange.nth >= settings.keepalive_requests || patience.keepalive.is_zero();
    if last || exchange.worker().closes(exchange.client.port) {
        map.insert(CONNECTION, HeaderValue::from_static("close"));
        return;
    }
    // HTTP/1.0 tells the end of a body by its length, or by that of the connection.
    let old = exchange.parts.version < Version::HTTP_11 && map.contains_key(CONTENT_LENGTH);
    if (old || patience.told.is_some())
        && !map.contains_key(CONNECTION)
        && headers::keeps_alive(&exchange.parts)
    {
        map.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        let told = patience.told.and_then(|told| HeaderValue::from_str(&format!("timeout={told}")).ok());
        map.extend(told.map(|told| (headers::KEEP_ALIVE, told)));
    }
}
