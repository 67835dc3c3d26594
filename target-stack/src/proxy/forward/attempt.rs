//! One try at one server. Given its index, it gives the head of the server's answer with the connection that it came by, or says what
//! went wrong and whether the server may have seen the request. It never decides what becomes of a failure.

use super::{Passage, note};
use crate::pace;
use crate::proxy::exchange::Exchange;
use crate::proxy::headers;
use crate::proxy::pool::{Link, LinkError};
use crate::proxy::upload::RequestBody;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::rc::Rc;
use std::time::Duration;

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
    ) -> Result<(Response<Incoming>, Box<Link>), Failed> {
        let settings = &self.settings.proxy;
        let started = pace::now();
        note(exchange, |attempt| attempt.started = started);
        let since = || Some(pace::now().saturating_duration_since(started));
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
                note(exchange, |attempt| attempt.connect = since());
                let request = self.request(exchange);
                let progress = || self.upload.as_ref().map_or(0, |upload| upload.received());
                let answer = link.send(request, || self.patience(), progress).await;
                answer
                    .and_then(|response| {
                        proper(response, || self.may_switch(exchange)).map(|response| (response, link))
                    })
                    .map_err(|e| (e, "reading response header from upstream"))
            }
            Err(error) => Err((error, "connecting to upstream")),
        };
        match result {
            Ok((response, link)) => {
                note(exchange, |attempt| {
                    attempt.header = since();
                    attempt.status = Some(response.status().as_u16());
                });
                Ok((response, link))
            }
            Err((error, doing)) => {
                let failed = failed(error, reused, doing);
                note(exchange, |attempt| {
                    attempt.response = since();
                    attempt.status = Some(failed.kind.refusal().as_u16());
                });
                Err(failed)
            }
        }
    }

    /// Whether the request asked for another protocol, and is with the server to its end. One whose answer is stored did not.
    fn may_switch(&self, exchange: &Exchange) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.ended())
            && headers::for_upstream(exchange, &self.settings.proxy).contains_key(UPGRADE)
    }

    /// How long nothing may move: while the client's body is on its way it is the sending that is waited for.
    fn patience(&self) -> Duration {
        let settings = &self.settings.proxy;
        match &self.upload {
            Some(upload) if !upload.ended() => settings.send_timeout,
            _ => settings.read_timeout,
        }
    }

    fn request(&self, exchange: &Exchange) -> Request<RequestBody> {
        let settings = &self.settings.proxy;
        let mut fields = headers::for_upstream(exchange, settings);
        let body = match (&self.text, &self.upload) {
            (Some(text), _) => {
                fields.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
                RequestBody::Text(text.clone())
            }
            (None, Some(upload)) => {
                if let Some(length) = upload.length() {
                    fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
                RequestBody::Client { upload: Rc::clone(upload), gone: 0 }
            }
            (None, None) => {
                if !settings.pass_body {
                    fields.remove(CONTENT_LENGTH);
                }
                RequestBody::Empty
            }
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.target);
        *request.version_mut() = if settings.http11 { Version::HTTP_11 } else { Version::HTTP_10 };
        *request.headers_mut() = fields;
        request
    }
}

/// An answer that can be read in one way only. What hyper lets pass and another reader might read otherwise is none: as newer versions
/// of nginx have it, a length beside a transfer coding, a repeated length, a coding other than chunked (RFC 9112, section 6.3).
/// Whether it may switch protocols is asked where it does.
fn proper(
    response: Response<Incoming>,
    may_switch: impl FnOnce() -> bool,
) -> Result<Response<Incoming>, LinkError> {
    let fields = response.headers();
    let wrong = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        (!may_switch()).then_some("upstream switched protocols unasked")
    } else if fields.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        Some("upstream sent duplicate header line: \"Content-Length\"")
    } else {
        let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (None, _) => None,
            (Some(_), _) if fields.contains_key(CONTENT_LENGTH) => {
                Some("upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time")
            }
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
            (Some(_), _) => Some("upstream sent unknown \"Transfer-Encoding\""),
        }
    };
    match wrong {
        None => Ok(response),
        Some(reason) => Err(LinkError::Failed { sent: true, invalid: true, reason: reason.to_owned() }),
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
