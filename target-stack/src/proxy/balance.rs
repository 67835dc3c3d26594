//! Which server of a group is asked next: nginx's smooth weighted round robin with passive ejection. Given the
//! instant as an argument, it gives an index and learns how that server did; it knows no clock and no socket.

use super::config::Peer;
use std::time::{Duration, Instant};

/// The servers that one request has been tried at. A group's servers past the 128th are never marked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried(u128);

impl Tried {
    pub(crate) fn mark(&mut self, peer: usize) {
        self.0 |= u32::try_from(peer).ok().and_then(|p| 1_u128.checked_shl(p)).unwrap_or(0);
    }

    fn has(self, peer: usize) -> bool {
        u32::try_from(peer).ok().and_then(|p| self.0.checked_shr(p)).is_some_and(|bits| bits & 1 == 1)
    }
}

/// A group's round robin.
#[derive(Debug)]
pub(crate) struct Balance {
    peers: Vec<State>,
}

/// The names are those of nginx's `ngx_http_upstream_rr_peer_t`.
#[derive(Debug)]
struct State {
    weight: i64,
    effective_weight: i64,
    current_weight: i64,
    max_fails: u32,
    fail_timeout: Duration,
    fails: u32,
    accessed: Option<Instant>,
    checked: Option<Instant>,
    down: bool,
}

impl State {
    /// Whether it has failed too often too recently.
    fn ejected(&self, now: Instant) -> bool {
        self.max_fails > 0
            && self.fails >= self.max_fails
            && self.checked.is_some_and(|at| now.saturating_duration_since(at) <= self.fail_timeout)
    }
}

impl Balance {
    pub(crate) fn new(peers: &[Peer]) -> Self {
        let state = |peer: &Peer| State {
            weight: i64::from(peer.weight),
            effective_weight: i64::from(peer.weight),
            current_weight: 0,
            max_fails: peer.max_fails,
            fail_timeout: peer.fail_timeout,
            fails: 0,
            accessed: None,
            checked: None,
            down: peer.down,
        };
        Self { peers: peers.iter().map(state).collect() }
    }

    /// The servers that take requests at all.
    pub(crate) fn usable(&self) -> usize {
        self.peers.iter().filter(|peer| !peer.down).count()
    }

    /// The server to ask at `now`, which is none that was `tried`. A group is never left without one: where all
    /// others are ejected, the ejected are asked.
    pub(crate) fn choose(&mut self, tried: Tried, now: Instant) -> Option<usize> {
        self.smooth(tried, now, false).or_else(|| self.smooth(tried, now, true))
    }

    fn smooth(&mut self, tried: Tried, now: Instant, ejected_too: bool) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<usize> = None;
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if peer.down || tried.has(index) || (!ejected_too && peer.ejected(now)) {
                continue;
            }
            // A weight of 0 is that of a server which failed max_fails times: it comes back one by one.
            peer.current_weight += peer.effective_weight;
            total += peer.effective_weight;
            if peer.effective_weight < peer.weight {
                peer.effective_weight += 1;
            }
            let weight = peer.current_weight;
            if best.is_none_or(|best| weight > self.peers[best].current_weight) {
                best = Some(index);
            }
        }
        let chosen = &mut self.peers[best?];
        chosen.current_weight -= total;
        if chosen.checked.is_none_or(|at| now.saturating_duration_since(at) > chosen.fail_timeout) {
            chosen.checked = Some(now);
        }
        best
    }

    /// The server at `index` failed.
    pub(crate) fn failed(&mut self, index: usize, now: Instant) {
        let peer = &mut self.peers[index];
        peer.fails = peer.fails.saturating_add(1);
        peer.accessed = Some(now);
        peer.checked = Some(now);
        if peer.max_fails > 0 {
            peer.effective_weight = (peer.effective_weight - peer.weight / i64::from(peer.max_fails)).max(0);
        }
    }

    /// The server at `index` answered: its failures are forgotten once they are older than this check of it.
    pub(crate) fn succeeded(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if peer.fails > 0 && peer.accessed < peer.checked {
            peer.fails = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;

    fn balance(weights: &[u32]) -> Balance {
        let peer = |&weight: &u32| Peer { weight, ..Peer::new(([127, 0, 0, 1], 1).into()) };
        Balance::new(&weights.iter().map(peer).collect::<Vec<_>>())
    }

    fn order(balance: &mut Balance, count: usize) -> String {
        let now = pace::now();
        let letter = |i: usize| char::from(b"abc"[i]);
        (0..count).map(|_| balance.choose(Tried::default(), now).map_or('-', letter)).collect()
    }

    #[test]
    fn weights_are_spread_smoothly() {
        // The sequence that nginx's change 52327e0627f4 of 2012 gives for weights 5, 1, 1.
        assert_eq!(order(&mut balance(&[5, 1, 1]), 14), "aabacaaaabacaa");
        assert_eq!(order(&mut balance(&[1, 1, 1]), 6), "abcabc");
        assert_eq!(order(&mut balance(&[1]), 3), "aaa");
    }

    #[test]
    fn a_tried_server_is_not_asked_again() {
        let mut balance = balance(&[1, 1]);
        let mut tried = Tried::default();
        let now = pace::now();
        for _ in 0..2 {
            let peer = balance.choose(tried, now).expect("one is left");
            tried.mark(peer);
        }
        assert_eq!(balance.choose(tried, now), None);
    }

    #[test]
    fn a_failed_server_rests_for_its_fail_timeout() {
        let mut balance = balance(&[1, 1]);
        let start = pace::now();
        balance.failed(0, start);
        for second in 0..=10 {
            assert_eq!(balance.choose(Tried::default(), start + Duration::from_secs(second)), Some(1));
        }
        let later = start + Duration::from_secs(11);
        let asked: Vec<_> = (0..4).filter_map(|_| balance.choose(Tried::default(), later)).collect();
        assert!(asked.contains(&0), "{asked:?}");
        balance.succeeded(0);
        assert_eq!(balance.peers[0].fails, 0);
    }

    #[test]
    fn the_last_server_is_never_ejected() {
        let mut alone = balance(&[1]);
        let now = pace::now();
        alone.failed(0, now);
        assert_eq!(alone.choose(Tried::default(), now), Some(0));

        let mut pair = balance(&[1, 1]);
        pair.failed(0, now);
        pair.failed(1, now);
        assert!(pair.choose(Tried::default(), now).is_some());
    }
}
