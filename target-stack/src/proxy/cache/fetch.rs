//! Asking the upstream for an answer that is to be stored. Given what is known of the answer and its place, it has the request passed
//! on, and decides what comes of it: the upstream's answer, stored while it passes or not stored, or the answer that was stored
//! before, which is good still or better than an error. It sends nothing to the client.

use super::amend;
use super::content::Kept;
use super::deposit::Deposit;
use super::filling::Filling;
use super::freshness;
use super::inquiry::Inquiry;
use super::key::{self, Digest};
use super::meters::Status;
use super::record::{self, Given};
use super::stored::SMALL;
use super::zone::{Ticket, Zone};
use crate::pace;
use crate::proxy::answer::UpstreamBody;
use crate::proxy::config::{CacheSettings, Settings};
use crate::proxy::exchange::Exchange;
use crate::proxy::fields::Fields;
use crate::proxy::link::Head;
use crate::proxy::route::Refusal;
use crate::proxy::upload::Upload;
use crate::proxy::variables::Template;
use crate::proxy::worker::Worker;
use crate::proxy::{forward, headers};
use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, DATE, ETAG, EXPIRES, LAST_MODIFIED, VARY,
    WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::spawn_local;

const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer to be fetched.
pub(super) struct Errand {
    pub(super) zone: Arc<Zone>,
    pub(super) settings: Arc<Settings>,
    pub(super) key: Vec<u8>,
    pub(super) main: Digest,
    /// The text and the place of this request's variant, where the key's first answer is another one.
    pub(super) variant: Option<(Vec<u8>, Digest)>,
    /// Held until the answer is stored, or is not going to be.
    pub(super) ticket: Option<Ticket>,
    /// The answer that was found and is no longer fresh.
    pub(super) stale: Option<Kept>,
    /// Whether the answer may be stored.
    pub(super) storable: bool,
}

/// What comes of it.
pub(super) enum Got {
    /// The stored answer is sent.
    Kept(Status, Kept),
    /// One of the proxy's own pages is sent.
    Refused(Refusal),
    /// The upstream's answer is sent, and stored meanwhile.
    Stored(Box<Head>, Box<Filling>),
    /// The upstream's answer is sent, and not stored.
    Passed(Box<(Head, UpstreamBody)>),
}

impl Errand {
    /// Asks the upstream. What is to be stored is stored even when nobody takes what this gives.
    pub(super) async fn ask(
        mut self,
        worker: &Worker,
        exchange: &mut Exchange,
        upload: Option<Rc<Upload>>,
    ) -> Got {
        if self.storable {
            exchange.inquiry = Some(Box::new(self.inquiry()));
        }
        let answered = forward::forward(worker, exchange, upload).await;
        let now = pace::wall_clock().as_secs();
        let rules = &self.settings.proxy.cache;
        let (head, body) = match answered {
            Ok(answer) => answer,
            Err(status) => {
                if let Some(kept) = self.stale.take_if(|kept| bridges_error(kept, rules, status, now)) {
                    return Got::Kept(Status::Stale, kept);
                }
                self.remember_failure(status, now);
                return Got::Refused(Refusal { status: status.as_u16(), field: None });
            }
        };
        let status = head.status;
        if let Some(kept) = self.stale.take_if(|_| rules.use_stale.statuses.contains(&status)) {
            return Got::Kept(Status::Stale, kept);
        }
        if status == StatusCode::NOT_MODIFIED
            && let Some(kept) = self.stale.take_if(|_| rules.revalidate)
        {
            let kept = self.renew(kept, &head.headers, now).await;
            return Got::Kept(Status::Revalidated, kept);
        }
        if self.settings.intercepts(status) {
            return Got::Refused(self.intercept(head, now));
        }
        match self.deposit(exchange, &head, now) {
            Some(deposit) => Got::Stored(Box::new(head), Box::new(Filling::new(body, deposit))),
            None => Got::Passed(Box::new((head, body))),
        }
    }

    fn digest(&self) -> Digest {
        self.variant.as_ref().map_or(self.main, |(_, digest)| *digest)
    }

    /// How the upstream is asked: whether the stored answer is good still, where the configuration wants that.
    fn inquiry(&self) -> Inquiry {
        let field = |name| {
            let kept = self.stale.as_ref().filter(|_| self.settings.proxy.cache.revalidate)?;
            kept.stored.head.fields.get(name).cloned()
        };
        Inquiry { etag: field(&ETAG), modified: field(&LAST_MODIFIED) }
    }

    /// Notes that there is no answer to be had, where the configuration says for how long that counts.
    fn remember_failure(&self, status: StatusCode, now: u64) {
        let failed = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
        let span = freshness::configured(&self.settings.proxy.cache.valid, status);
        if let Some(span) = span.filter(|_| failed && self.storable) {
            self.zone.store_failure(&self.digest(), status, now.saturating_add(span));
        }
    }

    /// Has an `error_page` answer in place of the upstream, for as long as the upstream's answer would be fresh.
    fn intercept(&self, mut head: Head, now: u64) -> Refusal {
        let rules = &self.settings.proxy.cache;
        let fresh = freshness::judge(head.status, &head.headers, rules.ignored, &rules.valid, now);
        if let Some(fresh) = fresh.filter(|_| self.storable) {
            self.zone.store_failure(&self.digest(), head.status, fresh.until);
        }
        let challenge = head.headers.remove(&WWW_AUTHENTICATE).map(|value| (WWW_AUTHENTICATE, value));
        let field = challenge.filter(|_| head.status == StatusCode::UNAUTHORIZED);
        Refusal { status: head.status.as_u16(), field }
    }

    /// Gives the stored answer the freshness that the upstream's 304 gives it, or its own anew, and the 304's fields.
    async fn renew(&self, kept: Kept, fields: &Fields, now: u64) -> Kept {
        let rules = &self.settings.proxy.cache;
        let stored = &kept.stored;
        let says = [CACHE_CONTROL, EXPIRES, freshness::X_ACCEL_EXPIRES];
        let judged = |fields| freshness::judge(stored.head.status, fields, rules.ignored, &rules.valid, now);
        let freshness = if says.iter().any(|name| fields.has(name)) {
            judged(fields)
        } else {
            let mut own = stored.upstream_fields();
            // It is as new as the 304.
            own.remove(&AGE);
            own.remove(&DATE);
            judged(&own)
        };
        match freshness {
            None => kept,
            Some(freshness) => amend::renew(&self.zone, self.digest(), kept, fields, freshness).await,
        }
    }

    /// Where the answer with this head is put aside, if it is to be stored.
    fn deposit(&mut self, exchange: &mut Exchange, head: &Head, now: u64) -> Option<Deposit> {
        let rules = &self.settings.proxy.cache;
        if !self.storable || !is_buffered(rules, &head.headers) {
            return None;
        }
        if rules.no_cache.iter().any(Template::reads_upstream_headers) {
            exchange.upstream_headers.clone_from(&head.headers);
        }
        if rules.no_cache.iter().any(|text| text.holds(exchange)) {
            return None;
        }
        let freshness = freshness::judge(head.status, &head.headers, rules.ignored, &rules.valid, now)?;
        let asked = &exchange.parts.headers;
        // Who has the credentials in the key shares with nobody who has others.
        let apart = rules.key.as_ref().is_some_and(|key| key.has_request_field(&AUTHORIZATION));
        if asked.has(&AUTHORIZATION) && !apart && !freshness::is_shared_despite_credentials(&head.headers) {
            return None;
        }
        let vary = if rules.ignored.vary { Vec::new() } else { joined(&head.headers) };
        let variant = key::variant(&vary, asked);
        let digest = match &self.variant {
            Some((own, digest)) if *own == variant => *digest,
            _ => self.main,
        };
        let mut fields = head.headers.clone();
        headers::strip_one_hop(&mut fields);
        let reason = head.reason.as_deref().unwrap_or_default();
        let given = Given {
            key: &self.key,
            variant: &variant,
            vary: if variant.is_empty() { b"" } else { &vary },
            freshness,
            status: head.status,
            reason,
            fields: &fields,
        };
        let length = fields.get(&CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let room = length.filter(|length| *length <= SMALL).unwrap_or(0);
        let record = record::begin(&given, room);
        Some(Deposit::new(Arc::clone(&self.zone), digest, self.ticket.take(), record))
    }
}

/// Whether the answer is one that nginx would collect, and so could store.
fn is_buffered(rules: &CacheSettings, fields: &Fields) -> bool {
    match fields.get(&X_ACCEL_BUFFERING).filter(|_| !rules.ignored.accel_buffering) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"no") => false,
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"yes") => true,
        _ => !rules.unbuffered,
    }
}

/// Whether a stored answer is better than this failure.
fn bridges_error(kept: &Kept, rules: &CacheSettings, status: StatusCode, now: u64) -> bool {
    let use_stale = &rules.use_stale;
    let failed = match status {
        StatusCode::BAD_GATEWAY => use_stale.error || use_stale.statuses.contains(&status),
        StatusCode::GATEWAY_TIMEOUT => use_stale.timeout || use_stale.statuses.contains(&status),
        // What the client did wrong is no failure of an upstream.
        _ => return use_stale.statuses.contains(&status),
    };
    failed || kept.stored.head.freshness.bridges_error(now)
}

/// All lines of `Vary` as one.
fn joined(fields: &Fields) -> Vec<u8> {
    let lines: Vec<&[u8]> = fields.get_all(&VARY).map(HeaderValue::as_bytes).collect();
    lines.join(&b", "[..])
}

/// A future that comes to its end even when nobody waits for it any more.
pub(super) struct Outlive<F: Future + 'static>(Option<Pin<Box<F>>>);

impl<F: Future + 'static> Outlive<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future + 'static> Future for Outlive<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let Some(future) = &mut this.0 else { return Poll::Pending };
        let output = ready!(future.as_mut().poll(cx));
        this.0 = None;
        Poll::Ready(output)
    }
}

impl<F: Future + 'static> Drop for Outlive<F> {
    fn drop(&mut self) {
        if let Some(future) = self.0.take() {
            spawn_local(future);
        }
    }
}
