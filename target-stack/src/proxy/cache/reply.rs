//! What a client gets of an answer from the cache. Given an exchange and a stored answer, or one that passes and is being stored, it
//! gives head and body of the part that was asked for. It finds nothing, stores nothing and writes nothing.

use super::filling::{Filling, Passing};
use super::range::{self, Piece};
use super::replay::Replay;
use super::select::{self, Extent, Part};
use super::stored::{Body, Stored};
use crate::proxy::answer::Source;
use crate::proxy::config::Settings;
use crate::proxy::exchange::Exchange;
use crate::proxy::{gzip, headers};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode, response};
use hyper::ext::ReasonPhrase;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a client gets.
pub(crate) enum Reply {
    /// A page of the proxy's own, with these fields.
    Page(StatusCode, HeaderMap),
    Answer {
        status: StatusCode,
        /// Where it is not the usual one.
        reason: Option<ReasonPhrase>,
        fields: HeaderMap,
        source: Source,
    },
}

/// A stored answer that can be sent.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) stored: Arc<Stored>,
    /// Of an answer whose body is not in memory.
    pub(super) file: Option<Arc<File>>,
}

impl Reply {
    /// What the client gets of a stored answer.
    pub(super) fn stored(exchange: &mut Exchange, settings: &Settings, kept: &Kept) -> Self {
        let Kept { stored, file } = kept;
        if settings.logs.iter().any(|log| log.format.reads_upstream_headers()) {
            exchange.upstream_headers = stored.upstream_fields();
        }
        let mut fields = stored.fields(&settings.proxy.hide);
        let whole = Extent { length: stored.body.length(), most: usize::MAX };
        let extent = extent(exchange, settings, stored.head.status, &fields, stored.ranges.then_some(whole));
        let part = select::part(&exchange.parts.headers, stored.head.status, &fields, extent);
        let status = select::dress(&part, stored.head.status, &mut fields, extent);
        let source = match part {
            Part::Whole => body(stored, file.as_ref(), &[Piece::Span(0..whole.length)]),
            Part::Head => Source::Text(None),
            Part::Refused | Part::Beyond => return Self::Page(status, fields),
            Part::Span(span) => body(stored, file.as_ref(), &[Piece::Span(span)]),
            Part::Spans(spans) => body(stored, file.as_ref(), &in_parts(&spans, whole.length, &mut fields)),
        };
        let reason = stored.reason.clone().filter(|_| status == stored.head.status);
        Self::Answer { status, reason, fields, source }
    }

    /// What the client gets of an answer that is being stored.
    pub(super) fn passing(
        exchange: &Exchange,
        settings: &Settings,
        mut parts: response::Parts,
        passing: Passing,
    ) -> Self {
        let fields = &mut parts.headers;
        let given = parts.status;
        let takes_ranges = fields.contains_key(ACCEPT_RANGES);
        headers::for_client(fields, &settings.proxy.hide);
        fields.remove(ACCEPT_RANGES);
        let length = fields.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        // Once it has gone by there is no way back to a second range.
        let whole = length.filter(|_| takes_ranges).map(|length| Extent { length, most: 1 });
        let extent = extent(exchange, settings, given, fields, whole);
        let part = select::part(&exchange.parts.headers, given, fields, extent);
        let status = select::dress(&part, given, fields, extent);
        let filling = |range: Option<&Range<u64>>| Source::Streamed(Box::pin(Filling::new(passing, range)));
        let source = match &part {
            Part::Whole | Part::Spans(_) => filling(None),
            Part::Span(span) => filling(Some(span)),
            // It goes on being stored.
            Part::Head => filling(Some(&(0..0))),
            Part::Refused | Part::Beyond => {
                drop(filling(None));
                return Self::Page(status, parts.headers);
            }
        };
        let reason = parts.extensions.remove::<ReasonPhrase>().filter(|_| status == given);
        Self::Answer { status, reason, fields: parts.headers, source }
    }
}

/// The extent of an answer of which ranges can be given. What is compressed on its way is sent whole.
fn extent(
    exchange: &Exchange,
    settings: &Settings,
    status: StatusCode,
    fields: &HeaderMap,
    whole: Option<Extent>,
) -> Option<Extent> {
    whole.filter(|_| !gzip::applies(&settings.gzip, &exchange.parts, status, fields))
}

/// The pieces of an answer in parts, whose head `fields` becomes.
fn in_parts(spans: &[Range<u64>], length: u64, fields: &mut HeaderMap) -> Vec<Piece> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let boundary = format!("{:020}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let kind = fields.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let pieces = range::parts(spans, length, kind, &boundary);
    select::dress_parts(fields, &boundary, range::total(&pieces));
    pieces
}

/// `pieces` of the body of `stored`.
fn body(stored: &Stored, file: Option<&Arc<File>>, pieces: &[Piece]) -> Source {
    match (&stored.body, file) {
        (Body::Memory(bytes), _) => match pieces {
            [Piece::Span(span)] => slice(bytes, span).into(),
            _ => {
                let mut all = BytesMut::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => all.extend_from_slice(text),
                        Piece::Span(span) => all.extend_from_slice(&slice(bytes, span)),
                    }
                }
                all.freeze().into()
            }
        },
        (Body::File { start, .. }, Some(file)) => {
            Source::Streamed(Box::pin(Replay::new(Arc::clone(file), *start, pieces.to_vec())))
        }
        // Nobody gives a file's answer without the file.
        (Body::File { .. }, None) => Source::Text(None),
    }
}

fn slice(bytes: &Bytes, span: &Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
    bytes.slice(at(span.start)..at(span.end))
}
