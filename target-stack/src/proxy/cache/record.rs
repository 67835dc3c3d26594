//! A stored answer as bytes: the beginning of its file, which is also what is held in memory. Given an answer's head, it gives
//! those bytes; given bytes, it gives the head, or says what is wrong with them. What was cut short or changed is found by three
//! checksums: of the fixed part, which alone is rewritten when an answer is revalidated, of the text, and of the body.
//!
//! ```text
//! fixed part, 72 bytes, integers little-endian          text                              body
//! magic  crc  text crc  body crc  status  freshness      \nKEY: key\n variant vary head    as it came
//! ```

use super::freshness::Freshness;
use crate::proxy::fields::Fields;
use bytes::{Bytes, BytesMut};
use flate2::Crc;
use http::{HeaderName, HeaderValue, StatusCode};

/// The length of the fixed part.
pub(crate) const FIXED: usize = 72;
/// With the version of this layout.
const MAGIC: &[u8; 8] = b"TSCACHE2";
/// As in nginx's files, for whoever looks for a key with grep.
const KEY: &[u8] = b"\nKEY: ";
/// Far more than the buffers for heads allow.
const LONGEST_TEXT: u64 = 1 << 20;

/// What is wrong with bytes that should be a stored answer.
pub(crate) type Fault = &'static str;

/// What there is to store of an answer, but for its body.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) key: &'a [u8],
    /// The text by which requests of this key differ, for the `Vary` after it.
    pub(crate) variant: &'a [u8],
    pub(crate) vary: &'a [u8],
    pub(crate) freshness: Freshness,
    pub(crate) status: StatusCode,
    /// The reason phrase, where it is not the usual one.
    pub(crate) reason: &'a [u8],
    pub(crate) fields: &'a Fields,
}

/// The head of a stored answer; its bytes are those of the record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) key: Bytes,
    pub(crate) variant: Bytes,
    pub(crate) vary: Bytes,
    pub(crate) freshness: Freshness,
    pub(crate) status: StatusCode,
    pub(crate) reason: Bytes,
    pub(crate) fields: Fields,
}

/// What the fixed part says of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Where the body begins.
    pub(crate) head: usize,
    /// The body's length.
    pub(crate) body: u64,
    pub(crate) body_crc: u32,
}

/// The record of an answer up to its body, with `room` for so many bytes more. It is not valid until it is [`seal`]ed.
pub(crate) fn begin(given: &Given<'_>, room: usize) -> BytesMut {
    let mut head = Vec::with_capacity(32 * (given.fields.len() + 1));
    head.extend_from_slice(given.reason);
    head.extend_from_slice(b"\r\n");
    for (name, value) in given.fields.iter() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    let text = [KEY, given.key, b"\n", given.variant, given.vary, &head];
    let length: usize = text.iter().map(|part| part.len()).sum();
    let mut record = BytesMut::with_capacity(FIXED + length + room);
    record.resize(FIXED, 0);
    text.iter().for_each(|part| record.extend_from_slice(part));

    record[..8].copy_from_slice(MAGIC);
    let sum = crc(&record[FIXED..]);
    put(&mut record, 12, &sum.to_le_bytes());
    put(&mut record, 20, &given.status.as_u16().to_le_bytes());
    for (at, part) in [(48, given.key), (52, given.variant), (56, given.vary), (60, &head)] {
        // Longer ones do not come through the buffers for heads.
        put(&mut record, at, &u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    renew(&mut record, given.freshness);
    record
}

/// Completes a fixed part: what the body was.
pub(crate) fn seal(fixed: &mut [u8], body: u64, body_crc: u32) {
    put(fixed, 16, &body_crc.to_le_bytes());
    put(fixed, 40, &body.to_le_bytes());
    sum_up(fixed);
}

/// Gives a fixed part another freshness.
pub(crate) fn renew(fixed: &mut [u8], freshness: Freshness) {
    let short = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX).to_le_bytes();
    put(fixed, 24, &freshness.until.to_le_bytes());
    put(fixed, 32, &short(freshness.updating));
    put(fixed, 36, &short(freshness.error));
    put(fixed, 64, &freshness.born.to_le_bytes());
    sum_up(fixed);
}

fn sum_up(fixed: &mut [u8]) {
    let sum = crc(&fixed[12..FIXED]);
    put(fixed, 8, &sum.to_le_bytes());
}

fn put(record: &mut [u8], at: usize, bytes: &[u8]) {
    record[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The checksum of `bytes`.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads a fixed part.
///
/// # Errors
/// When it is none, or has been changed.
pub(crate) fn measure(fixed: &[u8]) -> Result<Measure, Fault> {
    if fixed.len() < FIXED {
        return Err("it is too small");
    }
    if &fixed[..8] != MAGIC {
        return Err("it is of another kind or version");
    }
    if u32_at(fixed, 8) != crc(&fixed[12..FIXED]) {
        return Err("its first part is damaged");
    }
    let text: u64 = [48, 52, 56, 60].iter().map(|at| u64::from(u32_at(fixed, *at))).sum();
    if text > LONGEST_TEXT {
        return Err("its head is too long");
    }
    let head = usize::try_from(text).map_err(|_| "its head is too long")?;
    let head = FIXED + KEY.len() + head + 1;
    Ok(Measure { head, body: u64_at(fixed, 40), body_crc: u32_at(fixed, 16) })
}

/// Reads a record up to its body.
///
/// # Errors
/// When it is not a whole and unchanged one.
pub(crate) fn read(record: &Bytes) -> Result<Head, Fault> {
    let measure = measure(record)?;
    let text = record.get(FIXED..measure.head).ok_or("its head is cut short")?;
    if u32_at(record, 12) != crc(text) {
        return Err("its head is damaged");
    }
    if !text.starts_with(KEY) {
        return Err("it has no key");
    }
    let mut at = FIXED + KEY.len();
    let mut next = |length: usize| {
        let part = record.slice(at..at + length);
        at += length;
        part
    };
    let length = |at: usize| u32_at(record, at) as usize;
    let key = next(length(48));
    next(1);
    let (variant, vary, head) = (next(length(52)), next(length(56)), next(length(60)));
    let (reason, fields) = fields(&head)?;
    Ok(Head {
        key,
        variant,
        vary,
        freshness: Freshness {
            until: u64_at(record, 24),
            updating: u32_at(record, 32).into(),
            error: u32_at(record, 36).into(),
            born: u64_at(record, 64),
        },
        status: StatusCode::from_u16(u16::from_le_bytes([record[20], record[21]]))
            .map_err(|_| "its status is none")?,
        reason,
        fields,
    })
}

/// The reason phrase and the fields in the text of a head, whose bytes they share.
fn fields(head: &Bytes) -> Result<(Bytes, Fields), Fault> {
    const WRONG: Fault = "a field of its head is none";
    let mut lines = Vec::new();
    let mut start = 0;
    while let Some(length) = head[start..].windows(2).position(|pair| pair == b"\r\n") {
        lines.push(head.slice(start..start + length));
        start += length + 2;
    }
    let mut lines = lines.into_iter();
    let reason = lines.next().ok_or(WRONG)?;
    let mut fields = Fields::with_capacity(lines.len() + 2);
    for line in lines {
        let colon = line.windows(2).position(|pair| pair == b": ").ok_or(WRONG)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| WRONG)?;
        fields.append(name, HeaderValue::from_maybe_shared(line.slice(colon + 2..)).map_err(|_| WRONG)?);
    }
    if start == head.len() { Ok((reason, fields)) } else { Err(WRONG) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRESH: Freshness = Freshness { until: 1_000_000_000, updating: 7, error: 9, born: 999_999_000 };

    fn map(fields: &[(&str, &str)]) -> Fields {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
        };
        fields.iter().map(pair).collect()
    }

    /// A whole record, with the body "hello".
    fn record(key: &[u8], fields: &Fields) -> Bytes {
        let given = Given {
            key,
            variant: b"x-a:1\r\n",
            vary: b"X-A",
            freshness: FRESH,
            status: StatusCode::NOT_FOUND,
            reason: b"Gone fishing",
            fields,
        };
        let mut record = begin(&given, 5);
        record.extend_from_slice(b"hello");
        seal(&mut record, 5, crc(b"hello"));
        record.freeze()
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let fields = map(&[("etag", "\"a\""), ("x-a", "1"), ("x-a", ""), ("link", "<a>; rel: b")]);
        let record = record(b"http://u/a\nb", &fields);
        let measure = measure(&record).expect("a measure");
        assert_eq!((&record[measure.head..], measure.body), (&b"hello"[..], 5));
        assert_eq!(measure.body_crc, crc(b"hello"));
        let head = read(&record).expect("a head");
        assert_eq!(
            (&head.key[..], &head.variant[..], &head.vary[..]),
            (&b"http://u/a\nb"[..], &b"x-a:1\r\n"[..], &b"X-A"[..])
        );
        assert_eq!(
            (head.freshness, head.status, &head.reason[..]),
            (FRESH, StatusCode::NOT_FOUND, &b"Gone fishing"[..])
        );
        assert_eq!(head.fields, fields);
        // As in nginx's files.
        assert!(record.windows(14).any(|part| part == b"\nKEY: http://u"));
    }

    #[test]
    fn another_freshness_changes_the_first_part_alone() {
        let before = record(b"k", &map(&[("a", "b")]));
        let mut after = BytesMut::from(&before[..]);
        let fresh = Freshness { until: u64::MAX, updating: u64::MAX, error: 0, born: 3 };
        renew(&mut after[..FIXED], fresh);
        assert_eq!(before[FIXED..], after[FIXED..]);
        let head = read(&after.freeze()).expect("a head");
        let got = Freshness { until: u64::MAX, updating: u32::MAX.into(), error: 0, born: 3 };
        assert_eq!(head.freshness, got);
        assert_eq!(measure(&before).map(|m| m.body), Ok(5));
    }

    #[test]
    fn a_record_that_is_none_is_refused() {
        let whole = record(b"k", &map(&[("a", "b")]));
        for length in 0..measure(&whole).expect("a measure").head {
            assert!(read(&whole.slice(..length)).is_err(), "{length} bytes");
        }
        assert!(read(&Bytes::from(vec![0; 500])).is_err());
    }

    proptest! {
        #[test]
        fn no_changed_head_is_taken(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let whole = record(b"some key", &map(&[("etag", "\"a\""), ("x-b", "c")]));
            let head = measure(&whole).expect("a measure").head;
            let mut changed = BytesMut::from(&whole[..]);
            changed[at.index(head)] ^= 1 << bit;
            prop_assert!(read(&changed.freeze()).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&Bytes::from(bytes.clone()));
            // The same with a first part that is right.
            let mut fixed = [MAGIC.as_slice(), &bytes].concat();
            fixed.resize(fixed.len().max(FIXED), 0);
            sum_up(&mut fixed);
            let _ = read(&Bytes::from(fixed));
        }

        #[test]
        fn any_head_reads_back(
            key in prop::collection::vec(any::<u8>(), 0..40),
            fields in prop::collection::vec(("[a-z-]{1,8}", "[ -~\t]{0,20}"), 0..6),
        ) {
            let trimmed: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let fields = map(&trimmed);
            let head = read(&record(&key, &fields)).expect("a head");
            prop_assert_eq!((&head.key[..], head.fields), (&key[..], fields));
        }
    }
}
