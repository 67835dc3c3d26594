//! Byte ranges (RFC 9110, section 14), read as nginx reads them. Given a `Range` field and an answer's length, it gives the spans
//! that are asked for, or that there are none, or that none of them lies in the answer; given several spans, it gives the layout
//! of an answer in parts. It touches no body.

use bytes::Bytes;
use std::ops::Range;

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: there is no range that could be given on its own.
    Whole,
    /// At least one, none of them empty, all within the answer, and together not longer than it.
    Spans(Vec<Range<u64>>),
    Unsatisfiable,
}

/// A piece of an answer in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Bytes),
    /// Bytes of the body.
    Span(Range<u64>),
}

/// Reads `field` for a body of `length` bytes, of which up to `most` ranges may be given.
pub(crate) fn read(field: &[u8], length: u64, most: usize) -> Asked {
    match field.split_at_checked(6) {
        Some((unit, list)) if unit.eq_ignore_ascii_case(b"bytes=") && !list.is_empty() => {
            spans(list, length, most).unwrap_or_else(|asked| asked)
        }
        _ => Asked::Whole,
    }
}

fn spans(list: &[u8], length: u64, most: usize) -> Result<Asked, Asked> {
    let mut spans = Vec::new();
    let mut size = 0_u64;
    for spec in list.split(|byte| *byte == b',') {
        let span = span(spec, length).ok_or(Asked::Unsatisfiable)?;
        if span.is_empty() {
            // Nothing was asked for of a body that is empty.
            if span.start == 0 {
                return Err(Asked::Whole);
            }
            continue;
        }
        size = size.checked_add(span.end - span.start).ok_or(Asked::Unsatisfiable)?;
        spans.push(span);
        if spans.len() > most {
            return Err(Asked::Whole);
        }
    }
    if spans.is_empty() {
        return Err(Asked::Unsatisfiable);
    }
    // Overlapping ranges must not make an answer longer than the whole.
    Ok(if size > length { Asked::Whole } else { Asked::Spans(spans) })
}

/// `first-last`, `first-` or `-last`, cut to the body; empty where it lies past it. `None` where it is malformed.
fn span(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let spec = trim_blanks(spec);
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (trim_blanks(&spec[..dash]), trim_blanks(&spec[dash + 1..]));
    if first.is_empty() {
        // nginx allows no blank between the dash and the length of a suffix.
        let suffix = number(&spec[1..])?;
        return Some(length.saturating_sub(suffix)..length);
    }
    let start = number(first)?;
    let end = if last.is_empty() { length } else { number(last)?.saturating_add(1).min(length) };
    Some(start..end)
}

fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(b" ") {
        text = rest;
    }
    while let Some(rest) = text.strip_suffix(b" ") {
        text = rest;
    }
    text
}

fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    // The largest length that a file can have.
    let bound = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= bound)
}

/// The parts of a body of `length` bytes of this type, between boundaries.
pub(crate) fn parts(spans: &[Range<u64>], length: u64, kind: Option<&[u8]>, boundary: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(2 * spans.len() + 1);
    for span in spans {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(kind) = kind {
            head.extend_from_slice(b"Content-Type: ");
            head.extend_from_slice(kind);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("Content-Range: {}\r\n\r\n", content_range(span, length)).as_bytes());
        pieces.extend([Piece::Text(head.into()), Piece::Span(span.clone())]);
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

/// The value of `Content-Range`.
pub(crate) fn content_range(span: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", span.start, span.end.saturating_sub(1))
}

/// The length of a body that is made of these.
pub(crate) fn total(pieces: &[Piece]) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Text(text) => text.len() as u64,
        Piece::Span(span) => span.end - span.start,
    };
    pieces.iter().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_nginx_reads_them() {
        let some =
            |spans: &[(u64, u64)]| Asked::Spans(spans.iter().map(|(start, end)| *start..*end).collect());
        let rows = [
            ("bytes=2-4", some(&[(2, 5)])),
            ("BYTES=2-4", some(&[(2, 5)])),
            ("bytes= 2 - 4 ", some(&[(2, 5)])),
            ("bytes=2-", some(&[(2, 10)])),
            ("bytes=-3", some(&[(7, 10)])),
            ("bytes=-30", some(&[(0, 10)])),
            ("bytes=2-40", some(&[(2, 10)])),
            ("bytes=2-4,6-7", some(&[(2, 5), (6, 8)])),
            ("bytes=2-4, 20-30", some(&[(2, 5)])),
            ("bytes=0-9", some(&[(0, 10)])),
            ("bytes=9-9", some(&[(9, 10)])),
            ("bytes=0-8,1-9", Asked::Whole),
            ("items=2-4", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes", Asked::Whole),
            ("", Asked::Whole),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=20-30", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=4-2", Asked::Unsatisfiable),
            ("bytes=x-4", Asked::Unsatisfiable),
            ("bytes=2-x", Asked::Unsatisfiable),
            ("bytes=2", Asked::Unsatisfiable),
            ("bytes=+2-4", Asked::Unsatisfiable),
            ("bytes=2-4,", Asked::Unsatisfiable),
            ("bytes=- 3", Asked::Unsatisfiable),
            ("bytes=99999999999999999999-", Asked::Unsatisfiable),
            ("bytes=9223372036854775808-", Asked::Unsatisfiable),
        ];
        for (field, want) in rows {
            assert_eq!(read(field.as_bytes(), 10, usize::MAX), want, "{field}");
        }
        assert_eq!(read(b"bytes=0-1,3-4", 10, 1), Asked::Whole, "only one may be given");
        assert_eq!(read(b"bytes=0-1,20-30", 10, 1), some(&[(0, 2)]));
        assert_eq!(read(b"bytes=0-", 0, 1), Asked::Whole);
    }

    #[test]
    fn parts_are_laid_out_as_nginx_lays_them_out() {
        let pieces = parts(&[2..5, 6..8], 10, Some(b"text/html"), "00000000000000000004");
        // As nginx 1.22 says in Content-Length of the same answer.
        assert_eq!(total(&pieces), 197);
        let Piece::Text(first) = &pieces[0] else { panic!("{pieces:?}") };
        assert_eq!(
            first.as_ref(),
            b"\r\n--00000000000000000004\r\nContent-Type: text/html\r\nContent-Range: bytes 2-4/10\r\n\r\n"
        );
        assert_eq!(pieces[1], Piece::Span(2..5));
    }

    proptest! {
        #[test]
        fn spans_lie_within_the_body(
            list in "[0-9, -]{0,20}", length in 0..30_u64, most in 0..4_usize,
        ) {
            if let Asked::Spans(spans) = read(format!("bytes={list}").as_bytes(), length, most) {
                prop_assert!(!spans.is_empty() && spans.len() <= most);
                prop_assert!(spans.iter().all(|span| span.start < span.end && span.end <= length));
                prop_assert!(spans.iter().map(|span| span.end - span.start).sum::<u64>() <= length);
            }
        }
    }
}
