//! A cache: a `proxy_cache_path`. Given a digest, it finds the answer in memory or in its file; given a fetched answer, it
//! stores it, in memory at once and on disk behind that. Files are read and written on the runtime's threads for blocking work,
//! with a bound on what may wait for the disk. It decides nothing about requests.

use super::disk::{self, Place, Temporary, Trouble};
use super::freshness::Freshness;
use super::index::{Claim, Found, Index, Now};
use super::key::Digest;
use super::meters::{Fate, Meters};
use super::record::FIXED;
use super::stored::{Body, Stamp, Stored};
use crate::pace;
use crate::proxy::config::{CacheZone, os_error};
use crate::proxy::error_log::ErrorLog;
use bytes::Bytes;
use http::StatusCode;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;
use tokio::sync::futures::OwnedNotified;
use tokio::task::{JoinHandle, spawn_blocking};

/// What may wait to be written, in bytes. Past it, answers are not stored: a disk that is slower than the upstream must not fill the
/// memory.
const BACKLOG: usize = 32 << 20;
/// What an answer's file takes, beside its bytes.
const BLOCK: u64 = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Zone {
    spec: CacheZone,
    index: Index,
    meters: Meters,
    errors: Arc<ErrorLog>,
    /// The files that were there at the start are not all known yet.
    loading: AtomicBool,
    backlog: AtomicUsize,
    /// Wakes the manager, which ends when this goes.
    wake: SyncSender<()>,
}

/// The right to fetch an answer; it ends when this goes.
#[derive(Debug)]
pub(crate) struct Ticket {
    zone: Arc<Zone>,
    digest: Digest,
    claim: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.zone.index.release(&self.digest, self.claim);
    }
}

impl Zone {
    /// An empty cache for what is in the directory of `spec`, and what wakes the one who manages it.
    pub(super) fn new(spec: &CacheZone, errors: &Arc<ErrorLog>) -> (Arc<Self>, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        let zone = Self {
            spec: spec.clone(),
            index: Index::new(),
            meters: Meters::default(),
            errors: Arc::clone(errors),
            loading: AtomicBool::new(true),
            backlog: AtomicUsize::new(0),
            wake,
        };
        (Arc::new(zone), woken)
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn spec(&self) -> &CacheZone {
        &self.spec
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn place(&self) -> &Place {
        &self.spec.place
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Whether there may be files that the index does not know yet.
    pub(crate) fn is_loading(&self) -> bool {
        self.loading.load(Ordering::Acquire)
    }

    pub(super) fn loaded(&self) {
        self.loading.store(false, Ordering::Release);
    }

    /// See [`Index::find`].
    pub(crate) fn find(&self, digest: &Digest, now: Now, min_uses: u32, counts: bool) -> Found {
        self.index.find(digest, now, min_uses, counts)
    }

    /// See [`Index::claim`].
    pub(crate) fn claim(
        self: &Arc<Self>,
        digest: &Digest,
        now: Instant,
        until: Option<Instant>,
    ) -> Result<Ticket, OwnedNotified> {
        match self.index.claim(digest, now, until) {
            Claim::Granted(claim) => Ok(Ticket { zone: Arc::clone(self), digest: *digest, claim }),
            Claim::Busy(ended) => Err(ended),
        }
    }

    /// The answer in the file of `digest`, if there is one as it was written.
    pub(crate) async fn load(
        self: &Arc<Self>,
        digest: Digest,
        trusted: Option<Stamp>,
    ) -> Option<Arc<Stored>> {
        let path = self.spec.place.path(&digest);
        let read = spawn_blocking(move || {
            let read = disk::load(&path, trusted);
            if matches!(read, Err(Trouble::Damaged(_))) {
                // It is of no use to anybody.
                let _ = std::fs::remove_file(&path);
            }
            (read, path)
        });
        let (read, path) = read.await.ok()?;
        let trouble = match read {
            Ok((stored, stamp)) => {
                self.index.put_file(&digest, blocks(stamp.length), Some(stamp), pace::now());
                return Some(self.index.put_read(&digest, Arc::new(stored)));
            }
            Err(trouble) => trouble,
        };
        self.index.forget(&digest);
        let path = path.display();
        match trouble {
            Trouble::Missing => {}
            Trouble::Damaged(fault) => {
                self.meters.damaged.inc();
                self.complain(format_args!("cache file \"{path}\" is no answer: {fault}"));
            }
            Trouble::Failed(error) => {
                self.complain(format_args!("open() \"{path}\" failed ({})", os_error(&error)));
            }
        }
        None
    }

    /// The file of an answer whose body is in it, if it is there still.
    pub(crate) async fn open_file(&self, digest: Digest, stamp: Stamp) -> Option<std::fs::File> {
        let path = self.spec.place.path(&digest);
        let opened = spawn_blocking(move || disk::open(&path, stamp)).await.ok()?;
        opened.ok().flatten().or_else(|| {
            self.index.forget(&digest);
            None
        })
    }

    /// Stores an answer with a small body, whose whole record this is: it is there when this returns, and on disk soon after.
    pub(crate) fn store(self: &Arc<Self>, digest: Digest, record: Bytes, head: usize) {
        let length = record.len();
        if self.backlog.fetch_add(length, Ordering::Relaxed) > BACKLOG {
            self.backlog.fetch_sub(length, Ordering::Relaxed);
            return self.not_written(&digest, &"the disk is too slow");
        }
        let stored = match Stored::new(&record.slice(..head), Body::Memory(record.slice(head..))) {
            Ok(stored) => Arc::new(stored),
            Err(fault) => return self.not_written(&digest, &fault),
        };
        self.index.put(&digest, Arc::clone(&stored), pace::now());
        let zone = Arc::clone(self);
        surely(move || {
            let written = Temporary::create(&zone.spec.place, &digest).and_then(|mut file| {
                file.append(&record)?;
                file.place(&zone.spec.place, &digest, &record[..FIXED])
            });
            zone.backlog.fetch_sub(length, Ordering::Relaxed);
            match written {
                Ok(stamp) => zone.written(&digest, stamp),
                Err(error) => {
                    zone.index.forget_unwritten(&digest, &stored);
                    zone.not_written(&digest, &os_error(&error));
                }
            }
        });
    }

    /// Stores an answer whose body is in its file already; the record is that of its head.
    pub(crate) fn store_large(&self, digest: Digest, head: &Bytes, body: u64, stamp: Stamp) {
        let body = Body::File { start: head.len() as u64, length: body, stamp };
        match Stored::new(head, body) {
            Ok(stored) => self.index.put(&digest, Arc::new(stored), pace::now()),
            Err(fault) => return self.not_written(&digest, &fault),
        }
        self.written(&digest, stamp);
    }

    fn written(&self, digest: &Digest, stamp: Stamp) {
        self.index.put_file(digest, blocks(stamp.length), Some(stamp), pace::now());
        self.meters.filled(Fate::Stored);
        if self.is_crowded() {
            self.wake();
        }
    }

    /// Notes that an answer was not stored.
    pub(crate) fn not_written(&self, digest: &Digest, reason: &dyn std::fmt::Display) {
        self.meters.filled(Fate::NotWritten);
        let path = self.spec.place.path(digest);
        self.complain(format_args!("writing \"{}\" failed ({reason})", path.display()));
    }

    /// Notes that the upstream failed so, which counts up to second `until`.
    pub(crate) fn store_failure(&self, digest: &Digest, status: StatusCode, until: u64) {
        self.index.put_failure(digest, status, until, pace::now());
    }

    /// Gives a stored answer another freshness, on disk and then in memory; of one with a small body in memory at once.
    pub(crate) async fn renew(self: &Arc<Self>, digest: Digest, stored: Arc<Stored>, freshness: Freshness) {
        let is_in_file = matches!(stored.body, Body::File { .. });
        if !is_in_file {
            self.index.put(&digest, renewed(&stored, freshness, None), pace::now());
        }
        let zone = Arc::clone(self);
        let writing = surely(move || {
            let path = zone.spec.place.path(&digest);
            match disk::renew(&path, &stored, freshness) {
                Ok(Some(stamp)) => {
                    zone.index.put_file(&digest, blocks(stamp.length), Some(stamp), pace::now());
                    if is_in_file {
                        zone.index.put(&digest, renewed(&stored, freshness, Some(stamp)), pace::now());
                    }
                }
                // It was replaced or removed meanwhile, and nothing is left to be renewed.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let (path, reason) = (path.display(), os_error(&error));
                    zone.complain(format_args!("writing \"{path}\" failed ({reason})"));
                }
            }
        });
        if is_in_file {
            // Who asks next is to find it renewed.
            let _ = writing.await;
        }
    }

    /// Notes a file that was there at the start.
    pub(super) fn found(&self, digest: Digest, length: u64) {
        self.index.put_file(&digest, blocks(length), None, pace::now());
    }

    /// Whether it holds more than it may.
    pub(super) fn is_crowded(&self) -> bool {
        let disk = u64::try_from(self.index.disk.get()).unwrap_or(0);
        let entries = u64::try_from(self.index.entries.get()).unwrap_or(0);
        disk > self.spec.max_size.unwrap_or(u64::MAX) || entries > self.spec.most_entries
    }

    /// Removes the file of an answer that is forgotten.
    pub(super) fn remove(&self, digest: &Digest) {
        let path = self.spec.place.path(digest);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let (path, reason) = (path.display(), os_error(&error));
                self.complain(format_args!("unlink() \"{path}\" failed ({reason})"));
            }
            _ => {}
        }
    }

    pub(super) fn complain(&self, message: std::fmt::Arguments<'_>) {
        self.errors.write("crit", message);
    }

    fn wake(&self) {
        // It is awake already where this is refused.
        let _ = self.wake.try_send(());
    }
}

/// Work that is done when this goes.
struct Errand<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Errand<F> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

/// Has `work` done on a thread that may wait for the disk. What no thread has begun with is dropped when the runtime ends, and is
/// done by whoever drops it: nobody else knows of it any more.
fn surely(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let errand = Errand(Some(work));
    spawn_blocking(move || drop(errand))
}

/// The same answer with another freshness, in a file that looks like this now.
pub(super) fn renewed(stored: &Stored, freshness: Freshness, file: Option<Stamp>) -> Arc<Stored> {
    let mut renewed = stored.clone();
    renewed.head.freshness = freshness;
    if let (Some(now), Body::File { stamp, .. }) = (file, &mut renewed.body) {
        *stamp = now;
    }
    Arc::new(renewed)
}

/// What a file of so many bytes takes on disk.
fn blocks(length: u64) -> u64 {
    length.div_ceil(BLOCK) * BLOCK
}
