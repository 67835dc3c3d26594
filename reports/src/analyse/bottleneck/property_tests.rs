//! What holds of every search: of targets made at random, and of records that nothing can be said of.

use super::*;
use crate::analyse::synthetic::System;
use crate::ceiling::Step;
use proptest::prelude::*;

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..10.0f64,
        2 => 0.0..2_000.0f64,
        1 => prop::sample::select(vec![0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300]),
    ]
}

fn anything() -> impl Strategy<Value = Step> {
    let names =
        ["cpu_share", "cpu_limit", "cpus", "workers", "workers_busy", "pool", "pool_busy", "throttled_share"];
    let metrics = prop::collection::btree_map(prop::sample::select(names.to_vec()), number(), 0..8);
    let tiers = prop::collection::btree_map(prop::sample::select(vec!["db", "app", "web"]), metrics, 0..3);
    let kernel = ["target_cpu_busy", "cpu_busy", "steal", "psi_io"];
    let machine = prop::collection::btree_map(prop::sample::select(kernel.to_vec()), 0.0..1.0f64, 0..4);
    let flags = (any::<bool>(), prop::bool::weighted(0.8), any::<bool>());
    (number(), number(), number(), flags, tiers, machine).prop_map(
        |(offered, ok, length, flags, tiers, machine)| {
            let owned = |metrics: BTreeMap<&str, f64>| {
                metrics.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            };
            Step {
                offered_rps: offered,
                ok_rps: ok,
                duration_s: length,
                passed: flags.0,
                valid: flags.1,
                reasons: if flags.2 { vec!["the generator woke late".to_owned()] } else { Vec::new() },
                observed: tiers
                    .into_iter()
                    .map(|(tier, metrics)| (tier.to_owned(), owned(metrics)))
                    .collect(),
                machine: owned(machine),
                ..Step::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_named_that_was_not_observed(
        steps in prop::collection::vec(anything(), 0..12),
        ceiling in prop::option::of(number()),
        peak in prop::option::of(number()),
        bound in prop::sample::select(vec![Bound::Exact, Bound::AtLeast, Bound::Below]),
        shared in 0..3usize,
    ) {
        let mut found = Ceiling { steps, ceiling_rps: ceiling, peak_goodput_rps: peak, bound, ..Ceiling::default() };
        found.target.cpus = (0..shared).collect();
        let resources = resources(&found, shared);
        for resource in &resources {
            prop_assert!(resource.predicted_rps > 0.0 && resource.predicted_rps.is_finite(), "{resource:?}");
            prop_assert!(resource.demand_s > 0.0 && resource.capacity > 0.0, "{resource:?}");
            prop_assert!(resource.utilisation.is_none_or(|share| (0.0..=1.0).contains(&share)), "{resource:?}");
            prop_assert!(found.steps.iter().any(|step| step.observed.contains_key(&resource.tier)));
        }
        let limited = explain(&found, &resources);
        prop_assert!(!limited.evidence.is_empty());
        prop_assert_eq!(limited.what == Limit::Target, limited.tier.is_some());
        if let Some(tier) = &limited.tier {
            prop_assert!(resources.iter().any(|r| r.tier == *tier && Some(&r.resource) == limited.resource.as_ref()));
        }
    }
}

fn any_system() -> impl Strategy<Value = System> {
    let demand = || 0.05e-3..1e-3f64;
    let limit = || prop::option::weighted(0.5, 0.1..0.8f64);
    let cpus = (demand(), limit(), demand(), limit(), demand(), limit());
    // One worker or one connection has a lock for itself: then it is no lock.
    let slots = (2u32..40, 0.1e-3..5e-3f64, 2u32..20);
    (cpus, slots, 1usize..4, 0.0..0.02f64, any::<u64>(), 100.0..400.0f64).prop_map(
        |(
            (proxy, proxy_limit, app, app_limit, db, db_limit),
            (workers, own, pool),
            shared_cpus,
            noise,
            seed,
            p99_ms,
        )| {
            let workers = Some((f64::from(workers), own));
            let pool = Some(f64::from(pool));
            System { workers, pool, shared_cpus, noise, seed, p99_ms, ..System::default() }
                .cpu("proxy", proxy, proxy_limit)
                .cpu("app", app, app_limit)
                .cpu("db", db, db_limit)
        },
    )
}

proptest! {
    #[test]
    fn a_limit_that_stands_alone_is_named(system in any_system()) {
        let truth = resources(&System { noise: 0.0, ..system.clone() }.search(), system.shared_cpus);
        // What requests hold is held for longer where they queue for the next resource, long before that one is full.
        let apart = if truth[0].resource == "cpu" { 0.8 } else { 0.3 };
        prop_assume!(truth.len() > 1 && truth[0].predicted_rps < apart * truth[1].predicted_rps);
        prop_assume!(system.ceiling() > 0.7 * truth[0].predicted_rps);
        let found = system.search();
        let limited = explain(&found, &resources(&found, system.shared_cpus));
        let case = format!("{limited:#?} {:#?}", resources(&found, system.shared_cpus));
        prop_assert_eq!((limited.what, &limited.resource), (Limit::Target, &Some(truth[0].resource.clone())), "{}", case);
        prop_assert!(limited.tier.as_ref() == Some(&truth[0].tier) || !truth[0].shared.is_empty());
    }

    #[test]
    fn a_hidden_lock_is_never_blamed_on_a_tier(system in any_system()) {
        let truth = resources(&System { noise: 0.0, ..system.clone() }.search(), system.shared_cpus);
        let lock_rps = 0.6 * truth[0].predicted_rps;
        let locked = System { lock_s: Some(1.0 / lock_rps), ..system };
        // Few workers that hold the lock for most of their time are as good a limit as the lock.
        prop_assume!(locked.slots_capacity() > 1.4 * lock_rps);
        let found = locked.search();
        let limited = explain(&found, &resources(&found, locked.shared_cpus));
        let case = format!("{limited:#?} {locked:?}");
        prop_assert_eq!(limited.what, Limit::Unexplained, "{}", case);
    }
}
