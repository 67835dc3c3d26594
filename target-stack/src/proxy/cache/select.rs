//! Which part of an answer a request gets. Given the request's conditions and ranges and the head of an answer that is stored,
//! or is being stored, it chooses as nginx does (RFC 9110, sections 13 and 14) and makes the head say so. The upstream was asked
//! for the whole, without conditions. It touches no body.

use super::freshness;
use super::range::{self, Asked};
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::ops::Range;

/// The fields of a request that are answered here and never passed on.
pub(crate) const ANSWERED_HERE: [HeaderName; 6] =
    [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// The client has it already: 304.
    Head,
    /// The client wants another one: 412.
    Refused,
    /// One range: 206.
    Span(Range<u64>),
    /// Several ranges: 206.
    Spans(Vec<Range<u64>>),
    /// Ranges that lie past the end: 416.
    Beyond,
}

/// How many ranges of an answer can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The length of the whole, in bytes.
    pub(crate) length: u64,
    /// The most ranges of it: one while it passes by, any number when it is stored.
    pub(crate) most: usize,
}

/// The part of an answer, with the head `status` and `fields`, that a request with the fields `asked` gets; only the whole where
/// there is no `extent`.
pub(crate) fn part(
    asked: &HeaderMap,
    status: StatusCode,
    fields: &HeaderMap,
    extent: Option<Extent>,
) -> Part {
    if status != StatusCode::OK {
        return Part::Whole;
    }
    if let Some(part) = conditions(asked, fields) {
        return part;
    }
    let (Some(range), Some(extent)) = (asked.get(RANGE), extent) else { return Part::Whole };
    if !asked.get(IF_RANGE).is_none_or(|field| is_same(field, fields)) {
        return Part::Whole;
    }
    match range::read(range.as_bytes(), extent.length, extent.most) {
        Asked::Whole => Part::Whole,
        Asked::Unsatisfiable => Part::Beyond,
        Asked::Spans(spans) => match spans.as_slice() {
            [span] => Part::Span(span.clone()),
            _ => Part::Spans(spans),
        },
    }
}

/// nginx's `ngx_http_not_modified_header_filter`.
fn conditions(asked: &HeaderMap, fields: &HeaderMap) -> Option<Part> {
    let modified = || freshness::date(fields, &LAST_MODIFIED);
    let tag = fields.get(ETAG).map(HeaderValue::as_bytes);
    if asked.contains_key(IF_UNMODIFIED_SINCE) {
        let since = freshness::date(asked, &IF_UNMODIFIED_SINCE);
        if modified().is_none_or(|modified| since.is_none_or(|since| since < modified)) {
            return Some(Part::Refused);
        }
    }
    if asked.get(IF_MATCH).is_some_and(|list| !names_tag(list.as_bytes(), tag, false)) {
        return Some(Part::Refused);
    }
    let (since, none_match) = (asked.contains_key(IF_MODIFIED_SINCE), asked.get(IF_NONE_MATCH));
    if !since && none_match.is_none() {
        return None;
    }
    // As `if_modified_since exact`, nginx's default: the very same time.
    let is_modified =
        since && (modified().is_none() || modified() != freshness::date(asked, &IF_MODIFIED_SINCE));
    let is_other = none_match.is_some_and(|list| !names_tag(list.as_bytes(), tag, true));
    (!is_modified && !is_other).then_some(Part::Head)
}

/// Whether a list of tags has this one, or is `*`; `weak` tags count as strong ones where that is enough.
fn names_tag(list: &[u8], tag: Option<&[u8]>, weak: bool) -> bool {
    if list == b"*" {
        return true;
    }
    let bare = |tag: &[u8]| tag.strip_prefix(b"W/").filter(|_| weak).unwrap_or(tag).to_vec();
    // A comma within a tag cuts it in two, which then match nothing: as good as a change.
    tag.is_some_and(|tag| list.split(|byte| *byte == b',').any(|one| bare(one.trim_ascii()) == bare(tag)))
}

/// Whether `If-Range` names the answer that there is.
fn is_same(field: &HeaderValue, fields: &HeaderMap) -> bool {
    if field.as_bytes().ends_with(b"\"") {
        return fields.get(ETAG) == Some(field);
    }
    let named = field.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
    let modified = fields.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
    named.is_some() && named == modified.and_then(|text| httpdate::parse_http_date(text).ok())
}

/// Makes `fields` those of `part` of an answer with this extent, and gives its status.
pub(crate) fn dress(
    part: &Part,
    status: StatusCode,
    fields: &mut HeaderMap,
    extent: Option<Extent>,
) -> StatusCode {
    let length = extent.map_or(0, |extent| extent.length);
    match part {
        Part::Whole => {
            if extent.is_some() && status == StatusCode::OK {
                fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            }
            return status;
        }
        Part::Head => {
            for name in [ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE] {
                fields.remove(name);
            }
            return StatusCode::NOT_MODIFIED;
        }
        Part::Refused => {
            fields.clear();
            return StatusCode::PRECONDITION_FAILED;
        }
        Part::Beyond => {
            for name in [ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED] {
                fields.remove(name);
            }
            insert(fields, CONTENT_RANGE, format!("bytes */{length}"));
            return StatusCode::RANGE_NOT_SATISFIABLE;
        }
        Part::Span(span) => {
            insert(fields, CONTENT_RANGE, range::content_range(span, length));
            fields.insert(CONTENT_LENGTH, (span.end - span.start).into());
        }
        // The length follows from the parts, which have the type in them.
        Part::Spans(_) => {}
    }
    fields.remove(ACCEPT_RANGES);
    StatusCode::PARTIAL_CONTENT
}

/// Makes `fields` those of an answer in parts, which are `length` bytes long.
pub(crate) fn dress_parts(fields: &mut HeaderMap, boundary: &str, length: u64) {
    insert(fields, CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"));
    fields.insert(CONTENT_LENGTH, length.into());
}

fn insert(fields: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const LATER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

    fn map(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    fn stored() -> HeaderMap {
        map(&[(ETAG, "\"a\""), (LAST_MODIFIED, DATE), (CONTENT_TYPE, "text/html"), (CONTENT_LENGTH, "10")])
    }

    const TEN: Option<Extent> = Some(Extent { length: 10, most: usize::MAX });

    #[test]
    fn a_request_gets_the_part_that_it_asks_for() {
        let one = Part::Span(2..5);
        let rows = [
            (vec![], Part::Whole),
            (vec![(IF_NONE_MATCH, "\"a\"")], Part::Head),
            (vec![(IF_NONE_MATCH, "W/\"a\"")], Part::Head),
            (vec![(IF_NONE_MATCH, "\"x\", \"a\"")], Part::Head),
            (vec![(IF_NONE_MATCH, "*")], Part::Head),
            (vec![(IF_NONE_MATCH, "\"x\"")], Part::Whole),
            (vec![(IF_NONE_MATCH, "\"a")], Part::Whole),
            (vec![(IF_MODIFIED_SINCE, DATE)], Part::Head),
            (vec![(IF_MODIFIED_SINCE, LATER)], Part::Whole),
            (vec![(IF_MODIFIED_SINCE, "x")], Part::Whole),
            (vec![(IF_MODIFIED_SINCE, DATE), (IF_NONE_MATCH, "\"x\"")], Part::Whole),
            (vec![(IF_MODIFIED_SINCE, LATER), (IF_NONE_MATCH, "\"a\"")], Part::Whole),
            (vec![(IF_MATCH, "\"a\"")], Part::Whole),
            (vec![(IF_MATCH, "*")], Part::Whole),
            (vec![(IF_MATCH, "\"x\"")], Part::Refused),
            (vec![(IF_MATCH, "W/\"a\"")], Part::Refused),
            (vec![(IF_UNMODIFIED_SINCE, DATE)], Part::Whole),
            (vec![(IF_UNMODIFIED_SINCE, LATER)], Part::Whole),
            (vec![(IF_UNMODIFIED_SINCE, "Sun, 09 Sep 2001 01:46:39 GMT")], Part::Refused),
            (vec![(IF_UNMODIFIED_SINCE, "x")], Part::Refused),
            (vec![(RANGE, "bytes=2-4")], one.clone()),
            (vec![(RANGE, "bytes=2-4,6-7")], Part::Spans(vec![2..5, 6..8])),
            (vec![(RANGE, "bytes=20-")], Part::Beyond),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, "\"a\"")], one.clone()),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, "\"x\"")], Part::Whole),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, DATE)], one),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, LATER)], Part::Whole),
            (vec![(RANGE, "bytes=2-4"), (IF_NONE_MATCH, "\"a\"")], Part::Head),
        ];
        for (asked, want) in rows {
            assert_eq!(part(&map(&asked), StatusCode::OK, &stored(), TEN), want, "{asked:?}");
            assert_eq!(part(&map(&asked), StatusCode::NOT_FOUND, &stored(), TEN), Part::Whole, "{asked:?}");
        }
        let asked = map(&[(RANGE, "bytes=2-4")]);
        assert_eq!(part(&asked, StatusCode::OK, &stored(), None), Part::Whole);
        let bare = map(&[]);
        for (asked, want) in [
            ((IF_NONE_MATCH, "\"a\""), Part::Whole),
            ((IF_MODIFIED_SINCE, DATE), Part::Whole),
            ((IF_UNMODIFIED_SINCE, DATE), Part::Refused),
            ((IF_MATCH, "\"a\""), Part::Refused),
        ] {
            assert_eq!(
                part(&map(std::slice::from_ref(&asked)), StatusCode::OK, &bare, TEN),
                want,
                "{asked:?}"
            );
        }
    }

    #[test]
    fn the_head_says_which_part_it_is() {
        let rows = [
            (Part::Whole, 200, "accept-ranges content-length content-type etag last-modified"),
            (Part::Head, 304, "etag last-modified"),
            (Part::Refused, 412, ""),
            (Part::Beyond, 416, "content-range"),
            (Part::Span(2..5), 206, "content-length content-range content-type etag last-modified"),
        ];
        for (part, status, names) in rows {
            let mut fields = stored();
            assert_eq!(dress(&part, StatusCode::OK, &mut fields, TEN).as_u16(), status, "{part:?}");
            let mut left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
            left.sort_unstable();
            assert_eq!(left.join(" "), names, "{part:?}");
        }
        let mut fields = stored();
        dress(&Part::Span(2..5), StatusCode::OK, &mut fields, TEN);
        assert_eq!(
            (&fields[CONTENT_RANGE], &fields[CONTENT_LENGTH]),
            (&"bytes 2-4/10".parse().expect("a value"), &HeaderValue::from(3))
        );
    }
}
