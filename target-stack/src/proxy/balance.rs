//! Which server of a group is asked next: nginx's smooth weighted round robin, `least_conn`, `ip_hash` and `hash`, with backups and
//! passive ejection. Given the instant as an argument, it gives an index, with a place taken there, and learns how that
//! server did; it knows no clock and no socket. Weights are a worker's own; what is known of a server, all workers share.

mod hash;
#[cfg(test)]
mod tests;

use super::config::{Method, Peer, Upstream};
use super::standing::Standing;
use hash::{Ring, Walk};
use std::cmp;
use std::sync::Arc;
use std::time::Instant;

/// How often a hash looks for another server before round robin decides; nginx's number.
const MISSES: u32 = 20;

/// The servers that one request has been tried at. A group's servers past the 128th are never marked.
#[derive(Clone, Copy, Debug, Default)]
struct Tried(u128);

impl Tried {
    fn mark(&mut self, peer: usize) {
        self.0 |= u32::try_from(peer).ok().and_then(|p| 1_u128.checked_shl(p)).unwrap_or(0);
    }

    fn has(self, peer: usize) -> bool {
        u32::try_from(peer).ok().and_then(|p| self.0.checked_shr(p)).is_some_and(|bits| bits & 1 == 1)
    }
}

/// One request's search for a server that answers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    tried: Tried,
    /// Where the hash of its key leads, unless it has led nowhere for too long.
    walk: Option<Walk>,
    misses: u32,
}

/// A worker's choice among the servers of a group.
#[derive(Debug)]
pub(crate) struct Balance {
    policy: Policy,
    peers: Vec<State>,
    /// Of those that are no backups.
    total_weight: u64,
    backups: bool,
}

#[derive(Debug)]
enum Policy {
    RoundRobin,
    LeastConn,
    Address,
    Key,
    /// The ring's servers are the group's first peers of each name.
    Consistent(Ring, Vec<usize>),
}

/// The names are those of nginx's `ngx_http_upstream_rr_peer_t`.
#[derive(Debug)]
struct State {
    server: Arc<str>,
    weight: i64,
    effective_weight: i64,
    current_weight: i64,
    max_fails: i64,
    backup: bool,
    /// Requests that it worked on when `least_conn` looked last.
    conns: i64,
    standing: Arc<Standing>,
}

impl State {
    /// Whether it has fewer requests for its weight than `other`.
    fn load_against(&self, other: &Self) -> cmp::Ordering {
        (self.conns * other.weight).cmp(&(other.conns * self.weight))
    }
}

/// Who can be chosen.
#[derive(Clone, Copy, Debug)]
struct Field {
    tried: Tried,
    now: Instant,
    backup: bool,
    /// Where nobody else is left, those that are ejected are.
    ejected: bool,
}

impl Field {
    fn takes(self, index: usize, peer: &State) -> bool {
        let standing = &peer.standing;
        peer.backup == self.backup
            && !standing.down()
            && !self.tried.has(index)
            && !standing.full()
            && (self.ejected || !standing.ejected(self.now))
    }
}

impl Balance {
    /// A choice among `upstream`'s servers, whose standings are given in their order.
    pub(crate) fn new<'a>(upstream: &Upstream, standings: impl Iterator<Item = &'a Arc<Standing>>) -> Self {
        let state = |(peer, standing): (&Peer, &Arc<Standing>)| State {
            server: Arc::clone(&peer.server),
            weight: i64::from(peer.weight),
            effective_weight: i64::from(peer.weight),
            current_weight: 0,
            max_fails: i64::from(peer.max_fails),
            backup: peer.backup,
            conns: 0,
            standing: Arc::clone(standing),
        };
        let first = |peer: &&Peer| !peer.backup;
        let policy = match &upstream.method {
            Method::RoundRobin => Policy::RoundRobin,
            Method::LeastConn => Policy::LeastConn,
            Method::IpHash => Policy::Address,
            Method::Hash { consistent: false, .. } => Policy::Key,
            Method::Hash { consistent: true, .. } => {
                let names = upstream.peers.iter().filter(first).map(|peer| (&*peer.server, peer.weight));
                let named = |name: &str| upstream.peers.iter().position(|peer| &*peer.server == name);
                let firsts = names.clone().map(|(name, _)| named(name).unwrap_or_default()).collect();
                Policy::Consistent(Ring::new(names), firsts)
            }
        };
        Self {
            policy,
            total_weight: upstream.peers.iter().filter(first).map(|peer| u64::from(peer.weight)).sum(),
            backups: upstream.peers.iter().any(|peer| peer.backup),
            peers: upstream.peers.iter().zip(standings).map(state).collect(),
        }
    }

    /// The servers that take requests at all.
    pub(crate) fn usable(&self) -> usize {
        self.peers.iter().filter(|peer| !peer.standing.down()).count()
    }

    /// The search of a request with this key, which only a hash looks at.
    pub(crate) fn search(&self, key: Vec<u8>) -> Search {
        let walk = match &self.policy {
            Policy::RoundRobin | Policy::LeastConn => None,
            Policy::Address => Some(Walk::of_address(key)),
            Policy::Key => Some(Walk::of_key(key)),
            Policy::Consistent(ring, _) => Some(Walk::around(ring, key)),
        };
        Search { walk: walk.filter(Walk::has_key), ..Search::default() }
    }

    /// The server to ask at `now`, which is none that was tried; the request has a place there. A group is never left
    /// without one that can take a request: where all others are ejected, the ejected are asked.
    pub(crate) fn choose(&mut self, search: &mut Search, now: Instant) -> Option<usize> {
        loop {
            let index = self.pick(search, now)?;
            search.tried.mark(index);
            let standing = &self.peers[index].standing;
            // In between, another worker may have taken the last place. Then the server is full, and another one is picked.
            if standing.enter() {
                standing.asked(now);
                return Some(index);
            }
        }
    }

    fn pick(&mut self, search: &mut Search, now: Instant) -> Option<usize> {
        let field = Field { tried: search.tried, now, backup: false, ejected: false };
        let backup = Field { backup: true, ..field };
        let walked = search.walk.is_some().then(|| self.walk(search, field)).flatten();
        walked
            .or_else(|| self.within(field))
            .or_else(|| self.backups.then(|| self.within(backup)).flatten())
            .or_else(|| self.smooth(Field { ejected: true, ..field }, None))
            .or_else(|| self.smooth(Field { ejected: true, ..backup }, None))
    }

    /// Whoever the policy prefers in the field, if it is not one of hashes.
    fn within(&mut self, field: Field) -> Option<usize> {
        match self.policy {
            Policy::LeastConn => self.least(field),
            _ => self.smooth(field, None),
        }
    }

    /// Smooth weighted round robin, among the servers called `name` if one is given.
    fn smooth(&mut self, field: Field, name: Option<&str>) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut total = 0;
        for index in 0..self.peers.len() {
            let peer = &self.peers[index];
            if !field.takes(index, peer) || name.is_some_and(|name| *peer.server != *name) {
                continue;
            }
            total += self.advance(index);
            let ahead = |best: usize| self.peers[index].current_weight > self.peers[best].current_weight;
            if best.is_none_or(ahead) {
                best = Some(index);
            }
        }
        self.peers[best?].current_weight -= total;
        best
    }

    /// Gives a server its share of the round, and says how large that was. A weight of 0 is that of a server which
    /// failed max_fails times: it comes back one by one.
    fn advance(&mut self, index: usize) -> i64 {
        let peer = &mut self.peers[index];
        let share = peer.effective_weight;
        peer.current_weight += share;
        if peer.effective_weight < peer.weight {
            peer.effective_weight += 1;
        }
        share
    }

    /// The server with the fewest requests for its weight; among equals, by round robin.
    fn least(&mut self, field: Field) -> Option<usize> {
        // Other workers change the numbers meanwhile.
        for peer in &mut self.peers {
            peer.conns = peer.standing.conns().get();
        }
        let (mut least, mut several) = (None, false);
        for (index, peer) in self.peers.iter().enumerate().filter(|(index, peer)| field.takes(*index, peer)) {
            match least.map(|least: usize| peer.load_against(&self.peers[least])) {
                None | Some(cmp::Ordering::Less) => (least, several) = (Some(index), false),
                Some(cmp::Ordering::Equal) => several = true,
                Some(cmp::Ordering::Greater) => {}
            }
        }
        let least = least?;
        if !several {
            return Some(least);
        }
        let (mut best, mut total) = (least, 0);
        for index in least..self.peers.len() {
            let peer = &self.peers[index];
            if field.takes(index, peer) && peer.load_against(&self.peers[least]).is_eq() {
                total += self.advance(index);
                if self.peers[index].current_weight > self.peers[best].current_weight {
                    best = index;
                }
            }
        }
        self.peers[best].current_weight -= total;
        Some(best)
    }

    /// Where the hash leads, or nobody when it has led nowhere for too long.
    fn walk(&mut self, search: &mut Search, field: Field) -> Option<usize> {
        if self.peers.len() < 2 {
            return None;
        }
        while search.misses <= MISSES {
            let walk = search.walk.as_mut()?;
            let found = match &self.policy {
                Policy::Address => self.by_share(walk.next_by_address(self.total_weight), field),
                Policy::Key => self.by_share(walk.next_by_key(self.total_weight), field),
                Policy::Consistent(ring, firsts) => {
                    let name = Arc::clone(&self.peers[firsts[walk.here(ring)]].server);
                    let found = self.smooth(field, Some(&name));
                    if found.is_none() {
                        walk.step();
                    }
                    found
                }
                Policy::RoundRobin | Policy::LeastConn => return None,
            };
            if found.is_some() {
                return found;
            }
            search.misses += 1;
        }
        None
    }

    /// The server that this share of the total weight belongs to, if it can be asked.
    fn by_share(&self, share: u64, field: Field) -> Option<usize> {
        let mut left = i64::try_from(share).ok()?;
        let first = self.peers.iter().enumerate().filter(|(_, peer)| !peer.backup);
        for (index, peer) in first {
            if left < peer.weight {
                return field.takes(index, peer).then_some(index);
            }
            left -= peer.weight;
        }
        None
    }

    /// The server at `index` failed; whether it is ejected for that.
    pub(crate) fn failed(&mut self, index: usize, now: Instant) -> bool {
        let peer = &mut self.peers[index];
        if peer.max_fails > 0 {
            peer.effective_weight = (peer.effective_weight - peer.weight / peer.max_fails).max(0);
        }
        peer.standing.failed(now)
    }
}
