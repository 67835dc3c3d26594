//! What is concluded of scaling out, from searches whose limits are known by construction.

use super::*;
use crate::fixture::scale_out::{Made, made, search};

/// The ceilings of a mix, and whose each of them is.
fn standings(found: &ScaleOut, mix: usize) -> Vec<(u32, Standing)> {
    found.mixes[mix].points.iter().map(|point| (point.servers, point.standing)).collect()
}

#[test]
fn whose_a_ceiling_is_comes_from_its_search() {
    use Standing::{App, Generator, Invalid, Machine, NextTier, Unexplained};
    type Change = fn(&mut Ceiling);
    let table: [(&str, Change, Standing); 7] = [
        ("app", |_| {}, App),
        ("db", |_| {}, NextTier),
        ("machine", |_| {}, Machine),
        ("app", |found| found.steps.iter_mut().for_each(|step| step.observed.clear()), Unexplained),
        ("app", |found| found.steps.retain(|step| step.passed), Standing::AtLeast),
        ("app", |found| found.steps.clear(), Invalid),
        (
            "app",
            |found| {
                for step in found.steps.iter_mut().filter(|step| !step.passed) {
                    (step.valid, step.reasons) =
                        (false, vec!["the sending thread used 97 % of its CPU".to_owned()]);
                }
            },
            Generator,
        ),
    ];
    for (limit, change, want) in table {
        let mut found = search(400.0, limit, 1);
        change(&mut found);
        conclude_search(&mut found).unwrap();
        assert_eq!(standing(&found), want, "{limit}: {:?} {:?}", found.limited_by, found.verdict);
    }
}

#[test]
fn a_generator_at_its_own_rate_is_no_server() {
    let mut found = made(Made::AppBound);
    let closed_rps = found.mixes[0].points[3].search.ceiling_rps.unwrap() * 1.1;
    let check = SelfCheck { closed_rps, ..SelfCheck::default() };
    found.self_check = Some(check.clone());
    for point in &mut found.mixes[0].points {
        point.search.self_check = Some(check.clone());
    }
    conclude(&mut found).unwrap();
    assert_eq!(standings(&found, 0)[3], (4, Standing::Generator));
    assert!(!found.verdict.valid && found.verdict.reasons[0].contains("its limit is the generator, which"));
    assert_eq!(found.mixes[0].gain.as_ref().unwrap().servers, [1, 3], "it is not counted");
    assert!(found.mixes[0].no_law.contains("there are 3"), "{:?}", found.mixes[0].no_law);
    assert!(found.mixes[0].points[3].headroom.generator_rate.unwrap() > 0.8);
}

#[test]
fn servers_that_are_the_limit_scale() {
    let found = made(Made::AppBound);
    assert!(found.verdict.valid, "{:?}", found.verdict);
    let mix = &found.mixes[0];
    assert!(mix.points.iter().all(|point| point.standing == Standing::App), "{:?}", standings(&found, 0));
    let gain = mix.gain.as_ref().unwrap();
    assert!(gain.servers == [1, 4] && (3.7..4.1).contains(&gain.ratio), "{gain:?}");
    assert!((gain.of_perfect - gain.ratio / 4.0).abs() < 1e-9);
    let [from, to] = gain.ci95.unwrap();
    assert!(from < gain.ratio && gain.ratio < to, "{gain:?}");
    let law = mix.law.as_ref().unwrap();
    assert!(law.sigma < 0.05 && mix.no_law.is_empty(), "{law:?}");
    let wall = mix.wall.as_ref().unwrap();
    assert!(wall.tier == "db" && !wall.reached && wall.rps > 4.0 * 400.0, "{wall:?}");
    let said = finding(&found);
    assert!(said.starts_with("4 servers serve ") && said.contains("of product pages"), "{said}");
    assert!(said.contains("; the database will end it at ") && said.ends_with("as predicted"), "{said}");
}

#[test]
fn servers_in_front_of_a_full_database_do_not() {
    let found = made(Made::Both);
    assert!(found.verdict.valid, "{:?}", found.verdict);
    let mix = &found.mixes[1];
    assert!(
        mix.points.iter().all(|point| point.standing == Standing::NextTier),
        "{:?}",
        standings(&found, 1)
    );
    let gain = mix.gain.as_ref().unwrap();
    assert!((0.9..1.1).contains(&gain.ratio), "{gain:?}");
    let wall = mix.wall.as_ref().unwrap();
    assert!(wall.reached && wall.tier == "db", "{wall:?}");
    assert!(mix.law.as_ref().unwrap().sigma > 0.9);
    let said = finding(&found);
    assert!(said.contains("; of searches, ") && said.contains("times: the database ends it at "), "{said}");
    assert!(said.chars().count() < 150, "a title has two lines: {said}");
}

#[test]
fn what_does_not_count_is_said() {
    let found = made(Made::Spoilt);
    let table = standings(&found, 0);
    assert_eq!(table[1], (2, Standing::AtLeast), "{table:?}");
    assert_eq!(table[3], (4, Standing::Machine), "{table:?}");
    let reasons = found.verdict.reasons.join("\n");
    assert!(!found.verdict.valid, "the last of them is none: {reasons}");
    for part in [
        "with 4 servers: its limit is the CPU that the tiers share",
        "with 2 servers: the search ended at",
        "needs 4 ceilings",
    ] {
        assert!(reasons.contains(part), "{part}: {reasons}");
    }
    assert_eq!(found.mixes[0].gain.as_ref().unwrap().servers, [1, 3]);
}

#[test]
fn an_experiment_without_a_point_says_so() {
    let mut found = made(Made::AppBound);
    (found.partial, found.mixes) = (true, Vec::new());
    conclude(&mut found).unwrap();
    assert!(!found.verdict.valid);
    assert_eq!(found.verdict.reasons, ["the experiment was cut short", "no search was ended"]);
    assert_eq!(finding(&found), "Nothing was measured: no search has ended");
}

#[test]
fn a_conclusion_is_the_same_the_second_time() {
    for made_up in [Made::AppBound, Made::Both, Made::Spoilt] {
        let found = made(made_up);
        let mut again = found.clone();
        conclude(&mut again).unwrap();
        assert_eq!(again, found);
    }
}

#[test]
fn an_error_of_a_ratio_is_that_of_both() {
    let point = |servers, rps: f64, half: f64| Point {
        servers,
        standing: Standing::App,
        search: Ceiling {
            ceiling_rps: Some(rps),
            ci95: Some([rps * (-half).exp(), rps * half.exp()]),
            ..Ceiling::default()
        },
        ..Point::default()
    };
    let found = gain(&[point(1, 100.0, 0.03), point(2, 200.0, 0.04)]).unwrap();
    let [from, to] = found.ci95.unwrap();
    assert!((from - 2.0 * (-0.05f64).exp()).abs() < 1e-9 && (to - 2.0 * 0.05f64.exp()).abs() < 1e-9);
    assert_eq!(unsure(&found), None);
    let noisy = gain(&[point(1, 100.0, 0.03), point(2, 200.0, 0.4)]).unwrap();
    assert!(unsure(&noisy).is_some_and(|why| why.contains("1.34 to 2.99 times")), "{noisy:?}");
    // An end at nothing is no exactness.
    let mut unknown = [point(1, 100.0, 0.03), point(2, 200.0, 0.04)];
    for ci95 in [Some([0.0, 230.0]), None] {
        unknown[1].search.ci95 = ci95;
        let found = gain(&unknown).unwrap();
        assert!(
            found.ci95.is_none() && unsure(&found).is_some_and(|why| why.contains("how exact")),
            "{found:?}"
        );
    }
    assert_eq!(gain(&[point(1, 100.0, 0.03)]), None);
    assert_eq!(gain(&[]), None);
}
