//! Passing a request on. Given an exchange and its body, it gives the answer of one of the upstream's servers, trying
//! the next one where nginx would: while tries and time remain, for the kinds of failure that are enabled, and never
//! when a server may have acted on a request that must not be repeated. It never touches the client's connection.

mod attempt;

use super::answer::UpstreamBody;
use super::config::{ProxySettings, Settings};
use super::exchange::{Attempt, Exchange};
use super::group::{Group, Lease};
use super::link::{Framing, Head, Link};
use super::location;
use super::upload::Upload;
use super::worker::Worker;
use crate::pace;
use attempt::Kind;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::uri::Uri;
use http::{Method, StatusCode};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// What a request is passed on with.
struct Passage<'a> {
    worker: &'a Worker,
    group: Rc<Group>,
    settings: Arc<Settings>,
    target: Uri,
    method: Method,
    upload: Option<Rc<Upload>>,
    /// The body that the configuration sends in place of the client's.
    text: Option<Bytes>,
}

/// The head and the body of the answer to `exchange`'s request, or the status to refuse it with.
pub(crate) async fn forward(
    worker: &Worker,
    exchange: &mut Exchange,
    upload: Option<Rc<Upload>>,
) -> Result<(Head, UpstreamBody), StatusCode> {
    let proxy = exchange.proxy().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let settings = Arc::clone(&exchange.location().settings);
    let mut passage = Passage {
        worker,
        group: Rc::clone(&worker.groups[proxy.upstream]),
        target: location::target(exchange, proxy).ok_or(StatusCode::BAD_REQUEST)?,
        method: method(exchange, &settings.proxy)?,
        settings,
        upload,
        text: None,
    };
    passage.settle_body(exchange).await?;
    passage.tries(exchange).await
}

fn method(exchange: &Exchange, settings: &ProxySettings) -> Result<Method, StatusCode> {
    match &settings.method {
        None => Ok(exchange.upstream_method().clone()),
        Some(method) => Method::from_bytes(&method.render(exchange))
            // What is no method cannot be sent, and is nobody's fault but the configuration's.
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR),
    }
}

impl Passage<'_> {
    /// Settles which body is sent. The client's own is waited for where that is wanted, so that no server waits for a slow
    /// client, and forgotten where it is not sent.
    async fn settle_body(&mut self, exchange: &Exchange) -> Result<(), StatusCode> {
        let settings = &self.settings.proxy;
        self.text = settings.body.as_ref().map(|text| Bytes::from(text.render(exchange)));
        if (self.text.is_some() || !settings.pass_body)
            && let Some(upload) = self.upload.take()
        {
            upload.discard().await?;
        }
        let Some(upload) = &self.upload else { return Ok(()) };
        if settings.buffer_request {
            upload.wait().await?;
        }
        // Without chunks an upload of unknown length has no end.
        let endless = upload.length().is_none() && !exchange.parts.headers.has(&CONTENT_LENGTH);
        if endless && !settings.http11 { Err(StatusCode::LENGTH_REQUIRED) } else { Ok(()) }
    }

    async fn tries(&self, exchange: &mut Exchange) -> Result<(Head, UpstreamBody), StatusCode> {
        let retry = &self.settings.proxy.retry;
        let (began, before) = (pace::now(), exchange.attempts.len());
        let mut now = began;
        let mut search = self.group.search(exchange, began);
        let mut left = self.group.usable();
        if retry.tries > 0 {
            left = left.min(retry.tries as usize);
        }
        // The server whose kept connection turned out dead: it gets another chance, on a new connection.
        let mut again: Option<Lease> = None;
        loop {
            let fresh = again.is_some();
            let chosen = again.take().or_else(|| self.group.choose(&mut search, now));
            let first = exchange.attempts.len() == before;
            let Some(lease) = chosen else {
                return Err(self.nobody(exchange, first, now));
            };
            let name = &self.group.settings().peers[lease.peer].name;
            exchange.attempts.push(Attempt::new(Arc::clone(name), first, now));
            match self.ask(exchange, lease.peer, fresh, now).await {
                Ok((answer, link)) => {
                    let (status, counters) = (answer.0.status, self.group.peer(lease.peer));
                    counters.answered(status.as_u16());
                    let failure = left > 1 && retry.statuses.contains(&status.as_u16());
                    now = if failure { pace::now() } else { now };
                    if !failure || !self.may_try_again(exchange, Kind::Status, true, (began, now)) {
                        // Where no other server is asked, the answer is as good as any.
                        counters.standing.succeeded();
                        return Ok(self.answer(answer, link, lease));
                    }
                    // 403 and 404 may be asked of another server, but say nothing about this one's health.
                    if matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
                        counters.standing.succeeded();
                    } else {
                        self.failed(exchange, lease.peer, now);
                    }
                    left -= 1;
                }
                Err(failed) => {
                    now = pace::now();
                    self.log(exchange, "error", &failed.reason);
                    if let Some(refusal) = self.upload.as_ref().and_then(|upload| upload.fault()) {
                        // It is the client's: no server is to blame, and none can help.
                        return Err(refusal);
                    }
                    let dead = failed.reused && failed.kind == Kind::Error;
                    left -= usize::from(!dead);
                    let more =
                        left > 0 && self.may_try_again(exchange, failed.kind, failed.sent, (began, now));
                    if dead && more {
                        again = Some(lease);
                        continue;
                    }
                    self.failed(exchange, lease.peer, now);
                    if !more {
                        return Err(failed.kind.refusal());
                    }
                }
            }
        }
    }

    /// No server can be asked.
    fn nobody(&self, exchange: &mut Exchange, first: bool, now: Instant) -> StatusCode {
        exchange.attempts.push(Attempt::new(self.group.settings().name.as_str().into(), first, now));
        note(exchange, |attempt| attempt.status = Some(StatusCode::BAD_GATEWAY.as_u16()));
        self.group.counters().unavailable.inc();
        self.log(exchange, "error", "no live upstreams while connecting to upstream");
        StatusCode::BAD_GATEWAY
    }

    fn failed(&self, exchange: &Exchange, peer: usize, now: Instant) {
        self.group.peer(peer).failures.inc();
        if self.group.failed(peer, now) {
            self.log(exchange, "warn", "upstream server temporarily disabled");
        }
    }

    fn answer(
        &self,
        (head, framing): (Head, Framing),
        link: Box<Link>,
        lease: Lease,
    ) -> (Head, UpstreamBody) {
        let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let body = if switched { UpstreamBody::switched } else { UpstreamBody::new };
        (head, body(framing, link, lease, self.settings.proxy.read_timeout))
    }

    /// Whether the request can be, and may be, sent once more after a failure of this kind.
    fn may_try_again(
        &self,
        exchange: &Exchange,
        kind: Kind,
        sent: bool,
        (began, now): (Instant, Instant),
    ) -> bool {
        let retry = &self.settings.proxy.retry;
        let enabled = match kind {
            Kind::Error => retry.error,
            Kind::Timeout => retry.timeout,
            Kind::InvalidHeader => retry.invalid_header,
            // Which of them are enabled was asked before.
            Kind::Status => true,
        };
        let may = enabled
            && (retry.limit.is_zero() || now.saturating_duration_since(began) < retry.limit)
            && self.upload.as_ref().is_none_or(|upload| upload.replayable(sent))
            && (!sent || retry.may_repeat(&exchange.parts.method));
        if may && !self.group.may_retry(now) {
            self.log(exchange, "warn", "no other try: the retry budget is spent");
            return false;
        }
        may
    }

    fn log(&self, exchange: &Exchange, level: &str, what: impl Display) {
        let parts = &exchange.parts;
        let address = exchange.attempts.last().map_or(self.group.settings().name.as_str(), |a| &a.address);
        self.worker.errors.write(
            level,
            format_args!(
                "*{} {what}, client: {}, server: {}, request: \"{} {} {:?}\", upstream: \"http://{address}{}\", host: \"{}\"",
                exchange.client.number,
                exchange.client.peer.ip(),
                exchange.server().name(),
                parts.method,
                exchange.request_uri().escape_debug(),
                parts.version,
                self.target.to_string().escape_debug(),
                exchange.host(),
            ),
        );
    }
}

fn note(exchange: &mut Exchange, set: impl FnOnce(&mut Attempt)) {
    if let Some(attempt) = exchange.attempts.last_mut() {
        set(attempt);
    }
}
