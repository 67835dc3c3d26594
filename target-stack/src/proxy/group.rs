//! A worker's share of an upstream: who is asked next, how often again, and by which connection. Given a request's search, it gives a
//! place at a server, which is held for as long as the server works on the request; it sends nothing itself.

use super::balance::{Balance, Search};
use super::budget::Budget;
use super::config::{Config, Method, Upstream};
use super::counters::{Counters, PeerCounters, UpstreamCounters};
use super::exchange::Exchange;
use super::link::Link;
use super::pool::Pool;
use crate::pace;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// A worker's choice among the servers of an upstream, and its connections to them.
#[derive(Debug)]
pub(crate) struct Group {
    balance: RefCell<Balance>,
    budget: Option<RefCell<Budget>>,
    config: Arc<Config>,
    upstream: usize,
    counters: Arc<Counters>,
    pool: Pool,
}

/// A request's place at a server of a group, for as long as the server works on it.
#[derive(Debug)]
#[must_use = "the place is free again when this is dropped"]
pub(crate) struct Lease {
    group: Rc<Group>,
    pub(crate) peer: usize,
}

impl Lease {
    /// Gives the place back, and keeps the connection whose answer has been read to its end.
    pub(crate) fn give_back(self, link: Box<Link>) {
        let group = &self.group;
        group.pool.put(self.peer, link, group.settings());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.group.peer(self.peer).standing.leave();
    }
}

impl Group {
    pub(crate) fn new(config: Arc<Config>, upstream: usize, counters: Arc<Counters>) -> Self {
        let settings = &config.upstreams[upstream];
        let standings = counters.upstream(upstream).peers.iter().map(|peer| &peer.standing);
        let balance = RefCell::new(Balance::new(settings, standings));
        let budget = |budget| RefCell::new(Budget::new(budget, config.workers, pace::now()));
        let budget = settings.retry_budget.map(budget);
        Self { balance, budget, config, upstream, counters, pool: Pool::default() }
    }

    /// What the configuration says of it.
    pub(crate) fn settings(&self) -> &Upstream {
        &self.config.upstreams[self.upstream]
    }

    /// Its counters.
    pub(crate) fn counters(&self) -> &UpstreamCounters {
        self.counters.upstream(self.upstream)
    }

    /// The counters of one of its servers.
    pub(crate) fn peer(&self, peer: usize) -> &PeerCounters {
        &self.counters().peers[peer]
    }

    /// The servers that take requests at all.
    pub(crate) fn usable(&self) -> usize {
        self.balance.borrow().usable()
    }

    /// The search for a server for `exchange`, which has come at `now`.
    pub(crate) fn search(&self, exchange: &Exchange, now: Instant) -> Search {
        if let Some(budget) = &self.budget {
            budget.borrow_mut().request(now);
        }
        let key = match &self.settings().method {
            Method::RoundRobin | Method::LeastConn => return Search::default(),
            Method::Hash { key, .. } => key.render(exchange),
            Method::IpHash => match exchange.client.peer.ip() {
                IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            },
        };
        self.balance.borrow().search(key)
    }

    /// A place at the server to ask next.
    pub(crate) fn choose(self: &Rc<Self>, search: &mut Search, now: Instant) -> Option<Lease> {
        let peer = self.balance.borrow_mut().choose(search, now)?;
        Some(Lease { group: Rc::clone(self), peer })
    }

    /// The server failed; whether it is ejected for that, others being left.
    pub(crate) fn failed(&self, peer: usize, now: Instant) -> bool {
        let ejected = self.balance.borrow_mut().failed(peer, now);
        ejected && self.usable() > 1
    }

    /// Whether the budget allows one more retry, which is then counted.
    pub(crate) fn may_retry(&self, now: Instant) -> bool {
        let allowed = self.budget.as_ref().is_none_or(|budget| budget.borrow_mut().retry(now));
        let counters = self.counters();
        if allowed { &counters.retries } else { &counters.retries_refused }.inc();
        allowed
    }

    /// A kept connection to the server, if there is one.
    pub(crate) fn kept(&self, peer: usize) -> Option<Box<Link>> {
        self.pool.take(peer)
    }

    /// Closes the connections that have been idle for too long by `now`.
    pub(crate) fn reap(&self, now: Instant) {
        self.pool.reap(self.settings().keepalive_timeout, now);
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.pool.idle()
    }
}
