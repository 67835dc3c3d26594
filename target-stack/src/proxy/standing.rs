//! What all workers know of one server of a group: how many requests it works on, how often it failed lately, and whether
//! it is ejected for that. Given instants, it gives answers that do not depend on who asks, as nginx does with a `zone`; it
//! knows no clock, and it never chooses.

use super::config::Peer;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A server's standing. The names are those of nginx's `ngx_http_upstream_rr_peer_t`.
#[derive(Debug)]
pub(crate) struct Standing {
    down: bool,
    max_conns: i64,
    max_fails: u32,
    fail_timeout: Duration,
    /// Requests that it works on.
    conns: Gauge,
    fails: AtomicU32,
    /// When it last failed, and when it last failed or was last asked again; see [`Standing::ticks`].
    accessed: AtomicU64,
    checked: AtomicU64,
    ejections: Counter,
    epoch: Instant,
}

// Nothing is decided by two of these values together that a moment's disagreement would spoil: at worst one more request
// is sent to a server that failed just now. So no order between them is asked for.
const ORDER: Ordering = Ordering::Relaxed;

impl Standing {
    /// Of a server that nobody has asked yet, with the handles by which Prometheus sees its requests and its ejections; no
    /// instant given later is before `epoch`.
    pub(crate) fn new(peer: &Peer, (conns, ejections): (Gauge, Counter), epoch: Instant) -> Self {
        Self {
            down: peer.down,
            max_conns: i64::from(peer.max_conns),
            max_fails: peer.max_fails,
            fail_timeout: peer.fail_timeout,
            conns,
            fails: AtomicU32::new(0),
            accessed: AtomicU64::new(0),
            checked: AtomicU64::new(0),
            ejections,
            epoch,
        }
    }

    /// Requests that it works on.
    pub(crate) fn conns(&self) -> &Gauge {
        &self.conns
    }

    /// How often it was ejected.
    #[cfg(test)]
    pub(crate) fn ejections(&self) -> &Counter {
        &self.ejections
    }

    /// Whether the configuration keeps requests from it.
    pub(crate) fn down(&self) -> bool {
        self.down
    }

    /// Whether it works on as many requests as it may.
    pub(crate) fn full(&self) -> bool {
        self.max_conns > 0 && self.conns.get() >= self.max_conns
    }

    /// Whether it failed too often too recently.
    pub(crate) fn ejected(&self, now: Instant) -> bool {
        self.max_fails > 0
            && self.fails.load(ORDER) >= self.max_fails
            && !self.passed(self.checked.load(ORDER), now)
    }

    /// Takes a place for one more request, unless another worker has taken the last one.
    pub(crate) fn enter(&self) -> bool {
        if self.max_conns == 0 {
            self.conns.inc();
            return true;
        }
        let one_more = |conns| (conns < self.max_conns).then_some(conns + 1);
        self.conns.inner().fetch_update(ORDER, ORDER, one_more).is_ok()
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.conns.dec();
    }

    /// It is asked at `now`: if it rested, nobody else asks until it is known how that went.
    pub(crate) fn asked(&self, now: Instant) {
        if self.passed(self.checked.load(ORDER), now) {
            self.checked.store(self.ticks(now), ORDER);
        }
    }

    /// It failed; whether it is ejected for that, and was not before.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        let ejected = self.ejected(now);
        self.fails.fetch_add(1, ORDER);
        self.accessed.store(self.ticks(now), ORDER);
        self.checked.store(self.ticks(now), ORDER);
        let newly = !ejected && self.ejected(now);
        if newly {
            self.ejections.inc();
        }
        newly
    }

    /// It answered: its failures are forgotten once they are older than this check of it.
    pub(crate) fn succeeded(&self) {
        if self.fails.load(ORDER) > 0 && self.accessed.load(ORDER) < self.checked.load(ORDER) {
            self.fails.store(0, ORDER);
        }
    }

    /// Whether more than `fail_timeout` has passed since `then`.
    fn passed(&self, then: u64, now: Instant) -> bool {
        let timeout = u64::try_from(self.fail_timeout.as_nanos()).unwrap_or(u64::MAX);
        then == 0 || self.ticks(now).saturating_sub(then) > timeout
    }

    /// An instant as nanoseconds since the epoch; 0 is for what never was.
    fn ticks(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;

    fn standing(change: impl FnOnce(&mut Peer)) -> (Standing, Instant) {
        let mut peer = Peer::new(([127, 0, 0, 1], 1).into(), "a");
        change(&mut peer);
        let epoch = pace::now();
        (Standing::new(&peer, Default::default(), epoch), epoch)
    }

    #[test]
    fn a_place_is_taken_by_one() {
        let (server, _) = standing(|peer| peer.max_conns = 2);
        assert!(server.enter() && !server.full() && server.enter() && server.full());
        assert!(!server.enter());
        server.leave();
        assert!(!server.full() && server.enter());
        assert_eq!(server.conns().get(), 2);
        let (server, _) = standing(|_| {});
        assert!((0..1000).all(|_| server.enter() && !server.full()));
    }

    #[test]
    fn many_threads_never_take_more_places_than_there_are() {
        let (server, _) = standing(|peer| peer.max_conns = 3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if server.enter() {
                            assert!(server.conns().get() <= 3);
                            server.leave();
                        }
                    }
                });
            }
        });
        assert_eq!(server.conns().get(), 0);
    }

    #[test]
    fn a_server_is_ejected_and_comes_back_by_one_request() {
        let (server, start) = standing(|peer| peer.max_fails = 2);
        let at = |seconds| start + Duration::from_secs(seconds);
        server.asked(at(0));
        server.failed(at(0));
        assert!(!server.ejected(at(0)) && server.ejections().get() == 0);
        server.failed(at(1));
        server.failed(at(1));
        assert!(server.ejected(at(1)) && server.ejected(at(11)) && !server.ejected(at(12)));
        assert_eq!(server.ejections().get(), 1, "once, however many were under way");
        // One request finds out for all.
        server.asked(at(12));
        assert!(server.ejected(at(12)));
        server.succeeded();
        assert!(!server.ejected(at(12)));
        // And one that fails ejects it again.
        server.failed(at(13));
        assert!(!server.ejected(at(13)));
        server.failed(at(13));
        assert_eq!((server.ejected(at(13)), server.ejections().get()), (true, 2));
    }

    #[test]
    fn failures_are_forgotten_by_a_success_after_they_are_old_and_not_before() {
        let (server, start) = standing(|peer| peer.max_fails = 2);
        let at = |seconds| start + Duration::from_secs(seconds);
        server.asked(at(0));
        server.failed(at(0));
        server.asked(at(5));
        server.succeeded();
        server.failed(at(5));
        assert!(server.ejected(at(5)), "two within ten seconds");
        let (server, start) = standing(|peer| peer.max_fails = 2);
        let at = |seconds| start + Duration::from_secs(seconds);
        server.failed(at(0));
        server.asked(at(11));
        server.succeeded();
        server.failed(at(11));
        assert!(!server.ejected(at(11)), "the first was long ago");
        let (server, start) = standing(|peer| peer.max_fails = 0);
        for _ in 0..100 {
            server.failed(start);
        }
        assert!(!server.ejected(start), "it is never ejected");
    }
}
