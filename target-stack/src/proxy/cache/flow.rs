//! The way of a request through the cache. Given an exchange whose location has one, it finds the stored answer, reads it from its
//! file, waits for another request that fetches it, or has it fetched, all as nginx does, and gives what the client is to get. An
//! answer in memory that is fresh is given at once, without waiting for anything. It writes no head.

use super::content::{self, Kept};
use super::fetch::{Errand, Got, Outlive};
use super::index::{Found, Now};
use super::key::{self, Digest};
use super::meters::Status;
use super::stored::{Body, Stored};
use super::zone::{Ticket, Zone};
use crate::pace;
use crate::proxy::answer::{Content, Source};
use crate::proxy::config::{CacheSettings, Settings};
use crate::proxy::exchange::{Exchange, Tracked};
use crate::proxy::fields::Fields;
use crate::proxy::link::Head;
use crate::proxy::route::Next;
use crate::proxy::upload::Upload;
use crate::proxy::{headers, location, redirect};
use http::StatusCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// nginx's longest wait for another request before it looks again.
const LOOK: Duration = Duration::from_millis(500);

/// What the first look at the cache gives.
pub(crate) enum Begun {
    Ready(Result<Content, Next>),
    /// There is something to wait for.
    Away(Box<Visit>),
}

/// A request's visit to the cache.
pub(crate) struct Visit {
    zone: Arc<Zone>,
    settings: Arc<Settings>,
    key: Vec<u8>,
    main: Digest,
    /// The text by which this request differs from the key's first answer, and the place of its own.
    variant: Option<(Vec<u8>, Digest)>,
    /// What was found there, until it has been looked at.
    found: Option<Found>,
    bypass: bool,
    /// The directory was looked into although the index knew of no file.
    looked: bool,
    /// Until when it waits for others.
    patience: Option<Instant>,
    ticket: Option<Ticket>,
}

/// What a visit comes to.
enum Sought {
    Kept(Kept),
    Failed(StatusCode),
    /// It is to be fetched, and stored.
    Nothing,
    /// It is to be fetched, and not stored.
    Scarce,
}

/// How a stored answer suits a request.
enum Fit {
    Same,
    /// It is for requests that differ; this is what this one says.
    Other(Vec<u8>),
    /// It is of another key, whose digest is the same.
    Foreign,
}

/// Looks for the answer to `exchange`'s request; `None` where its location has no cache.
pub(crate) fn begin(exchange: &mut Tracked) -> Option<Begun> {
    let settings = Arc::clone(&exchange.location().settings);
    let rules = &settings.proxy.cache;
    let zone = Arc::clone(exchange.worker().caches.zone(rules.zone?)?);
    let key = stored_under(exchange, rules)?;
    let main = key::digest(&key);
    let bypass = rules.bypass.iter().any(|text| text.holds(exchange));
    let mut visit = Visit {
        zone,
        settings,
        key,
        main,
        variant: None,
        found: None,
        bypass,
        looked: false,
        patience: None,
        ticket: None,
    };
    let now = Now { instant: exchange.started, second: pace::wall_clock().as_secs() };
    match visit.look_in_memory(&exchange.parts.headers, now) {
        Some(stored) => {
            note(exchange, &visit.zone, Status::Hit);
            let kept = Kept { stored, file: None };
            Some(Begun::Ready(content::stored(exchange, &visit.settings, kept)))
        }
        None => Some(Begun::Away(Box::new(visit))),
    }
}

/// Notes how the request has fared.
fn note(exchange: &mut Exchange, zone: &Zone, status: Status) {
    exchange.cache = Some(status);
    zone.meters().answered(status);
}

/// What the answer is stored under: without `proxy_cache_key`, the URL that the upstream is asked for.
fn stored_under(exchange: &Exchange, rules: &CacheSettings) -> Option<Vec<u8>> {
    if let Some(key) = &rules.key {
        return Some(key.render(exchange));
    }
    const SCHEME: &str = "http://";
    let proxy = exchange.proxy()?;
    let target = location::target(exchange, proxy)?;
    let target = target.path_and_query()?.as_str();
    let mut key = Vec::with_capacity(SCHEME.len() + proxy.host.len() + target.len());
    for part in [SCHEME, &proxy.host, target] {
        key.extend_from_slice(part.as_bytes());
    }
    Some(key)
}

fn fit(stored: &Stored, key: &[u8], fields: &Fields) -> Fit {
    if stored.head.key != key {
        return Fit::Foreign;
    }
    if stored.head.vary.is_empty() {
        return Fit::Same;
    }
    let variant = key::variant(&stored.head.vary, fields);
    if stored.head.variant == variant { Fit::Same } else { Fit::Other(variant) }
}

impl Visit {
    /// The answer, if it is in memory and fresh.
    fn look_in_memory(&mut self, fields: &Fields, now: Now) -> Option<Arc<Stored>> {
        while !self.bypass {
            let found = self.zone.find(&self.digest(), now, self.settings.proxy.cache.min_uses, true);
            if let Found::Here(stored) = &found {
                match fit(stored, &self.key, fields) {
                    Fit::Other(variant) if self.variant.is_none() => {
                        self.take_variant(variant);
                        continue;
                    }
                    Fit::Same
                        if stored.head.freshness.is_fresh(now.second)
                            && matches!(stored.body, Body::Memory(_)) =>
                    {
                        return Some(Arc::clone(stored));
                    }
                    _ => {}
                }
            }
            self.found = Some(found);
            break;
        }
        None
    }

    /// Looks for the answer to requests that differ so from now on.
    fn take_variant(&mut self, variant: Vec<u8>) {
        let place = key::variant_digest(&self.main, &variant);
        self.variant = Some((variant, place));
    }

    /// Brings the visit to its end.
    pub(crate) async fn finish(
        mut self: Box<Self>,
        exchange: &mut Tracked,
        upload: Option<Rc<Upload>>,
    ) -> Result<Content, Next> {
        let sought = if self.bypass { Sought::Nothing } else { self.seek(&exchange.parts.headers).await };
        let storable = !matches!(sought, Sought::Scarce);
        let (status, stale) = match sought {
            Sought::Failed(status) => {
                note(exchange, &self.zone, Status::Hit);
                return Err(Next::refuse(status));
            }
            Sought::Kept(kept) => match self.use_of(&kept, exchange) {
                Status::Expired => (Status::Expired, Some(kept)),
                status => {
                    note(exchange, &self.zone, status);
                    return content::stored(exchange, &self.settings, kept);
                }
            },
            Sought::Nothing if self.bypass => (Status::Bypass, None),
            Sought::Nothing | Sought::Scarce => (Status::Miss, None),
        };
        exchange.cache = Some(status);
        let errand = self.errand(stale, storable);
        let got = fetched(errand, exchange, upload).await;
        let status = if let Got::Kept(status, _) = &got { *status } else { status };
        note(exchange, &self.zone, status);
        self.content(exchange, got)
    }

    fn content(&self, exchange: &mut Tracked, got: Got) -> Result<Content, Next> {
        let settings = &self.settings;
        let head = match &got {
            Got::Kept(..) | Got::Refused(_) => None,
            Got::Stored(head, _) => Some(&head.headers),
            Got::Passed(answer) => Some(&answer.0.headers),
        };
        if let Some(fields) = head
            && settings.reads_upstream_headers()
        {
            exchange.upstream_headers.clone_from(fields);
        }
        match got {
            Got::Kept(_, kept) => content::stored(exchange, settings, kept),
            Got::Refused(refusal) => Err(Next::Refuse(refusal)),
            Got::Stored(head, filling) => content::passing(exchange, settings, *head, filling),
            Got::Passed(answer) => {
                let (Head { status, reason, headers: mut fields }, body) = *answer;
                headers::for_client(&mut fields, &settings.proxy.hide);
                redirect::rewrite(&mut fields, &settings.proxy.redirect, exchange);
                Ok(Content { status, fields, source: Source::Upstream(body), reason })
            }
        }
    }

    fn errand(&mut self, stale: Option<Kept>, storable: bool) -> Errand {
        Errand {
            zone: Arc::clone(&self.zone),
            settings: Arc::clone(&self.settings),
            key: std::mem::take(&mut self.key),
            main: self.main,
            variant: self.variant.take(),
            ticket: self.ticket.take(),
            stale,
            storable,
        }
    }

    fn digest(&self) -> Digest {
        self.variant.as_ref().map_or(self.main, |(_, digest)| *digest)
    }

    /// Finds the answer, or the right to fetch it.
    async fn seek(&mut self, fields: &Fields) -> Sought {
        let rules = &Arc::clone(&self.settings).proxy.cache;
        let mut counts = false;
        loop {
            let digest = self.digest();
            let found = self.found.take().unwrap_or_else(|| self.look(&digest, rules, counts));
            counts = false;
            let stored = match found {
                Found::Here(stored) => stored,
                Found::OnDisk(stamp) => match self.zone.load(digest, stamp).await {
                    Some(stored) => stored,
                    // It is forgotten now.
                    None => continue,
                },
                Found::Failed(status) => return Sought::Failed(status),
                Found::Nothing | Found::Scarce if self.zone.is_loading() && !self.looked => {
                    self.looked = true;
                    match self.zone.load(digest, None).await {
                        Some(stored) => stored,
                        None => continue,
                    }
                }
                Found::Scarce => return Sought::Scarce,
                Found::Nothing if !rules.lock => return Sought::Nothing,
                Found::Nothing => match self.claim(&digest, rules).await {
                    Some(sought) => return sought,
                    None => continue,
                },
            };
            match fit(&stored, &self.key, fields) {
                Fit::Same => {}
                Fit::Other(variant) if self.variant.is_none() => {
                    self.take_variant(variant);
                    (self.looked, counts) = (false, true);
                    continue;
                }
                Fit::Other(_) | Fit::Foreign => return Sought::Nothing,
            }
            let mut file = None;
            if let Body::File { stamp, .. } = &stored.body {
                file = self.zone.open_file(digest, *stamp).await;
                if file.is_none() {
                    continue;
                }
            }
            return Sought::Kept(Kept { stored, file });
        }
    }

    fn look(&self, digest: &Digest, rules: &CacheSettings, counts: bool) -> Found {
        let now = Now { instant: pace::now(), second: pace::wall_clock().as_secs() };
        self.zone.find(digest, now, rules.min_uses, counts)
    }

    /// Asks for the right to fetch the answer, or waits for another request that has it. `None` where it is worth looking again.
    async fn claim(&mut self, digest: &Digest, rules: &CacheSettings) -> Option<Sought> {
        let now = pace::now();
        let ended = match self.zone.claim(digest, now, Some(now + rules.lock_age)) {
            Err(ended) => ended,
            Ok(ticket) => {
                // The one before may have ended between the look and the claim.
                let found = self.look(digest, rules, false);
                if !matches!(found, Found::Nothing) {
                    self.found = Some(found);
                    return None;
                }
                self.ticket = Some(ticket);
                return Some(Sought::Nothing);
            }
        };
        let left = self.patience.get_or_insert(now + rules.lock_timeout).saturating_duration_since(now);
        if left.is_zero() {
            self.zone.meters().gave_up.inc();
            return Some(Sought::Scarce);
        }
        if pace::within(left.min(LOOK), ended).await.is_some() {
            self.zone.meters().waited.inc();
        }
        None
    }

    /// What is done with a stored answer: it is sent, or, where that is [`Status::Expired`], asked for again.
    fn use_of(&mut self, kept: &Kept, exchange: &Tracked) -> Status {
        let settings = Arc::clone(&self.settings);
        let rules = &settings.proxy.cache;
        let second = pace::wall_clock().as_secs();
        let freshness = &kept.stored.head.freshness;
        if freshness.is_fresh(second) {
            return Status::Hit;
        }
        let bridges = rules.use_stale.updating || freshness.bridges_update(second);
        match self.zone.claim(&self.digest(), pace::now(), None) {
            Ok(ticket) => {
                self.ticket = Some(ticket);
                if !(bridges && rules.background_update) {
                    return Status::Expired;
                }
                self.update_behind(kept, exchange);
                Status::Stale
            }
            Err(_) if bridges => Status::Updating,
            Err(_) => Status::Expired,
        }
    }

    /// Has the answer fetched without a client.
    fn update_behind(&mut self, kept: &Kept, exchange: &Tracked) {
        let stale = Kept { stored: Arc::clone(&kept.stored), file: None };
        let errand = self.errand(Some(stale), true);
        let (worker, mut again) = (Rc::clone(exchange.worker()), exchange.again());
        spawn_local(async move { drop(errand.ask(&worker, &mut again, None).await) });
    }
}

/// What comes of `errand`, and into `exchange` what the asking was like.
async fn fetched(errand: Errand, exchange: &mut Tracked, upload: Option<Rc<Upload>>) -> Got {
    let worker = Rc::clone(exchange.worker());
    if !errand.storable {
        return errand.ask(&worker, exchange, upload).await;
    }
    // Others may be waiting for the answer when this client no longer is.
    let mut again = exchange.again();
    let asking = async move {
        let got = errand.ask(&worker, &mut again, upload).await;
        (got, again)
    };
    let (got, again) = Outlive::new(asking).await;
    exchange.attempts = again.attempts;
    got
}
