//! Verdicts on searches of known targets: each limit in turn, the traps, and what is too little to tell.

use super::*;
use crate::analyse::synthetic::{Cpu, System};
use crate::ceiling::SelfCheck;
use crate::record::Head;

fn pinned_to(cpu: usize) -> Head {
    Head { cpus: vec![cpu], ..Head::default() }
}

fn explained(found: &Ceiling) -> LimitedBy {
    explain(found, &resources(found, found.target.cpus.len()))
}

fn key(found: &LimitedBy) -> (Limit, Option<&str>, Option<&str>) {
    (found.what, found.tier.as_deref(), found.resource.as_deref())
}

/// Sets what the kernel said at every load.
fn with_machine(mut found: Ceiling, name: &str, value: f64) -> Ceiling {
    for step in &mut found.steps {
        step.machine.insert(name.to_owned(), value);
    }
    found
}

/// Makes the loads from `share` of the ceiling on ones that cannot be judged.
fn unjudged_from(mut found: Ceiling, share: f64, reason: &str) -> Ceiling {
    let from = share * found.ceiling_rps.unwrap();
    for step in found.steps.iter_mut().filter(|step| step.offered_rps >= from) {
        (step.valid, step.reasons) = (false, vec![reason.to_owned()]);
    }
    found
}

fn limits() -> Vec<(&'static str, System, Limit, Option<&'static str>, &'static str)> {
    let base = System::default;
    let target = Limit::Target;
    vec![
        ("workers", System { workers: Some((4.0, 2e-3)), ..base() }, target, Some("app"), "workers"),
        ("one worker", System { workers: Some((1.0, 1e-3)), ..base() }, target, Some("app"), "workers"),
        ("pool", System { pool: Some(1.0), ..base() }, target, Some("app"), "pool"),
        ("proxy quota", base().cpu("proxy", 0.3e-3, Some(0.25)), target, Some("proxy"), "cpu"),
        ("app quota", base().cpu("app", 1e-3, Some(0.5)), target, Some("app"), "cpu"),
        ("db quota", base().cpu("db", 0.5e-3, Some(0.5)), target, Some("db"), "cpu"),
        ("shared CPU, db most", base(), target, Some("db"), "cpu"),
        ("shared CPU, app most", base().cpu("app", 0.9e-3, None), target, Some("app"), "cpu"),
        ("one shared CPU", System { shared_cpus: 1, ..base() }, target, Some("db"), "cpu"),
        ("lock", System { lock_s: Some(1e-3), ..base() }, Limit::Unexplained, None, "unknown"),
        (
            "lock before few workers",
            System { lock_s: Some(1e-3), workers: Some((8.0, 2e-3)), ..base() },
            Limit::Unexplained,
            None,
            "unknown",
        ),
        (
            "lock before a small pool",
            System { lock_s: Some(1e-3), pool: Some(4.0), ..base() },
            Limit::Unexplained,
            None,
            "unknown",
        ),
    ]
}

#[test]
fn each_limit_is_named() {
    for (what, system, limit, tier, resource) in limits() {
        for seed in 0..10 {
            for noise in [0.0, 0.01, 0.03] {
                let found = System { seed, noise, ..system.clone() }.search();
                let limited = explained(&found);
                let case = format!("{what}, seed {seed}, noise {noise}: {limited:#?}");
                assert_eq!(key(&limited), (limit, tier, Some(resource)), "{case}");
            }
        }
    }
}

#[test]
fn a_tight_objective_cuts_below_what_the_resource_gives() {
    let system = |p99_ms| System { p99_ms, ..System::default() }.cpu("db", 0.5e-3, Some(0.25));
    for p99_ms in [25.0, 40.0, 60.0] {
        let found = system(p99_ms).search();
        assert!(found.ceiling_rps.unwrap() < 0.88 * system(p99_ms).capacity());
        let limited = explained(&found);
        assert_eq!(key(&limited), (Limit::Target, Some("db"), Some("cpu")), "{p99_ms}: {limited:#?}");
        assert!(limited.evidence.iter().any(|line| line.contains("the objective ends at")), "{limited:#?}");
    }
    // So far below that nothing is in use all the time, at no load that was offered: no limit was met.
    let limited = explained(&system(12.0).search());
    assert_eq!(limited.what, Limit::Unexplained);
    assert!(limited.evidence.iter().any(|line| line.contains("the target still gives")), "{limited:#?}");
    // Nor is it the queue where far more than the ceiling would saturate it.
    let mut found = system(25.0).search();
    found.ceiling_rps = Some(100.0);
    assert_eq!(explained(&found).what, Limit::Unexplained);
}

#[test]
fn the_verdict_is_one_sentence() {
    let system = System { noise: 0.0, ..System::default() };
    let found = system.clone().cpu("db", 0.5e-3, Some(1.0)).search();
    let limited = explained(&found);
    assert!(limited.evidence[0].starts_with("1,9"), "{limited:#?}");
    assert!(limited.evidence[0].contains(" requests/s: the database's CPU, "), "{limited:#?}");
    assert!(limited.evidence[0].ends_with(" busy, 500 us per request; predicted 1,980"), "{limited:#?}");
    let table: [(System, &str); 4] = [
        (System { workers: Some((4.0, 2e-3)), ..system.clone() }, "the app server's 4 workers, "),
        (System { workers: Some((1.0, 2e-3)), ..system.clone() }, "the app server's 1 worker, "),
        (System { pool: Some(1.0), ..system.clone() }, "the app server's pool of 1 connection, "),
        (system.clone(), "the 2 CPUs that the tiers share (57 % of it for the database), "),
    ];
    for (system, words) in table {
        let limited = explained(&system.search());
        assert!(limited.evidence[0].contains(words), "{limited:#?}");
    }
    let shared = explained(&system.search());
    assert!(
        shared.evidence[1].starts_with("its time per request goes to the database (57 %), "),
        "{shared:#?}"
    );
}

#[test]
fn requests_that_pile_up_are_a_symptom() {
    let found = System { lock_s: Some(1e-3), workers: Some((8.0, 2e-3)), ..System::default() }.search();
    let limited = explained(&found);
    let said = limited.evidence.join("\n");
    assert!(
        said.contains("the app server's 8 workers: full of requests that wait for something else"),
        "{said}"
    );
    assert!(said.contains("candidates that no counter shows"), "{said}");
    // A lock that a counter does show is named as a candidate.
    let mut found = found;
    for step in &mut found.steps {
        step.observed.get_mut("db").unwrap().insert("row_lock_wait_share".to_owned(), 0.8);
    }
    let said = explain(&found, &resources(&found, 2)).evidence.join("\n");
    assert!(said.contains("the database's row locks for 0.8 s"), "{said}");
}

#[test]
fn the_generator_is_ruled_out_first() {
    let base = System::default().cpu("db", 0.5e-3, Some(0.5)).search();
    let own = |rps: f64| Some(SelfCheck { closed_rps: rps, ..SelfCheck::default() });
    let ceiling = base.ceiling_rps.unwrap();
    let late = "the generator used 97 % of a CPU, over 80 %";
    let pinned = Ceiling { head: pinned_to(1), ..with_machine(base.clone(), "target_cpu_busy", 0.98) };
    let generator: [(&str, Ceiling); 5] = [
        ("on the target's CPUs", pinned.clone()),
        ("at its own rate", Ceiling { self_check: own(ceiling / 0.85), ..base.clone() }),
        ("late above", unjudged_from(base.clone(), 1.001, late)),
        ("late around", unjudged_from(base.clone(), 0.96, late)),
        (
            "late above, at least",
            Ceiling { bound: Bound::AtLeast, ..unjudged_from(base.clone(), 1.001, late) },
        ),
    ];
    for (what, found) in generator {
        let limited = explained(&found);
        assert_eq!((limited.what, limited.tier), (Limit::Generator, None), "{what}: {:#?}", limited.evidence);
    }
    let not: [(&str, Ceiling); 5] = [
        (
            "has CPUs to spare",
            Ceiling { head: pinned_to(1), ..with_machine(base.clone(), "target_cpu_busy", 0.5) },
        ),
        ("can do more", Ceiling { self_check: own(ceiling * 3.0), ..base.clone() }),
        ("is late far above only", unjudged_from(base.clone(), 1.15, late)),
        ("has CPUs of its own", with_machine(base.clone(), "target_cpu_busy", 0.98)),
        (
            "has a target that died",
            unjudged_from(base.clone(), 1.001, "the target stopped answering for good 2.0 s into it"),
        ),
    ];
    for (what, found) in not {
        assert_eq!(explained(&found).what, Limit::Target, "{what}");
    }
}

#[test]
fn the_machine_is_ruled_out_next() {
    let base = System { lock_s: Some(1e-3), ..System::default() }.search();
    let late = "the hypervisor took 20 % of the CPU time, over 5 %";
    let mut followed = unjudged_from(base.clone(), 0.96, late);
    for step in followed.steps.iter_mut().filter(|step| !step.valid) {
        step.reasons.push("p99<50ms is broken by 12 % of the requests".to_owned());
    }
    let host: [(&str, Ceiling); 5] = [
        ("steal", with_machine(base.clone(), "steal", 0.12)),
        ("steal by its reason", unjudged_from(base.clone(), 0.96, late)),
        ("steal, and what follows from it", followed),
        ("others on the target's CPUs", with_machine(base.clone(), "target_cpu_busy", 0.99)),
        ("others on the machine", with_machine(base.clone(), "cpu_busy", 0.99)),
    ];
    for (what, found) in host {
        // The CPU that the tiers share is then full, and of no use to know.
        let limited = explain(&found, &resources(&base, 2));
        assert_eq!((limited.what, limited.tier), (Limit::Host, None), "{what}: {:#?}", limited.evidence);
    }
    let not = [with_machine(base.clone(), "steal", 0.02), with_machine(base, "cpu_busy", 0.6)];
    for found in not {
        assert_eq!(explained(&found).what, Limit::Unexplained);
    }
    // A tier at its own limit is one on a busy machine too.
    let workers = System { workers: Some((4.0, 2e-3)), ..System::default() }.search();
    let limited = explained(&with_machine(workers, "cpu_busy", 0.99));
    assert_eq!(key(&limited), (Limit::Target, Some("app"), Some("workers")));
}

#[test]
fn where_nothing_was_observed_it_says_how_to() {
    let mut found = System::default().search();
    found.steps.iter_mut().for_each(|step| step.observed.clear());
    let limited = explained(&found);
    assert_eq!(key(&limited), (Limit::Unexplained, None, Some("unknown")));
    assert!(limited.evidence.iter().any(|line| line.contains("--observe NAME=URL")), "{limited:#?}");
    // Nor is a tier that says nothing of use an observation.
    found.steps.iter_mut().for_each(|step| drop(step.observed.insert("web".to_owned(), Default::default())));
    assert!(explained(&found).evidence[0].contains("nothing of the target was observed"));
    let useless = BTreeMap::from([("rps".to_owned(), 5.0)]);
    found.steps.iter_mut().for_each(|step| drop(step.observed.insert("web".to_owned(), useless.clone())));
    assert!(explained(&found).evidence[0].contains("neither CPUs, workers nor connections"));
}

#[test]
fn a_bound_is_no_ceiling() {
    let mut found = System::default().search();
    // Only what holds was offered.
    let ceiling = found.ceiling_rps.unwrap();
    found.steps.retain(|step| step.offered_rps < 0.55 * ceiling);
    (found.bound, found.ceiling_rps, found.peak_goodput_rps) = (Bound::AtLeast, Some(0.5 * ceiling), None);
    let limited = explained(&found);
    assert_eq!(limited.what, Limit::Unexplained);
    assert!(limited.evidence[0].ends_with("the search ended at its own limit"), "{limited:#?}");
    assert!(limited.evidence[1].starts_with("next: the 2 CPUs that the tiers share, "), "{limited:#?}");
    // Below the lowest load there are only loads that failed: a full CPU is a limit, a full pool a place to wait in.
    for (system, limit) in [
        (System::default().cpu("db", 0.5e-3, Some(0.5)), Limit::Target),
        (System { pool: Some(1.0), ..System::default() }, Limit::Unexplained),
        (System { lock_s: Some(1e-3), ..System::default() }, Limit::Unexplained),
    ] {
        let mut found = system.search();
        let ceiling = found.ceiling_rps.unwrap();
        found.steps.retain(|step| step.offered_rps > 1.1 * ceiling);
        (found.bound, found.ceiling_rps) = (Bound::Below, None);
        let limited = explained(&found);
        assert_eq!(limited.what, limit, "{limited:#?}");
        assert!(limited.evidence[0].starts_with("below "), "{limited:#?}");
    }
}

#[test]
fn high_loads_predict_nothing_of_what_is_held() {
    // All that was offered is near the ceiling: there, a hidden lock has the workers held for long.
    for (system, limit) in [
        (System { lock_s: Some(1e-3), workers: Some((8.0, 2e-3)), ..System::default() }, Limit::Unexplained),
        (System::default().cpu("db", 0.5e-3, Some(0.5)), Limit::Target),
    ] {
        let mut found = system.search();
        let ceiling = found.ceiling_rps.unwrap();
        found.steps.retain(|step| step.offered_rps > 0.89 * ceiling);
        assert_eq!(explained(&found).what, limit, "{:#?}", explained(&found));
    }
}

#[test]
fn two_limits_at_once_are_both_named() {
    let mut system = System { noise: 0.0, workers: Some((64.0, 2e-3)), ..System::default() };
    system = system.cpu("app", 0.5e-3, Some(0.5)).cpu("proxy", 0.26e-3, Some(0.25));
    let limited = explained(&system.search());
    assert_eq!(limited.what, Limit::Target);
    let said = limited.evidence.join("\n");
    assert!(said.contains("the app server's 0.5 CPU") && said.contains("the proxy's 0.25 CPU"), "{said}");
    assert!(said.contains("would be full at"), "{said}");
}

#[test]
fn a_quota_that_cuts_in_bursts_is_saturated_earlier() {
    let system = System { noise: 0.0, ..System::default() }.cpu("db", 0.5e-3, Some(0.5));
    let mut found = system.search();
    // Part of the quota is lost on its way to the threads: 0.8 of it is all that can be used.
    for step in &mut found.steps {
        let share = step.observed["db"]["cpu_share"].min(0.4);
        step.observed.get_mut("db").unwrap().insert("cpu_share".to_owned(), share);
    }
    assert_eq!(explained(&found).what, Limit::Unexplained);
    for step in &mut found.steps {
        step.observed.get_mut("db").unwrap().insert("throttled_share".to_owned(), 0.6);
    }
    let limited = explained(&found);
    assert_eq!(key(&limited), (Limit::Target, Some("db"), Some("cpu")), "{limited:#?}");
    assert!(limited.evidence.iter().any(|line| line.contains("60 % of the periods")), "{limited:#?}");
}

#[test]
fn a_cpu_that_gives_more_than_predicted_is_still_the_limit_and_says_so() {
    let mut found = System { noise: 0.0, ..System::default() }.cpu("db", 0.5e-3, Some(0.5)).search();
    // At low load each request costs more, by caches that are cold.
    for step in found.steps.iter_mut().filter(|step| step.offered_rps < 700.0) {
        *step.observed.get_mut("db").unwrap().get_mut("cpu_share").unwrap() *= 1.3;
    }
    let limited = explained(&found);
    assert_eq!(key(&limited), (Limit::Target, Some("db"), Some("cpu")), "{limited:#?}");
    assert!(limited.evidence.iter().any(|line| line.contains("more than predicted")), "{limited:#?}");
}

#[test]
fn little_is_enough_to_say_little() {
    assert_eq!(explain(&Ceiling::default(), &[]).what, Limit::Unexplained);
    let whole = System::default().search();
    for keep in 1..=3 {
        let mut found = whole.clone();
        found.steps.truncate(keep);
        assert!(!explained(&found).evidence.is_empty());
    }
    // A capacity that is used more than once over is none.
    let mut lies = System { workers: Some((4.0, 2e-3)), ..System::default() }.search();
    for step in &mut lies.steps {
        *step.observed.get_mut("app").unwrap().get_mut("workers_busy").unwrap() *= 5.0;
    }
    let limited = explained(&lies);
    assert_ne!(limited.resource.as_deref(), Some("workers"), "{limited:#?}");
}

#[test]
fn tiers_have_names_that_are_read() {
    let system = System {
        cpus: vec![Cpu { tier: "web", demand_s: 1e-3, idle: 0.0, limit: Some(1.5) }],
        workers: None,
        pool: None,
        ..System::default()
    };
    let limited = explained(&system.search());
    assert!(limited.evidence[0].contains("\"web\"'s 1.5 CPUs, "), "{limited:#?}");
}
