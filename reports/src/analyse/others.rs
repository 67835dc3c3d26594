//! Who else used the target while it was counted what a load costs there. Given what the client, the proxy, the app and the database have
//! counted of the same load, it says where one has counted more than the load can have caused; then the figures are somebody else's, too.

use crate::cache::{Busy, Ledger, Stampede};
use crate::number::{count, counted};
use std::collections::BTreeMap;

/// How requests fare in a cache that reach the app because of it, once each: of what is stale, the first is answered while the copy is
/// fetched anew.
const GOES_ON: [&str; 5] = ["MISS", "BYPASS", "EXPIRED", "REVALIDATED", "STALE"];
/// Counters are read one after the other, and a request may be under way meanwhile.
const SLACK: u64 = 5;
/// A page of the catalogue costs no more statements than this.
const STATEMENTS: u64 = 4;
/// Statements of a target that idles, in a second and at its beginning: its exporter's, and those of connections that are opened.
const IDLE: f64 = 20.0;
/// Answers are waited for after a load, and counters are read before it and after it.
const AROUND_S: f64 = 3.0;

/// What shows that others used the target while this load was counted, if anything.
pub(super) fn beside(busy: &Busy) -> Option<String> {
    of_proxy(&busy.fared, &busy.ledger)
        .or_else(|| of_app(busy.app_requests, &busy.fared, &busy.ledger))
        .or_else(|| of_database(busy))
        .map(blame)
}

/// The same of a popular page.
pub(super) fn beside_page(page: &Stampede) -> Option<String> {
    let reached = page.reached.last().map_or(0, |sample| sample.1);
    of_proxy(&page.fared, &page.ledger).or_else(|| of_app(reached, &page.fared, &page.ledger)).map(blame)
}

fn blame(what: String) -> String {
    format!("{what}: others used the target at the same time")
}

/// Requests that the proxy has counted, where it does.
fn of_proxy(fared: &BTreeMap<String, u64>, ledger: &Ledger) -> Option<String> {
    let all = sum(fared.values());
    (all > ledger.planned.saturating_add(SLACK)).then(|| {
        format!("the proxy got {}, and {} were sent", counted(all, "request"), count(ledger.planned))
    })
}

/// A request goes to the app once at most, and only if the cache did not have the answer.
fn of_app(requests: u64, fared: &BTreeMap<String, u64>, ledger: &Ledger) -> Option<String> {
    let goes_on = sum(GOES_ON.iter().filter_map(|name| fared.get(*name)));
    let most = if fared.is_empty() { ledger.planned } else { goes_on };
    // Of a failure is not known how far it came.
    (requests > most.saturating_add(ledger.errors).saturating_add(SLACK)).then(|| {
        format!(
            "the app got {}, and {} of this load can have gone on to it",
            counted(requests, "request"),
            count(most)
        )
    })
}

fn of_database(busy: &Busy) -> Option<String> {
    let length_s = busy.ledger.planned as f64 / busy.offered_rps.max(1.0);
    let idle = IDLE * (length_s + AROUND_S + 1.0);
    let most = busy.app_requests.saturating_mul(STATEMENTS).saturating_add(idle as u64);
    (busy.db_queries > most).then(|| {
        format!(
            "the database got {}, and the app {}",
            counted(busy.db_queries, "statement"),
            counted(busy.app_requests, "request")
        )
    })
}

fn sum<'a>(counts: impl Iterator<Item = &'a u64>) -> u64 {
    counts.copied().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fared(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    fn ledger(planned: u64, errors: u64) -> Ledger {
        Ledger { planned, ok: planned - errors, errors, ..Ledger::default() }
    }

    fn said(
        counts: &[(&str, u64)],
        (planned, errors): (u64, u64),
        app_requests: u64,
        db_queries: u64,
    ) -> String {
        let ledger = ledger(planned, errors);
        let busy = Busy {
            offered_rps: 3_000.0,
            ledger,
            app_requests,
            db_queries,
            fared: fared(counts),
            ..Busy::default()
        };
        beside(&busy).unwrap_or_default()
    }

    #[test]
    fn what_a_load_can_have_caused_is_its_own() {
        for (counts, of, app, queries) in [
            (&[("HIT", 9_590)][..], (9_590, 0), 0, 30),
            (&[("HIT", 9_000), ("MISS", 500), ("STALE", 90)], (9_590, 0), 590, 900),
            // nginx does not say how they fared.
            (&[], (9_590, 0), 9_590, 20_000),
            (&[("HIT", 90), ("MISS", 10)], (100, 40), 50, 50),
            (&[], (0, 0), 0, 12),
        ] {
            assert_eq!(said(counts, of, app, queries), "", "{counts:?}");
        }
    }

    #[test]
    fn what_it_cannot_have_caused_is_somebody_elses() {
        for (counts, of, app, queries, part) in [
            (
                &[("HIT", 9_590)][..],
                (9_590, 0),
                0,
                670,
                "the database got 670 statements, and the app 0 requests",
            ),
            (&[("HIT", 9_590)], (9_590, 0), 17, 17, "the app got 17 requests, and 0 of this load"),
            (
                &[("HIT", 9_000), ("MISS", 700)],
                (9_590, 0),
                700,
                700,
                "the proxy got 9,700 requests, and 9,590 were",
            ),
            (&[], (1_000, 0), 1_400, 1_400, "the app got 1,400 requests, and 1,000 of this load"),
            (&[("HIT", u64::MAX), ("MISS", 9)], (9, 0), 0, 0, "the proxy got"),
        ] {
            let said = said(counts, of, app, queries);
            assert!(
                said.contains(part) && said.ends_with("others used the target at the same time"),
                "{said}"
            );
        }
    }

    #[test]
    fn only_what_is_not_there_yet_or_is_old_goes_on_from_a_popular_page() {
        let page = |reached: u64, counts: &[(&str, u64)]| {
            let reached = vec![(0.0, 0), (3.0, reached)];
            let page =
                Stampede { ledger: ledger(300, 0), reached, fared: fared(counts), ..Stampede::default() };
            beside_page(&page)
        };
        let counts = [("HIT", 200), ("UPDATING", 96), ("MISS", 1), ("STALE", 3)];
        assert_eq!(page(4, &counts), None);
        assert!(page(17, &counts).unwrap().contains("the app got 17 requests, and 4 of this load"));
        // A record of before that was counted.
        assert_eq!(page(17, &[]), None);
        assert!(page(317, &[]).is_some());
    }
}
