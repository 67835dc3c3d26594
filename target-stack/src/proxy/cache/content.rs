//! What is sent of an answer from the cache. Given an exchange and a stored answer, or one that passes and is being stored, it gives
//! head and body of the part that was asked for, or nginx's way to say why not. It finds nothing and stores nothing.

use super::filling::Filling;
use super::select::{self, Extent, Part};
use super::stored::{Body, Stored};
use crate::pace;
use crate::proxy::answer::{Content, Source};
use crate::proxy::config::Settings;
use crate::proxy::exchange::Tracked;
use crate::proxy::fields::Fields;
use crate::proxy::files::{FileBody, Segment};
use crate::proxy::link::Head;
use crate::proxy::range;
use crate::proxy::route::{self, Next, Refusal};
use crate::proxy::{gzip, headers, own, redirect};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, SERVER};
use http::{HeaderValue, StatusCode};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stored answer that can be sent.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stored: Arc<Stored>,
    /// Of an answer whose body is not in memory.
    pub(super) file: Option<File>,
}

/// What the client gets of a stored answer.
pub(super) fn stored(exchange: &mut Tracked, settings: &Settings, kept: Kept) -> Result<Content, Next> {
    let Kept { stored, file } = kept;
    if settings.reads_upstream_headers() {
        exchange.upstream_headers = stored.upstream_fields();
    }
    let status = stored.head.status;
    let mut fields = stored.fields(&settings.proxy.hide);
    redirect::rewrite(&mut fields, &settings.proxy.redirect, exchange);
    // RFC 9111, section 5.1. Who hides it keeps it hidden.
    if !settings.proxy.hide.contains(&AGE) {
        fields.insert(AGE, stored.head.freshness.age(pace::wall_clock().as_secs()).into());
    }
    let whole = Extent { length: stored.body.length(), most: usize::MAX };
    let part = choose(exchange, settings, status, &fields, stored.ranges.then_some(whole));
    select::dress(&part, whole.length, &mut fields);
    let segments = match part {
        Part::Whole => vec![Segment::File(0..whole.length)],
        Part::Head => return Ok(not_modified(exchange, fields)),
        Part::Refused => return Err(Next::refuse(StatusCode::PRECONDITION_FAILED)),
        Part::Beyond => return beyond(exchange, fields),
        Part::Span(span) => {
            exchange.forget_status();
            let source = body(&stored, file, vec![Segment::File(span)]);
            return Ok(Content { status: StatusCode::PARTIAL_CONTENT, fields, source, reason: None });
        }
        Part::Spans(spans) => {
            exchange.forget_status();
            let segments = in_parts(&spans, whole.length, &mut fields);
            let source = body(&stored, file, segments);
            return Ok(Content { status: StatusCode::PARTIAL_CONTENT, fields, source, reason: None });
        }
    };
    let source = body(&stored, file, segments);
    Ok(Content { status, fields, source, reason: stored.reason.clone() })
}

/// What the client gets of an answer that is being stored.
pub(super) fn passing(
    exchange: &mut Tracked,
    settings: &Settings,
    head: Head,
    mut filling: Box<Filling>,
) -> Result<Content, Next> {
    let Head { status, reason, headers: mut fields } = head;
    let takes_ranges = fields.has(&ACCEPT_RANGES);
    headers::for_client(&mut fields, &settings.proxy.hide);
    redirect::rewrite(&mut fields, &settings.proxy.redirect, exchange);
    fields.remove(&ACCEPT_RANGES);
    let length = fields.get(&CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // Once it has gone by there is no way back to a second range.
    let whole = length.filter(|_| takes_ranges).map(|length| Extent { length, most: 1 });
    if whole.is_some() && status == StatusCode::OK {
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    let part = choose(exchange, settings, status, &fields, whole);
    select::dress(&part, length.unwrap_or(0), &mut fields);
    let (status, reason) = match &part {
        Part::Whole | Part::Spans(_) => (status, reason),
        // It goes on being stored without this client, and so below.
        Part::Head => return Ok(not_modified(exchange, fields)),
        Part::Refused => return Err(Next::refuse(StatusCode::PRECONDITION_FAILED)),
        Part::Beyond => return beyond(exchange, fields),
        Part::Span(span) => {
            exchange.forget_status();
            filling.narrow(span);
            (StatusCode::PARTIAL_CONTENT, None)
        }
    };
    Ok(Content { status, fields, source: Source::Stored(Box::into_pin(filling)), reason })
}

/// The part of an answer that is sent: all of one that is the page for an error. What is compressed on its way has no ranges.
fn choose(
    exchange: &Tracked,
    settings: &Settings,
    status: StatusCode,
    fields: &Fields,
    whole: Option<Extent>,
) -> Part {
    if exchange.status_for(status) != StatusCode::OK {
        return Part::Whole;
    }
    let extent = whole.filter(|_| !gzip::applies(&settings.gzip, &exchange.parts, status, fields));
    select::part(&exchange.parts.headers, fields, extent)
}

fn not_modified(exchange: &mut Tracked, fields: Fields) -> Content {
    exchange.forget_status();
    Content { status: StatusCode::NOT_MODIFIED, fields, source: Source::Text(None), reason: None }
}

/// The page for ranges past the end, which has fields of the answer beside its own.
fn beyond(exchange: &mut Tracked, mut fields: Fields) -> Result<Content, Next> {
    fields.remove(&SERVER);
    let field = fields.remove(&CONTENT_RANGE).map(|range| (CONTENT_RANGE, range));
    let refusal = Refusal { status: StatusCode::RANGE_NOT_SATISFIABLE.as_u16(), field };
    match route::report(exchange, refusal) {
        Ok(next) => Err(next),
        Err(refusal) => {
            let mut content = own::page(exchange, refusal);
            content.fields.replace(fields);
            Ok(content)
        }
    }
}

/// The segments of an answer in parts, whose head `fields` becomes.
fn in_parts(spans: &[Range<u64>], length: u64, fields: &mut Fields) -> Vec<Segment> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let boundary = format!("{:020}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let multipart = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"));
    let kind = multipart.ok().and_then(|multipart| fields.insert(CONTENT_TYPE, multipart));
    let kind = kind.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    let mut segments = Vec::with_capacity(2 * spans.len() + 1);
    for span in spans {
        segments.push(Segment::Text(range::part_head(&boundary, kind, span, length).into()));
        segments.push(Segment::File(span.clone()));
    }
    segments.push(Segment::Text(range::parts_end(&boundary).into()));
    let all = segments.iter().map(|segment| match segment {
        Segment::Text(text) => text.len() as u64,
        Segment::File(span) => span.end - span.start,
    });
    fields.insert(CONTENT_LENGTH, all.sum::<u64>().into());
    segments
}

/// `segments` of the body of `stored`.
fn body(stored: &Stored, file: Option<File>, mut segments: Vec<Segment>) -> Source {
    let (start, file) = match (&stored.body, file) {
        (Body::Memory(bytes), _) => return in_memory(bytes, &segments),
        (Body::File { start, .. }, Some(file)) => (*start, file),
        // Nobody gives a file's answer without the file.
        (Body::File { .. }, None) => return Source::Text(None),
    };
    for segment in &mut segments {
        if let Segment::File(span) = segment {
            *span = span.start + start..span.end + start;
        }
    }
    let path = stored.head.key.to_vec();
    Source::File(Box::new(FileBody::new(file.into(), path, segments)))
}

fn in_memory(bytes: &Bytes, segments: &[Segment]) -> Source {
    let slice = |span: &Range<u64>| {
        let at = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
        bytes.slice(at(span.start)..at(span.end))
    };
    if let [Segment::File(span)] = segments {
        return Source::text(slice(span));
    }
    let mut all = BytesMut::new();
    for segment in segments {
        match segment {
            Segment::Text(text) => all.extend_from_slice(text),
            Segment::File(span) => all.extend_from_slice(&slice(span)),
        }
    }
    Source::text(all.freeze())
}
