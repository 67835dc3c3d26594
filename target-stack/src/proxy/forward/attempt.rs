//! One try at one server. Given its index, it gives the head of the server's answer with the connection that it came by, or says what
//! went wrong and whether the server may have seen the request. It never decides what becomes of a failure.

use super::{Passage, note};
use crate::pace;
use crate::proxy::exchange::Exchange;
use crate::proxy::headers::{self, Length};
use crate::proxy::link::{Asked, Coding, Framing, Head, Link, LinkError, Told};
use crate::proxy::upload::RequestBody;
use http::{Method, StatusCode};
use http_body::Body;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The kinds of failure that `proxy_next_upstream` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Timeout,
    InvalidHeader,
    /// An answer whose status is one of those that are asked of another server.
    Status,
}

/// A try that gave no answer.
pub(super) struct Failed {
    pub(super) kind: Kind,
    /// The server may have seen the request.
    pub(super) sent: bool,
    /// It happened on a connection that had been kept.
    pub(super) reused: bool,
    pub(super) reason: String,
}

impl Kind {
    /// What the client is told when no other server is asked.
    pub(super) fn refusal(self) -> StatusCode {
        if self == Self::Timeout { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY }
    }
}

impl Passage<'_> {
    /// Asks the server, by a kept connection unless it has to be a `fresh` one.
    pub(super) async fn ask(
        &self,
        exchange: &mut Exchange,
        peer: usize,
        fresh: bool,
        started: Instant,
    ) -> Result<((Head, Framing), Box<Link>), Failed> {
        let settings = &self.settings.proxy;
        let since = |now: Instant| Some(now.saturating_duration_since(started));
        let kept = if fresh { None } else { self.group.kept(peer) };
        let reused = kept.is_some();
        let link = match kept {
            Some(link) => Ok(link),
            None => {
                let address = self.group.settings().peers[peer].address;
                Link::connect(address, settings.connect_timeout, &self.worker.counters).await
            }
        };
        let result = match link {
            Ok(mut link) => {
                let now = if reused { started } else { pace::now() };
                note(exchange, |attempt| attempt.connect = since(now));
                let answer = self.converse(exchange, &mut link, now).await;
                let sent = link.has_sent();
                let doing = if sent {
                    "reading response header from upstream"
                } else {
                    "sending request to upstream"
                };
                answer.map(|answer| (answer, link)).map_err(|error| (error, doing))
            }
            Err(error) => Err((error, "connecting to upstream")),
        };
        match result {
            Ok((answer, link)) => {
                note(exchange, |attempt| {
                    attempt.header = since(pace::now());
                    attempt.status = Some(answer.0.status.as_u16());
                });
                Ok((answer, link))
            }
            Err((error, doing)) => {
                let failed = failed(error, reused, doing);
                note(exchange, |attempt| {
                    attempt.response = since(pace::now());
                    attempt.status = Some(failed.kind.refusal().as_u16());
                });
                Err(failed)
            }
        }
    }

    /// Sends the request by `link`, and gives the head of the answer.
    async fn converse(
        &self,
        exchange: &Exchange,
        link: &mut Link,
        now: Instant,
    ) -> Result<(Head, Framing), LinkError> {
        let (body, length) = self.body();
        let says = self.write_head(exchange, length, link.head());
        let asked = match self.method {
            Method::HEAD => Asked::Head,
            Method::CONNECT => Asked::Connect,
            _ => Asked::Other,
        };
        let coding = match length {
            Length::Known(length) => Coding::Length(length),
            Length::Chunked => Coding::Chunked,
            Length::Given | Length::Withheld => Coding::Length(0),
        };
        let told = Told { asked, close: says.close };
        let progress = || self.upload.as_ref().map_or(0, |upload| upload.received());
        let answer = link.ask(told, (body, coding), now, || self.patience(), progress).await?;
        let switched = answer.0.status == StatusCode::SWITCHING_PROTOCOLS;
        let heard_out = link.has_sent() && self.upload.as_ref().is_none_or(|upload| upload.ended());
        // Only a request that asked for another protocol gets it, and only once it is with the server to its end.
        if switched && !(says.upgrade && heard_out) {
            let reason = "upstream switched protocols unasked".to_owned();
            return Err(LinkError::Failed { sent: true, invalid: true, reason });
        }
        Ok(answer)
    }

    /// How long nothing may move: while the client's body is on its way it is the sending that is waited for.
    fn patience(&self) -> Duration {
        let settings = &self.settings.proxy;
        match &self.upload {
            Some(upload) if !upload.ended() => settings.send_timeout,
            _ => settings.read_timeout,
        }
    }

    /// The body that is sent, and what the head says of its length.
    fn body(&self) -> (RequestBody, Length) {
        match (&self.text, &self.upload) {
            (Some(text), _) => (RequestBody::Text(text.clone()), Length::Known(text.len() as u64)),
            (None, Some(upload)) => {
                let body = RequestBody::Client { upload: Rc::clone(upload), gone: false };
                let length = upload.length().or_else(|| body.size_hint().exact());
                (body, length.map_or(Length::Chunked, Length::Known))
            }
            (None, None) if self.settings.proxy.pass_body => (RequestBody::Empty, Length::Given),
            (None, None) => (RequestBody::Empty, Length::Withheld),
        }
    }

    /// Writes the request's head to `out`.
    fn write_head(&self, exchange: &Exchange, length: Length, out: &mut Vec<u8>) -> headers::Says {
        let settings = &self.settings.proxy;
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.target.path().as_bytes());
        if let Some(query) = self.target.query() {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        out.extend_from_slice(if settings.http11 { b" HTTP/1.1\r\n" } else { b" HTTP/1.0\r\n" });
        let says = headers::for_upstream(exchange, settings, length, out);
        out.extend_from_slice(b"\r\n");
        says
    }
}

fn failed(error: LinkError, reused: bool, doing: &str) -> Failed {
    match error {
        LinkError::Failed { sent, invalid, reason } => {
            let kind = if invalid { Kind::InvalidHeader } else { Kind::Error };
            Failed { kind, sent, reused, reason: format!("{reason} while {doing}") }
        }
        LinkError::TimedOut { sent } => Failed {
            kind: Kind::Timeout,
            sent,
            reused,
            reason: format!("upstream timed out (110: Connection timed out) while {doing}"),
        },
    }
}
