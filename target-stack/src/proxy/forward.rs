//! Passing a request on. Given an exchange and its body, it gives the answer of one of the upstream's servers, trying
//! the next one where nginx would: while tries remain, for the kinds of failure that are enabled, and never
//! when a server may have acted on a request that must not be repeated. It never touches the client's connection.

use super::answer::UpstreamBody;
use super::balance::Tried;
use super::config::{ProxySettings, Settings};
use super::exchange::{Attempt, Exchange};
use super::headers;
use super::location::Proxy;
use super::pool::{Group, Link, LinkError};
use super::upload::{RequestBody, Upload};
use super::worker::Worker;
use crate::pace;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;

/// What a request is passed on with.
struct Passage<'a> {
    worker: &'a Worker,
    group: Rc<Group>,
    upstream: usize,
    settings: Arc<Settings>,
    target: Uri,
    upload: Option<Rc<Upload>>,
}

/// A try that gave no answer.
struct Failed {
    timed_out: bool,
    /// The server may have seen the request.
    sent: bool,
    /// It happened on a connection that had been kept.
    reused: bool,
    reason: String,
}

/// The answer to `exchange`'s request, or the status to refuse it with.
pub(crate) async fn forward(
    worker: &Worker,
    exchange: &mut Exchange,
    upload: Option<Rc<Upload>>,
) -> Result<Response<UpstreamBody>, StatusCode> {
    let location = exchange.location();
    let super::location::Handler::Proxy(proxy) = &location.handler else {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let passage = Passage {
        worker,
        group: Rc::clone(&worker.groups[proxy.upstream]),
        upstream: proxy.upstream,
        settings: Arc::clone(&location.settings),
        target: target(exchange, proxy)?,
        upload,
    };
    // Without chunks an upload of unknown length has no end.
    let unbounded = passage.upload.is_some() && !exchange.parts.headers.contains_key(CONTENT_LENGTH);
    if !passage.settings.proxy.http11 && unbounded {
        return Err(StatusCode::LENGTH_REQUIRED);
    }
    passage.tries(exchange).await
}

fn target(exchange: &Exchange, proxy: &Proxy) -> Result<Uri, StatusCode> {
    let uri = &exchange.parts.uri;
    match proxy.target(exchange.uri(), uri.query()) {
        None => uri.path_and_query().cloned().map(Uri::from).ok_or(StatusCode::BAD_REQUEST),
        Some(bytes) => PathAndQuery::from_maybe_shared(bytes::Bytes::from(bytes))
            .map(Uri::from)
            .map_err(|_| StatusCode::BAD_REQUEST),
    }
}

impl Passage<'_> {
    async fn tries(&self, exchange: &mut Exchange) -> Result<Response<UpstreamBody>, StatusCode> {
        let retry = &self.settings.proxy.retry;
        let mut tried = Tried::default();
        let mut left = self.group.balance.borrow().usable();
        if retry.tries > 0 {
            left = left.min(retry.tries as usize);
        }
        // The server whose kept connection turned out dead: it gets another chance, on a new connection.
        let mut again: Option<usize> = None;
        loop {
            let fresh = again.is_some();
            let chosen = again.take().or_else(|| self.group.balance.borrow_mut().choose(tried, pace::now()));
            let Some(peer) = chosen else {
                self.log(exchange, "no live upstreams while connecting to upstream");
                return Err(StatusCode::BAD_GATEWAY);
            };
            let counters = self.worker.counters.peer(self.upstream, peer);
            let (enabled, sent, refusal) = match self.attempt(exchange, peer, fresh).await {
                Ok((response, link)) => {
                    let status = response.status();
                    counters.answered(status.as_u16());
                    let failure = retry.statuses.contains(&status.as_u16());
                    if !failure || left <= 1 || !self.may_try_again(exchange, true) {
                        self.group.balance.borrow_mut().succeeded(peer);
                        let read_timeout = self.settings.proxy.read_timeout;
                        let group = Rc::clone(&self.group);
                        let body = if status == StatusCode::SWITCHING_PROTOCOLS {
                            UpstreamBody::switched
                        } else {
                            UpstreamBody::new
                        };
                        return Ok(response.map(|incoming| body(incoming, link, group, peer, read_timeout)));
                    }
                    (true, true, status)
                }
                Err(failed) => {
                    self.log(exchange, &failed.reason);
                    if let Some(refusal) = self.clients_fault() {
                        return Err(refusal);
                    }
                    let enabled = if failed.timed_out { retry.timeout } else { retry.error };
                    if failed.reused
                        && !failed.timed_out
                        && enabled
                        && self.may_try_again(exchange, failed.sent)
                    {
                        again = Some(peer);
                        continue;
                    }
                    let refusal =
                        if failed.timed_out { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
                    (enabled, failed.sent, refusal)
                }
            };
            counters.failures.inc();
            // 403 and 404 may be asked of another server, but say nothing about this one's health.
            if !matches!(refusal, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
                self.group.balance.borrow_mut().failed(peer, pace::now());
            }
            left = left.saturating_sub(1);
            tried.mark(peer);
            if left == 0 || !enabled || !self.may_try_again(exchange, sent) {
                return Err(refusal);
            }
        }
    }

    /// Whether the request can be, and may be, sent once more.
    fn may_try_again(&self, exchange: &Exchange, sent: bool) -> bool {
        let replayable = self.upload.as_ref().is_none_or(|upload| upload.received() == 0);
        replayable && (!sent || self.settings.proxy.retry.may_repeat(&exchange.parts.method))
    }

    /// The status to refuse with when it was the client's body that failed: no server is to blame, and none can help.
    fn clients_fault(&self) -> Option<StatusCode> {
        self.upload.as_ref()?.fault()
    }

    async fn attempt(
        &self,
        exchange: &mut Exchange,
        peer: usize,
        fresh: bool,
    ) -> Result<(Response<Incoming>, Box<Link>), Failed> {
        let settings = &self.settings.proxy;
        let member = &self.group.settings().peers[peer];
        let started = pace::now();
        exchange.attempts.push(Attempt {
            address: Arc::clone(&member.name),
            status: StatusCode::BAD_GATEWAY.as_u16(),
            started,
            connect: None,
            header: None,
            response: None,
        });
        let kept = if fresh { None } else { self.group.take(peer) };
        let reused = kept.is_some();
        let link = match kept {
            Some(link) => Ok(link),
            None => Link::connect(member.address, settings.connect_timeout, &self.worker.counters).await,
        };
        let since = || Some(pace::now().saturating_duration_since(started));
        let result = match link {
            Ok(mut link) => {
                note(exchange, |attempt| attempt.connect = since());
                let request = self.request(exchange, settings);
                let progress = || self.upload.as_ref().map_or(0, |upload| upload.received());
                let answer = link.send(request, || self.patience(), progress).await;
                answer
                    .map(|response| (response, link))
                    .map_err(|e| (e, "reading response header from upstream"))
            }
            Err(error) => Err((error, "connecting to upstream")),
        };
        match result {
            Ok((response, _))
                if response.status() == StatusCode::SWITCHING_PROTOCOLS && !self.may_switch(exchange) =>
            {
                Err(Failed {
                    timed_out: false,
                    sent: true,
                    reused: false,
                    reason: "upstream switched protocols unasked".to_owned(),
                })
            }
            Ok((response, link)) => {
                note(exchange, |attempt| {
                    attempt.header = since();
                    attempt.status = response.status().as_u16();
                });
                Ok((response, link))
            }
            Err((error, doing)) => {
                let failed = failed(error, reused, doing);
                note(exchange, |attempt| {
                    attempt.response = since();
                    if failed.timed_out {
                        attempt.status = StatusCode::GATEWAY_TIMEOUT.as_u16();
                    }
                });
                Err(failed)
            }
        }
    }

    /// Whether the request asked for another protocol, and is with the server to its end.
    fn may_switch(&self, exchange: &Exchange) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.ended())
            && headers::for_upstream(exchange, &self.settings.proxy).contains_key(UPGRADE)
    }

    /// How long nothing may move: while the client's body is on its way it is the sending that is waited for.
    fn patience(&self) -> std::time::Duration {
        let settings = &self.settings.proxy;
        match &self.upload {
            Some(upload) if !upload.ended() => settings.send_timeout,
            _ => settings.read_timeout,
        }
    }

    fn request(&self, exchange: &Exchange, settings: &ProxySettings) -> Request<RequestBody> {
        let body = self.upload.as_ref().map_or(RequestBody::Empty, |u| RequestBody::Client(Rc::clone(u)));
        let mut request = Request::new(body);
        request.method_mut().clone_from(&exchange.parts.method);
        request.uri_mut().clone_from(&self.target);
        *request.version_mut() = if settings.http11 { Version::HTTP_11 } else { Version::HTTP_10 };
        *request.headers_mut() = headers::for_upstream(exchange, settings);
        request
    }

    fn log(&self, exchange: &Exchange, what: impl Display) {
        let parts = &exchange.parts;
        let address = exchange.attempts.last().map_or(self.group.settings().name.as_str(), |a| &a.address);
        self.worker.errors.write(
            "error",
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

fn failed(error: LinkError, reused: bool, doing: &str) -> Failed {
    match error {
        LinkError::Failed { sent, reason } => {
            Failed { timed_out: false, sent, reused, reason: format!("{reason} while {doing}") }
        }
        LinkError::TimedOut { sent } => Failed {
            timed_out: true,
            sent,
            reused,
            reason: format!("upstream timed out (110: Connection timed out) while {doing}"),
        },
    }
}
