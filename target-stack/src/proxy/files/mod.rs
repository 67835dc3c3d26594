//! Static files: `root`, `alias`, `index`, `try_files`. Given an exchange whose location has no other handler, it gives the file with
//! its validators, the part of it that was asked for, or nginx's way to say why not. `path` makes paths, `open` looks at
//! them, `find` chooses among them, `body` sends them.

mod body;
mod find;
mod open;
mod path;

pub(crate) use body::FileBody;
pub(crate) use find::find;

use super::answer::{Content, Source};
use super::conditional::{self, Verdict};
use super::config::os_error;
use super::exchange::{Exchange, Tracked};
use super::headers::SERVER_NAME;
use super::location::escape_path;
use super::range::{self, Asked};
use super::route::{Next, Refusal};
use super::{calendar, own};
use body::Segment;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE, SERVER,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use open::{Found, Kind};
use path::Unmapped;
use rustix::io::Errno;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// `$document_root`.
pub(crate) fn document_root(exchange: &Exchange) -> Vec<u8> {
    path::root(exchange)
}

/// `$request_filename`.
pub(crate) fn request_filename(exchange: &Exchange) -> Vec<u8> {
    path::map(exchange).map(|mapped| mapped.path).unwrap_or_default()
}

/// The type that the ending of the current URI has, or else the default one.
pub(crate) fn content_type(exchange: &Exchange) -> Option<HeaderValue> {
    let settings = &exchange.location().settings.files;
    settings.types.of(exchange.uri()).or(settings.default_type.as_ref()).cloned()
}

/// The file of the current URI.
pub(crate) async fn answer(exchange: &mut Tracked) -> Result<Content, Next> {
    let method = &exchange.parts.method;
    if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return Err(Next::refuse(StatusCode::METHOD_NOT_ALLOWED));
    }
    if exchange.uri().ends_with(b"/") {
        return Err(find::index(exchange).await);
    }
    let mapped = path::map(exchange).map_err(|unmapped| unmapped_refusal(exchange, unmapped))?;
    let found = open::read(&mapped.path).await.map_err(|error| {
        let status = status_of(&error);
        let level = if status == StatusCode::INTERNAL_SERVER_ERROR { "crit" } else { "error" };
        log_failure(exchange, level, "open()", &mapped.path, &error);
        Next::refuse(status)
    })?;
    match found.kind {
        Kind::Directory => return Err(with_slash(exchange)),
        Kind::Other => {
            let path = String::from_utf8_lossy(&mapped.path).escape_debug().to_string();
            exchange.log("crit", format_args!("\"{path}\" is not a regular file"));
            return Err(Next::refuse(StatusCode::NOT_FOUND));
        }
        Kind::File => {}
    }
    if exchange.parts.method == Method::POST {
        return Err(Next::refuse(StatusCode::METHOD_NOT_ALLOWED));
    }
    content(exchange, found, mapped.path)
}

/// The answer with a file, or with as much of it as is wanted.
fn content(exchange: &mut Exchange, found: Found, path: Vec<u8>) -> Result<Content, Next> {
    let status = exchange.status_for(StatusCode::OK);
    let etag = format!("\"{:x}-{:x}\"", found.modified, found.size);
    let mut modified = Vec::new();
    calendar::http(Duration::from_secs(u64::try_from(found.modified).unwrap_or(0)), &mut modified);
    let mut fields = HeaderMap::new();
    fields.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    fields.extend(HeaderValue::from_str(&etag).ok().map(|etag| (ETAG, etag)));
    let kind = content_type(exchange);
    let all = [Segment::File(0..found.size)];
    if status != StatusCode::OK {
        // A page for an error is not what the request's conditions are about; nor is its age of interest.
        return Ok(whole(status, fields, kind, found, path, all.into()));
    }
    fields.extend(HeaderValue::from_bytes(&modified).ok().map(|modified| (LAST_MODIFIED, modified)));
    let request = &exchange.parts.headers;
    match conditional::judge(request, Some(etag.as_bytes()), Some(found.modified)) {
        Verdict::Send => {}
        Verdict::Failed => return Err(Next::refuse(StatusCode::PRECONDITION_FAILED)),
        Verdict::NotModified => return Ok(own::not_modified(exchange, fields)),
    }
    let asked = match request.get(RANGE) {
        Some(field) if conditional::range_holds(request, etag.as_bytes(), found.modified) => {
            range::parse(field.as_bytes(), found.size)
        }
        _ => Asked::All,
    };
    match asked {
        Asked::All => {
            fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            Ok(whole(status, fields, kind, found, path, all.into()))
        }
        Asked::Unsatisfiable => {
            let field = HeaderValue::try_from(range::no_range(found.size)).ok();
            let field = field.map(|value| (CONTENT_RANGE, value));
            Err(Next::Refuse(Refusal { status: StatusCode::RANGE_NOT_SATISFIABLE.as_u16(), field }))
        }
        Asked::Ranges(ranges) => {
            exchange.forget_status();
            Ok(partial(fields, kind, found, path, &ranges))
        }
    }
}

fn partial(
    mut fields: HeaderMap,
    kind: Option<HeaderValue>,
    found: Found,
    path: Vec<u8>,
    ranges: &[Range<u64>],
) -> Content {
    let status = StatusCode::PARTIAL_CONTENT;
    if let [range] = ranges {
        let field = HeaderValue::try_from(range::content_range(range, found.size)).ok();
        fields.extend(field.map(|value| (CONTENT_RANGE, value)));
        return whole(status, fields, kind, found, path, vec![Segment::File(range.clone())]);
    }
    static BOUNDARY: AtomicU64 = AtomicU64::new(0);
    let boundary = format!("{:020}", BOUNDARY.fetch_add(1, Ordering::Relaxed));
    let of_part = kind.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
    for range in ranges {
        segments.push(Segment::Text(range::part_head(&boundary, of_part, range, found.size).into()));
        segments.push(Segment::File(range.clone()));
    }
    segments.push(Segment::Text(range::parts_end(&boundary).into()));
    let kind = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")).ok();
    whole(status, fields, kind, found, path, segments)
}

fn whole(
    status: StatusCode,
    mut fields: HeaderMap,
    kind: Option<HeaderValue>,
    found: Found,
    path: Vec<u8>,
    segments: Vec<Segment>,
) -> Content {
    let body = FileBody::new(found.file, path, segments);
    fields.extend(kind.map(|kind| (CONTENT_TYPE, kind)));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(body.left()));
    Content { status, fields, source: Source::File(Box::new(body)), reason: None }
}

/// Sends the client to the directory that it asked for as if it were a file.
fn with_slash(exchange: &Tracked) -> Next {
    let mut target = Vec::new();
    escape_path(exchange.uri(), &mut target);
    target.push(b'/');
    if !exchange.args().is_empty() {
        target.push(b'?');
        target.extend_from_slice(exchange.args());
    }
    Next::redirect(exchange, 301, &target)
}

fn unmapped_refusal(exchange: &Tracked, unmapped: Unmapped) -> Next {
    let (level, status) = match unmapped {
        Unmapped::Displaced => ("alert", StatusCode::INTERNAL_SERVER_ERROR),
        Unmapped::Climbs => ("error", StatusCode::FORBIDDEN),
    };
    let location = exchange.location().pattern.text();
    match unmapped {
        Unmapped::Displaced => {
            exchange.log(
                level,
                format_args!("\"alias\" cannot be used in location \"{location}\" where URI was rewritten"),
            );
        }
        Unmapped::Climbs => {
            let uri = Bytes::copy_from_slice(exchange.uri());
            exchange.log(level, format_args!("unsafe URI \"{}\" was detected", uri.escape_ascii()));
        }
    }
    Next::refuse(status)
}

fn log_failure(exchange: &Tracked, level: &str, call: &str, path: &[u8], error: &io::Error) {
    let path = String::from_utf8_lossy(path).escape_debug().to_string();
    exchange.log(level, format_args!("{call} \"{path}\" failed ({})", os_error(error)));
}

fn has(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

fn is_missing(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::NAMETOOLONG].iter().any(|errno| has(error, *errno))
}

/// nginx's status for a file that cannot be opened.
fn status_of(error: &io::Error) -> StatusCode {
    if is_missing(error) {
        StatusCode::NOT_FOUND
    } else if [Errno::ACCESS, Errno::LOOP, Errno::MLINK].iter().any(|errno| has(error, *errno)) {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}
