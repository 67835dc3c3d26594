//! Ranges of bytes. Given the `Range` field and a length, it gives the ranges that are to be sent, as nginx reads them; given several,
//! the texts that stand between them in a multipart body.

use std::ops::Range;

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is none that is followed: all is sent.
    All,
    /// At least one; together no more than there is.
    Ranges(Vec<Range<u64>>),
    /// 416
    Unsatisfiable,
}

/// Reads `field` for something of `length` bytes.
pub(crate) fn parse(field: &[u8], length: u64) -> Asked {
    let Some((unit, mut rest)) = field.split_at_checked("bytes=".len()) else { return Asked::All };
    if rest.is_empty() || !unit.eq_ignore_ascii_case(b"bytes=") {
        return Asked::All;
    }
    let mut ranges = Vec::new();
    loop {
        let Some((first, last, after)) = read_one(rest) else { return Asked::Unsatisfiable };
        let range = match (first, last) {
            (None, last) => length.saturating_sub(last.unwrap_or(0))..length,
            (Some(first), None) => first..length,
            (Some(first), Some(last)) => first..last.saturating_add(1).min(length),
        };
        if !range.is_empty() {
            ranges.push(range);
        } else if range.start == 0 {
            return Asked::All;
        }
        match after {
            [b',', after @ ..] => rest = after,
            _ => break,
        }
    }
    // More than there is can only be the same over and over.
    let total = ranges.iter().try_fold(0_u64, |total, range| total.checked_add(range.end - range.start));
    match total {
        None | Some(0) => Asked::Unsatisfiable,
        Some(total) if total > length => Asked::All,
        Some(_) => Asked::Ranges(ranges),
    }
}

type Bounds<'a> = (Option<u64>, Option<u64>, &'a [u8]);

/// `first-last`, `first-` or `-length` with blanks between, and what comes after.
fn read_one(text: &[u8]) -> Option<Bounds<'_>> {
    let (first, rest) = read_number(blank(text))?;
    let rest = blank(rest).strip_prefix(b"-")?;
    let (last, rest) = read_number(if first.is_some() { blank(rest) } else { rest })?;
    let rest = blank(rest);
    let ends = matches!(rest.first(), None | Some(b','));
    (ends && (first.is_some() || last.is_some())).then_some((first, last, rest))
}

fn blank(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|&&byte| byte == b' ').count();
    &text[count..]
}

/// A number, if there are digits; no number at all is larger than a file's offset.
fn read_number(text: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    if digits.is_empty() {
        return Some((None, rest));
    }
    let number = std::str::from_utf8(digits).ok()?.parse::<i64>().ok()?;
    Some((u64::try_from(number).ok(), rest))
}

/// `Content-Range` of one range.
pub(crate) fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// `Content-Range` where none can be sent.
pub(crate) fn no_range(length: u64) -> String {
    format!("bytes */{length}")
}

/// What stands before a part of a multipart body.
pub(crate) fn part_head(boundary: &str, kind: &[u8], range: &Range<u64>, length: u64) -> Vec<u8> {
    let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
    if !kind.is_empty() {
        head.extend_from_slice(b"Content-Type: ");
        head.extend_from_slice(kind);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-Range: {}\r\n\r\n", content_range(range, length)).as_bytes());
    head
}

/// What stands after the last one.
pub(crate) fn parts_end(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_nginx_reads_them() {
        let ranges =
            |ranges: &[(u64, u64)]| Asked::Ranges(ranges.iter().map(|&(start, end)| start..end).collect());
        let rows = [
            ("bytes=0-1", ranges(&[(0, 2)])),
            ("BYTES=1-1", ranges(&[(1, 2)])),
            ("bytes=0-", ranges(&[(0, 10)])),
            ("bytes=9-", ranges(&[(9, 10)])),
            ("bytes=-3", ranges(&[(7, 10)])),
            ("bytes=-30", ranges(&[(0, 10)])),
            ("bytes= 2 - 100 , 3-4", ranges(&[(2, 10), (3, 5)])),
            ("bytes=2-99,3-3", ranges(&[(2, 10), (3, 4)])),
            ("bytes=0-0, -1", ranges(&[(0, 1), (9, 10)])),
            ("bytes=100-,0-1", ranges(&[(0, 2)])),
            ("bytes=1-0,2-3", ranges(&[(2, 4)])),
            ("bytes=0-9,0-9", Asked::All),
            ("bytes=0-9223372036854775807", ranges(&[(0, 10)])),
            ("bytes=", Asked::All),
            ("bytes", Asked::All),
            ("items=0-1", Asked::All),
            ("bytes = 0-1", Asked::All),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Unsatisfiable),
            ("bytes=a", Asked::Unsatisfiable),
            ("bytes=-", Asked::Unsatisfiable),
            ("bytes=- 3", Asked::Unsatisfiable),
            ("bytes=0-1,", Asked::Unsatisfiable),
            ("bytes=,0-1", Asked::Unsatisfiable),
            ("bytes=0-1;", Asked::Unsatisfiable),
            ("bytes=99999999999999999999-", Asked::Unsatisfiable),
            ("bytes=0-9223372036854775808", Asked::Unsatisfiable),
        ];
        for (field, want) in rows {
            assert_eq!(parse(field.as_bytes(), 10), want, "{field}");
        }
        assert_eq!(parse(b"bytes=0-", 0), Asked::All);
        assert_eq!(parse(b"bytes=-5", 0), Asked::All);
        assert_eq!(parse(b"bytes=1-", 0), Asked::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn ranges_lie_within_and_are_no_more_than_all(field in "bytes=([0-9]{0,3}[-, ]){0,6}[0-9]{0,2}", length in 0_u64..200) {
            if let Asked::Ranges(ranges) = parse(field.as_bytes(), length) {
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= length));
                prop_assert!(!ranges.is_empty() && ranges.iter().map(|range| range.end - range.start).sum::<u64>() <= length);
            }
        }
    }
}
