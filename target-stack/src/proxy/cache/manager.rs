//! The thread that keeps a cache in bounds. At the start it notes the files that are there, as nginx's loader does; then it
//! removes, a few at a time, what was not asked for in `inactive`, what was used least recently where there is more than
//! `max_size` or `keys_zone` allow, and looks whether files of answers in memory have been taken away by somebody. It ends
//! with its cache.

use super::index::SHARDS;
use super::zone::Zone;
use crate::pace;
use crate::proxy::config::os_error;
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, UNIX_EPOCH};

/// How often it looks. Each time, one shard's answers in memory are compared with the disk.
const PERIOD: Duration = Duration::from_secs(1);
/// Files that it removes without looking up.
const BATCH: usize = 100;

/// Manages `zone` until that goes; `woken` brings it forward.
pub(super) fn run(zone: &Weak<Zone>, woken: &Receiver<()>) {
    if let Some(zone) = zone.upgrade() {
        load(&zone);
    }
    for round in 0_usize.. {
        if matches!(woken.recv_timeout(PERIOD), Err(RecvTimeoutError::Disconnected)) {
            return;
        }
        let Some(zone) = zone.upgrade() else { return };
        tidy(&zone);
        look_after(&zone, round % SHARDS);
    }
}

/// Notes the files that are there.
fn load(zone: &Zone) {
    let now = UNIX_EPOCH + pace::wall_clock();
    if let Err(error) = zone.place().scan(now, |digest, length| zone.found(digest, length)) {
        let (root, reason) = (zone.place().root.display(), os_error(&error));
        zone.complain(format_args!("opendir() \"{root}\" failed ({reason})"));
    }
    zone.loaded();
}

/// Removes what there is no use or no room for.
fn tidy(zone: &Zone) {
    let now = pace::now();
    if let Some(limit) = now.checked_sub(zone.spec().inactive) {
        loop {
            let idle = zone.index().take_idle(limit, BATCH);
            idle.iter().for_each(|digest| zone.remove(digest));
            zone.meters().idle.inc_by(idle.len() as u64);
            if idle.len() < BATCH {
                break;
            }
        }
    }
    while zone.is_crowded() {
        let Some(digest) = zone.index().take_oldest() else { return };
        zone.remove(&digest);
        zone.meters().crowded_out.inc();
    }
}

/// Forgets the answers of one shard whose files somebody took away: that is how caches of nginx are purged.
fn look_after(zone: &Zone, shard: usize) {
    for digest in zone.index().in_memory(shard) {
        let path = zone.place().path(&digest);
        if !is_there(&path) {
            zone.index().forget(&digest);
        }
    }
}

fn is_there(path: &Path) -> bool {
    // What cannot be looked at is not taken for gone.
    path.try_exists().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::cache::index::{Found, Now};
    use crate::proxy::cache::key::{self, Digest};
    use crate::proxy::cache::record::{self, Given};
    use crate::proxy::cache::{disk, freshness};
    use crate::proxy::config::CacheZone;
    use crate::proxy::error_log::ErrorLog;
    use bytes::Bytes;
    use std::path::Path;
    use std::sync::Arc;

    fn zone(root: &Path, inactive: Duration, most_entries: u64) -> Arc<Zone> {
        let place = disk::Place { root: root.to_owned(), levels: vec![2] };
        let spec = CacheZone { name: "z".to_owned(), place, most_entries, inactive, max_size: None };
        let errors = ErrorLog::open(Some(&root.join("e.log")), "error").expect("a log");
        Zone::new(&spec, &Arc::new(errors)).0
    }

    fn store(zone: &Arc<Zone>, key: &str) -> Digest {
        let given = Given {
            key: key.as_bytes(),
            variant: b"",
            vary: b"",
            freshness: freshness::Freshness { until: u64::MAX, updating: 0, error: 0, born: 0 },
            status: http::StatusCode::OK,
            reason: b"",
            fields: &crate::proxy::fields::Fields::new(),
        };
        let mut record = record::begin(&given, 0);
        record::seal(&mut record, 0, record::crc(b""));
        let (digest, head) = (key::digest(key.as_bytes()), record.len());
        zone.store(digest, record.freeze(), head);
        digest
    }

    async fn until(mut condition: impl FnMut() -> bool) {
        let waited = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        pace::within(Duration::from_secs(20), waited).await.expect("in time");
    }

    async fn written(zone: &Zone, digest: &Digest) {
        until(|| zone.place().path(digest).exists()).await;
    }

    fn is_known(zone: &Zone, digest: &Digest) -> bool {
        let now = Now { instant: pace::now(), second: 0 };
        !matches!(zone.find(digest, now, 1, false), Found::Nothing)
    }

    #[tokio::test]
    async fn what_is_in_the_directory_is_known_after_loading() {
        let dir = tempfile::tempdir().expect("a directory");
        let before = zone(dir.path(), Duration::MAX, 100);
        let digest = store(&before, "k");
        written(&before, &digest).await;
        let zone = zone(dir.path(), Duration::MAX, 100);
        assert!(zone.is_loading() && !is_known(&zone, &digest));
        load(&zone);
        assert!(!zone.is_loading() && is_known(&zone, &digest));
        assert_eq!((zone.index().entries.get(), zone.index().disk.get()), (1, 4096));
        let stored = zone.load(digest, None).await.expect("an answer");
        assert_eq!(stored.head.key, Bytes::from_static(b"k"));
    }

    #[test]
    fn what_is_stored_is_written_by_whoever_ends() {
        let dir = tempfile::tempdir().expect("a directory");
        let zone = zone(dir.path(), Duration::MAX, 100);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let handle = runtime.handle().clone();
        // From now on its threads take no work.
        runtime.shutdown_background();
        let _within = handle.enter();
        let digest = store(&zone, "k");
        assert!(zone.place().path(&digest).exists());
    }

    #[tokio::test]
    async fn files_that_somebody_took_away_are_forgotten() {
        let dir = tempfile::tempdir().expect("a directory");
        let zone = zone(dir.path(), Duration::MAX, 100);
        let (first, second) = (store(&zone, "a"), store(&zone, "b"));
        written(&zone, &first).await;
        written(&zone, &second).await;
        until(|| zone.index().disk.get() == 2 * 4096).await;
        std::fs::remove_file(zone.place().path(&first)).expect("a file");
        (0..SHARDS).for_each(|shard| look_after(&zone, shard));
        assert_eq!((is_known(&zone, &first), is_known(&zone, &second)), (false, true));
    }

    #[tokio::test]
    async fn bounds_are_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let crowded = zone(dir.path(), Duration::MAX, 2);
        let digests = ["a", "b", "c"].map(|key| store(&crowded, key));
        until(|| crowded.index().disk.get() == 3 * 4096).await;
        // The one that nobody has asked for since.
        assert!(is_known(&crowded, &digests[1]) && is_known(&crowded, &digests[2]));
        tidy(&crowded);
        assert_eq!(digests.map(|digest| is_known(&crowded, &digest)), [false, true, true]);
        assert_eq!(crowded.meters().crowded_out.get(), 1);

        let idle = zone(dir.path(), Duration::ZERO, 100);
        let digest = store(&idle, "k");
        written(&idle, &digest).await;
        until(|| {
            tidy(&idle);
            !is_known(&idle, &digest)
        })
        .await;
        assert!(!idle.place().path(&digest).exists());
    }
}
