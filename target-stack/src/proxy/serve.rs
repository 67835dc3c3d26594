//! Answering one request. Given its head and body, it goes the way that `route` says until there is an answer: a page, a text, a file,
//! or what the upstream says. It never waits for anything but an upstream and a disk.

use super::answer::{Answer, Content, Source, UpstreamBody};
use super::cache::flow::{self, Begun};
use super::client::Client;
use super::config::Settings;
use super::exchange::{Exchange, Tracked};
use super::fields::Fields;
use super::gate;
use super::link::Head;
use super::location::Handler;
use super::outlet::Form;
use super::request::Parts;
use super::route::{self, Next, Refusal};
use super::tunnel::Tunnel;
use super::upload::Upload;
use super::worker::Worker;
use super::{files, forward, gzip, headers, own, pages, pass, redirect, reply};
use crate::pace;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, SERVER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode, Version};
use http_body::Body;
use std::rc::Rc;
use std::sync::Arc;

/// An answer, ready to be sent.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// An upstream's own words for the status.
    pub(crate) reason: Option<Bytes>,
    /// The usual ones.
    pub(crate) words: &'static str,
    pub(crate) fields: Fields,
    pub(crate) body: Answer,
    pub(crate) form: Form,
    /// How the connection goes on, where it leaves HTTP with this answer.
    pub(crate) tunnel: Option<Box<Tunnel>>,
}

/// The answer to one request of `client`, or none where the configuration says to close the connection instead.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    client: Rc<Client>,
    parts: Parts,
    body: gate::Content,
) -> Option<Reply> {
    worker.counters.requests.inc();
    let mut exchange = Tracked::new(Exchange::new(Arc::clone(&worker.config), client, parts), worker);
    let mut body = RequestContent::Fresh(body);
    let mut next = route::enter(&mut exchange);
    // nginx bounds how often a URI changes, and so do we: this comes to an end.
    loop {
        let content = match next {
            Next::Close { status } => {
                exchange.status = status;
                return None;
            }
            Next::Handle => handle(&mut exchange, &mut body).await,
            Next::Say { status, text } => own::text(&mut exchange, status, text),
            Next::Refuse(refusal) => match route::report(&mut exchange, refusal) {
                Ok(next) => Err(next),
                Err(refusal) => Ok(own::page(&exchange, refusal)),
            },
        };
        match content {
            Ok(content) => return Some(send(exchange, content)),
            Err(other) => next = other,
        }
    }
}

/// The body of a request, of which a location after the first may find some gone.
enum RequestContent {
    Fresh(gate::Content),
    Taken(Option<Rc<Upload>>),
}

impl RequestContent {
    /// The body to pass on, up to `limit` bytes long, or `None` when part of it went to another upstream.
    fn take(&mut self, limit: u64) -> Option<Option<Rc<Upload>>> {
        if let Self::Taken(upload) = self {
            return upload.as_ref().is_none_or(|upload| upload.is_whole()).then(|| upload.clone());
        }
        let Self::Fresh(body) = std::mem::replace(self, Self::Taken(None)) else { return None };
        let upload = (!body.is_over()).then(|| Upload::new(body, limit));
        *self = Self::Taken(upload.clone());
        Some(upload)
    }
}

/// What the location's handler gives. Only passing on stands in this future itself, which is moved with every request.
async fn handle(exchange: &mut Tracked, body: &mut RequestContent) -> Result<Content, Next> {
    exchange.client.patience.set(exchange.location().settings.patience);
    if let Some(candidates) = exchange.location().try_files.clone()
        && let Some(next) = Box::pin(files::find(exchange, &candidates)).await
    {
        return Err(next);
    }
    match &exchange.location().handler {
        Handler::Files => Box::pin(files::answer(exchange)).await,
        Handler::StubStatus => own::stub_status(exchange),
        Handler::Proxy(_) => passed_on(exchange, body).await,
        Handler::ProxyTo(_) => {
            pass::resolve(exchange)?;
            passed_on(exchange, body).await
        }
    }
}

async fn passed_on(exchange: &mut Tracked, body: &mut RequestContent) -> Result<Content, Next> {
    let worker = Rc::clone(exchange.worker());
    let limit = exchange.location().settings.max_body;
    let Some(upload) = body.take(limit) else {
        exchange.log("error", "the request's body was sent already, and cannot be passed on again");
        return Err(Next::refuse(StatusCode::BAD_GATEWAY));
    };
    if exchange.location().settings.proxy.cache.serves(&exchange.parts.method)
        && let Some(begun) = flow::begin(exchange)
    {
        return match begun {
            Begun::Ready(content) => content,
            Begun::Away(visit) => Box::pin(visit.finish(exchange, upload)).await,
        };
    }
    let (mut head, body) = forward::forward(&worker, exchange, upload).await.map_err(Next::refuse)?;
    let settings = Arc::clone(&exchange.location().settings);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return switched(exchange, &settings, head, body);
    }
    if settings.intercepts(head.status) {
        let field = head.headers.remove(&WWW_AUTHENTICATE).map(|value| (WWW_AUTHENTICATE, value));
        let field = field.filter(|_| head.status == StatusCode::UNAUTHORIZED);
        return Err(Next::Refuse(Refusal { status: head.status.as_u16(), field }));
    }
    if settings.reads_upstream_headers() {
        exchange.upstream_headers.clone_from(&head.headers);
    }
    headers::for_client(&mut head.headers, &settings.proxy.hide);
    redirect::rewrite(&mut head.headers, &settings.proxy.redirect, exchange);
    let Head { status, reason, headers: fields } = head;
    Ok(Content { status, fields, source: Source::Upstream(body), reason })
}

/// The answer after which client and upstream speak another protocol.
fn switched(
    exchange: &mut Tracked,
    settings: &Settings,
    mut head: Head,
    body: UpstreamBody,
) -> Result<Content, Next> {
    let (link, lease) = body.into_link().ok_or_else(|| Next::refuse(StatusCode::BAD_GATEWAY))?;
    if settings.reads_upstream_headers() {
        exchange.upstream_headers.clone_from(&head.headers);
    }
    headers::for_switched_client(&mut head.headers, &settings.proxy.hide);
    let source = Source::Switched(Box::new((link.into_raw(), lease)));
    Ok(Content { status: head.status, fields: head.headers, source, reason: None })
}

/// The reply of `content`, once its head is settled.
fn send(mut exchange: Tracked, content: Content) -> Reply {
    let Content { status: meant, mut fields, source, reason } = content;
    let status = exchange.status_for(meant);
    let settings = Arc::clone(&exchange.location().settings);
    settle_head(&mut exchange, &settings, status, &mut fields);
    let reason = reason.filter(|_| status == meant);
    let of_upstream = matches!(source, Source::Upstream(_) | Source::Stored(_) | Source::Switched(_));
    let own_words = !of_upstream || status != meant;
    let words = if own_words { pages::reason(status) } else { status.canonical_reason().unwrap_or("") };
    let (bodiless, version) = (exchange.is_bodiless(status.as_u16()), exchange.parts.version);
    let stays = exchange.would_stay() && status != StatusCode::SWITCHING_PROTOCOLS;
    let (body, tunnel) = match source {
        Source::Switched(upstream) => {
            let (upstream, lease) = *upstream;
            (Answer::none(), Some(Box::new(Tunnel { upstream, lease, exchange })))
        }
        source => (Answer::new(source, exchange), None),
    };
    let form = Form { bodiless, version, stays, length: body.size_hint().exact() };
    Reply { status, reason, words, fields, body, form, tunnel }
}

/// Settles the answer's head, and what the log will say of it.
fn settle_head(exchange: &mut Tracked, settings: &Settings, status: StatusCode, fields: &mut Fields) {
    exchange.status = status.as_u16();
    if let Some(course) = &mut exchange.course {
        let mut added = std::mem::take(&mut course.fields);
        added.retain(|name| !fields.has(name));
        fields.replace(added);
    }
    if settings.reply.versionless && fields.get(&SERVER).is_some_and(pages::is_own_name) {
        fields.insert(SERVER, HeaderValue::from_static(pages::server_name(true)));
    }
    if !settings.reply.is_plain() {
        if settings.reply.reads_sent_headers() {
            exchange.sent_headers.clone_from(fields);
        }
        reply::add(&settings.reply, exchange, status, fields, pace::wall_clock());
    }
    exchange.gzip = gzip::settle(&settings.gzip, &exchange.parts, status, fields);
    exchange.client.patience.set(settings.patience);
    if status != StatusCode::SWITCHING_PROTOCOLS {
        settle_connection(exchange, settings, status, fields);
    }
    if !settings.logs.is_empty() {
        exchange.head_sent = headers::head_length(status, fields);
        if settings.logs.iter().any(|log| log.format.reads_sent_headers()) {
            exchange.sent_headers.clone_from(fields);
        }
    }
}

/// Says whether the connection is kept, where that does not go without saying.
fn settle_connection(exchange: &Tracked, settings: &Settings, status: StatusCode, fields: &mut Fields) {
    let patience = &settings.patience;
    let old = exchange.parts.version < Version::HTTP_11;
    let last = exchange.nth >= settings.keepalive_requests || patience.keepalive.is_zero();
    // HTTP/1.0 tells the end of a body by its length, or by that of the connection.
    let ends =
        |fields: &Fields| old && !fields.has(&CONTENT_LENGTH) && !exchange.is_bodiless(status.as_u16());
    if last || exchange.worker().closes(exchange.client.port) || ends(fields) {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
        return;
    }
    if (old || patience.told.is_some()) && !fields.has(&CONNECTION) && exchange.would_stay() {
        fields.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        let told = patience.told.and_then(|told| HeaderValue::from_str(&format!("timeout={told}")).ok());
        fields.extend(told.map(|told| (headers::KEEP_ALIVE, told)));
    }
}
