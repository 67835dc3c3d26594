//! Answers that are no longer fresh, and requests that come while another one fetches.

use super::harness::Proxy;
use super::origin::{Origin, answer, caching, log, until, written};
use crate::proxy::cache::meters::Status;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stored, and no longer fresh at once.
const EXPIRED: &str = "X-Accel-Expires: @1\r\n";

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// The body of the answer to `GET path`.
fn body(proxy: &Proxy, path: &str) -> String {
    let got = proxy.get(path);
    got.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// An origin whose first answer is `first`, and `later` those after it.
fn turning(first: Vec<u8>, later: Vec<u8>) -> Origin {
    let asked = AtomicUsize::new(0);
    Origin::start(
        move |_| if asked.fetch_add(1, Ordering::SeqCst) == 0 { first.clone() } else { later.clone() },
    )
}

fn error(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno").into_bytes()
}

#[test]
fn a_stale_answer_is_better_than_an_error_where_that_is_said() {
    let nothing = b"Connection: close".to_vec();
    let endless = "Cache-Control: max-age=1, stale-if-error=600\r\nX-Accel-Expires: @1\r\n";
    let bridging = "X-Accel-Expires: @1\r\nCache-Control: stale-if-error=4000000000\r\n";
    let rows = [
        ("", EXPIRED, error(503), "MISS EXPIRED", "no"),
        ("proxy_cache_use_stale http_503;", EXPIRED, error(503), "MISS STALE", "ok"),
        ("proxy_cache_use_stale http_500;", EXPIRED, error(503), "MISS EXPIRED", "no"),
        ("proxy_cache_use_stale http_404;", EXPIRED, error(404), "MISS STALE", "ok"),
        ("proxy_cache_use_stale error;", EXPIRED, nothing.clone(), "MISS STALE", "ok"),
        ("proxy_cache_use_stale timeout;", EXPIRED, nothing.clone(), "MISS EXPIRED", "</html>\r\n"),
        ("proxy_cache_use_stale off error;", EXPIRED, nothing.clone(), "MISS EXPIRED", "</html>\r\n"),
        // As RFC 5861 lets the answer itself say.
        ("", bridging, nothing.clone(), "MISS STALE", "ok"),
        ("", endless, nothing, "MISS EXPIRED", "</html>\r\n"),
    ];
    for (more, fields, later, want, end) in rows {
        let origin = turning(answer(fields, "ok"), later);
        let dir = dir();
        let proxy = caching(&origin, dir.path(), more);
        assert_eq!(body(&proxy, "/"), "ok");
        assert!(body(&proxy, "/").ends_with(end), "{more}");
        let got: Vec<_> =
            log(proxy, dir.path()).iter().filter_map(|l| Some(l.rsplit(' ').next()?.to_owned())).collect();
        assert_eq!(got.join(" "), want, "{more} {fields}");
    }
}

#[test]
fn a_stale_answer_is_sent_while_another_one_is_fetched() {
    for (more, fields) in [
        ("proxy_cache_use_stale updating;", EXPIRED),
        ("", "X-Accel-Expires: @1\r\nCache-Control: stale-while-revalidate=4000000000\r\n"),
    ] {
        let origin = turning(answer(fields, "old"), answer(EXPIRED, "new"));
        let dir = dir();
        let proxy = Arc::new(caching(&origin, dir.path(), more));
        assert_eq!(body(&proxy, "/"), "old");
        origin.hold();
        let first = std::thread::spawn({
            let proxy = Arc::clone(&proxy);
            move || body(&proxy, "/")
        });
        origin.asked(2);
        assert_eq!(body(&proxy, "/"), "old");
        origin.let_go();
        assert_eq!(first.join().expect("an answer"), "new");
        let zone = proxy.caches.zone(0).expect("a cache");
        assert_eq!(
            [Status::Miss, Status::Expired, Status::Updating].map(|s| zone.meters().requests(s)),
            [1, 1, 1]
        );
    }
}

#[test]
fn an_update_can_be_left_to_the_background() {
    let origin = turning(answer(EXPIRED, "old"), answer("X-Accel-Expires: 600\r\n", "new"));
    let dir = dir();
    let proxy =
        caching(&origin, dir.path(), "proxy_cache_use_stale updating; proxy_cache_background_update on;");
    assert_eq!(body(&proxy, "/"), "old");
    origin.hold();
    // Nobody waits for the upstream, which is asked once.
    assert_eq!(body(&proxy, "/"), "old");
    origin.asked(2);
    assert_eq!(body(&proxy, "/"), "old");
    origin.let_go();
    until("it is updated", || body(&proxy, "/") == "new");
    assert_eq!(origin.seen().len(), 2);
    let zone = proxy.caches.zone(0).expect("a cache");
    assert_eq!([Status::Stale, Status::Hit].map(|status| zone.meters().requests(status)), [1, 1]);
    // What the client did not ask for is not in its log.
    let got = log(proxy, dir.path());
    assert!(got.len() >= 4 && got[1] == "GET / 200 STALE" && got[2] == "GET / 200 UPDATING", "{got:?}");
}

#[test]
fn an_answer_is_revalidated_by_its_validators() {
    let old = format!("{EXPIRED}ETag: \"a\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nX-Old: 1\r\n");
    let same = |fields: &str| format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n").into_bytes();
    // Of the location, of the 304, and how requests fare.
    let rows = [
        ("", "", "MISS EXPIRED"),
        ("proxy_cache_revalidate on;", "", "MISS REVALIDATED REVALIDATED"),
        ("proxy_cache_revalidate on;", "Cache-Control: max-age=600\r\n", "MISS REVALIDATED HIT HIT"),
        ("proxy_cache_revalidate on;", "Cache-Control: no-store\r\n", "MISS REVALIDATED REVALIDATED"),
    ];
    for (more, fields, want) in rows {
        // Small and large: in memory and in a file.
        for length in [2, 100_000] {
            let text = "x".repeat(length);
            let origin = turning(answer(&old, &text), same(fields));
            let dir = dir();
            let proxy = caching(&origin, dir.path(), more);
            let revalidates = !more.is_empty();
            let file = || written(&dir.path().join("c")).into_iter().next();
            let on_disk = || file().map_or(Vec::new(), |file| std::fs::read(file).expect("a file"));
            let mut before = Vec::new();
            for status in want.split(' ') {
                let got = proxy.get("/");
                // Without, the 304 that nobody asked for is the answer.
                let whole = got.contains("X-Old: 1\r\n") && got.ends_with(&text);
                assert_eq!(whole, revalidates || status == "MISS", "{got}");
                match status {
                    "MISS" => {
                        until("it is on disk", || !on_disk().is_empty());
                        before = on_disk();
                    }
                    "HIT" => until("so is its freshness", || on_disk() != before),
                    _ => {}
                }
            }
            let seen = origin.seen();
            let asked = "if-none-match: \"a\"\r\n";
            assert_eq!(
                seen[1].contains(asked) && seen[1].contains("if-modified-since: sun, 09 sep"),
                revalidates
            );
            let got: Vec<_> = log(proxy, dir.path())
                .iter()
                .filter_map(|l| Some(l.rsplit(' ').next()?.to_owned()))
                .collect();
            assert_eq!(got.join(" "), want, "{more} {fields}");
            if want.ends_with("HIT") {
                // It is on the disk, too.
                let proxy = caching(&origin, dir.path(), more);
                assert!(proxy.get("/").ends_with(&text) && origin.seen().len() == 2);
            }
        }
    }
}

#[test]
fn under_a_lock_one_fetches_and_the_others_wait() {
    let origin = Origin::start(|_| answer("Cache-Control: max-age=600\r\n", "hello"));
    let dir = dir();
    let proxy = Arc::new(caching(
        &origin,
        dir.path(),
        "proxy_cache_lock on; proxy_cache_lock_timeout 20s; proxy_cache_lock_age 20s;",
    ));
    origin.hold();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let proxy = Arc::clone(&proxy);
            std::thread::spawn(move || body(&proxy, "/"))
        })
        .collect();
    origin.asked(1);
    // All of them are there: one fetches, and whoever comes later is no different from one that waits.
    until("all are there", || proxy.counters.writing.get() == 8);
    origin.let_go();
    assert!(clients.into_iter().all(|client| client.join().expect("an answer") == "hello"));
    assert_eq!(origin.seen().len(), 1);
    let zone = proxy.caches.zone(0).expect("a cache");
    assert_eq!([Status::Miss, Status::Hit].map(|status| zone.meters().requests(status)), [1, 7]);
}

#[test]
fn a_wait_for_another_one_ends() {
    for (more, stored) in [
        // Who waited in vain asks for itself, and stores nothing.
        ("proxy_cache_lock on; proxy_cache_lock_timeout 50ms; proxy_cache_lock_age 20s;", false),
        ("proxy_cache_lock on; proxy_cache_lock_timeout 0; proxy_cache_lock_age 20s;", false),
        // Who takes the lock over stores.
        ("proxy_cache_lock on; proxy_cache_lock_timeout 20s; proxy_cache_lock_age 50ms;", true),
    ] {
        let origin = Origin::start(|_| answer("Cache-Control: max-age=600\r\n", "hello"));
        let dir = dir();
        let proxy = Arc::new(caching(&origin, dir.path(), more));
        origin.hold();
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let proxy = Arc::clone(&proxy);
                std::thread::spawn(move || body(&proxy, "/"))
            })
            .collect();
        origin.asked(2);
        origin.let_go();
        assert!(clients.into_iter().all(|client| client.join().expect("an answer") == "hello"), "{more}");
        let zone = proxy.caches.zone(0).expect("a cache");
        assert_eq!(
            (zone.meters().requests(Status::Miss), zone.meters().gave_up.get()),
            (2, u64::from(!stored))
        );
    }
}

#[test]
fn a_failure_is_remembered_where_that_is_said() {
    let origin = Origin::start(|_| b"Connection: close".to_vec());
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "proxy_cache_valid 502 1m;");
    for _ in 0..3 {
        assert!(proxy.get("/").starts_with("HTTP/1.1 502 "));
    }
    assert_eq!(origin.seen().len(), 1);
    let got = log(proxy, dir.path());
    assert_eq!(got, ["GET / 502 MISS", "GET / 502 HIT", "GET / 502 HIT"]);
}

#[test]
fn a_304_brings_its_fields_along() {
    let old = format!("{EXPIRED}ETag: \"a\"\r\nX-A: old\r\nX-B: kept\r\n");
    let new = "Cache-Control: max-age=600\r\nX-A: new\r\nX-A: too\r\nContent-Length: 7\r\nX-C: here\r\n";
    // Small and large: in memory and in a file.
    for length in [2, 100_000] {
        let text = "x".repeat(length);
        let origin =
            turning(answer(&old, &text), format!("HTTP/1.1 304 Not Modified\r\n{new}\r\n").into_bytes());
        let dir = dir();
        let holds = |got: &str, fields: &[&str]| {
            let length = format!("Content-Length: {length}\r\n");
            assert!(got.ends_with(&text) && got.contains(&length), "{got}");
            fields
                .iter()
                .for_each(|field| assert!(got.contains(&format!("{field}\r\n")), "{field} in {got}"));
        };
        let proxy = caching(&origin, dir.path(), "proxy_cache_revalidate on;");
        holds(&proxy.get("/"), &["X-A: old", "X-B: kept"]);
        // Who has asked gets them, and so does everybody else, out of memory and, in another process, out of the file.
        for _ in 0..2 {
            let got = proxy.get("/");
            holds(&got, &["X-A: new", "X-A: too", "X-B: kept", "X-C: here", "Cache-Control: max-age=600"]);
            assert!(!got.contains("old"), "{got}");
        }
        let file = || written(&dir.path().join("c")).into_iter().next();
        let on_disk = || file().map_or(Vec::new(), |file| std::fs::read(file).expect("a file"));
        until("it is in the file", || on_disk().windows(6).any(|part| part == b": here"));
        drop(proxy);
        let proxy = caching(&origin, dir.path(), "proxy_cache_revalidate on;");
        holds(&proxy.get("/"), &["X-A: new", "X-A: too", "X-B: kept", "X-C: here"]);
        assert_eq!(origin.seen().len(), 2);
    }
}

#[test]
fn a_stored_answer_tells_its_age() {
    let fields = "Cache-Control: max-age=600\r\nAge: 30\r\n";
    for (more, shown) in [("", true), ("proxy_hide_header Age;", false)] {
        let origin = turning(answer(fields, "a"), answer(fields, "b"));
        let dir = dir();
        let proxy = caching(&origin, dir.path(), more);
        let age = |got: &str| {
            let line = got.lines().find_map(|line| line.strip_prefix("Age: ").map(str::to_owned));
            line.map(|age| age.parse::<u64>().expect("seconds"))
        };
        assert_eq!(age(&proxy.get("/")), shown.then_some(30));
        // It has not been kept for long here.
        let kept = age(&proxy.get("/"));
        assert!(kept.is_some_and(|age| (30..600).contains(&age)) == shown, "{kept:?}");
        assert_eq!(origin.seen().len(), 1);
    }
}
