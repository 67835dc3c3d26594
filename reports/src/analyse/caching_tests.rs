//! Conclusions from small experiments on caching, whose numbers are known.

use super::*;
use crate::cache::{Cure, Ledger, Part};
use crate::fixture::caching::{Made, made};

#[test]
fn requests_to_the_app_that_come_together_are_one_expiry() {
    for (reached, want) in [
        (&[][..], &[][..]),
        (&[(0.0, 7)], &[]),
        (&[(0.0, 7), (0.1, 7), (2.0, 7)], &[]),
        // What had reached it before the load is none of it.
        (&[(0.0, 7), (0.1, 8), (0.2, 18), (0.3, 18), (2.2, 19)], &[(0.1, 11), (2.2, 1)]),
        // Just under half of 2 s apart, and just over it.
        (&[(0.0, 0), (0.1, 1), (1.0, 2)], &[(0.1, 2)]),
        (&[(0.0, 0), (0.1, 1), (1.2, 2)], &[(0.1, 1), (1.2, 1)]),
        // The app was started anew.
        (&[(0.0, 9), (0.1, 2), (0.2, 3)], &[(0.2, 1)]),
    ] {
        let found: Vec<_> = expiries(reached, 2.0).iter().map(|one| (one.at_s, one.requests)).collect();
        assert_eq!(found, want, "{reached:?}");
    }
}

#[test]
fn the_first_copy_is_no_expiry() {
    for (reached, cold, expiries) in [
        (&[(0.0, 0), (0.3, 7), (2.4, 8)][..], Some(7), 1),
        (&[(0.0, 0), (1.5, 7), (3.9, 8)], None, 2),
        (&[(0.0, 0), (0.3, 0)], None, 0),
    ] {
        let found = bursts(reached, 2.0);
        assert_eq!((found.0, found.1.len()), (cold, expiries), "{reached:?}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_missed() {
    let whole = made(Made::Whole);
    for (part, sentence) in [
        (
            Part::Stampede,
            "When a popular page expires, 40 requests reach the app, and 1 with lock and updating",
        ),
        (Part::Outage, "While the app is dead 28 % are served without stale pages, and "),
    ] {
        let mut found = Caching { uncached: None, cached: None, ..whole.clone() };
        found.setting.parts = vec![part];
        match part {
            Part::Stampede => found.outages.clear(),
            _ => found.stampedes.clear(),
        }
        caching(&mut found).unwrap();
        assert!(
            found.verdict.valid && finding(&found).starts_with(sentence),
            "{}: {:?}",
            finding(&found),
            found.verdict
        );
    }
}

#[test]
fn a_first_ceiling_that_is_a_bound_makes_no_ratio() {
    let mut found = made(Made::Whole);
    found.uncached.as_mut().unwrap().search.steps.retain(|step| step.passed);
    caching(&mut found).unwrap();
    assert!(found.gain.is_none() && !found.verdict.valid, "{:?}", found.gain);
    assert!(finding(&found).starts_with("The ceiling is at least "), "{}", finding(&found));
}

#[test]
fn a_hit_is_what_the_proxy_answers_itself() {
    for (fared, app_requests, want) in [
        (&[("HIT", 90), ("MISS", 5), ("EXPIRED", 5)][..], 10, Some(0.9)),
        (&[("HIT", 80), ("STALE", 5), ("UPDATING", 4), ("REVALIDATED", 1), ("BYPASS", 10)], 10, Some(0.9)),
        // A proxy that does not say so: what the app did not get.
        (&[], 25, Some(0.75)),
        (&[], 130, Some(0.0)),
    ] {
        let fared = fared.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let ledger = Ledger { planned: 100, ok: 100, ..Ledger::default() };
        let mut busy = Busy { fared, app_requests, db_queries: 3, ledger, ..Busy::default() };
        cost(&mut busy);
        assert_eq!((busy.hit_ratio, busy.queries_per_request), (want, Some(0.03)), "{busy:?}");
    }
    let mut nothing = Busy::default();
    cost(&mut nothing);
    assert_eq!((nothing.hit_ratio, nothing.app_per_request, nothing.queries_per_request), (None, None, None));
}

#[test]
fn an_outage_is_from_the_death_to_the_return() {
    let intervals = vec![(10, 0), (9, 1), (0, 10), (4, 6), (10, 0)];
    let stale_sent = vec![(0.0, 5), (1.0, 5), (2.0, 8), (4.0, 9), (9.0, 30)];
    let outage = Outage { interval_s: 1.0, intervals, stale_sent, ..Outage::default() };
    for (killed_at_s, back_at_s, want) in [
        (None, Some(4.0), None),
        (Some(1.0), Some(4.0), Some((13, 17, Some(4)))),
        (Some(1.4), Some(3.6), Some((13, 17, Some(3)))),
        (Some(1.6), None, Some((14, 16, Some(14)))),
        (Some(7.0), None, Some((0, 0, Some(0)))),
    ] {
        let found = dead(&Outage { killed_at_s, back_at_s, ..outage.clone() });
        assert_eq!(
            found.map(|dead| (dead.ok, dead.failed, dead.stale)),
            want,
            "{killed_at_s:?} {back_at_s:?}"
        );
    }
    let silent = Outage { killed_at_s: Some(1.0), stale_sent: Vec::new(), ..outage };
    assert_eq!(dead(&silent).unwrap().stale, None);
}

#[test]
fn the_moved_ceiling_has_an_interval_where_both_are_exact() {
    let whole = made(Made::Whole);
    let gain = whole.gain.unwrap();
    let ceiling = |way: &Option<Way>| way.as_ref().unwrap().search.ceiling_rps.unwrap();
    assert_eq!(gain.ratio, ceiling(&whole.cached) / ceiling(&whole.uncached));
    let [from, to] = gain.ci95.unwrap();
    assert!(from < gain.ratio && gain.ratio < to && gain.bound == Bound::Exact, "{gain:?}");
    let least = made(Made::AtLeast);
    let gain = least.gain.unwrap();
    assert_eq!((gain.bound, gain.ci95), (Bound::AtLeast, None));
    assert!(
        finding(&least).contains("to at least ") && finding(&least).contains(", at least "),
        "{}",
        finding(&least)
    );
    assert_eq!(made(Made::Empty).gain, None);
}

#[test]
fn what_is_missing_or_invalid_makes_the_verdict_invalid() {
    for (which, valid, part) in [
        (Made::Whole, true, ""),
        (Made::AtLeast, true, ""),
        (Made::Spoilt, false, "the popular page (no lock) is invalid: the sending thread used 97 %"),
        (Made::Partial, false, "the outage with stale pages was not measured"),
        (Made::Empty, false, "the ceiling without a cache was not searched"),
    ] {
        let found = made(which);
        assert_eq!(found.verdict.valid, valid, "{which:?}: {:?}", found.verdict.reasons);
        assert!(found.verdict.reasons.join("; ").contains(part), "{which:?}: {:?}", found.verdict.reasons);
    }
}

#[test]
fn it_is_said_in_the_numbers_of_the_run() {
    let found = made(Made::Whole);
    let said = finding(&found);
    assert!(
        said.contains(", 12 times; 0.032 database queries per request in place of 1.6")
            || said.contains(" times; 0.032 database queries"),
        "{said}"
    );
    let said = Cure::ALL.map(|cure| stampede_in_words(found.stampede(cure).unwrap()));
    assert_eq!(
        said,
        [
            "40 requests reach the app before there is a copy; 40 when it expires, in the mean of 3 times, 40 at most",
            "1 request reaches the app before there is a copy; 40 when it expires, in the mean of 3 times, 40 at most",
            "1 request reaches the app before there is a copy; 1 when it expires, in the mean of 3 times, 1 at most",
        ]
    );
    let [without, with] = [false, true].map(|stale| outage_in_words(found.outage(stale).unwrap()));
    assert!(
        without.starts_with("28 % served in 5 s without the app: 140 requests; 360 failures"),
        "{without}"
    );
    assert!(with.contains("350 pages of them stale") || with.contains("of them stale; 5 failures"), "{with}");
}

#[test]
fn small_numbers_are_not_said_to_be_none() {
    for (value, want) in [(0.0, "0"), (0.00004, "< 0.0005"), (0.0213, "0.021"), (1.618, "1.6")] {
        assert_eq!(per_request(value), want);
    }
}

#[test]
fn what_others_did_to_the_target_is_no_answer() {
    let mut found = made(Made::Whole);
    found.cached.as_mut().unwrap().busy.as_mut().unwrap().app_requests = 5_000;
    found.stampedes[0].fared = [(String::from("HIT"), 1_600)].into();
    caching(&mut found).unwrap();
    let reasons = found.verdict.reasons;
    assert!(!found.verdict.valid && reasons.len() == 2, "{reasons:?}");
    assert!(
        reasons[0].starts_with("the load with a cache: the app got 5,000 requests, and 380 of"),
        "{reasons:?}"
    );
    assert!(reasons[1].starts_with("the popular page (no lock): the app got "), "{reasons:?}");
}
