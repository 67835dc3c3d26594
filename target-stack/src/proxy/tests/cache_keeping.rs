//! What a cache keeps: on disk and in memory, over restarts, within its bounds, and through disks that fail and files that change.

use super::harness::Proxy;
use super::origin::{Origin, answer, caching, caching_in, until, written};
use crate::metrics;
use crate::proxy::cache::meters::{Fate, Status};
use crate::proxy::cache::metrics::Exhibit;
use prometheus_client::registry::Registry;
use std::path::Path;

const FRESH: &str = "Cache-Control: max-age=600\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n";

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn body(proxy: &Proxy, path: &str, lines: &str) -> String {
    let got = proxy.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"));
    got.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// A text in which no two places look alike.
fn text(length: usize) -> String {
    (0..).flat_map(|n: u32| format!("{n} ").into_bytes()).take(length).map(char::from).collect()
}

/// Waits until the caches' directory has so many files.
fn settled(dir: &Path, count: usize) {
    until("as many files", || written(&dir.join("c")).len() == count);
}

fn requests(proxy: &Proxy, status: Status) -> u64 {
    proxy.caches.zone(0).expect("a cache").meters().requests(status)
}

#[test]
fn bodies_of_any_length_are_stored_and_survive_a_restart() {
    let lengths = [0, 1, 65_535, 65_536, 65_537, 300_000, 3_000_000];
    let origin = Origin::start(|head| {
        let length = head.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
        answer(FRESH, text(length))
    });
    let dir = dir();
    for round in 0..2 {
        let proxy = caching(&origin, dir.path(), "");
        for length in lengths {
            let (path, whole) = (format!("/{length}"), text(length));
            for _ in 0..2 {
                assert!(body(&proxy, &path, "") == whole, "{length} in round {round}");
            }
            if length > 10 {
                let range = format!("Range: bytes={}-{}\r\n", length / 2, length - 2);
                assert!(body(&proxy, &path, &range) == whole[length / 2..length - 1], "{length}");
                let parts = body(&proxy, &path, &format!("Range: bytes=0-4,{}-\r\n", length - 4));
                assert!(
                    parts.contains(&format!("/{length}\r\n\r\n{}\r\n--", &whole[length - 4..])),
                    "{parts}"
                );
            }
        }
        assert_eq!(origin.seen().len(), lengths.len(), "round {round}");
        settled(dir.path(), lengths.len());
    }
}

#[test]
fn chunks_are_stored_as_one_body() {
    let origin = Origin::start(|_| {
        let chunks: String = text(200_000).as_bytes().chunks(7_000).fold(String::new(), |all, chunk| {
            all + &format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))
        });
        format!("HTTP/1.1 200 OK\r\n{FRESH}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").into_bytes()
    });
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    assert!(proxy.get("/").contains("Transfer-Encoding: chunked\r\n"));
    assert_eq!(proxy.get("/").split_once("\r\n\r\n").map(|(_, body)| body), Some(text(200_000).as_str()));
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn a_file_that_was_changed_is_a_miss() {
    // Of a large one, which is not in memory, a change is seen at once; of a small one after a restart.
    for (length, restart) in [(100, true), (100_000, true), (100_000, false)] {
        for (number, change) in [
            (|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1)) as fn(&mut Vec<u8>),
            |bytes: &mut Vec<u8>| bytes.truncate(10),
            |bytes: &mut Vec<u8>| bytes.clear(),
            |bytes: &mut Vec<u8>| bytes.push(0),
            |bytes: &mut Vec<u8>| *bytes.last_mut().expect("a byte") ^= 1,
            |bytes: &mut Vec<u8>| bytes[30] ^= 1,
            |bytes: &mut Vec<u8>| bytes[100] ^= 1,
        ]
        .into_iter()
        .enumerate()
        {
            let origin = Origin::start(move |_| answer(FRESH, text(length)));
            let dir = dir();
            let proxy = caching(&origin, dir.path(), "");
            body(&proxy, "/", "");
            settled(dir.path(), 1);
            let file = written(&dir.path().join("c")).remove(0);
            let mut bytes = std::fs::read(&file).expect("a file");
            change(&mut bytes);
            // In place, as a failing disk would.
            std::fs::write(&file, bytes).expect("a changed file");
            let proxy = if restart {
                drop(proxy);
                caching(&origin, dir.path(), "")
            } else {
                proxy
            };
            for round in 0..2 {
                assert!(
                    body(&proxy, "/", "") == text(length),
                    "change {number} of {length} bytes, round {round}"
                );
            }
            assert_eq!(origin.seen().len(), 2, "change {number} of {length} bytes");
            let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
            assert_eq!(log.contains("[crit]") && log.contains("is no answer: "), restart, "{log}");
        }
    }
}

#[test]
fn files_that_were_removed_are_a_miss() {
    let origin = Origin::start(|_| answer(FRESH, text(100_000)));
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "");
    body(&proxy, "/", "");
    std::fs::remove_dir_all(dir.path().join("c")).expect("a purge");
    assert!(body(&proxy, "/", "") == text(100_000) && body(&proxy, "/", "") == text(100_000));
    assert_eq!(origin.seen().len(), 2);
}

#[test]
fn a_disk_that_fails_costs_the_store_and_no_answer() {
    for length in [10, 300_000] {
        let origin = Origin::start(move |_| answer(FRESH, text(length)));
        let dir = dir();
        let proxy = caching(&origin, dir.path(), "");
        let zone = proxy.caches.zone(0).expect("a cache");
        // Nothing can be written where a file stands in the way.
        std::fs::remove_dir(dir.path().join("c")).expect("it is empty");
        std::fs::write(dir.path().join("c"), b"").expect("a file");
        for round in 1..=2 {
            assert!(body(&proxy, "/", "") == text(length));
            until("that is noticed", || zone.meters().fills(Fate::NotWritten) >= round);
        }
        assert_eq!((origin.seen().len(), requests(&proxy, Status::Miss)), (2, 2));
        let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
        assert!(log.contains("[crit]") && log.contains("Not a directory"), "{log}");
    }
}

#[test]
fn a_cache_keeps_its_size() {
    let origin = Origin::start(|_| answer(FRESH, text(100_000)));
    let dir = dir();
    // A file takes 100 KiB in blocks of 4.
    let proxy = caching_in(&origin, dir.path(), "keys_zone=z:1m max_size=310k", "");
    for path in ["/1", "/2", "/3", "/1", "/4"] {
        body(&proxy, path, "");
    }
    settled(dir.path(), 3);
    let zone = proxy.caches.zone(0).expect("a cache");
    until("it is counted", || zone.meters().crowded_out.get() == 1);
    let before = origin.seen().len();
    for path in ["/1", "/3", "/4"] {
        body(&proxy, path, "");
    }
    assert_eq!(origin.seen().len(), before, "the least recently used is gone");
    body(&proxy, "/2", "");
    assert_eq!(origin.seen().len(), before + 1);
}

#[test]
fn what_nobody_asks_for_goes() {
    let origin = Origin::start(|_| answer(FRESH, text(10)));
    let dir = dir();
    let proxy = caching_in(&origin, dir.path(), "keys_zone=z:1m inactive=1s", "");
    body(&proxy, "/", "");
    settled(dir.path(), 1);
    settled(dir.path(), 0);
    let zone = proxy.caches.zone(0).expect("a cache");
    until("it is counted", || zone.meters().idle.get() == 1);
}

#[test]
fn the_same_caches_go_on_with_another_configuration() {
    use crate::proxy::cache::caches::Caches;
    use crate::proxy::config::Config;
    use crate::proxy::error_log::ErrorLog;
    use std::sync::Arc;
    let dir = dir();
    let open = |more: &str, previous: &Caches| {
        let text = format!(
            "events {{}} http {{ proxy_cache_path c keys_zone=z:1m {more}; proxy_cache_path d keys_zone=y:1m; }}"
        );
        let config = Config::parse("f", &text, dir.path()).expect("a configuration");
        let errors = Arc::new(ErrorLog::open(Some(&dir.path().join("e")), "error").expect("a log"));
        Caches::open(&config.caches, &errors, previous).expect("caches")
    };
    let first = open("", &Caches::default());
    let second = open("inactive=1m", &first);
    let same = |index| Arc::ptr_eq(first.zone(index).expect("a cache"), second.zone(index).expect("a cache"));
    assert_eq!((same(0), same(1)), (false, true));
    let config = Config::parse("f", "events {} http { proxy_cache_path no/c keys_zone=z:1m; }", dir.path());
    let errors = Arc::new(ErrorLog::open(Some(&dir.path().join("e")), "error").expect("a log"));
    let refused =
        Caches::open(&config.expect("a configuration").caches, &errors, &first).expect_err("no parent");
    assert!(
        refused.message.starts_with("[emerg] mkdir() \"")
            && refused.message.contains("failed (2: No such file")
    );
}

#[test]
fn prometheus_is_told() {
    let origin = Origin::start(|_| answer(FRESH, text(10)));
    let dir = dir();
    let proxy = caching(&origin, dir.path(), "proxy_cache_bypass $arg_b;");
    for path in ["/", "/", "/?b=1", "/", "/big"] {
        body(&proxy, path, "");
    }
    settled(dir.path(), 3);
    let zone = proxy.caches.zone(0).expect("a cache");
    until("all are stored", || zone.meters().fills(Fate::Stored) == 3);
    let mut registry = Registry::default();
    let exhibit = Exhibit::default();
    registry.register_collector(Box::new(exhibit.clone()));
    assert!(!metrics::render(&registry).contains("proxy_cache"));
    proxy.caches.show(&exhibit);
    let text = metrics::render(&registry);
    for line in [
        "proxy_cache_requests_total{zone=\"z\",status=\"HIT\"} 2\n",
        "proxy_cache_requests_total{zone=\"z\",status=\"MISS\"} 2\n",
        "proxy_cache_requests_total{zone=\"z\",status=\"BYPASS\"} 1\n",
        "proxy_cache_requests_total{zone=\"z\",status=\"STALE\"} 0\n",
        "proxy_cache_fills_total{zone=\"z\",result=\"stored\"} 3\n",
        "proxy_cache_evictions_total{zone=\"z\",reason=\"size\"} 0\n",
        "proxy_cache_entries{zone=\"z\"} 3\n",
        "proxy_cache_bytes{zone=\"z\"} 12288\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.contains("proxy_cache_memory_bytes{zone=\"z\"} "), "{text}");
}
