//! What is sent of a file that was found. Given the file and the request, it gives the whole of it, some ranges, or that the client has
//! it already, with the validators that nginx makes of its size and its last change.

use super::body::{FileBody, Segment};
use super::content_type;
use super::open::Found;
use crate::proxy::answer::{Content, Source};
use crate::proxy::conditional::{self, Verdict};
use crate::proxy::exchange::Exchange;
use crate::proxy::fields::Fields;
use crate::proxy::headers::SERVER_NAME;
use crate::proxy::range::{self, Asked};
use crate::proxy::route::{Next, Refusal};
use crate::proxy::{calendar, own};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE, SERVER,
};
use http::{HeaderName, HeaderValue, StatusCode};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many multipart answers there were: no two of them have the same boundary.
static BOUNDARIES: AtomicU64 = AtomicU64::new(0);

/// A file on its way.
struct Sending {
    found: Found,
    path: Vec<u8>,
    kind: Option<HeaderValue>,
    fields: Fields,
}

/// The answer with `found`, which is at `path`.
pub(super) fn of(exchange: &mut Exchange, found: Found, path: Vec<u8>) -> Result<Content, Next> {
    let status = exchange.status_for(StatusCode::OK);
    let (size, modified) = (found.size, found.modified);
    let etag = format!("\"{modified:x}-{size:x}\"");
    let mut sending = Sending { found, path, kind: content_type(exchange), fields: Fields::new() };
    sending.field(SERVER, SERVER_NAME);
    sending.field(ETAG, &etag);
    if status != StatusCode::OK {
        // A page for an error is not what the request's conditions are about; nor is its age of interest.
        return Ok(sending.whole(status));
    }
    let mut date = Vec::new();
    calendar::http(Duration::from_secs(u64::try_from(modified).unwrap_or(0)), &mut date);
    sending.field(LAST_MODIFIED, &String::from_utf8_lossy(&date));
    let request = &exchange.parts.headers;
    match conditional::judge(request, Some(etag.as_bytes()), Some(modified)) {
        Verdict::Send => {}
        Verdict::Failed => return Err(Next::refuse(StatusCode::PRECONDITION_FAILED)),
        Verdict::NotModified => return Ok(own::not_modified(exchange, sending.fields)),
    }
    let asked = match request.get(&RANGE) {
        Some(field) if conditional::range_holds(request, Some(etag.as_bytes()), Some(modified)) => {
            range::parse(field.as_bytes(), size)
        }
        _ => Asked::All,
    };
    match asked {
        Asked::All => {
            sending.field(ACCEPT_RANGES, "bytes");
            Ok(sending.whole(status))
        }
        Asked::Unsatisfiable => {
            let field = HeaderValue::try_from(range::no_range(size)).ok();
            let field = field.map(|value| (CONTENT_RANGE, value));
            Err(Next::Refuse(Refusal { status: StatusCode::RANGE_NOT_SATISFIABLE.as_u16(), field }))
        }
        Asked::Ranges(ranges) => {
            exchange.forget_status();
            Ok(sending.ranges(&ranges))
        }
    }
}

impl Sending {
    /// Adds a field whose value is text.
    fn field(&mut self, name: HeaderName, value: &str) {
        self.fields.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
    }

    fn whole(self, status: StatusCode) -> Content {
        let all = Segment::File(0..self.found.size);
        self.send(status, vec![all])
    }

    fn ranges(mut self, ranges: &[Range<u64>]) -> Content {
        let status = StatusCode::PARTIAL_CONTENT;
        let size = self.found.size;
        if let [range] = ranges {
            self.field(CONTENT_RANGE, &range::content_range(range, size));
            return self.send(status, vec![Segment::File(range.clone())]);
        }
        let boundary = format!("{:020}", BOUNDARIES.fetch_add(1, Ordering::Relaxed));
        let multipart = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")).ok();
        let kind = std::mem::replace(&mut self.kind, multipart);
        let kind = kind.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
        for range in ranges {
            segments.push(Segment::Text(range::part_head(&boundary, kind, range, size).into()));
            segments.push(Segment::File(range.clone()));
        }
        segments.push(Segment::Text(range::parts_end(&boundary).into()));
        self.send(status, segments)
    }

    fn send(mut self, status: StatusCode, segments: Vec<Segment>) -> Content {
        let body = FileBody::new(self.found.file, self.path, segments);
        self.fields.extend(self.kind.map(|kind| (CONTENT_TYPE, kind)));
        self.fields.insert(CONTENT_LENGTH, HeaderValue::from(body.left()));
        Content { status, fields: self.fields, source: Source::File(Box::new(body)), reason: None }
    }
}
