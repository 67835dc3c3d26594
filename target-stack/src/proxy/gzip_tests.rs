//! When answers are compressed, by tables that were held against nginx's source, and that what comes out is what went in.

use super::*;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use std::io::Read;

fn map(fields: &[(HeaderName, &str)]) -> Fields {
    fields.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
}

fn request(fields: &[(HeaderName, &str)]) -> Parts {
    Parts { headers: map(fields), ..Parts::default() }
}

fn on() -> GzipSettings {
    GzipSettings { on: true, ..GzipSettings::default() }
}

fn page() -> Fields {
    map(&[(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_LENGTH, "100")])
}

#[test]
fn a_client_says_what_it_takes() {
    let rows = [
        ("gzip", true),
        ("gzip, br", true),
        ("br;q=1.0, GZIP;q=0.5", true),
        ("gzip;q=1", true),
        ("gzip; q=0.001", true),
        ("gzip;q=0", false),
        ("gzip;q=0.000", false),
        ("gzip;q=2", false),
        ("gzip;q=1.1", false),
        ("gzip;q=0.0001", false),
        ("gzip;q=", false),
        ("gzip;x", false),
        ("gzipx", false),
        ("xgzip", false),
        ("*", false),
        ("br", false),
        ("", false),
    ];
    for (list, want) in rows {
        let request = request(&[(ACCEPT_ENCODING, list)]);
        assert_eq!(applies(&on(), &request, StatusCode::OK, &page()), want, "{list}");
        assert!(!applies(&GzipSettings::default(), &request, StatusCode::OK, &page()), "it is off");
    }
    let mut old = request(&[(ACCEPT_ENCODING, "gzip")]);
    old.version = Version::HTTP_10;
    assert!(!applies(&on(), &old, StatusCode::OK, &page()));
    assert!(applies(&GzipSettings { old_clients: true, ..on() }, &old, StatusCode::OK, &page()));
}

#[test]
fn answers_of_some_kinds_are_compressed() {
    let request = request(&[(ACCEPT_ENCODING, "gzip")]);
    let all = GzipSettings { types: None, ..on() };
    let css = GzipSettings { types: Some(vec!["text/html".to_owned(), "text/css".to_owned()]), ..on() };
    let rows = [
        (on(), 200, vec![(CONTENT_TYPE, "text/html")], true),
        (on(), 404, vec![(CONTENT_TYPE, "Text/HTML ; x")], true),
        (on(), 403, vec![(CONTENT_TYPE, "text/html")], true),
        (on(), 500, vec![(CONTENT_TYPE, "text/html")], false),
        (on(), 206, vec![(CONTENT_TYPE, "text/html")], false),
        (on(), 304, vec![(CONTENT_TYPE, "text/html")], false),
        (on(), 200, vec![(CONTENT_TYPE, "text/css")], false),
        (css, 200, vec![(CONTENT_TYPE, "text/css")], true),
        (all.clone(), 200, vec![(CONTENT_TYPE, "image/png")], true),
        (all, 200, vec![], false),
        (on(), 200, vec![(CONTENT_TYPE, "text/html"), (CONTENT_LENGTH, "19")], false),
        (on(), 200, vec![(CONTENT_TYPE, "text/html"), (CONTENT_LENGTH, "20")], true),
        (on(), 200, vec![(CONTENT_TYPE, "text/html"), (CONTENT_ENCODING, "br")], false),
    ];
    for (settings, status, fields, want) in rows {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(applies(&settings, &request, status, &map(&fields)), want, "{status} {fields:?}");
    }
}

#[test]
fn proxies_get_it_as_the_configuration_says() {
    let none = Proxied::default();
    let rows = [
        (none, vec![], false),
        (Proxied { any: true, ..none }, vec![(CACHE_CONTROL, "max-age=60")], true),
        (Proxied { auth: true, ..none }, vec![], true),
        (Proxied { expired: true, ..none }, vec![(EXPIRES, "Thu, 01 Jan 1970 00:00:01 GMT")], true),
        (Proxied { expired: true, ..none }, vec![(EXPIRES, "Sat, 01 Jan 2089 00:00:01 GMT")], false),
        (Proxied { no_etag: true, ..none }, vec![(EXPIRES, "Thu, 01 Jan 1970 00:00:01 GMT")], false),
        (Proxied { no_cache: true, ..none }, vec![(CACHE_CONTROL, "No-Cache")], true),
        (Proxied { no_store: true, ..none }, vec![(CACHE_CONTROL, "no-cache, no-store")], true),
        (Proxied { private: true, ..none }, vec![(CACHE_CONTROL, "no-store")], false),
        (Proxied { no_last_modified: true, ..none }, vec![(ETAG, "\"a\"")], true),
        (Proxied { no_last_modified: true, ..none }, vec![(LAST_MODIFIED, "x")], false),
        (Proxied { no_etag: true, ..none }, vec![(ETAG, "\"a\"")], false),
    ];
    for (proxied, fields, want) in rows {
        let credentials = proxied.auth.then_some((AUTHORIZATION, "x"));
        let asked: Vec<_> =
            [(ACCEPT_ENCODING, "gzip"), (VIA, "1.1 x")].into_iter().chain(credentials).collect();
        let mut answer = page();
        answer.extend(map(&fields));
        let settings = GzipSettings { proxied, ..on() };
        assert_eq!(applies(&settings, &request(&asked), StatusCode::OK, &answer), want, "{settings:?}");
    }
}

#[test]
fn the_head_says_that_it_is_compressed() {
    let asks = request(&[(ACCEPT_ENCODING, "gzip")]);
    let settings = GzipSettings { vary: true, ..on() };
    for (tag, want) in [("\"a\"", Some("W/\"a\"")), ("W/\"a\"", Some("W/\"a\"")), ("a", None)] {
        let mut fields = page();
        fields.extend(map(&[(ACCEPT_RANGES, "bytes"), (ETAG, tag), (VARY, "X")]));
        assert!(settle(&settings, &asks, StatusCode::OK, &mut fields).is_some());
        assert!(!fields.has(&CONTENT_LENGTH) && !fields.has(&ACCEPT_RANGES));
        assert_eq!(fields.get(&ETAG).map(HeaderValue::as_bytes), want.map(str::as_bytes));
        assert_eq!(fields.get(&CONTENT_ENCODING).expect("a coding"), "gzip");
        assert_eq!(fields.get_all(&VARY).collect::<Vec<_>>(), ["X", "Accept-Encoding"]);
    }
    // Where it could have been compressed for another client, caches are told so.
    let mut fields = page();
    assert!(settle(&settings, &request(&[]), StatusCode::OK, &mut fields).is_none());
    assert!(
        fields.get(&VARY).is_some_and(|value| value == "Accept-Encoding") && fields.has(&CONTENT_LENGTH),
        "{fields:?}"
    );
    let mut fields = page();
    assert!(settle(&GzipSettings::default(), &asks, StatusCode::OK, &mut fields).is_none());
    assert_eq!(fields, page());
}

/// What comes out for these pieces, and in how many.
fn compressed(pieces: &[Vec<u8>], level: u32, length: Option<u64>) -> (Vec<u8>, usize) {
    let mut encoder = Encoder::new(level, length);
    let mut pieces = pieces.iter().map(|piece| Ok::<_, Failed>(Frame::data(Bytes::copy_from_slice(piece))));
    let (mut out, mut count) = (Vec::new(), 0);
    while let Poll::Ready(Some(frame)) = encoder.poll_frame(|| Poll::Ready(pieces.next())) {
        let data = frame.expect("compressed").into_data().expect("no trailers");
        assert!(!data.is_empty());
        out.extend_from_slice(&data);
        count += 1;
    }
    assert!(encoder.is_end_stream());
    (out, count)
}

#[derive(Debug)]
struct Failed;

impl From<CompressError> for Failed {
    fn from(_: CompressError) -> Self {
        Self
    }
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

#[test]
fn a_long_body_comes_out_as_it_goes_in() {
    let pieces: Vec<Vec<u8>> = (0..200_u32)
        .map(|n| (0..4000_u32).map(|m| (n.wrapping_mul(m).wrapping_mul(2_654_435_761) >> 24) as u8).collect())
        .collect();
    let (out, count) = compressed(&pieces, 1, None);
    assert!(count > 10, "{count} pieces");
    assert_eq!(plain(&out), pieces.concat());
}

#[test]
fn a_body_that_fails_does_not_end() {
    let mut encoder = Encoder::new(1, None);
    let failed = encoder.poll_frame(|| Poll::Ready(Some(Err(Failed))));
    assert!(matches!(failed, Poll::Ready(Some(Err(Failed)))) && !encoder.is_end_stream());
    let pending = encoder.poll_frame::<Failed>(|| Poll::Pending);
    assert!(pending.is_pending());
}

proptest! {
    #[test]
    fn what_comes_out_is_what_went_in(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        level in 1..10_u32, known: bool,
    ) {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let (out, _) = compressed(&pieces, level, known.then_some(length));
        prop_assert_eq!(plain(&out), pieces.concat());
    }
}
