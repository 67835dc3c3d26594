//! What is in a cache, in memory and shared by all workers. Given the digest of a key, it says what is known of the answer, who
//! is fetching it, and what was used least recently. It is cut into shards, each behind a lock that is held for a few look-ups and
//! never while anything is read, written, computed or waited for. It knows no file by name and no request.

use super::key::Digest;
use super::stored::{Stamp, Stored};
use http::StatusCode;
use lru::LruCache;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// A power of two.
pub(crate) const SHARDS: usize = 16;
/// What the answers that are held in memory may take together, in bytes.
const MEMORY: usize = 64 << 20;

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    /// Since 1970.
    pub(crate) second: u64,
}

/// What there is under a digest.
#[derive(Debug)]
pub(crate) enum Found {
    Here(Arc<Stored>),
    /// In a file, which was checked when it had this stamp.
    OnDisk(Option<Stamp>),
    /// The upstream failed so, and is not asked again yet.
    Failed(StatusCode),
    /// It was not asked for often enough to be stored.
    Scarce,
    Nothing,
}

/// Who may fetch an answer.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Whoever asked, until this claim's number is [`Index::release`]d.
    Granted(u64),
    /// Somebody else: this resolves when that has ended.
    Busy(OwnedNotified),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Vec<Mutex<Shard>>,
    claims: AtomicU64,
    pub(crate) entries: Gauge,
    /// What the files take, in bytes.
    pub(crate) disk: Gauge,
    /// What the answers in memory take, in bytes.
    pub(crate) memory: Gauge,
}

#[derive(Debug)]
struct Shard {
    nodes: LruCache<Digest, Node>,
    /// The answers that are held in memory, a share of those in `nodes`.
    ready: LruCache<Digest, Arc<Stored>>,
    bytes: usize,
}

#[derive(Debug)]
struct Node {
    uses: u32,
    used: Instant,
    file: Option<File>,
    /// How the upstream failed, and the last second in which that counts.
    failure: Option<(StatusCode, u64)>,
    fetching: Option<Fetching>,
    /// It stays although nothing is stored, to count its uses.
    counts: bool,
}

#[derive(Clone, Copy, Debug)]
struct File {
    bytes: u64,
    stamp: Option<Stamp>,
}

#[derive(Debug)]
struct Fetching {
    claim: u64,
    /// Until when others wait for it; not at all where it updates an answer that is there.
    until: Option<Instant>,
    ended: Arc<Notify>,
}

impl Node {
    fn new(now: Instant) -> Self {
        Self { uses: 0, used: now, file: None, failure: None, fetching: None, counts: false }
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        let shard =
            || Mutex::new(Shard { nodes: LruCache::unbounded(), ready: LruCache::unbounded(), bytes: 0 });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            claims: AtomicU64::new(0),
            entries: Gauge::default(),
            disk: Gauge::default(),
            memory: Gauge::default(),
        }
    }

    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Shard> {
        self.lock(usize::from(digest[0]) % SHARDS)
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is, for a request that is the first look of its kind (`counts`) or a later one. Before `min_uses` requests
    /// nothing is to be stored.
    pub(crate) fn find(&self, digest: &Digest, now: Now, min_uses: u32, counts: bool) -> Found {
        let mut guard = self.shard(digest);
        let shard = &mut *guard;
        if min_uses > 1 && !shard.nodes.contains(digest) {
            shard.nodes.put(*digest, Node { counts: true, ..Node::new(now.instant) });
            self.entries.inc();
        }
        let Some(node) = shard.nodes.get_mut(digest) else { return Found::Nothing };
        node.used = now.instant;
        node.uses = node.uses.saturating_add(counts.into());
        if let Some((status, until)) = node.failure {
            if now.second <= until {
                return Found::Failed(status);
            }
            node.failure = None;
        }
        match (shard.ready.get(digest), node.file) {
            (Some(stored), _) => Found::Here(Arc::clone(stored)),
            (None, Some(file)) => Found::OnDisk(file.stamp),
            (None, None) if min_uses > 1 && node.uses < min_uses => Found::Scarce,
            (None, None) => Found::Nothing,
        }
    }

    /// Asks to fetch an answer. With `until`, others wait for it until then, and whoever asks later takes it over; without, it is
    /// an update, of which there is one at a time, and nobody waits.
    pub(crate) fn claim(&self, digest: &Digest, now: Instant, until: Option<Instant>) -> Claim {
        let mut shard = self.shard(digest);
        let node = self.node(&mut shard, digest, now);
        if let Some(fetching) = &node.fetching
            && (until.is_none() || fetching.until.is_some_and(|until| until > now))
        {
            return Claim::Busy(Arc::clone(&fetching.ended).notified_owned());
        }
        let claim = self.claims.fetch_add(1, Ordering::Relaxed);
        node.fetching = Some(Fetching { claim, until, ended: Arc::default() });
        Claim::Granted(claim)
    }

    /// Ends a claim, if nobody took it over, and wakes who waits for that.
    pub(crate) fn release(&self, digest: &Digest, claim: u64) {
        let mut guard = self.shard(digest);
        let shard = &mut *guard;
        let Some(node) = shard.nodes.peek_mut(digest) else { return };
        let ended = match &node.fetching {
            Some(fetching) if fetching.claim == claim => Arc::clone(&fetching.ended),
            _ => return,
        };
        node.fetching = None;
        if node.file.is_none() && node.failure.is_none() && !node.counts && !shard.ready.contains(digest) {
            shard.nodes.pop(digest);
            self.entries.dec();
        }
        drop(guard);
        ended.notify_waiters();
    }

    /// Puts an answer in memory, in place of the one that may be there.
    pub(crate) fn put(&self, digest: &Digest, stored: Arc<Stored>, now: Instant) {
        let mut shard = self.shard(digest);
        self.node(&mut shard, digest, now).failure = None;
        self.hold(&mut shard, digest, stored);
    }

    /// Notes that an answer is in a file of so many bytes.
    pub(crate) fn put_file(&self, digest: &Digest, bytes: u64, stamp: Option<Stamp>, now: Instant) {
        let mut shard = self.shard(digest);
        let node = self.node(&mut shard, digest, now);
        let before = node.file.replace(File { bytes, stamp }).map_or(0, |file| file.bytes);
        self.disk.inc_by(signed(bytes));
        self.disk.dec_by(signed(before));
    }

    /// Puts an answer in memory that is in a file, unless there is a newer one; gives the one that is there then.
    pub(crate) fn put_read(&self, digest: &Digest, stored: Arc<Stored>) -> Arc<Stored> {
        let mut shard = self.shard(digest);
        if let Some(newer) = shard.ready.get(digest) {
            return Arc::clone(newer);
        }
        self.hold(&mut shard, digest, Arc::clone(&stored));
        stored
    }

    /// Notes that the upstream failed so, which counts up to second `until`.
    pub(crate) fn put_failure(&self, digest: &Digest, status: StatusCode, until: u64, now: Instant) {
        let mut shard = self.shard(digest);
        self.node(&mut shard, digest, now).failure = Some((status, until));
    }

    /// Forgets an answer, and not how often it was asked for.
    pub(crate) fn forget(&self, digest: &Digest) {
        let mut shard = self.shard(digest);
        if !self.strip(&mut shard, digest).is_none_or(|node| node.counts) {
            self.remove(&mut shard, digest);
        }
    }

    /// Forgets an answer in memory that never came into its file, if it is still that one.
    pub(crate) fn forget_unwritten(&self, digest: &Digest, stored: &Arc<Stored>) {
        let mut shard = self.shard(digest);
        if !shard.ready.peek(digest).is_some_and(|ready| Arc::ptr_eq(ready, stored)) {
            return;
        }
        self.let_go(&mut shard, digest);
        if shard.nodes.peek(digest).is_some_and(|node| node.file.is_none()) {
            self.remove(&mut shard, digest);
        }
    }

    /// Forgets up to `most` answers that were not used since `limit`, and gives them.
    pub(crate) fn take_idle(&self, limit: Instant, most: usize) -> Vec<Digest> {
        let mut idle = Vec::new();
        for number in 0..SHARDS {
            let mut shard = self.lock(number);
            let old = shard.nodes.iter().rev().take_while(|(_, node)| node.used < limit);
            let old = old.filter(|(_, node)| node.fetching.is_none()).map(|(digest, _)| *digest);
            let old: Vec<Digest> = old.take(most - idle.len()).collect();
            old.iter().for_each(|digest| self.remove(&mut shard, digest));
            idle.extend(old);
        }
        idle
    }

    /// Forgets the answer that was used least recently of all, and gives it.
    pub(crate) fn take_oldest(&self) -> Option<Digest> {
        let oldest = |number: usize| {
            let shard = self.lock(number);
            let mut old = shard.nodes.iter().rev().filter(|(_, node)| node.fetching.is_none());
            old.next().map(|(digest, node)| (node.used, *digest))
        };
        let (_, digest) = (0..SHARDS).filter_map(oldest).min()?;
        self.remove(&mut self.shard(&digest), &digest);
        Some(digest)
    }

    /// The answers in memory of one shard that have a file.
    pub(crate) fn in_memory(&self, shard: usize) -> Vec<Digest> {
        let shard = self.lock(shard);
        let has_file = |digest: &&Digest| shard.nodes.peek(*digest).is_some_and(|node| node.file.is_some());
        shard.ready.iter().map(|(digest, _)| digest).filter(has_file).copied().collect()
    }

    /// The node of `digest`, which is the one used last then: the order of the list is that of the instants.
    fn node<'a>(&self, shard: &'a mut Shard, digest: &Digest, now: Instant) -> &'a mut Node {
        let entries = &self.entries;
        let node = shard.nodes.get_or_insert_mut(*digest, || {
            entries.inc();
            Node::new(now)
        });
        node.used = now;
        node
    }

    fn hold(&self, shard: &mut Shard, digest: &Digest, stored: Arc<Stored>) {
        self.let_go(shard, digest);
        let weight = stored.weight();
        shard.ready.put(*digest, stored);
        shard.bytes += weight;
        self.memory.inc_by(signed(weight as u64));
        while shard.bytes > MEMORY / SHARDS
            && let Some((&oldest, _)) = shard.ready.peek_lru()
        {
            self.let_go(shard, &oldest);
        }
    }

    /// Drops an answer from memory.
    fn let_go(&self, shard: &mut Shard, digest: &Digest) {
        if let Some(stored) = shard.ready.pop(digest) {
            let weight = stored.weight();
            shard.bytes -= weight;
            self.memory.dec_by(signed(weight as u64));
        }
    }

    /// Forgets all of an answer but who is fetching another one in its place.
    fn remove(&self, shard: &mut Shard, digest: &Digest) {
        if self.strip(shard, digest).is_some_and(|node| node.fetching.is_none()) {
            shard.nodes.pop(digest);
            self.entries.dec();
        }
    }

    /// Forgets what is in memory and on disk of an answer; gives its node.
    fn strip<'a>(&self, shard: &'a mut Shard, digest: &Digest) -> Option<&'a Node> {
        self.let_go(shard, digest);
        let node = shard.nodes.peek_mut(digest)?;
        self.disk.dec_by(signed(node.file.take().map_or(0, |file| file.bytes)));
        Some(node)
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
