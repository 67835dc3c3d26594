//! The cache's readers against any bytes. Given bytes by the fuzzer, cut at each 255, it takes them for two requests and the `Vary` of
//! an answer, for a `Range`, for what an answer says of its freshness, and for a stored record, and holds each to what has to hold
//! of it: above all, that requests share an answer only where key and `Vary` say so.
#![no_main]

// A binary crate has no library to link to: the rooms, which depend on nothing else of it, are compiled in here.
#[path = "../../src/proxy/calendar.rs"]
#[expect(dead_code, reason = "only what reads is used")]
mod calendar;
#[path = "../../src/proxy/fields.rs"]
#[expect(dead_code, reason = "not all of it meets bytes from outside")]
mod fields;
#[path = "../../src/proxy/cache/freshness.rs"]
#[expect(dead_code, reason = "not all of it meets bytes from outside")]
mod freshness;
#[path = "../../src/proxy/cache/key.rs"]
mod key;
#[path = "../../src/proxy/cache/laws.rs"]
mod laws;
#[path = "../../src/proxy/range.rs"]
#[expect(dead_code, reason = "not all of it meets bytes from outside")]
mod range;
#[path = "../../src/proxy/cache/record.rs"]
#[expect(dead_code, reason = "not all of it meets bytes from outside")]
mod record;

/// Where the rooms look for each other.
mod proxy {
    pub(crate) use super::{calendar, fields};
}

use bytes::Bytes;
use fields::Fields;
use freshness::{Freshness, Ignored};
use http::{HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = [
    "accept-encoding",
    "accept-language",
    "cookie",
    "x-a",
    "cache-control",
    "expires",
    "x-accel-expires",
    "vary",
];

/// A field for each line: its first byte chooses the name.
fn read(text: &[u8]) -> Fields {
    let mut fields = Fields::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let [name, value @ ..] = line
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            fields.append(HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]), value);
        }
    }
    fields
}

/// A record whose checksums are right, whatever else it is.
fn record(bytes: &[u8]) -> Bytes {
    let mut record = [b"TSCACHE2", bytes].concat();
    record.resize(record.len().max(record::FIXED), 0);
    let fresh = Freshness { until: 0, updating: 0, error: 0, born: 0 };
    record::renew(&mut record, fresh);
    if let Ok(measure) = record::measure(&record)
        && let Some(text) = record.get(record::FIXED..measure.head)
    {
        let sum = record::crc(text);
        record[12..16].copy_from_slice(&sum.to_le_bytes());
        record::renew(&mut record, fresh);
    }
    record.into()
}

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 255);
    let mut next = || parts.next().unwrap_or_default();
    let (vary, keys, both) = (next(), [next(), next()], [read(next()), read(next())]);
    laws::hold(vary, (keys[0], &both[0]), (keys[1], &both[1]));

    if let [length, field @ ..] = next()
        && let range::Asked::Ranges(spans) = range::parse(field, u64::from(*length))
    {
        assert!(!spans.is_empty());
        assert!(spans.iter().all(|span| span.start < span.end && span.end <= u64::from(*length)));
    }
    for now in [0, 1_000_000_000, u64::MAX] {
        let judged = freshness::judge(StatusCode::OK, &both[0], Ignored::default(), &[(None, 1)], now);
        // An instant that `X-Accel-Expires` names may have passed.
        assert!(judged.is_none_or(|fresh| fresh.is_fresh(now) || both[0].has(&freshness::X_ACCEL_EXPIRES)));
    }
    if let Ok(head) = record::read(&record(next())) {
        assert!(head.fields.iter().all(|(_, value)| !value.as_bytes().contains(&b'\n')));
    }
});
