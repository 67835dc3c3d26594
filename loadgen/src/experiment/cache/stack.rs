//! A stack of the experiment: a reference target with a way of caching, started and taken down again, and its counters.

use super::Bench;
use crate::cli::Sizes;
use crate::failure::{Failure, Outcome};
use crate::observe::Counter;
use crate::signals::Signals;
use crate::target::{Descriptor, Reference};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests that an app server has answered, or given up, and those that it works on.
const ANSWERED: &str = "http_requests_total";
const IN_FLIGHT: &str = "http_requests_in_flight";
/// Requests by how they fared, of the proxy here.
const FARED: (&str, &str) = ("proxy_cache_requests_total", "status");
/// Statements that the database got.
const QUESTIONS: &str = "mysql_global_status_questions";

/// See the module.
pub(super) struct Stack {
    target: Reference,
    pub(super) descriptor: Descriptor,
    /// The process that the experiment has killed.
    pub(super) killed: Cell<Option<u32>>,
}

impl Stack {
    /// Starts one with these options; `None` when it was asked to end before it answered.
    ///
    /// # Errors
    /// The target's fault: it does not start.
    pub(super) async fn start(
        bench: &Bench<'_>,
        (cache, valid): (&str, Duration),
        more: &[&str],
        sizes: &Sizes,
        signals: &mut Signals,
    ) -> Outcome<Option<Self>> {
        let valid = format!("{}s", valid.as_secs());
        let own = ["--cache", cache, "--cache-valid", &valid].into_iter().chain(more.iter().copied());
        let options: Vec<String> = own.map(str::to_owned).chain(sizes.arguments()).collect();
        bench.output.status.does("starting a stack");
        let mut target = Reference::start(&bench.target_cpus, bench.args.target_proxy, &options)?;
        let ready = tokio::select! {
            ready = target.ready() => Some(ready),
            () = signals.asked() => None,
        };
        match ready {
            Some(Ok(descriptor)) => Ok(Some(Self { target, descriptor, killed: Cell::default() })),
            Some(Err(failure)) => {
                target.stop().await;
                Err(failure)
            }
            None => {
                target.stop().await;
                Ok(None)
            }
        }
    }

    /// Takes it down, and hands on what was done with it, or why it died, or one of its processes did.
    pub(super) async fn end<T>(mut self, done: Outcome<Option<T>>) -> Outcome<Option<T>> {
        let died = self.target.died().await;
        let deaths = self.target.stop().await;
        // A stack that goes on without a process is not what was to be measured either.
        let unmeant = deaths.into_iter().find(|death| Some(death.pid) != self.killed.get());
        // Who was asked to end may not know any more what he has killed.
        let unmeant = unmeant.filter(|_| !matches!(done, Ok(None)));
        match died.or_else(|| unmeant.map(|death| death.reason)) {
            Some(said) => Err(Failure::target(format!("the reference target died: {said}"))),
            None => done,
        }
    }

    fn counters(&self, tier: &str) -> Outcome<Vec<Counter>> {
        let tiers = self.descriptor.tiers.get(tier).into_iter().flatten();
        tiers.filter_map(|tier| tier.metrics.as_deref()).map(Counter::at).collect()
    }

    /// Its counters.
    ///
    /// # Errors
    /// The host's fault: there is no HTTP client.
    pub(super) fn meters(&self) -> Outcome<Meters> {
        Ok(Meters { app: self.counters("app")?, proxy: self.counters("proxy")?, db: self.counters("db")? })
    }
}

/// The counters of a stack.
pub(super) struct Meters {
    app: Vec<Counter>,
    proxy: Vec<Counter>,
    db: Vec<Counter>,
}

/// What has been counted up to one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    app_requests: u64,
    db_queries: u64,
    fared: BTreeMap<String, u64>,
}

impl Meters {
    /// Requests that have reached the app: those under way count, too.
    ///
    /// # Errors
    /// The target's fault: it does not answer.
    pub(super) async fn reached(&self) -> Outcome<u64> {
        let mut sum = 0.0;
        for counter in &self.app {
            let said = counter.read().await?;
            sum += said.sum(ANSWERED) + said.sum(IN_FLIGHT);
        }
        Ok(sum as u64)
    }

    /// Requests by how they fared in the cache; none where the proxy does not say.
    ///
    /// # Errors
    /// The target's fault: it does not answer.
    pub(super) async fn fared(&self) -> Outcome<BTreeMap<String, u64>> {
        let mut all = BTreeMap::new();
        for counter in &self.proxy {
            for (status, n) in counter.read().await?.by(FARED.0, FARED.1) {
                *all.entry(status).or_insert(0) += n as u64;
            }
        }
        Ok(all)
    }

    /// All of it.
    ///
    /// # Errors
    /// The target's fault: it does not answer.
    pub(super) async fn read(&self) -> Outcome<Counts> {
        let mut db_queries = 0.0;
        for counter in &self.db {
            db_queries += counter.read().await?.sum(QUESTIONS);
        }
        Ok(Counts {
            app_requests: self.reached().await?,
            db_queries: db_queries as u64,
            fared: self.fared().await?,
        })
    }
}

impl Counts {
    /// What was counted since: requests to the app, statements to the database, and how requests fared.
    pub(super) fn since(self, before: &Self) -> (u64, u64, BTreeMap<String, u64>) {
        let grown = |(status, n): (String, u64)| {
            let grown = n.saturating_sub(before.fared.get(&status).copied().unwrap_or(0));
            (grown > 0).then_some((status, grown))
        };
        (
            self.app_requests.saturating_sub(before.app_requests),
            self.db_queries.saturating_sub(before.db_queries),
            self.fared.into_iter().filter_map(grown).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_is_counted_and_nothing_else() {
        let counts = |app_requests, db_queries, fared: &[(&str, u64)]| Counts {
            app_requests,
            db_queries,
            fared: fared.iter().map(|(status, n)| ((*status).to_owned(), *n)).collect(),
        };
        let before = counts(10, 20, &[("HIT", 5), ("MISS", 3)]);
        let (app, db, fared) = counts(14, 29, &[("HIT", 105), ("MISS", 3), ("STALE", 2)]).since(&before);
        assert_eq!((app, db), (4, 9));
        assert_eq!(fared.into_iter().collect::<Vec<_>>(), [("HIT".into(), 100), ("STALE".into(), 2)]);
        // A tier that was started anew.
        assert_eq!(counts(1, 1, &[("HIT", 1)]).since(&before).0, 0);
    }
}
