//! What is in no record, done to records that are good.

use super::*;
use crate::fixture;
use crate::fixture::caching::{Made, made};

/// What is done to a record, and a part of what is then said.
type Case<T> = (fn(&mut T), &'static str);

fn each<T>(good: fn() -> T, of: fn(&T) -> Option<String>, cases: &[Case<T>]) {
    assert_eq!(of(&good()), None);
    for (change, part) in cases {
        let mut found = good();
        change(&mut found);
        let said = of(&found).unwrap_or_default();
        assert!(said.contains(part), "`{part}`: `{said}`");
    }
}

fn orders(acknowledged: u64, unanswered: u64, stored: u64) -> Option<Orders> {
    Some(Orders { acknowledged, unanswered, stored })
}

#[test]
fn trials_have_the_numbers_of_a_load() {
    assert_eq!(of_lesson(&fixture::lesson::maintenance()), None);
    each(
        fixture::lesson::spof,
        of_lesson,
        &[
            (|found| found.duration_s = -1.0, "its duration_s cannot be"),
            (|found| found.rps = f64::NAN, "its rps cannot be"),
            (|found| found.limit_ms = 1e308, "its limit_ms cannot be"),
            (
                |found| found.trials = vec![found.trials[0].clone(); 65],
                "65 trials: no experiment has more than 64",
            ),
            (
                |found| found.trials[1].duration_s = 1e308,
                "killing one of 2 app servers: a time that no load has",
            ),
            (|found| found.trials[1].p99_ms = Some(-1.0), "a time that no load has"),
            (|found| found.trials[1].bins[7].p99_ms = Some(1e308), "a time that no load has"),
            (|found| found.trials[1].interval_s = 0.0, "a time that no load has"),
            (|found| found.trials[1].events[0].at_s = -1e300, "a time that no load has"),
            (|found| found.trials[1].servers = 0, "a tier has no server"),
            (|found| found.trials[1].ok = u64::MAX, "a count that no load has"),
            (|found| found.trials[1].status = [(200, u64::MAX)].into(), "a count that no load has"),
            (|found| found.trials[1].status = [(200, 2_401)].into(), "more answers than requests"),
            (|found| found.trials[1].dns_failures = u64::MAX, "more failures of the name server"),
            (
                |found| found.trials[0].orders = orders(1_000_000_000, 0, 1_000_000_000),
                "more purchases than requests",
            ),
            (|found| found.trials[0].orders = orders(u64::MAX, 1, 1), "more purchases than requests"),
            (|found| found.trials[0].orders = orders(1, 1, u64::MAX), "more purchases than requests"),
        ],
    );
}

fn busy(found: &mut Caching) -> &mut Busy {
    found.cached.as_mut().unwrap().busy.as_mut().unwrap()
}

#[test]
fn caching_has_the_numbers_of_loads() {
    for which in Made::ALL {
        assert_eq!(of_caching(&made(which)), None, "{which:?}");
    }
    each(
        || made(Made::Whole),
        of_caching,
        &[
            (|found| found.duration_s = -1.0, "its duration_s cannot be"),
            (|found| found.setting.service_ms = f64::INFINITY, "its service_ms cannot be"),
            (
                |found| busy(found).app_requests = 1_000_000_000_000,
                "the load with a cache: a count that no target has",
            ),
            (|found| busy(found).offered_rps = -1.0, "a number that no load has"),
            (
                |found| busy(found).fared = [("HIT".to_owned(), 5)].into(),
                "the proxy counted 5 requests, and 20,000 were answered",
            ),
            (
                |found| found.stampedes[0].duration_s = -1.0,
                "the popular page (no lock): a number that no load has",
            ),
            (|found| found.stampedes[0].offered_rps = -1.0, "a number that no load has"),
            (|found| found.stampedes[0].p50_ms = Some(600.0), "its percentiles are not in order"),
            (|found| found.stampedes[0].max_ms = Some(1.0), "its percentiles are not in order"),
            (|found| found.stampedes[0].ledger = Ledger::default(), "its requests are not those of its rate"),
            (|found| found.stampedes = vec![found.stampedes[0].clone(); 200], "the same was measured twice"),
            (|found| found.outages.push(found.outages[0].clone()), "the same was measured twice"),
            (|found| found.outages[1].interval_s = 0.0, "an outage: a number that no load has"),
            (|found| found.outages[1].intervals[0].0 = u64::MAX, "a sample that no counter gives"),
        ],
    );
}

#[test]
fn a_whole_answer_has_a_status() {
    assert_eq!(of_trace(&fixture::trace::unanswered()), None);
    each(
        fixture::trace::home,
        of_trace,
        &[
            (|trace| trace.requests[1].status = None, "was answered with no status"),
            (|trace| trace.requests[1].status = Some(0), "was answered with no status"),
        ],
    );
}
