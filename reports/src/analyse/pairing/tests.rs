//! Which records belong together, what is refused, and what is said of it.

use super::*;
use crate::comparison::Call;
use crate::fixture;

/// Twelve runs of the healthy fixture, each with a seed and a start of its own, whose times are `ratio` times as long.
fn set(dir: &str, ratio: f64) -> Set {
    let mut set = Set { dir: dir.into(), ..Set::default() };
    for n in 1..=12u64 {
        let mut run = fixture::healthy().run;
        (run.seed, run.started_at) =
            (n, format!("2026-11-24T08:{n:02}:{}Z", if ratio == 1.0 { "00" } else { "30" }));
        for times in [&mut run.response_ms, &mut run.service_ms] {
            let wobble = 1.0 + 0.001 * n as f64;
            [&mut times.p50, &mut times.p99].into_iter().flatten().for_each(|value| *value *= ratio * wobble);
        }
        run.observed = [("app", 0.2), ("db", 0.1), ("dns", 0.0001)]
            .into_iter()
            .map(|(tier, cpu)| (tier.to_owned(), [("cpu_share".to_owned(), cpu * ratio)].into()))
            .collect();
        set.runs.insert(format!("{n:02}"), run);
    }
    set
}

fn compared(base: &Set, candidate: &Set, may: &[May]) -> Result<Comparison, String> {
    let terms = Terms { may: may.to_vec(), ..Terms::default() };
    compare(Sets { base, candidate, control: None, slowed: &[] }, &terms, Head::default())
}

#[test]
fn pairs_have_the_same_name_and_the_figures_of_both() {
    let (base, candidate) = (set("base", 1.0), set("candidate", 1.2));
    let found = compared(&base, &candidate, &[]).unwrap();
    assert_eq!(found.call, Call::Regression);
    let metric = |name: &str| found.metrics.iter().find(|metric| metric.name == name).unwrap();
    assert_eq!(metric("p50_ms").pairs.len(), 12);
    assert_eq!(metric("p50_ms").pairs[0].base, base.runs["01"].response_ms.p50.unwrap());
    let per_request = 0.2 / base.runs["01"].rps.ok * 1e6;
    assert_eq!(metric("cpu_us.app").pairs[0].base, per_request);
    // What has next to no part in it decides nothing.
    assert!(metric("cpu_us.app").delta.is_some() && metric("cpu_us.dns").delta.is_none());
    assert!(found.attribution[0].contains("app CPU per request +20 %"), "{:?}", found.attribution);
    assert!(found.left_out.is_empty() && found.marks.is_empty());
    assert_eq!(found.offered, Offered::of(&base.runs["01"]));
    assert!(found.offered.is_some() && found.base.versions.is_empty());
}

#[test]
fn runs_at_several_rates_have_no_one_rate() {
    let [mut base, mut candidate] = [set("base", 1.0), set("candidate", 1.2)];
    for set in [&mut base, &mut candidate] {
        let run = set.runs.get_mut("07").unwrap();
        (run.steps[0].from_rps, run.steps[0].to_rps) = (7.0, 7.0);
        for run in set.runs.values_mut() {
            run.target.versions.insert("mariadb".into(), "10.11.6".into());
        }
    }
    let found = compared(&base, &candidate, &[]).unwrap();
    assert_eq!((found.offered, &found.candidate.versions["mariadb"][..]), (None, "10.11.6"));
}

#[test]
fn another_load_is_refused() {
    let base = set("base", 1.0);
    for (change, said) in [
        ((|run: &mut Run| run.steps[0].to_rps *= 2.0) as fn(&mut Run), "not the same load"),
        // By less than three digits say.
        (|run| run.steps[0].duration_s *= 1.0 + 1e-4, "not the same load"),
        (|run| run.arrivals = "poisson!".into(), "not the same load"),
        (|run| run.wire.protocol = "HTTP/2".into(), "not the same load"),
        (|run| run.load_digest = "0".into(), "not the same requests"),
    ] {
        let mut candidate = set("candidate", 1.2);
        change(candidate.runs.get_mut("07").unwrap());
        let refused = compared(&base, &candidate, &[May::Seed, May::Machine, May::Generator]).unwrap_err();
        assert!(refused.contains(said) && refused.contains("07"), "{refused}");
    }
}

#[test]
fn another_seed_machine_or_generator_is_refused_or_marked() {
    let base = set("base", 1.0);
    for (change, may, word) in [
        ((|run: &mut Run| run.seed += 100) as fn(&mut Run), May::Seed, "seed"),
        (|run| run.host.cpu = "another".into(), May::Machine, "machine"),
        (|run| run.host.kernel = "another".into(), May::Machine, "machine"),
        (|run| run.host.commit = "another".into(), May::Generator, "generator"),
        (|run| run.generator.cpus = vec![7], May::Generator, "generator"),
    ] {
        let mut candidate = set("candidate", 1.2);
        change(candidate.runs.get_mut("01").unwrap());
        let refused = compared(&base, &candidate, &[]).unwrap_err();
        assert!(refused.ends_with(&format!("say --allow {word}")), "{refused}");
        let found = compared(&base, &candidate, &[may]).unwrap();
        assert_eq!(found.marks.len(), 1, "{:?}", found.marks);
        assert!(
            found.verdict.reasons.iter().any(|reason| reason.starts_with("not the same on both sides: "))
        );
    }
}

#[test]
fn a_set_is_not_compared_with_itself() {
    let base = set("base", 1.0);
    let mut copy = base.clone();
    copy.dir = "copy".into();
    assert!(compared(&base, &copy, &[]).unwrap_err().contains("the same records"));
    copy.runs.remove("03");
    assert!(compared(&base, &copy, &[]).unwrap_err().contains("the same records"), "nor with a part of it");
    searched(&mut copy, "x");
    copy.runs.clear();
    let mut searches = copy.clone();
    searches.dir = "searches".into();
    assert!(compared(&searches, &copy, &[]).unwrap_err().contains("the same records"));
    // A candidate for a control would make noise of whatever it is worse by.
    let (candidate, mut control) = (set("candidate", 1.2), set("candidate", 1.2));
    control.dir = "control".into();
    let sets = Sets { base: &base, candidate: &candidate, control: Some(&control), slowed: &[] };
    let refused = compare(sets, &Terms::default(), Head::default()).unwrap_err();
    assert!(refused.contains("candidate and control: they are the same records"), "{refused}");
    // What was measured once is one pair, under however many names.
    let mut twice = set("candidate", 1.2);
    twice.runs.insert("13".into(), twice.runs["05"].clone());
    assert!(compared(&base, &twice, &[]).unwrap_err().contains("05 and 13 are the same record"));
}

#[test]
fn what_was_not_measured_is_said_and_not_passed_for_what_was_asked() {
    let (mut base, mut candidate) = (set("base", 1.0), set("candidate", 1.001));
    for run in base.runs.values_mut().chain(candidate.runs.values_mut()) {
        run.response_ms.p99 = None;
    }
    let found = compared(&base, &candidate, &[]).unwrap();
    assert_eq!(found.call, Call::Pass);
    let said = |found: &Comparison, what: &str| found.verdict.reasons.iter().any(|one| one.contains(what));
    assert!(said(&found, "not judged: p99: too few requests in a run"), "{:?}", found.verdict);
    let terms = Terms { deltas: [("p99_ms".to_owned(), Some(0.03))].into(), ..Terms::default() };
    let sets = Sets { base: &base, candidate: &candidate, control: None, slowed: &[] };
    let found = compare(sets, &terms, Head::default()).unwrap();
    assert_eq!(found.call, Call::Inconclusive);
    assert!(said(&found, "p99: 0 pairs"), "{:?}", found.verdict);
}

#[test]
fn what_was_not_measured_side_by_side_and_answers_that_are_others_are_said() {
    let (base, mut candidate) = (set("base", 1.0), set("candidate", 1.001));
    for run in candidate.runs.values_mut() {
        run.started_at = run.started_at.replace("T08", "T10");
        run.bytes.received /= 100;
    }
    let found = compared(&base, &candidate, &[]).unwrap();
    let said = |what: &str| found.verdict.reasons.iter().any(|one| one.contains(what));
    assert!(said("began up to ") && said("are they the same?"), "{:?}", found.verdict);
}

/// Puts a search beside each run, begun at `at`.
fn searched(set: &mut Set, at: &str) {
    for name in set.runs.keys() {
        let mut search = fixture::ceiling::database_bound();
        search.head.started_at = format!("{at} {name}");
        set.ceilings.insert(format!("{name}-ceiling"), search);
    }
}

#[test]
fn a_ceiling_that_the_candidate_has_no_more_is_no_pass() {
    let (mut base, mut candidate) = (set("base", 1.0), set("candidate", 1.001));
    searched(&mut base, "0");
    searched(&mut candidate, "1");
    assert_eq!(compared(&base, &candidate, &[]).unwrap().call, Call::Pass);
    for (spoil, why) in [
        ((|search: &mut Ceiling| search.bound = Bound::Below) as fn(&mut Ceiling), "below the lowest rate"),
        (|search| search.bound = Bound::AtLeast, "met its own limit"),
        (|search| search.verdict.valid = false, "-ceiling: invalid"),
    ] {
        let mut candidate = candidate.clone();
        candidate.ceilings.values_mut().for_each(spoil);
        let found = compared(&base, &candidate, &[]).unwrap();
        let ceiling = &found.metrics[0];
        assert_eq!(
            (ceiling.name.as_str(), ceiling.pairs.len(), found.call),
            ("ceiling_rps", 0, Call::Inconclusive)
        );
        assert!(
            found.verdict.reasons[0].contains("ceiling: 0 pairs, and 11 are needed"),
            "{:?}",
            found.verdict
        );
        assert!(found.left_out.len() == 12 && found.left_out[0].contains(why), "{:?}", found.left_out);
    }
    // Nor are ceilings alone, where no run is valid, or a tier that does not say any more what it takes.
    let mut invalid = candidate.clone();
    invalid.runs.values_mut().for_each(|run| run.verdict.valid = false);
    let mut silent = candidate.clone();
    silent.runs.values_mut().for_each(|run| run.observed.clear());
    for (candidate, what) in [(invalid, "p50: 0 pairs"), (silent, "app CPU per request: 0 pairs")] {
        let found = compared(&base, &candidate, &[]).unwrap();
        let says = found.verdict.reasons.iter().any(|reason| reason.contains(what));
        assert!(found.call == Call::Inconclusive && says, "{:?}", found.verdict);
    }
    let mut other = candidate.clone();
    other.ceilings.values_mut().for_each(|search| search.slo.push_str(",max<1s"));
    assert!(compared(&base, &other, &[]).unwrap_err().contains("01-ceiling: not the same search: "));
    // Who does not want it may say so.
    let mut candidate = candidate.clone();
    candidate.ceilings.values_mut().for_each(|search| search.bound = Bound::AtLeast);
    let terms = Terms { deltas: [("ceiling_rps".to_owned(), None)].into(), ..Terms::default() };
    let sets = Sets { base: &base, candidate: &candidate, control: None, slowed: &[] };
    assert_eq!(compare(sets, &terms, Head::default()).unwrap().call, Call::Pass);
}

#[test]
fn what_is_in_no_pair_is_named() {
    let (base, mut candidate) = (set("base", 1.0), set("candidate", 1.2));
    candidate.runs.remove("03");
    let spoilt = candidate.runs.get_mut("04").unwrap();
    (spoilt.verdict.valid, spoilt.verdict.reasons) = (false, vec!["the hypervisor took 9 %".into()]);
    candidate.runs.get_mut("05").unwrap().partial = true;
    candidate.unread.insert("06x".into(), "candidate/06x/run.json: EOF".into());
    let found = compared(&base, &candidate, &[]).unwrap();
    assert_eq!(found.metrics[0].pairs.len(), 9);
    let said = found.left_out.join("\n");
    for part in
        ["03: it is in base alone", "04: the hypervisor", "05: cut short", "06x: candidate/06x/run.json: EOF"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_target_that_dies_or_answers_nothing_is_worse() {
    let base = set("base", 1.0);
    for dies in [true, false] {
        let mut candidate = set("candidate", 1.001);
        for run in candidate.runs.values_mut() {
            (run.errors.reset, run.ok) = (run.ok, 0);
            run.died_at_s = dies.then_some(1.0);
        }
        let found = compared(&base, &candidate, &[]).unwrap();
        assert_eq!(found.call, Call::Regression, "{:?}", found.metrics);
        assert!(crate::analyse::compare::finding(&found).contains("requests answered -1"));
        let said =
            found.left_out.iter().any(|why| why.starts_with("01: its times: the target stopped answering"));
        assert_eq!(said, dies, "{:?}", found.left_out);
    }
}

#[test]
fn a_base_that_answers_nothing_is_no_measure() {
    let broken = |dir: &str| {
        let mut set = set(dir, if dir == "base" { 1.0 } else { 1.1 });
        set.runs.values_mut().for_each(|run| run.ok = run.planned / 3);
        set
    };
    let found = compared(&broken("base"), &broken("candidate"), &[]).unwrap();
    assert_eq!(found.call, Call::Inconclusive);
    assert!(found.left_out[0].contains("the base itself answered less than half"), "{:?}", found.left_out);
}

#[test]
fn a_tier_that_was_small_may_not_grow_unseen() {
    let small = |dir: &str, cpu: f64| {
        let mut set = set(dir, if dir == "base" { 1.0 } else { 1.0001 });
        set.runs.values_mut().for_each(|run| {
            run.observed.get_mut("db").unwrap().insert("cpu_share".to_owned(), cpu);
        });
        set
    };
    let found = compared(&small("base", 0.015), &small("candidate", 0.03), &[]).unwrap();
    let db = found.metrics.iter().find(|metric| metric.name == "cpu_us.db").unwrap();
    assert_eq!((found.call, db.call), (Call::Regression, Call::Regression));
}

#[test]
fn deltas_can_be_changed_and_a_name_that_there_is_not_is_refused() {
    let (base, candidate) = (set("base", 1.0), set("candidate", 1.2));
    let with = |name: &str, delta| {
        let terms = Terms { deltas: [(name.to_owned(), delta)].into(), ..Terms::default() };
        compare(
            Sets { base: &base, candidate: &candidate, control: None, slowed: &[] },
            &terms,
            Head::default(),
        )
    };
    let found = with("p50_ms", Some(0.5)).unwrap();
    let p50 = found.metrics.iter().find(|metric| metric.name == "p50_ms").unwrap();
    assert_eq!((p50.delta, p50.call), (Some(0.5), Call::Pass));
    // What was not measured this time is no mistake.
    assert!(with("ceiling_rps", Some(0.03)).is_ok());
    let none = with("p51_ms", Some(0.5)).unwrap_err();
    assert!(none.contains("no metric `p51_ms`; there are p50_ms, "), "{none}");
    assert!(
        with("cpu_us.db", None)
            .unwrap()
            .metrics
            .iter()
            .any(|one| one.name == "cpu_us.db" && one.delta.is_none())
    );
}

#[test]
fn a_known_slowdown_is_found_and_base_against_base_is_not_one() {
    let (base, candidate, mut control) = (set("base", 1.0), set("candidate", 1.001), set("control", 1.0));
    control.runs.values_mut().for_each(|run| run.started_at.push('x'));
    let slowed = [(0.05, set("slow-5", 1.02)), (0.2, set("slow-20", 1.2))];
    let sets = Sets { base: &base, candidate: &candidate, control: Some(&control), slowed: &slowed };
    let found = compare(sets, &Terms::default(), Head::default()).unwrap();
    let calls = [(0.0, Call::Pass), (0.05, Call::Pass), (0.2, Call::Regression)];
    assert_eq!(found.checks.iter().map(|check| (check.slowdown, check.call)).collect::<Vec<_>>(), calls);
    assert_eq!(found.call, Call::Pass);
    assert!(found.metrics[0].found.as_ref().unwrap().floor.is_some());
    // What is in neither control nor slowed set has no say about them.
    let (mut base, mut candidate) = (base, candidate);
    searched(&mut base, "0");
    searched(&mut candidate, "1");
    let sets = Sets { base: &base, candidate: &candidate, control: Some(&control), slowed: &slowed };
    let terms = Terms { deltas: [("ceiling_rps".to_owned(), Some(0.03))].into(), ..Terms::default() };
    let found = compare(sets, &terms, Head::default()).unwrap();
    assert_eq!(found.checks.iter().map(|check| check.call).collect::<Vec<_>>(), calls.map(|(_, call)| call));
    let reasons = &found.verdict.reasons;
    assert!(
        reasons.iter().any(|reason| reason.starts_with("ceiling: 0 pairs of base and base")),
        "{reasons:?}"
    );
}
