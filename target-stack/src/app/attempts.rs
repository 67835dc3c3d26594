//! How often somebody may be wrong about a password. Failures are counted by account and by the client's address, and a
//! count runs down with time; where it is full, nobody is let try, right or wrong, until it has. Who gives the right
//! password is never counted, so that any number of people can sign in from one address. Given names, addresses and
//! instants, it says how long to wait; it knows no password, and what it keeps is bounded.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use lru::LruCache;
use std::convert::Infallible;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures at once, and one more each time so much has passed.
const OF_ACCOUNT: Rule = Rule { burst: 10, every: Duration::from_secs(30) };
const OF_ADDRESS: Rule = Rule { burst: 100, every: Duration::from_secs(5) };
/// How many accounts and how many addresses are kept in mind: of those that failed, the latest.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

#[derive(Clone, Copy)]
struct Rule {
    burst: u32,
    every: Duration,
}

/// Where a request came from, as the proxy says: the last address that it was forwarded for. Who asks the app server itself
/// has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(Option<IpAddr>);

/// The failures of late.
pub(crate) struct Attempts {
    accounts: Mutex<Failures<String>>,
    addresses: Mutex<Failures<IpAddr>>,
}

/// Of each, the instant at which all failures are forgotten (the generic cell rate algorithm's theoretical arrival time).
struct Failures<K: Hash + Eq> {
    rule: Rule,
    forgotten: LruCache<K, Instant>,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self { accounts: Failures::new(OF_ACCOUNT), addresses: Failures::new(OF_ADDRESS) }
    }

    /// How long this client has to wait until it may try for this account, if it has to.
    pub(crate) fn wait(&self, account: &str, client: Client, now: Instant) -> Option<Duration> {
        let of_account = lock(&self.accounts).wait(&account.to_ascii_lowercase(), now);
        let of_address = client.0.and_then(|address| lock(&self.addresses).wait(&address, now));
        of_account.max(of_address)
    }

    /// The password was wrong.
    pub(crate) fn failed(&self, account: &str, client: Client, now: Instant) {
        lock(&self.accounts).add(account.to_ascii_lowercase(), now);
        client.0.into_iter().for_each(|address| lock(&self.addresses).add(address, now));
    }

    /// It was right: the account's owner is there. The address may have other accounts in mind.
    pub(crate) fn succeeded(&self, account: &str) {
        lock(&self.accounts).forgotten.pop(&account.to_ascii_lowercase());
    }
}

impl<K: Hash + Eq> Failures<K> {
    fn new(rule: Rule) -> Mutex<Self> {
        Mutex::new(Self { rule, forgotten: LruCache::new(KEPT) })
    }

    fn wait(&self, who: &K, now: Instant) -> Option<Duration> {
        let ahead = self.forgotten.peek(who)?.checked_duration_since(now)?;
        let wait = ahead.checked_sub(self.rule.every * (self.rule.burst - 1))?;
        (!wait.is_zero()).then_some(wait)
    }

    fn add(&mut self, who: K, now: Instant) {
        let before = self.forgotten.get(&who).map_or(now, |forgotten| now.max(*forgotten));
        self.forgotten.put(who, before + self.rule.every);
    }
}

fn lock<T>(failures: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A count cannot be half changed.
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    fn of(headers: &HeaderMap) -> Self {
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next());
        let address = last.and_then(|last| last.trim().parse::<IpAddr>().ok());
        Self(address.map(|address| match address.to_canonical() {
            // One customer of a provider has a network of 64 bits.
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;

    fn client(n: u8) -> Client {
        Client(Some(IpAddr::from([127, 0, 0, n])))
    }

    #[test]
    fn an_account_is_closed_after_its_failures_and_open_again_after_a_while() {
        let (attempts, start) = (Attempts::new(), pace::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for n in 0..10 {
            assert_eq!(attempts.wait("Ada", client(n), at(0)), None, "{n}");
            attempts.failed("Ada", client(n), at(0));
        }
        let wait =
            |name: &str, seconds| attempts.wait(name, client(99), at(seconds)).map(|wait| wait.as_secs());
        assert_eq!(wait("aDA", 0), Some(30), "from anywhere, however it is written");
        assert_eq!((wait("ada", 29), wait("ada", 30), wait("other", 0)), (Some(1), None, None));
        attempts.failed("ada", client(99), at(30));
        assert_eq!((wait("ada", 30), wait("ada", 61)), (Some(30), None));
        attempts.failed("ada", client(99), at(61));
        attempts.succeeded("Ada");
        assert_eq!(wait("ada", 61), None, "its owner is there");
    }

    #[test]
    fn an_address_is_closed_for_all_accounts_and_the_right_password_is_never_counted() {
        let (attempts, now) = (Attempts::new(), pace::now());
        for n in 0..100 {
            attempts.succeeded("user5");
            assert_eq!(attempts.wait("user5", client(1), now), None);
            attempts.failed(&format!("user{}", n + 100), client(1), now);
        }
        assert_eq!(attempts.wait("user5", client(1), now), Some(Duration::from_secs(5)));
        assert_eq!(attempts.wait("user5", client(2), now), None);
        assert_eq!(attempts.wait("user5", Client(None), now), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (attempts, now) = (Attempts::new(), pace::now());
        (0..KEPT.get() + 5).for_each(|n| attempts.failed(&n.to_string(), Client(None), now));
        assert_eq!(lock(&attempts.accounts).forgotten.len(), KEPT.get());
    }

    #[test]
    fn the_client_is_whom_the_proxy_saw() {
        for (fields, want) in [
            (&["127.0.0.9"][..], Some("127.0.0.9")),
            (&["10.0.0.1, 127.0.0.9"], Some("127.0.0.9")),
            (&["10.0.0.1", "127.0.0.9"], Some("127.0.0.9")),
            (&["::ffff:127.0.0.9"], Some("127.0.0.9")),
            (&["2001:db8:1:2:3:4:5:6"], Some("2001:db8:1:2::")),
            (&["10.0.0.1, unknown"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", field.parse().expect("a field"));
            }
            let want = want.map(|want| want.parse::<IpAddr>().expect("an address"));
            assert_eq!(Client::of(&headers).0, want, "{fields:?}");
        }
    }
}
