//! Compression on the way to the client. Given a request, the head of its answer and what the location says, it decides as nginx
//! does whether the answer is compressed, and makes the head say so; given the body's pieces, it gives those of the compressed
//! one as they come. A location without gzip pays one look at a flag.

use super::cache::freshness::date;
use super::config::{GzipSettings, Proxied};
use super::fields::Fields;
use super::request::Parts;
use crate::pace;
use bytes::Bytes;
use flate2::{Compress, CompressError, Compression, FlushCompress, Status};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED, VARY, VIA,
};
use http::{HeaderName, HeaderValue, StatusCode, Version};
use http_body::Frame;
use std::task::{Poll, ready};

/// The largest window of deflate, as a power of two.
const WINDOW: u8 = 15;
/// zlib's window is so much smaller than its name says.
const WINDOW_LOST: u64 = 262;
/// Less than this is not handed on before the end.
const PIECE: usize = 4 << 10;

/// Whether an answer with this head is compressed for this request.
pub(crate) fn applies(settings: &GzipSettings, request: &Parts, status: StatusCode, fields: &Fields) -> bool {
    settings.on && suits(settings, status, fields) && is_wanted(settings, request, fields)
}

/// Makes `fields` those of the answer as it is sent, and gives what compresses it, if that is to be done.
pub(crate) fn settle(
    settings: &GzipSettings,
    request: &Parts,
    status: StatusCode,
    fields: &mut Fields,
) -> Option<Box<Encoder>> {
    if !settings.on || !suits(settings, status, fields) {
        return None;
    }
    let wanted = is_wanted(settings, request, fields);
    if settings.vary {
        fields.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if !wanted {
        return None;
    }
    fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let length = fields.remove(&CONTENT_LENGTH).and_then(|value| number(&value));
    fields.remove(&ACCEPT_RANGES);
    if let Some(tag) = fields.remove(&ETAG).and_then(|tag| weak(&tag)) {
        fields.insert(ETAG, tag);
    }
    Some(Box::new(Encoder::new(settings.level, length)))
}

/// Whether it is an answer of a kind that is compressed.
fn suits(settings: &GzipSettings, status: StatusCode, fields: &Fields) -> bool {
    matches!(status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        && fields.get(&CONTENT_ENCODING).is_none_or(HeaderValue::is_empty)
        && fields.get(&CONTENT_LENGTH).and_then(number).is_none_or(|length| length >= settings.min_length)
        && fields.get(&CONTENT_TYPE).is_some_and(|kind| has_type(settings, kind.as_bytes()))
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

fn has_type(settings: &GzipSettings, kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let same = |one: &String| one.as_bytes().eq_ignore_ascii_case(kind);
    !kind.is_empty() && settings.types.as_ref().is_none_or(|types| types.iter().any(same))
}

/// Whether the client takes it, by itself and through the proxies on its way.
fn is_wanted(settings: &GzipSettings, request: &Parts, fields: &Fields) -> bool {
    let asked = &request.headers;
    (settings.old_clients || request.version >= Version::HTTP_11)
        && asked.get_all(&ACCEPT_ENCODING).any(|list| takes_gzip(list.as_bytes()))
        && (!asked.has(&VIA) || may_be_proxied(settings.proxied, asked, fields))
}

/// Whether a list of codings has gzip, and not with a weight of 0.
fn takes_gzip(list: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|coding| {
        let mut parts = coding.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"gzip"))
            && parts.next().is_none_or(|weight| match weight {
                [b'q' | b'Q', b'=', weight @ ..] => is_positive(weight),
                _ => false,
            })
    })
}

/// Whether a weight (RFC 9110, section 12.4.2) is one, and more than 0.
fn is_positive(weight: &[u8]) -> bool {
    match weight {
        [b'1'] => true,
        [b'1', b'.', rest @ ..] => rest.len() <= 3 && rest.iter().all(|digit| *digit == b'0'),
        [b'0', b'.', rest @ ..] => {
            rest.len() <= 3 && rest.iter().all(u8::is_ascii_digit) && rest.iter().any(|digit| *digit != b'0')
        }
        _ => false,
    }
}

/// nginx's `gzip_proxied`.
fn may_be_proxied(proxied: Proxied, asked: &Fields, fields: &Fields) -> bool {
    if proxied == Proxied::default() {
        return false;
    }
    if proxied.any || (proxied.auth && asked.has(&AUTHORIZATION)) {
        return true;
    }
    if fields.has(&EXPIRES) {
        let now = date(fields, &http::header::DATE).unwrap_or_else(|| pace::wall_clock().as_secs());
        return proxied.expired && date(fields, &EXPIRES).is_some_and(|expires| expires < now);
    }
    if fields.has(&CACHE_CONTROL) {
        let says = |word: &[u8]| {
            fields
                .get_all(&CACHE_CONTROL)
                .any(|value| value.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
        };
        return (proxied.no_cache && says(b"no-cache"))
            || (proxied.no_store && says(b"no-store"))
            || (proxied.private && says(b"private"));
    }
    let lacks = |name: HeaderName| !fields.has(&name);
    (!proxied.no_last_modified || lacks(LAST_MODIFIED)) && (!proxied.no_etag || lacks(ETAG))
}

/// The tag of an answer that is the same in meaning and not in bytes; none of one that is malformed.
fn weak(tag: &HeaderValue) -> Option<HeaderValue> {
    match tag.as_bytes() {
        [b'W', b'/', ..] => Some(tag.clone()),
        [b'"', ..] => HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok(),
        _ => None,
    }
}

/// A body on its way through the compressor.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// Until all is out.
    compress: Option<Compress>,
    out: Vec<u8>,
}

impl Encoder {
    /// For a body of `length` bytes, if that is known: a window larger than that is of no use.
    fn new(level: u32, length: Option<u64>) -> Self {
        let mut window = WINDOW;
        while window > 9 && length.is_some_and(|length| length + WINDOW_LOST < 1 << (window - 1)) {
            window -= 1;
        }
        let compress = Compress::new_gzip(Compression::new(level), window);
        Self { compress: Some(compress), out: Vec::new() }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.compress.is_none() && self.out.is_empty()
    }

    /// The next compressed piece of the body whose pieces `next` gives.
    pub(crate) fn poll_frame<E: From<CompressError>>(
        &mut self,
        mut next: impl FnMut() -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        while let Some(compress) = &mut self.compress {
            match ready!(next()).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => {
                    squeeze(compress, &data, &mut self.out, FlushCompress::None)?;
                    if self.out.len() >= PIECE {
                        break;
                    }
                }
                // Trailers, which nothing that is compressed here has.
                Some(Err(_)) => {}
                None => {
                    squeeze(compress, &[], &mut self.out, FlushCompress::Finish)?;
                    self.compress = None;
                }
            }
        }
        let out = std::mem::take(&mut self.out);
        Poll::Ready((!out.is_empty()).then(|| Ok(Frame::data(out.into()))))
    }
}

/// Compresses all of `data`, and with [`FlushCompress::Finish`] all that is left.
fn squeeze(
    compress: &mut Compress,
    mut data: &[u8],
    out: &mut Vec<u8>,
    flush: FlushCompress,
) -> Result<(), CompressError> {
    loop {
        out.reserve(PIECE);
        let before = compress.total_in();
        let status = compress.compress_vec(data, out, flush)?;
        data = &data[usize::try_from(compress.total_in() - before).unwrap_or(data.len())..];
        // Space that is left over says that nothing more comes out.
        if status == Status::StreamEnd || (data.is_empty() && out.len() < out.capacity()) {
            return Ok(());
        }
    }
}

#[cfg(test)]
#[path = "gzip_tests.rs"]
mod tests;
