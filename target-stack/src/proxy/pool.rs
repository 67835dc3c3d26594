//! A worker's idle connections to one upstream. Given a server of the group, it gives the one that was kept last, and keeps those
//! that come back whole. It never connects and never chooses a server.

use super::config::Upstream;
use super::counters::Use;
use super::link::Link;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A worker's idle connections to the servers of a group.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// The one that was used last stands last.
    idle: RefCell<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    peer: usize,
    /// By the first look at it after that.
    since: Option<Instant>,
    link: Box<Link>,
}

impl Pool {
    /// The kept connection to `peer` that was used last, if one is whole.
    pub(crate) fn take(&self, peer: usize) -> Option<Box<Link>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(position) = idle.iter().rposition(|kept| kept.peer == peer) {
            let mut link = idle.remove(position)?.link;
            if link.is_whole() {
                link.count_as(Use::Busy);
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end, if it is whole; the oldest makes room.
    pub(crate) fn put(&self, peer: usize, mut link: Box<Link>, settings: &Upstream) {
        if link.requests() >= settings.keepalive_requests || !link.is_whole() {
            return;
        }
        link.rest();
        link.count_as(Use::Idle);
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= settings.keepalive {
            idle.pop_front();
        }
        idle.push_back(Idle { peer, since: None, link });
    }

    /// Closes the connections that have been idle for `longest` by `now`, and those that their server closed.
    pub(crate) fn reap(&self, longest: Duration, now: Instant) {
        self.idle.borrow_mut().retain_mut(|kept| {
            let since = *kept.since.get_or_insert(now);
            now.saturating_duration_since(since) < longest && kept.link.is_whole()
        });
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }
}
