//! Which part of an answer a request gets. Given the request's conditions and ranges and the head of an answer that is stored, or is
//! being stored, it chooses as nginx does (RFC 9110, sections 13 and 14) and makes the head say so. The upstream was asked for
//! the whole, without conditions. It touches no body.

use crate::proxy::calendar;
use crate::proxy::conditional::{self, Verdict};
use crate::proxy::fields::Fields;
use crate::proxy::range::{self, Asked};
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderName, HeaderValue};
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

/// The part of an answer of status 200, with the head `fields`, that a request with the fields `asked` gets; no range of it where
/// there is no `extent`.
pub(crate) fn part(asked: &Fields, fields: &Fields, extent: Option<Extent>) -> Part {
    // What nearly all requests get is not to cost the reading of dates.
    if !ANSWERED_HERE.iter().any(|name| asked.has(name)) {
        return Part::Whole;
    }
    let tag = fields.get(&ETAG).map(HeaderValue::as_bytes);
    let modified = fields.get(&LAST_MODIFIED).and_then(|value| calendar::parse_http(value.as_bytes()));
    match conditional::judge(asked, tag, modified) {
        Verdict::Send => {}
        Verdict::NotModified => return Part::Head,
        Verdict::Failed => return Part::Refused,
    }
    let (Some(range), Some(extent)) = (asked.get(&RANGE), extent) else { return Part::Whole };
    if !conditional::range_holds(asked, tag, modified) {
        return Part::Whole;
    }
    match range::parse(range.as_bytes(), extent.length) {
        Asked::All => Part::Whole,
        Asked::Unsatisfiable => Part::Beyond,
        Asked::Ranges(ranges) => match ranges.as_slice() {
            [range] => Part::Span(range.clone()),
            several if several.len() > extent.most => Part::Whole,
            _ => Part::Spans(ranges),
        },
    }
}

/// Makes `fields` those of `part` of an answer of this length; of parts, length and type depend on the boundary.
pub(crate) fn dress(part: &Part, length: u64, fields: &mut Fields) {
    let dropped: &[HeaderName] = match part {
        Part::Whole | Part::Refused => &[],
        Part::Head => &[ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE],
        Part::Span(_) | Part::Spans(_) => &[ACCEPT_RANGES],
        Part::Beyond => &[ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED],
    };
    for name in dropped {
        fields.remove(name);
    }
    let range = match part {
        Part::Span(span) => {
            fields.insert(CONTENT_LENGTH, (span.end - span.start).into());
            range::content_range(span, length)
        }
        Part::Beyond => range::no_range(length),
        _ => return,
    };
    if let Ok(range) = HeaderValue::try_from(range) {
        fields.insert(CONTENT_RANGE, range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const LATER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

    fn map(fields: &[(HeaderName, &str)]) -> Fields {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    fn stored() -> Fields {
        map(&[
            (ETAG, "\"a\""),
            (LAST_MODIFIED, DATE),
            (CONTENT_TYPE, "text/html"),
            (CONTENT_LENGTH, "10"),
            (ACCEPT_RANGES, "bytes"),
        ])
    }

    const TEN: Option<Extent> = Some(Extent { length: 10, most: usize::MAX });

    #[test]
    fn a_request_gets_the_part_that_it_asks_for() {
        let one = Part::Span(2..5);
        let rows = [
            (vec![], Part::Whole),
            (vec![(IF_NONE_MATCH, "W/\"a\"")], Part::Head),
            (vec![(IF_NONE_MATCH, "\"x\"")], Part::Whole),
            (vec![(IF_MODIFIED_SINCE, DATE)], Part::Head),
            (vec![(IF_MODIFIED_SINCE, LATER)], Part::Whole),
            (vec![(IF_MATCH, "\"x\"")], Part::Refused),
            (vec![(RANGE, "bytes=2-4")], one.clone()),
            (vec![(RANGE, "bytes=2-4,6-7")], Part::Spans(vec![2..5, 6..8])),
            (vec![(RANGE, "bytes=20-")], Part::Beyond),
            (vec![(RANGE, "items=2-4")], Part::Whole),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, "\"a\"")], one.clone()),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, "\"x\"")], Part::Whole),
            (vec![(RANGE, "bytes=2-4"), (IF_RANGE, DATE)], one.clone()),
            (vec![(RANGE, "bytes=2-4"), (IF_NONE_MATCH, "\"a\"")], Part::Head),
        ];
        for (asked, want) in rows {
            assert_eq!(part(&map(&asked), &stored(), TEN), want, "{asked:?}");
        }
        let passing = Some(Extent { length: 10, most: 1 });
        for (range, extent, want) in [
            ("bytes=2-4", None, Part::Whole),
            ("bytes=2-4", passing, one.clone()),
            ("bytes=2-4,20-30", passing, one),
            ("bytes=2-4,6-7", passing, Part::Whole),
        ] {
            assert_eq!(part(&map(&[(RANGE, range)]), &stored(), extent), want, "{range}");
        }
    }

    #[test]
    fn the_head_says_which_part_it_is() {
        let rows = [
            (Part::Whole, "accept-ranges content-length content-type etag last-modified"),
            (Part::Head, "etag last-modified"),
            (Part::Beyond, "content-range"),
            (Part::Span(2..5), "content-length content-range content-type etag last-modified"),
        ];
        for (part, names) in rows {
            let mut fields = stored();
            dress(&part, 10, &mut fields);
            let mut left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
            left.sort_unstable();
            assert_eq!(left.join(" "), names, "{part:?}");
        }
        let mut fields = stored();
        dress(&Part::Span(2..5), 10, &mut fields);
        assert!(
            fields.get(&CONTENT_RANGE).is_some_and(|value| value == "bytes 2-4/10")
                && fields.get(&CONTENT_LENGTH).is_some_and(|value| value == "3"),
            "{fields:?}"
        );
    }
}
